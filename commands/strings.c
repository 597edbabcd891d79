/* SPDX-License-Identifier: BSD-3-Clause */
/* strings.c - values read and stored whole: GET, SET and their relatives.
 *
 * A value in a chunk is copied once, from the item into the reply. One in an
 * extent is never copied: a read pins it and the reply refers to it, a write
 * hands the extent that the bytes were received into over to the item. Any
 * worker.
 */
#include "commands/internal.h"
#include "commands/notify.h"

/* ---- reading ----------------------------------------------------------- */

char *
place_in_reply(void *ctx, size_t len)
{
    return reply_bulk_open(ctx, len);
}

enum ks_status
fetch_value(struct request *rq, const struct ks_key *key, struct ks_info *info)
{
    return ks_get(rq->thread->ks, key, request_read_mode(rq), place_in_reply,
        rq->reply, info);
}

void
reply_fetched(struct request *rq, const struct ks_info *info)
{
    if (info->value_extent != 0)
        reply_bulk_ref(
            rq->reply, info->value, info->value_len, info->value_extent);
    else
        reply_bulk_commit(rq->reply);
}

void
drop_fetched(struct request *rq, const struct ks_info *info)
{
    if (info->value_extent != 0)
        extent_unpin(ks_slab(rq->thread->commands->ks), info->value_extent);
}

void
cmd_get(struct request *rq)
{
    struct ks_info info;
    enum ks_status status = fetch_value(rq, arg_first_key(rq), &info);

    if (likely(status == KS_OK))
        reply_fetched(rq, &info);
    else
        reply_missing(rq, status);
}

/* Keys looked up side by side: enough to hide the memory latency, few enough
 * for the lines and items to stay in the first-level cache. */
#define MGET_GROUP 16

/* With stamps the keys are noted there before they are read; false, and nothing
 * is read, if that cannot be. */
static bool
mget_group(
    struct request *rq, struct ks_key *keys, struct ks_stamp *stamps, unsigned n)
{
    struct command_thread *t = rq->thread;
    struct ks_info info;

    ks_prefetch_lines(t->commands->ks, keys, n);
    ks_prefetch_items(t->commands->ks, keys, n);
    if (stamps != NULL && !ks_snapshot_note(t->ks, keys, stamps, n))
        return false;
    for (unsigned i = 0; i < n; i++) {
        if (fetch_value(rq, &keys[i], &info) == KS_OK)
            reply_fetched(rq, &info);
        else
            reply_null(rq->reply);
    }
    return true;
}

static bool
mget_all(
    struct request *rq, struct ks_key *keys, struct ks_stamp *stamps, size_t n)
{
    reply_array(rq->reply, n);
    for (size_t i = 0; i < n; i += MGET_GROUP)
        if (!mget_group(rq, keys + i, stamps != NULL ? stamps + i : NULL,
                (unsigned)MIN(MGET_GROUP, n - i)))
            return false;
    return true;
}

/* Take back what was appended to the output since it was `len` and `n_refs`
 * long. */
static void
take_back(struct request *rq, size_t len, size_t n_refs)
{
    struct reply *r = rq->reply;
    struct slab *slab = ks_slab(rq->thread->commands->ks);

    while (r->n_refs > n_refs)
        extent_unpin(slab, r->refs[--r->n_refs].extent);
    r->out->len = len;
}

static void
make_mget_keys(struct request *rq, struct ks_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        keys[i] = arg_key(rq, (int)i + 1);
}

/* Without locks, if nobody changes any of the keys meanwhile. */
static bool
mget_unlocked(struct request *rq, struct ks_key *keys, size_t n)
{
    struct command_thread *t = rq->thread;
    size_t len = rq->reply->out->len, n_refs = rq->reply->n_refs;
    struct ks_snapshot snapshot;
    struct ks_stamp *stamps;

    if (ks_holds(t->ks) || !ks_snapshot_begin(t->ks, &snapshot))
        return false;
    stamps = arena_alloc(t->arena, n * sizeof(*stamps));
    if (mget_all(rq, keys, stamps, n) &&
        ks_snapshot_end(t->ks, &snapshot, keys, stamps, n))
        return true;
    take_back(rq, len, n_refs);
    return false;
}

/* What is told of the keys was true of all of them at one moment: MSET is not
 * seen half, and no value is older than another. */
void
cmd_mget(struct request *rq)
{
    struct command_thread *t = rq->thread;
    size_t n = (size_t)(rq->argc - 1);
    struct ks_key *keys = arena_alloc(t->arena, n * sizeof(*keys));

    make_mget_keys(rq, keys, n);
    if (n == 1) {
        (void)mget_all(rq, keys, NULL, n);
        return;
    }
    if (likely(mget_unlocked(rq, keys, n)))
        return;
    make_mget_keys(rq, keys, n); /* nothing of them was found ahead */
    ks_lock_to_read(t->ks, keys, n);
    (void)mget_all(rq, keys, NULL, n);
    ks_unlock(t->ks);
}

