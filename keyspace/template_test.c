/* SPDX-License-Identifier: BSD-3-Clause */
/* template_test.c - key templates: keys are the same after packing, whichever
 * way an item has them. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

static struct fixture f;

static void
open_ks(void)
{
    fixture_open(&f, 512 * MIB);
}

static void
close_ks(void)
{
    fixture_close(&f);
}

static uint64_t random_state;

static uint64_t
roll(void)
{
    return splitmix64(&random_state);
}

/* The result stands until the next call. Each call is one of those that are
 * learned from; words get their turns. */
static const struct stored_key *
encode_by(struct template_memo *memo, const char *name, unsigned db)
{
    static struct stored_key stored;
    static unsigned turn;
    struct ks_key key = ks_key(f.ks, db, str_of(name));

    template_encode(f.ks->templates, memo, &key, 4 * turn++, &stored);
    return &stored;
}

static const struct stored_key *
encode(const char *name, unsigned db)
{
    struct template_memo none = {{0}};

    return encode_by(&none, name, db);
}

/* Make a template of the shape of `name`. */
static uint32_t
teach(const char *name)
{
    uint32_t was = templates_count(f.ks->templates);

    for (int n = 0; n < 500 && encode(name, 0)->id == 0; n++)
        ;
    ck_assert_uint_eq(templates_count(f.ks->templates), was + 1);
    return encode(name, 0)->id;
}

/* The key in its stored form is itself, and none of the others. */
static void
assert_round_trip(const char *name)
{
    const struct stored_key *s = encode(name, 0);
    char buf[KS_MAX_KEY];
    struct item_view v = {.id = s->id, .stored = s->key};
    struct str back, same = str_of(name);
    char other[300];

    must_of(item_key(f.ks->templates, &v, buf, &back), same);
    must_of(str_eq(back, same), back);
    must_of(item_has_key(f.ks->templates, &v, same, 0), same);
    must_of(!item_has_key(f.ks->templates, &v, same, 1), same);
    must_of(item_space(f.ks->templates, &v) == 0, same);
    for (size_t i = 0; i < same.len; i++) { /* each byte counts */
        memcpy(other, name, same.len);
        for (unsigned c = 0; c < 256; c++) {
            other[i] = (char)c;
            must_of(item_has_key(f.ks->templates, &v,
                (struct str){other, same.len}, 0) == (other[i] == name[i]),
                same);
        }
        other[i] = name[i];
        must_of(!item_has_key(f.ks->templates, &v, (struct str){other, i}, 0),
            same);
        memmove(other + i + 1, other + i, same.len - i);
        other[i] = '0'; /* as the key only before a '0', and that is longer */
        must_of(!item_has_key(f.ks->templates, &v,
            (struct str){other, same.len + 1}, 0), same);
    }
}

/* ---- shapes -------------------------------------------------------------- */

START_TEST(a_number_costs_its_bytes)
{
    static const struct {
        const char *name;
        size_t stored;
    } keys[] = {{"user:0000000000:profile", 0}, {"user:0000000255:profile", 1},
        {"user:0000000256:profile", 2}, {"user:0001234567:profile", 3},
        {"user:0999999999:profile", 4}};

    (void)teach("user:0000000001:profile");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct stored_key *s = encode(keys[i].name, 0);

        ck_assert_uint_ge(s->id, TEMPLATE_FIRST_ID);
        ck_assert_uint_eq(s->key.len, keys[i].stored);
        assert_round_trip(keys[i].name);
    }
}
END_TEST

START_TEST(hex_costs_half_its_length)
{
    (void)teach("sess:550e8400e29b41d4a716446655440000");
    ck_assert_uint_eq(encode("sess:00112233445566778899aabbccddeeff", 0)
        ->key.len, 16);
    assert_round_trip("sess:00112233445566778899aabbccddeeff");
    assert_round_trip("sess:9d0abcdef1");
    (void)teach("550e8400e29b41d4a716446655440000");
    ck_assert_uint_eq(encode("0f112233445566778899aabbccddeeff", 0)->key.len,
        16);
    assert_round_trip("0f112233445566778899aabbccddeeff");
}
END_TEST

