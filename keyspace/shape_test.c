/* SPDX-License-Identifier: BSD-3-Clause */
/* shape_test.c - taking keys apart and packing them: each key comes back as it
 * was, and packed bytes are no other key's. */
#include "base/testing.h"
#include "keyspace/shape.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state;

static uint64_t
roll(void)
{
    return splitmix64(&random_state);
}

/* The namespace of a key as the tests have it: up to the first ':'. */
static size_t
space_of(struct str name)
{
    const char *colon = memchr(name.p, ':', name.len);

    return colon != NULL ? (size_t)(colon + 1 - name.p) : 0;
}

static bool
shape_as(const char *name, size_t len, enum shape_kind kind,
    struct key_shape *s)
{
    struct str key = {name, len};
    struct key_scan scan;

    shape_scan(key, space_of(key), &scan);
    return shape_make(&scan, kind, s);
}

static void
form_as(const char *name, enum shape_kind kind, struct key_form *f)
{
    struct key_shape s;

    ck_assert_msg(shape_as(name, strlen(name), kind, &s), "%s", name);
    form_make(f, &s);
}

/* The key with a character for each hole: # a number, 0 one that is padded, x
 * hex, u a UUID, * a word. */
static const char *
picture(const char *name, enum shape_kind kind)
{
    static const char main_hole[] = {[PACK_RAW] = '*', [PACK_HEX] = 'x',
        [PACK_UUID] = 'u'};
    static char out[FORM_MAX_NAME + 1];
    struct key_shape s;
    const char *from = name;
    char *to = out;

    if (!shape_as(name, strlen(name), kind, &s))
        return "none";
    for (unsigned i = 0; i < s.n_holes; i++) {
        const char *hole = name + s.hole[i].at;
        bool number = i != s.main || s.packing == PACK_DECIMAL;

        to = mempcpy(to, from, (size_t)(hole - from));
        ck_assert(s.hole[i].width == 0 || s.hole[i].width == s.hole[i].len);
        *to++ = !number ? main_hole[s.packing] :
            s.hole[i].width != 0 ? '0' : '#';
        from = hole + s.hole[i].len;
    }
    strcpy(to, from);
    return out;
}

/* ---- shapes -------------------------------------------------------------- */

static const struct {
    const char *name, *numbers;
} number_shapes[] = {
    {"user:1234567:profile", "user:#:profile"},
    {"user:0000000017:profile", "user:0:profile"},
    {"user:1234567:order:89012", "user:#:order:#"},
    {"user:12:order:89012", "user:0:order:#"},
    {"user:7:order:89012", "user:7:order:#"},
    {"user:1234567:order:7", "user:#:order:7"},
    {"app:v2:product:0012345:price:USD", "app:v2:product:0:price:USD"},
    {"app:v12:product:12345", "app:v12:product:#"},
    {"tenant17:obj:12345", "tenant17:obj:#"},
    {"17:obj:12345", "17:obj:#"},
    {"123456:profile", "#:profile"},
    {"memtier-5034", "memtier-#"},
    {"key5034", "key#"},
    {"5034", "#"},
    {"0304", "0"},
    {"rate:ip:203.0.113.77", "rate:ip:#.#.#.#"},
    {"rate:ip:203.7.113.77:x", "rate:ip:#.#.#.#:x"},
    {"day:2024-05-01", "day:#-0-0"},
    {"day:2024-12-31", "day:#-0-0"},
    {"at:2024-12-31T10:20:30", "at:#-0-31T10:0:0"},
    {"a:11:22:33:44:55:66:77:8888", "a:11:22:0:0:0:0:0:#"},
    {"a:8888:11:22:33:44:55:66:77", "a:#:11:22:0:0:0:0:0"},
    {"n:123:456:78", "n:#:#:0"},
    {"sess:00112233445566778899aabbccddeeff", "sess:x"},
    {"sess:abcdef1234", "sess:abcdef#"},
    {"sess:a1b2c3d4", "sess:x"},
    {"sess:a1b2c3d", "none"},
    {"sess:a1b2c3d4e", "none"},
    {"sess:A1B2C3D4", "none"},
    {"sess:deadbeef", "none"},
    {"user:123:sess:a1b2c3d4e5f60718", "user:#:sess:x"},
    {"sess:a1b2c3d4e5f60718:123", "sess:x:#"},
    {"sess:550e8400-e29b-41d4-a716-446655440000", "sess:u"},
    {"550e8400-e29b-41d4-a716-446655440000", "u"},
    {"t:12:550e8400-e29b-41d4-a716-446655440000:34", "t:0:u:0"},
    {"x:550e8400-e29b-41d4-a716-44665544000", "x:550e8400-e29b-41d4-a716-#"},
    {"x:550e8400-e29b-41d4-a716-4466554400001",
        "x:550e8400-e29b-41d4-a716-#"},
    {"x:550e8400-e29b-41d4-a716_446655440000",
        "x:550e8400-e29b-41d4-a716_#"},
    {"x:0550e8400-e29b-41d4-a716-446655440000",
        "x:0550e8400-e29b-41d4-a716-#"},
    {"t:1234567890123456789", "t:#"},
    {"t:12345678901234567890", "t:x"},
    {"t:123456789012345678901", "none"},
    {"token:dQw4w9WgXcQ", "none"},
    {"token:dQw42w9WgXcQ", "none"},
    {"user:alice", "none"},
};

