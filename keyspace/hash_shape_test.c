/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_shape_test.c - field names that are stored once, that are given up, and
 * that are hostile; bytes that no writer made.
 */
#include "keyspace/hash_form.h"
#include "keyspace/testing.h"

#define NOW ((uint64_t)1800000000000)
#define MOST_SHAPES 4096

static struct fixture f;

static void
set_up(void)
{
    clock_fake(NOW);
    fixture_open(&f, 256 * MIB);
}

static void
tear_down(void)
{
    fixture_close(&f);
    clock_unfake();
}

/* A hash of three fields; `words` tells lists of names apart. */
static void
put_hash(const char *name, const char *words)
{
    struct ks_key key = key_of(&f, name);
    char field[3][64];
    struct hash_edit *e;

    ck_assert_int_eq(hash_edit(f.t, &key, HASH_REPLACE, 3, 300, &e), KS_OK);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(field[i], sizeof(field[i]), "%s:name:%u", words, i);
        (void)hash_edit_set(e, str_of(field[i]), str_of(words), KS_NO_EXPIRY);
    }
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_OK);
}

static void
assert_hash(struct ks_thread *t, const char *name, const char *words)
{
    struct ks_key key = key_of(&f, name);
    struct hash_reader *r;
    struct hash_field field;
    uint64_t at = 0;
    unsigned n = 0;

    ck_assert_int_eq(hash_open(t, &key, KS_READ, &r), KS_OK);
    while (hash_next(r, &at, &field)) {
        char want[64];

        snprintf(want, sizeof(want), "%s:name:%u", words, n++);
        ck_assert(str_eq(field.name, str_of(want)));
        ck_assert(str_eq(field.value, str_of(words)));
    }
    ck_assert_uint_eq(n, 3);
    hash_close(r);
}

static enum hash_form
form_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct hash_reader *r;
    enum hash_form form;

    ck_assert_int_eq(hash_open(f.t, &key, KS_PEEK, &r), KS_OK);
    form = (enum hash_form)((uint8_t)r->bytes[0] & FORM_MASK);
    hash_close(r);
    return form;
}

static size_t
shapes(void)
{
    return hash_shapes_count(f.ks->shapes);
}

START_TEST(names_that_come_often_are_stored_once)
{
    size_t before, after;
    char name[32];

    put_hash("first", "single");
    before = hash_shapes_bytes(f.ks->shapes);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "user:%u", i);
        put_hash(name, i % 2 ? "odd" : "even");
    }
    ck_assert_uint_eq(shapes(), 2);
    after = hash_shapes_bytes(f.ks->shapes);
    ck_assert_uint_lt(after - before, 1024);
    ck_assert_int_eq(form_of("user:0"), FORM_PLAIN);
    ck_assert_int_eq(form_of("user:999"), FORM_SHAPED);
    assert_hash(f.t, "user:0", "even");
    assert_hash(f.t, "user:999", "odd");
    /* a shape is found when a hash that has none is written */
    put_hash("user:0", "even");
    ck_assert_int_eq(form_of("user:0"), FORM_SHAPED);
    assert_hash(f.t, "user:0", "even");
}
END_TEST

START_TEST(a_million_names_cost_little_memory)
{
    char name[32], words[32];

    for (unsigned i = 0; i < 334000; i++) {
        snprintf(name, sizeof(name), "hostile:%u", i % 1000);
        snprintf(words, sizeof(words), "w%u", i);
        put_hash(name, words);
    }
    ck_assert_uint_eq(shapes(), 0);
    for (unsigned i = 0; i < 160000; i++) {
        snprintf(name, sizeof(name), "hostile:%u", i % 1000);
        snprintf(words, sizeof(words), "w%u", i / 8);
        put_hash(name, words);
    }
    ck_assert_uint_le(shapes(), MOST_SHAPES);
    ck_assert_uint_gt(shapes(), 500);
    ck_assert_uint_lt(hash_shapes_bytes(f.ks->shapes), 3 * MIB);
    assert_hash(f.t, name, words);
}
END_TEST

/* As many lists as there may be, each seen often enough. */
static void
fill_shapes(void)
{
    char name[32], words[32];

    for (unsigned i = 0; i < MOST_SHAPES; i++) {
        snprintf(name, sizeof(name), "fill:%u", i);
        snprintf(words, sizeof(words), "fill%u", i);
        for (unsigned n = 0; n < 64; n++)
            put_hash(name, words);
    }
}

static void
pass_time(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        clock_fake(clock_wall_ms() + 1000);
        for (unsigned n = 0; n < 1000 && ks_maintain(f.t); n++)
            ;
    }
}

static bool
becomes_shaped(const char *words)
{
    for (unsigned i = 0; i < 200; i++)
        put_hash("new", words);
    return form_of("new") == FORM_SHAPED;
}

