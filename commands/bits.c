/* SPDX-License-Identifier: BSD-3-Clause */
/* bits.c - a value as a row of bits: SETBIT GETBIT BITCOUNT BITPOS BITOP.
 *
 * Bit 0 is the highest of the first byte; what is beyond the end counts as
 * zeros. Any worker.
 */
#include "commands/internal.h"
#include "commands/notify.h"

static const char bad_offset[] =
    "ERR bit offset is not an integer or out of range";
static const char bad_bit[] = "ERR bit is not an integer or out of range";

bool
arg_bit_offset(struct request *rq, int i, int64_t unit, uint64_t *out)
{
    struct str s = arg_str(rq, i);
    bool counted = unit > 0 && s.len > 0 && s.p[0] == '#';
    int64_t offset;

    if (counted)
        s = (struct str){s.p + 1, s.len - 1};
    if (!str_to_i64(s, &offset) ||
        (counted && __builtin_mul_overflow(offset, unit, &offset)) ||
        offset < 0 || (uint64_t)offset >> 3 >= KS_MAX_VALUE) {
        reply_error(rq->reply, "%s", bad_offset);
        return false;
    }
    *out = (uint64_t)offset;
    return true;
}

bool
bit_at(struct str s, uint64_t offset)
{
    uint64_t byte = offset >> 3;

    return byte < s.len && ((uint8_t)s.p[byte] >> (7 - (offset & 7)) & 1);
}

/* ---- SETBIT, GETBIT ------------------------------------------------------ */

struct bit_change {
    uint64_t offset;
    bool on;
    const char *zeros; /* offset / 8 of them */
    bool was, changes; /* results */
    char byte;         /* the new one */
};

static void
change_bit(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct bit_change *job = ctx;
    struct str before = old->exists ? old->value : STR("");
    size_t at = job->offset >> 3;
    size_t head = MIN(before.len, at);
    uint8_t mask = (uint8_t)(0x80 >> (job->offset & 7));
    uint8_t byte = at < before.len ? (uint8_t)before.p[at] : 0;

    job->was = byte & mask;
    job->changes = at >= before.len || job->was != job->on;
    if (!job->changes && old->raw)
        return;
    job->byte = (char)(job->on ? byte | mask : byte & ~mask);
    new->action = KS_PUT;
    new->part[0] = (struct str){before.p, head};
    new->part[1] = (struct str){job->zeros, at - head};
    new->part[2] = (struct str){&job->byte, 1};
    if (at < before.len)
        new->part[3] = (struct str){before.p + at + 1, before.len - at - 1};
    new->n_parts = 4;
    new->raw = true;
}

void
cmd_setbit(struct request *rq)
{
    struct bit_change job = {0};
    struct ks_key key = arg_key(rq, 1);
    enum ks_status status;
    struct zeros zeros;
    int64_t bit;

    if (!arg_bit_offset(rq, 2, 0, &job.offset))
        return;
    if (!str_to_i64(arg_str(rq, 3), &bit) || bit < 0 || bit > 1) {
        reply_error(rq->reply, "%s", bad_bit);
        return;
    }
    if (!zeros_get(job.offset >> 3, &zeros)) {
        reply_error_status(rq, KS_NO_MEMORY);
        return;
    }
    job.on = bit;
    job.zeros = zeros.p;
    status = ks_update_string(rq->thread->ks, &key, change_bit, &job);
    zeros_drop(&zeros);
    if (status != KS_OK) {
        reply_error_status(rq, status);
        return;
    }
    if (job.changes)
        notify(rq, NOTIFY_STRING, "setbit", &key);
    reply_int(rq->reply, job.was);
}

void
cmd_getbit(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct value value;
    uint64_t offset;
    bool exists;

    if (!arg_bit_offset(rq, 2, 0, &offset) ||
        !value_read_string(rq, &key, &value, &exists))
        return;
    reply_int(rq->reply, bit_at(value.bytes, offset));
    value_drop(rq, &value);
}

/* ---- ranges -------------------------------------------------------------- */

/* Bits first..last, both included; empty when last < first. */
struct bit_range {
    int64_t first, last;
    bool has_end; /* the client said where it ends */
};

/* Read "start [end [BIT|BYTE]]" from argv[i] on; the end may only be missing
 * where `open_end`. Replies with the error and returns false. */
static bool
parse_range(
    struct request *rq, int i, bool open_end, size_t len, struct bit_range *out)
{
    int64_t n = (int64_t)len, start = 0, end = -1;
    bool bits = false;

