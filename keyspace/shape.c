/* SPDX-License-Identifier: BSD-3-Clause */
/* shape.c - how a key can be taken apart into what it has in common with other
 * keys and what differs.
 *
 * What differs is taken to be a UUID, a run of hex, or a number; other numbers
 * of the key as well if they stand by themselves (v2 is a word). Where there
 * are none of these, or each key has others, it may be a word: the last one,
 * or the one between namespace and last word, or all after the namespace.
 * Which of these a key gets is for template.c, which knows what was seen often.
 * Works on one bit per character. Knows no packed bytes.
 */
#include "keyspace/shape.h"
#include "keyspace/packing.h"

#define MIN_HEX 8
#define MIN_RAW_TEXT 4 /* constant bytes that pay for an id */

/* ---- characters ---------------------------------------------------------- */

static inline bool
bit(uint64_t b, unsigned at)
{
    return at < 64 && (b >> at & 1);
}

static inline uint64_t
bits_below(unsigned n)
{
    return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

static inline unsigned
lowest(uint64_t b)
{
    return (unsigned)__builtin_ctzll(b);
}

#if defined(__SSE2__)
static inline uint64_t
mask(__m128i truth)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(truth);
}

static inline void
scan16(struct key_scan *k, unsigned at)
{
    __m128i c = _mm_loadu_si128((const void *)(k->tail.p + at));
    __m128i digit = within(c, '0', '9');

    k->digit |= mask(digit) << at;
    k->hex |= mask(_mm_or_si128(digit, within(c, 'a', 'f'))) << at;
    k->letter |=
        mask(within(_mm_or_si128(c, _mm_set1_epi8(0x20)), 'a', 'z')) << at;
    k->dash |= mask(_mm_cmpeq_epi8(c, _mm_set1_epi8('-'))) << at;
}
#endif

static inline void
scan1(struct key_scan *k, unsigned at)
{
    char c = k->tail.p[at];

    k->digit |= (uint64_t)((uint8_t)(c - '0') <= 9) << at;
    k->hex |= (uint64_t)is_hex(c) << at;
    k->letter |= (uint64_t)((uint8_t)((c | 0x20) - 'a') <= 25) << at;
    k->dash |= (uint64_t)(c == '-') << at;
}

static void
scan_tail(struct key_scan *k)
{
    unsigned len = (unsigned)k->tail.len, i = 0;

#if defined(__SSE2__)
    if (len < 16) {
        struct str tail = k->tail;
        char padded[16] = {0};

        memcpy(padded, tail.p, len);
        k->tail.p = padded;
        scan16(k, 0);
        k->tail = tail;
        return;
    }
    for (; i < len; i += 16) /* the last ones overlap */
        scan16(k, MIN(i, len - 16));
#endif
    for (; i < len; i++)
        scan1(k, i);
}

static inline uint64_t
marks(const struct key_scan *k)
{
    return ~(k->digit | k->letter) & bits_below((unsigned)k->tail.len);
}

void
shape_scan(struct str name, size_t space_len, struct key_scan *k)
{
    size_t skip = name.len > 64 ? name.len - 64 : 0;

    *k = (struct key_scan){.name = name,
        .tail = {name.p + skip, name.len - skip},
        .space_len = space_len > skip ? (unsigned)(space_len - skip) : 0,
        .in_space = space_len > 0};
    scan_tail(k);
    k->last_mark = marks(k) != 0 ?
        63 - (unsigned)__builtin_clzll(marks(k)) : (unsigned)k->tail.len;
}

bool
shape_is_word(struct str text)
{
    uint64_t before = 0; /* whether the last byte was a digit */

    for (size_t i = 0; i < text.len; i += 8) {
        size_t n = MIN(text.len - i, 8);
        uint64_t w = load_upto8(text.p + i, n);
        uint64_t digit = bytes_within(w, '0', '9');
        uint64_t letter = bytes_within(w | EACH_BYTE(0x20), 'a', 'z');

        if (count_marked(digit | letter) < n ||
            (digit & (digit << 8 | before)) != 0)
            return false;
        before = digit >> 56;
    }
    return true;
}

/* ---- runs ---------------------------------------------------------------- */

struct run {
    unsigned at, len; /* len 0: there is none */
};

/* The next run of set bits from `at` on. */
static inline struct run
next_run(uint64_t b, unsigned at)
{
    struct run r = {at, 0};

    b &= ~bits_below(at);
    if (b == 0)
        return r;
    r.at = lowest(b);
    b = ~(b >> r.at);
    r.len = b != 0 ? lowest(b) : 64;
    return r;
}

