/* SPDX-License-Identifier: BSD-3-Clause */
/* sha_block.h - what SHA-1 and SHA-256 have in common: blocks of 64 bytes,
 * words with the highest byte first, one padding (FIPS 180-4). For sha1.c and
 * sha256.c. Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SHA_BLOCK_BYTES 64

static inline uint32_t
sha_load(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
        p[3];
}

/* The last block or two of a message of `len` bytes: its last n bytes, a one
 * bit, zeros, the length in bits. Returns the bytes of these blocks. */
static inline size_t
sha_pad(const uint8_t *rest, size_t n, uint64_t len,
    uint8_t tail[2 * SHA_BLOCK_BYTES])
{
    size_t bytes =
        n < SHA_BLOCK_BYTES - 8 ? SHA_BLOCK_BYTES : 2 * SHA_BLOCK_BYTES;

    memset(tail, 0, 2 * SHA_BLOCK_BYTES);
    if (n > 0)
        memcpy(tail, rest, n);
    tail[n] = 0x80;
    for (size_t i = 0; i < 8; i++)
        tail[bytes - 1 - i] = (uint8_t)(len * 8 >> 8 * i);
    return bytes;
}
