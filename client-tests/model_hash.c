/* SPDX-License-Identifier: BSD-3-Clause */
/* model_hash.c - the commands on hashes in the sequential store. */
#include "client-tests/model.h"

#include <check.h>
#include <stdlib.h>

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
        model_say(t, "\"%s\"", p + 1);
    else
        model_say(t, "$-1");
}

/* True if the field is new. */
static bool
set_field(struct model *m, unsigned key, unsigned field, const char *value)
{
    struct model_key *k = &m->key[key];
    char *p = field_of(k, field);
    bool is_new = *p == 0;

    ck_assert_uint_lt(strlen(value) + 1, HISTORY_FIELD_BYTES);
    memset(p, 0, HISTORY_FIELD_BYTES);
    p[0] = 1;
    strcpy(p + 1, value);
    k->present = true;
    model_touch(m, key);
    return is_new;
}

static bool
delete_field(struct model *m, unsigned key, unsigned field)
{
    struct model_key *k = &m->key[key];
    char *p = field_of(k, field);

    if (*p == 0)
        return false;
    memset(p, 0, HISTORY_FIELD_BYTES);
    model_touch(m, key);
    if (count_fields(k) == 0)
        (void)model_drop(m, key);
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
        model_say(out, "-ERR hash value is not an integer");
        return;
    }
    snprintf(text, sizeof(text), "%lld", n + s->delta);
    (void)set_field(m, s->key, s->field, text);
    model_say(out, ":%s", text);
}

static void
do_hgetall(struct model_key *k, struct text *out)
{
    const char *gap = "";

    model_say(out, "[");
    for (unsigned i = 0; i < HISTORY_FIELDS; i++) {
        if (*field_of(k, i) == 0)
            continue;
        model_say(out, "%s\"%s\" ", gap, history_fields[i]);
        say_field(out, k, i);
        gap = " ";
    }
    model_say(out, "]");
}

void
model_do_fields(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];
    unsigned field = s->field, second = model_second_field(s);

    switch (s->verb) {
    case V_HGET:
        say_field(out, k, field);
        break;
    case V_HMGET:
        model_say(out, "[");
        say_field(out, k, field);
        model_say(out, " ");
        say_field(out, k, second);
        model_say(out, "]");
        break;
    case V_HGETALL:
        do_hgetall(k, out);
        break;
    case V_HLEN:
        model_say(out, ":%u", count_fields(k));
        break;
    case V_HSET:
        model_say(out, ":%d", set_field(m, s->key, field, s->value));
        break;
    case V_HSET_BOTH:
        model_say(out, ":%d",
            set_field(m, s->key, field, s->value) +
                set_field(m, s->key, second, s->value));
        break;
    case V_HSETNX:
        model_say(out, ":%d",
            *field_of(k, field) == 0 && set_field(m, s->key, field, s->value));
        break;
    case V_HDEL:
        model_say(out, ":%d", delete_field(m, s->key, field));
        break;
    case V_HDEL_BOTH:
        model_say(out, ":%d",
            delete_field(m, s->key, field) + delete_field(m, s->key, second));
        break;
    default:
        do_hincrby(m, s, out);
        break;
    }
}

void
model_move_field(struct model *m, const struct step *s, struct text *out)
{
    const char *p = field_of(&m->key[s->key], s->field);
    char value[HISTORY_FIELD_BYTES];

    say_field(out, &m->key[s->key], s->field);
    if (*p == 0)
        return;
    memcpy(value, p, sizeof(value));
    (void)delete_field(m, s->key, s->field);
    (void)set_field(m, s->other, s->field, value + 1);
}
