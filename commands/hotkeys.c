/* SPDX-License-Identifier: BSD-3-Clause */
/* hotkeys.c - HOTKEYS GET and RESET: the keys that are used most often.
 *
 * While hotkey-top-k is 0 no command does anything for this. Else a worker
 * counts one command down, and of the few that are sampled adds the keys to a
 * summary of its own (top_keys.h). Time is cut into windows; what HOTKEYS GET
 * shows is the last whole one, over all workers. A summary is cleared by who
 * comes first to it in a later window, so nothing runs by a clock.
 */
#include "commands/hotkeys.h"
#include "commands/top_keys.h"

#include <stdlib.h>

/* Of each worker: keys beyond those shown, so that the order of these is right
 * though every worker has its own. */
#define capacity_for(top_k) (64 + 4 * (unsigned)(top_k))

/* What one worker counts. */
struct hot_table {
    pthread_mutex_t lock;  /* a leaf in the lock order */
    unsigned era;          /* [lock] of the settings it counts with */
    uint64_t window;       /* [lock] that `now` counts */
    struct top_keys *now;  /* [lock] NULL until the first key */
    struct top_keys *last; /* [lock] the window before */
    size_t charged;        /* [lock] in the memory budget */
};

struct hotkeys {
    struct slab *slab;
    struct hash_seed seed;
    _Atomic unsigned era;      /* grows with each change and RESET */
    _Atomic unsigned top_k;    /* of the era, as the next three */
    _Atomic unsigned distance; /* 2 * mean distance of samples - 1 */
    _Atomic uint64_t window_us;
    _Atomic uint64_t start_us; /* of window 0 */
    struct hot_table tables[COMMANDS_MAX_WORKERS];
};

struct hotkeys *
hotkeys_new(struct slab *slab)
{
    struct hotkeys *h = xcalloc(1, sizeof(*h));

    h->slab = slab;
    hash_seed_random(&h->seed);
    for (size_t i = 0; i < ARRAY_LEN(h->tables); i++)
        ASSERT(pthread_mutex_init(&h->tables[i].lock, NULL) == 0);
    return h;
}

/* [lock] */
static void
drop_summaries(struct hotkeys *h, struct hot_table *t)
{
    if (t->now != NULL) {
        top_keys_free(t->now);
        top_keys_free(t->last);
    }
    slab_uncharge(h->slab, t->charged);
    t->now = t->last = NULL;
    t->charged = 0;
}

void
hotkeys_free(struct hotkeys *h)
{
    for (size_t i = 0; i < ARRAY_LEN(h->tables); i++) {
        drop_summaries(h, &h->tables[i]);
        ASSERT(pthread_mutex_destroy(&h->tables[i].lock) == 0);
    }
    free(h);
}

/* ---- windows ------------------------------------------------------------- */

static uint64_t
window_now(const struct hotkeys *h)
{
    uint64_t now_us = clock_mono_us(), start_us = LOAD(&h->start_us);

    /* Another thread's copy of the time may be ahead. */
    return (now_us - MIN(now_us, start_us)) / LOAD(&h->window_us);
}

static void
take_turn(struct hot_table *t)
{
    struct top_keys *was = t->last;

    t->last = t->now;
    t->now = was;
    top_keys_clear(t->now);
}

/* [lock] Bring a table to the present window and era. */
static void
turn(struct hotkeys *h, struct hot_table *t)
{
    unsigned era = atomic_load_explicit(&h->era, memory_order_acquire);
    uint64_t window = window_now(h);

    if (t->era != era) {
        drop_summaries(h, t);
        t->era = era;
        t->window = window;
    }
    if (t->now == NULL || window <= t->window) {
        t->window = MAX(window, t->window);
        return;
    }
    take_turn(t);
    if (window > t->window + 1)
        take_turn(t);
    t->window = window;
}

/* [lock] */
static void
charge(struct hotkeys *h, struct hot_table *t)
{
    size_t bytes = top_keys_bytes(t->now) + top_keys_bytes(t->last);

    if (bytes > t->charged)
        slab_charge_force(h->slab, bytes - t->charged);
    else
        slab_uncharge(h->slab, t->charged - bytes);
    t->charged = bytes;
}

/* ---- settings ------------------------------------------------------------ */

/* Forget everything; the first window begins now. */
static void
restart(struct hotkeys *h)
{
    clock_refresh();
    STORE(&h->start_us, clock_mono_us());
    /* release: pairs with turn(), which measures from the new start then */
    atomic_fetch_add_explicit(&h->era, 1, memory_order_release);
    for (size_t i = 0; i < ARRAY_LEN(h->tables); i++) {
        pthread_mutex_lock(&h->tables[i].lock);
        drop_summaries(h, &h->tables[i]);
        pthread_mutex_unlock(&h->tables[i].lock);
    }
}

void
hotkeys_configure(struct commands *c)
{
    const struct command_options *o = c->values;
    struct hotkeys *h = c->state->hotkeys;
    unsigned top_k = (unsigned)option_get_i64(&o->hotkey_top_k);
    unsigned distance =
        200 / (unsigned)option_get_i64(&o->hotkey_sampling_percentage) - 1;
    uint64_t window_us =
        (uint64_t)option_get_i64(&o->hotkey_window_seconds) * 1000000;

    if (top_k == LOAD(&h->top_k) && distance == LOAD(&h->distance) &&
        window_us == LOAD(&h->window_us))
        return;
    STORE(&h->top_k, top_k);
    STORE(&h->distance, distance);
    STORE(&h->window_us, window_us);
    restart(h);
    commands_activate(c, ACTIVE_HOTKEYS, top_k > 0);
}

/* ---- counting ------------------------------------------------------------ */

