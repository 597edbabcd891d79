/* SPDX-License-Identifier: BSD-3-Clause */
/* form.c - a form of keys: take a key of it apart and pack what differs,
 * compare and unpack.
 *
 * Packed is, first, the number of each hole but the main one, as varints; then
 * the main hole: a decimal in its least bytes, hex in half its characters, a
 * UUID in 16 bytes. A hole is packed only if unpacking gives the same bytes
 * again, so packed bytes stand for one key.
 */
#include "keyspace/shape.h"
#include "keyspace/packing.h"

#if defined(__SANITIZE_THREAD__)
/* Nothing but time orders the last look at a form and its next use: see
 * GRACE_US in template.c. */
const char *__tsan_default_suppressions(void);
const char *
__tsan_default_suppressions(void)
{
    return "race:form_make\n";
}
#endif

/* The words of a form by words, in its text after the pieces: what a key begins
 * and ends with, and what counts of these. */
enum { WORD_FIRST, WORD_FIRST_MASK, WORD_LAST, WORD_LAST_MASK };
#define WORDS_AT 16 /* both pieces */

static inline uint64_t
word(const struct key_form *f, unsigned which)
{
    return load8(f->text + WORDS_AT + 8 * which);
}

static void
put_word(struct key_form *f, unsigned which, uint64_t w)
{
    w = htole64(w);
    memcpy(f->text + WORDS_AT + 8 * which, &w, 8);
}

/* The lowest `n` bytes of a word, 0 to 8. */
static uint64_t
low_bytes(unsigned n)
{
    return n == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * n) - 1;
}

static void
make_words(struct key_form *f)
{
    unsigned before = f->piece_len[0], after = f->piece_len[1];

    if (f->n_holes != 1 || before > 8 || after > 8)
        return;
    f->by_words = true;
    f->is_number = f->packing == PACK_DECIMAL;
    f->around = (uint8_t)(before + after);
    put_word(f, WORD_FIRST, load_upto8(f->text, before));
    put_word(f, WORD_FIRST_MASK, low_bytes(before));
    if (after > 0)
        put_word(f, WORD_LAST,
            load_upto8(f->text + before, after) << 8 * (8 - after));
    put_word(f, WORD_LAST_MASK, ~low_bytes(8 - after));
}

void
form_make(struct key_form *f, const struct key_shape *s)
{
    const char *from = s->name.p;
    char *to = f->text;

    memset(f, 0, sizeof(*f));
    f->packing = s->packing;
    f->n_holes = s->n_holes;
    f->main = s->main;
    for (unsigned i = 0; i <= s->n_holes; i++) {
        bool last = i == s->n_holes;
        const char *end = s->name.p +
            (last ? s->name.len : s->hole[i].at);

        f->piece_len[i] = (uint8_t)(end - from);
        memcpy(to, from, f->piece_len[i]);
        to += f->piece_len[i];
        if (last)
            break;
        f->width[i] = s->hole[i].width;
        from = end + s->hole[i].len;
    }
    make_words(f);
}

bool
form_is_of(const struct key_form *f, const struct key_shape *s)
{
    const char *from = s->name.p, *text = f->text;

    if (f->packing != s->packing || f->n_holes != s->n_holes ||
        f->main != s->main)
        return false;
    for (unsigned i = 0; i <= s->n_holes; i++) {
        bool last = i == s->n_holes;
        const char *end = s->name.p +
            (last ? s->name.len : s->hole[i].at);

        if (f->piece_len[i] != end - from ||
            !same_bytes(text, from, f->piece_len[i]))
            return false;
        text += f->piece_len[i];
        if (last)
            break;
        if (f->width[i] != s->hole[i].width)
            return false;
        from = end + s->hole[i].len;
    }
    return true;
}

/* ---- holes of a key ------------------------------------------------------ */

static inline bool
skip_piece(struct str *rest, const char *piece, size_t len)
{
    if (rest->len < len || !same_bytes(rest->p, piece, len))
        return false;
    rest->p += len;
    rest->len -= len;
    return true;
}

static __attribute__((noinline)) bool
same_text(const char *a, const char *b, size_t len)
{
    return same_bytes(a, b, len);
}

/* The only hole, of a form by words and a name of at least a word. */
static inline bool
find_hole_by_words(
    const struct key_form *f, struct str name, struct str *hole)
{
    uint64_t differs =
        (load8(name.p) ^ word(f, WORD_FIRST)) & word(f, WORD_FIRST_MASK);

    differs |= (load8(name.p + name.len - 8) ^ word(f, WORD_LAST)) &
        word(f, WORD_LAST_MASK);
    *hole = (struct str){name.p + f->piece_len[0], name.len - f->around};
    return differs == 0 && name.len >= f->around;
}