START_TEST(numbers_hex_and_uuids_are_holes)
{
    for (size_t i = 0; i < ARRAY_LEN(number_shapes); i++)
        ck_assert_str_eq(picture(number_shapes[i].name, SHAPE_NUMBERS),
            number_shapes[i].numbers);
}
END_TEST

START_TEST(words_are_holes)
{
    static const struct {
        const char *name, *leaf, *stem, *space;
    } keys[] = {
        {"user:alice", "none", "none", "user:*"},
        {"user:alice:profile", "user:alice:*", "user:*:profile",
            "user:*"},
        {"page:/a/b/c", "page:/a/b/*", "page:*/c", "page:*"},
        {"page-a-b", "page-a-*", "none", "none"},
        {"page:", "none", "none", "page:*"},
        {"page::", "page::*", "none", "page:*"},
        {"pa:bc", "none", "none", "none"}, /* does not pay */
        {"pag:bc", "none", "none", "pag:*"},
        {"word", "none", "none", "none"},
        {"names\xc3\xa4me", "names\xc3\xa4*", "none", "none"},
    };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *name = keys[i].name;

        ck_assert_str_eq(picture(name, SHAPE_LEAF), keys[i].leaf);
        ck_assert_str_eq(picture(name, SHAPE_STEM), keys[i].stem);
        ck_assert_str_eq(picture(name, SHAPE_SPACE), keys[i].space);
    }
}
END_TEST

START_TEST(of_a_long_key_the_last_64_bytes_differ)
{
    char name[FORM_MAX_NAME + 1], prefix[24];

    memset(name, 'p', 80);
    strcpy(name + 80, ":q/12345");
    ck_assert_str_eq(picture(name, SHAPE_NUMBERS) + 80, ":q/#");
    ck_assert_str_eq(picture(name, SHAPE_SPACE) + 80, ":*");
    ck_assert_str_eq(picture(name, SHAPE_LEAF) + 80, ":q/*");
    ck_assert_str_eq(picture(name, SHAPE_STEM) + 80, ":*/12345");
    name[3] = ':'; /* out of sight, but the namespace's end */
    memcpy(prefix, name, sizeof(prefix));
    ck_assert_str_eq(picture(name, SHAPE_SPACE) + 24, "*");
    ck_assert_int_eq(strncmp(picture(name, SHAPE_SPACE), prefix, 24), 0);
    memset(name, 'p', 120);
    strcpy(name + 120, ":12345"); /* too much that is constant */
    ck_assert_str_eq(picture(name, SHAPE_NUMBERS), "none");
    strcpy(name + 95, ":12345");
    ck_assert_str_eq(picture(name, SHAPE_NUMBERS) + 95, ":#");
}
END_TEST

