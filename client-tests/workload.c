/* SPDX-License-Identifier: BSD-3-Clause */
/* workload.c - random operations, run and noted. */
#include "client-tests/workload.h"

#include <stdlib.h>
#include <time.h>

#include "client-tests/client.h"
#include "client-tests/spawn.h"

int64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- choices ------------------------------------------------------------- */

static unsigned
choose(struct worker *w, unsigned n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (unsigned)(w->random >> 33) % n;
}

bool
worker_chance(struct worker *w, unsigned n)
{
    return choose(w, n) == 0;
}

static const enum verb singles[] = {V_GET, V_GET, V_GET, V_GET, V_SET, V_SET,
    V_SET, V_SET, V_SETNX, V_GETSET, V_INCRBY, V_INCRBY, V_APPEND, V_APPEND,
    V_GETDEL, V_GETEX, V_EXPIRE, V_PEXPIRE, V_PERSIST, V_STRLEN, V_EXISTS,
    V_DEL, V_DELIFEQ, V_DELEX, V_DIGEST, V_GETV};
static const enum verb pairs[] = {V_DEL_BOTH, V_RENAME, V_RENAMENX, V_COPY,
    V_MSET, V_MSET, V_MSETNX, V_MGET, V_MGET, V_MGET};

static const enum verb hash_singles[] = {V_HGET, V_HGET, V_HGET, V_HMGET,
    V_HMGET, V_HGETALL, V_HGETALL, V_HGETALL, V_HLEN, V_HSET, V_HSET,
    V_HSET_BOTH, V_HSET_BOTH, V_HSET_BOTH, V_HSETNX, V_HDEL, V_HDEL,
    V_HDEL_BOTH, V_HINCRBY, V_HINCRBY, V_EXPIRE, V_PEXPIRE, V_PERSIST, V_EXISTS,
    V_DEL};
static const enum verb hash_pairs[] = {
    V_DEL_BOTH, V_RENAME, V_RENAMENX, V_COPY};

static const enum verb scripts[] = {V_SCRIPT_DELIFEQ, V_SCRIPT_ADD};
static const enum verb scripts_of_two[] = {V_SCRIPT_TRANSFER, V_SCRIPT_SWAP};

/* DELIFEQ, DELEX, DIGEST, GETV and conditions on values are not in 7.0. */
static bool
redis_has(enum verb verb)
{
    return verb < V_DELIFEQ || verb > V_GETV;
}

static enum verb
choose_single(struct worker *w)
{
    enum verb verb;

    if (w->workload->hashes)
        return hash_singles[choose(w, ARRAY_LEN(hash_singles))];
    do
        verb = singles[choose(w, ARRAY_LEN(singles))];
    while (testing_redis() && !redis_has(verb));
    return verb;
}

static enum verb
choose_script(struct worker *w)
{
    if (w->workload->hashes)
        return V_SCRIPT_MOVE_FIELD;
    return worker_chance(w, 2)
        ? scripts[choose(w, ARRAY_LEN(scripts))]
        : scripts_of_two[choose(w, ARRAY_LEN(scripts_of_two))];
}

static enum verb
choose_verb(struct worker *w)
{
    if (w->workload->scripts && worker_chance(w, 3))
        return choose_script(w);
    if (w->workload->flushes && worker_chance(w, 12))
        return worker_chance(w, 2) ? V_FLUSHALL : V_FLUSHDB;
    if (w->workload->hashes && w->workload->pairs && worker_chance(w, 8))
        return hash_pairs[choose(w, ARRAY_LEN(hash_pairs))];
    if (w->workload->pairs && !w->workload->hashes && worker_chance(w, 3))
        return pairs[choose(w, ARRAY_LEN(pairs))];
    return choose_single(w);
}

/* Numbers for INCRBY as often as texts; no value is made twice. */
static void
make_value(struct worker *w, char *to, size_t size)
{
    unsigned n = w->n_values++ * HISTORY_THREADS + w->id;

    snprintf(to, size, worker_chance(w, 2) ? "%u" : "v%u", n);
}

static int
choose_ttl(struct worker *w)
{
    if (!w->workload->short_lives || worker_chance(w, 16))
        return (100 + (int)choose(w, 100)) * 1000;
    return 1 + (int)choose(w, 25);
}

