/* SPDX-License-Identifier: BSD-3-Clause */
/* value.c - whole values for commands that compute on them: read several at
 * once, make one that is as large as a value may be, zeros to pad with. Any
 * worker.
 */
#include <sys/mman.h>

#include "commands/internal.h"

/* Values up to here are copied to the request's arena. */
#define ARENA_VALUE_MAX (16 * KIB)

static char *
place_in_arena(void *ctx, size_t len)
{
    return arena_alloc(ctx, len + 1);
}

enum ks_status
value_read(struct request *rq, const struct ks_key *key, struct value *out)
{
    enum ks_status status;

    *out = (struct value){.bytes = STR(""), .info.expire_ms = KS_NO_EXPIRY};
    status = ks_get(rq->thread->ks, key, request_read_mode(rq), place_in_arena,
        rq->thread->arena, &out->info);
    if (status != KS_OK)
        return status;
    out->bytes = (struct str){out->info.value, out->info.value_len};
    out->extent = out->info.value_extent;
    return KS_OK;
}

bool
value_read_string(struct request *rq, const struct ks_key *key,
    struct value *out, bool *exists)
{
    enum ks_status status = value_read(rq, key, out);

    *exists = status == KS_OK;
    if (status != KS_WRONG_TYPE)
        return true;
    reply_error_status(rq, status);
    return false;
}

void
value_drop(struct request *rq, struct value *v)
{
    if (v->extent != 0)
        extent_unpin(ks_slab(rq->thread->commands->ks), v->extent);
    v->extent = 0;
}

bool
room_get(struct request *rq, size_t len, struct room *out)
{
    struct slab *slab = ks_slab(rq->thread->commands->ks);

    *out = (struct room){.len = len};
    if (len <= ARENA_VALUE_MAX) {
        out->p = arena_alloc(rq->thread->arena, len + 1);
        return true;
    }
    out->extent = extent_new(slab, len);
    if (out->extent == 0)
        return false;
    if (!ks_commit_extent(rq->thread->ks, out->extent, len)) {
        room_drop(rq, out);
        return false;
    }
    out->p = extent_ptr(slab, out->extent);
    return true;
}

void
room_drop(struct request *rq, struct room *room)
{
    if (room->extent != 0)
        extent_unpin(ks_slab(rq->thread->commands->ks), room->extent);
    room->extent = 0;
}

static void
put(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    const struct ks_new *wanted = ctx;

    (void)old;
    *new = *wanted;
}

enum ks_status
value_store(struct request *rq, const struct ks_key *key, struct str bytes,
    uint64_t expire_ms, bool raw)
{
    struct ks_new new = {.action = KS_PUT,
        .part = {bytes},
        .n_parts = 1,
        .expire_ms = expire_ms,
        .raw = raw};

    return ks_update(rq->thread->ks, key, put, &new);
}

enum ks_status
room_store(struct request *rq, const struct ks_key *key, struct room *room,
    uint64_t expire_ms)
{
    struct ks_new new = {.action = KS_PUT,
        .part = {{room->p, room->len}},
        .n_parts = 1,
        .expire_ms = expire_ms,
        .raw = true,
        .extent = room->extent};
    enum ks_status status = ks_update(rq->thread->ks, key, put, &new);

    if (status == KS_OK)
        room->extent = 0;
    else
        room_drop(rq, room);
    return status;
}

/* ---- zeros --------------------------------------------------------------- */

/* Gaps up to here come from the program's own zeros. */
static const char few_zeros[4096];

/* The pages are never written, so the kernel shows its one zero page in all of
 * them: a gap of any length takes addresses but no memory. */
bool
zeros_get(size_t len, struct zeros *out)
{
    void *p;

    *out = (struct zeros){.p = few_zeros};
    if (len <= sizeof(few_zeros) || len > KS_MAX_VALUE)
        return true;
    p = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
        -1, 0);
    if (p == MAP_FAILED)
        return false;
    *out = (struct zeros){.p = p, .mapped = len};
    return true;
}

void
zeros_drop(struct zeros *z)
{
    if (z->mapped != 0)
        munmap((void *)(uintptr_t)z->p, z->mapped);
    z->mapped = 0;
}