    out->has_end = rq->argc > i + 1;
    if (rq->argc > i + 3 || (rq->argc == i + 1 && !open_end)) {
        reply_error_syntax(rq);
        return false;
    }
    if (rq->argc > i && !arg_i64(rq, i, &start))
        return false;
    if (out->has_end && !open_end && !arg_i64(rq, i + 1, &end))
        return false;
    if (rq->argc == i + 3) {
        bits = arg_is(rq, i + 2, "bit");
        if (!bits && !arg_is(rq, i + 2, "byte")) {
            reply_error_syntax(rq);
            return false;
        }
    }
    /* of BITPOS, Redis reads it last */
    if (out->has_end && open_end && !arg_i64(rq, i + 1, &end))
        return false;
    if (bits)
        n *= 8;
    if (start < 0)
        start = MAX(start + n, 0);
    if (end < 0)
        end = out->has_end ? MAX(end + n, 0) : end + n;
    end = MIN(end, n - 1);
    if (start > end)
        *out = (struct bit_range){0, -1, out->has_end};
    else if (bits)
        *out = (struct bit_range){start, end, out->has_end};
    else
        *out = (struct bit_range){8 * start, 8 * end + 7, out->has_end};
    return true;
}

/* Both ends from the end of the value, and crossed: empty whatever its
 * length is. */
static bool
range_is_crossed(struct request *rq, int i)
{
    int64_t start, end;

    return rq->argc > i + 1 && rq->argc <= i + 3 &&
        str_to_i64(arg_str(rq, i), &start) &&
        str_to_i64(arg_str(rq, i + 1), &end) && start < 0 && end < 0 &&
        start > end;
}

/* The byte that holds bit `at`, without its bits outside of the range. */
static uint8_t
byte_of_range(struct str s, const struct bit_range *r, int64_t byte)
{
    uint8_t mask = 0xff;

    if (byte == r->first >> 3)
        mask = (uint8_t)(mask & (0xff >> (r->first & 7)));
    if (byte == r->last >> 3)
        mask = (uint8_t)(mask & (0xff << (7 - (r->last & 7))));
    return (uint8_t)s.p[byte] & mask;
}

static int64_t
count_bytes(const char *p, size_t len)
{
    int64_t n = 0;
    uint64_t word;

    for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        n += __builtin_popcountll(word);
    }
    for (; len > 0; len--, p++)
        n += __builtin_popcount((uint8_t)*p);
    return n;
}

static int64_t
count_bits(struct str s, const struct bit_range *r)
{
    int64_t first = r->first >> 3, last = r->last >> 3;
    int64_t n;

    if (r->last < r->first)
        return 0;
    n = __builtin_popcount(byte_of_range(s, r, first));
    if (last == first)
        return n;
    return n + __builtin_popcount(byte_of_range(s, r, last)) +
        count_bytes(s.p + first + 1, (size_t)(last - first - 1));
}

void
cmd_bitcount(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct bit_range range;
    struct value value;
    bool exists;

    if (!value_read_string(rq, &key, &value, &exists))
        return;
    if (!exists || range_is_crossed(rq, 2))
        reply_int(rq->reply, 0);
    else if (parse_range(rq, 2, false, value.bytes.len, &range))
        reply_int(rq->reply, count_bits(value.bytes, &range));
    value_drop(rq, &value);
}

/* The first byte from `at` to before `end` that is not all `skip`. */
static int64_t
skip_bytes(const char *p, int64_t at, int64_t end, uint8_t skip)
{
    uint64_t word, same;

    memset(&same, skip, sizeof(same));
    for (; end - at >= (int64_t)sizeof(word); at += (int64_t)sizeof(word)) {
        memcpy(&word, p + at, sizeof(word));
        if (word != same)
            break;
    }
    while (at < end && (uint8_t)p[at] == skip)
        at++;
    return at;
}

/* The first bit of the range that is `on`; -1 if none is. */
static int64_t
find_bit(struct str s, const struct bit_range *r, bool on)
{
    int64_t at = r->first, byte;

    for (; at <= r->last && (at & 7) != 0; at++) {
        if (bit_at(s, (uint64_t)at) == on)
            return at;
    }
    if (at > r->last)
        return -1;
    byte = skip_bytes(s.p, at >> 3, r->last >> 3, on ? 0 : 0xff);
    for (at = 8 * byte; at <= r->last; at++) {
        if (bit_at(s, (uint64_t)at) == on)
            return at;
    }
    return -1;
}

static void
reply_bit_position(struct request *rq, struct str s, bool on)
{
    struct bit_range range;
    int64_t found;

    if (!parse_range(rq, 3, true, s.len, &range))
        return;
    if (range.last < range.first) {
        reply_int(rq->reply, -1);
        return;
    }
    found = find_bit(s, &range, on);
    /* Behind a value without a zero bit the zeros begin. */
    if (found < 0 && !on && !range.has_end)
        found = range.last + 1;
    reply_int(rq->reply, found);
}

