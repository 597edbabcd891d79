/* SPDX-License-Identifier: BSD-3-Clause */
/* faults.c - what a good store does not do, between a client and its server;
 * on the thread of the worker. See workload.h. */
#include "client-tests/workload.h"

#include <check.h>
#include <stdlib.h>

static bool
is_plain_set(const struct op *op)
{
    return op->kind == OP_COMMAND && op->steps[0].verb == V_SET &&
        op->steps[0].condition == C_NONE && !op->steps[0].get;
}

void
worker_do_late(struct worker *w)
{
    char reply[HISTORY_REPLY];

    if (!w->has_late)
        return;
    w->has_late = false;
    worker_ask(w, &w->late, reply);
}

static void
split_exec(struct worker *w, struct op *op)
{
    size_t len = 0;
    char reply[HISTORY_REPLY];

    for (unsigned i = 0; i < op->n_steps; i++) {
        worker_ask(w, &op->steps[i], reply);
        len += (size_t)snprintf(op->reply + len, HISTORY_REPLY - len, "%s%s",
            i == 0 ? "[" : " ", reply);
        ck_assert_uint_lt(len + 1, HISTORY_REPLY);
    }
    strcpy(op->reply + len, "]");
}

static void
split_mset(struct worker *w, struct op *op)
{
    struct step set = op->steps[0];

    set.verb = V_SET;
    set.condition = C_NONE;
    set.get = false;
    set.lifetime = L_NONE;
    worker_ask(w, &set, op->reply);
    set.key = set.other;
    worker_ask(w, &set, op->reply);
}

/* HSET of two fields: what it says is right. */
static void
split_hset(struct worker *w, struct op *op)
{
    struct step set = op->steps[0];
    int n_new;

    set.verb = V_HSET;
    worker_ask(w, &set, op->reply);
    n_new = atoi(op->reply + 1);
    set.field = (uint8_t)((set.field + 1) % HISTORY_FIELDS);
    worker_ask(w, &set, op->reply);
    snprintf(op->reply, HISTORY_REPLY, ":%d", n_new + atoi(op->reply + 1));
}

/* The value of a key, without its quotes; empty if there is none. */
static void
get_text(struct worker *w, const struct step *s, unsigned key, char *text)
{
    struct step get = *s;
    char reply[HISTORY_REPLY];

    get.verb = V_GET;
    get.key = (uint8_t)key;
    worker_ask(w, &get, reply);
    text[0] = '\0';
    (void)sscanf(reply, "\"%[^\"]", text);
}

static void
set_number(struct worker *w, const struct step *s, unsigned key, long long n,
    enum lifetime lifetime)
{
    struct step set = *s;
    char reply[HISTORY_REPLY];

    set.verb = V_SET;
    set.key = (uint8_t)key;
    set.condition = C_NONE;
    set.get = false;
    set.lifetime = lifetime;
    snprintf(set.value, sizeof(set.value), "%lld", n);
    worker_ask(w, &set, reply);
    ck_assert_str_eq(reply, "+OK");
}

static void
split_script(struct worker *w, struct op *op)
{
    struct step s = op->steps[0];
    char text[HISTORY_REPLY];
    long long n;

    get_text(w, &s, s.key, text);
    if (s.verb == V_SCRIPT_ADD) {
        n = model_number(text) + s.delta;
        set_number(w, &s, s.key, n, L_KEEPTTL);
        snprintf(op->reply, HISTORY_REPLY, ":%lld", n);
        return;
    }
    strcpy(op->reply, ":0");
    if (text[0] == '\0' || strcmp(text, s.compare) != 0)
        return;
    s.verb = V_DEL;
    worker_ask(w, &s, text);
    strcpy(op->reply, ":1");
}

static void
split_transfer(struct worker *w, struct op *op)
{
    const struct step *s = &op->steps[0];
    char from_text[HISTORY_REPLY], to_text[HISTORY_REPLY];
    long long from, to;

    get_text(w, s, s->key, from_text);
    get_text(w, s, s->other, to_text);
    from = model_number(from_text) - s->delta;
    to = model_number(to_text) + s->delta;
    set_number(w, s, s->key, from, L_NONE);
    set_number(w, s, s->other, to, L_NONE);
    snprintf(op->reply, HISTORY_REPLY, "[:%lld :%lld]", from, to);
}

