/* SPDX-License-Identifier: BSD-3-Clause */
/* keys.c - keys whatever their values: DEL, EXISTS, TYPE, OBJECT, FLUSHALL ...
 *
 * Walks over many keys are in scan.c, deadlines in expire_cmd.c. Any worker.
 */
#include "commands/hashes.h"
#include "commands/tracking.h"

/* ---- DEL, EXISTS, TOUCH ------------------------------------------------ */

static int64_t
delete_keys(struct request *rq, const struct ks_key *keys, size_t n)
{
    int64_t deleted = 0;

    for (size_t i = 0; i < n; i++) {
        if (ks_delete(rq->thread->ks, &keys[i]) != KS_OK)
            continue;
        notify(rq, NOTIFY_GENERIC, "del", &keys[i]);
        deleted++;
    }
    return deleted;
}

void
cmd_del(struct request *rq)
{
    struct ks_thread *ks = rq->thread->ks;
    size_t n = (size_t)(rq->argc - 1);
    struct ks_key one, *keys = &one;
    int64_t deleted;

    if (n > 1)
        keys = arena_alloc(rq->thread->arena, n * sizeof(*keys));
    for (size_t i = 0; i < n; i++)
        keys[i] = arg_key(rq, (int)i + 1);
    if (n > 1)
        ks_lock(ks, keys, n);
    deleted = delete_keys(rq, keys, n);
    if (n > 1)
        ks_unlock(ks);
    reply_int(rq->reply, deleted);
}

/* The keyspace frees values outside of its locks, so that nothing is gained by
 * freeing later. */
void
cmd_unlink(struct request *rq)
{
    cmd_del(rq);
}

/* Reply with how many of the keys there are; one that is named twice counts
 * twice. */
static void
count_keys(struct request *rq, enum ks_read_mode mode)
{
    struct ks_info info;
    int64_t n = 0;

    for (int i = 1; i < rq->argc; i++) {
        struct ks_key key = arg_key(rq, i);

        n += ks_stat(rq->thread->ks, &key, mode, &info) == KS_OK;
    }
    reply_int(rq->reply, n);
}

void
cmd_exists(struct request *rq)
{
    count_keys(rq, KS_READ_NO_TOUCH);
}

/* Touches whatever CLIENT NO-TOUCH says. */
void
cmd_touch(struct request *rq)
{
    count_keys(rq, KS_READ);
}

static const char *const type_names[] = {
    [KS_STRING] = "string", [KS_HASH] = "hash"};

static const char *
type_name(enum ks_type type)
{
    ASSERT(type < ARRAY_LEN(type_names));
    return type_names[type];
}

int
value_type_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
        if (str_ieq(name, str_of(type_names[i])))
            return (int)i;
    return -1;
}

void
cmd_type(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct ks_info info;
    bool found =
        ks_stat(rq->thread->ks, &key, KS_READ_NO_TOUCH, &info) == KS_OK;

    reply_simple(rq->reply, found ? type_name(info.type) : "none");
}

/* ---- databases --------------------------------------------------------- */

void
cmd_randomkey(struct request *rq)
{
    struct buf *name = &rq->thread->scratch;

    name->len = 0;
    if (ks_random(rq->thread->ks, LOAD(&rq->session->db), name) != KS_OK) {
        reply_null(rq->reply);
        return;
    }
    reply_bulk(rq->reply, (struct str){name->p, name->len});
}

void
cmd_dbsize(struct request *rq)
{
    struct ks_db_stats stats;

    ks_count(rq->thread->ks);
    ks_db_stats(rq->thread->commands->ks, LOAD(&rq->session->db), &stats);
    reply_int(rq->reply, (int64_t)stats.items);
}

/* ASYNC and SYNC are accepted and mean the same: readers see no key from the
 * moment of the reply on, and memory comes back in the background. */
static void
flush(struct request *rq, unsigned db)
{
    if (rq->argc > 2 ||
        (rq->argc == 2 && !arg_is(rq, 1, "async") && !arg_is(rq, 1, "sync"))) {
        reply_error_syntax(rq);
        return;
    }
    ks_flush(rq->thread->ks, db);
    tracking_flushed(rq->thread);
    reply_ok(rq->reply);
}

