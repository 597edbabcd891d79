/* SPDX-License-Identifier: BSD-3-Clause */
/* shape.c - how a key is taken apart into what it has in common with others
 * and a middle that is packed, and put together again.
 *
 *   user:0001234567:profile  =  form {user: | decimal, 10 wide | :profile}
 *                               and the three bytes of 1234567
 *
 * A key has one shape: the middle is its longest run of digits or of
 * lower-case hex, the rest are prefix and suffix. A middle is packed only where
 * unpacking gives the same bytes again. Pure functions, for any thread. Packed
 * bytes may come from a chunk that is being written: what packing cannot have
 * made is refused, and no length is trusted. Knows no template and no item.
 */
#include "keyspace/shape.h"

#include <endian.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define MAX_NAME 128   /* longer keys have no shape */
#define MAX_DIGITS 19  /* of a packed decimal: any such number fits 64 bits */
#define MIN_HEX 8

_Static_assert(FORM_MAX_PACKED >= MAX_NAME / 2, "hex of a whole key");

/* ---- eight characters at a time ------------------------------------------- */

#define BYTES(b) ((uint64_t)0x0101010101010101 * (b))

static inline uint64_t
load8(const char *p)
{
    uint64_t w;

    memcpy(&w, p, 8);
    return le64toh(w);
}

/* Eight digits, first character in the low byte. */
static inline bool
parse8(uint64_t w, uint64_t *n)
{
    uint64_t d = w - BYTES('0');

    if ((d | (d + BYTES(0x76))) & BYTES(0x80)) /* 0x76: 10 and more overflow */
        return false;
    d = d * 10 + (d >> 8); /* pairs, in bytes 0, 2, 4, 6 */
    *n = ((d & 0x000000ff000000ff) * 0x000f424000000064 +
        (d >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >> 32;
    return true;
}

/* The number that up to MAX_DIGITS digits say. */
static inline bool
parse_digits(struct str s, uint64_t *out)
{
    const char *p = s.p, *end = s.p + s.len;
    uint64_t n = 0, part;

    for (; end - p >= 8; p += 8) {
        if (!parse8(load8(p), &part))
            return false;
        n = n * 100000000 + part;
    }
    for (; p < end; p++) {
        unsigned d = (unsigned)(uint8_t)*p - '0';

        if (d > 9)
            return false;
        n = n * 10 + d;
    }
    *out = n;
    return true;
}

/* Four bytes as eight lower-case hex characters, first one in the low byte. */
static inline uint64_t
hex8(const char *p)
{
    uint32_t four;
    uint64_t x;

    memcpy(&four, p, 4);
    x = le32toh(four);
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x >> 4 | x << 8) & BYTES(0x0f); /* the high half comes first */
    return x + BYTES('0') + ((x + BYTES(6)) >> 4 & BYTES(1)) * ('a' - '9' - 1);
}

static inline void
hex2(char *to, uint8_t byte)
{
    static const char digit[] = "0123456789abcdef";

    to[0] = digit[byte >> 4];
    to[1] = digit[byte & 15];
}

/* ---- taking apart ----------------------------------------------------------- */

/* One bit per character of a key. */
typedef unsigned __int128 bits;

struct kinds {
    bits digit, letter; /* 0..9, a..f */
};

#if defined(__SSE2__)
static inline unsigned
within(__m128i chars, char first, char last)
{
    __m128i at = _mm_sub_epi8(chars, _mm_set1_epi8(first));
    __m128i to = _mm_set1_epi8((char)(last - first));

    return (unsigned)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_min_epu8(at, to), at));
}
#endif

static struct kinds
find_kinds(struct str name)
{
    struct kinds k = {0, 0};
    size_t i = 0;

#if defined(__SSE2__)
    for (; name.len >= 16 && i < name.len; i += 16) {
        size_t at = MIN(i, name.len - 16); /* the last ones overlap */
        __m128i chars = _mm_loadu_si128((const void *)(name.p + at));

        k.digit |= (bits)within(chars, '0', '9') << at;
        k.letter |= (bits)within(chars, 'a', 'f') << at;
    }
#endif
    for (; i < name.len; i++) {
        unsigned c = (uint8_t)name.p[i];

        k.digit |= (bits)(c - '0' <= 9) << i;
        k.letter |= (bits)(c - 'a' <= 5) << i;
    }
    return k;
}

