/* SPDX-License-Identifier: BSD-3-Clause */
/* rdb_hash.c - hashes that a Redis or Valkey server dumped: the forms that
 * servers since Redis 7.0 write.
 *
 *     4   number of fields, then names and values, all strings
 *     16  one string, a list pack: a header of 6 bytes, entries, 0xff; an entry
 *         is a byte that tells its kind, perhaps a length, the bytes, and how
 *         long all that was
 *     22  of Valkey 9: as 4, and after each value its deadline, 8 bytes, -1 for
 *         none
 *     24  of Redis 7.4: the earliest deadline, 8 bytes, and the number of
 *         fields; then of each its deadline beyond the earliest and 1, or 0 for
 *         none, as a length, name and value
 *     25  of Redis 7.4: 8 bytes that say nothing more, and as 16, but after
 *         each value its deadline, 0 for none
 *
 * Deadlines are milliseconds of wall time. The fields are written as
 * hash_dump.c has them; one whose time has come is left out when they are
 * stored. Payloads come from clients: no length in them is trusted. Any worker.
 */
#include "commands/hashes.h"
#include "commands/rdb.h"

#define TYPE_HASH 4
#define TYPE_HASH_LIST_PACK 16
#define TYPE_HASH_VALKEY_EXPIRING 22
#define TYPE_HASH_EXPIRING 24
#define TYPE_HASH_LIST_PACK_EXPIRING 25

/* Add a field. Before each further mebibyte there must be room for all of it:
 * few bytes of a payload can be many here. */
static enum rdb_status
add(struct request *rq, struct buf *image, struct str name, struct str value,
    uint64_t expire_ms)
{
    size_t len = image->len + name.len + value.len;

    if (len > KS_MAX_VALUE)
        return RDB_TOO_LARGE;
    if (len / MIB != image->len / MIB && !ks_make_room(rq->thread->ks, len))
        return RDB_NO_MEMORY;
    hash_image_add(image, name, value, expire_ms);
    return RDB_OK;
}

/* ---- list packs -------------------------------------------------------- */

#define LIST_PACK_HEADER 6

static bool
take_bytes(struct rdb_input *in, size_t n, const uint8_t **out)
{
    if ((size_t)(in->end - in->p) < n)
        return false;
    *out = in->p;
    in->p += n;
    return true;
}

/* `n` bytes of a number with a sign, little endian. */
static bool
take_signed(struct rdb_input *in, unsigned n, int64_t *out)
{
    const uint8_t *p;
    uint64_t bits = 0;

    if (!take_bytes(in, n, &p))
        return false;
    for (unsigned i = 0; i < n; i++)
        bits |= (uint64_t)p[i] << (8 * i);
    *out = (int64_t)(bits << (64 - 8 * n)) >> (64 - 8 * n);
    return true;
}

/* The bytes that say how long the entry before them was. */
static size_t
length_bytes(size_t len)
{
    size_t n = 1;

    for (; len > 127; len >>= 7)
        n++;
    return n;
}

/* The length of an entry that is a string: *is_string says whether it is one.
 * `first` is the byte before in->p. */
static bool
take_string_length(
    struct rdb_input *in, uint8_t first, bool *is_string, uint64_t *len)
{
    const uint8_t *p;

    *is_string = true;
    if (first >> 6 == 2) {
        *len = first & 0x3f;
        return true;
    }
    if (first >> 4 == 0xe) {
        if (!take_bytes(in, 1, &p))
            return false;
        *len = (uint64_t)(first & 0x0f) << 8 | p[0];
        return true;
    }
    if (first == 0xf0) {
        if (!take_bytes(in, 4, &p))
            return false;
        *len = (uint64_t)p[3] << 24 | (uint64_t)p[2] << 16 |
            (uint64_t)p[1] << 8 | p[0];
        return true;
    }
    *is_string = false;
    return true;
}

/* The number of an entry that is one. */
static bool
take_number(struct rdb_input *in, uint8_t first, int64_t *out)
{
    static const unsigned widths[] = {2, 3, 4, 8};
    const uint8_t *p;

    if (first < 0x80) {
        *out = first;
        return true;
    }
    if (first >> 5 == 6) { /* 13 bits with a sign */
        uint64_t bits;

        if (!take_bytes(in, 1, &p))
            return false;
        bits = (uint64_t)(first & 0x1f) << 8 | p[0];
        *out = (int64_t)(bits << 51) >> 51;
        return true;
    }
    return first >= 0xf1 && first <= 0xf4 &&
        take_signed(in, widths[first - 0xf1], out);
}

/* An entry: where it stands, or its digits. */
static bool
take_entry(struct rdb_input *in, struct str *out, char digits[24])
{
    const uint8_t *start = in->p, *p;
    bool is_string;
    int64_t number;
    uint64_t len;

    if (!take_bytes(in, 1, &p) || !take_string_length(in, *p, &is_string, &len))
        return false;
    if (is_string) {
        const uint8_t *bytes;

        if (len > (uint64_t)(in->end - in->p) || !take_bytes(in, len, &bytes))
            return false;
        *out = (struct str){(const char *)bytes, len};
    } else {
        if (!take_number(in, *p, &number))
            return false;
        *out = (struct str){digits, i64_to_chars(digits, number)};
    }
    return take_bytes(in, length_bytes((size_t)(in->p - start)), &p);
}