START_TEST(a_word_is_of_letters_and_single_digits)
{
    static const char *const words[] = {"", "a", "Zz", "a1b2c3d4e5f6g7h8i9",
        "1", "abcdefg1", "abcdefgh1x"};
    static const char *const others[] = {"12", "a:b", "abcdefg12", "a12",
        "abcdefgh12", "abcdefghi/", "\x80", "a\n", ("abcdefg1" "2x"), "@", "[",
        "`", "{"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        ck_assert_msg(shape_is_word(str_of(words[i])), "%s", words[i]);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        ck_assert_msg(!shape_is_word(str_of(others[i])), "%s", others[i]);
    ck_assert(!shape_is_word((struct str){"a\0b", 3}));
}
END_TEST

START_TEST(the_hash_is_of_all_but_the_holes)
{
    struct hash_seed seed;
    struct key_shape a, b;
    static const char *const same[][2] = {
        {"user:1234567:profile", "user:7654321:profile"},
        {"user:1234567:profile", "user:99:profile"},
        {"u:12:550e8400-e29b-41d4-a716-446655440000",
            "u:34:ffffffff-e29b-41d4-a716-446655440000"}};
    static const char *const other[][2] = {
        {"user:1234567:profile", "user:0234567:profile"},
        {"user:1234567:profile", "user:1234567:profilf"},
        {"user:1234567:profile", "usfr:1234567:profile"},
        {"user:1234567:profile", "user:1234567:profil"},
        {"user:1234567:profile", "user:1a2b3c4d:profile"},
        {"user:1234567:x:y", "user:1234567::xy"},
        {"a:123:b:12345", "a:12345:b:123"}, /* which one is the main hole */
        {"a:123/b:12345", "a:123:b/12345"},
        {"a:0123:b:12345", "a:123:b:12345"},
        {"a:12345/123", "a:12345/"}, {"a:12345/", "a:12345/123"},
        {"usr:1234567", "usr:x/1234567"}, {"usr:x/1234567", "usr:1234567"}};

    hash_seed_random(&seed);
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct key_form f;

        ck_assert(shape_as(same[i][0], strlen(same[i][0]), 0, &a));
        ck_assert(shape_as(same[i][1], strlen(same[i][1]), 0, &b));
        ck_assert_uint_eq(shape_hash(&seed, &a), shape_hash(&seed, &b));
        form_make(&f, &a);
        ck_assert(form_is_of(&f, &b));
    }
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        struct key_form f;

        ck_assert(shape_as(other[i][0], strlen(other[i][0]), 0, &a));
        ck_assert(shape_as(other[i][1], strlen(other[i][1]), 0, &b));
        ck_assert_uint_ne(shape_hash(&seed, &a), shape_hash(&seed, &b));
        form_make(&f, &a);
        ck_assert(!form_is_of(&f, &b));
    }
}
END_TEST

/* ---- forms --------------------------------------------------------------- */

START_TEST(packing_takes_as_many_bytes_as_needed)
{
    static const struct {
        const char *name;
        size_t packed;
    } keys[] = {{"user:0000000000:profile", 0}, {"user:0000000255:profile", 1},
        {"user:0000000256:profile", 2}, {"user:0999999999:profile", 4},
        {"n:9999999999999999999", 8}, {"user:127:order:65535", 3},
        {"user:128:order:65535", 4}, {"user:16384:order:165535", 6},
        {"sess:00112233445566778899aabbccddeeff", 16},
        {"sess:550e8400-e29b-41d4-a716-446655440000", 16},
        {"user:100:sess:550e8400-e29b-41d4-a716-446655440000", 17},
        {"sess:550e8400-e29b-41d4-a716-446655440000:100", 17},
        {"day:2024-05-01", 4}, {"ip:10.200.30.4", 4}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char to[FORM_MAX_PACKED];
        struct key_form f;
        struct str packed;

        form_as(keys[i].name, SHAPE_NUMBERS, &f);
        ck_assert(form_pack(&f, str_of(keys[i].name), to, &packed));
        ck_assert_msg(packed.len == keys[i].packed, "%s: %zu", keys[i].name,
            packed.len);
    }
}
END_TEST