void
cmd_strlen(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct ks_info info;

    if (ks_stat(rq->thread->ks, &key, request_read_mode(rq), &info) != KS_OK) {
        reply_int(rq->reply, 0);
        return;
    }
    if (info.type != KS_STRING)
        reply_error_status(rq, KS_WRONG_TYPE);
    else
        reply_int(rq->reply, (int64_t)info.value_len);
}

/* The bytes of a value from `start` to `end`, both included and counted from
 * its end when negative. */
static struct str
clip_range(const char *p, size_t len, int64_t start, int64_t end)
{
    int64_t n = (int64_t)len;

    if (start < 0 && end < 0 && start > end)
        return STR("");
    if (start < 0)
        start = MAX(start + n, 0);
    if (end < 0)
        end = MAX(end + n, 0);
    end = MIN(end, n - 1);
    if (start > end)
        return STR("");
    return (struct str){p + start, (size_t)(end - start) + 1};
}

char *
place_in_buf(void *ctx, size_t len)
{
    struct buf *to = ctx;

    to->len = 0;
    return buf_reserve(to, len);
}

/* Below this many bytes a range of an extent is copied, so that a small reply
 * does not hold a large value. */
#define RANGE_COPY_MAX (16 * KIB)

void
cmd_getrange(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct ks_info info;
    struct str range;
    int64_t start, end;
    enum ks_status status;

    if (!arg_i64(rq, 2, &start) || !arg_i64(rq, 3, &end))
        return;
    status = ks_get(rq->thread->ks, &key, request_read_mode(rq), place_in_buf,
        &rq->thread->scratch, &info);
    if (status == KS_MISS)
        reply_bulk(rq->reply, STR(""));
    else if (status != KS_OK)
        reply_error_status(rq, status);
    if (status != KS_OK)
        return;
    range = clip_range(info.value, info.value_len, start, end);
    if (info.value_extent != 0 && range.len > RANGE_COPY_MAX) {
        reply_bulk_ref(rq->reply, range.p, range.len, info.value_extent);
        return;
    }
    reply_bulk(rq->reply, range);
    drop_fetched(rq, &info);
}

enum {
    SET_OPTIONS = WITH_CONDITION | WITH_GET | WITH_KEEPTTL | WITH_TIME,
    GETEX_OPTIONS = WITH_PERSIST | WITH_TIME,
    MSETEX_OPTIONS = WITH_NX | WITH_XX | WITH_KEEPTTL | WITH_TIME,
};

/* ---- storing ----------------------------------------------------------- */

/* Store argv[i], handing its extent over if it came in one. */
static enum ks_status
store(struct request *rq, const struct ks_key *key, int i, uint64_t expire_ms)
{
    struct resp_arg *arg = &rq->argv[i];
    enum ks_status status;

    if (arg->extent == 0)
        status = ks_set(rq->thread->ks, key, arg_str(rq, i), expire_ms);
    else
        status = ks_set_extent(
            rq->thread->ks, key, arg->extent, arg->len, expire_ms);
    if (status == KS_OK) {
        arg->extent = 0;
        notify_stored(rq, key, expire_ms);
    }
    return status;
}

static void
reply_stored(struct request *rq, enum ks_status status)
{
    if (status == KS_OK)
        reply_ok(rq->reply);
    else
        reply_error_status(rq, status);
}

/* Whether NX, XX and the comparison allow a write. */
static bool
may_store(const struct string_options *options, const struct compared *with)
{
    if (options->with & (with->exists ? WITH_NX : WITH_XX))
        return false;
    return comparison_allows(&options->comparison, with);
}

struct conditional_store {
    const struct string_options *options;
    struct str value;
    uint32_t extent;
    uint64_t expire_ms;
    bool done;
};

static void
store_if_allowed(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct conditional_store *job = ctx;
    struct compared with = {old->exists, old->value, old->version};

    if (!may_store(job->options, &with))
        return;
    new->action = KS_PUT;
    new->part[0] = job->value;
    new->n_parts = 1;
    new->extent = job->extent;
    new->expire_ms = job->expire_ms;
    job->done = true;
}

/* Store argv[i] if the options allow it; *done says whether. */
static enum ks_status
store_if(struct request *rq, int i, const struct string_options *options,
    uint64_t expire_ms, bool *done)
{
    struct resp_arg *arg = &rq->argv[i];
    struct conditional_store job = {.options = options,
        .value = arg_str(rq, i),
        .extent = arg->extent,
        .expire_ms = expire_ms};
    struct ks_key key = arg_key(rq, 1);
    bool compares = options->with & WITH_COMPARISON;
    enum ks_status status = compares
        ? ks_update_string(rq->thread->ks, &key, store_if_allowed, &job)
        : ks_update(rq->thread->ks, &key, store_if_allowed, &job);

    *done = status == KS_OK && job.done;
    if (*done) {
        arg->extent = 0;
        notify_stored(rq, &key, expire_ms);
    }
    return status;
}

