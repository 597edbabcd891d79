/* SPDX-License-Identifier: BSD-3-Clause */
/* lcs.c - LCS: the longest common subsequence of two values.
 *
 * The table of lengths, one cell for each pair of prefixes, stands in an extent
 * while the command runs, so that it counts against the limit of memory. Any
 * worker.
 */
#include "commands/internal.h"

struct lcs_options {
    bool length, matches, match_length;
    int64_t min_match;
};

struct lcs {
    struct str a, b;
    uint32_t *cells; /* (a.len + 1) rows of b.len + 1 */
};

static uint32_t *
cell(const struct lcs *l, size_t i, size_t j)
{
    return &l->cells[i * (l->b.len + 1) + j];
}

static void
fill_table(const struct lcs *l)
{
    memset(l->cells, 0, (l->b.len + 1) * sizeof(*l->cells));
    for (size_t i = 1; i <= l->a.len; i++) {
        const uint32_t *above = cell(l, i - 1, 0);
        uint32_t *row = cell(l, i, 0);

        row[0] = 0;
        for (size_t j = 1; j <= l->b.len; j++) {
            if (l->a.p[i - 1] == l->b.p[j - 1])
                row[j] = above[j - 1] + 1;
            else
                row[j] = MAX(above[j], row[j - 1]);
        }
    }
}

/* A stretch of bytes that both have in common. */
struct match {
    size_t a, b, len; /* len 0: none left */
};

/* The match before (*i, *j) on the way through the table from its end, which is
 * what Redis takes when there are several; moves there. */
static struct match
match_before(const struct lcs *l, size_t *i, size_t *j)
{
    struct match m = {0};

    while (*i > 0 && *j > 0) {
        if (l->a.p[*i - 1] == l->b.p[*j - 1]) {
            m.len++;
            m.a = --*i;
            m.b = --*j;
        } else if (m.len > 0) {
            break;
        } else if (*cell(l, *i - 1, *j) > *cell(l, *i, *j - 1)) {
            --*i;
        } else {
            --*j;
        }
    }
    return m;
}

static void
reply_match(struct request *rq, const struct match *m, bool with_length)
{
    struct reply *r = rq->reply;

    reply_array(r, with_length ? 3 : 2);
    reply_array(r, 2);
    reply_int(r, (int64_t)m->a);
    reply_int(r, (int64_t)(m->a + m->len - 1));
    reply_array(r, 2);
    reply_int(r, (int64_t)m->b);
    reply_int(r, (int64_t)(m->b + m->len - 1));
    if (with_length)
        reply_int(r, (int64_t)m->len);
}

static void
reply_matches(
    struct request *rq, const struct lcs *l, const struct lcs_options *options)
{
    size_t i = l->a.len, j = l->b.len, n = 0, at;
    struct match m;

    reply_map(rq->reply, 2);
    reply_bulk_cstr(rq->reply, "matches");
    at = reply_array_open(rq->reply);
    for (m = match_before(l, &i, &j); m.len > 0; m = match_before(l, &i, &j)) {
        if ((int64_t)m.len < options->min_match)
            continue;
        reply_match(rq, &m, options->match_length);
        n++;
    }
    reply_array_close(rq->reply, at, n);
    reply_bulk_cstr(rq->reply, "len");
    reply_int(rq->reply, *cell(l, l->a.len, l->b.len));
}

static void
reply_subsequence(struct request *rq, const struct lcs *l)
{
    size_t i = l->a.len, j = l->b.len, left = *cell(l, i, j);
    char *to = reply_bulk_open(rq->reply, left);
    struct match m;

    for (m = match_before(l, &i, &j); m.len > 0; m = match_before(l, &i, &j)) {
        left -= m.len;
        memcpy(to + left, l->a.p + m.a, m.len);
    }
    reply_bulk_commit(rq->reply);
}

static bool
parse_lcs(struct request *rq, struct lcs_options *out)
{
    for (int i = 3; i < rq->argc; i++) {
        if (arg_is(rq, i, "idx")) {
            out->matches = true;
        } else if (arg_is(rq, i, "len")) {
            out->length = true;
        } else if (arg_is(rq, i, "withmatchlen")) {
            out->match_length = true;
        } else if (arg_is(rq, i, "minmatchlen") && i + 1 < rq->argc) {
            if (!arg_i64(rq, ++i, &out->min_match))
                return false;
        } else {
            reply_error_syntax(rq);
            return false;
        }
    }
    if (!out->length || !out->matches)
        return true;
    reply_error(rq->reply,
        "ERR If you want both the length and indexes, "
        "please just use IDX.");
    return false;
}

/* Memory for the table; replies with the error and returns false. */
static bool
get_table(struct request *rq, struct lcs *l, struct room *room)
{
    size_t cells = (l->a.len + 1) * (l->b.len + 1);

    if (cells > KS_MAX_VALUE / sizeof(*l->cells)) {
        reply_error(rq->reply,
            "ERR Insufficient memory, transient memory for "
            "LCS exceeds proto-max-bulk-len");
        return false;
    }
    if (!room_get(rq, cells * sizeof(*l->cells), room)) {
        reply_error(rq->reply,
            "ERR Insufficient memory, failed allocating "
            "transient memory for LCS");
        return false;
    }
    l->cells = (uint32_t *)(void *)room->p;
    return true;
}

static void
reply_lcs(struct request *rq, struct lcs *l, const struct lcs_options *options)
{
    struct room room;

    if (!get_table(rq, l, &room))
        return;
    fill_table(l);
    if (options->matches)
        reply_matches(rq, l, options);
    else if (options->length)
        reply_int(rq->reply, *cell(l, l->a.len, l->b.len));
    else
        reply_subsequence(rq, l);
    room_drop(rq, &room);
}

void
cmd_lcs(struct request *rq)
{
    struct ks_key keys[2] = {arg_key(rq, 1), arg_key(rq, 2)};
    struct lcs_options options = {0};
    struct value a, b;
    struct lcs l;
    bool strings;

    ks_lock_to_read(rq->thread->ks, keys, 2);
    strings = value_read(rq, &keys[0], &a) != KS_WRONG_TYPE;
    strings &= value_read(rq, &keys[1], &b) != KS_WRONG_TYPE;
    ks_unlock(rq->thread->ks);
    l = (struct lcs){.a = a.bytes, .b = b.bytes};
    if (!strings)
        reply_error(
            rq->reply, "ERR The specified keys must contain string values");
    else if (parse_lcs(rq, &options))
        reply_lcs(rq, &l, &options);
    value_drop(rq, &a);
    value_drop(rq, &b);
}
