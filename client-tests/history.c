/* SPDX-License-Identifier: BSD-3-Clause */
/* history.c - the search for an order that explains a history.
 *
 * A configuration says how many operations of each thread are done, and the
 * state of the store. From it, the next operation of a thread can be done if
 * it began before the first answer among those that are not done. The search
 * is depth first, prefers who answered first, and never enters a configuration
 * twice. Of one seen, 128 bits of hash are kept: that two of them are the same
 * by chance is less likely than a flipped bit of memory.
 */
#include "client-tests/history.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAX_TRIED 10000000

/* Operations shown before those that overlap with what is wrong. */
#define WINDOW_BEFORE 8

/* ---- what has been seen -------------------------------------------------- */

struct seen {
    XXH128_hash_t *slot; /* zero: free */
    size_t n, cap;       /* a power of two */
};

static bool seen_add(struct seen *s, XXH128_hash_t h);

static void
seen_grow(struct seen *s)
{
    struct seen old = *s;

    s->cap = MAX(2 * old.cap, 4096);
    s->slot = xcalloc(s->cap, sizeof(*s->slot));
    s->n = 0;
    for (size_t i = 0; i < old.cap; i++)
        if ((old.slot[i].low64 | old.slot[i].high64) != 0)
            (void)seen_add(s, old.slot[i]);
    free(old.slot);
}

/* True if it is new. */
static bool
seen_add(struct seen *s, XXH128_hash_t h)
{
    size_t i;

    if (2 * s->n >= s->cap)
        seen_grow(s);
    for (i = h.low64 & (s->cap - 1);
         (s->slot[i].low64 | s->slot[i].high64) != 0;
         i = (i + 1) & (s->cap - 1))
        if (XXH128_isEqual(s->slot[i], h))
            return false;
    s->slot[i] = h;
    s->n++;
    return true;
}

/* ---- the search ---------------------------------------------------------- */

/* A configuration on the path, and what has been tried from it. */
struct frame {
    struct model model;
    const struct op *by;            /* the operation that led here */
    uint8_t order[HISTORY_THREADS]; /* threads, first answers first */
    uint8_t n_order, at;            /* order[at] is to be tried, with */
    uint8_t expired;                /* this choice of keys that are gone */
};

struct search {
    const struct op **ops[HISTORY_THREADS]; /* of each thread, in its order */
    size_t n[HISTORY_THREADS];
    size_t done[HISTORY_THREADS];
    struct frame *path;
    size_t depth; /* index of the last frame */
    struct seen seen;
    int64_t slack_ns;
    size_t tried, max_tried;
    int64_t stuck_ns; /* the latest first answer of any configuration seen */
};

static const struct op *
next_op(const struct search *s, unsigned thread)
{
    return s->done[thread] < s->n[thread] ? s->ops[thread][s->done[thread]]
                                          : NULL;
}

/* Order the threads of a new frame by their next answers, leaving out those
 * whose next operation began after the first of these. */
static void
order_threads(struct search *s, struct frame *f)
{
    const struct op *next[HISTORY_THREADS], *op;
    unsigned n = 0, i;

    for (unsigned t = 0; t < HISTORY_THREADS; t++) {
        if ((op = next_op(s, t)) == NULL)
            continue;
        for (i = n++; i > 0 && next[i - 1]->end_ns > op->end_ns; i--) {
            next[i] = next[i - 1];
            f->order[i] = f->order[i - 1];
        }
        next[i] = op;
        f->order[i] = (uint8_t)t;
    }
    f->n_order = 0;
    for (i = 0; i < n; i++)
        if (next[i]->start_ns <= next[0]->end_ns)
            f->order[f->n_order++] = f->order[i];
    f->at = f->expired = 0;
    if (n > 0)
        s->stuck_ns = MAX(s->stuck_ns, next[0]->end_ns);
}

static bool
is_new(struct search *s, const struct model *m)
{
    struct {
        size_t done[HISTORY_THREADS];
        struct model model;
    } all;

    memcpy(all.done, s->done, sizeof(all.done));
    memcpy(&all.model, m, sizeof(*m));
    return seen_add(&s->seen, XXH3_128bits(&all, sizeof(all)));
}

/* The next choice of keys to be gone among `unsure`, or the next thread. */
static void
step_on(struct frame *f, unsigned unsure)
{
    unsigned choice = (f->expired - unsure) & unsure; /* the next subset */

    f->expired = (uint8_t)choice;
    if (choice == 0)
        f->at++;
}

