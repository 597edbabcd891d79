/* SPDX-License-Identifier: BSD-3-Clause */
/* rdb_payload.c - payloads that a Redis or Valkey server dumped: their frame,
 * and the strings in them, so that values can be moved over with RESTORE.
 * Hashes are in rdb_hash.c.
 *
 *     type, value | version of the format, 2 bytes | CRC64 of all before
 *
 * both numbers little endian. The form of strings is the same in all versions.
 * Payloads come from clients: no length in them is trusted. Any worker.
 */
#include "commands/rdb.h"

#define FOOTER_BYTES 10
#define TYPE_STRING 0

/* ---- the checksum -------------------------------------------------------- */

/* The polynomial of Jones, its bits reversed. */
#define CRC64_POLYNOMIAL UINT64_C(0x95ac9329ac4bc9b5)

static uint64_t crc_table[256]; /* [immutable] once made */

static void
make_crc_table(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;

        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? CRC64_POLYNOMIAL : 0);
        crc_table[byte] = crc;
    }
}

uint64_t
rdb_crc64(struct str s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t crc = 0;

    pthread_once(&once, make_crc_table);
    for (size_t i = 0; i < s.len; i++)
        crc = crc_table[(uint8_t)crc ^ (uint8_t)s.p[i]] ^ crc >> 8;
    return crc;
}

bool
rdb_payload_open(struct str payload, struct str *body)
{
    uint64_t crc = 0;

    if (payload.len < FOOTER_BYTES)
        return false;
    for (int i = 1; i <= 8; i++)
        crc = crc << 8 | (uint8_t)payload.p[payload.len - (size_t)i];
    if (crc != rdb_crc64((struct str){payload.p, payload.len - 8}))
        return false;
    *body = (struct str){payload.p, payload.len - FOOTER_BYTES};
    return true;
}

/* ---- lengths ------------------------------------------------------------- */

static bool
take_big_endian(struct rdb_input *in, unsigned n, uint64_t *out)
{
    *out = 0;
    if ((size_t)(in->end - in->p) < n)
        return false;
    for (unsigned i = 0; i < n; i++)
        *out = *out << 8 | *in->p++;
    return true;
}

enum special { /* forms that stand where a length would */
    SPECIAL_INT8,
    SPECIAL_INT16,
    SPECIAL_INT32,
    SPECIAL_LZF,
    NOT_SPECIAL
};

/* A length of 6, 14, 32 or 64 bits, or one of the special forms. */
static bool
take_length(struct rdb_input *in, uint64_t *len, enum special *special)
{
    uint64_t first, low;

    *special = NOT_SPECIAL;
    if (!take_big_endian(in, 1, &first))
        return false;
    switch (first >> 6) {
    case 0:
        *len = first;
        return true;
    case 1:
        *len = (first & 0x3f) << 8;
        if (!take_big_endian(in, 1, &low))
            return false;
        *len |= low;
        return true;
    case 2:
        return first <= 0x81 && take_big_endian(in, first == 0x80 ? 4 : 8, len);
    default:
        *special = (enum special)(first & 0x3f);
        return *special < NOT_SPECIAL;
    }
}

bool
rdb_take_length(struct rdb_input *in, uint64_t *len)
{
    enum special special;

    return take_length(in, len, &special) && special == NOT_SPECIAL;
}

/* ---- compressed strings -------------------------------------------------- */

/* LZF: runs of up to 32 bytes, and references to what was put out before.
 * False unless all of the input makes exactly the output. */
static bool
lzf_expand(struct rdb_input in, uint8_t *out, size_t len)
{
    uint8_t *to = out, *end = out + len;

    while (in.p < in.end) {
        size_t control = *in.p++, n, back;

        if (control < 32) {
            n = control + 1;
            if ((size_t)(in.end - in.p) < n || (size_t)(end - to) < n)
                return false;
            memcpy(to, in.p, n);
            in.p += n;
            to += n;
            continue;
        }
        n = control >> 5;
        if (n == 7) {
            if (in.p == in.end)
                return false;
            n += *in.p++;
        }
        n += 2;
        if (in.p == in.end)
            return false;
        back = ((control & 31) << 8 | *in.p++) + 1;
        if ((size_t)(to - out) < back || (size_t)(end - to) < n)
            return false;
        for (; n > 0; n--, to++) /* the two may overlap */
            *to = *(to - back);
    }
    return to == end;
}

static enum rdb_status
expand(struct request *rq, struct rdb_input *in, struct room *room)
{
    uint64_t packed, len;
    struct rdb_input part;

    if (!rdb_take_length(in, &packed) || !rdb_take_length(in, &len) ||
        packed > (uint64_t)(in->end - in->p))
        return RDB_DAMAGED;
    if (len > KS_MAX_VALUE)
        return RDB_TOO_LARGE;
    /* 264 bytes of output for 3 of input are the most there can be */
    if (len / 88 > packed)
        return RDB_DAMAGED;
    if (!room_get(rq, len, room))
        return RDB_NO_MEMORY;
    part = (struct rdb_input){in->p, in->p + packed};
    in->p += packed;
    if (lzf_expand(part, (uint8_t *)room->p, len))
        return RDB_OK;
    room_drop(rq, room);
    return RDB_DAMAGED;
}

/* ---- strings ------------------------------------------------------------- */

/* A number of 1, 2 or 4 bytes, little endian, as its digits. */
static enum rdb_status
write_number(struct request *rq, struct rdb_input *in, enum special special,
    struct room *room)
{
    size_t n = (size_t)1 << special;
    uint32_t bits = 0;
    int64_t v;

    if ((size_t)(in->end - in->p) < n)
        return RDB_DAMAGED;
    for (size_t i = 0; i < n; i++)
        bits |= (uint32_t)*in->p++ << (8 * i);
    v = special == SPECIAL_INT8    ? (int8_t)bits
        : special == SPECIAL_INT16 ? (int16_t)bits
                                   : (int32_t)bits;
    if (!room_get(rq, 21, room))
        return RDB_NO_MEMORY;
    room->len = i64_to_chars(room->p, v);
    return RDB_OK;
}

enum rdb_status
rdb_take_string(struct request *rq, struct rdb_input *in, struct str *value,
    struct room *room)
{
    enum rdb_status status;
    enum special special;
    uint64_t len;

    *room = (struct room){0};
    if (!take_length(in, &len, &special))
        return RDB_DAMAGED;
    if (special == NOT_SPECIAL) {
        if (len > (uint64_t)(in->end - in->p))
            return RDB_DAMAGED;
        *value = (struct str){(const char *)in->p, len};
        in->p += len;
        return RDB_OK;
    }
    status = special == SPECIAL_LZF ? expand(rq, in, room)
                                    : write_number(rq, in, special, room);
    *value = (struct str){room->p, room->len};
    return status;
}

enum rdb_status
rdb_read_string(
    struct request *rq, struct str body, struct str *value, struct room *room)
{
    struct rdb_input in = {
        (const uint8_t *)body.p, (const uint8_t *)body.p + body.len};
    enum rdb_status status;
    uint64_t type;

    *room = (struct room){0};
    if (!take_big_endian(&in, 1, &type))
        return RDB_DAMAGED;
    if (type != TYPE_STRING)
        return RDB_OTHER_TYPE;
    status = rdb_take_string(rq, &in, value, room);
    if (status != RDB_OK || in.p == in.end)
        return status;
    room_drop(rq, room);
    return RDB_DAMAGED;
}
