/* SPDX-License-Identifier: BSD-3-Clause */
/* lanes.h - sixteen bytes at once: the tags of an index line, the tags of a
 * shape's fields, the heads of values. Any thread.
 */
#pragma once

#include "base/base.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

#define LANES 16

/* One bit for each of 16 bytes that is `byte`. */
static inline unsigned
lanes_equal(const uint8_t *at, uint8_t byte)
{
#if defined(__SSE2__)
    __m128i lanes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i same = _mm_cmpeq_epi8(lanes, _mm_set1_epi8((char)byte));

    return (unsigned)_mm_movemask_epi8(same);
#elif defined(__ARM_NEON) && defined(__aarch64__)
    static const uint8_t bit[LANES] = {
        1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t same = vceqq_u8(vld1q_u8(at), vdupq_n_u8(byte));
    uint8x16_t bits = vandq_u8(same, vld1q_u8(bit));

    return vaddv_u8(vget_low_u8(bits)) |
        (unsigned)vaddv_u8(vget_high_u8(bits)) << 8;
#else
    unsigned found = 0;

    for (unsigned i = 0; i < LANES; i++)
        found |= (unsigned)(at[i] == byte) << i;
    return found;
#endif
}

/* The sum of the first `n` of 16 bytes, of those above `top` what is more. All
 * 16 can be read. */
static inline size_t
lanes_sum(const uint8_t *at, unsigned n, uint8_t top)
{
#if defined(__SSE2__)
    static const uint8_t first[2 * LANES] = {[0 ... LANES - 1] = 0xff};
    __m128i mask =
        _mm_loadu_si128((const __m128i *)(const void *)(first + LANES - n));
    __m128i lanes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i more = _mm_subs_epu8(lanes, _mm_set1_epi8((char)top));
    __m128i within = _mm_cmpeq_epi8(more, _mm_setzero_si128());
    __m128i sums;

    lanes = _mm_or_si128(_mm_and_si128(lanes, within), more);
    sums = _mm_sad_epu8(_mm_and_si128(lanes, mask), _mm_setzero_si128());
    return (size_t)_mm_cvtsi128_si64(
        _mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums)));
#else
    size_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += at[i] <= top ? at[i] : (size_t)at[i] - top;
    return sum;
#endif
}