START_TEST(what_does_not_round_trip_is_kept_as_it_is_or_in_another_template)
{
    static const char *const keys[] = {"item:1234567", "item:0", "item:00",
        "item:01", "item:001", "item:000", "item:0000000000000000000",
        "item:9999999999999999999", "item:18446744073709551615",
        "item:18446744073709551616", "item:00000000000000000000",
        "item:123456789012345678901234567890",
        "item:1234567890123456789012345678901", "item:", "item",
        "item:-5", "item:1a2b3c4d", "item:1A2B3C4D", "item:1a2b3c4D",
        "item:1a2b3c4d5", "item:1a2b3c4d5e", "item:1a2b3c4g5e", "item:feed1234",
        "item:deadbeef", "item:12345678deadbeef", "item:1234:1234", "item:12 ",
        "12345678", "012345678", "12345678:", ":12345678", "1", "", "0"};

    for (int learned = 0; learned < 2; learned++) {
        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
            for (int n = 0; learned == 1 && n < 100; n++)
                (void)encode(keys[i], 0);
            assert_round_trip(keys[i]);
        }
    }
    ck_assert_uint_gt(templates_count(f.ks->templates), 10);
}
END_TEST

START_TEST(numbers_of_one_template_are_told_apart_by_their_zeros)
{
    uint32_t plain = teach("n:17:x"), wide = teach("n:0017:x");

    ck_assert_uint_ne(plain, wide);
    ck_assert_uint_eq(encode("n:1017:x", 0)->id, plain);
    ck_assert_uint_eq(encode("n:0000:x", 0)->id, wide);
    ck_assert_uint_eq(encode("n:00000:x", 0)->id, 0);
    assert_round_trip("n:1017:x");
    assert_round_trip("n:0007:x");
}
END_TEST

START_TEST(a_template_belongs_to_one_database)
{
    uint32_t id = teach("shared:123456");
    const struct stored_key *s = NULL;

    ck_assert_uint_eq(encode("shared:123456", 3)->id, 3);
    for (int n = 0; n < 100; n++)
        s = encode("shared:123456", 3);
    ck_assert_uint_ge(s->id, TEMPLATE_FIRST_ID);
    ck_assert_uint_ne(s->id, id);
    ck_assert_uint_eq(template_space(f.ks->templates, s->id), 3);
}
END_TEST

START_TEST(long_keys_are_kept_as_they_are)
{
    char name[400];

    for (size_t len = 100; len < sizeof(name); len += 7) {
        memset(name, 'p', len);
        memcpy(name + len - 8, "1234567", 8);
        for (int n = 0; n < 100; n++)
            (void)encode(name, 0);
        if (len < 110)
            ck_assert_uint_ge(encode(name, 0)->id, TEMPLATE_FIRST_ID);
        if (len > 130)
            ck_assert_uint_eq(encode(name, 0)->id, 0);
    }
    memset(name, '7', sizeof(name));
    for (size_t len = 200; len < 300; len++) {
        name[len] = '\0';
        for (int n = 0; n < 100; n++)
            (void)encode(name, 0);
        assert_round_trip(name);
        name[len] = '7';
    }
}
END_TEST

START_TEST(a_word_is_a_hole_where_there_is_no_number)
{
    for (int n = 0; n < 1000; n++) {
        char name[64];

        snprintf(name, sizeof(name), "account:n%c%c:settings",
            'a' + n % 26, 'a' + n / 26 % 26);
        (void)encode(name, 0);
    }
    ck_assert_uint_eq(encode("account:bob:settings", 0)->key.len, 3);
    assert_round_trip("account:bob:settings");
    assert_round_trip("account::settings");
    assert_round_trip("account:bob");
}
END_TEST

static void
reopen(const char *delimiter, const char *prefixes)
{
    struct keyspace_options options = f.options;

    options.namespace_delimiter = (char *)(uintptr_t)delimiter;
    options.namespace_prefixes = (char *)(uintptr_t)prefixes;
    close_ks();
    fixture_open_with(&f, 512 * MIB, &options);
}

