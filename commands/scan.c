/* SPDX-License-Identifier: BSD-3-Clause */
/* scan.c - walks over the keys of a database: SCAN and KEYS.
 *
 * A walk takes no lock across steps; ks_scan() promises that a key which is
 * there from the first step to the last is visited once. Any worker.
 */
#include <inttypes.h>

#include "commands/internal.h"

/* A walk that appends the names it wants as elements of an array. */
struct key_filter {
    struct reply *to;
    struct str pattern;
    bool any_name;
    bool typed; /* only keys of this type; -1 is none */
    int type;
    size_t n_kept;
};

static bool
keep_matching(void *ctx, struct str name, const struct ks_info *info)
{
    struct key_filter *filter = ctx;

    if (filter->typed && (int)info->type != filter->type)
        return true;
    if (!filter->any_name && !glob_match(filter->pattern, name, false))
        return true;
    reply_bulk(filter->to, name);
    filter->n_kept++;
    return true;
}

static void
filter_by_name(struct key_filter *filter, struct str pattern)
{
    filter->pattern = pattern;
    filter->any_name = str_eq(pattern, STR("*"));
}

/* ---- KEYS -------------------------------------------------------------- */

/* Keys asked of one ks_scan() of KEYS. */
#define KEYS_STEP 1024

void
cmd_keys(struct request *rq)
{
    struct key_filter filter = {.to = rq->reply};
    size_t array = reply_array_open(rq->reply);
    uint64_t cursor = 0;

    filter_by_name(&filter, arg_str(rq, 1));
    do {
        cursor = ks_scan(rq->thread->ks, LOAD(&rq->session->db), cursor,
            KEYS_STEP, keep_matching, &filter);
    } while (cursor != 0);
    reply_array_close(rq->reply, array, filter.n_kept);
}

/* ---- SCAN -------------------------------------------------------------- */

/* Read a cursor as strtoul does, which is what clients know: an optional sign,
 * digits, nothing else; the empty string is 0. */
static bool
parse_cursor(struct str s, uint64_t *out)
{
    size_t first = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');
    uint64_t value = 0;

    if (first == 1 && s.len == 1)
        return false;
    for (size_t i = first; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' ||
            __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    *out = first == 1 && s.p[0] == '-' ? -value : value;
    return true;
}

bool
scan_cursor_read(struct request *rq, int i, uint64_t *out)
{
    if (parse_cursor(arg_str(rq, i), out))
        return true;
    reply_error(rq->reply, "ERR invalid cursor");
    return false;
}

bool
scan_options_read(struct request *rq, int first, enum scan_target target,
    struct scan_options *out)
{
    *out = (struct scan_options){.pattern = STR("*"), .count = 10};
    for (int i = first; i < rq->argc; i += 2) {
        bool has_value = i + 1 < rq->argc;

        if (target == SCAN_FIELDS && arg_is(rq, i, "novalues")) {
            out->no_values = true;
            i--;
        } else if (has_value && arg_is(rq, i, "count")) {
            if (!arg_i64(rq, i + 1, &out->count))
                return false;
            if (out->count < 1) {
                reply_error_syntax(rq);
                return false;
            }
        } else if (has_value && arg_is(rq, i, "match")) {
            out->pattern = arg_str(rq, i + 1);
        } else if (target == SCAN_KEYS && has_value && arg_is(rq, i, "type")) {
            out->type = value_type_find(arg_str(rq, i + 1));
            out->typed = true;
        } else {
            reply_error_syntax(rq);
            return false;
        }
    }
    return true;
}

void
cmd_scan(struct request *rq)
{
    struct buf names = {0};
    struct reply elements = {.out = &names, .protocol = rq->reply->protocol};
    struct key_filter filter = {.to = &elements};
    struct scan_options options;
    uint64_t cursor;

    if (!scan_cursor_read(rq, 1, &cursor) ||
        !scan_options_read(rq, 2, SCAN_KEYS, &options))
        return;
    filter_by_name(&filter, options.pattern);
    filter.typed = options.typed;
    filter.type = options.type;
    cursor = ks_scan(rq->thread->ks, LOAD(&rq->session->db), cursor,
        (size_t)options.count, keep_matching, &filter);

    /* The next cursor comes first in the reply, so the names wait for it. */
    reply_array(rq->reply, 2);
    reply_bulk_printf(rq->reply, "%" PRIu64, cursor);
    reply_array(rq->reply, filter.n_kept);
    buf_append(rq->reply->out, names.p, names.len);
    buf_free(&names);
}
