/* SPDX-License-Identifier: BSD-3-Clause */
/* sha256.c - SHA-256, as FIPS 180-4 describes it.
 *
 * For passwords only, a few dozen bytes once per connection: written to be
 * read. Linking libcrypto for this would add 1.5 MB to the resident size of a
 * daemon that never uses it, and 3.7 MB to one that does.
 */
#include "commands/sha256.h"
#include "commands/sha_block.h"

#include <string.h>

/* The first 32 bits of the fractions of the cube roots of the first 64
 * primes. */
static const uint32_t constants[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf,
    0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
    0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e,
    0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c,
    0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee,
    0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

static uint32_t
rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

/* The 16 words of a block, stretched to 64. */
static void
schedule(const uint8_t *block, uint32_t w[64])
{
    for (int i = 0; i < 16; i++)
        w[i] = sha_load(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
            (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
}

/* v[0..7] are the standard's a to h. */
static void
compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], v[8];

    schedule(block, w);
    memcpy(v, state, sizeof(v));
    for (int i = 0; i < 64; i++) {
        uint32_t choose = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        uint32_t t1 = v[7] +
            (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + choose +
            constants[i] + w[i];
        uint32_t t2 =
            (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + majority;

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
    explicit_bzero(w, sizeof(w));
    explicit_bzero(v, sizeof(v));
}

/* The rest of the message, a one bit, zeros, the length in bits: one block or
 * two. */
static void
compress_tail(uint32_t state[8], const uint8_t *rest, size_t n, uint64_t len)
{
    uint8_t tail[2 * SHA_BLOCK_BYTES];
    size_t bytes = sha_pad(rest, n, len, tail);

    compress(state, tail);
    if (bytes > SHA_BLOCK_BYTES)
        compress(state, tail + SHA_BLOCK_BYTES);
    explicit_bzero(tail, sizeof(tail));
}

void
sha256(const void *p, size_t len, uint8_t digest[SHA256_BYTES])
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const uint8_t *at = p;
    size_t left = len;

    for (; left >= SHA_BLOCK_BYTES;
         left -= SHA_BLOCK_BYTES, at += SHA_BLOCK_BYTES)
        compress(state, at);
    compress_tail(state, at, left, len);
    for (int i = 0; i < SHA256_BYTES; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    explicit_bzero(state, sizeof(state));
}
