/* SPDX-License-Identifier: BSD-3-Clause */
/* pattern.h - values whose every byte follows from a seed and its position, so
 * that a reader can check them without a copy.
 */
#pragma once

#include "base/base.h"

/* The 8 bytes at position 8 * `index` of the value of `seed`. */
static inline uint64_t
pattern_word(uint64_t seed, uint64_t index)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + index * 0xd1342543de82ef95u + 1;

    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

/* Write the bytes [offset, offset + len) of the value of `seed`. */
static inline void
pattern_fill(char *to, size_t len, uint64_t seed, uint64_t offset)
{
    for (size_t n; len > 0; to += n, offset += n, len -= n) {
        uint64_t word = pattern_word(seed, offset / 8);

        n = MIN(len, 8 - offset % 8);
        memcpy(to, (char *)&word + offset % 8, n);
    }
}

/* How many of these bytes are wrong. */
static inline size_t
pattern_wrong(const char *p, size_t len, uint64_t seed, uint64_t offset)
{
    size_t n_wrong = 0;

    for (size_t n; len > 0; p += n, offset += n, len -= n) {
        uint64_t word = pattern_word(seed, offset / 8);
        const char *expected = (char *)&word + offset % 8;

        n = MIN(len, 8 - offset % 8);
        if (likely(memcmp(p, expected, n) == 0))
            continue;
        for (size_t i = 0; i < n; i++)
            n_wrong += p[i] != expected[i];
    }
    return n_wrong;
}
