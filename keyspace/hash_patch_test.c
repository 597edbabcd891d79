/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_patch_test.c - edits of hashes of few kinds, whose fields come in the
 * same order mostly, against a list in order of insertion.
 */
#include "keyspace/hash_edit.h"
#include "keyspace/hash_testing.h"

#define N_NAMES 14
#define N_HASHES 6
#define N_EDITS 8000
#define MAX_SETS 16

static uint64_t random_state;

static uint64_t
roll(uint64_t below)
{
    return splitmix64(&random_state) % below;
}

/* Names of all lengths that are compared in another way; some differ in one
 * byte. */
static const char *const names[N_NAMES] = {"username", "e", "created_at",
    "last", "12", "created_by", "session_identifier_long", "xyz", "locale",
    "session_identifier_lonG", "usernamf", "lasu", "-3", ""};

struct value {
    char text[300];
    size_t len;
};

/* The hash as it should be. */
struct list {
    unsigned n;
    unsigned name[N_NAMES];
    struct value value[N_NAMES];
};

static struct list lists[N_HASHES];

/* Numbers, texts, empty ones, and some with a long head. */
static void
make_value(struct value *v)
{
    v->len = roll(30);
    if (roll(10) == 0)
        v->len = 230 + roll(60);
    if (roll(3) == 0)
        v->len = (size_t)snprintf(v->text, sizeof(v->text), "%lld",
            (long long)roll(1000000) - 500000);
    else
        memset(v->text, (int)('a' + roll(26)), v->len);
}

static unsigned
place_in(const struct list *l, unsigned name)
{
    unsigned i = 0;

    while (i < l->n && l->name[i] != name)
        i++;
    return i;
}

static struct str
text_of(const struct value *v)
{
    return (struct str){v->text, v->len};
}

static void
set_one(struct hash_edit *e, struct list *l, unsigned name, struct value *v)
{
    unsigned i = place_in(l, name);
    struct hash_field found;
    bool was = hash_edit_find(e, str_of(names[name]), &found);

    ck_assert(was == (i < l->n));
    if (was)
        ck_assert(str_eq(found.value, text_of(&l->value[i])));
    make_value(v);
    ck_assert(hash_edit_set(e, str_of(names[name]), text_of(v),
                  roll(2) ? KS_NO_EXPIRY : KS_KEEP_TTL) == !was);
    l->name[i] = name;
    l->value[i] = *v;
    l->n += !was;
}

static void
delete_one(struct hash_edit *e, struct list *l, unsigned name)
{
    unsigned i = place_in(l, name);

    ck_assert(hash_edit_delete(e, str_of(names[name])) == (i < l->n));
    if (i == l->n)
        return;
    l->n--;
    memmove(&l->name[i], &l->name[i + 1], (l->n - i) * sizeof(l->name[0]));
    memmove(&l->value[i], &l->value[i + 1], (l->n - i) * sizeof(l->value[0]));
}

/* Some fields in order, from the first or from where the hash ends; now and
 * then another comes between, or one goes. Whether it was a patch. */
static bool
edit_one(struct hash_edit *e, struct list *l)
{
    static struct value values[MAX_SETS];
    unsigned n = 1 + (unsigned)roll(MAX_SETS - 1);
    unsigned at = roll(2) ? l->n : 0;
    bool errs = roll(8) == 0;

    for (unsigned i = 0; i < n && at < N_NAMES; i++, at++) {
        unsigned name = errs && roll(3) == 0 ? (unsigned)roll(N_NAMES) : at;

        if (errs && roll(6) == 0)
            delete_one(e, l, name);
        else
            set_one(e, l, name, &values[i]);
    }
    ck_assert_uint_eq(hash_edit_count(e), l->n);
    return e->mode == EDIT_PATCH && e->patched != 0;
}

static void
check(const struct ks_key *key, const struct list *l)
{
    struct hash_reader *r;
    struct hash_field field;
    uint64_t at = 0;
    unsigned n = 0;

    if (l->n == 0) {
        ck_assert_int_eq(hash_open(f.t, key, KS_READ, &r), KS_MISS);
        return;
    }
    ck_assert_int_eq(hash_open(f.t, key, KS_READ, &r), KS_OK);
    for (; hash_next(r, &at, &field); n++) {
        struct hash_field found;

        ck_assert_uint_lt(n, l->n);
        ck_assert(str_eq(field.name, str_of(names[l->name[n]])));
        ck_assert(str_eq(field.value, text_of(&l->value[n])));
        ck_assert(hash_find(r, field.name, &found));
        ck_assert(str_eq(found.value, field.value));
    }
    ck_assert_uint_eq(n, l->n);
    hash_close(r);
}

static void
check_get(const struct ks_key *key, const struct list *l)
{
    unsigned name = (unsigned)roll(N_NAMES), i = place_in(l, name);
    struct read_back r = {{0}};
    struct ks_info info;
    enum ks_status status = hash_get(
        f.t, key, KS_READ, str_of(names[name]), place_in_buf, &r, &info);

    ck_assert_int_eq(status, i < l->n ? KS_OK : KS_MISS);
    if (status == KS_OK)
        ck_assert(str_eq(
            (struct str){info.value, info.value_len}, text_of(&l->value[i])));
    buf_free(&r.buf);
}

