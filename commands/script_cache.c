/* SPDX-License-Identifier: BSD-3-Clause */
/* script_cache.c - the texts of scripts by their SHA1, and which workers run
 * one.
 *
 * One cache for all workers, under a mutex that is a leaf in the lock order. A
 * worker keeps what it has compiled and holds the text; it need not come here
 * again until a text has left the cache, which it sees by the generation.
 *
 * Texts that EVAL brought are bounded in number and in bytes, and the ones not
 * used for longest go first. What SCRIPT LOAD brought stays, as clients rely on
 * it. All are counted in the memory budget.
 */
#include "commands/script.h"

#include <stdlib.h>
#include <time.h>

#define BUCKETS 1024
#define MAX_EVALED 500
#define MAX_EVALED_BYTES (16 * MIB)
/* Texts of EVAL up to this are taken also beyond maxmemory: scripts that only
 * read, or delete, run then as commands do. */
#define ALWAYS_BYTES (4 * KIB)

struct scripts {
    pthread_mutex_t lock;
    struct slab *slab;
    struct script **buckets;       /* [lock] NULL before the first */
    size_t n, bytes;               /* [lock] */
    size_t n_evaled, evaled_bytes; /* [lock] of these what may go */
    _Atomic uint64_t generation, flushes;
    _Atomic uint64_t clock; /* counts uses */
    _Atomic bool ending;    /* the server is: no script may hold it up */
    struct script_slot *_Atomic slots[COMMANDS_MAX_WORKERS];
};

struct scripts *
scripts_new(struct slab *slab)
{
    struct scripts *s = xcalloc(1, sizeof(*s));

    ASSERT(pthread_mutex_init(&s->lock, NULL) == 0);
    s->slab = slab;
    return s;
}

void
scripts_free(struct scripts *s)
{
    scripts_flush(s);
    for (size_t i = 0; i < COMMANDS_MAX_WORKERS; i++)
        free(LOAD(&s->slots[i]));
    free(s->buckets);
    ASSERT(pthread_mutex_destroy(&s->lock) == 0);
    free(s);
}

static size_t
charge_of(const struct script *script)
{
    return sizeof(*script) + script->len;
}

void
script_drop(struct script *script)
{
    /* acq_rel: all that others did with it comes before the free */
    if (script == NULL ||
        atomic_fetch_sub_explicit(&script->holds, 1, memory_order_acq_rel) > 1)
        return;
    slab_uncharge(script->slab, charge_of(script));
    free(script);
}

struct script *
script_take(struct script *script)
{
    /* relaxed: the caller, or the cache, has a hold */
    atomic_fetch_add_explicit(&script->holds, 1, memory_order_relaxed);
    return script;
}

/* ---- the first line ------------------------------------------------------ */

/* The next word of `line`, cut off; "" at its end. */
static struct str
next_word(struct str *line)
{
    struct str word;
    size_t n = 0;

    while (line->len > 0 && (*line->p == ' ' || *line->p == '\t')) {
        line->p++;
        line->len--;
    }
    while (n < line->len && line->p[n] != ' ' && line->p[n] != '\t')
        n++;
    word = (struct str){line->p, n};
    line->p += n;
    line->len -= n;
    return word;
}

static bool
read_flag(struct str name, unsigned *flags, struct buf *err)
{
    static const struct {
        const char *name;
        unsigned flag;
    } known[] = {
        {"no-writes", SCRIPT_NO_WRITES},
        {"allow-oom", SCRIPT_ALLOW_OOM},
        {"allow-stale", SCRIPT_ALLOW_STALE},
        {"no-cluster", SCRIPT_NO_CLUSTER},
        {"allow-cross-slot-keys", SCRIPT_ALL_KEYS},
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq(name, str_of(known[i].name))) {
            *flags |= known[i].flag;
            return true;
        }
    }
    buf_printf(
        err, "Unexpected flag in script shebang: %.*s", (int)name.len, name.p);
    return false;
}