/* What a careless reader of digits would take the bytes for. */
static uint64_t
careless_number(const char *p, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++)
        n = n * 10 + (uint64_t)(int64_t)(p[i] - '0');
    return n;
}

/* For a number at the front (no bytes before it to be read in its place), after
 * a prefix, and beside another number. */
START_TEST(what_is_no_digit_has_no_number)
{
    static const char *const forms[][2] = {{"", ""}, {"n:", ""}, {"n:", ":x"},
        {"number:", ""}, {"n:123/", ""}, {"n:", "/123"}};
    const char *before = forms[_i][0], *after = forms[_i][1];
    size_t at = strlen(before);

    for (size_t len = 4; len <= 19; len++) {
        char name[64], to[FORM_MAX_PACKED];
        struct key_form f;
        struct str packed;

        sprintf(name, "%s%.*s%s", before, (int)len, "1234567890123456789",
            after);
        form_as(name, SHAPE_NUMBERS, &f);
        for (size_t i = 0; i < len; i++) {
            for (unsigned c = 0; c < 256; c++) {
                struct str mutant = str_of(name);
                char was = name[at + i];
                uint64_t n;

                if (c - '0' <= 9 || c == 0)
                    continue;
                name[at + i] = (char)c;
                n = htole64(careless_number(name + at, len));
                must_of(!form_pack(&f, mutant, to, &packed), mutant);
                must_of(f.n_holes > 1 || !form_equals(&f,
                    (struct str){(const char *)&n, 8}, mutant), mutant);
                name[at + i] = was;
            }
        }
    }
}
END_TEST

START_TEST(what_does_not_round_trip_is_not_packed)
{
    static const struct {
        const char *of, *name;
    } keys[] = {
        {"n:1234567", "n:01234567"}, {"n:1234567", "n:00"}, {"n:1234567", "n:"},
        {"n:1234567", "n:12345678901234567890"}, {"n:1234567", "n:-5"},
        {"n:1234567", "n:12 "}, {"n:1234567", "m:1234567"}, {"n:1234567", "n"},
        {"n:0123", "n:123"}, {"n:0123", "n:00123"}, {"n:0123", "n:"},
        {"n:123:x", "n:x"}, {"n:123:x", "n:123:y"}, {"n:123:x", "n:123x"},
        {"abcd:123:efgh", "abcd:efgh"},
        {"s:a1b2c3d4", "s:a1b2c3d"}, {"s:a1b2c3d4", "s:a1b2c3D4"},
        {"s:a1b2c3d4", "s:a1b2c3g4"},
        {"s:a1b2c3d4", "s:a1b2c3d4a1b2c3d4a1b2C3d4a1b2c3d4"},
        {"s:a1b2c3d4", "s:a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3:4"},
        {"s:550e8400-e29b-41d4-a716-446655440000",
            "s:550e8400-e29b-41d4-a716-44665544000"},
        {"s:550e8400-e29b-41d4-a716-446655440000",
            "s:550e8400-e29b-41d4-a716-4466554400000"},
        {"s:550e8400-e29b-41d4-a716-446655440000",
            "s:550e8400-e29b-41d4-a7160446655440000"},
        {"s:550e8400-e29b-41d4-a716-446655440000",
            "s:550e8400-e29b-41d40a716-446655440000"},
        {"s:550e8400-e29b-41d4-a716-446655440000",
            "s:550e8400-e29b041d4-a716-446655440000"},
        {"s:550e8400-e29b-41d4-a716-446655440000",
            "s:550e84000e29b-41d4-a716-446655440000"},
        {"s:550e8400-e29b-41d4-a716-446655440000",
            "s:550E8400-e29b-41d4-a716-446655440000"},
        {"a:1234:b:5678", "a:1234:b:05678"}, {"a:1234:b:5678", "a:01:b:5678"},
        {"a:1234:b:5678", "a:1234:b:"}, {"a:1234:b:5678", "a::b:5678"},
        {"a:1234:b:5678", "a:1234:b:5678:"}, {"a:1234:b:5678", "a:1234:c:5678"},
        {"a:1234:b:5678", "a:12345678901234567890:b:5678"},
        {"a:1234:b:0678", "a:1234:b:678"},
        {"a:123:550e8400-e29b-41d4-a716-446655440000", "a:123:550e8400-e29b"},
        {"a:123:a1b2c3d4", "a:123:a1b2c3d"}, {"a:123:a1b2c3d4", "a:123:A1B2"},
    };
    char to[FORM_MAX_PACKED];
    struct key_form f;
    struct str packed;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        form_as(keys[i].of, SHAPE_NUMBERS, &f);
        ck_assert(form_pack(&f, str_of(keys[i].of), to, &packed));
        ck_assert_msg(!form_pack(&f, str_of(keys[i].name), to, &packed),
            "%s as %s", keys[i].name, keys[i].of);
    }
}
END_TEST

