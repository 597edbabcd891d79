/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_model_test.c - hashes against a plain map, in all their forms. */
#include "keyspace/hash_form.h"
#include "keyspace/hash_testing.h"

#define MODEL_FIELDS 3000
#define MODEL_KEYS 8

struct model_field {
    bool there;
    uint64_t salt; /* of the value */
    uint64_t expire_ms;
};

static struct model_field model[MODEL_KEYS][MODEL_FIELDS];
static uint64_t random_state;

static uint64_t
roll(void)
{
    return splitmix64(&random_state);
}

static struct str
field_name(unsigned n, char buf[64])
{
    static const char *const shapes[] = {
        "field%u", "%u", "-%u", "f:%u:name", "%08u"};

    if (n == 0)
        return STR("");
    return (struct str){
        buf, (size_t)snprintf(buf, 64, shapes[n % ARRAY_LEN(shapes)], n)};
}

/* Numbers of all sizes, texts, empty, now and then a large one. */
static struct str
field_value(uint64_t salt, char buf[40000])
{
    size_t len = salt / 8 % 60;

    switch (salt % 8) {
    case 0:
        return STR("");
    case 1:
    case 2:
        len = (size_t)snprintf(buf, 64, "%lld",
            (long long)(int64_t)(salt * 0x9e3779b97f4a7c15u) >>
                (salt / 8 % 64));
        break;
    case 3:
        if (salt / 8 % 256 == 0)
            len = 300 + salt / 2048 % 30000;
        /* fall through */
    default:
        memset(buf, (int)('a' + salt / 64 % 26), len);
    }
    return (struct str){buf, len};
}

static bool
model_has(const struct model_field *m)
{
    return m->there && m->expire_ms > clock_wall_ms();
}

static unsigned
model_count(unsigned k)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MODEL_FIELDS; i++)
        n += model_has(&model[k][i]);
    return n;
}

static struct ks_key
model_key(unsigned k)
{
    static const char *const names[MODEL_KEYS] = {"model:0", "model:1",
        "model:2", "model:3", "model:4", "model:5", "model:6", "model:7"};

    return key_of(&f, names[k]);
}

/* Hash k has fields up to here: some stay compact, some become tables. */
static unsigned
model_range(unsigned k)
{
    static const unsigned ranges[MODEL_KEYS] = {
        3, 12, 40, 70, 150, 700, 3000, 12};

    return ranges[k];
}

static void
check_field(unsigned k, unsigned n, const struct hash_field *got)
{
    char buf[40000];
    struct str want = field_value(model[k][n].salt, buf);

    ck_assert_msg(str_eq(got->value, want),
        "value of field %u of hash %u: "
        "%.*s, not %.*s",
        n, k, STR_ARG(got->value), STR_ARG(want));
    ck_assert_uint_eq(got->expire_ms, model[k][n].expire_ms);
}

static void
check_one(unsigned k, unsigned n)
{
    struct ks_key key = model_key(k);
    struct read_back r = {{0}};
    char name[64], buf[40000];
    struct ks_info info;
    enum ks_status status = hash_get(
        f.t, &key, KS_READ, field_name(n, name), place_in_buf, &r, &info);

    ck_assert_int_eq(status, model_has(&model[k][n]) ? KS_OK : KS_MISS);
    if (status == KS_OK) {
        struct str want = field_value(model[k][n].salt, buf);

        ck_assert(str_eq((struct str){info.value, info.value_len}, want));
        ck_assert_uint_eq(info.expire_ms, model[k][n].expire_ms);
        if (info.value_extent != 0)
            extent_unpin(f.slab, info.value_extent);
    }
    buf_free(&r.buf);
}

static unsigned seen[MODEL_FIELDS];

/* The number of a field from its name. */
static unsigned
number_of(struct str name)
{
    char buf[64];
    unsigned n = 0;

    for (size_t i = 0; i < name.len; i++)
        if (name.p[i] >= '0' && name.p[i] <= '9')
            n = n * 10 + (unsigned)(name.p[i] - '0');
    ck_assert_msg(n < MODEL_FIELDS && str_eq(field_name(n, buf), name),
        "a field that nobody set: %.*s", STR_ARG(name));
    return n;
}

static unsigned checked_hash;

static void
visit(void *ctx, const struct hash_field *field)
{
    unsigned n = number_of(field->name);

    (void)ctx;
    check_field(checked_hash, n, field);
    seen[n]++;
}

static void
check_all(unsigned k)
{
    struct ks_key key = model_key(k);
    struct hash_reader *r;
    struct hash_field field;
    uint64_t at = 0, cursor = 0;
    unsigned n = model_count(k);
    enum ks_status status = hash_open(f.t, &key, KS_READ, &r);

    ck_assert_int_eq(status, n > 0 ? KS_OK : KS_MISS);
    if (n == 0)
        return;
    ck_assert_uint_eq(hash_reader_count(r), n);
    memset(seen, 0, sizeof(seen));
    checked_hash = k;
    while (hash_next(r, &at, &field))
        visit(NULL, &field);
    do {
        cursor = hash_scan(r, cursor, 7, visit, NULL);
    } while (cursor != 0);
    for (unsigned i = 0; i < MODEL_FIELDS; i++)
        ck_assert_uint_eq(seen[i], model_has(&model[k][i]) ? 2 : 0);
    hash_random(r, &field);
    ck_assert_uint_eq(seen[number_of(field.name)], 2);
    hash_close(r);
}