/* An entry that is a deadline. */
static bool
take_deadline(struct rdb_input *in, uint64_t *expire_ms)
{
    char digits[24];
    struct str text;
    int64_t ms;

    if (!take_entry(in, &text, digits) || !str_to_i64(text, &ms) || ms < 0 ||
        ms > HASH_MAX_EXPIRE_MS)
        return false;
    *expire_ms = ms == 0 ? KS_NO_EXPIRY : (uint64_t)ms;
    return true;
}

static enum rdb_status
read_list_pack(struct request *rq, struct str bytes, bool deadlines,
    struct buf *image, uint64_t *n)
{
    struct rdb_input in = {
        (const uint8_t *)bytes.p, (const uint8_t *)bytes.p + bytes.len};
    char digits[2][24];
    enum rdb_status status = RDB_OK;
    uint64_t expire_ms = KS_NO_EXPIRY;
    struct str name, value;
    const uint8_t *p;

    if (!take_bytes(&in, LIST_PACK_HEADER, &p))
        return RDB_DAMAGED;
    for (*n = 0; in.p < in.end && *in.p != 0xff && status == RDB_OK; ++*n) {
        if (!take_entry(&in, &name, digits[0]) ||
            !take_entry(&in, &value, digits[1]) ||
            (deadlines && !take_deadline(&in, &expire_ms)))
            return RDB_DAMAGED;
        status = add(rq, image, name, value, expire_ms);
    }
    return status == RDB_OK && in.end - in.p != 1 ? RDB_DAMAGED : status;
}

/* ---- the forms --------------------------------------------------------- */

/* A deadline before the field, as a length. */
static bool
take_relative(struct rdb_input *in, uint64_t earliest, uint64_t *expire_ms)
{
    uint64_t ms;

    if (!rdb_take_length(in, &ms) || ms > (uint64_t)HASH_MAX_EXPIRE_MS)
        return false;
    *expire_ms = ms == 0 ? KS_NO_EXPIRY : earliest + ms - 1;
    return true;
}

/* One after the value. */
static bool
take_absolute(struct rdb_input *in, uint64_t *expire_ms)
{
    int64_t ms;

    if (!take_signed(in, 8, &ms) || ms < -1 || ms > HASH_MAX_EXPIRE_MS)
        return false;
    *expire_ms = ms == -1 ? KS_NO_EXPIRY : (uint64_t)ms;
    return true;
}

static enum rdb_status
read_pair(struct request *rq, struct rdb_input *in, uint8_t type,
    uint64_t earliest, struct buf *image)
{
    struct room name_room = {0}, value_room = {0};
    uint64_t expire_ms = KS_NO_EXPIRY;
    struct str name, value;
    enum rdb_status status;

    if (type == TYPE_HASH_EXPIRING && !take_relative(in, earliest, &expire_ms))
        return RDB_DAMAGED;
    status = rdb_take_string(rq, in, &name, &name_room);
    if (status != RDB_OK)
        return status;
    status = rdb_take_string(rq, in, &value, &value_room);
    if (status == RDB_OK && type == TYPE_HASH_VALKEY_EXPIRING &&
        !take_absolute(in, &expire_ms))
        status = RDB_DAMAGED;
    if (status == RDB_OK)
        status = add(rq, image, name, value, expire_ms);
    room_drop(rq, &name_room);
    room_drop(rq, &value_room);
    return status;
}

static enum rdb_status
read_pairs(struct request *rq, struct rdb_input *in, uint8_t type,
    struct buf *image, uint64_t *n)
{
    enum rdb_status status = RDB_OK;
    int64_t earliest = 0;

    if (type == TYPE_HASH_EXPIRING &&
        (!take_signed(in, 8, &earliest) || earliest < 0 ||
            earliest > HASH_MAX_EXPIRE_MS))
        return RDB_DAMAGED;
    if (!rdb_take_length(in, n))
        return RDB_DAMAGED;
    for (uint64_t i = 0; i < *n && status == RDB_OK; i++)
        status = read_pair(rq, in, type, (uint64_t)earliest, image);
    return status;
}

static enum rdb_status
read_packed(struct request *rq, struct rdb_input *in, bool deadlines,
    struct buf *image, uint64_t *n)
{
    struct room room;
    struct str bytes;
    enum rdb_status status;
    const uint8_t *earliest;

    if (deadlines && !take_bytes(in, 8, &earliest))
        return RDB_DAMAGED;
    status = rdb_take_string(rq, in, &bytes, &room);
    if (status == RDB_OK)
        status = read_list_pack(rq, bytes, deadlines, image, n);
    room_drop(rq, &room);
    return status;
}

enum rdb_status
rdb_read_hash(struct request *rq, struct str body, struct buf *image)
{
    struct rdb_input in = {
        (const uint8_t *)body.p, (const uint8_t *)body.p + body.len};
    enum rdb_status status;
    const uint8_t *type;
    uint64_t n = 0;

    if (!take_bytes(&in, 1, &type))
        return RDB_DAMAGED;
    hash_image_begin(image);
    switch (*type) {
    case TYPE_HASH:
    case TYPE_HASH_EXPIRING:
    case TYPE_HASH_VALKEY_EXPIRING:
        status = read_pairs(rq, &in, *type, image, &n);
        break;
    case TYPE_HASH_LIST_PACK:
    case TYPE_HASH_LIST_PACK_EXPIRING:
        status = read_packed(
            rq, &in, *type == TYPE_HASH_LIST_PACK_EXPIRING, image, &n);
        break;
    default:
        return RDB_OTHER_TYPE;
    }
    if (status == RDB_OK && (n == 0 || in.p != in.end))
        status = RDB_DAMAGED;
    hash_image_end(image, n);
    return status;
}
