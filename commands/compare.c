/* SPDX-License-Identifier: BSD-3-Clause */
/* compare.c - changes that depend on the value: the comparisons of SET, DELEX,
 * DELIFEQ, DIGEST, GETV.
 *
 * The comparison is made under the lock of the key's partition, so between it
 * and the change nobody else can write. A digest is XXH3-64 of the bytes as 16
 * hexadecimal digits: a client can compute it itself, and compare a value of
 * megabytes without sending it. Any worker.
 */
#include "commands/internal.h"
#include "commands/notify.h"

#include <ctype.h>

/* ---- comparisons --------------------------------------------------------- */

#define DIGEST_CHARS 16

/* Hexadecimal digits in either case, all of them. */
static bool
parse_digest(struct str text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len != DIGEST_CHARS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int c = tolower((unsigned char)text.p[i]);

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

/* As GETV returns it. */
static bool
read_version(struct request *rq, int i, uint64_t *out)
{
    int64_t n;

    if (!str_to_i64(arg_str(rq, i), &n) || n < 0) {
        reply_error(rq->reply, "ERR version is not an integer or out of range");
        return false;
    }
    *out = (uint64_t)n;
    return true;
}

bool
comparison_read(
    struct request *rq, enum compare_kind kind, int i, struct comparison *out)
{
    *out = (struct comparison){.kind = kind, .value = arg_str(rq, i)};
    if (kind == COMPARE_EQUAL || kind == COMPARE_DIFFERENT)
        return true;
    if (kind == COMPARE_VERSION)
        return read_version(rq, i, &out->version);
    if (parse_digest(out->value, &out->digest))
        return true;
    reply_error(rq->reply, "ERR digest must be exactly %d hexadecimal digits",
        DIGEST_CHARS);
    return false;
}

bool
comparison_allows(const struct comparison *c, const struct compared *with)
{
    struct str value = with->value;
    bool exists = with->exists;

    switch (c->kind) {
    case COMPARE_EQUAL:
        return exists && str_eq(value, c->value);
    case COMPARE_DIFFERENT:
        return !exists || !str_eq(value, c->value);
    case COMPARE_DIGEST_EQUAL:
        return exists && hash_digest(value.p, value.len) == c->digest;
    case COMPARE_DIGEST_DIFFERENT:
        return !exists || hash_digest(value.p, value.len) != c->digest;
    case COMPARE_VERSION:
        return c->version == (exists ? with->version : 0) &&
            exists == (c->version != 0);
    case COMPARE_NOTHING:
        break;
    }
    return true;
}

/* ---- DELEX, DELIFEQ ------------------------------------------------------ */

struct conditional_delete {
    struct comparison comparison;
    bool done;
};

static void
delete_if_allowed(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct conditional_delete *job = ctx;
    struct compared with = {true, old->value, old->version};

    if (!old->exists || !comparison_allows(&job->comparison, &with))
        return;
    new->action = KS_DELETE;
    job->done = true;
}

static void
delete_if(struct request *rq, enum compare_kind kind, int i)
{
    struct conditional_delete job = {.done = false};
    struct ks_key key = arg_key(rq, 1);
    enum ks_status status;

    if (!comparison_read(rq, kind, i, &job.comparison))
        return;
    status = ks_update_string(rq->thread->ks, &key, delete_if_allowed, &job);
    if (status != KS_OK) {
        reply_error_status(rq, status);
        return;
    }
    if (job.done)
        notify(rq, NOTIFY_GENERIC, "del", &key);
    reply_int(rq->reply, job.done);
}

void
cmd_delex(struct request *rq)
{
    static const struct {
        const char *word;
        enum compare_kind kind;
    } conditions[] = {
        {"ifeq", COMPARE_EQUAL},
        {"ifne", COMPARE_DIFFERENT},
        {"ifdeq", COMPARE_DIGEST_EQUAL},
        {"ifdne", COMPARE_DIGEST_DIFFERENT},
        {"ifver", COMPARE_VERSION},
    };

    if (rq->argc == 2) {
        cmd_del(rq);
        return;
    }
    if (rq->argc != 4) {
        reply_error_arity(rq);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        if (arg_is(rq, 2, conditions[i].word)) {
            delete_if(rq, conditions[i].kind, 3);
            return;
        }
    }
    reply_error_syntax(rq);
}

void
cmd_delifeq(struct request *rq)
{
    delete_if(rq, COMPARE_EQUAL, 2);
}

/* ---- DIGEST -------------------------------------------------------------- */

void
cmd_digest(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct ks_info info;
    uint64_t digest;
    enum ks_status status = ks_get(rq->thread->ks, &key, request_read_mode(rq),
        place_in_buf, &rq->thread->scratch, &info);

    if (status != KS_OK) {
        reply_missing(rq, status);
        return;
    }
    digest = hash_digest(info.value, info.value_len);
    if (info.value_extent != 0)
        extent_unpin(ks_slab(rq->thread->commands->ks), info.value_extent);
    reply_bulk_printf(rq->reply, "%016llx", (unsigned long long)digest);
}

/* ---- GETV ---------------------------------------------------------------- */

/* The same under the key's lock, for a value that has no version yet. The read
 * was counted before. */
static enum ks_status
fetch_numbered(struct request *rq, struct ks_key *key, struct ks_info *info)
{
    struct ks_thread *ks = rq->thread->ks;
    enum ks_status status;

    ks_lock(ks, key, 1);
    status = ks_give_version(ks, key);
    if (status == KS_OK)
        status = ks_get(ks, key, KS_PEEK, place_in_reply, rq->reply, info);
    ks_unlock(ks);
    return status;
}

static int64_t
ttl_of(const struct ks_info *info)
{
    uint64_t now_ms = clock_wall_ms();

    if (info->expire_ms == KS_NO_EXPIRY)
        return -1;
    return (int64_t)(info->expire_ms - MIN(now_ms, info->expire_ms));
}

/* The head of the array goes before the value, which is placed behind it
 * before it is known whether there is one. */
void
cmd_getv(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    size_t len = rq->reply->out->len;
    enum ks_status status;
    struct ks_info info;

    reply_array(rq->reply, 3);
    status = fetch_value(rq, &key, &info);
    if (status == KS_OK && info.version == 0) {
        drop_fetched(rq, &info);
        status = fetch_numbered(rq, &key, &info);
    }
    if (status == KS_OK) {
        reply_fetched(rq, &info);
        reply_int(rq->reply, (int64_t)info.version);
        reply_int(rq->reply, ttl_of(&info));
        return;
    }
    rq->reply->out->len = len;
    reply_missing(rq, status);
}