void
cmd_bitpos(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct value value;
    int64_t bit;
    bool exists;

    if (!arg_i64(rq, 2, &bit))
        return;
    if (bit < 0 || bit > 1) {
        reply_error(rq->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!value_read_string(rq, &key, &value, &exists))
        return;
    if (!exists)
        reply_int(rq->reply, bit ? -1 : 0);
    else
        reply_bit_position(rq, value.bytes, bit);
    value_drop(rq, &value);
}

/* ---- BITOP --------------------------------------------------------------- */

enum bit_operation {
    BITOP_AND,
    BITOP_OR,
    BITOP_XOR,
    BITOP_NOT,
    BITOP_NONE
};

static enum bit_operation
bit_operation_of(const struct request *rq)
{
    static const char *const names[] = {"and", "or", "xor", "not"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (arg_is(rq, 1, names[i]))
            return (enum bit_operation)i;
    }
    return BITOP_NONE;
}

static void
combine(enum bit_operation op, char *to, size_t len, struct str with)
{
    size_t n = MIN(len, with.len);

    switch (op) {
    case BITOP_AND:
        for (size_t i = 0; i < n; i++)
            to[i] &= with.p[i];
        memset(to + n, 0, len - n);
        break;
    case BITOP_OR:
        for (size_t i = 0; i < n; i++)
            to[i] |= with.p[i];
        break;
    case BITOP_XOR:
        for (size_t i = 0; i < n; i++)
            to[i] ^= with.p[i];
        break;
    case BITOP_NOT:
    case BITOP_NONE:
        break;
    }
}

static void
compute(enum bit_operation op, const struct value *values, size_t n,
    const struct room *to)
{
    struct str first = values[0].bytes;

    memcpy(to->p, first.p, first.len);
    memset(to->p + first.len, 0, to->len - first.len);
    if (op == BITOP_NOT) {
        for (size_t i = 0; i < to->len; i++)
            to->p[i] = (char)~to->p[i];
    }
    for (size_t i = 1; i < n; i++)
        combine(op, to->p, to->len, values[i].bytes);
}

/* Under the locks: store what the sources come to. */
static enum ks_status
store_result(struct request *rq, enum bit_operation op,
    const struct ks_key *keys, const struct value *values, size_t n_sources,
    size_t len)
{
    enum ks_status status = KS_OK;
    struct room room;

    if (len == 0) {
        if (ks_delete(rq->thread->ks, &keys[0]) == KS_OK)
            notify(rq, NOTIFY_GENERIC, "del", &keys[0]);
    } else if (room_get(rq, len, &room)) {
        compute(op, values, n_sources, &room);
        status = room_store(rq, &keys[0], &room, KS_NO_EXPIRY);
        if (status == KS_OK)
            notify(rq, NOTIFY_STRING, "set", &keys[0]);
    } else {
        status = KS_NO_MEMORY;
    }
    return status;
}

/* Under the locks: read the sources, store the result; its length in *len. */
static enum ks_status
operate(struct request *rq, enum bit_operation op, const struct ks_key *keys,
    size_t n_sources, size_t *len)
{
    struct value *values =
        arena_alloc(rq->thread->arena, n_sources * sizeof(*values));
    enum ks_status status = KS_OK;
    size_t n_read = 0;

    *len = 0;
    while (n_read < n_sources && status != KS_WRONG_TYPE) {
        status = value_read(rq, &keys[n_read + 1], &values[n_read]);
        *len = MAX(*len, values[n_read].bytes.len);
        n_read++;
    }
    if (status != KS_WRONG_TYPE)
        status = store_result(rq, op, keys, values, n_sources, *len);
    while (n_read > 0)
        value_drop(rq, &values[--n_read]);
    return status;
}

void
cmd_bitop(struct request *rq)
{
    enum bit_operation op = bit_operation_of(rq);
    size_t n = (size_t)rq->argc - 2, len;
    enum ks_status status;
    struct ks_key *keys;

    if (op == BITOP_NONE) {
        reply_error_syntax(rq);
        return;
    }
    if (op == BITOP_NOT && rq->argc != 4) {
        reply_error(rq->reply,
            "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    keys = arena_alloc(rq->thread->arena, n * sizeof(*keys));
    for (size_t i = 0; i < n; i++)
        keys[i] = arg_key(rq, (int)i + 2);
    ks_lock(rq->thread->ks, keys, n);
    status = operate(rq, op, keys, n - 1, &len);
    ks_unlock(rq->thread->ks);
    if (status != KS_OK)
        reply_error_status(rq, status);
    else
        reply_int(rq->reply, (int64_t)len);
}