static void
split_move(struct worker *w, struct op *op)
{
    struct step s = op->steps[0];
    char reply[HISTORY_REPLY];

    s.verb = V_HGET;
    worker_ask(w, &s, op->reply);
    if (sscanf(op->reply, "\"%23[^\"]", s.value) != 1)
        return;
    s.verb = V_HDEL;
    worker_ask(w, &s, reply);
    s.verb = V_HSET;
    s.key = s.other;
    worker_ask(w, &s, reply);
}

static void
check_then_set(struct worker *w, struct op *op)
{
    struct step s = op->steps[0];

    s.verb = V_EXISTS;
    worker_ask(w, &s, op->reply);
    if (strcmp(op->reply, ":1") == 0) {
        strcpy(op->reply, "$-1");
        return;
    }
    s = op->steps[0];
    s.condition = C_NONE;
    worker_ask(w, &s, op->reply);
}

/* As if the version were only looked up when the command comes. */
static void
take_new_version(struct worker *w, struct op *op)
{
    struct step s = op->steps[0];

    s.verb = V_GETV;
    worker_ask(w, &s, op->reply);
    worker_learn_version(w, s.key, op->reply);
    s = op->steps[0];
    s.version = w->versions[s.key];
    worker_ask(w, &s, op->reply);
}

bool
worker_answer_badly(struct worker *w, struct op *op)
{
    const struct step *s = &op->steps[0];
    struct step changed = *s;

    switch (w->fault) {
    case F_STALE_READ:
        if (op->kind != OP_COMMAND || s->verb != V_GET ||
            w->earlier[s->key][0] == '\0' || !worker_chance(w, 4))
            return false;
        strcpy(op->reply, w->earlier[s->key]);
        return true;
    case F_STALE_FIELD:
        if (op->kind != OP_COMMAND || s->verb != V_HGET || s->field != 0 ||
            w->earlier[s->key][0] == '\0' || !worker_chance(w, 2))
            return false;
        strcpy(op->reply, w->earlier[s->key]);
        return true;
    case F_SPLIT_HSET:
        if (op->kind != OP_COMMAND || s->verb != V_HSET_BOTH)
            return false;
        split_hset(w, op);
        return true;
    case F_LOST_WRITE:
    case F_LATE_WRITE:
        if (!is_plain_set(op) || !worker_chance(w, 4))
            return false;
        w->late = *s;
        w->has_late = w->fault == F_LATE_WRITE;
        strcpy(op->reply, "+OK");
        return true;
    case F_SPLIT_MSET:
        if (op->kind != OP_COMMAND || s->verb != V_MSET)
            return false;
        split_mset(w, op);
        return true;
    case F_SPLIT_EXEC:
        if (op->kind != OP_EXEC || w->watched != 0)
            return false;
        split_exec(w, op);
        return true;
    case F_NO_WATCH:
        if (op->kind != OP_WATCH)
            return false;
        strcpy(op->reply, "+OK");
        return true;
    case F_TWICE:
        if (op->kind != OP_COMMAND || !worker_chance(w, 4) ||
            (s->verb != V_INCRBY && s->verb != V_APPEND &&
                s->verb != V_HINCRBY && s->verb != V_SCRIPT_ADD))
            return false;
        worker_ask(w, s, op->reply);
        worker_ask(w, s, op->reply);
        return true;
    case F_CHECK_THEN_SET:
        if (op->kind != OP_COMMAND || s->verb != V_SET ||
            s->condition != C_NX || s->get)
            return false;
        check_then_set(w, op);
        return true;
    case F_NO_EXPIRY:
        if (op->kind != OP_COMMAND || s->verb != V_SET || s->lifetime != L_PX)
            return false;
        changed.lifetime = L_NONE;
        worker_ask(w, &changed, op->reply);
        return true;
    case F_OLD_VERSION:
        if (op->kind != OP_COMMAND || s->verb != V_SET ||
            s->condition != C_IFVER)
            return false;
        take_new_version(w, op);
        return true;
    case F_SPLIT_SCRIPT:
        if (op->kind != OP_COMMAND ||
            (s->verb != V_SCRIPT_ADD && s->verb != V_SCRIPT_DELIFEQ))
            return false;
        split_script(w, op);
        return true;
    case F_SPLIT_TRANSFER:
        if (op->kind != OP_COMMAND || s->verb != V_SCRIPT_TRANSFER)
            return false;
        split_transfer(w, op);
        return true;
    case F_SPLIT_MOVE:
        if (op->kind != OP_COMMAND || s->verb != V_SCRIPT_MOVE_FIELD)
            return false;
        split_move(w, op);
        return true;
    default:
        return false;
    }
}
