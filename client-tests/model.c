/* SPDX-License-Identifier: BSD-3-Clause */
/* model.c - a store that does one command at a time, as small as can be: what
 * a history is compared with.
 */
#include "client-tests/model.h"

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>

#define MS 1000000

/* ---- keys ---------------------------------------------------------------- */

void
model_touch(struct model *m, unsigned key)
{
    for (unsigned t = 0; t < HISTORY_THREADS; t++)
        if (m->watched[t] >> key & 1)
            m->changed[t] = true;
}

bool
model_drop(struct model *m, unsigned key)
{
    if (!m->key[key].present)
        return false;
    memset(&m->key[key], 0, sizeof(m->key[key]));
    model_touch(m, key);
    return true;
}

void
model_put(struct model *m, unsigned key, const char *p, size_t len)
{
    struct model_key *k = &m->key[key];

    ck_assert_msg(len < HISTORY_VALUE, "a value is too long for the model");
    memmove(k->value, p, len);
    memset(k->value + len, 0, HISTORY_VALUE - len);
    k->len = (uint16_t)len;
    k->present = true;
    k->version = 0;
    model_touch(m, key);
}

void
model_clear_deadline(struct model_key *k)
{
    k->expires = false;
    k->deadline_lo = k->deadline_hi = 0;
}

static void
set_deadline(struct model_key *k, const struct op *op, const struct step *s)
{
    k->expires = true;
    k->deadline_lo = op->start_ns + (int64_t)s->ttl_ms * MS;
    k->deadline_hi = op->end_ns + (int64_t)s->ttl_ms * MS;
}

unsigned
model_settle(struct model *m, const struct op *op, int64_t slack_ns)
{
    unsigned unsure = 0;

    for (unsigned i = 0; i < HISTORY_KEYS; i++) {
        const struct model_key *k = &m->key[i];

        if (!(op->keys >> i & 1) || !k->present || !k->expires ||
            op->end_ns < k->deadline_lo - slack_ns)
            continue;
        if (op->start_ns > k->deadline_hi + slack_ns)
            (void)model_drop(m, i);
        else
            unsure |= 1u << i;
    }
    return unsure;
}

void
model_expire(struct model *m, unsigned keys)
{
    for (unsigned i = 0; i < HISTORY_KEYS; i++)
        if (keys >> i & 1)
            (void)model_drop(m, i);
}

/* ---- commands ------------------------------------------------------------ */

void
model_say(struct text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    t->len +=
        (size_t)vsnprintf(t->p + t->len, sizeof(t->p) - t->len, fmt, args);
    va_end(args);
    ck_assert_uint_lt(t->len, sizeof(t->p));
}

void
model_say_value(struct text *t, const struct model_key *k)
{
    if (k->present)
        model_say(t, "\"%s\"", k->value);
    else
        model_say(t, "$-1");
}

static bool
digest_is(const struct model_key *k, const char *other)
{
    char mine[17], theirs[17];

    model_digest(k->value, k->len, mine);
    model_digest(other, strlen(other), theirs);
    return strcmp(mine, theirs) == 0;
}

/* `absent` is the answer for a key that is not there. A version that somebody
 * was told and that is not known here is that of an earlier value. */
static bool
compares(const struct model_key *k, const struct step *s, bool absent)
{
    switch (s->condition) {
    case C_NX:
        return !k->present;
    case C_XX:
        return k->present;
    case C_IFEQ:
        return k->present && strcmp(k->value, s->compare) == 0;
    case C_IFDEQ:
        return k->present && digest_is(k, s->compare);
    case C_IFNE:
        return k->present ? strcmp(k->value, s->compare) != 0 : absent;
    case C_IFDNE:
        return k->present ? !digest_is(k, s->compare) : absent;
    case C_IFVER:
        return k->present ? s->version != 0 && k->version == s->version
                          : absent && s->version == 0;
    default:
        return true;
    }
}

static void
do_set(struct model *m, const struct op *op, const struct step *s,
    struct text *out)
{
    struct model_key *k = &m->key[s->key];
    bool sets = compares(k, s, true);

    if (s->get)
        model_say_value(out, k);
    else
        model_say(out, sets ? "+OK" : "$-1");
    if (!sets)
        return;
    if (s->lifetime == L_PX)
        set_deadline(k, op, s);
    else if (s->lifetime == L_NONE)
        model_clear_deadline(k);
    model_put(m, s->key, s->value, strlen(s->value));
}

