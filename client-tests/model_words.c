/* SPDX-License-Identifier: BSD-3-Clause */
/* model_words.c - the words of the commands of a history, and their keys. */
#include "client-tests/model.h"

#include <check.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char *const verbs[] = {"GET", "SET", "SETNX", "GETSET", "INCRBY",
    "APPEND", "GETDEL", "GETEX", "EXPIRE", "PEXPIRE", "PERSIST", "PTTL",
    "STRLEN", "EXISTS", "DEL", "DELIFEQ", "DELEX", "DIGEST", "GETV", "HGET",
    "HMGET", "HGETALL", "HLEN", "HSET", "HSET", "HSETNX", "HDEL", "HDEL",
    "HINCRBY", "EVAL", "EVAL", "DEL", "RENAME", "RENAMENX", "COPY", "MSET",
    "MSETNX", "MGET", "EVAL", "EVAL", "EVAL", "FLUSHALL", "FLUSHDB"};
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

unsigned
model_second_field(const struct step *s)
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
        add(w, history_fields[model_second_field(s)]);
    add(w, s->verb == V_HSET_BOTH ? s->value : NULL);
    if (s->verb == V_HINCRBY)
        add_number(w, 2, s->delta);
}

bool
model_is_of_fields(enum verb verb)
{
    return verb >= V_HGET && verb <= V_HINCRBY;
}

static void
add_script_arguments(struct step_words *w, const struct step *s)
{
    if (s->verb == V_SCRIPT_DELIFEQ)
        add(w, s->compare);
    else if (s->verb == V_SCRIPT_MOVE_FIELD)
        add(w, history_fields[s->field]);
    else if (s->verb != V_SCRIPT_SWAP)
        add_number(w, 2, s->delta);
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
    if (model_script(s->verb) != NULL) {
        add(out, model_script(s->verb));
        add(out, s->verb >= V_DEL_BOTH ? "2" : "1");
    }
    add(out, key_names[s->key]);
    if (s->verb == V_MSET || s->verb == V_MSETNX)
        add(out, s->value);
    if (s->verb >= V_DEL_BOTH)
        add(out, key_names[s->other]);
    if (s->verb == V_MSET || s->verb == V_MSETNX)
        add(out, s->value);
    if (model_is_of_fields(s->verb))
        add_fields(out, s);
    else if (model_script(s->verb) != NULL)
        add_script_arguments(out, s);
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
