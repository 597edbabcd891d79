/* SPDX-License-Identifier: BSD-3-Clause */
/* model.c - a store that does one command at a time, as small as can be: what
 * a history is compared with. Knows the words of each command, too.
 */
#include "client-tests/history.h"

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MS 1000000

/* ---- words --------------------------------------------------------------- */

static const char *const verbs[] = {"GET", "SET", "SETNX", "GETSET", "INCRBY",
    "APPEND", "GETDEL", "GETEX", "EXPIRE", "PEXPIRE", "PERSIST", "PTTL",
    "STRLEN", "EXISTS", "DEL", "DELIFEQ", "DELEX", "DIGEST", "GETV", "HGET",
    "HMGET", "HGETALL", "HLEN", "HSET", "HSET", "HSETNX", "HDEL", "HDEL",
    "HINCRBY", "DEL", "RENAME", "RENAMENX", "COPY", "MSET", "MSETNX", "MGET",
    "FLUSHALL", "FLUSHDB"};
const char *const history_fields[] = {"a", "b", "c"};
static const char *const conditions[] = {
    NULL, "NX", "XX", "IFEQ", "IFNE", "IFDEQ", "IFDNE", "IFVER"};
static const char *const lifetimes[] = {NULL, "PX", "KEEPTTL", "PERSIST"};

void
model_digest(const char *p, size_t len, char out[17])
{
    snprintf(out, 17, "%016llx", (unsigned long long)XXH3_64bits(p, len));
}

static void
add(struct step_words *w, const char *word)
{
    if (word == NULL)
        return;
    ck_assert_int_lt(w->n, HISTORY_WORDS);
    w->word[w->n++] = word;
}

static void
add_number(struct step_words *w, int scratch, long long n)
{
    snprintf(w->scratch[scratch], sizeof(w->scratch[0]), "%lld", n);
    add(w, w->scratch[scratch]);
}

static void
add_condition(struct step_words *w, const struct step *s)
{
    add(w, conditions[s->condition]);
    if (s->condition == C_IFEQ || s->condition == C_IFNE) {
        add(w, s->compare);
    } else if (s->condition == C_IFDEQ || s->condition == C_IFDNE) {
        model_digest(s->compare, strlen(s->compare), w->scratch[0]);
        add(w, w->scratch[0]);
    } else if (s->condition == C_IFVER) {
        add_number(w, 0, s->version);
    }
}

static void
add_lifetime(struct step_words *w, const struct step *s)
{
    add(w, lifetimes[s->lifetime]);
    if (s->lifetime == L_PX)
        add_number(w, 1, s->ttl_ms);
}

static unsigned
second_field(const struct step *s)
{
    return (s->field + 1u) % HISTORY_FIELDS;
}

static void
add_fields(struct step_words *w, const struct step *s)
{
    bool sets =
        s->verb == V_HSET || s->verb == V_HSET_BOTH || s->verb == V_HSETNX;

    if (s->verb == V_HGETALL || s->verb == V_HLEN)
        return;
    add(w, history_fields[s->field]);
    add(w, sets ? s->value : NULL);
    if (s->verb == V_HMGET || s->verb == V_HSET_BOTH || s->verb == V_HDEL_BOTH)
        add(w, history_fields[second_field(s)]);
    add(w, s->verb == V_HSET_BOTH ? s->value : NULL);
    if (s->verb == V_HINCRBY)
        add_number(w, 2, s->delta);
}

static bool
is_of_fields(enum verb verb)
{
    return verb >= V_HGET && verb <= V_HINCRBY;
}

/* What stands after the names of the keys. */
static void
add_arguments(struct step_words *w, const struct step *s)
{
    switch (s->verb) {
    case V_SET:
        add(w, s->value);
        add_condition(w, s);
        add(w, s->get ? "GET" : NULL);
        add_lifetime(w, s);
        break;
    case V_SETNX:
    case V_GETSET:
    case V_APPEND:
    case V_DELIFEQ:
        add(w, s->verb == V_DELIFEQ ? s->compare : s->value);
        break;
    case V_INCRBY:
        add_number(w, 2, s->delta);
        break;
    case V_GETEX:
        add_lifetime(w, s);
        break;
    case V_EXPIRE:
    case V_PEXPIRE:
        add_number(w, 2, s->verb == V_EXPIRE ? s->ttl_ms / 1000 : s->ttl_ms);
        add_condition(w, s);
        break;
    case V_DELEX:
        add_condition(w, s);
        break;
    default:
        break;
    }
}