/* Insert keys of two numbers, and tell how many of them one template fits. */
static unsigned
fit_one(const char *format)
{
    char name[64];
    unsigned fit = 0;
    uint32_t id;

    for (unsigned n = 0; n < 1000; n++) {
        snprintf(name, sizeof(name), format, 12345 + n % 500, 10 + n % 90);
        (void)encode(name, 0);
    }
    snprintf(name, sizeof(name), format, 40000, 99);
    id = encode(name, 0)->id;
    for (unsigned n = 0; n < 1000; n++) {
        snprintf(name, sizeof(name), format, 20000 + n, 10 + n % 90);
        assert_round_trip(name);
        fit += id >= TEMPLATE_FIRST_ID && encode(name, 0)->id == id;
    }
    return fit;
}

START_TEST(holes_begin_after_the_configured_delimiter)
{
    ck_assert_uint_eq(fit_one("a|%u:%u"), 0); /* the first number is a name */
    reopen("|", "");
    ck_assert_uint_eq(fit_one("a|%u:%u"), 1000);
    ck_assert_uint_eq(fit_one("b|%u|%u"), 1000);
    reopen("", "");
    ck_assert_uint_eq(fit_one("a|%u:%u"), 1000);
}
END_TEST

START_TEST(holes_begin_after_a_configured_prefix)
{
    reopen(":", "app: ap app:long:");
    ck_assert_uint_eq(fit_one("app%u:%u"), 1000);
    ck_assert_uint_eq(fit_one("app:%u:%u"), 1000);
    ck_assert_uint_eq(fit_one("app:long:%u:%u"), 1000);
    ck_assert_uint_eq(fit_one("other%u:%u"), 0);
}
END_TEST

START_TEST(the_last_template_is_no_worse_than_the_best)
{
    struct template_memo memo = {{0}};
    const struct stored_key *s;
    uint32_t words, numbers;

    for (int n = 0; n < 1000; n++) {
        char name[64];

        snprintf(name, sizeof(name), "user:n%c%c:profile", 'a' + n % 26,
            'a' + n / 26 % 26);
        (void)encode(name, 0);
    }
    for (int n = 0; n < 100; n++)
        (void)encode("user:1234567:profile", 0);
    numbers = encode("user:1234567:profile", 0)->id;
    ck_assert_uint_eq(encode("user:1234567:profile", 0)->key.len, 3);
    words = encode_by(&memo, "user:bob:profile", 0)->id;
    ck_assert_uint_ne(words, numbers);
    s = encode_by(&memo, "user:4567:profile", 0); /* not as a word */
    ck_assert_uint_eq(s->id, numbers);
    ck_assert_uint_eq(s->key.len, 2);
    s = encode_by(&memo, "user:65536:profile", 0);
    ck_assert_uint_eq(s->id, numbers);
    ck_assert_uint_eq(s->key.len, 3);
    ck_assert_uint_eq(encode_by(&memo, "user:65536:profile", 1)->id, 1);
    ck_assert_uint_ne(encode_by(&memo, "user:065536:profile", 0)->id, numbers);
    ck_assert_uint_eq(encode_by(&memo, "user:bob:profile", 0)->id, words);
    ck_assert(str_eq(encode_by(&memo, "user:bob:profile", 0)->key,
        STR("bob")));
}
END_TEST

START_TEST(garbage_is_no_key_of_any_template)
{
    char bytes[512], buf[KS_MAX_KEY];
    struct str name;
    uint32_t last = teach("a:1234567");

    (void)teach("a:0234567");
    last = teach("a:1234567890abcdef");
    random_state = 1;
    for (int n = 0; n < 200000; n++) {
        uint32_t id = (uint32_t)(roll() % 8 ? 14 + roll() % (last - 10) :
            roll() % 65536);
        size_t len = roll() % (roll() % 2 ? 10 : sizeof(bytes));

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)roll();
        if (id < TEMPLATE_FIRST_ID)
            continue;
        if (id > last) {
            struct str key = STR("a:1234567");

            must_of(template_space(f.ks->templates, id) == UINT32_MAX, key);
            must_of(!template_decode(f.ks->templates, id,
                (struct str){bytes, len}, buf, &name), name);
            must_of(!template_equals(f.ks->templates, id,
                (struct str){bytes, len}, key, 0), key);
        } else if (template_decode(f.ks->templates, id,
            (struct str){bytes, len}, buf, &name)) {
            must_of(name.len <= 512, name);
            must_of(template_equals(f.ks->templates, id,
                (struct str){bytes, len}, name, 0), name);
        }
    }
}
END_TEST