/* Try what the last frame has to try next; true if that led to a new one. */
static bool
descend(struct search *s)
{
    struct frame *f = &s->path[s->depth], *to = f + 1;
    unsigned thread = f->order[f->at], expired = f->expired, unsure;
    const struct op *op = next_op(s, thread);

    to->model = f->model;
    unsure = model_settle(&to->model, op, s->slack_ns);
    step_on(f, unsure);
    model_expire(&to->model, expired);
    s->tried++;
    if (!model_apply(&to->model, op, s->slack_ns))
        return false;
    s->done[thread]++;
    if (!is_new(s, &to->model)) {
        s->done[thread]--;
        return false;
    }
    to->by = op;
    s->depth++;
    order_threads(s, to);
    return true;
}

/* Search until all is done, nothing is left to try, or the first answer that is
 * not explained is that at `until_ns`. */
static enum verdict
search(struct search *s, int64_t until_ns)
{
    size_t all = 0;

    for (unsigned t = 0; t < HISTORY_THREADS; t++) {
        all += s->n[t];
        s->done[t] = 0;
    }
    s->depth = 0;
    s->tried = 0;
    s->stuck_ns = INT64_MIN;
    memset(&s->path[0], 0, sizeof(s->path[0]));
    order_threads(s, &s->path[0]);
    while (s->depth < all && s->stuck_ns < until_ns) {
        struct frame *f = &s->path[s->depth];

        if (s->tried > s->max_tried)
            return UNDECIDED;
        if (f->at < f->n_order) {
            (void)descend(s);
        } else if (s->depth == 0) {
            return NOT_LINEARIZABLE;
        } else {
            s->done[f->by->thread]--;
            s->depth--;
        }
    }
    return LINEARIZABLE;
}

/* ---- what is wrong ------------------------------------------------------- */

static void
print_op(FILE *out, const struct op *op, int64_t from_ns, bool wrong)
{
    static const char *const names[] = {"k0", "k1", "k2", "k3"};
    struct step_words w;

    fprintf(out, "%s %9.1f %9.1f us  client %u:", wrong ? "=>" : "  ",
        (double)(op->start_ns - from_ns) / 1000,
        (double)(op->end_ns - from_ns) / 1000, op->thread);
    if (op->kind == OP_WATCH)
        fprintf(out, " WATCH %s", names[op->steps[0].key]);
    if (op->kind == OP_UNWATCH)
        fputs(" UNWATCH", out);
    if (op->kind == OP_EXEC)
        fputs(" EXEC of", out);
    for (unsigned i = 0; i < op->n_steps && op->kind != OP_WATCH; i++) {
        step_words(&op->steps[i], names, &w);
        for (int j = 0; j < w.n; j++)
            fprintf(out, "%s%s", j > 0 ? " " : i > 0 ? "; " : " ", w.word[j]);
    }
    fprintf(out, " -> %s\n", op->reply);
}