/* The first UUID from `from` on that no hex digit touches. */
static struct run
find_uuid(const struct key_scan *k, unsigned from)
{
    const uint64_t all = ((uint64_t)1 << UUID_CHARS) - 1;
    const uint64_t dashes = 1 << 8 | 1 << 13 | 1 << 18 | 1 << 23;
    uint64_t at = k->dash >> 8 & k->dash >> 13 & k->dash >> 18 &
        k->dash >> 23 & ~bits_below(from);

    for (; at != 0; at &= at - 1) {
        unsigned i = lowest(at);

        if ((k->hex >> i & all) != (all & ~dashes))
            continue;
        if ((i > 0 && bit(k->hex, i - 1)) ||
            (i + UUID_CHARS < k->tail.len && bit(k->hex, i + UUID_CHARS)))
            continue;
        return (struct run){i, UUID_CHARS};
    }
    return (struct run){0, 0};
}

/* The longest run of an even number of hex digits, the last one among equals,
 * in which a letter follows a digit: feed123 is rather a word before a number.
 */
static struct run
find_hex(const struct key_scan *k, unsigned from)
{
    uint64_t mixed = (k->hex & ~k->digit) & k->digit << 1;
    struct run best = {0, 0}, r;

    /* most keys have no run of eight */
    uint64_t runs = k->hex & k->hex >> 1;

    runs &= runs >> 2;
    runs &= runs >> 4;
    if ((runs & ~bits_below(from)) == 0)
        return best;
    for (r = next_run(k->hex, from); r.len != 0;
        r = next_run(k->hex, r.at + r.len)) {
        if (r.len >= MIN_HEX && r.len % 2 == 0 && r.len >= best.len &&
            (mixed & bits_below(r.at + r.len) & ~bits_below(r.at + 1)) != 0)
            best = r;
    }
    return best;
}

/* Letters before or after a number, 0 to 2 sides. */
static inline unsigned
letter_sides(const struct key_scan *k, struct run r)
{
    return (r.at > 0 && bit(k->letter, r.at - 1)) +
        (unsigned)bit(k->letter, r.at + r.len);
}

/* The longest run of digits, the last one among equals, as what differs stands
 * at the end of a key more often. Not a single digit (ten keys are not worth
 * it), nor one within a word (of a random text). */
static struct run
find_digits(const struct key_scan *k, unsigned from)
{
    struct run best = {0, 0}, r;

    for (r = next_run(k->digit, from); r.len != 0;
        r = next_run(k->digit, r.at + r.len)) {
        if (r.len >= MAX(best.len, 2) && letter_sides(k, r) < 2 &&
            (r.len <= DECIMAL_MAX || r.len % 2 == 0))
            best = r;
    }
    return best;
}

/* ---- numbers ------------------------------------------------------------- */

static bool
find_main(const struct key_scan *k, unsigned from, struct run *main,
    uint8_t *packing)
{
    struct run digits, hex;

    *packing = PACK_UUID;
    *main = k->dash != 0 ? find_uuid(k, from) : (struct run){0, 0};
    if (main->len != 0)
        return true;
    digits = find_digits(k, from);
    hex = find_hex(k, from);
    if (hex.len > digits.len) {
        *packing = PACK_HEX;
        *main = hex;
    } else {
        *packing = digits.len <= DECIMAL_MAX ? PACK_DECIMAL : PACK_HEX;
        *main = digits;
    }
    return main->len != 0;
}

static inline bool
by_a_dot(const struct key_scan *k, struct run r)
{
    return (r.at > 0 && k->tail.p[r.at - 1] == '.') ||
        (r.at + r.len < k->tail.len && k->tail.p[r.at + r.len] == '.');
}

/* Whether a number beside the main hole differs from key to key: not if it is
 * part of a word, nor if it is a single digit, of which there are but ten
 * (those of addresses are many together). */
static inline bool
is_hole(const struct key_scan *k, struct run r)
{
    if (r.len > DECIMAL_MAX || (r.len == 1 && !by_a_dot(k, r)))
        return false;
    return letter_sides(k, r) == 0;
}

/* Numbers that begin with a zero are padded; where there are several in a key,
 * so are those of two digits, as in dates, but not in addresses. */
static inline uint8_t
width_of(const struct key_scan *k, struct run r, bool several)
{
    bool padded = r.len > 1 && k->tail.p[r.at] == '0';

    if (several && r.len == 2 && !by_a_dot(k, r))
        padded = true;
    return padded ? (uint8_t)r.len : 0;
}

/* Other numbers from `from` on, without the main hole: the last ones of those
 * that may be holes. */
static unsigned
find_others(const struct key_scan *k, unsigned from, struct run main,
    struct run other[FORM_MAX_HOLES - 1])
{
    uint64_t main_bits = bits_below(main.at + main.len) & ~bits_below(main.at);
    uint64_t digits = k->digit & ~main_bits;
    unsigned n = 0;
    struct run r;