/* "a,b" */
static bool
read_flags(struct str list, unsigned *flags, struct buf *err)
{
    while (list.len > 0) {
        const char *comma = memchr(list.p, ',', list.len);
        size_t n = comma == NULL ? list.len : (size_t)(comma - list.p);

        if (!read_flag((struct str){list.p, n}, flags, err))
            return false;
        n += comma != NULL;
        list.p += n;
        list.len -= n;
    }
    return true;
}

/* "#!lua flags=no-writes,allow-oom"; a text without it is fine. */
static bool
read_shebang(struct str body, unsigned *flags, size_t *code_at, struct buf *err)
{
    const char *end;
    struct str line, word;

    *flags = SCRIPT_PLAIN;
    *code_at = 0;
    if (body.len < 2 || memcmp(body.p, "#!", 2) != 0)
        return true;
    end = memchr(body.p, '\n', body.len);
    if (end == NULL) {
        buf_printf(err, "Invalid script shebang");
        return false;
    }
    *flags = 0;
    *code_at = (size_t)(end - body.p);
    line = (struct str){body.p, *code_at};
    word = next_word(&line);
    if (!str_eq(word, STR("#!lua"))) {
        buf_printf(err, "Unexpected engine in script shebang: %.*s",
            (int)MIN(word.len, (size_t)128), word.p);
        return false;
    }
    for (word = next_word(&line); word.len > 0; word = next_word(&line)) {
        if (word.len < 6 || memcmp(word.p, "flags=", 6) != 0) {
            buf_printf(err, "Unknown lua shebang option: %.*s",
                (int)MIN(word.len, (size_t)128), word.p);
            return false;
        }
        if (!read_flags((struct str){word.p + 6, word.len - 6}, flags, err))
            return false;
    }
    return true;
}

unsigned
script_flags_of(struct str body)
{
    struct buf err = {0};
    unsigned flags;
    size_t code_at;
    bool good = read_shebang(body, &flags, &code_at, &err);

    buf_free(&err);
    return good ? flags : SCRIPT_PLAIN;
}

struct script *
script_new(struct request *rq, struct str body, const char *sha, bool loaded,
    struct buf *err)
{
    struct slab *slab = ks_slab(rq->thread->commands->ks);
    unsigned flags;
    size_t code_at, bytes = sizeof(struct script) + body.len;
    struct script *script;

    if (!read_shebang(body, &flags, &code_at, err))
        return NULL;
    if (!loaded && bytes <= ALWAYS_BYTES)
        slab_charge_force(slab, bytes);
    else if (!ks_charge(rq->thread->ks, bytes))
        return NULL;
    script = xcalloc(1, bytes);
    STORE(&script->holds, 1);
    script->slab = slab;
    script->flags = flags;
    script->code_at = code_at;
    memcpy(script->sha, sha, sizeof(script->sha));
    script->len = body.len;
    if (body.len > 0)
        memcpy(script->body, body.p, body.len);
    return script;
}

/* ---- the table ----------------------------------------------------------- */

/* [lock] Where the pointer to it is or would be. */
static struct script **
locate(struct scripts *s, const char *sha)
{
    unsigned hash = 0;
    struct script **at;

    for (int i = 0; i < 8; i++)
        hash = hash * 31 + (unsigned char)sha[i];
    at = &s->buckets[hash % BUCKETS];
    while (*at != NULL && memcmp((*at)->sha, sha, SHA1_HEX) != 0)
        at = &(*at)->next;
    return at;
}

static void
count(struct scripts *s, const struct script *script, int sign)
{
    size_t bytes = charge_of(script);

    s->n += (size_t)sign;
    s->bytes += (size_t)sign * bytes;
    if (script->loaded)
        return;
    s->n_evaled += (size_t)sign;
    s->evaled_bytes += (size_t)sign * bytes;
}

/* [lock] */
static void
remove_at(struct scripts *s, struct script **at)
{
    struct script *script = *at;

    *at = script->next;
    count(s, script, -1);
    STORE(&script->alive, false);
    /* release: pairs with scripts_generation() */
    atomic_fetch_add_explicit(&s->generation, 1, memory_order_release);
    script_drop(script);
}