static enum condition
choose_condition(struct worker *w, enum verb verb)
{
    if (verb == V_DELEX)
        return C_IFEQ + choose(w, 5);
    if (verb == V_EXPIRE || verb == V_PEXPIRE)
        return worker_chance(w, 2) ? C_NONE : C_NX + choose(w, 2);
    return worker_chance(w, 2) ? C_NONE
                               : C_NX + choose(w, testing_redis() ? 2 : 7);
}

static enum lifetime
choose_lifetime(struct worker *w, enum verb verb)
{
    if (verb == V_SET)
        return worker_chance(w, w->workload->short_lives ? 2 : 4)
            ? L_PX + choose(w, 2)
            : L_NONE;
    return worker_chance(w, 3) ? L_NONE
        : worker_chance(w, 2)  ? L_PX
                               : L_PERSIST;
}

static void
make_step(struct worker *w, struct step *s)
{
    memset(s, 0, sizeof(*s));
    s->verb = choose_verb(w);
    s->key = (uint8_t)choose(w, w->workload->n_keys);
    if (s->verb >= V_DEL_BOTH)
        s->other = (uint8_t)((s->key + 1 + choose(w, w->workload->n_keys - 1)) %
            w->workload->n_keys);
    /* values that grow begin anew */
    if (s->verb == V_APPEND && strlen(w->known[s->key]) > 24)
        s->verb = V_SET;
    make_value(w, s->value, sizeof(s->value));
    if (s->verb == V_APPEND)
        s->value[worker_chance(w, 2) ? 1 : 2] = '\0';
    memcpy(s->compare, w->known[s->key], sizeof(s->compare));
    s->version = w->versions[s->key];
    s->field = (uint8_t)choose(w, HISTORY_FIELDS);
    s->condition = choose_condition(w, s->verb);
    s->get = worker_chance(w, 3);
    s->lifetime = choose_lifetime(w, s->verb);
    s->ttl_ms = choose_ttl(w);
    s->delta = (int)choose(w, 200) - 100;
    if (s->verb == V_EXPIRE && s->ttl_ms < 1000)
        s->verb = V_PEXPIRE;
    if (s->verb == V_STRLEN && worker_chance(w, 2))
        s->verb = V_PTTL;
}

static void
make_op(struct worker *w, struct op *op)
{
    memset(op, 0, sizeof(*op));
    op->thread = w->id;
    op->n_steps = 1;
    make_step(w, &op->steps[0]);
    op->keys = step_keys(&op->steps[0]);
    if (!w->workload->transactions)
        return;
    if (worker_chance(w, w->watched ? 3 : 12)) {
        op->kind = OP_EXEC;
        op->n_steps = 1 + choose(w, HISTORY_STEPS);
        for (unsigned i = 0; i < op->n_steps; i++) {
            do
                make_step(w, &op->steps[i]);
            while (op->steps[i].verb == V_PTTL || op->steps[i].verb == V_GETV);
            op->keys |= step_keys(&op->steps[i]);
        }
        op->keys |= w->watched;
    } else if (worker_chance(w, 10)) {
        op->kind = OP_WATCH;
        op->keys = 1u << op->steps[0].key;
    } else if (w->watched && worker_chance(w, 10)) {
        op->kind = OP_UNWATCH;
        op->keys = w->watched;
    }
}

/* ---- asking -------------------------------------------------------------- */

/* Fields come in any order: put those of HGETALL into that of the model. */
static void
sort_fields(redisReply *r)
{
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        for (size_t j = i; j > 0; j -= 2) {
            redisReply **pair = r->element + j, *name = pair[0], *v = pair[1];

            if (strcmp(pair[-2]->str, name->str) <= 0)
                break;
            pair[0] = pair[-2];
            pair[1] = pair[-1];
            pair[-2] = name;
            pair[-1] = v;
        }
    }
}

static void
write_reply(
    redisReply *r, const struct step *steps, unsigned n_steps, char *reply)
{
    char *text;

    if (n_steps == 1 && steps[0].verb == V_HGETALL && r->elements > 1 &&
        r->element[0]->type == REDIS_REPLY_STRING)
        sort_fields(r);
    for (unsigned i = 0; i < MIN(n_steps, r->elements); i++)
        if (steps[i].verb == V_HGETALL &&
            r->element[i]->type == REDIS_REPLY_ARRAY)
            sort_fields(r->element[i]);
    text = reply_text(r);
    ck_assert_uint_lt(strlen(text), HISTORY_REPLY);
    strcpy(reply, text);
    free(text);
    freeReplyObject(r);
}