/* The only hole. */
static inline bool
find_hole(const struct key_form *f, struct str name, struct str *hole)
{
    size_t before = f->piece_len[0], after = f->piece_len[1];

    if (likely(f->by_words && name.len >= 8))
        return find_hole_by_words(f, name, hole);
    if (name.len < before + after)
        return false;
    *hole = (struct str){name.p + before, name.len - before - after};
    return same_text(name.p, f->text, before) &&
        same_text(hole->p + hole->len, f->text + before, after);
}

/* Whether a decimal of these characters round-trips. */
static inline bool
fits_width(struct str hole, unsigned width)
{
    if (hole.len - 1 >= DECIMAL_MAX)
        return false;
    return width != 0 ? hole.len == width : hole.p[0] != '0' || hole.len == 1;
}

/* The number of a decimal hole; bytes from `floor` on may be read. */
static inline bool
hole_number(struct str hole, unsigned width, const char *floor, uint64_t *n)
{
    return fits_width(hole, width) && parse_digits(hole, floor, n);
}

/* A number as most are: of up to eight digits, and eight bytes before their end
 * are the key's. */
static inline bool
is_short(struct str hole, const char *name)
{
    return hole.len - 1 < 8 && hole.p + hole.len - name >= 8;
}

static inline bool
short_number(struct str hole, unsigned width, uint64_t *n)
{
    bool fits = width != 0 ? hole.len == width
                           : hole.p[0] != '0' || hole.len == 1;

    return fits && parse_upto8(hole.p + hole.len, hole.len, n);
}

/* Several holes: the numbers of all decimal ones, and the main one. */
struct holes {
    uint64_t number[FORM_MAX_HOLES];
    struct str main;
};

static bool
find_holes(const struct key_form *f, struct str name, struct holes *out)
{
    const char *piece = f->text, *floor = name.p;

    for (unsigned i = 0; i < f->n_holes; i++) {
        struct str hole;
        bool decimal = i != f->main || f->packing == PACK_DECIMAL;

        if (!skip_piece(&name, piece, f->piece_len[i]))
            return false;
        piece += f->piece_len[i];
        hole.p = name.p;
        if (decimal)
            hole.len = take_digits(name, floor, &out->number[i]);
        else
            hole.len = f->packing == PACK_HEX ? span_hex(name) : UUID_CHARS;
        if (hole.len > name.len || (decimal && !fits_width(hole, f->width[i])))
            return false;
        if (i == f->main)
            out->main = hole;
        name.p += hole.len;
        name.len -= hole.len;
    }
    return name.len == f->piece_len[f->n_holes] &&
        same_bytes(name.p, piece, name.len);
}

/* ---- packing ------------------------------------------------------------- */

static __attribute__((noinline)) bool
pack_main(const struct key_form *f, struct str hole, char *to, size_t *len)
{
    if (f->packing == PACK_HEX) {
        *len = hole.len / 2;
        return hole.len % 2 == 0 && pack_hex(hole, to);
    }
    *len = UUID_BYTES;
    return hole.len == UUID_CHARS && pack_uuid(hole.p, to);
}

static __attribute__((noinline)) bool
pack_several(const struct key_form *f, struct str name,
    char to[FORM_MAX_PACKED], struct str *packed)
{
    struct holes h;
    char *at = to;
    size_t len;

    if (!find_holes(f, name, &h))
        return false;
    for (unsigned i = 0; i < f->n_holes; i++)
        if (i != f->main)
            at = put_varint(at, h.number[i]);
    if (f->packing == PACK_DECIMAL)
        len = store_number(at, h.number[f->main]);
    else if (!pack_main(f, h.main, at, &len))
        return false;
    *packed = (struct str){to, (size_t)(at - to) + len};
    return true;
}

bool
form_pack(const struct key_form *f, struct str name,
    char to[FORM_MAX_PACKED], struct str *packed)
{
    if (name.len > FORM_MAX_NAME)
        return false;
    if (f->n_holes != 1)
        return pack_several(f, name, to, packed);
    if (!find_hole(f, name, packed))
        return false;
    if (f->packing == PACK_RAW)
        return true;
    if (f->packing == PACK_DECIMAL) {
        uint64_t n;

        if (!hole_number(*packed, f->width[0], name.p, &n))
            return false;
        packed->len = store_number(to, n);
    } else if (!pack_main(f, *packed, to, &packed->len)) {
        return false;
    }
    packed->p = to;
    return true;
}

