/* SPDX-License-Identifier: BSD-3-Clause */
/* packing.h - decimals, hex and UUIDs in characters and in bytes.
 *
 * Small inline functions for shape.c and form.c, on 8 or 16 characters at a
 * time: SSE2 where the compiler has it, else words. All reads stay within what
 * is passed. Hex is lower-case everywhere.
 */
#pragma once

#include "base/base.h"

#include <endian.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define DECIMAL_MAX 19 /* digits: any such number fits 64 bits */
#define UUID_CHARS 36
#define UUID_BYTES 16

/* ---- bytes --------------------------------------------------------------- */

#define EACH_BYTE(b) ((uint64_t)0x0101010101010101 * (b))

static inline uint64_t
load8(const char *p)
{
    uint64_t w;

    memcpy(&w, p, 8);
    return le64toh(w);
}

static inline uint64_t
load4(const char *p)
{
    uint32_t w;

    memcpy(&w, p, 4);
    return le32toh(w);
}

/* Up to eight bytes as a number, first one lowest. */
static inline uint64_t
load_upto8(const char *p, size_t len)
{
    if (len >= 8)
        return load8(p);
    if (len >= 4)
        return load4(p) | load4(p + len - 4) << 8 * (len - 4);
    if (len == 0)
        return 0;
    return (uint64_t)(uint8_t)p[0] |
        (uint64_t)(uint8_t)p[len / 2] << 8 * (len / 2) |
        (uint64_t)(uint8_t)p[len - 1] << 8 * (len - 1);
}

/* Short texts are compared in place: a call of memcmp() costs as much again. */
static inline bool
same_bytes(const char *a, const char *b, size_t len)
{
    if (len < 8)
        return load_upto8(a, len) == load_upto8(b, len);
    for (size_t i = 0; i + 8 < len; i += 8)
        if (load8(a + i) != load8(b + i))
            return false;
    return load8(a + len - 8) == load8(b + len - 8);
}

/* ---- decimals ------------------------------------------------------------ */