/* 1 .. distance, each equally likely, so that no pattern of commands hides. */
static bool
is_sampled(struct command_thread *t, const struct hotkeys *h)
{
    uint64_t x = t->hot_random;

    if (likely(t->until_hot > 1)) {
        t->until_hot--;
        return false;
    }
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    t->hot_random = x;
    t->until_hot = (uint32_t)(x % LOAD(&h->distance)) + 1;
    return true;
}

static void
count_key(struct hotkeys *h, struct hot_table *t, struct str name, unsigned db)
{
    uint64_t hash = hash_bytes(&h->seed, name.p, name.len) + db;

    if (name.len <= KS_MAX_KEY)
        top_keys_add(t->now, name, db, hash);
}

static void __attribute__((noinline)) count_keys(struct request *rq)
{
    struct hotkeys *h = rq->thread->commands->state->hotkeys;
    struct hot_table *t = &h->tables[rq->thread->worker];
    unsigned top_k, db = LOAD(&rq->session->db);
    struct command_keys keys = command_keys_of(rq->command, rq->argv, rq->argc);

    pthread_mutex_lock(&t->lock);
    turn(h, t);
    top_k = LOAD(&h->top_k);
    if (t->now == NULL && top_k > 0) {
        t->now = top_keys_new(capacity_for(top_k));
        t->last = top_keys_new(capacity_for(top_k));
    }
    if (t->now != NULL) {
        for (int i = keys.first; i <= keys.last; i += keys.step)
            count_key(h, t, arg_str(rq, i), db);
        charge(h, t);
    }
    pthread_mutex_unlock(&t->lock);
}

void
hotkeys_note(struct request *rq)
{
    if (rq->command->first_key != 0 &&
        rq->command->flags & (CMD_READ | CMD_WRITE) &&
        is_sampled(rq->thread, rq->thread->commands->state->hotkeys))
        count_keys(rq);
}

/* ---- HOTKEYS GET --------------------------------------------------------- */

struct found {
    struct top_key *keys; /* names owned */
    size_t n;
};

static void
copy_table(struct hotkeys *h, struct hot_table *t, struct found *f)
{
    const struct top_key *keys;
    unsigned n;

    pthread_mutex_lock(&t->lock);
    turn(h, t);
    if (t->now != NULL) {
        keys = top_keys_all(t->last, &n);
        f->keys = xrealloc(f->keys, (f->n + n + 1) * sizeof(*keys));
        for (unsigned i = 0; i < n; i++) {
            struct top_key *to = &f->keys[f->n++];

            *to = keys[i];
            to->name = xcalloc(1, to->len + 1);
            memcpy(to->name, keys[i].name, to->len);
        }
    }
    pthread_mutex_unlock(&t->lock);
}

static int
by_name(const void *a, const void *b)
{
    const struct top_key *x = a, *y = b;
    int order = memcmp(x->name, y->name, MIN(x->len, y->len));

    if (order == 0)
        order = (x->len > y->len) - (x->len < y->len);
    return order != 0 ? order : (x->db > y->db) - (x->db < y->db);
}

/* Twice the estimate: the middle between the least and the most it can be. */
static uint64_t
twice(const struct top_key *k)
{
    return 2 * k->count - k->error;
}

static int
hotter_first(const void *a, const void *b)
{
    const struct top_key *x = a, *y = b;
    uint64_t m = twice(x), n = twice(y);

    return m != n ? (m < n ? 1 : -1) : by_name(a, b);
}

/* The same key of several workers is one. */
static void
merge(struct found *f)
{
    size_t n = 0;

    if (f->n > 0)
        qsort(f->keys, f->n, sizeof(*f->keys), by_name);
    for (size_t i = 0; i < f->n; i++) {
        if (n > 0 && by_name(&f->keys[n - 1], &f->keys[i]) == 0) {
            f->keys[n - 1].count += f->keys[i].count;
            f->keys[n - 1].error += f->keys[i].error;
            free(f->keys[i].name);
        } else {
            f->keys[n++] = f->keys[i];
        }
    }
    f->n = n;
    if (n > 0)
        qsort(f->keys, n, sizeof(*f->keys), hotter_first);
}

static int64_t
per_second(const struct hotkeys *h, const struct top_key *k)
{
    double mean = (double)(LOAD(&h->distance) + 1) / 2;
    double seconds = (double)LOAD(&h->window_us) / 1e6;

    return (int64_t)((double)twice(k) / 2 * mean / seconds + 0.5);
}

void
cmd_hotkeys_get(struct request *rq)
{
    struct hotkeys *h = rq->thread->commands->state->hotkeys;
    struct found f = {.n = 0};
    size_t n;

    if (LOAD(&h->top_k) > 0)
        for (size_t i = 0; i < ARRAY_LEN(h->tables); i++)
            copy_table(h, &h->tables[i], &f);
    merge(&f);
    n = f.keys == NULL ? 0 : MIN(f.n, LOAD(&h->top_k));
    reply_array(rq->reply, n);
    for (size_t i = 0; i < n; i++) {
        reply_map(rq->reply, 3);
        reply_bulk_cstr(rq->reply, "key");
        reply_bulk(rq->reply, (struct str){f.keys[i].name, f.keys[i].len});
        reply_bulk_cstr(rq->reply, "db");
        reply_int(rq->reply, f.keys[i].db);
        reply_bulk_cstr(rq->reply, "qps");
        reply_int(rq->reply, per_second(h, &f.keys[i]));
    }
    for (size_t i = 0; i < f.n; i++)
        free(f.keys[i].name);
    free(f.keys);
}

void
cmd_hotkeys_reset(struct request *rq)
{
    restart(rq->thread->commands->state->hotkeys);
    reply_ok(rq->reply);
}