void
cmd_flushdb(struct request *rq)
{
    flush(rq, LOAD(&rq->session->db));
}

void
cmd_flushall(struct request *rq)
{
    flush(rq, KS_ALL_DBS);
}

/* ---- OBJECT ------------------------------------------------------------ */

/* What OBJECT says of argv[2]; replies with null and returns false if there is
 * no such key. */
static bool
stat_object(struct request *rq, struct ks_info *info)
{
    struct ks_key key = arg_key(rq, 2);

    if (ks_stat(rq->thread->ks, &key, KS_READ_NO_TOUCH, info) == KS_OK)
        return true;
    reply_null(rq->reply);
    return false;
}

/* The longest string that Redis keeps in one block with its header. */
#define EMBSTR_MAX 44

/* Name of the encoding that Redis would have chosen, which clients know. Only
 * a whole number that INCRBYFLOAT left is "embstr" there. */
const char *
object_encoding(bool raw, struct str value)
{
    int64_t number;

    if (raw || value.len > EMBSTR_MAX)
        return "raw";
    return str_to_i64(value, &number) ? "int" : "embstr";
}

static void
reply_hash_encoding(struct request *rq, const struct ks_key *key)
{
    const char *encoding = hash_encoding(rq, key);

    if (encoding == NULL)
        reply_null(rq->reply);
    else
        reply_bulk_cstr(rq->reply, encoding);
}

void
cmd_object_encoding(struct request *rq)
{
    struct ks_key key = arg_key(rq, 2);
    struct ks_info info, value;

    /* The value is read after what is known of it; a change in between shows
     * as either of the two. */
    if (!stat_object(rq, &info))
        return;
    if (info.type == KS_HASH) {
        reply_hash_encoding(rq, &key);
        return;
    }
    if (ks_get(rq->thread->ks, &key, KS_PEEK, place_in_buf,
            &rq->thread->scratch, &value) != KS_OK) {
        reply_null(rq->reply);
        return;
    }
    reply_bulk_cstr(rq->reply,
        object_encoding(info.raw, (struct str){value.value, value.value_len}));
    if (value.value_extent != 0)
        extent_unpin(ks_slab(rq->thread->commands->ks), value.value_extent);
}

/* Whether maxmemory-policy is one of the LFU ones: these count, the others
 * know idle times. */
static bool
policy_is_lfu(const struct request *rq)
{
    struct options *options = rq->thread->commands->options;
    const struct option *row;
    struct buf value = {0};
    bool lfu;

    if (options == NULL)
        return false;
    row = options_find(options, STR("maxmemory-policy"));
    if (row == NULL)
        return false;
    options_print(options, row, &value);
    lfu = value.len > 4 && memcmp(value.p + value.len - 4, "-lfu", 4) == 0;
    buf_free(&value);
    return lfu;
}

void
cmd_object_freq(struct request *rq)
{
    struct ks_info info;

    if (!stat_object(rq, &info))
        return;
    if (!policy_is_lfu(rq)) {
        reply_error(rq->reply,
            "ERR An LFU maxmemory policy is not selected, "
            "access frequency not tracked. Please note that when switching "
            "between policies at runtime LRU and LFU data will take some time "
            "to adjust.");
        return;
    }
    reply_int(rq->reply, info.frequency);
}

void
cmd_object_idletime(struct request *rq)
{
    struct ks_info info;

    if (!stat_object(rq, &info))
        return;
    if (policy_is_lfu(rq)) {
        reply_error(rq->reply,
            "ERR An LFU maxmemory policy is selected, idle "
            "time not tracked. Please note that when switching between "
            "policies at runtime LRU and LFU data will take some time to "
            "adjust.");
        return;
    }
    reply_int(rq->reply, info.idle_s);
}

/* Values are not shared between keys. */
void
cmd_object_refcount(struct request *rq)
{
    struct ks_info info;

    if (stat_object(rq, &info))
        reply_int(rq->reply, 1);
}