/* Eight digits, first character in the low byte. */
static inline bool
parse8(uint64_t w, uint64_t *n)
{
    uint64_t d = w - EACH_BYTE('0');

    bool ok = ((d | (d + EACH_BYTE(0x76))) & EACH_BYTE(0x80)) == 0;

    d = d * 10 + (d >> 8); /* pairs, in bytes 0, 2, 4, 6 */
    *n = ((d & 0x000000ff000000ff) * 0x000f424000000064 +
        (d >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >> 32;
    return ok; /* 10 + 0x76 = 0x80 */
}

/* Up to eight digits, as parse8(); the eight bytes before `end` may be read. */
static inline bool
parse_upto8(const char *end, size_t len, uint64_t *n)
{
    unsigned other = 8 * (8 - (unsigned)len); /* bits before them */
    uint64_t d = load8(end - 8) ^ EACH_BYTE('0');

    return parse8((d >> other << other) + EACH_BYTE('0'), n);
}

/* The number that 1 to DECIMAL_MAX digits say; false for other characters.
 * Bytes from `floor` on may be read. */
static inline bool
parse_digits(struct str s, const char *floor, uint64_t *out)
{
    const char *end = s.p + s.len;
    size_t head = (s.len - 1) % 8 + 1; /* the digits before whole words */
    uint64_t n, part;

    if (likely(s.p + head - floor >= 8)) {
        unsigned other = 8 * (unsigned)(8 - head); /* bits before them */
        uint64_t zeros = ((uint64_t)1 << other) - 1;
        uint64_t w = load8(s.p + head - 8);

        if (!parse8((w & ~zeros) | (EACH_BYTE('0') & zeros), &n))
            return false;
    } else {
        n = 0;
        for (size_t i = 0; i < head; i++) {
            unsigned d = (unsigned)(uint8_t)s.p[i] - '0';

            if (d > 9)
                return false;
            n = n * 10 + d;
        }
    }
    for (const char *p = s.p + head; p < end; p += 8) {
        if (!parse8(load8(p), &part))
            return false;
        n = n * 100000000 + part;
    }
    *out = n;
    return true;
}

/* A number in its least bytes, none for 0. Writes 8; returns how many count. */
static inline size_t
store_number(char *to, uint64_t n)
{
    uint64_t little = htole64(n);

    memcpy(to, &little, 8);
    return n == 0 ? 0 : (71 - (size_t)__builtin_clzll(n)) / 8;
}

/* Numbers before others: 7 bits a byte, least first, 0x80 says that more
 * follow. At most 10 bytes. */
static inline char *
put_varint(char *to, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        *to++ = (char)(n | 0x80);
    *to++ = (char)n;
    return to;
}

static inline bool
take_varint(struct str *from, uint64_t *out)
{
    uint64_t n = 0;

    for (unsigned shift = 0; shift < 64 && from->len > 0; shift += 7) {
        uint8_t byte = (uint8_t)*from->p++;

        from->len--;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = n;
            return true;
        }
    }
    return false;
}

/* The digits of n with zeros before them up to `width`, none if that is 0.
 * Returns the characters written, or 0 if they are more than fit: `width` if
 * there is one, else DECIMAL_MAX. */
static inline size_t
print_decimal(uint64_t n, unsigned width, char to[DECIMAL_MAX])
{
    char digits[20];
    size_t len = 0, zeros;

    for (; n != 0 || len == 0; n /= 10)
        digits[len++] = (char)('0' + n % 10);
    if (len > (width != 0 ? width : DECIMAL_MAX))
        return 0;
    zeros = width != 0 ? width - len : 0;
    memset(to, '0', zeros);
    for (size_t i = 0; i < len; i++)
        to[zeros + i] = digits[len - 1 - i];
    return zeros + len;
}

/* ---- runs ---------------------------------------------------------------- */

/* 0x80 for each byte in first..last, all of them below 0x80. */
static inline uint64_t
bytes_within(uint64_t chars, uint8_t first, uint8_t last)
{
    uint64_t low = chars & EACH_BYTE(0x7f);

    return (low + EACH_BYTE(0x80 - first)) & ~(low + EACH_BYTE(0x7f - last)) &
        ~chars & EACH_BYTE(0x80);
}

/* 0x80 for each byte that is a hex digit. */
static inline uint64_t
hex_bytes(uint64_t chars)
{
    return bytes_within(chars, '0', '9') | bytes_within(chars, 'a', 'f');
}

/* The bytes before the first one whose bit is not set. */
static inline unsigned
count_marked(uint64_t marks)
{
    uint64_t others = marks ^ EACH_BYTE(0x80);

    return others == 0 ? 8 : (unsigned)__builtin_ctzll(others) / 8;
}

/* The next eight bytes of s, zeros after its end. Bytes from `floor` on may be
 * read: no branch on how many are left. */
static inline uint64_t
next8(struct str s, const char *floor)
{
    const char *end = s.p + s.len;

    if (s.len >= 8)
        return load8(s.p);
    if (likely(end - floor >= 8))
        return load8(end - 8) >> 8 >> 8 * (7 - s.len);
    return load_upto8(s.p, s.len);
}

/* How many digits stand at the front, up to DECIMAL_MAX + 1, and the number
 * they say if they are no more than DECIMAL_MAX. */
static inline size_t
take_digits(struct str s, const char *floor, uint64_t *out)
{
    static const uint32_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000,
        10000000, 100000000};
    uint64_t n = 0, part;
    size_t len = 0;
    unsigned more;

    do {
        uint64_t w = next8((struct str){s.p + len, s.len - len}, floor);
        unsigned half;

        more = count_marked(bytes_within(w, '0', '9'));
        half = 4 * (8 - more); /* twice, as it may be 64 in all */
        w = w << half << half |
            (EACH_BYTE('0') & (((uint64_t)1 << half << half) - 1));
        (void)parse8(w, &part); /* digits, with zeros before them */
        n = n * power[more] + part;
        len += more;
    } while (more == 8 && len <= DECIMAL_MAX);
    *out = n;
    return MIN(len, DECIMAL_MAX + 1);
}

/* ---- hex ----------------------------------------------------------------- */

static inline uint8_t
nibble(char c)
{
    return (uint8_t)((c & 15) + (c >> 6 & 1) * 9); /* bit 6: a letter */
}

static inline bool
is_hex(char c)
{
    return (uint8_t)(c - '0') <= 9 || (uint8_t)(c - 'a') <= 5;
}

/* How many hex digits stand at the front. */
static inline size_t
span_hex(struct str s)
{
    size_t len = 0;

    for (unsigned more = 8; more == 8; len += more)
        more = count_marked(
            hex_bytes(load_upto8(s.p + len, s.len - len)));
    return len;
}

/* One byte as two characters. */
static inline void
print_hex2(char *to, uint8_t byte)
{
    static const char digit[] = "0123456789abcdef";

    to[0] = digit[byte >> 4];
    to[1] = digit[byte & 15];
}

#if defined(__SSE2__)
/* 0xff where a character is in first..last. */
static inline __m128i
within(__m128i chars, char first, char last)
{
    __m128i at = _mm_sub_epi8(chars, _mm_set1_epi8(first));
    __m128i to = _mm_set1_epi8((char)(last - first));

    return _mm_cmpeq_epi8(_mm_min_epu8(at, to), at);
}

/* Sixteen characters as eight bytes in the low half, and whether all of them
 * are hex. */