/* Send words; the answer is that of the steps. */
static void
ask_for(struct worker *w, int n, const char **words, const struct step *steps,
    unsigned n_steps, char *reply)
{
    redisReply *r = redisCommandArgv(w->c, n, words, NULL);

    ck_assert_msg(r != NULL, "no reply to %s: %s", words[0], w->c->errstr);
    write_reply(r, steps, n_steps, reply);
}

static void
ask_words(struct worker *w, int n, const char **words, char *reply)
{
    ask_for(w, n, words, NULL, 0, reply);
}

void
worker_ask(struct worker *w, const struct step *s, char *reply)
{
    struct step_words words;

    step_words(s, w->key_names, &words);
    ask_for(w, words.n, words.word, s, 1, reply);
}

static void
ask_exec(struct worker *w, struct op *op)
{
    char reply[HISTORY_REPLY];

    ask_words(w, 1, (const char *[]){"MULTI"}, reply);
    ck_assert_str_eq(reply, "+OK");
    for (unsigned i = 0; i < op->n_steps; i++) {
        worker_ask(w, &op->steps[i], reply);
        ck_assert_str_eq(reply, "+QUEUED");
    }
    op->start_ns = now_ns();
    ask_for(w, 1, (const char *[]){"EXEC"}, op->steps, op->n_steps, op->reply);
}

static void
ask(struct worker *w, struct op *op)
{
    const char *key = w->key_names[op->steps[0].key];

    op->start_ns = now_ns();
    switch (op->kind) {
    case OP_COMMAND:
        worker_ask(w, &op->steps[0], op->reply);
        break;
    case OP_WATCH:
        ask_words(w, 2, (const char *[]){"WATCH", key}, op->reply);
        break;
    case OP_UNWATCH:
        ask_words(w, 1, (const char *[]){"UNWATCH"}, op->reply);
        break;
    case OP_EXEC:
        ask_exec(w, op);
        break;
    }
    op->end_ns = now_ns();
}

/* ---- running ------------------------------------------------------------- */

void
worker_learn_version(struct worker *w, unsigned key, const char *reply)
{
    w->versions[key] = 0;
    (void)sscanf(reply, "[\"%*[^\"]\" :%lld", &w->versions[key]);
}

/* Keep what the answer says about values, to compare with later. */
static void
learn(struct worker *w, const struct op *op)
{
    const struct step *s = &op->steps[0];
    size_t len = strlen(op->reply);
    char *known = w->known[s->key];

    if (op->kind == OP_WATCH)
        w->watched |= op->keys;
    if (op->kind == OP_EXEC || op->kind == OP_UNWATCH)
        w->watched = 0;
    if (op->kind != OP_COMMAND)
        return;
    if (s->verb == V_GET || (s->verb == V_HGET && s->field == 0))
        strcpy(w->earlier[s->key], op->reply);
    if (s->verb == V_GETV)
        worker_learn_version(w, s->key, op->reply);
    if (op->reply[0] == '"' && s->verb != V_DIGEST && len < HISTORY_VALUE) {
        memcpy(known, op->reply + 1, len - 2);
        known[len - 2] = '\0';
    } else if (s->verb == V_SET && op->reply[0] == '+') {
        strcpy(known, s->value);
    } else if (s->verb == V_APPEND && op->reply[0] == ':') {
        /* only its length is known */
        memset(known, 'x', HISTORY_VALUE - 1);
        known[MIN(atoi(op->reply + 1), HISTORY_VALUE - 1)] = '\0';
    }
}

void *
worker_run(void *arg)
{
    struct worker *w = arg;
    char reply[HISTORY_REPLY];

    for (size_t i = 0; i < w->n_ops; i++) {
        struct op *op = &w->ops[i];

        make_op(w, op);
        worker_do_late(w);
        op->start_ns = now_ns();
        if (worker_answer_badly(w, op))
            op->end_ns = now_ns();
        else
            ask(w, op);
        learn(w, op);
        if (w->workload->short_lives && worker_chance(w, 6))
            sleep_ms((unsigned)patient(1 + choose(w, 10)));
    }
    worker_do_late(w);
    if (w->watched != 0)
        ask_words(w, 1, (const char *[]){"UNWATCH"}, reply);
    return NULL;
}
