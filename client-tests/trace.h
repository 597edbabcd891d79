/* SPDX-License-Identifier: BSD-3-Clause */
/* trace.h - cache traces in the format ASHT1, little endian:
 *
 *   header, 24 bytes   char magic[8] "ASHT1", u32 requests, u32 keys,
 *                      f32 requests per second of trace time, u32 flags
 *   keys x 12 bytes    u32 value bytes, u16 key bytes, u16 flags,
 *                      u32 time to live in seconds (0: none)
 *   requests x u32     bit 31: a SET; bits 0 to 30: the key's number
 *
 * Keys are numbered in the order in which they appear.
 */
#pragma once

#include <stdio.h>

#include "base/base.h"

#define TRACE_SET 0x80000000u

struct trace_key {
    uint32_t value_bytes;
    uint16_t key_bytes;
    uint16_t flags;
    uint32_t ttl_s;
};

struct trace {
    uint32_t n_requests, n_keys;
    float rate;
    struct trace_key *keys;
    uint32_t *requests;
    char *file; /* [owned] what keys and requests point into, or NULL */
};

/* Read a whole trace, plain or compressed by zstd. On failure returns false
 * and says why on stderr. Release with trace_free(). */
bool trace_load(struct trace *t, const char *path);
void trace_free(struct trace *t);

/* Write a trace; false and a message on stderr if that fails. */
bool trace_save(const struct trace *t, const char *path);

/* Bytes of all keys and values that the first `n` requests mention, values
 * scaled. */
uint64_t trace_working_set(const struct trace *t, uint32_t n, double scale);
