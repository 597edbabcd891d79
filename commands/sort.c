/* SPDX-License-Identifier: BSD-3-Clause */
/* sort.c - SORT and SORT_RO: their syntax, rights and errors in full, though no
 * value here is of a type that they sort. A missing key is an empty list, as in
 * Redis, and STORE of nothing deletes. Any worker.
 */
#include "commands/acl.h"
#include "commands/notify.h"

/* BY without a star asks for no order, and looks nothing up. */
static bool
makes_keys(struct str pattern)
{
    return pattern.len > 0 && memchr(pattern.p, '*', pattern.len) != NULL;
}

/* BY and GET read keys that the command does not name. Replies with the error
 * and returns false when the user may not. */
static bool
may_make_keys(struct request *rq, const char *option)
{
    if (acl_may_read_all(rq))
        return true;
    reply_error(rq->reply,
        "ERR %s option of SORT denied due to insufficient ACL permissions.",
        option);
    return false;
}

/* `store` becomes the number of the argument after STORE, 0 for none. Replies
 * with the error and returns false. */
static bool
read_options(struct request *rq, bool read_only, int *store)
{
    int64_t ignored;

    *store = 0;
    for (int i = 2; i < rq->argc; i++) {
        int left = rq->argc - i - 1;

        if (arg_is(rq, i, "asc") || arg_is(rq, i, "desc") ||
            arg_is(rq, i, "alpha"))
            continue;
        if (arg_is(rq, i, "limit") && left >= 2) {
            if (!arg_i64(rq, i + 1, &ignored) || !arg_i64(rq, i + 2, &ignored))
                return false;
            i += 2;
        } else if (arg_is(rq, i, "store") && left >= 1 && !read_only) {
            *store = ++i;
        } else if (arg_is(rq, i, "by") && left >= 1) {
            if (makes_keys(arg_str(rq, ++i)) && !may_make_keys(rq, "BY"))
                return false;
        } else if (arg_is(rq, i, "get") && left >= 1) {
            if (!may_make_keys(rq, "GET"))
                return false;
            i++;
        } else {
            reply_error_syntax(rq);
            return false;
        }
    }
    return true;
}

/* Is there such a key? Then it is no list, set or sorted set, and that is the
 * reply. */
static bool
refuse_value(struct request *rq, const struct ks_key *key)
{
    struct ks_info info;

    if (ks_stat(rq->thread->ks, key, request_read_mode(rq), &info) != KS_OK)
        return false;
    reply_error_status(rq, KS_WRONG_TYPE);
    return true;
}

static void
sort_into(struct request *rq, int store)
{
    struct ks_thread *ks = rq->thread->ks;
    struct ks_key keys[2] = {arg_key(rq, 1), arg_key(rq, store)};

    ks_lock(ks, keys, 2);
    if (!refuse_value(rq, &keys[0])) {
        if (ks_delete(ks, &keys[1]) == KS_OK)
            notify(rq, NOTIFY_GENERIC, "del", &keys[1]);
        reply_int(rq->reply, 0);
    }
    ks_unlock(ks);
}

static void
sort(struct request *rq, bool read_only)
{
    int store;

    if (!read_options(rq, read_only, &store))
        return;
    if (store != 0)
        sort_into(rq, store);
    else if (!refuse_value(rq, arg_first_key(rq)))
        reply_array(rq->reply, 0);
}

void
cmd_sort(struct request *rq)
{
    sort(rq, false);
}

void
cmd_sort_ro(struct request *rq)
{
    sort(rq, true);
}