static inline __m128i
pack_hex16(__m128i chars, bool *ok)
{
    __m128i letter = within(chars, 'a', 'f');
    __m128i digit = within(chars, '0', '9');
    __m128i n = _mm_add_epi8(_mm_and_si128(chars, _mm_set1_epi8(15)),
        _mm_and_si128(letter, _mm_set1_epi8(9)));

    *ok = _mm_movemask_epi8(_mm_or_si128(letter, digit)) == 0xffff;
    n = _mm_or_si128(_mm_slli_epi16(n, 4), _mm_srli_epi16(n, 8));
    return _mm_packus_epi16(_mm_and_si128(n, _mm_set1_epi16(0xff)), n);
}

/* Eight bytes, in the low half, as sixteen characters. */
static inline __m128i
print_hex16(__m128i bytes)
{
    __m128i low = _mm_set1_epi8(15);
    __m128i n = _mm_unpacklo_epi8(
        _mm_and_si128(_mm_srli_epi16(bytes, 4), low),
        _mm_and_si128(bytes, low));
    __m128i letter = _mm_cmpgt_epi8(n, _mm_set1_epi8(9));

    return _mm_add_epi8(_mm_add_epi8(n, _mm_set1_epi8('0')),
        _mm_and_si128(letter, _mm_set1_epi8('a' - '9' - 1)));
}
#endif

/* Pack an even number of hex characters; false if there are others. */
static inline bool
pack_hex(struct str hex, char *to)
{
    size_t i = 0;

#if defined(__SSE2__)
    for (; hex.len >= 16 && i < hex.len; i += 16) {
        size_t at = MIN(i, hex.len - 16); /* the last ones overlap */
        bool ok;
        __m128i bytes = pack_hex16(
            _mm_loadu_si128((const void *)(hex.p + at)), &ok);

        if (!ok)
            return false;
        _mm_storel_epi64((void *)(to + at / 2), bytes);
    }
#endif
    for (; i < hex.len; i += 2) {
        if (!is_hex(hex.p[i]) || !is_hex(hex.p[i + 1]))
            return false;
        to[i / 2] = (char)(nibble(hex.p[i]) << 4 | nibble(hex.p[i + 1]));
    }
    return true;
}

static inline void
print_hex(struct str bytes, char *to)
{
    size_t i = 0;

#if defined(__SSE2__)
    for (; bytes.len >= 8 && i < bytes.len; i += 8) {
        size_t at = MIN(i, bytes.len - 8);
        __m128i b = _mm_loadl_epi64((const void *)(bytes.p + at));

        _mm_storeu_si128((void *)(to + 2 * at), print_hex16(b));
    }
#endif
    for (; i < bytes.len; i++)
        print_hex2(to + 2 * i, (uint8_t)bytes.p[i]);
}

/* Whether the bytes say these characters. */
static inline bool
same_hex(struct str chars, struct str bytes)
{
    size_t i = 0;

    if (chars.len != 2 * bytes.len)
        return false;
#if defined(__SSE2__)
    for (; bytes.len >= 8 && i < bytes.len; i += 8) {
        size_t at = MIN(i, bytes.len - 8);
        __m128i b = _mm_loadl_epi64((const void *)(bytes.p + at));
        __m128i c = _mm_loadu_si128((const void *)(chars.p + 2 * at));

        if (_mm_movemask_epi8(_mm_cmpeq_epi8(print_hex16(b), c)) != 0xffff)
            return false;
    }
#endif
    for (; i < bytes.len; i++) {
        char two[2];

        print_hex2(two, (uint8_t)bytes.p[i]);
        if (memcmp(two, chars.p + 2 * i, 2) != 0)
            return false;
    }
    return true;
}

/* ---- UUIDs: 8-4-4-4-12 hex characters ------------------------------------ */

/* The 32 hex characters; false if the dashes are not in their places. */
static inline bool
uuid_chars(const char *uuid, char hex[32])
{
    uint64_t word[4] = {load8(uuid),
        load4(uuid + 9) | load4(uuid + 14) << 32,
        load4(uuid + 19) | load4(uuid + 24) << 32, load8(uuid + 28)};

    for (unsigned i = 0; i < 4; i++)
        word[i] = htole64(word[i]);
    memcpy(hex, word, 32);
    return uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-' &&
        uuid[23] == '-';
}

static inline bool
pack_uuid(const char *uuid, char to[UUID_BYTES])
{
    char hex[32];

    return uuid_chars(uuid, hex) && pack_hex((struct str){hex, 32}, to);
}

static inline bool
same_uuid(const char *uuid, const char bytes[UUID_BYTES])
{
    char hex[32];

    return uuid_chars(uuid, hex) && same_hex((struct str){hex, 32},
        (struct str){bytes, UUID_BYTES});
}

static inline void
print_uuid(const char bytes[UUID_BYTES], char to[UUID_CHARS])
{
    static const uint8_t group[] = {4, 2, 2, 2, 6}; /* bytes */

    for (unsigned i = 0; i < ARRAY_LEN(group); i++) {
        print_hex((struct str){bytes, group[i]}, to);
        bytes += group[i];
        to += 2 * group[i];
        if (i + 1 < ARRAY_LEN(group))
            *to++ = '-';
    }
}