void
step_words(
    const struct step *s, const char *const *key_names, struct step_words *out)
{
    out->n = 0;
    add(out, verbs[s->verb]);
    if (s->verb == V_FLUSHALL || s->verb == V_FLUSHDB)
        return;
    add(out, key_names[s->key]);
    if (s->verb == V_MSET || s->verb == V_MSETNX)
        add(out, s->value);
    if (s->verb >= V_DEL_BOTH)
        add(out, key_names[s->other]);
    if (s->verb == V_MSET || s->verb == V_MSETNX)
        add(out, s->value);
    if (is_of_fields(s->verb))
        add_fields(out, s);
    else
        add_arguments(out, s);
}

unsigned
step_keys(const struct step *s)
{
    if (s->verb == V_FLUSHALL || s->verb == V_FLUSHDB)
        return (1u << HISTORY_KEYS) - 1;
    if (s->verb >= V_DEL_BOTH)
        return 1u << s->key | 1u << s->other;
    return 1u << s->key;
}

/* ---- keys ---------------------------------------------------------------- */

/* All who watch the key will not run their EXEC. */
static void
touch(struct model *m, unsigned key)
{
    for (unsigned t = 0; t < HISTORY_THREADS; t++)
        if (m->watched[t] >> key & 1)
            m->changed[t] = true;
}

static bool
drop(struct model *m, unsigned key)
{
    if (!m->key[key].present)
        return false;
    memset(&m->key[key], 0, sizeof(m->key[key]));
    touch(m, key);
    return true;
}

/* A new value; the deadline stays. */
static void
put(struct model *m, unsigned key, const char *p, size_t len)
{
    struct model_key *k = &m->key[key];

    ck_assert_msg(len < HISTORY_VALUE, "a value is too long for the model");
    memmove(k->value, p, len);
    memset(k->value + len, 0, HISTORY_VALUE - len);
    k->len = (uint16_t)len;
    k->present = true;
    k->version = 0;
    touch(m, key);
}

static void
clear_deadline(struct model_key *k)
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
            (void)drop(m, i);
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
            (void)drop(m, i);
}

/* ---- commands ------------------------------------------------------------ */

/* The text of an answer, as reply_text() writes it. */
struct text {
    char p[HISTORY_REPLY];
    size_t len;
};

static void __attribute__((format(printf, 2, 3)))
say(struct text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    t->len +=
        (size_t)vsnprintf(t->p + t->len, sizeof(t->p) - t->len, fmt, args);
    va_end(args);
    ck_assert_uint_lt(t->len, sizeof(t->p));
}

static void
say_value(struct text *t, const struct model_key *k)
{
    if (k->present)
        say(t, "\"%s\"", k->value);
    else
        say(t, "$-1");
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
        say_value(out, k);
    else
        say(out, sets ? "+OK" : "$-1");
    if (!sets)
        return;
    if (s->lifetime == L_PX)
        set_deadline(k, op, s);
    else if (s->lifetime == L_NONE)
        clear_deadline(k);
    put(m, s->key, s->value, strlen(s->value));
}

static void
do_incrby(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    long long n = k->present ? strtoll(k->value, NULL, 10) : 0;
    char text[24];

    snprintf(text, sizeof(text), "%lld", n);
    if (k->present && strcmp(text, k->value) != 0) {
        say(out, "-ERR value is not an integer or out of range");
        return;
    }
    snprintf(text, sizeof(text), "%lld", n + s->delta);
    put(m, s->key, text, strlen(text));
    say(out, ":%s", text);
}

static void
do_append(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    char value[2 * HISTORY_VALUE];
    int len = snprintf(value, sizeof(value), "%s%s", k->value, s->value);

    put(m, s->key, value, (size_t)len);
    say(out, ":%d", len);
}

static void
do_getex(struct model *m, const struct op *op, const struct step *s,
    struct text *out)
{
    struct model_key *k = &m->key[s->key];

    say_value(out, k);
    if (!k->present || s->lifetime == L_NONE ||
        (s->lifetime == L_PERSIST && !k->expires))
        return;
    if (s->lifetime == L_PX)
        set_deadline(k, op, s);
    else
        clear_deadline(k);
    touch(m, s->key);
}

static void
do_expire(struct model *m, const struct op *op, const struct step *s,
    struct text *out)
{
    struct model_key *k = &m->key[s->key];
    bool sets = k->present &&
        (s->condition == C_NONE || k->expires == (s->condition == C_XX));

    say(out, sets ? ":1" : ":0");
    if (!sets)
        return;
    set_deadline(k, op, s);
    touch(m, s->key);
}