/* [lock] Some hundred are there at most. */
static void
evict(struct scripts *s)
{
    struct script **oldest = NULL;

    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct script **at = &s->buckets[i]; *at != NULL;
             at = &(*at)->next) {
            if (!(*at)->loaded &&
                (oldest == NULL || LOAD(&(*at)->used) < LOAD(&(*oldest)->used)))
                oldest = at;
        }
    }
    ASSERT(oldest != NULL);
    remove_at(s, oldest);
}

struct script *
scripts_find(struct scripts *s, const char *sha)
{
    struct script *found = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->buckets != NULL && (found = *locate(s, sha)) != NULL)
        (void)script_take(found);
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* [lock] */
static void
keep(struct scripts *s, struct script *script)
{
    if (script->loaded)
        return;
    count(s, script, -1);
    script->loaded = true;
    count(s, script, 1);
}

void
scripts_keep(struct scripts *s, struct script *script)
{
    pthread_mutex_lock(&s->lock);
    if (LOAD(&script->alive))
        keep(s, script);
    pthread_mutex_unlock(&s->lock);
}

struct script *
scripts_add(struct scripts *s, struct script *script, bool loaded)
{
    struct script **at;

    pthread_mutex_lock(&s->lock);
    if (s->buckets == NULL)
        s->buckets = xcalloc(BUCKETS, sizeof(*s->buckets));
    at = locate(s, script->sha);
    if (*at != NULL) {
        script_drop(script);
        script = script_take(*at);
    } else {
        *at = script_take(script);
        STORE(&script->alive, true);
        count(s, script, 1);
        script_touch(s, script);
    }
    if (loaded)
        keep(s, script);
    while (s->n_evaled > MAX_EVALED ||
        (s->evaled_bytes > MAX_EVALED_BYTES && s->n_evaled > 1))
        evict(s);
    pthread_mutex_unlock(&s->lock);
    return script;
}

void
scripts_flush(struct scripts *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; s->buckets != NULL && i < BUCKETS; i++) {
        while (s->buckets[i] != NULL)
            remove_at(s, &s->buckets[i]);
    }
    atomic_fetch_add_explicit(&s->flushes, 1, memory_order_relaxed);
    pthread_mutex_unlock(&s->lock);
}

uint64_t
scripts_flushes(const struct scripts *s)
{
    return LOAD(&s->flushes);
}

uint64_t
scripts_generation(const struct scripts *s)
{
    return atomic_load_explicit(&s->generation, memory_order_acquire);
}

/* The count of uses need not be exact among threads. */
void
script_touch(struct scripts *s, struct script *script)
{
    uint64_t now = LOAD(&s->clock) + 1;

    atomic_store_explicit(&s->clock, now, memory_order_relaxed);
    atomic_store_explicit(&script->used, now, memory_order_relaxed);
}

/* What a worker tells; NULL before its first script. */
static struct script_slot *
slot_of(const struct scripts *s, size_t worker)
{
    return atomic_load_explicit(&s->slots[worker], memory_order_acquire);
}

void
scripts_memory(struct scripts *s, struct scripts_memory *m)
{
    pthread_mutex_lock(&s->lock);
    m->texts = s->bytes;
    m->n_texts = s->n;
    pthread_mutex_unlock(&s->lock);
    m->lua = 0;
    for (size_t i = 0; i < COMMANDS_MAX_WORKERS; i++) {
        struct script_slot *slot = slot_of(s, i);

        if (slot != NULL)
            m->lua += LOAD(&slot->memory);
    }
}

/* ---- what runs ----------------------------------------------------------- */

