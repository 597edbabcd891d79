/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_walk.c - some of the fields of a hash: HRANDFIELD and HSCAN. Any worker.
 */
#include <inttypes.h>

#include "commands/hashes.h"

/* ---- HRANDFIELD -------------------------------------------------------- */

/* A reply of more than this is refused: a negative count may ask for any
 * number of fields. */
#define RANDOM_MAX_BYTES (64 * MIB)

struct choice {
    struct request *rq;
    struct hash_reader *reader;
    uint64_t n; /* fields of the hash */
    bool with_values;
};

/* A pair is an array of its own in RESP3. */
static void
reply_chosen(const struct choice *c, const struct hash_field *field)
{
    struct reply *r = c->rq->reply;

    if (c->with_values && r->protocol == 3)
        reply_array(r, 2);
    reply_bulk(r, field->name);
    if (c->with_values)
        reply_bulk(r, field->value);
}

static void
reply_chosen_length(const struct choice *c, uint64_t n)
{
    bool flat = c->with_values && c->rq->reply->protocol == 2;

    reply_array(c->rq->reply, flat ? 2 * n : n);
}

/* Any fields, also the same ones again. */
static void
choose_any(const struct choice *c, uint64_t n)
{
    struct buf *out = c->rq->reply->out;
    size_t output = out->len;
    struct hash_field field;

    reply_chosen_length(c, n);
    for (; n > 0 && out->len - output <= RANDOM_MAX_BYTES; n--) {
        hash_random(c->reader, &field);
        reply_chosen(c, &field);
    }
    if (n > 0) {
        out->len = output;
        reply_error(c->rq->reply, "ERR reply is longer than %zu bytes",
            (size_t)RANDOM_MAX_BYTES);
    }
}

/* A random number below n. */
static uint64_t
below(const struct choice *c, uint64_t n)
{
    return (
        uint64_t)((unsigned __int128)hash_reader_random(c->reader) * n >> 64);
}

/* `n` different ones, in one walk over all: each is taken with the probability
 * that leaves all selections equally likely (Knuth, algorithm S). */
static void
choose_in_order(const struct choice *c, uint64_t n)
{
    struct hash_field field;
    uint64_t at = 0, left = c->n;

    reply_chosen_length(c, n);
    for (; n > 0 && hash_next(c->reader, &at, &field); left--) {
        if (below(c, left) >= n)
            continue;
        reply_chosen(c, &field);
        n--;
    }
}

/* The names that were chosen: a table of two slots and more for each. */
struct chosen {
    struct str *slots;
    uint64_t mask;
    uint64_t factor; /* random and odd, so that nobody knows who meets whom */
    struct arena *arena;
};

static void
chosen_init(struct chosen *t, const struct choice *c, uint64_t n)
{
    uint64_t size = 4;

    while (size < 2 * n)
        size *= 2;
    t->arena = c->rq->thread->arena;
    t->mask = size - 1;
    t->factor = hash_reader_random(c->reader) | 1;
    t->slots = arena_alloc(t->arena, size * sizeof(*t->slots));
    memset(t->slots, 0, size * sizeof(*t->slots));
}

/* False if it was chosen before. */
static bool
chosen_add(struct chosen *t, struct str name)
{
    uint64_t hash = hash_digest(name.p, name.len) * t->factor;
    uint64_t i = hash >> 32 & t->mask;
    char *copy;

    for (; t->slots[i].p != NULL; i = (i + 1) & t->mask)
        if (str_eq(t->slots[i], name))
            return false;
    copy = arena_alloc(t->arena, name.len + 1);
    memcpy(copy, name.p, name.len);
    t->slots[i] = (struct str){copy, name.len};
    return true;
}

/* `n` different ones of many more, without a walk. */
static void
choose_few(const struct choice *c, uint64_t n)
{
    struct hash_field field;
    struct chosen chosen;

    chosen_init(&chosen, c, n);
    reply_chosen_length(c, n);
    while (n > 0) {
        hash_random(c->reader, &field);
        if (!chosen_add(&chosen, field.name))
            continue;
        reply_chosen(c, &field);
        n--;
    }
}