static void
do_incrby(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    long long n = k->present ? strtoll(k->value, NULL, 10) : 0;
    char text[24];

    snprintf(text, sizeof(text), "%lld", n);
    if (k->present && strcmp(text, k->value) != 0) {
        model_say(out, "-ERR value is not an integer or out of range");
        return;
    }
    snprintf(text, sizeof(text), "%lld", n + s->delta);
    model_put(m, s->key, text, strlen(text));
    model_say(out, ":%s", text);
}

static void
do_append(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    char value[2 * HISTORY_VALUE];
    int len = snprintf(value, sizeof(value), "%s%s", k->value, s->value);

    model_put(m, s->key, value, (size_t)len);
    model_say(out, ":%d", len);
}

static void
do_getex(struct model *m, const struct op *op, const struct step *s,
    struct text *out)
{
    struct model_key *k = &m->key[s->key];

    model_say_value(out, k);
    if (!k->present || s->lifetime == L_NONE ||
        (s->lifetime == L_PERSIST && !k->expires))
        return;
    if (s->lifetime == L_PX)
        set_deadline(k, op, s);
    else
        model_clear_deadline(k);
    model_touch(m, s->key);
}

static void
do_expire(struct model *m, const struct op *op, const struct step *s,
    struct text *out)
{
    struct model_key *k = &m->key[s->key];
    bool sets = k->present &&
        (s->condition == C_NONE || k->expires == (s->condition == C_XX));

    model_say(out, sets ? ":1" : ":0");
    if (!sets)
        return;
    set_deadline(k, op, s);
    model_touch(m, s->key);
}

static void
do_persist(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];

    model_say(out, k->expires ? ":1" : ":0");
    if (!k->expires)
        return;
    model_clear_deadline(k);
    model_touch(m, s->key);
}

/* The time to live of a key that is there: what was said, if the clocks allow
 * it. */
static void
say_ttl(const struct model_key *k, const struct op *op, long long said,
    int64_t slack_ns, struct text *out)
{
    int64_t lo = k->deadline_lo - op->end_ns - slack_ns,
            hi = k->deadline_hi - op->start_ns + slack_ns;

    if (!k->expires)
        model_say(out, ":-1");
    else if (said >= 0 && said * MS >= lo - MS && said * MS <= hi + MS)
        model_say(out, ":%lld", said);
    else
        model_say(
            out, "from %lld to %lld", (long long)lo / MS, (long long)hi / MS);
}

static void
do_getv(struct model *m, const struct op *op, const struct step *s,
    int64_t slack_ns, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    long long version = 0, ttl_ms = 0;

    if (!k->present) {
        model_say(out, "$-1");
        return;
    }
    (void)sscanf(op->reply, "[\"%*[^\"]\" :%lld :%lld]", &version, &ttl_ms);
    if (k->version == 0 && version > m->last_version[s->key])
        k->version = m->last_version[s->key] = version;
    model_say(out, "[\"%s\" :%lld ", k->value, (long long)k->version);
    say_ttl(k, op, ttl_ms, slack_ns, out);
    model_say(out, "]");
}

static void
do_move(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *from = &m->key[s->key], *to = &m->key[s->other];

    if (!from->present) {
        model_say(out, s->verb == V_COPY ? ":0" : "-ERR no such key");
        return;
    }
    if (s->verb != V_RENAME) {
        model_say(out, to->present ? ":0" : ":1");
        if (to->present)
            return;
    } else {
        model_say(out, "+OK");
    }
    *to = *from;
    to->version = 0;
    model_touch(m, s->other);
    if (s->verb != V_COPY)
        (void)model_drop(m, s->key);
}

static void
do_mset(struct model *m, const struct step *s, struct text *out)
{
    unsigned both[] = {s->key, s->other};

    if (s->verb == V_MSETNX) {
        bool free = !m->key[s->key].present && !m->key[s->other].present;

        model_say(out, free ? ":1" : ":0");
        if (!free)
            return;
    } else {
        model_say(out, "+OK");
    }
    for (int i = 0; i < 2; i++) {
        model_clear_deadline(&m->key[both[i]]);
        model_put(m, both[i], s->value, strlen(s->value));
    }
}

/* ---- steps --------------------------------------------------------------- */