/* ---- bounds -------------------------------------------------------------- */

START_TEST(a_million_prefixes_cost_bounded_memory)
{
    size_t before = slab_used(f.slab);

    for (unsigned n = 0; n < 1000000; n++) {
        char name[40];

        snprintf(name, sizeof(name), "%cn%xx:123456", 'g' + n % 8, n);
        must_of(encode(name, 0)->id == 0, str_of(name));
    }
    ck_assert_uint_eq(slab_used(f.slab), before);
    ck_assert_uint_eq(templates_count(f.ks->templates), 0);
}
END_TEST

START_TEST(a_shape_is_learned_amid_a_flood_of_others)
{
    bool learned = false;

    for (unsigned n = 0; n < 400000 && !learned; n++) {
        char name[40];

        if (n % 10 == 0)
            learned = encode("user:0001234567:profile", 0)->id != 0;
        snprintf(name, sizeof(name), "%cn%xx:123456", 'g' + n % 8, n);
        (void)encode(name, 0);
    }
    ck_assert(learned);
}
END_TEST

/* 3000 shapes in 4096 places, of which some sets are full. They have been seen
 * almost often enough when shapes come by that are seen but once. */
START_TEST(what_is_seen_often_outlives_what_is_seen_once)
{
    char name[64];
    unsigned learned = 0;

    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "shape%uywithsometextz12345678", i);
        for (int n = 0; n < 12; n++)
            (void)encode(name, 0);
    }
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "%cn%ux12", 'g' + i % 8, i);
        (void)encode(name, 0);
    }
    ck_assert_uint_eq(templates_count(f.ks->templates), 0);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "shape%uywithsometextz12345678", i);
        for (int n = 0; n < 4; n++)
            (void)encode(name, 0);
        learned += encode(name, 0)->id != 0;
    }
    ck_assert_uint_gt(learned, 700); /* 550 if one in each full set is lost */
}
END_TEST

START_TEST(what_is_seen_no_more_gives_way)
{
    char name[64];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "shape%uywithsometextz12345678", i);
        for (int n = 0; n < 12; n++)
            (void)encode(name, 0);
    }
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "new%c12345678", 'g' + i);
        (void)teach(name);
    }
}
END_TEST

/* Calls until a key is packed. */
static unsigned
calls_to_learn(const char *name)
{
    unsigned n = 1;

    while (encode(name, 0)->id == 0 && n < 10000)
        n++;
    return n;
}

START_TEST(more_sightings_are_wanted_as_ids_get_scarce)
{
    char name[64];
    unsigned words;

    for (unsigned i = 0; i < 1024; i++) {
        snprintf(name, sizeof(name), "x%uy12345678", i);
        ck_assert_uint_eq(calls_to_learn(name), 17);
    }
    ck_assert_uint_eq(calls_to_learn("late:12345678"), 33);
    words = calls_to_learn("page-word/word") / 3; /* every third is theirs */
    ck_assert_uint_ge(words, 126);
    ck_assert_uint_le(words, 130);
}
END_TEST

START_TEST(what_saves_nothing_is_no_template)
{
    struct template_memo memo = {{0}};

    for (int n = 0; n < 100; n++)
        ck_assert_uint_eq(encode("1234", 0)->id, 0);
    ck_assert_uint_eq(templates_count(f.ks->templates), 0);
    for (int n = 0; n < 100; n++)
        (void)encode("1234", 1); /* has an id in any case */
    ck_assert_uint_ge(encode("1234", 1)->id, TEMPLATE_FIRST_ID);
    ck_assert_uint_eq(encode("1234", 1)->key.len, 2);
    (void)teach("12345678");
    ck_assert_uint_ne(encode_by(&memo, "12345678", 0)->id, 0);
    ck_assert_uint_eq(encode_by(&memo, "9999", 0)->id, 0);
    ck_assert_uint_eq(encode_by(&memo, "9999", 0)->key.len, 4);
}
END_TEST

