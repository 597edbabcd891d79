/* SPDX-License-Identifier: BSD-3-Clause */
/* model_script.c - scripts that read keys and then write them, in Lua and in
 * the sequential store.
 *
 * What such a script reads must still be there when it writes. A text that is
 * no number of up to nine characters counts as nought.
 */
#include "client-tests/model.h"

#include <stdlib.h>

#define NUMBER_OF                                                              \
    "local function number(key) "                                              \
    "local v = redis.call('GET', key) "                                        \
    "return v and #v < 10 and string.find(v, '^-?%d+$') and tonumber(v) or 0 " \
    "end "                                                                     \
    "local function text(n) return string.format('%d', n) end "

/* Releases a lock. */
static const char delete_if_equal[] =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then "
    "return redis.call('DEL', KEYS[1]) end "
    "return 0";

static const char add_to_number[] =
    NUMBER_OF "local n = number(KEYS[1]) + ARGV[1] "
              "redis.call('SET', KEYS[1], text(n), 'KEEPTTL') "
              "return n";

static const char transfer[] = NUMBER_OF
    "local from, to = number(KEYS[1]) - ARGV[1], number(KEYS[2]) + ARGV[1] "
    "redis.call('SET', KEYS[1], text(from)) "
    "redis.call('SET', KEYS[2], text(to)) "
    "return {from, to}";

static const char swap[] =
    "local function put(key, v) "
    "if v then redis.call('SET', key, v) else redis.call('DEL', key) end end "
    "local a = redis.call('GET', KEYS[1]) "
    "local b = redis.call('GET', KEYS[2]) "
    "put(KEYS[1], b) put(KEYS[2], a) "
    "return {a, b}";

static const char move_field[] =
    "local v = redis.call('HGET', KEYS[1], ARGV[1]) "
    "if v then redis.call('HDEL', KEYS[1], ARGV[1]) "
    "redis.call('HSET', KEYS[2], ARGV[1], v) end "
    "return v";

const char *
model_script(enum verb verb)
{
    switch (verb) {
    case V_SCRIPT_DELIFEQ:
        return delete_if_equal;
    case V_SCRIPT_ADD:
        return add_to_number;
    case V_SCRIPT_TRANSFER:
        return transfer;
    case V_SCRIPT_SWAP:
        return swap;
    case V_SCRIPT_MOVE_FIELD:
        return move_field;
    default:
        return NULL;
    }
}

long long
model_number(const char *text)
{
    size_t sign = text[0] == '-', digits = strspn(text + sign, "0123456789");

    if (digits == 0 || text[sign + digits] != '\0' || sign + digits > 9)
        return 0;
    return strtoll(text, NULL, 10);
}

/* ---- in the store -------------------------------------------------------- */

static long long
put_number(struct model *m, unsigned key, long long n)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%lld", n);

    model_put(m, key, text, (size_t)len);
    return n;
}

static void
do_transfer(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *from = &m->key[s->key], *to = &m->key[s->other];

    model_clear_deadline(from);
    model_clear_deadline(to);
    model_say(out, "[:%lld ",
        put_number(m, s->key, model_number(from->value) - s->delta));
    model_say(out, ":%lld]",
        put_number(m, s->other, model_number(to->value) + s->delta));
}

/* Without its deadline; or none. */
static void
put_copy(struct model *m, unsigned key, const struct model_key *from)
{
    if (!from->present) {
        (void)model_drop(m, key);
        return;
    }
    model_clear_deadline(&m->key[key]);
    model_put(m, key, from->value, from->len);
}

static void
do_swap(struct model *m, const struct step *s, struct text *out)
{
    struct model_key a = m->key[s->key], b = m->key[s->other];

    put_copy(m, s->key, &b);
    put_copy(m, s->other, &a);
    model_say(out, "[");
    model_say_value(out, &a);
    model_say(out, " ");
    model_say_value(out, &b);
    model_say(out, "]");
}

void
model_do_script(struct model *m, const struct step *s, struct text *out)
{
    struct model_key *k = &m->key[s->key];

    switch (s->verb) {
    case V_SCRIPT_DELIFEQ:
        model_say(out, ":%d",
            k->present && strcmp(k->value, s->compare) == 0 &&
                model_drop(m, s->key));
        break;
    case V_SCRIPT_ADD:
        model_say(out, ":%lld",
            put_number(m, s->key, model_number(k->value) + s->delta));
        break;
    case V_SCRIPT_TRANSFER:
        do_transfer(m, s, out);
        break;
    case V_SCRIPT_SWAP:
        do_swap(m, s, out);
        break;
    default:
        model_move_field(m, s, out);
        break;
    }
}