/* Store argv[i] if the options allow it and reply with the value before: SET
 * with GET, and GETSET. */
static void
exchange(struct request *rq, int i, const struct string_options *options,
    uint64_t expire_ms)
{
    struct ks_thread *ks = rq->thread->ks;
    struct ks_key key = arg_key(rq, 1);
    struct compared with = {false, STR(""), 0};
    enum ks_status status;
    struct ks_info old;
    bool found;

    ks_lock(ks, &key, 1);
    status = fetch_value(rq, &key, &old);
    found = status == KS_OK;
    if (found)
        with = (struct compared){true, {old.value, old.value_len}, old.version};
    if (status == KS_MISS)
        status = KS_OK;
    if (status == KS_OK && may_store(options, &with))
        status = store(rq, &key, i, expire_ms);
    ks_unlock(ks);

    if (status != KS_OK) {
        if (found)
            drop_fetched(rq, &old);
        reply_error_status(rq, status);
    } else if (found) {
        reply_fetched(rq, &old);
    } else {
        reply_null(rq->reply);
    }
}

/* SET key value, of which caches hear most. */
static void
set_plainly(struct request *rq)
{
    reply_stored(rq, store(rq, arg_first_key(rq), 2, KS_NO_EXPIRY));
}

void
cmd_set(struct request *rq)
{
    struct string_options options;
    enum ks_status status;
    uint64_t expire_ms;
    struct ks_key key;
    bool done;

    if (likely(rq->argc == 3)) {
        set_plainly(rq);
        return;
    }
    if (!string_options_read(rq, 3, SET_OPTIONS, &options) ||
        !string_options_deadline(rq, &options, &expire_ms))
        return;
    if (options.with & WITH_GET) {
        exchange(rq, 2, &options, expire_ms);
        return;
    }
    if (!(options.with & WITH_CONDITION)) {
        key = arg_key(rq, 1);
        reply_stored(rq, store(rq, &key, 2, expire_ms));
        return;
    }
    status = store_if(rq, 2, &options, expire_ms, &done);
    if (status == KS_OK && !done)
        reply_null(rq->reply);
    else
        reply_stored(rq, status);
}

void
cmd_setnx(struct request *rq)
{
    static const struct string_options only_new = {.with = WITH_NX};
    bool done;
    enum ks_status status = store_if(rq, 2, &only_new, KS_NO_EXPIRY, &done);

    if (status != KS_OK)
        reply_error_status(rq, status);
    else
        reply_int(rq->reply, done);
}

static void
set_with_time(struct request *rq, bool seconds)
{
    struct time_form form = {.seconds = seconds, .absolute = false};
    struct ks_key key = arg_key(rq, 1);
    uint64_t expire_ms;

    if (!arg_deadline(rq, 2, form, &expire_ms))
        return;
    reply_stored(rq, store(rq, &key, 3, expire_ms));
}

void
cmd_setex(struct request *rq)
{
    set_with_time(rq, true);
}

void
cmd_psetex(struct request *rq)
{
    set_with_time(rq, false);
}

void
cmd_getset(struct request *rq)
{
    static const struct string_options none = {0};

    exchange(rq, 2, &none, KS_NO_EXPIRY);
}

/* ---- reading and changing the key's life ------------------------------- */

void
cmd_getdel(struct request *rq)
{
    struct ks_thread *ks = rq->thread->ks;
    struct ks_key key = arg_key(rq, 1);
    struct ks_info info;
    enum ks_status status;

    ks_lock(ks, &key, 1);
    status = fetch_value(rq, &key, &info);
    if (status == KS_OK) {
        ks_delete(ks, &key);
        notify(rq, NOTIFY_GENERIC, "del", &key);
    }
    ks_unlock(ks);

    if (status == KS_OK)
        reply_fetched(rq, &info);
    else
        reply_missing(rq, status);
}

static void
set_expiry(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    const uint64_t *expire_ms = ctx;

    if (!old->exists ||
        (*expire_ms == KS_NO_EXPIRY && old->expire_ms == KS_NO_EXPIRY))
        return;
    new->action = KS_EXPIRE;
    new->expire_ms = *expire_ms;
}

static void
notify_getex(struct request *rq, const struct ks_key *key, uint64_t was_ms,
    uint64_t expire_ms)
{
    if (expire_ms != KS_NO_EXPIRY)
        notify(rq, NOTIFY_GENERIC,
            expire_ms <= clock_wall_ms() ? "del" : "expire", key);
    else if (was_ms != KS_NO_EXPIRY)
        notify(rq, NOTIFY_GENERIC, "persist", key);
}