static void
choose(const struct choice *c, int64_t count)
{
    uint64_t n = (uint64_t)MAX(count, 0);

    if (count < 0)
        choose_any(c, -(uint64_t)count);
    else if (n < c->n / 4)
        choose_few(c, n);
    else
        choose_in_order(c, MIN(n, c->n));
}

/* The count, and whether values are wanted; replies with the error and returns
 * false. */
static bool
read_count(struct request *rq, int64_t *count, bool *with_values)
{
    if (!arg_i64(rq, 2, count))
        return false;
    if (*count == INT64_MIN) {
        reply_error(rq->reply,
            "ERR value is out of range, value must between %" PRId64
            " and %" PRId64,
            -INT64_MAX, INT64_MAX);
        return false;
    }
    *with_values = rq->argc == 4 && arg_is(rq, 3, "withvalues");
    if (rq->argc > 3 && !*with_values) {
        reply_error_syntax(rq);
        return false;
    }
    if (*with_values && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        reply_error(rq->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

void
cmd_hrandfield(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct choice c = {.rq = rq};
    struct hash_field field;
    enum ks_status status;
    int64_t count = 0;

    if (rq->argc > 2 && !read_count(rq, &count, &c.with_values))
        return;
    status = hash_open(rq->thread->ks, &key, request_read_mode(rq), &c.reader);
    if (status == KS_MISS && rq->argc > 2) {
        reply_array(rq->reply, 0);
    } else if (status == KS_MISS) {
        reply_null(rq->reply);
    } else if (status != KS_OK) {
        reply_error_status(rq, status);
    } else {
        c.n = hash_reader_count(c.reader);
        if (rq->argc > 2) {
            choose(&c, count);
        } else {
            hash_random(c.reader, &field);
            reply_bulk(rq->reply, field.name);
        }
        hash_close(c.reader);
    }
}

/* ---- HSCAN ------------------------------------------------------------- */

struct field_filter {
    struct reply to;
    struct str pattern;
    bool any_name, no_values;
    size_t n_kept; /* elements of the array */
};

static void
keep_field(void *ctx, const struct hash_field *field)
{
    struct field_filter *filter = ctx;

    if (!filter->any_name && !glob_match(filter->pattern, field->name, false))
        return;
    reply_bulk(&filter->to, field->name);
    filter->n_kept++;
    if (filter->no_values)
        return;
    reply_bulk(&filter->to, field->value);
    filter->n_kept++;
}

static void
reply_step(struct request *rq, uint64_t cursor, struct str elements, size_t n)
{
    reply_array(rq->reply, 2);
    reply_bulk_printf(rq->reply, "%" PRIu64, cursor);
    reply_array(rq->reply, n);
    reply_raw(rq->reply, elements);
}

/* What is wrong with the options is told when there is a hash, as in Redis. */
void
cmd_hscan(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct buf elements = {0};
    struct field_filter filter = {
        .to = {.out = &elements, .protocol = rq->reply->protocol}};
    struct scan_options options;
    struct hash_reader *reader;
    enum ks_status status;
    uint64_t cursor;

    if (!scan_cursor_read(rq, 2, &cursor))
        return;
    status = hash_open(rq->thread->ks, &key, request_read_mode(rq), &reader);
    if (status == KS_MISS)
        reply_step(rq, 0, STR(""), 0);
    else if (status != KS_OK)
        reply_error_status(rq, status);
    if (status != KS_OK)
        return;
    if (scan_options_read(rq, 3, SCAN_FIELDS, &options)) {
        filter.pattern = options.pattern;
        filter.any_name = str_eq(options.pattern, STR("*"));
        filter.no_values = options.no_values;
        cursor = hash_scan(
            reader, cursor, (uint64_t)options.count, keep_field, &filter);
        reply_step(
            rq, cursor, (struct str){elements.p, elements.len}, filter.n_kept);
    }
    hash_close(reader);
    buf_free(&elements);
}
