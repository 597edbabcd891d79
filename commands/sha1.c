/* SPDX-License-Identifier: BSD-3-Clause */
/* sha1.c - SHA-1, as FIPS 180-4 describes it.
 *
 * EVALSHA and redis.sha1hex() name texts by it; nothing here relies on its
 * strength. Own code for the reason that sha256.c gives.
 */
#include "commands/sha1.h"
#include "commands/sha_block.h"

#include <stdint.h>
#include <string.h>

static uint32_t
rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

/* What round t adds, of the words b, c and d. */
static uint32_t
mix(int t, const uint32_t v[5])
{
    if (t < 20)
        return ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5a827999;
    if (t < 40)
        return (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1;
    if (t < 60)
        return ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8f1bbcdc;
    return (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6;
}

static void
compress(uint32_t state[5], const uint8_t *block)
{
    uint32_t w[80], v[5];

    for (int t = 0; t < 16; t++)
        w[t] = sha_load(block + 4 * t);
    for (int t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    memcpy(v, state, sizeof(v));
    for (int t = 0; t < 80; t++) {
        uint32_t first = rotate(v[0], 5) + mix(t, v) + v[4] + w[t];

        v[4] = v[3];
        v[3] = v[2];
        v[2] = rotate(v[1], 30);
        v[1] = v[0];
        v[0] = first;
    }
    for (int i = 0; i < 5; i++)
        state[i] += v[i];
}

/* The rest of the message, a one bit, zeros, the length in bits. */
static void
compress_tail(uint32_t state[5], const uint8_t *rest, size_t n, uint64_t len)
{
    uint8_t tail[2 * SHA_BLOCK_BYTES];
    size_t bytes = sha_pad(rest, n, len, tail);

    compress(state, tail);
    if (bytes > SHA_BLOCK_BYTES)
        compress(state, tail + SHA_BLOCK_BYTES);
}

void
sha1_hex(const void *p, size_t len, char hex[SHA1_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t state[5] = {
        0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint8_t *at = p;
    size_t left = len;

    for (; left >= SHA_BLOCK_BYTES;
         left -= SHA_BLOCK_BYTES, at += SHA_BLOCK_BYTES)
        compress(state, at);
    compress_tail(state, at, left, len);
    for (int i = 0; i < SHA1_HEX; i++)
        hex[i] = digits[state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    hex[SHA1_HEX] = '\0';
}