/* What changes nothing; false if it is none of that. */
static bool
do_read(struct model *m, const struct op *op, const struct step *s,
    int64_t slack_ns, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    char digest[17];

    switch (s->verb) {
    case V_GET:
        model_say_value(out, k);
        return true;
    case V_GETV:
        do_getv(m, op, s, slack_ns, out);
        return true;
    case V_MGET:
        model_say(out, "[");
        model_say_value(out, k);
        model_say(out, " ");
        model_say_value(out, &m->key[s->other]);
        model_say(out, "]");
        return true;
    case V_PTTL:
        if (k->present)
            say_ttl(k, op, atoll(op->reply + 1), slack_ns, out);
        else
            model_say(out, ":-2");
        return true;
    case V_STRLEN:
        model_say(out, ":%u", k->len);
        return true;
    case V_EXISTS:
        model_say(out, k->present ? ":1" : ":0");
        return true;
    case V_DIGEST:
        model_digest(k->value, k->len, digest);
        model_say(out, k->present ? "\"%s\"" : "$-1", digest);
        return true;
    default:
        return false;
    }
}

/* What takes keys away, if the condition holds; the same. */
static bool
do_delete(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    bool may = true;

    switch (s->verb) {
    case V_DEL_BOTH:
        model_say(out, ":%d", model_drop(m, s->key) + model_drop(m, s->other));
        return true;
    case V_FLUSHALL:
    case V_FLUSHDB:
        model_expire(m, step_keys(s));
        model_say(out, "+OK");
        return true;
    case V_DEL:
        break;
    case V_DELIFEQ:
        may = k->present && strcmp(k->value, s->compare) == 0;
        break;
    case V_DELEX:
        may = compares(k, s, false);
        break;
    default:
        return false;
    }
    model_say(out, may && model_drop(m, s->key) ? ":1" : ":0");
    return true;
}

static void
do_write(struct model *m, const struct op *op, const struct step *s,
    struct text *out)
{
    struct model_key *k = &m->key[s->key];

    switch (s->verb) {
    case V_SET:
        do_set(m, op, s, out);
        break;
    case V_SETNX:
        model_say(out, k->present ? ":0" : ":1");
        if (!k->present)
            model_put(m, s->key, s->value, strlen(s->value));
        break;
    case V_GETSET:
        model_say_value(out, k);
        model_clear_deadline(k);
        model_put(m, s->key, s->value, strlen(s->value));
        break;
    case V_INCRBY:
        do_incrby(m, s, out);
        break;
    case V_APPEND:
        do_append(m, s, out);
        break;
    case V_GETDEL:
        model_say_value(out, k);
        (void)model_drop(m, s->key);
        break;
    case V_GETEX:
        do_getex(m, op, s, out);
        break;
    case V_EXPIRE:
    case V_PEXPIRE:
        do_expire(m, op, s, out);
        break;
    case V_PERSIST:
        do_persist(m, s, out);
        break;
    case V_RENAME:
    case V_RENAMENX:
    case V_COPY:
        do_move(m, s, out);
        break;
    case V_MSET:
    case V_MSETNX:
        do_mset(m, s, out);
        break;
    default: /* of the others */
        break;
    }
}

static void
do_step(struct model *m, const struct op *op, const struct step *s,
    int64_t slack_ns, struct text *out)
{
    if (model_is_of_fields(s->verb))
        model_do_fields(m, s, out);
    else if (model_script(s->verb) != NULL)
        model_do_script(m, s, out);
    else if (!do_read(m, op, s, slack_ns, out) && !do_delete(m, s, out))
        do_write(m, op, s, out);
}

static void
do_exec(
    struct model *m, const struct op *op, int64_t slack_ns, struct text *out)
{
    bool changed = m->changed[op->thread];

    m->watched[op->thread] = 0;
    m->changed[op->thread] = false;
    if (changed) {
        model_say(out, "$-1"); /* as reply_text() has it */
        return;
    }
    model_say(out, "[");
    for (unsigned i = 0; i < op->n_steps; i++) {
        model_say(out, i == 0 ? "" : " ");
        do_step(m, op, &op->steps[i], slack_ns, out);
    }
    model_say(out, "]");
}

bool
model_apply(struct model *m, const struct op *op, int64_t slack_ns)
{
    struct text out;

    out.len = 0;
    switch (op->kind) {
    case OP_COMMAND:
        do_step(m, op, &op->steps[0], slack_ns, &out);
        break;
    case OP_WATCH:
        m->watched[op->thread] |= (uint8_t)(1u << op->steps[0].key);
        model_say(&out, "+OK");
        break;
    case OP_UNWATCH:
        m->watched[op->thread] = 0;
        m->changed[op->thread] = false;
        model_say(&out, "+OK");
        break;
    case OP_EXEC:
        do_exec(m, op, slack_ns, &out);
        break;
    }
    return strcmp(out.p, op->reply) == 0;
}
