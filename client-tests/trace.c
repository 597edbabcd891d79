/* SPDX-License-Identifier: BSD-3-Clause */
/* trace.c - reads and writes cache traces in the format ASHT1. */
#include "client-tests/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "traces are read in place: little endian only"
#endif

#define MAGIC "ASHT1\0\0"
#define ZSTD_FRAME_MAGIC 0xfd2fb528u

struct trace_header {
    char magic[8];
    uint32_t n_requests, n_keys;
    float rate;
    uint32_t flags;
};

_Static_assert(sizeof(struct trace_header) == 24, "as in the file");
_Static_assert(sizeof(struct trace_key) == 12, "as in the file");

static bool
refuse(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    return false;
}

/* The bytes of a file; NULL and a message if it cannot be read. */
static char *
read_file(const char *path, size_t *len)
{
    FILE *in = fopen(path, "re");
    char *bytes = NULL;
    size_t cap = 0, n = 0;

    *len = 0;
    while (in != NULL && (*len == 0 || n > 0)) {
        if (*len == cap) {
            cap = cap == 0 ? 1 << 20 : 2 * cap;
            bytes = xrealloc(bytes, cap);
        }
        n = fread(bytes + *len, 1, cap - *len, in);
        *len += n;
        if (n == 0)
            break;
    }
    if (in == NULL || ferror(in)) {
        refuse(path, strerror(errno));
        free(bytes);
        bytes = NULL;
    }
    if (in != NULL)
        fclose(in);
    return bytes;
}

/* The decompressed bytes; frees the others. NULL and a message on failure. */
static char *
decompress(const char *path, char *from, size_t *len)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = {from, *len, 0};
    ZSTD_outBuffer out = {NULL, 0, 0};
    size_t status = 1;

    while (!ZSTD_isError(status) && (in.pos < in.size || out.pos == out.size)) {
        if (out.pos == out.size) {
            out.size = out.size == 0 ? 4 << 20 : 2 * out.size;
            out.dst = xrealloc(out.dst, out.size);
        }
        status = ZSTD_decompressStream(stream, &out, &in);
    }
    ZSTD_freeDStream(stream);
    free(from);
    if (status == 0) {
        *len = out.pos;
        return out.dst;
    }
    refuse(path,
        ZSTD_isError(status) ? ZSTD_getErrorName(status)
                             : "the compressed file is cut off");
    free(out.dst);
    return NULL;
}

/* Check the parts of a file and point to them. */
static bool
adopt(struct trace *t, const char *path, char *file, size_t len)
{
    const struct trace_header *h = (const struct trace_header *)file;
    size_t expected;

    if (len < sizeof(*h) || memcmp(h->magic, MAGIC, 8) != 0)
        return refuse(path, "not a trace of the format ASHT1");
    expected = sizeof(*h) + h->n_keys * sizeof(*t->keys) +
        h->n_requests * sizeof(*t->requests);
    if (len != expected)
        return refuse(path, "the trace is cut off or too long");
    t->n_requests = h->n_requests;
    t->n_keys = h->n_keys;
    t->rate = h->rate;
    t->keys = (struct trace_key *)(file + sizeof(*h));
    t->requests = (uint32_t *)(t->keys + t->n_keys);
    for (uint32_t i = 0; i < t->n_requests; i++)
        if ((t->requests[i] & ~TRACE_SET) >= t->n_keys)
            return refuse(path, "a request names a key that is not there");
    return true;
}

bool
trace_load(struct trace *t, const char *path)
{
    uint32_t magic = 0;
    size_t len;

    *t = (struct trace){0};
    t->file = read_file(path, &len);
    if (t->file != NULL && len >= sizeof(magic))
        memcpy(&magic, t->file, sizeof(magic));
    if (magic == ZSTD_FRAME_MAGIC)
        t->file = decompress(path, t->file, &len);
    if (t->file != NULL && adopt(t, path, t->file, len))
        return true;
    trace_free(t);
    return false;
}

void
trace_free(struct trace *t)
{
    free(t->file);
    *t = (struct trace){0};
}

bool
trace_save(const struct trace *t, const char *path)
{
    struct trace_header h = {.magic = MAGIC,
        .n_requests = t->n_requests,
        .n_keys = t->n_keys,
        .rate = t->rate};
    FILE *out = fopen(path, "we");
    bool ok = out != NULL;

    ok = ok && fwrite(&h, sizeof(h), 1, out) == 1;
    ok = ok && fwrite(t->keys, sizeof(*t->keys), t->n_keys, out) == t->n_keys;
    ok = ok &&
        fwrite(t->requests, sizeof(*t->requests), t->n_requests, out) ==
            t->n_requests;
    if (out != NULL && fclose(out) != 0)
        ok = false;
    return ok || refuse(path, strerror(errno));
}

uint64_t
trace_working_set(const struct trace *t, uint32_t n, double scale)
{
    uint32_t n_keys = 0;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < n; i++)
        n_keys = MAX(n_keys, (t->requests[i] & ~TRACE_SET) + 1);
    for (uint32_t i = 0; i < n_keys; i++)
        bytes += t->keys[i].key_bytes +
            (uint64_t)((double)t->keys[i].value_bytes * scale);
    return bytes;
}