static void
do_persist(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];

    say(out, k->expires ? ":1" : ":0");
    if (!k->expires)
        return;
    clear_deadline(k);
    touch(m, s->key);
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
        say(out, ":-1");
    else if (said >= 0 && said * MS >= lo - MS && said * MS <= hi + MS)
        say(out, ":%lld", said);
    else
        say(out, "from %lld to %lld", (long long)lo / MS, (long long)hi / MS);
}

static void
do_getv(struct model *m, const struct op *op, const struct step *s,
    int64_t slack_ns, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    long long version = 0, ttl_ms = 0;

    if (!k->present) {
        say(out, "$-1");
        return;
    }
    (void)sscanf(op->reply, "[\"%*[^\"]\" :%lld :%lld]", &version, &ttl_ms);
    if (k->version == 0 && version > m->last_version[s->key])
        k->version = m->last_version[s->key] = version;
    say(out, "[\"%s\" :%lld ", k->value, (long long)k->version);
    say_ttl(k, op, ttl_ms, slack_ns, out);
    say(out, "]");
}

static void
do_move(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *from = &m->key[s->key], *to = &m->key[s->other];

    if (!from->present) {
        say(out, s->verb == V_COPY ? ":0" : "-ERR no such key");
        return;
    }
    if (s->verb != V_RENAME) {
        say(out, to->present ? ":0" : ":1");
        if (to->present)
            return;
    } else {
        say(out, "+OK");
    }
    *to = *from;
    to->version = 0;
    touch(m, s->other);
    if (s->verb != V_COPY)
        (void)drop(m, s->key);
}

static void
do_mset(struct model *m, const struct step *s, struct text *out)
{
    unsigned both[] = {s->key, s->other};

    if (s->verb == V_MSETNX) {
        bool free = !m->key[s->key].present && !m->key[s->other].present;

        say(out, free ? ":1" : ":0");
        if (!free)
            return;
    } else {
        say(out, "+OK");
    }
    for (int i = 0; i < 2; i++) {
        clear_deadline(&m->key[both[i]]);
        put(m, both[i], s->value, strlen(s->value));
    }
}

/* ---- fields -------------------------------------------------------------- */

static char *
field_of(struct model_key *k, unsigned field)
{
    return k->value + field * HISTORY_FIELD_BYTES;
}

static unsigned
count_fields(struct model_key *k)
{
    unsigned n = 0;

    for (unsigned i = 0; i < HISTORY_FIELDS; i++)
        n += *field_of(k, i) != 0;
    return n;
}

static void
say_field(struct text *t, struct model_key *k, unsigned field)
{
    const char *p = field_of(k, field);

    if (*p != 0)
        say(t, "\"%s\"", p + 1);
    else
        say(t, "$-1");
}

/* True if the field is new. */
static bool
set_field(
    struct model *m, const struct step *s, unsigned field, const char *value)
{
    struct model_key *k = &m->key[s->key];
    char *p = field_of(k, field);
    bool is_new = *p == 0;

    ck_assert_uint_lt(strlen(value) + 1, HISTORY_FIELD_BYTES);
    memset(p, 0, HISTORY_FIELD_BYTES);
    p[0] = 1;
    strcpy(p + 1, value);
    k->present = true;
    touch(m, s->key);
    return is_new;
}

static bool
delete_field(struct model *m, const struct step *s, unsigned field)
{
    struct model_key *k = &m->key[s->key];
    char *p = field_of(k, field);

    if (*p == 0)
        return false;
    memset(p, 0, HISTORY_FIELD_BYTES);
    touch(m, s->key);
    if (count_fields(k) == 0)
        (void)drop(m, s->key);
    return true;
}

static void
do_hincrby(struct model *m, const struct step *s, struct text *out)
{
    const char *p = field_of(&m->key[s->key], s->field);
    long long n = *p != 0 ? strtoll(p + 1, NULL, 10) : 0;
    char text[24];

    snprintf(text, sizeof(text), "%lld", n);
    if (*p != 0 && strcmp(text, p + 1) != 0) {
        say(out, "-ERR hash value is not an integer");
        return;
    }
    snprintf(text, sizeof(text), "%lld", n + s->delta);
    (void)set_field(m, s, s->field, text);
    say(out, ":%s", text);
}

static void
do_hgetall(struct model_key *k, struct text *out)
{
    const char *gap = "";

    say(out, "[");
    for (unsigned i = 0; i < HISTORY_FIELDS; i++) {
        if (*field_of(k, i) == 0)
            continue;
        say(out, "%s\"%s\" ", gap, history_fields[i]);
        say_field(out, k, i);
        gap = " ";
    }
    say(out, "]");
}