START_TEST(keys_of_more_than_128_bytes_are_not_packed)
{
    char name[200], to[FORM_MAX_PACKED];
    struct key_form f;
    struct str packed;

    form_as("user:alice", SHAPE_SPACE, &f);
    memset(name, 'x', sizeof(name));
    memcpy(name, "user:", 5);
    ck_assert(form_pack(&f, (struct str){name, 128}, to, &packed));
    ck_assert(!form_pack(&f, (struct str){name, 129}, to, &packed));
}
END_TEST

/* ---- any keys ------------------------------------------------------------ */

static size_t
add_digits(char *to, const char *digits, size_t n)
{
    size_t base = strlen(digits);

    for (size_t i = 0; i < n; i++)
        to[i] = digits[roll() % base];
    return n;
}

/* One token of a key. */
static size_t
add_token(char *to)
{
    static const char *const words[] = {"user", "order", "a", "v2", "feed",
        "price", "x1y2", "\xc3\xa4", "_", "abcdefgh"};
    const char *word = words[roll() % ARRAY_LEN(words)];
    static const uint8_t group[] = {8, 4, 4, 4, 12};
    size_t len = 0;

    switch (roll() % 9) {
    case 0:
        return add_digits(to, "0123456789", 1 + roll() % 5);
    case 1:
        return add_digits(to, "0123456789", 1 + roll() % 21);
    case 2:
        return add_digits(to, "000123456789", 1 + roll() % 10);
    case 3:
        return add_digits(to, "0123456789abcdef", 1 + roll() % 40);
    case 4:
        return add_digits(to, "0123456789ABCDEF", 1 + roll() % 40);
    case 5:
        for (size_t i = 0; i < ARRAY_LEN(group); i++) {
            len += add_digits(to + len, roll() % 20 ? "0123456789abcdef" :
                "0123456789abcdefABCDEF", group[i] - (roll() % 40 == 0));
            if (i < 4)
                to[len++] = roll() % 40 ? '-' : "_:0"[roll() % 3];
        }
        return len;
    case 6:
        to[0] = (char)roll();
        return 1;
    default:
        memcpy(to, word, strlen(word));
        return strlen(word);
    }
}

static size_t
any_name(char to[FORM_MAX_NAME])
{
    char buf[1024];
    size_t len = 0, want = 1 + roll() % 8;

    for (size_t i = 0; i < want; i++) {
        len += add_token(buf + len);
        if (roll() % 8)
            buf[len++] = ":::::/.-"[roll() % 8];
    }
    len -= roll() % 2;
    while (len < FORM_MIN_NAME)
        buf[len++] = 'x';
    len = MIN(len, FORM_MAX_NAME);
    memcpy(to, buf, len);
    return len;
}