void
cmd_getex(struct request *rq)
{
    struct ks_thread *ks = rq->thread->ks;
    struct ks_key key = arg_key(rq, 1);
    struct string_options options;
    enum ks_status found, status = KS_OK;
    uint64_t expire_ms;
    struct ks_info info;
    bool valid;

    if (!string_options_read(rq, 2, GETEX_OPTIONS, &options))
        return;
    if (options.with == 0) {
        cmd_get(rq);
        return;
    }
    ks_lock(ks, &key, 1);
    found = fetch_value(rq, &key, &info);
    /* For a missing key the number is not even looked at. */
    valid = found == KS_OK && string_options_deadline(rq, &options, &expire_ms);
    if (valid)
        status = ks_update(ks, &key, set_expiry, &expire_ms);
    if (valid && status == KS_OK)
        notify_getex(rq, &key, info.expire_ms, expire_ms);
    ks_unlock(ks);

    if (found != KS_OK) {
        reply_missing(rq, found);
        return;
    }
    if (valid && status == KS_OK) {
        reply_fetched(rq, &info);
        return;
    }
    drop_fetched(rq, &info);
    if (status != KS_OK)
        reply_error_status(rq, status);
}

/* ---- several keys ------------------------------------------------------ */

/* The keys of "key value key value ..." from argv[first] on, in the arena of
 * the request. */
static struct ks_key *
pair_keys(struct request *rq, int first, size_t n)
{
    struct ks_key *keys = arena_alloc(rq->thread->arena, n * sizeof(*keys));

    for (size_t i = 0; i < n; i++)
        keys[i] = arg_key(rq, first + (int)(2 * i));
    return keys;
}

static size_t
count_existing(struct ks_thread *ks, const struct ks_key *keys, size_t n)
{
    struct ks_info info;
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += ks_stat(ks, &keys[i], KS_PEEK, &info) == KS_OK;
    return found;
}

/* Store n pairs from argv[first] on in one atomic change, if NX or XX in
 * `with` allow it; *done says whether. A write fails only when memory is full
 * and nothing may be evicted, or when a key or value is longer than allowed;
 * the pairs before it stay stored. */
static enum ks_status
store_pairs(struct request *rq, int first, size_t n, unsigned with,
    uint64_t expire_ms, bool *done)
{
    struct ks_thread *ks = rq->thread->ks;
    struct ks_key *keys = pair_keys(rq, first, n);
    enum ks_status status = KS_OK;

    ks_lock(ks, keys, n);
    *done = !(with & WITH_NX) || count_existing(ks, keys, n) == 0;
    if (with & WITH_XX)
        *done = count_existing(ks, keys, n) == n;
    for (size_t i = 0; *done && i < n && status == KS_OK; i++)
        status = store(rq, &keys[i], first + (int)(2 * i) + 1, expire_ms);
    ks_unlock(ks);
    return status;
}

static void
reply_pairs_stored(struct request *rq, enum ks_status status, bool done)
{
    if (status != KS_OK)
        reply_error_status(rq, status);
    else
        reply_int(rq->reply, done);
}

void
cmd_mset(struct request *rq)
{
    bool done;

    if (rq->argc % 2 == 0) {
        reply_error_arity(rq);
        return;
    }
    reply_stored(rq,
        store_pairs(rq, 1, (size_t)(rq->argc - 1) / 2, 0, KS_NO_EXPIRY, &done));
}

void
cmd_msetnx(struct request *rq)
{
    enum ks_status status;
    bool done;

    if (rq->argc % 2 == 0) {
        reply_error_arity(rq);
        return;
    }
    status = store_pairs(
        rq, 1, (size_t)(rq->argc - 1) / 2, WITH_NX, KS_NO_EXPIRY, &done);
    reply_pairs_stored(rq, status, done);
}

void
cmd_msetex(struct request *rq)
{
    struct command_keys keys = command_keys_of(rq->command, rq->argv, rq->argc);
    struct string_options options;
    enum ks_status status;
    uint64_t expire_ms;
    int64_t n;
    bool done;

    if (!str_to_i64(arg_str(rq, 1), &n) || n < 1 || n > INT_MAX) {
        reply_error(rq->reply, "ERR invalid numkeys value");
        return;
    }
    if (keys.last < keys.first || keys.last + 1 >= rq->argc) {
        reply_error(rq->reply, "ERR wrong number of key-value pairs");
        return;
    }
    if (!string_options_read(rq, keys.last + 2, MSETEX_OPTIONS, &options) ||
        !string_options_deadline(rq, &options, &expire_ms))
        return;
    status =
        store_pairs(rq, keys.first, (size_t)n, options.with, expire_ms, &done);
    reply_pairs_stored(rq, status, done);
}