/* Some changes of one hash in one edit. */
static void
change(unsigned k)
{
    struct ks_key key = model_key(k);
    unsigned n_ops = roll() % 4 == 0 ? 1 + roll() % 20 : 1;
    unsigned before = model_count(k);
    size_t bytes = 0;
    struct {
        unsigned n;
        uint64_t salt;
    } op[20];
    static char values[20][40000];
    static char names[20][64];
    char scratch[64];
    struct hash_edit *e;
    struct hash_change what;

    for (unsigned i = 0; i < n_ops; i++) {
        op[i].n = roll() % model_range(k);
        op[i].salt = roll();
        bytes += field_name(op[i].n, scratch).len +
            field_value(op[i].salt, values[i]).len;
    }
    ck_assert_int_eq(
        hash_edit(f.t, &key, HASH_CREATE, n_ops, bytes, &e), KS_OK);
    for (unsigned i = 0; i < n_ops; i++) {
        struct model_field *m = &model[k][op[i].n];
        struct str name = field_name(op[i].n, names[i]);
        uint64_t dice = roll() % 100;
        uint64_t until = KS_NO_EXPIRY;
        bool was = model_has(m), added;

        if (k % 2 == 0 && dice % 10 == 0)
            until = clock_wall_ms() + 1 + roll() % 2000;
        if (dice < (k == 7 ? 90 : 60)) {
            bool keep = dice % 3 == 0;

            added = hash_edit_set(e, name, field_value(op[i].salt, values[i]),
                keep ? KS_KEEP_TTL : until);
            ck_assert(added == !was);
            if (!keep || !was)
                m->expire_ms = keep ? KS_NO_EXPIRY : until;
            m->there = true;
            m->salt = op[i].salt;
        } else if (dice < 70 && k % 2 == 0) {
            ck_assert(hash_edit_expire(e, name, until) == was);
            if (was)
                m->expire_ms = until;
        } else {
            ck_assert(hash_edit_delete(e, name) == was);
            m->there = false;
        }
    }
    ck_assert_uint_eq(hash_edit_count(e), model_count(k));
    what = close_edit(e);
    ck_assert(what.created == (before == 0 && model_count(k) > 0));
    ck_assert(what.deleted == (before > 0 && model_count(k) == 0));
}

/* Another value for a field, if it can be had without an edit. */
static bool
overwrite_one(unsigned k)
{
    static char value[40000];
    struct ks_key key = model_key(k);
    struct model_field *m;
    uint64_t salt = roll();
    unsigned n = (unsigned)roll() % model_range(k);
    char name[64];

    if (!hash_overwrite(
            f.t, &key, field_name(n, name), field_value(salt, value)))
        return false;
    m = &model[k][n];
    ck_assert(model_has(m));
    ck_assert_uint_eq(m->expire_ms, KS_NO_EXPIRY);
    m->salt = salt;
    check_one(k, n);
    return true;
}

START_TEST(a_hash_is_what_a_map_would_be)
{
    unsigned n_overwritten = 0;

    random_state = 42 + (unsigned)_i;
    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < 15000; i++) {
        unsigned k = roll() % MODEL_KEYS;

        if (i % 8 == 0)
            clock_fake(clock_wall_ms() + roll() % 20);
        change(k);
        n_overwritten += overwrite_one(k);
        check_one(k, roll() % model_range(k));
        if (i % 200 == 0)
            check_all(k);
        if (i % 1000 == 0)
            while (ks_maintain(f.t))
                ;
    }
    for (unsigned k = 0; k < MODEL_KEYS; k++)
        check_all(k);
    ck_assert_uint_gt(n_overwritten, 100);
}
END_TEST

START_TEST(a_large_hash_grows_and_becomes_compact_again)
{
    char field[64], value[64];
    struct slab_stats s;
    struct hash_edit *e;

    for (unsigned i = 0; i < 100000; i++) {
        snprintf(field, sizeof(field), "field:%u", i);
        snprintf(value, sizeof(value), "value of %u", i);
        ck_assert(hset("h", field, value));
        if (i == 100)
            ck_assert(is_compact("h"));
    }
    ck_assert(!is_compact("h"));
    ck_assert_uint_eq(count_of("h"), 100000);
    slab_stats(f.slab, &s);
    ck_assert_uint_lt(s.extent_live_bytes, 10 * MIB);
    for (unsigned i = 0; i < 99990; i++) {
        snprintf(field, sizeof(field), "field:%u", i);
        e = open_edit("h", HASH_MUST_EXIST, 0, 0);
        ck_assert(hash_edit_delete(e, str_of(field)));
        close_edit(e);
    }
    ck_assert(is_compact("h"));
    assert_field("h", "field:99995", "value of 99995");
    ck_assert_uint_eq(count_of("h"), 10);
    slab_stats(f.slab, &s);
    ck_assert_uint_eq(s.extents_live, 0);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("hash model");
    TCase *c = tcase_create("hash");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, a_hash_is_what_a_map_would_be, 0, 2);
    tcase_add_test(c, a_large_hash_grows_and_becomes_compact_again);
    suite_add_tcase(s, c);
    return s;
}

int
main(void)
{
    return run_suite(suite());
}
