/* SPDX-License-Identifier: BSD-3-Clause */
/* template.c - learned key shapes: what many keys have in common is stored
 * once, and an item holds a template's id and the part that differs, packed.
 *
 *   user:0001234567:profile  ->  template {user: | decimal, 10 wide | :profile}
 *                                and the three bytes of 1234567
 *
 * A key has one shape, found by split(): the middle is its longest run of
 * digits or of lower-case hex, the rest are prefix and suffix. A middle is
 * packed only where unpacking gives the same bytes again. Shapes that are
 * inserted often become templates; keys of other shapes are stored as they
 * are. Which of the two an item has is a matter of when it was written, so a
 * look-up never asks for the template of a key: it compares the key with each
 * candidate item in the item's own representation, and the hash is that of the
 * whole key.
 *
 * A template is immutable once published and lives as long as the keyspace.
 * Any thread reads without a lock; learning takes a lock that nobody waits
 * for. All tables are bounded: a flood of shapes costs packing, not memory.
 */
#include "keyspace/internal.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define MAX_TEMPLATES (ITEM_IDS - TEMPLATE_FIRST_ID)
#define MAX_TEXT 120   /* prefix and suffix together */
#define MAX_NAME 128   /* longer keys are stored as they are */
#define MAX_DIGITS 19  /* of a packed decimal: any such number fits 64 bits */
#define MIN_HEX 8
#define TABLE_SLOTS 8192
#define CANDIDATE_SETS 1024
#define CANDIDATE_WAYS 4

/* One of SAMPLE insertions is looked at; a shape seen SIGHTINGS times in the
 * sample becomes a template, more often as the ids get scarce. */
#define SAMPLE 4
#define SIGHTINGS 16

enum packing { PACK_RAW, PACK_DECIMAL, PACK_HEX };

struct template {
    uint8_t db;
    uint8_t packing;
    uint8_t width; /* of a decimal with leading zeros; 0: it has none */
    uint8_t prefix_len, suffix_len;
    char text[123]; /* prefix, suffix */
};
_Static_assert(sizeof(struct template) == 128, "two cache lines");
_Static_assert(TEMPLATE_MAX_PACKED >= MAX_NAME / 2, "hex of a whole key");

/* A shape that may become a template, known by its hash only: the text is that
 * of the key which is the last to be seen. */
struct candidate {
    uint64_t hash;
    uint32_t score; /* bytes saved, minus what others would have saved */
    uint32_t seen;
};

struct templates {
    struct template record[MAX_TEMPLATES]; /* [immutable] below n */
    _Atomic uint32_t slot[TABLE_SLOTS];    /* 16 hash bits | id; 0: free */
    struct candidate candidate[CANDIDATE_SETS][CANDIDATE_WAYS]; /* [lock] */
    _Atomic uint32_t n;    /* published records */
    _Atomic uint32_t lock; /* only ever tried */
    struct slab *slab;
    const struct hash_seed *seed;
};

/* A key taken apart. */
struct shape {
    struct str prefix, middle, suffix;
    uint32_t db;
    enum packing packing;
    uint8_t width;
};

/* ---- set-up --------------------------------------------------------------- */

static size_t
fixed_bytes(void)
{
    return sizeof(struct templates) - sizeof(((struct templates *)0)->record);
}