static uint32_t
flood(const char *format, unsigned n_shapes, unsigned n_seen)
{
    char name[64];

    for (unsigned i = 0; i < n_shapes; i++) {
        snprintf(name, sizeof(name), format, i, i);
        for (unsigned n = 0; n < n_seen; n++)
            (void)encode(name, 0);
    }
    return templates_count(f.ks->templates);
}

START_TEST(hostile_shapes_fill_the_table_and_no_more)
{
    size_t before = slab_used(f.slab);
    char name[40];

    ck_assert_uint_eq(flood("x%uy:z12345678", 6000, 260),
        ITEM_IDS - TEMPLATE_FIRST_ID);
    ck_assert_uint_eq(slab_used(f.slab) - before,
        (ITEM_IDS - TEMPLATE_FIRST_ID) * 128);
    for (unsigned i = 0; i < 6000; i += 100) {
        snprintf(name, sizeof(name), "x%uy:z12345678", i);
        assert_round_trip(name);
        set(&f, name, name);
        assert_value(&f, name, name);
    }
    snprintf(name, sizeof(name), "late:12345678");
    set(&f, name, "v");
    assert_value(&f, name, "v");
}
END_TEST

START_TEST(shapes_of_words_leave_half_of_the_table)
{
    (void)flood("page-x%uy/wordword", 2100, 400);
    ck_assert_uint_eq(flood("page-y%uy/wordword", 100, 1000),
        (ITEM_IDS - TEMPLATE_FIRST_ID) / 2);
    (void)teach("user:1234567:profile");
}
END_TEST

/* ---- a keyspace of both kinds -------------------------------------------- */

#define N_NAMES 8000
#define MAX_NAME 160

static struct name {
    size_t len;
    char p[MAX_NAME];
} names[N_NAMES];

static int
make_uuid(char *to, uint32_t a, uint32_t b)
{
    return sprintf(to, "u:%08x-%04x-4%03x-a%03x-%04x%08x", a, b & 0xffff,
        b >> 20, a >> 20, a & 0xffff, b);
}

/* The n-th key of a mix of shapes and of what comes near them. */
static size_t
mixed_name(char *name, unsigned n)
{
    unsigned i = n / 20, r = i * 2654435761u;
    int len;

    switch (n % 20) {
    case 0:
        return (size_t)sprintf(name, "user:%010u:profile", i);
    case 1:
        return (size_t)sprintf(name, "user:%u:profile", i);
    case 2:
        return (size_t)sprintf(name, "sess:%08x%08x", r, i);
    case 3:
        return (size_t)sprintf(name, "%x", r);
    case 4:
        return (size_t)sprintf(name, "n%0*u", (int)(i % 12), i);
    case 5:
        return (size_t)sprintf(name, "SESS:%08X", r);
    case 6: /* 20 digits and more */
        return (size_t)sprintf(name, "%05u%020u", i, i);
    case 7:
        return (size_t)sprintf(name, "t%u:obj:%u", i % 5, i);
    case 8: /* 19 digits */
        return (size_t)sprintf(name, "big:1%018u", i);
    case 9: /* odd hex */
        return (size_t)sprintf(name, "sess:%x%08x", i % 16, r);
    case 10:
        return (size_t)make_uuid(name, r, r ^ i);
    case 11: /* not quite */
        len = make_uuid(name, r, r ^ i);
        name[2 + i % 36] = "-0Aag:"[i % 6];
        return (size_t)len;
    case 12: /* NULs */
        len = sprintf(name, "nul:%u:x%u", i, i);
        name[i % 2 ? 4 : len - 1] = '\0';
        return (size_t)len;
    case 13: /* the longest that are packed, and longer ones */
        return (size_t)sprintf(name, "long:%0*d:%u", (int)(90 + i % 50), 7, i);
    case 14:
        return (size_t)sprintf(name, "user:%u:order:%u", i % 300, i);
    case 15:
        return (size_t)sprintf(name, "day:20%02u-%02u-%02u", i % 100,
            i / 100 % 12 + 1, i % 28 + 1);
    case 16:
        return (size_t)sprintf(name, "ip:10.%u.%u.%u", i % 256, r % 256, i % 7);
    case 17:
        return (size_t)sprintf(name, "page:/a/%c%c/%c", 'a' + i % 26,
            'a' + i / 26 % 26, 'g' + i / 676);
    case 18:
        return (size_t)sprintf(name, "user:%u:sess:%08x%08x", i % 50, i, r);
    default: /* none at all, once */
        return i == 0 ? 0 : (size_t)sprintf(name, ":%0*u:", (int)(i % 22), i);
    }
}