START_TEST(shapes_that_no_item_has_are_given_up)
{
    struct ks_thread *other = ks_thread_new(f.ks);
    struct ks_key key = key_of(&f, "fill:7");
    struct hash_reader *r;
    struct hash_field field;
    uint64_t at = 0;
    size_t full;
    char name[32];

    fill_shapes();
    full = shapes();
    ck_assert_uint_gt(full, MOST_SHAPES * 9 / 10);
    ck_assert_int_eq(form_of("fill:7"), FORM_SHAPED);
    while (becomes_shaped("unheard"))
        ck_abort_msg("there is room");
    pass_time(3); /* all are in use */
    ck_assert_uint_eq(shapes(), full);
    /* a reader that is slow, and all but one hash go */
    ck_assert_int_eq(hash_open(other, &key, KS_READ, &r), KS_OK);
    for (unsigned i = 1; i < MOST_SHAPES; i++) {
        snprintf(name, sizeof(name), "fill:%u", i);
        key = key_of(&f, name);
        ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
    }
    ck_assert(!becomes_shaped("unheard"));
    pass_time(20);
    ck_assert_uint_lt(shapes(), 2);
    ck_assert(hash_next(r, &at, &field));
    ck_assert(str_eq(field.name, STR("fill7:name:0")));
    hash_close(r);
    pass_time(2);
    assert_hash(f.t, "fill:0", "fill0");
    ck_assert(becomes_shaped("unheard"));
    assert_hash(f.t, "new", "unheard");
    ks_thread_free(other);
}
END_TEST

/* ---- bytes that no writer made ------------------------------------------- */

static void
walk_bytes(const char *bytes, size_t len)
{
    struct compact_field field;
    struct compact_at at;
    struct compact c;
    char digits[24];

    if (!compact_open(f.ks->shapes, bytes, len, &c))
        return;
    compact_begin(&c, &at);
    while (compact_next(&c, &at, &field))
        (void)packed_str(&field.value, digits);
    (void)compact_find(&c, STR("x:name:1"), &field);
    (void)compact_find(&c, STR("x:name:2"), &field);
    (void)compact_count(&c, NOW);
}

/* The copy ends where its bytes end, so that a sanitizer sees who goes on. */
START_TEST(damaged_compact_bytes_are_not_read_beyond_their_end)
{
    struct ks_key key = key_of(&f, "user:1");
    struct hash_reader *r;
    uint64_t random = 1;

    for (unsigned i = 0; i < 10; i++)
        put_hash("user:1", "x");
    put_hash("user:2", "plain");
    for (unsigned i = 0; i < 200000; i++) {
        size_t len;
        char *copy;

        key = key_of(&f, i % 2 ? "user:1" : "user:2");
        ck_assert_int_eq(hash_open(f.t, &key, KS_PEEK, &r), KS_OK);
        random = random * 6364136223846793005u + 1442695040888963407u;
        len = i % 3 ? r->len : (random >> 33) % (r->len + 1);
        copy = malloc(len + !len);
        memcpy(copy, r->bytes, len);
        hash_close(r);
        for (unsigned n = 0; len > 0 && n < 1 + i % 4; n++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            copy[(random >> 33) % len] = (char)(random >> 25);
        }
        walk_bytes(copy, len);
        free(copy);
    }
}
END_TEST

START_TEST(damaged_tables_are_not_read_beyond_their_end)
{
    enum {
        BYTES = 4096
    };
    struct hash_seed seed = {{0}};
    char *whole = xcalloc(1, BYTES), *copy = xcalloc(1, BYTES);
    uint64_t random = 1;

    htable_init(whole, 6, BYTES, true);
    for (unsigned i = 0; i < 40; i++) {
        char text[32];
        struct packed name = packed_of((struct str){
            text, (size_t)snprintf(text, sizeof(text), "name:%u", i)});

        htable_add((struct hash_table *)(void *)whole,
            htable_hash(&seed, &name), &name, &name, NOW + i);
    }
    for (unsigned i = 0; i < 100000; i++) {
        struct packed name = packed_of(STR("name:17"));
        struct table_entry e;
        struct table_view v;

        memcpy(copy, whole, BYTES);
        for (unsigned n = 0; n < 1 + i % 8; n++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            copy[(random >> 33) % (i % 2 ? 400 : BYTES)] = (char)(random >> 25);
        }
        htable_open(copy, BYTES - i % 3 * 64, &v);
        (void)htable_find(&v, htable_hash(&seed, &name), &name, &e);
        for (uint32_t slot = 0; slot < v.n_slots; slot++)
            (void)htable_slot(&v, slot, &e);
        (void)htable_count(&v, NOW + 20);
    }
    free(whole);
    free(copy);
}
END_TEST

START_TEST(strings_are_packed_and_come_back)
{
    static const char *const texts[] = {"", "0", "7", "-7", "10", "-10", "127",
        "128", "-128", "-129", "32767", "32768", "-32769", "2147483648",
        "9223372036854775807", "-9223372036854775808", "9223372036854775808",
        "007", "-0", "+1", "1.5", "12345678901234567890", "text"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct packed p = packed_of(str_of(texts[i])), back;
        uint8_t bytes[64], *end;
        char digits[24];

        end = body_put(head_put(bytes, &p), &p);
        ck_assert_uint_eq((size_t)(end - bytes), packed_size(&p));
        ck_assert_uint_le(packed_size(&p), strlen(texts[i]) + 1);
        ck_assert(packed_get(bytes, end, &back) == end);
        ck_assert(packed_get(bytes, end - 1, &back) == NULL);
        (void)packed_get(bytes, end, &back);
        ck_assert(str_eq(packed_str(&back, digits), str_of(texts[i])));
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("hash shapes");
    TCase *c = tcase_create("shapes");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 300);
    tcase_add_test(c, names_that_come_often_are_stored_once);
    tcase_add_test(c, a_million_names_cost_little_memory);
    tcase_add_test(c, shapes_that_no_item_has_are_given_up);
    tcase_add_test(c, damaged_compact_bytes_are_not_read_beyond_their_end);
    tcase_add_test(c, damaged_tables_are_not_read_beyond_their_end);
    tcase_add_test(c, strings_are_packed_and_come_back);
    suite_add_tcase(s, c);
    return run_suite(s);
}