/* A key much like this one. */
static size_t
near_miss(const char *name, size_t len, char to[FORM_MAX_NAME + 1])
{
    size_t at = roll() % len;

    memcpy(to, name, len);
    switch (roll() % 5) {
    case 0:
        to[at] = "0123456789abcdefABF:/-@G`g\0\xff"[roll() % 28];
        return len;
    case 1:
        to[at] = (char)(to[at] + (roll() % 2 ? 1 : -1));
        return len;
    case 2: /* one more */
        memmove(to + at + 1, to + at, len - at);
        to[at] = "0:a9"[roll() % 4];
        return len + 1;
    case 3: /* one less */
        memmove(to + at, to + at + 1, len - at - 1);
        return len - 1;
    default:
        to[at] = name[roll() % len];
        return len;
    }
}

/* Exactly these bytes on the heap, so that reading others is seen. */
static struct str
on_heap(const char *p, size_t len)
{
    char *copy = xcalloc(1, MAX(len, 1));

    memcpy(copy, p, len);
    return (struct str){copy, len};
}

static void
free_copy(struct str s)
{
    free((char *)(uintptr_t)s.p);
}

static bool
packs_as_itself(const struct key_form *f, struct str name, char *to,
    struct str *packed)
{
    char buf[FORM_MAX_DECODED];
    struct str back;

    if (!form_pack(f, name, to, packed))
        return false;
    must_of(packed->len <= FORM_MAX_PACKED, name);
    must_of(form_decode(f, *packed, buf, &back), name);
    must_of(str_eq(back, name), back);
    must_of(form_equals(f, *packed, name), name);
    return true;
}

static void
check_near_misses(const struct key_form *f, struct str name,
    struct str packed)
{
    for (unsigned i = 0; i < 20; i++) {
        char to[FORM_MAX_PACKED], buf[FORM_MAX_NAME + 1];
        struct str other, other_packed;

        other = on_heap(buf, near_miss(name.p, name.len, buf));
        must_of(form_equals(f, packed, other) == str_eq(other, name), other);
        (void)packs_as_itself(f, other, to, &other_packed);
        free_copy(other);
    }
}

static void
check_shape(const struct key_scan *scan, const struct key_shape *s)
{
    unsigned at = 0, skip = (unsigned)(scan->tail.p - scan->name.p);

    must_of(s->n_holes >= 1 && s->n_holes <= FORM_MAX_HOLES, s->name);
    must_of(s->main < s->n_holes, s->name);
    for (unsigned i = 0; i < s->n_holes; i++) {
        must_of(s->hole[i].at >= at, s->name);
        at = s->hole[i].at + s->hole[i].len;
        must_of(at <= s->name.len, s->name);
    }
    if (s->packing == PACK_RAW)
        must_of(s->hole[0].at >= skip + scan->space_len, s->name);
}

START_TEST(any_key_comes_back_and_no_other_is_taken_for_it)
{
    unsigned packed_keys = 0;

    random_state = (uint64_t)_i;
    for (unsigned n = 0; n < 20000; n++) {
        char name[FORM_MAX_NAME];
        struct str key = on_heap(name, any_name(name));
        struct key_scan scan;

        shape_scan(key, space_of(key), &scan);
        for (unsigned kind = 0; kind < SHAPE_KINDS; kind++) {
            char to[FORM_MAX_PACKED];
            struct key_shape s;
            struct key_form f;
            struct str packed;

            if (!shape_make(&scan, kind, &s))
                continue;
            check_shape(&scan, &s);
            form_make(&f, &s);
            must_of(form_is_of(&f, &s), key);
            if (!packs_as_itself(&f, key, to, &packed))
                continue;
            packed_keys++;
            check_near_misses(&f, key, packed);
        }
        free_copy(key);
    }
    ck_assert_uint_gt(packed_keys, 40000);
}
END_TEST