uint64_t
script_now_us(void)
{
    struct timespec ts;

    ASSERT(clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

struct script_slot *
scripts_slot(struct scripts *s, unsigned worker)
{
    struct script_slot *slot;

    ASSERT(worker < COMMANDS_MAX_WORKERS);
    slot = slot_of(s, worker);
    if (slot == NULL) {
        slot = xcalloc(1, sizeof(*slot));
        /* release: pairs with slot_of() */
        atomic_store_explicit(&s->slots[worker], slot, memory_order_release);
    }
    return slot;
}

static enum script_state
state_of(uint64_t word)
{
    return (enum script_state)(word & 3);
}

/* The number of a run and its state; started_us is of this run or a later one.
 */
static uint64_t
word_of(const struct script_slot *slot)
{
    /* acquire: pairs with script_slot_begin() */
    return atomic_load_explicit(&slot->state, memory_order_acquire);
}

/* To another state of the same run; false if it is not in the expected. Which
 * of two who try comes first is all that counts. */
static bool
change(struct script_slot *slot, uint64_t word, enum script_state from,
    enum script_state to)
{
    return state_of(word) == from &&
        atomic_compare_exchange_strong_explicit(&slot->state, &word,
            (word & ~(uint64_t)3) | to, memory_order_relaxed,
            memory_order_relaxed);
}

void
script_slot_begin(struct script_slot *slot)
{
    uint64_t run = (LOAD(&slot->state) >> 2) + 1;

    STORE(&slot->started_us, script_now_us());
    /* release: started_us comes first for word_of() */
    atomic_store_explicit(
        &slot->state, run << 2 | SCRIPT_RUNNING, memory_order_release);
}

void
script_slot_end(struct script_slot *slot)
{
    uint64_t run = LOAD(&slot->state) >> 2;

    STORE(&slot->state, run << 2 | SCRIPT_IDLE);
}

bool
script_slot_is_killed(const struct script_slot *slot)
{
    return state_of(LOAD(&slot->state)) == SCRIPT_KILLED;
}

bool
script_slot_write(struct script_slot *slot)
{
    uint64_t word = LOAD(&slot->state);

    return state_of(word) == SCRIPT_WRITTEN ||
        change(slot, word, SCRIPT_RUNNING, SCRIPT_WRITTEN);
}

static enum script_kill
kill_one(struct script_slot *slot, uint64_t now_us)
{
    uint64_t word = word_of(slot);

    if (state_of(word) == SCRIPT_IDLE ||
        now_us < LOAD(&slot->started_us) + SCRIPT_KILL_AFTER_US)
        return SCRIPT_KILL_NONE;
    if (state_of(word) == SCRIPT_KILLED ||
        change(slot, word, SCRIPT_RUNNING, SCRIPT_KILLED))
        return SCRIPT_KILL_DONE;
    return state_of(LOAD(&slot->state)) == SCRIPT_WRITTEN ? SCRIPT_KILL_WRITTEN
                                                          : SCRIPT_KILL_NONE;
}

enum script_kill
scripts_kill(struct scripts *s)
{
    enum script_kill best = SCRIPT_KILL_NONE;
    uint64_t now_us = script_now_us();

    for (size_t i = 0; i < COMMANDS_MAX_WORKERS; i++) {
        struct script_slot *slot = slot_of(s, i);

        if (slot != NULL)
            best = MAX(best, kill_one(slot, now_us));
    }
    return best;
}

/* ---- the daemon's view --------------------------------------------------- */

/* Has the worker been in one script for so long? */
static bool
runs_for(const struct commands *c, unsigned worker, uint64_t us)
{
    const struct script_slot *slot = slot_of(c->state->scripts, worker);

    return slot != NULL && state_of(word_of(slot)) != SCRIPT_IDLE &&
        script_now_us() >= LOAD(&slot->started_us) + us;
}

bool
commands_in_long_script(const struct commands *c, unsigned worker)
{
    return runs_for(c, worker, SCRIPT_KILL_AFTER_US);
}

uint64_t
script_busy_us(const struct commands *c)
{
    int64_t ms = option_get_i64(&c->values->busy_reply_threshold);

    return ms == 0 ? UINT64_MAX / 2 : (uint64_t)ms * 1000;
}

bool
commands_in_busy_script(const struct commands *c)
{
    uint64_t limit_us = script_busy_us(c);

    for (unsigned i = 0; i < COMMANDS_MAX_WORKERS; i++)
        if (runs_for(c, i, limit_us))
            return true;
    return false;
}

void
commands_end_scripts(struct commands *c)
{
    STORE(&c->state->scripts->ending, true);
}

bool
scripts_are_ending(const struct scripts *s)
{
    return LOAD(&s->ending);
}