/* All names, no two of them equal. */
static void
make_names(void)
{
    for (unsigned n = 0; n < N_NAMES; n++) {
        struct name *name = &names[n];

        name->len = mixed_name(name->p, n);
        for (unsigned i = 0; i < n; i++) {
            if (names[i].len == name->len &&
                memcmp(names[i].p, name->p, name->len) == 0) {
                name->len = (size_t)sprintf(name->p, "again:%u", n);
                break;
            }
        }
    }
}

struct model {
    bool there;
    uint32_t value;
};

static void
add(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    uint32_t *n = ctx;
    uint32_t was = 0;

    if (old->exists)
        memcpy(&was, old->value.p, 4);
    *n += was;
    new->action = KS_PUT;
    new->part[0] = (struct str){(const char *)n, 4};
    new->n_parts = 1;
}

static void
one_step(struct model *m, const struct ks_key *key)
{
    uint32_t value = (uint32_t)roll();
    struct read_back r = {{0}};
    uint32_t was = 0;

    switch (roll() % 6) {
    case 0:
    case 1:
        must_of(ks_set(f.t, key, (struct str){(char *)&value, 4},
            roll() % 2 ? KS_NO_EXPIRY : clock_wall_ms() + 3600000) == KS_OK,
            key->name);
        *m = (struct model){true, value};
        break;
    case 2:
        m->value = value + (m->there ? m->value : 0);
        m->there = true;
        must_of(ks_update(f.t, key, add, &value) == KS_OK, key->name);
        break;
    case 3:
        must_of(ks_delete(f.t, key) == (m->there ? KS_OK : KS_MISS), key->name);
        m->there = false;
        break;
    default:
        must_of(read_value(&f, f.t, key, &r) == m->there, key->name);
        if (m->there) {
            memcpy(&was, r.buf.p, 4);
            must_of(was == m->value, key->name);
        }
        buf_free(&r.buf);
    }
}

struct walked {
    unsigned n;
    bool seen[N_NAMES];
};

static bool
walk_visit(void *ctx, struct str name, const struct ks_info *info)
{
    struct walked *w = ctx;

    (void)info;
    w->n++;
    for (unsigned n = 0; n < N_NAMES; n++) {
        if (str_eq((struct str){names[n].p, names[n].len}, name)) {
            must_of(!w->seen[n], name);
            w->seen[n] = true;
            return true;
        }
    }
    ck_abort_msg("a key that was never set: %.*s", STR_ARG(name));
    return true;
}

static void
run_mix(unsigned db, unsigned steps)
{
    struct model *m = xcalloc(N_NAMES, sizeof(*m));
    struct walked *w = xcalloc(1, sizeof(*w));
    unsigned there = 0;
    uint64_t cursor = 0;

    for (unsigned i = 0; i < steps; i++) {
        unsigned n = (unsigned)(roll() % N_NAMES);
        struct ks_key key = ks_key(f.ks, db,
            (struct str){names[n].p, names[n].len});

        one_step(&m[n], &key);
        if (i % 1000 == 0) /* both kinds, also after templates are known */
            f.options.key_interning = roll() % 2;
    }
    do
        cursor = ks_scan(f.t, db, cursor, 100, walk_visit, w);
    while (cursor != 0);
    for (unsigned n = 0; n < N_NAMES; n++) {
        there += m[n].there;
        ck_assert_int_eq(m[n].there, w->seen[n]);
    }
    ck_assert_uint_eq(w->n, there);
    ck_assert_uint_gt(templates_count(f.ks->templates), 15);
    free(m);
    free(w);
}