static inline unsigned
highest(bits b)
{
    uint64_t high = (uint64_t)(b >> 64), low = (uint64_t)b;

    return high != 0 ? 127 - (unsigned)__builtin_clzll(high)
        : 63 - (unsigned)__builtin_clzll(low);
}

/* The longest run of set bits; the last one among equals, as what differs
 * stands at the end of a key more often. */
static inline struct str
longest_run(struct str name, bits b)
{
    bits starts = 0;
    size_t len = 0;

    for (; b != 0; b &= b >> 1) { /* where a run longer than len starts */
        starts = b;
        len++;
    }
    return (struct str){name.p + (len > 0 ? highest(starts) : 0), len};
}

/* The longest run of digits, and the longest of hex if a letter follows a
 * digit in it: feed123 is rather a word before a number. */
struct runs {
    struct str digits, hex;
};

static struct runs
find_runs(struct str name)
{
    struct kinds k = find_kinds(name);
    struct runs r = {longest_run(name, k.digit),
        longest_run(name, k.digit | k.letter)};
    bits mixed = k.letter & k.digit << 1;

    if (r.hex.len < MIN_HEX ||
        mixed >> (r.hex.p - name.p) << (128 - r.hex.len) == 0)
        r.hex.len = 0;
    return r;
}

static bool
choose_packing(struct key_shape *s, const struct runs *runs)
{
    if (runs->hex.len > runs->digits.len) {
        s->middle = runs->hex;
    } else {
        s->middle = runs->digits;
        if (s->middle.len == 0)
            return false;
        if (s->middle.len <= MAX_DIGITS) {
            s->packing = PACK_DECIMAL;
            if (s->middle.len > 1 && s->middle.p[0] == '0')
                s->width = (uint8_t)s->middle.len;
            return true;
        }
    }
    s->packing = s->middle.len % 2 == 0 ? PACK_HEX : PACK_RAW;
    return true;
}

bool
shape_split(struct str name, struct key_shape *s)
{
    struct runs runs;

    if (name.len > MAX_NAME || name.len < 4)
        return false;
    runs = find_runs(name);
    *s = (struct key_shape){0};
    if (!choose_packing(s, &runs) || name.len - s->middle.len > FORM_MAX_TEXT)
        return false;
    s->prefix = (struct str){name.p, (size_t)(s->middle.p - name.p)};
    s->suffix.p = s->middle.p + s->middle.len;
    s->suffix.len = name.len - s->prefix.len - s->middle.len;
    return true;
}

uint64_t
shape_hash(const struct hash_seed *seed, const struct key_shape *s)
{
    uint64_t h = (uint64_t)s->packing << 8 | (uint64_t)s->width << 16;

    h = (h + 1) * 0x9e3779b97f4a7c15u;
    h ^= hash_bytes(seed, s->prefix.p, s->prefix.len);
    h = (h ^ h >> 29) * 0xd6e8feb86659fd93u;
    h ^= hash_bytes(seed, s->suffix.p, s->suffix.len);
    h *= 0xbf58476d1ce4e5b9u;
    return h ^ h >> 32;
}

void
form_make(struct key_form *f, const struct key_shape *s)
{
    f->packing = (uint8_t)s->packing;
    f->width = s->width;
    f->prefix_len = (uint8_t)s->prefix.len;
    f->suffix_len = (uint8_t)s->suffix.len;
    memcpy(f->text, s->prefix.p, s->prefix.len);
    memcpy(f->text + s->prefix.len, s->suffix.p, s->suffix.len);
}

bool
form_is_of(const struct key_form *f, const struct key_shape *s)
{
    return f->packing == s->packing && f->width == s->width &&
        f->prefix_len == s->prefix.len && f->suffix_len == s->suffix.len &&
        memcmp(f->text, s->prefix.p, s->prefix.len) == 0 &&
        memcmp(f->text + f->prefix_len, s->suffix.p, s->suffix.len) == 0;
}

/* ---- packing ------------------------------------------------------------------ */

static uint8_t
nibble(char c)
{
    return (uint8_t)((c & 15) + (c >> 6) * 9); /* bit 6: a letter */
}

struct str
shape_pack(const struct key_shape *s, char to[FORM_MAX_PACKED])
{
    uint64_t n, little;
    size_t len = 0;

    switch (s->packing) {
    case PACK_DECIMAL:
        if (!parse_digits(s->middle, &n))
            break;
        little = htole64(n);
        memcpy(to, &little, 8);
        for (; n != 0; n >>= 8)
            len++;
        return (struct str){to, len};
    case PACK_HEX:
        for (; len < s->middle.len / 2; len++)
            to[len] = (char)(nibble(s->middle.p[2 * len]) << 4 |
                nibble(s->middle.p[2 * len + 1]));
        return (struct str){to, len};
    case PACK_RAW:
        break;
    }
    return s->middle;
}