START_TEST(an_edit_gives_what_its_changes_one_by_one_would)
{
    static const char *const keys[N_HASHES] = {
        "h:0", "h:1", "h:2", "h:3", "h:4", "h:5"};
    unsigned n_patches = 0;

    random_state = (unsigned)_i;
    memset(lists, 0, sizeof(lists));
    for (unsigned i = 0; i < N_EDITS; i++) {
        unsigned k = (unsigned)roll(N_HASHES);
        struct ks_key key = key_of(&f, keys[k]);
        bool replaces = roll(4) == 0;
        struct hash_edit *e;

        ck_assert_int_eq(
            hash_edit(f.t, &key, replaces ? HASH_REPLACE : HASH_CREATE,
                roll(4) ? MAX_SETS : 1, MAX_SETS * 300, &e),
            KS_OK);
        if (replaces)
            lists[k].n = 0;
        n_patches += edit_one(e, &lists[k]);
        ck_assert_int_eq(hash_edit_end(e, NULL), KS_OK);
        check(&key, &lists[k]);
        check_get(&key, &lists[k]);
    }
    ck_assert_uint_gt(n_patches, N_EDITS / 3);
    ck_assert_uint_lt(n_patches, N_EDITS - N_EDITS / 20);
}
END_TEST

/* Values that fit singly and not together. */
START_TEST(what_gets_too_large_becomes_a_table)
{
    static char large[700];
    struct ks_key key = key_of(&f, "large");
    struct hash_reader *r;
    struct hash_edit *e;

    memset(large, 'x', sizeof(large));
    for (unsigned round = 0; round < 40; round++) {
        size_t len = round < 20 ? 10 : sizeof(large);

        ck_assert_int_eq(
            hash_edit(f.t, &key, HASH_CREATE, 8, 8 * sizeof(large), &e), KS_OK);
        for (unsigned i = 0; i < 8; i++)
            (void)hash_edit_set(
                e, str_of(names[i]), (struct str){large, len}, KS_NO_EXPIRY);
        ck_assert_int_eq(hash_edit_end(e, NULL), KS_OK);
        ck_assert_int_eq(hash_open(f.t, &key, KS_READ, &r), KS_OK);
        ck_assert(hash_reader_is_compact(r) == (round < 20));
        ck_assert_uint_eq(hash_reader_count(r), 8);
        hash_close(r);
    }
}
END_TEST

static uint32_t
handle_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct index_place place;

    return index_find(&f.ks->index, &key, &place);
}

/* Some are stored anew, so that their keys may get templates. */
START_TEST(a_value_is_written_where_the_one_before_stood)
{
    static const char *const values[] = {
        "bbbbbbbb", "b", "bbbbbbbbbb", "", "1234567", "-5", "bbbbbbbb"};
    unsigned same = 0;
    size_t bytes;
    struct ks_info info;
    struct ks_key key = key_of(&f, "x8");

    for (unsigned i = 0; i < 10; i++) {
        char name[8];

        snprintf(name, sizeof(name), "x%u", i);
        (void)hset(name, "first", "aaaaaaaa");
        (void)hset(name, "second", "bbbbbbbb");
        (void)hset(name, "third", "cccccccc");
    }
    for (unsigned i = 0; i < 70; i++) {
        uint32_t handle = handle_of("x9");
        const char *value = values[i % ARRAY_LEN(values)];

        ck_assert(!hset("x9", "second", value));
        same += handle_of("x9") == handle;
        assert_field("x9", "first", "aaaaaaaa");
        assert_field("x9", "second", value);
        assert_field("x9", "third", "cccccccc");
    }
    ck_assert_uint_gt(same, 10);
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    bytes = info.memory_bytes;
    key = key_of(&f, "x9");
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert_uint_eq(info.memory_bytes, bytes);
}
END_TEST

/* The maintenance thread saw the hash with a deadline; by the time of its edit
 * it is one of a shape and has none. */
START_TEST(a_sweep_leaves_a_hash_alone_that_was_written_anew)
{
    char name[8];

    for (unsigned i = 0; i < 10; i++) {
        struct hash_edit *e;

        snprintf(name, sizeof(name), "x%u", i);
        e = open_edit(name, HASH_CREATE, 2, 100);
        (void)hash_edit_set(e, STR("first"), STR("aaaaaaaa"), KS_NO_EXPIRY);
        (void)hash_edit_set(e, STR("second"), STR("bbbbbbbb"), KS_NO_EXPIRY);
        close_edit(e);
    }
    for (unsigned i = 0; i < 10; i++) {
        uint32_t handle;

        snprintf(name, sizeof(name), "x%u", i);
        handle = handle_of(name);
        hash_sweep(f.t, handle);
        ck_assert_uint_eq(handle_of(name), handle);
        assert_field(name, "first", "aaaaaaaa");
        assert_field(name, "second", "bbbbbbbb");
        ck_assert_uint_eq(count_of(name), 2);
    }
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("hash patches");
    TCase *c = tcase_create("hash patches");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(
        c, an_edit_gives_what_its_changes_one_by_one_would, 0, 2);
    tcase_add_test(c, a_value_is_written_where_the_one_before_stood);
    tcase_add_test(c, what_gets_too_large_becomes_a_table);
    tcase_add_test(c, a_sweep_leaves_a_hash_alone_that_was_written_anew);
    suite_add_tcase(s, c);
    return s;
}

int
main(void)
{
    return run_suite(suite());
}