    if ((digits & ~bits_below(from)) == 0)
        return 0;
    for (r = next_run(digits, from); r.len != 0;
        r = next_run(digits, r.at + r.len)) {
        if (!is_hole(k, r))
            continue;
        if (n == FORM_MAX_HOLES - 1)
            memmove(other, other + 1, --n * sizeof(*other));
        other[n++] = r;
    }
    return n;
}

static void
add_hole(const struct key_scan *k, struct key_shape *s, struct run r,
    uint8_t width)
{
    unsigned at = (unsigned)(k->tail.p - k->name.p) + r.at;

    s->hole[s->n_holes++] =
        (struct key_hole){(uint8_t)at, (uint8_t)r.len, width};
}

static bool
make_numbers(const struct key_scan *k, struct key_shape *s)
{
    struct run main, other[FORM_MAX_HOLES - 1];
    unsigned from = k->space_len, n, i = 0;
    uint8_t width = 0;

    if (!find_main(k, from, &main, &s->packing)) {
        from = 0;
        if (k->space_len == 0 || !find_main(k, from, &main, &s->packing))
            return false;
    }
    n = find_others(k, from, main, other);
    for (; i < n && other[i].at < main.at; i++)
        add_hole(k, s, other[i], width_of(k, other[i], true));
    s->main = s->n_holes;
    if (s->packing == PACK_DECIMAL)
        width = width_of(k, main, n > 0);
    add_hole(k, s, main, width);
    for (; i < n; i++)
        add_hole(k, s, other[i], width_of(k, other[i], true));
    return true;
}

/* ---- words --------------------------------------------------------------- */

static bool
make_words(const struct key_scan *k, enum shape_kind kind, struct key_shape *s)
{
    unsigned len = (unsigned)k->tail.len, from = k->space_len, to = len;

    if (kind == SHAPE_SPACE) {
        if (!k->in_space)
            return false;
    } else if (k->last_mark == len) {
        return false;
    } else if (kind == SHAPE_LEAF) {
        from = k->last_mark + 1;
        if (from <= k->space_len) /* as SHAPE_SPACE */
            return false;
    } else {
        to = k->last_mark;
        if (!k->in_space || to <= from)
            return false;
    }
    if (k->name.len - (to - from) < MIN_RAW_TEXT)
        return false;
    s->packing = PACK_RAW;
    add_hole(k, s, (struct run){from, to - from}, 0);
    return true;
}

/* ---- shapes -------------------------------------------------------------- */

static unsigned
text_len(const struct key_shape *s)
{
    size_t holes = 0;

    for (unsigned i = 0; i < s->n_holes; i++)
        holes += s->hole[i].len;
    return (unsigned)(s->name.len - holes);
}

bool
shape_make(const struct key_scan *k, enum shape_kind kind,
    struct key_shape *s)
{
    s->name = k->name;
    s->n_holes = s->main = 0;
    if (kind == SHAPE_NUMBERS ? !make_numbers(k, s) : !make_words(k, kind, s))
        return false;
    return text_len(s) <= FORM_MAX_TEXT;
}

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
hash_text(uint64_t h, uint64_t secret, const char *p, size_t len)
{
    for (; len > 8; p += 8, len -= 8)
        h = fold(load8(p) ^ secret, h ^ 0x9e3779b97f4a7c15u);
    return fold(load_upto8(p, len) ^ secret, h ^ len);
}

uint64_t
shape_hash(const struct hash_seed *seed, const struct key_shape *s)
{
    const char *from = s->name.p;
    uint64_t secret[2], h;

    memcpy(secret, seed->secret, sizeof(secret));
    h = secret[0] ^ (uint64_t)s->packing << 8 ^ s->main;
    for (unsigned i = 0; i < s->n_holes; i++) {
        const char *hole = s->name.p + s->hole[i].at;

        h = hash_text(h, secret[1], from, (size_t)(hole - from)) +
            s->hole[i].width;
        from = hole + s->hole[i].len;
    }
    return hash_text(h, secret[1], from,
        (size_t)(s->name.p + s->name.len - from));
}

unsigned
shape_saves(const struct key_shape *s)
{
    unsigned saved = text_len(s);

    for (unsigned i = 0; i < s->n_holes; i++) {
        unsigned len = s->hole[i].len;

        if (i != s->main || s->packing == PACK_DECIMAL)
            saved += len - (len * 7 + 15) / 16; /* 3.3 bits a digit */
        else if (s->packing == PACK_HEX)
            saved += len / 2;
        else if (s->packing == PACK_UUID)
            saved += UUID_CHARS - UUID_BYTES;
    }
    return saved;
}