struct templates *
templates_new(struct slab *slab, const struct hash_seed *seed, struct buf *err)
{
    struct templates *ts = mmap(NULL, sizeof(*ts), PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (ts == MAP_FAILED) {
        buf_printf(err, "no memory for key templates: %s", strerror(errno));
        return NULL;
    }
    ts->slab = slab;
    ts->seed = seed;
    slab_charge_force(slab, fixed_bytes());
    return ts;
}

void
templates_free(struct templates *ts)
{
    slab_uncharge(ts->slab, templates_bytes(ts));
    munmap(ts, sizeof(*ts));
}

uint32_t
templates_count(const struct templates *ts)
{
    return atomic_load_explicit(&ts->n, memory_order_acquire);
}

size_t
templates_bytes(const struct templates *ts)
{
    return fixed_bytes() + templates_count(ts) * sizeof(struct template);
}

/* NULL for an id that no template has: a chunk under change may say any. */
static inline const struct template *
template_of(const struct templates *ts, uint32_t id)
{
    /* pairs with the release in publish_template() */
    uint32_t n = atomic_load_explicit(&ts->n, memory_order_acquire);
    uint32_t at = id - TEMPLATE_FIRST_ID;

    return likely(at < n) ? &ts->record[at] : NULL;
}

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

/* ---- shapes ---------------------------------------------------------------- */

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
choose_packing(struct shape *s, const struct runs *runs)
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

/* Take a key apart; false when it has no shape worth a template. */
static bool
split(struct str name, uint32_t db, struct shape *s)
{
    struct runs runs;

    if (name.len > MAX_NAME || name.len < 4)
        return false;
    runs = find_runs(name);
    *s = (struct shape){.db = db};
    if (!choose_packing(s, &runs) || name.len - s->middle.len > MAX_TEXT)
        return false;
    s->prefix = (struct str){name.p, (size_t)(s->middle.p - name.p)};
    s->suffix.p = s->middle.p + s->middle.len;
    s->suffix.len = name.len - s->prefix.len - s->middle.len;
    return true;
}

static uint64_t
shape_hash(const struct templates *ts, const struct shape *s)
{
    uint64_t h = s->db | (uint64_t)s->packing << 8 | (uint64_t)s->width << 16;

    h = (h + 1) * 0x9e3779b97f4a7c15u;
    h ^= hash_bytes(ts->seed, s->prefix.p, s->prefix.len);
    h = (h ^ h >> 29) * 0xd6e8feb86659fd93u;
    h ^= hash_bytes(ts->seed, s->suffix.p, s->suffix.len);
    h *= 0xbf58476d1ce4e5b9u;
    return h ^ h >> 32;
}

static bool
has_shape(const struct template *tp, const struct shape *s)
{
    return tp->db == s->db && tp->packing == s->packing &&
        tp->width == s->width && tp->prefix_len == s->prefix.len &&
        tp->suffix_len == s->suffix.len &&
        memcmp(tp->text, s->prefix.p, s->prefix.len) == 0 &&
        memcmp(tp->text + tp->prefix_len, s->suffix.p, s->suffix.len) == 0;
}

/* The id of the template of a shape, 0 for none. */
static uint32_t
find_template(const struct templates *ts, const struct shape *s, uint64_t hash)
{
    for (uint32_t i = 0; i < TABLE_SLOTS; i++) {
        uint32_t slot = atomic_load_explicit(
            &ts->slot[(hash + i) % TABLE_SLOTS], memory_order_acquire);

        if (slot == 0)
            return 0;
        if (slot >> 16 == hash >> 48 &&
            has_shape(template_of(ts, slot & 0xffff), s))
            return slot & 0xffff;
    }
    return 0;
}

/* ---- learning --------------------------------------------------------------- */

static void
publish_template(struct templates *ts, const struct shape *s, uint64_t hash)
{
    uint32_t n = atomic_load_explicit(&ts->n, memory_order_relaxed);
    struct template *tp = &ts->record[n];
    uint64_t at = hash;

    tp->db = (uint8_t)s->db;
    tp->packing = (uint8_t)s->packing;
    tp->width = s->width;
    tp->prefix_len = (uint8_t)s->prefix.len;
    tp->suffix_len = (uint8_t)s->suffix.len;
    memcpy(tp->text, s->prefix.p, s->prefix.len);
    memcpy(tp->text + s->prefix.len, s->suffix.p, s->suffix.len);
    slab_charge_force(ts->slab, sizeof(*tp));
    /* pairs with template_of(): first the record, then its number */
    atomic_store_explicit(&ts->n, n + 1, memory_order_release);
    while (atomic_load_explicit(&ts->slot[at % TABLE_SLOTS],
        memory_order_relaxed) != 0)
        at++;
    atomic_store_explicit(&ts->slot[at % TABLE_SLOTS],
        (uint32_t)(hash >> 48) << 16 | (n + TEMPLATE_FIRST_ID),
        memory_order_release);
}

/* The entry of a shape. When its set is full of others, the one of least score
 * loses as much as this one would gain, and its place at zero: what is seen
 * often outlives any number of shapes seen once. */
static struct candidate *
find_candidate(struct templates *ts, uint64_t hash, uint32_t saved)
{
    struct candidate *way = ts->candidate[hash / 64 % CANDIDATE_SETS];
    struct candidate *least = way;

    for (unsigned i = 0; i < CANDIDATE_WAYS; i++) {
        if (way[i].hash == hash)
            return &way[i];
        if (way[i].score < least->score)
            least = &way[i];
    }
    if (least->score > saved) {
        least->score -= saved;
        return NULL;
    }
    *least = (struct candidate){.hash = hash};
    return least;
}

static uint32_t
sightings_wanted(uint32_t n_templates)
{
    return SIGHTINGS << (4 * n_templates / MAX_TEMPLATES);
}

/* Note that a key of this shape was inserted, which a template would have made
 * shorter by `saved` bytes. */
static void
learn(struct templates *ts, const struct shape *s, uint64_t hash,
    uint32_t saved)
{
    uint32_t n = atomic_load_explicit(&ts->n, memory_order_relaxed);
    struct candidate *c;

    if (n == MAX_TEMPLATES ||
        atomic_exchange_explicit(&ts->lock, 1, memory_order_acquire) != 0)
        return;
    n = atomic_load_explicit(&ts->n, memory_order_relaxed);
    c = n < MAX_TEMPLATES ? find_candidate(ts, hash, saved) : NULL;
    if (c != NULL) {
        c->score = MIN(c->score + saved, UINT32_MAX / 2);
        if (++c->seen >= sightings_wanted(n)) {
            *c = (struct candidate){0};
            /* another thread may have been faster */
            if (find_template(ts, s, hash) == 0)
                publish_template(ts, s, hash);
        }
    }
    atomic_store_explicit(&ts->lock, 0, memory_order_release);
}

/* ---- keys to items ------------------------------------------------------------ */

static uint8_t
nibble(char c)
{
    return (uint8_t)((c & 15) + (c >> 6) * 9); /* bit 6: a letter */
}

/* Pack the middle of a shape that split() made. */
static struct str
pack(const struct shape *s, char to[TEMPLATE_MAX_PACKED])
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

void
template_encode(struct templates *ts, const struct ks_key *key,
    uint64_t random, struct stored_key *out)
{
    struct shape s;
    struct str packed;
    uint64_t hash;
    uint32_t id;

    out->key = key->name;
    out->id = key->db;
    if (!split(key->name, key->db, &s))
        return;
    packed = pack(&s, out->packed);
    /* an item of another database has two bytes for an id anyway */
    if (packed.len + (key->db == 0 ? 2 : 0) >= key->name.len)
        return;
    hash = shape_hash(ts, &s);
    id = find_template(ts, &s, hash);
    if (id != 0) {
        out->key = packed;
        out->id = id;
    } else if (random % SAMPLE == 0) {
        learn(ts, &s, hash, (uint32_t)(key->name.len - packed.len));
    }
}

/* ---- items to keys ------------------------------------------------------------- */

uint32_t
template_db(const struct templates *ts, uint32_t id)
{
    const struct template *tp = template_of(ts, id);

    return tp != NULL ? tp->db : UINT32_MAX;
}

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
template_equals(const struct templates *ts, uint32_t id, struct str packed,
    struct str name, uint32_t db)
{
    const struct template *tp = template_of(ts, id);
    struct str middle;

    if (tp == NULL || tp->db != db ||
        name.len < (size_t)tp->prefix_len + tp->suffix_len)
        return false;
    middle.p = name.p + tp->prefix_len;
    middle.len = name.len - tp->prefix_len - tp->suffix_len;
    if (memcmp(name.p, tp->text, tp->prefix_len) != 0 ||
        memcmp(middle.p + middle.len, tp->text + tp->prefix_len,
            tp->suffix_len) != 0)
        return false;
    switch (tp->packing) {
    case PACK_DECIMAL:
        return same_decimal(middle, tp->width, packed);
    case PACK_HEX:
        return same_hex(middle, packed);
    default:
        return str_eq(middle, packed);
    }
}

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
unpack(const struct template *tp, struct str packed, char *to)
{
    switch (tp->packing) {
    case PACK_DECIMAL:
        return unpack_decimal(tp->width, packed, to);
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
template_decode(const struct templates *ts, uint32_t id, struct str packed,
    char buf[KS_MAX_KEY], struct str *name)
{
    const struct template *tp = template_of(ts, id);
    char *at = buf;
    size_t len;

    if (tp == NULL)
        return false;
    memcpy(at, tp->text, tp->prefix_len);
    at += tp->prefix_len;
    len = unpack(tp, packed, at);
    if (len == SIZE_MAX)
        return false;
    at += len;
    memcpy(at, tp->text + tp->prefix_len, tp->suffix_len);
    at += tp->suffix_len;
    *name = (struct str){buf, (size_t)(at - buf)};
    return true;
}