START_TEST(any_mix_of_raw_and_templated_keys_answers_as_a_plain_map)
{
    struct ks_db_stats s;
    unsigned seed = (unsigned)_i;

    random_state = seed;
    make_names();
    if (seed % 2 == 1)
        reopen("-", "user:0 sess:a us o");
    run_mix(0, 160000);
    run_mix(5, 80000);
    ks_flush(f.t, 5);
    ks_db_stats(f.ks, 5, &s);
    ck_assert_uint_eq(s.items, 0);
    ck_assert_uint_eq(s.expires, 0);
    ks_db_stats(f.ks, 0, &s);
    ck_assert_uint_gt(s.items, N_NAMES / 3);
}
END_TEST

START_TEST(a_key_written_before_its_template_is_found_and_replaced)
{
    struct ks_db_stats s;
    char name[64];

    for (unsigned n = 0; n < 2000; n++) {
        snprintf(name, sizeof(name), "user:%010u:profile", n);
        set(&f, name, "old");
    }
    ck_assert_uint_ge(encode("user:0000000001:profile", 0)->id,
        TEMPLATE_FIRST_ID);
    for (unsigned n = 0; n < 2000; n++) {
        snprintf(name, sizeof(name), "user:%010u:profile", n);
        assert_value(&f, name, "old");
        set(&f, name, "new");
        assert_value(&f, name, "new");
    }
    ks_db_stats(f.ks, 0, &s);
    ck_assert_uint_eq(s.items, 2000);
}
END_TEST

START_TEST(with_interning_off_keys_are_stored_whole)
{
    f.options.key_interning = 0;
    for (unsigned n = 0; n < 2000; n++) {
        char name[64];

        snprintf(name, sizeof(name), "user:%010u:profile", n);
        set(&f, name, "v");
        assert_value(&f, name, "v");
    }
    ck_assert_uint_eq(templates_count(f.ks->templates), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("template");
    TCase *c = tcase_create("template");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_number_costs_its_bytes);
    tcase_add_test(c, hex_costs_half_its_length);
    tcase_add_test(c,
        what_does_not_round_trip_is_kept_as_it_is_or_in_another_template);
    tcase_add_test(c, numbers_of_one_template_are_told_apart_by_their_zeros);
    tcase_add_test(c, a_template_belongs_to_one_database);
    tcase_add_test(c, long_keys_are_kept_as_they_are);
    tcase_add_test(c, a_word_is_a_hole_where_there_is_no_number);
    tcase_add_test(c, holes_begin_after_the_configured_delimiter);
    tcase_add_test(c, holes_begin_after_a_configured_prefix);
    tcase_add_test(c, the_last_template_is_no_worse_than_the_best);
    tcase_add_test(c, garbage_is_no_key_of_any_template);
    tcase_add_test(c, a_million_prefixes_cost_bounded_memory);
    tcase_add_test(c, a_shape_is_learned_amid_a_flood_of_others);
    tcase_add_test(c, what_is_seen_often_outlives_what_is_seen_once);
    tcase_add_test(c, what_is_seen_no_more_gives_way);
    tcase_add_test(c, more_sightings_are_wanted_as_ids_get_scarce);
    tcase_add_test(c, what_saves_nothing_is_no_template);
    tcase_add_test(c, hostile_shapes_fill_the_table_and_no_more);
    tcase_add_test(c, shapes_of_words_leave_half_of_the_table);
    tcase_add_test(c, a_key_written_before_its_template_is_found_and_replaced);
    tcase_add_test(c, with_interning_off_keys_are_stored_whole);
    tcase_add_loop_test(c,
        any_mix_of_raw_and_templated_keys_answers_as_a_plain_map, 0, 3);
    suite_add_tcase(s, c);
    return run_suite(s);
}