static int
by_start(const void *a, const void *b)
{
    const struct op *x = *(const struct op *const *)a;
    const struct op *y = *(const struct op *const *)b;

    return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

/* The last frame of the path with nothing in flight: all that was done by then
 * was answered before anything else began. */
static size_t
last_quiet(const struct search *s)
{
    int64_t first_start = INT64_MAX;
    size_t quiet = 0;

    for (unsigned t = 0; t < HISTORY_THREADS; t++)
        if (next_op(s, t) != NULL)
            first_start = MIN(first_start, next_op(s, t)->start_ns);
    for (size_t at = s->depth; at > 0 && quiet == 0; at--) {
        int64_t last_end = INT64_MIN;

        for (size_t i = 1; i <= at; i++)
            last_end = MAX(last_end, s->path[i].by->end_ns);
        if (last_end < first_start)
            quiet = at;
        first_start = MIN(first_start, s->path[at].by->start_ns);
    }
    return quiet;
}

/* A hash has no length. */
static void
print_value(FILE *out, const struct model_key *k)
{
    bool is_hash = false;

    for (unsigned i = 0; i < HISTORY_FIELDS; i++)
        is_hash |= k->value[i * HISTORY_FIELD_BYTES] == 1;
    if (!is_hash) {
        fprintf(out, "\"%s\"", k->value);
        return;
    }
    for (unsigned i = 0; i < HISTORY_FIELDS; i++) {
        const char *field = k->value + i * HISTORY_FIELD_BYTES;

        if (*field != 0)
            fprintf(out, "%s=\"%s\" ", history_fields[i], field + 1);
    }
}

static void
print_state(FILE *out, const struct model *m, int64_t from_ns)
{
    for (unsigned i = 0; i < HISTORY_KEYS; i++) {
        const struct model_key *k = &m->key[i];

        if (!k->present)
            continue;
        fprintf(out, "   k%u is ", i);
        print_value(out, k);
        if (k->expires)
            fprintf(out, " until %.1f to %.1f us",
                (double)(k->deadline_lo - from_ns) / 1000,
                (double)(k->deadline_hi - from_ns) / 1000);
        fputc('\n', out);
    }
    for (unsigned t = 0; t < HISTORY_THREADS; t++)
        if (m->watched[t] != 0)
            fprintf(out, "   client %u watches the keys %#x%s\n", t,
                m->watched[t], m->changed[t] ? ", which have changed" : "");
}

/* Shorter than last_quiet() where that is far: what may have overlapped with
 * the unexplained operation, and some before it. */
static size_t
window_start(const struct search *s, const struct op *wrong)
{
    size_t at = s->depth, least = last_quiet(s);

    while (at > least && s->path[at].by->end_ns >= wrong->start_ns)
        at--;
    return at > least + WINDOW_BEFORE ? at - WINDOW_BEFORE : least;
}

/* The path stands at a configuration whose first answer is never explained. */
static void
explain(const struct search *s, FILE *out)
{
    const struct op **window =
        xcalloc(s->depth + HISTORY_THREADS + 1, sizeof(*window));
    const struct op *wrong = next_op(s, s->path[s->depth].order[0]);
    size_t from = window_start(s, wrong), n = 0;
    int64_t from_ns;

    for (size_t i = from + 1; i <= s->depth; i++)
        window[n++] = s->path[i].by;
    for (unsigned t = 0; t < HISTORY_THREADS; t++)
        if (next_op(s, t) != NULL && next_op(s, t)->start_ns <= s->stuck_ns)
            window[n++] = next_op(s, t);
    qsort(window, n, sizeof(window[0]), by_start);
    from_ns = window[0]->start_ns;
    fprintf(out, "not linearizable; before, %s:\n",
        from == last_quiet(s) ? "with nothing in flight"
                              : "in an order that explains all until then");
    print_state(out, &s->path[from].model, from_ns);
    fprintf(out, "call and answer, the unexplained one marked:\n");
    for (size_t i = 0; i < n; i++)
        print_op(out, window[i], from_ns, window[i] == wrong);
    free(window);
}

/* ---- keys that belong together ------------------------------------------- */

/* Search the operations on a set of keys. */
static enum verdict
check_keys(const struct history *h, unsigned keys, FILE *out)
{
    struct search s = {.slack_ns = h->slack_ns,
        .max_tried = h->max_tried > 0 ? h->max_tried : MAX_TRIED};
    enum verdict verdict;
    size_t n = 0;

    for (unsigned t = 0; t < HISTORY_THREADS; t++)
        s.ops[t] = xcalloc(h->n_ops + 1, sizeof(struct op *));
    for (size_t i = 0; i < h->n_ops; i++) {
        const struct op *op = &h->ops[i];

        if ((op->keys & keys) != 0) {
            s.ops[op->thread][s.n[op->thread]++] = op;
            n++;
        }
    }
    s.path = xcalloc(n + 2, sizeof(*s.path));
    verdict = search(&s, INT64_MAX);
    if (verdict == NOT_LINEARIZABLE) {
        int64_t stuck_ns = s.stuck_ns;

        /* again, to be where that showed */
        free(s.seen.slot);
        s.seen = (struct seen){0};
        (void)search(&s, stuck_ns);
        explain(&s, out);
    }
    for (unsigned t = 0; t < HISTORY_THREADS; t++)
        free(s.ops[t]);
    free(s.seen.slot);
    free(s.path);
    return verdict;
}

/* Grow `keys` by all that some operation joins to them. */
static unsigned
joined(const struct history *h, unsigned keys)
{
    unsigned before;

    do {
        before = keys;
        for (size_t i = 0; i < h->n_ops; i++)
            if ((h->ops[i].keys & keys) != 0)
                keys |= h->ops[i].keys;
    } while (keys != before);
    return keys;
}

enum verdict
history_check(const struct history *h, FILE *out)
{
    unsigned left = (1u << HISTORY_KEYS) - 1;
    enum verdict verdict = LINEARIZABLE;

    for (unsigned i = 0; i < HISTORY_KEYS && verdict == LINEARIZABLE; i++) {
        unsigned keys;

        if (!(left >> i & 1))
            continue;
        keys = joined(h, 1u << i);
        left &= ~keys;
        verdict = check_keys(h, keys, out);
    }
    return verdict;
}