static void
do_fields(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    unsigned field = s->field, second = second_field(s);

    switch (s->verb) {
    case V_HGET:
        say_field(out, k, field);
        break;
    case V_HMGET:
        say(out, "[");
        say_field(out, k, field);
        say(out, " ");
        say_field(out, k, second);
        say(out, "]");
        break;
    case V_HGETALL:
        do_hgetall(k, out);
        break;
    case V_HLEN:
        say(out, ":%u", count_fields(k));
        break;
    case V_HSET:
        say(out, ":%d", set_field(m, s, field, s->value));
        break;
    case V_HSET_BOTH:
        say(out, ":%d",
            set_field(m, s, field, s->value) +
                set_field(m, s, second, s->value));
        break;
    case V_HSETNX:
        say(out, ":%d",
            *field_of(k, field) == 0 && set_field(m, s, field, s->value));
        break;
    case V_HDEL:
        say(out, ":%d", delete_field(m, s, field));
        break;
    case V_HDEL_BOTH:
        say(out, ":%d", delete_field(m, s, field) + delete_field(m, s, second));
        break;
    default:
        do_hincrby(m, s, out);
        break;
    }
}

/* ---- steps --------------------------------------------------------------- */

static void
do_step(struct model *m, const struct op *op, const struct step *s,
    int64_t slack_ns, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    char digest[17];

    if (is_of_fields(s->verb)) {
        do_fields(m, s, out);
        return;
    }
    switch (s->verb) {
    case V_GET:
        say_value(out, k);
        break;
    case V_SET:
        do_set(m, op, s, out);
        break;
    case V_SETNX:
        say(out, k->present ? ":0" : ":1");
        if (!k->present)
            put(m, s->key, s->value, strlen(s->value));
        break;
    case V_GETSET:
        say_value(out, k);
        clear_deadline(k);
        put(m, s->key, s->value, strlen(s->value));
        break;
    case V_INCRBY:
        do_incrby(m, s, out);
        break;
    case V_APPEND:
        do_append(m, s, out);
        break;
    case V_GETDEL:
        say_value(out, k);
        (void)drop(m, s->key);
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
    case V_PTTL:
        if (k->present)
            say_ttl(k, op, atoll(op->reply + 1), slack_ns, out);
        else
            say(out, ":-2");
        break;
    case V_STRLEN:
        say(out, ":%u", k->len);
        break;
    case V_EXISTS:
        say(out, k->present ? ":1" : ":0");
        break;
    case V_DEL:
        say(out, drop(m, s->key) ? ":1" : ":0");
        break;
    case V_DELIFEQ:
        say(out,
            k->present && strcmp(k->value, s->compare) == 0 && drop(m, s->key)
                ? ":1"
                : ":0");
        break;
    case V_DELEX:
        say(out, compares(k, s, false) && drop(m, s->key) ? ":1" : ":0");
        break;
    case V_DIGEST:
        model_digest(k->value, k->len, digest);
        say(out, k->present ? "\"%s\"" : "$-1", digest);
        break;
    case V_GETV:
        do_getv(m, op, s, slack_ns, out);
        break;
    case V_DEL_BOTH:
        say(out, ":%d", drop(m, s->key) + drop(m, s->other));
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
    case V_MGET:
        say(out, "[");
        say_value(out, k);
        say(out, " ");
        say_value(out, &m->key[s->other]);
        say(out, "]");
        break;
    case V_FLUSHALL:
    case V_FLUSHDB:
        model_expire(m, step_keys(s));
        say(out, "+OK");
        break;
    default: /* of fields */
        break;
    }
}

static void
do_exec(
    struct model *m, const struct op *op, int64_t slack_ns, struct text *out)
{
    bool changed = m->changed[op->thread];

    m->watched[op->thread] = 0;
    m->changed[op->thread] = false;
    if (changed) {
        say(out, "$-1"); /* as reply_text() has it */
        return;
    }
    say(out, "[");
    for (unsigned i = 0; i < op->n_steps; i++) {
        say(out, i == 0 ? "" : " ");
        do_step(m, op, &op->steps[i], slack_ns, out);
    }
    say(out, "]");
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
        say(&out, "+OK");
        break;
    case OP_UNWATCH:
        m->watched[op->thread] = 0;
        m->changed[op->thread] = false;
        say(&out, "+OK");
        break;
    case OP_EXEC:
        do_exec(m, op, slack_ns, &out);
        break;
    }
    return strcmp(out.p, op->reply) == 0;
}
