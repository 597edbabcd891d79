/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_dump.c - a hash as one string of bytes and back: for DUMP and RESTORE,
 * and for what OBJECT ENCODING says of it.
 *
 *     number of fields, 8 bytes
 *     for each: length of the name, 4, and of the value, 4; deadline in wall
 *         milliseconds or all ones, 8; the name; the value
 *
 * all numbers little endian. Such bytes come from clients: no length in them is
 * trusted. Any worker.
 */
#include <endian.h>

#include "commands/hashes.h"

#define HEAD_BYTES 8
#define FIELD_BYTES 16 /* and the name and the value */

/* ---- writing ----------------------------------------------------------- */

static size_t
packed_bytes(struct hash_reader *reader)
{
    struct hash_field field;
    size_t bytes = HEAD_BYTES;
    uint64_t at = 0;

    while (hash_next(reader, &at, &field))
        bytes += FIELD_BYTES + field.name.len + field.value.len;
    return bytes;
}

static char *
put_bytes(char *to, const void *p, size_t len)
{
    if (len > 0)
        memcpy(to, p, len);
    return to + len;
}

static char *
put_u32(char *to, size_t v)
{
    uint32_t le = htole32((uint32_t)v);

    return put_bytes(to, &le, sizeof(le));
}

static char *
put_u64(char *to, uint64_t v)
{
    uint64_t le = htole64(v);

    return put_bytes(to, &le, sizeof(le));
}

static void
pack(struct hash_reader *reader, char *to)
{
    struct hash_field field;
    uint64_t at = 0;

    to = put_u64(to, hash_reader_count(reader));
    while (hash_next(reader, &at, &field)) {
        to = put_u32(to, field.name.len);
        to = put_u32(to, field.value.len);
        to = put_u64(to, field.expire_ms);
        to = put_bytes(to, field.name.p, field.name.len);
        to = put_bytes(to, field.value.p, field.value.len);
    }
}

enum ks_status
hash_pack(struct request *rq, const struct ks_key *key, size_t extra,
    struct room *out)
{
    struct hash_reader *reader;
    enum ks_status status =
        hash_open(rq->thread->ks, key, request_read_mode(rq), &reader);

    if (status != KS_OK)
        return status;
    if (room_get(rq, packed_bytes(reader) + extra, out))
        pack(reader, out->p);
    else
        status = KS_NO_MEMORY;
    hash_close(reader);
    return status;
}

void
hash_image_begin(struct buf *image)
{
    image->len = 0;
    buf_append(image, (const char[HEAD_BYTES]){0}, HEAD_BYTES);
}

void
hash_image_add(
    struct buf *image, struct str name, struct str value, uint64_t expire_ms)
{
    char head[FIELD_BYTES];

    put_u64(put_u32(put_u32(head, name.len), value.len), expire_ms);
    buf_append(image, head, sizeof(head));
    buf_append(image, name.p, name.len);
    buf_append(image, value.p, value.len);
}

void
hash_image_end(struct buf *image, uint64_t n_fields)
{
    put_u64(image->p, n_fields);
}

/* ---- reading ----------------------------------------------------------- */

static uint64_t
get_u64(const char *p)
{
    uint64_t le;

    memcpy(&le, p, sizeof(le));
    return le64toh(le);
}

static size_t
get_u32(const char *p)
{
    uint32_t le;

    memcpy(&le, p, sizeof(le));
    return le32toh(le);
}

/* The field at the beginning of *rest, which is then what follows it; false if
 * it does not stand there whole. */
static bool
take_field(struct str *rest, struct hash_field *out)
{
    struct str head = *rest;

    if (head.len < FIELD_BYTES)
        return false;
    out->name = (struct str){head.p + FIELD_BYTES, get_u32(head.p)};
    out->value = (struct str){out->name.p + out->name.len, get_u32(head.p + 4)};
    out->expire_ms = get_u64(head.p + 8);
    head.len -= FIELD_BYTES;
    if (out->name.len > head.len || out->value.len > head.len - out->name.len)
        return false;
    *rest = (struct str){out->value.p + out->value.len,
        head.len - out->name.len - out->value.len};
    return true;
}

bool
hash_image_read(struct str bytes, struct hash_image *out)
{
    struct hash_field field;
    struct str rest;

    if (bytes.len < HEAD_BYTES)
        return false;
    out->n_fields = get_u64(bytes.p);
    out->fields = rest =
        (struct str){bytes.p + HEAD_BYTES, bytes.len - HEAD_BYTES};
    if (out->n_fields == 0 || out->n_fields > rest.len / FIELD_BYTES)
        return false;
    for (uint64_t i = 0; i < out->n_fields; i++)
        if (!take_field(&rest, &field))
            return false;
    return rest.len == 0;
}

enum ks_status
hash_unpack(struct request *rq, const struct ks_key *key,
    const struct hash_image *image, uint64_t expire_ms)
{
    struct str rest = image->fields;
    struct hash_field field;
    struct hash_edit *e;
    enum ks_status status = hash_edit(rq->thread->ks, key, HASH_REPLACE,
        image->n_fields, rest.len - image->n_fields * FIELD_BYTES, &e);

    if (status != KS_OK)
        return status;
    while (take_field(&rest, &field))
        (void)hash_edit_set(e, field.name, field.value, field.expire_ms);
    hash_edit_key_expiry(e, expire_ms);
    return hash_edit_end(e, NULL);
}

enum ks_status
hash_copy(struct request *rq, const struct ks_key *from,
    const struct ks_key *to, uint64_t expire_ms)
{
    struct hash_image image;
    struct room room;
    enum ks_status status = hash_pack(rq, from, 0, &room);

    if (status != KS_OK)
        return status;
    ASSERT(hash_image_read((struct str){room.p, room.len}, &image));
    status = hash_unpack(rq, to, &image, expire_ms);
    room_drop(rq, &room);
    return status;
}

/* ---- OBJECT ENCODING --------------------------------------------------- */

/* What a directive that nothing else reads is set to. */
static uint64_t
limit_of(const struct request *rq, const char *name, uint64_t without)
{
    struct options *options = rq->thread->commands->options;
    const struct option *row =
        options == NULL ? NULL : options_find(options, str_of(name));
    struct buf text = {0};
    int64_t value = (int64_t)without;

    if (row == NULL)
        return without;
    options_print(options, row, &text);
    (void)str_to_i64((struct str){text.p, text.len}, &value);
    buf_free(&text);
    return (uint64_t)value;
}

const char *
hash_encoding(struct request *rq, const struct ks_key *key)
{
    uint64_t max_fields = limit_of(rq, "hash-max-listpack-entries", 512);
    uint64_t max_len = limit_of(rq, "hash-max-listpack-value", 64);
    struct hash_reader *reader;
    struct hash_field field;
    uint64_t at = 0;
    bool small;

    if (hash_open(rq->thread->ks, key, KS_PEEK, &reader) != KS_OK)
        return NULL;
    small = hash_reader_count(reader) <= max_fields;
    while (small && hash_next(reader, &at, &field))
        small = field.name.len <= max_len && field.value.len <= max_len;
    hash_close(reader);
    return small ? "listpack" : "hashtable";
}