START_TEST(bytes_of_a_wrong_number_are_refused)
{
    static const char nine[9] = {7}, two[2] = {7}, zeros[129];
    static const char uuid[] = "n:00000000-0000-0000-0000-000000000000";
    char buf[FORM_MAX_DECODED];
    struct key_form f;
    struct str back;

    form_as("n:1234567", SHAPE_NUMBERS, &f);
    ck_assert(form_equals(&f, (struct str){two, 2}, STR("n:7")));
    ck_assert(!form_equals(&f, (struct str){nine, 9}, STR("n:7")));
    ck_assert(!form_decode(&f, (struct str){nine, 9}, buf, &back));
    form_as("a:0123:b:4567", SHAPE_NUMBERS, &f); /* 4567 is the main one */
    ck_assert(form_decode(&f, STR("\x7b\xd7\x11"), buf, &back));
    ck_assert(str_eq(back, STR("a:0123:b:4567")));
    ck_assert(!form_decode(&f, STR("\x90\xce\x00\xd7\x11"), buf, &back));
    ck_assert(!form_decode(&f, STR("\xfb"), buf, &back));
    ck_assert(!form_decode(&f, STR(""), buf, &back));
    ck_assert(!form_equals(&f, STR("\xfb"), STR("a:0123:b:4567")));
    form_as(uuid, SHAPE_NUMBERS, &f);
    for (size_t len = 0; len < 20; len++) {
        struct str bytes = {zeros, len};

        ck_assert_int_eq(form_equals(&f, bytes, str_of(uuid)), len == 16);
        ck_assert_int_eq(form_decode(&f, bytes, buf, &back), len == 16);
    }
    form_as("user:alice", SHAPE_SPACE, &f);
    ck_assert(form_decode(&f, (struct str){zeros, 128}, buf, &back));
    ck_assert(!form_decode(&f, (struct str){zeros, 129}, buf, &back));
}
END_TEST

START_TEST(garbage_is_refused_or_stands_for_a_key)
{
    unsigned keys = 0;

    random_state = (uint64_t)_i;
    for (unsigned n = 0; n < 100000; n++) {
        char name[FORM_MAX_NAME], bytes[300], buf[FORM_MAX_DECODED];
        size_t len = roll() % (roll() % 2 ? 20 : sizeof(bytes));
        struct str garbage, back;
        struct key_shape s;
        struct key_form f;

        if (!shape_as(name, any_name(name), SHAPE_NUMBERS, &s))
            continue;
        form_make(&f, &s);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(roll() % 3 ? roll() % 128 : roll());
        garbage = on_heap(bytes, len);
        if (form_decode(&f, garbage, buf, &back)) {
            keys++;
            must_of(back.len < FORM_MAX_DECODED, back);
        }
        (void)form_equals(&f, garbage, (struct str){name, s.name.len});
        free_copy(garbage);
    }
    ck_assert_uint_gt(keys, 10000);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("shape");
    TCase *c = tcase_create("shape");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, numbers_hex_and_uuids_are_holes);
    tcase_add_test(c, words_are_holes);
    tcase_add_test(c, of_a_long_key_the_last_64_bytes_differ);
    tcase_add_test(c, a_word_is_of_letters_and_single_digits);
    tcase_add_test(c, the_hash_is_of_all_but_the_holes);
    tcase_add_test(c, packing_takes_as_many_bytes_as_needed);
    tcase_add_loop_test(c, what_is_no_digit_has_no_number, 0, 6);
    tcase_add_test(c, what_does_not_round_trip_is_not_packed);
    tcase_add_test(c, keys_of_more_than_128_bytes_are_not_packed);
    tcase_add_loop_test(c, any_key_comes_back_and_no_other_is_taken_for_it, 0,
        2);
    tcase_add_test(c, bytes_of_a_wrong_number_are_refused);
    tcase_add_loop_test(c, garbage_is_refused_or_stands_for_a_key, 0, 2);
    suite_add_tcase(s, c);
    return run_suite(s);
}