/* ---- comparing ----------------------------------------------------------- */

static inline bool
says_number(struct str packed, uint64_t n)
{
    return packed.len <= 8 && load_upto8(packed.p, packed.len) == n;
}

static inline bool
same_main(const struct key_form *f, struct str hole, struct str packed)
{
    if (f->packing == PACK_HEX)
        return same_hex(hole, packed);
    return hole.len == UUID_CHARS && packed.len == UUID_BYTES &&
        same_uuid(hole.p, packed.p);
}

static bool
equals_several(const struct key_form *f, struct str packed, struct str name)
{
    struct holes h;
    uint64_t have;

    if (!find_holes(f, name, &h))
        return false;
    for (unsigned i = 0; i < f->n_holes; i++)
        if (i != f->main &&
            (!take_varint(&packed, &have) || h.number[i] != have))
            return false;
    return f->packing == PACK_DECIMAL ? says_number(packed, h.number[f->main]) :
        same_main(f, h.main, packed);
}

static __attribute__((noinline)) bool
equals_long_number(const struct key_form *f, struct str packed,
    struct str name, struct str hole)
{
    uint64_t n;

    return hole_number(hole, f->width[0], name.p, &n) && says_number(packed, n);
}

static __attribute__((noinline)) bool
equals_other(const struct key_form *f, struct str packed, struct str name)
{
    struct str hole;

    if (f->n_holes != 1)
        return equals_several(f, packed, name);
    if (!find_hole(f, name, &hole))
        return false;
    if (f->packing == PACK_DECIMAL)
        return equals_long_number(f, packed, name, hole);
    return f->packing == PACK_RAW ? str_eq(hole, packed) :
        same_main(f, hole, packed);
}

/* The most frequent kind by itself: it needs few registers. */
bool
form_equals(const struct key_form *f, struct str packed, struct str name)
{
    struct str hole;
    uint64_t n;

    if (unlikely(!f->is_number || name.len < 8))
        return equals_other(f, packed, name);
    if (!find_hole_by_words(f, name, &hole))
        return false;
    if (unlikely(!is_short(hole, name.p)))
        return equals_long_number(f, packed, name, hole);
    return short_number(hole, f->width[0], &n) && says_number(packed, n);
}

/* ---- unpacking ----------------------------------------------------------- */

/* The characters of the main hole, SIZE_MAX for bytes that stand for none. */
static size_t
print_main(const struct key_form *f, struct str packed, char *to)
{
    size_t len = SIZE_MAX;

    switch (f->packing) {
    case PACK_DECIMAL:
        if (packed.len <= 8)
            len = print_decimal(load_upto8(packed.p, packed.len),
                f->width[f->main], to);
        return len != 0 ? len : SIZE_MAX;
    case PACK_HEX:
        if (packed.len > FORM_MAX_NAME / 2)
            return SIZE_MAX;
        print_hex(packed, to);
        return 2 * packed.len;
    case PACK_UUID:
        if (packed.len != UUID_BYTES)
            return SIZE_MAX;
        print_uuid(packed.p, to);
        return UUID_CHARS;
    default:
        if (packed.len > FORM_MAX_NAME)
            return SIZE_MAX;
        memcpy(to, packed.p, packed.len);
        return packed.len;
    }
}

/* The numbers before the main hole, in the order of the holes. */
static bool
take_numbers(const struct key_form *f, struct str *packed,
    uint64_t number[FORM_MAX_HOLES])
{
    for (unsigned i = 0; i < f->n_holes; i++)
        if (i != f->main && !take_varint(packed, &number[i]))
            return false;
    return true;
}

bool
form_decode(const struct key_form *f, struct str packed,
    char buf[FORM_MAX_DECODED], struct str *name)
{
    uint64_t number[FORM_MAX_HOLES];
    const char *piece = f->text;
    char *at = buf;

    if (!take_numbers(f, &packed, number))
        return false;
    for (unsigned i = 0; i < f->n_holes; i++) {
        size_t len;

        memcpy(at, piece, f->piece_len[i]);
        at += f->piece_len[i];
        piece += f->piece_len[i];
        len = i == f->main ? print_main(f, packed, at) :
            print_decimal(number[i], f->width[i], at);
        if (len == SIZE_MAX || (i != f->main && len == 0))
            return false;
        at += len;
    }
    memcpy(at, piece, f->piece_len[f->n_holes]);
    at += f->piece_len[f->n_holes];
    *name = (struct str){buf, (size_t)(at - buf)};
    return true;
}