/* ---- comparing ------------------------------------------------------------------ */

/* The number in up to eight bytes, least first. */
static inline bool
load_number(struct str packed, uint64_t *out)
{
    uint64_t n = 0;

    if (packed.len > 8)
        return false;
    for (size_t i = packed.len; i > 0; i--)
        n = n << 8 | (uint8_t)packed.p[i - 1];
    *out = n;
    return true;
}

static inline bool
same_decimal(struct str middle, unsigned width, struct str packed)
{
    uint64_t want, have;

    if (middle.len == 0 || middle.len > MAX_DIGITS)
        return false;
    if (width != 0 ? middle.len != width :
        middle.p[0] == '0' && middle.len > 1)
        return false;
    return parse_digits(middle, &want) && load_number(packed, &have) &&
        want == have;
}

static bool
same_hex(struct str middle, struct str packed)
{
    size_t i = 0;

    if (middle.len != 2 * packed.len)
        return false;
    for (; packed.len - i >= 4; i += 4)
        if (hex8(packed.p + i) != load8(middle.p + 2 * i))
            return false;
    for (; i < packed.len; i++) {
        char two[2];

        hex2(two, (uint8_t)packed.p[i]);
        if (memcmp(two, middle.p + 2 * i, 2) != 0)
            return false;
    }
    return true;
}

bool
form_equals(const struct key_form *f, struct str packed, struct str name)
{
    struct str middle;

    if (name.len < (size_t)f->prefix_len + f->suffix_len)
        return false;
    middle.p = name.p + f->prefix_len;
    middle.len = name.len - f->prefix_len - f->suffix_len;
    if (memcmp(name.p, f->text, f->prefix_len) != 0 ||
        memcmp(middle.p + middle.len, f->text + f->prefix_len,
            f->suffix_len) != 0)
        return false;
    switch (f->packing) {
    case PACK_DECIMAL:
        return same_decimal(middle, f->width, packed);
    case PACK_HEX:
        return same_hex(middle, packed);
    default:
        return str_eq(middle, packed);
    }
}

/* ---- unpacking ------------------------------------------------------------------- */

/* Unpacking returns the characters written, at most MAX_NAME, or SIZE_MAX for
 * bytes that packing does not make. */

static size_t
unpack_decimal(unsigned width, struct str packed, char *to)
{
    char digits[20];
    size_t len = 0, zeros;
    uint64_t n;

    if (!load_number(packed, &n))
        return SIZE_MAX;
    for (; n != 0 || len == 0; n /= 10)
        digits[len++] = (char)('0' + n % 10);
    if (len > (width != 0 ? width : MAX_DIGITS))
        return SIZE_MAX;
    zeros = width != 0 ? width - len : 0;
    memset(to, '0', zeros);
    for (size_t i = 0; i < len; i++)
        to[zeros + i] = digits[len - 1 - i];
    return zeros + len;
}

static size_t
unpack_hex(struct str packed, char *to)
{
    if (packed.len > MAX_NAME / 2)
        return SIZE_MAX;
    for (size_t i = 0; i < packed.len; i++)
        hex2(to + 2 * i, (uint8_t)packed.p[i]);
    return 2 * packed.len;
}

static size_t
unpack(const struct key_form *f, struct str packed, char *to)
{
    switch (f->packing) {
    case PACK_DECIMAL:
        return unpack_decimal(f->width, packed, to);
    case PACK_HEX:
        return unpack_hex(packed, to);
    default:
        if (packed.len > MAX_NAME)
            return SIZE_MAX;
        memcpy(to, packed.p, packed.len);
        return packed.len;
    }
}

bool
form_decode(const struct key_form *f, struct str packed,
    char buf[FORM_MAX_NAME], struct str *name)
{
    char *at = buf;
    size_t len;

    memcpy(at, f->text, f->prefix_len);
    at += f->prefix_len;
    len = unpack(f, packed, at);
    if (len == SIZE_MAX)
        return false;
    at += len;
    memcpy(at, f->text + f->prefix_len, f->suffix_len);
    at += f->suffix_len;
    *name = (struct str){buf, (size_t)(at - buf)};
    return true;
}
