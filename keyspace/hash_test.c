/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_test.c - hashes against a plain map, in all their forms. */
#include "keyspace/hash_form.h"
#include "keyspace/testing.h"

#define NOW ((uint64_t)1800000000000)

static struct fixture f;

static void
set_up(void)
{
    clock_fake(NOW);
    fixture_open(&f, 64 * MIB);
}

static void
tear_down(void)
{
    fixture_close(&f);
    clock_unfake();
}

/* ---- shorthand ----------------------------------------------------------- */

static struct hash_edit *
open_edit(const char *name, enum hash_need need, size_t n, size_t bytes)
{
    struct ks_key key = key_of(&f, name);
    struct hash_edit *e;

    ck_assert_int_eq(hash_edit(f.t, &key, need, n, bytes, &e), KS_OK);
    return e;
}

static struct hash_change
close_edit(struct hash_edit *e)
{
    struct hash_change what;

    ck_assert_int_eq(hash_edit_end(e, &what), KS_OK);
    return what;
}

static bool
hset(const char *name, const char *field, const char *value)
{
    struct hash_edit *e =
        open_edit(name, HASH_CREATE, 1, strlen(field) + strlen(value));
    bool added = hash_edit_set(e, str_of(field), str_of(value), KS_NO_EXPIRY);

    close_edit(e);
    return added;
}

static void
assert_field(const char *name, const char *field, const char *want)
{
    struct ks_key key = key_of(&f, name);
    struct read_back r = {{0}};
    struct ks_info info;
    enum ks_status status =
        hash_get(f.t, &key, KS_READ, str_of(field), place_in_buf, &r, &info);

    if (want == NULL) {
        ck_assert_int_eq(status, KS_MISS);
    } else {
        ck_assert_int_eq(status, KS_OK);
        ck_assert_uint_eq(info.value_len, strlen(want));
        ck_assert_mem_eq(info.value, want, info.value_len);
        if (info.value_extent != 0)
            extent_unpin(f.slab, info.value_extent);
    }
    buf_free(&r.buf);
}

static uint64_t
count_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    uint64_t n = 0;

    (void)hash_count(f.t, &key, KS_READ, &n);
    return n;
}

static bool
is_compact(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct hash_reader *r;
    bool compact;

    ck_assert_int_eq(hash_open(f.t, &key, KS_PEEK, &r), KS_OK);
    compact = hash_reader_is_compact(r);
    hash_close(r);
    return compact;
}

START_TEST(fields_are_set_read_counted_and_deleted)
{
    struct hash_edit *e;
    struct hash_change what;

    ck_assert(hset("h", "name", "Ada"));
    ck_assert(hset("h", "born", "1815"));
    ck_assert(!hset("h", "name", "Ada Lovelace"));
    assert_field("h", "name", "Ada Lovelace");
    assert_field("h", "born", "1815");
    assert_field("h", "nam", NULL);
    ck_assert_uint_eq(count_of("h"), 2);
    e = open_edit("h", HASH_MUST_EXIST, 0, 0);
    ck_assert(hash_edit_delete(e, STR("name")));
    ck_assert(!hash_edit_delete(e, STR("name")));
    ck_assert(hash_edit_delete(e, STR("born")));
    what = close_edit(e);
    ck_assert(what.deleted && what.changed && !what.created);
    ck_assert_uint_eq(count_of("h"), 0);
}
END_TEST

START_TEST(other_types_are_refused)
{
    struct ks_key key = key_of(&f, "s"), hash = key_of(&f, "h");
    struct hash_edit *e;
    struct hash_reader *r;
    struct ks_info info;
    uint64_t n;

    set(&f, "s", "string");
    hset("h", "a", "b");
    ck_assert_int_eq(
        hash_edit(f.t, &key, HASH_CREATE, 1, 9, &e), KS_WRONG_TYPE);
    ck_assert_int_eq(hash_open(f.t, &key, KS_READ, &r), KS_WRONG_TYPE);
    ck_assert_int_eq(hash_count(f.t, &key, KS_READ, &n), KS_WRONG_TYPE);
    ck_assert_int_eq(hash_get(f.t, &key, KS_READ, STR("a"), NULL, NULL, &info),
        KS_WRONG_TYPE);
    ck_assert_int_eq(ks_get(f.t, &hash, KS_READ, place_in_buf,
                         &(struct read_back){{0}}, &info),
        KS_WRONG_TYPE);
    ck_assert_int_eq(ks_stat(f.t, &hash, KS_READ, &info), KS_OK);
    ck_assert_int_eq(info.type, KS_HASH);
    set(&f, "h", "now a string");
    assert_value(&f, "h", "now a string");
    ck_assert_int_eq(ks_stat(f.t, &hash, KS_READ, &info), KS_OK);
    ck_assert_int_eq(info.type, KS_STRING);
}
END_TEST

/* ---- a model ------------------------------------------------------------- */

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
    uint64_t x = random_state += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
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

START_TEST(a_hash_is_what_a_map_would_be)
{
    random_state = 42 + (unsigned)_i;
    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < 15000; i++) {
        unsigned k = roll() % MODEL_KEYS;

        if (i % 8 == 0)
            clock_fake(clock_wall_ms() + roll() % 20);
        change(k);
        check_one(k, roll() % model_range(k));
        if (i % 200 == 0)
            check_all(k);
        if (i % 1000 == 0)
            while (ks_maintain(f.t))
                ;
    }
    for (unsigned k = 0; k < MODEL_KEYS; k++)
        check_all(k);
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

/* ---- scans --------------------------------------------------------------- */

static unsigned scanned[6000];

static void
note_scanned(void *ctx, const struct hash_field *field)
{
    (void)ctx;
    scanned[strtoul(field->name.p + 2, NULL, 10)]++;
}

static void
set_numbered(const char *name, unsigned from, unsigned to)
{
    char field[32];

    for (unsigned i = from; i < to; i++) {
        snprintf(field, sizeof(field), "f:%u:", i);
        (void)hset(name, field, "value");
    }
}

static void
delete_numbered(const char *name, unsigned from, unsigned to)
{
    struct hash_edit *e = open_edit(name, HASH_MUST_EXIST, 0, 0);
    char field[32];

    for (unsigned i = from; i < to; i++) {
        snprintf(field, sizeof(field), "f:%u:", i);
        ck_assert(hash_edit_delete(e, str_of(field)));
    }
    close_edit(e);
}

/* Whatever is there all the time is met once, while the table grows and
 * shrinks and in the end becomes compact. */
START_TEST(a_scan_meets_what_stays_exactly_once)
{
    struct ks_key key = key_of(&f, "h");
    uint64_t cursor = 0;
    unsigned step = 0;

    set_numbered("h", 0, 1000);
    memset(scanned, 0, sizeof(scanned));
    do {
        struct hash_reader *r;

        ck_assert_int_eq(hash_open(f.t, &key, KS_READ, &r), KS_OK);
        cursor = hash_scan(r, cursor, 10, note_scanned, NULL);
        ck_assert_uint_lt(cursor, (uint64_t)1 << 48);
        hash_close(r);
        step++;
        if (step == 5)
            set_numbered("h", 1000, 6000);
        if (step == 10)
            delete_numbered("h", 1000, 6000);
        if (step == 20)
            delete_numbered("h", 50, 1000);
    } while (cursor != 0);
    ck_assert_uint_gt(step, 20);
    ck_assert(is_compact("h"));
    for (unsigned i = 0; i < 50; i++)
        ck_assert_uint_eq(scanned[i], 1);
    for (unsigned i = 50; i < 6000; i++)
        ck_assert_uint_le(scanned[i], 1);
}
END_TEST

START_TEST(any_field_is_chosen_about_as_often)
{
    struct ks_key key = key_of(&f, "h");

    for (unsigned large = 0; large < 2; large++) {
        unsigned n = large ? 2000 : 10;
        struct hash_reader *r;

        set_numbered("h", 0, n);
        ck_assert(is_compact("h") == !large);
        memset(scanned, 0, sizeof(scanned));
        ck_assert_int_eq(hash_open(f.t, &key, KS_READ, &r), KS_OK);
        for (unsigned i = 0; i < 100 * n; i++) {
            struct hash_field field;

            hash_random(r, &field);
            note_scanned(NULL, &field);
        }
        hash_close(r);
        for (unsigned i = 0; i < n; i++)
            ck_assert(scanned[i] > 40 && scanned[i] < 180);
    }
}
END_TEST

/* ---- deadlines ----------------------------------------------------------- */

static void
set_until(const char *name, const char *field, uint64_t expire_ms)
{
    struct hash_edit *e = open_edit(name, HASH_CREATE, 1, strlen(field) + 1);

    (void)hash_edit_set(e, str_of(field), STR("v"), expire_ms);
    close_edit(e);
}

static uint64_t
items_there(void)
{
    struct ks_db_stats s;

    ks_db_stats(f.ks, 0, &s);
    return s.items;
}

static void
maintain(void)
{
    for (int i = 0; i < 1000 && ks_maintain(f.t); i++)
        ;
}

START_TEST(an_expired_field_is_gone_to_the_millisecond)
{
    struct ks_key key = key_of(&f, "h");
    struct ks_info info;

    hset("h", "stays", "v");
    set_until("h", "goes", NOW + 100);
    set_until("only", "goes", NOW + 100);
    clock_fake(NOW + 99);
    assert_field("h", "goes", "v");
    ck_assert_uint_eq(count_of("h"), 2);
    ck_assert_uint_eq(count_of("only"), 1);
    clock_fake(NOW + 100);
    assert_field("h", "goes", NULL);
    assert_field("h", "stays", "v");
    ck_assert_uint_eq(count_of("h"), 1);
    key = key_of(&f, "only");
    ck_assert_int_eq(ks_stat(f.t, &key, KS_READ, &info), KS_MISS);
    assert_value(&f, "only", NULL); /* and no wrong type */
}
END_TEST

START_TEST(the_sweep_frees_expired_fields_and_hashes)
{
    char name[32], field[32];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "gone:%u", i);
        set_until(name, "a", NOW + 1000 + i);
        set_until(name, "b", NOW + 2000 + i);
        snprintf(name, sizeof(name), "half:%u", i);
        set_until(name, "a", NOW + 1000 + i);
        hset(name, "b", "stays");
    }
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(field, sizeof(field), "f:%u", i);
        set_until("table", field, i % 10 == 0 ? KS_NO_EXPIRY : NOW + 500 + i);
    }
    ck_assert(!is_compact("table"));
    ck_assert_uint_eq(items_there(), 201);
    for (unsigned i = 0; i < 20; i++) {
        clock_fake(NOW + 5000 + 500 * i);
        maintain();
    }
    ck_assert_uint_eq(items_there(), 101);
    ck_assert_uint_eq(count_of("table"), 300);
    /* not only invisible */
    for (unsigned i = 0; i < 100; i++) {
        struct ks_key key;
        struct ks_info info;

        snprintf(name, sizeof(name), "half:%u", i);
        key = key_of(&f, name);
        ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
        ck_assert_uint_lt(info.value_len, 14);
    }
}
END_TEST

/* ---- memory -------------------------------------------------------------- */

START_TEST(without_memory_a_write_fails_and_changes_nothing)
{
    static char value[1000];
    struct hash_edit *e;
    struct ks_key key, first;
    enum ks_status status = KS_OK;
    char name[32];
    unsigned n = 0, large;

    fixture_close(&f);
    fixture_open(&f, 8 * MIB);
    f.options.maxmemory_policy = KS_NOEVICTION;
    key = key_of(&f, "large");
    first = key_of(&f, "h:0");
    memset(value, 'v', sizeof(value));
    for (large = 0; large < 100; large++) {
        snprintf(name, sizeof(name), "%u", large);
        ck_assert_int_eq(hash_edit(f.t, &key, HASH_CREATE, 1, 1010, &e), KS_OK);
        (void)hash_edit_set(
            e, str_of(name), (struct str){value, 1000}, KS_NO_EXPIRY);
        close_edit(e);
    }
    ck_assert_uint_eq(count_of("large"), large);
    for (; status == KS_OK && n < 100000; n++) {
        snprintf(name, sizeof(name), "h:%u", n);
        key = key_of(&f, name);
        ck_assert_int_eq(hash_edit(f.t, &key, HASH_CREATE, 2, 1010, &e), KS_OK);
        (void)hash_edit_set(
            e, STR("a"), (struct str){value, 1000}, KS_NO_EXPIRY);
        (void)hash_edit_set(e, STR("b"), STR("b"), KS_NO_EXPIRY);
        status = hash_edit_end(e, NULL);
    }
    ck_assert_uint_eq(count_of("large"), large);
    ck_assert_int_eq(status, KS_NO_MEMORY);
    assert_field(name, "b", NULL);
    ck_assert_int_eq(hash_edit(f.t, &first, HASH_CREATE, 1, 3000, &e), KS_OK);
    (void)hash_edit_set(e, STR("c"), (struct str){value, 1000}, KS_NO_EXPIRY);
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_NO_MEMORY);
    assert_field("h:0", "c", NULL);
    assert_field("h:0", "b", "b");
    /* a table that would have to be built anew */
    key = key_of(&f, "large");
    ck_assert_int_eq(hash_edit(f.t, &key, HASH_CREATE, 1, 200000, &e), KS_OK);
    (void)hash_edit_set(
        e, STR("more"), (struct str){value, 1000}, KS_NO_EXPIRY);
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_NO_MEMORY);
    ck_assert_uint_eq(count_of("large"), large);
    assert_field("large", "more", NULL);
    /* what gets smaller is not refused */
    e = open_edit("h:0", HASH_MUST_EXIST, 0, 0);
    ck_assert(hash_edit_delete(e, STR("b")));
    close_edit(e);
    ck_assert_uint_eq(count_of("h:0"), 1);
}
END_TEST

/* Each field says which hash it is of. */
START_TEST(hashes_are_evicted_and_drained_whole)
{
    char name[32], field[32], value[64];
    struct ks_metrics m;
    unsigned there = 0;

    fixture_close(&f);
    fixture_open(&f, 8 * MIB);
    for (unsigned i = 0; i < 60000; i++) {
        unsigned n = i % 500 == 0 ? 600 : 4;
        struct hash_edit *e;
        struct ks_key key;

        snprintf(name, sizeof(name), "evicted:%u:hash", i);
        key = key_of(&f, name);
        ck_assert_int_eq(
            hash_edit(f.t, &key, HASH_CREATE, n, n * 64, &e), KS_OK);
        for (unsigned j = 0; j < n; j++) {
            static char text[600][2][64];

            snprintf(text[j][0], 64, "field:%u", j);
            snprintf(
                text[j][1], 64, "%u of hash %u%*s", j, i, (int)(i % 7) * 5, "");
            (void)hash_edit_set(
                e, str_of(text[j][0]), str_of(text[j][1]), KS_NO_EXPIRY);
        }
        close_edit(e);
        if (i % 256 == 0)
            maintain();
    }
    ks_metrics(f.ks, &m);
    ck_assert_uint_gt(m.evicted, 500);
    ck_assert_uint_gt(m.moves, 100);
    for (unsigned i = 0; i < 60000; i++) {
        unsigned n = i % 500 == 0 ? 600 : 4;

        snprintf(name, sizeof(name), "evicted:%u:hash", i);
        if (count_of(name) == 0)
            continue;
        there++;
        ck_assert_uint_eq(count_of(name), n);
        for (unsigned j = 0; j < n; j += n / 4) {
            snprintf(field, sizeof(field), "field:%u", j);
            snprintf(value, sizeof(value), "%u of hash %u%*s", j, i,
                (int)(i % 7) * 5, "");
            assert_field(name, field, value);
        }
    }
    ck_assert_uint_gt(there, 1000);
}
END_TEST

START_TEST(a_watch_hears_of_changes_in_place_and_of_expired_hashes)
{
    struct ks_key key = key_of(&f, "h");
    struct ks_watch *w;

    set_numbered("h", 0, 1000);
    w = ks_watch(f.t, &key);
    assert_field("h", "f:7:", "value");
    ck_assert(!ks_watch_changed(f.t, w));
    hset("h", "f:7:", "other");
    ck_assert(ks_watch_changed(f.t, w));
    ks_unwatch(f.ks, w);
    w = ks_watch(f.t, &key);
    delete_numbered("h", 1, 2);
    ck_assert(ks_watch_changed(f.t, w));
    ks_unwatch(f.ks, w);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("hash");
    TCase *c = tcase_create("hash");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, fields_are_set_read_counted_and_deleted);
    tcase_add_test(c, other_types_are_refused);
    tcase_add_loop_test(c, a_hash_is_what_a_map_would_be, 0, 2);
    tcase_add_test(c, a_large_hash_grows_and_becomes_compact_again);
    tcase_add_test(c, a_scan_meets_what_stays_exactly_once);
    tcase_add_test(c, any_field_is_chosen_about_as_often);
    tcase_add_test(c, an_expired_field_is_gone_to_the_millisecond);
    tcase_add_test(c, the_sweep_frees_expired_fields_and_hashes);
    tcase_add_test(c, without_memory_a_write_fails_and_changes_nothing);
    tcase_add_test(c, hashes_are_evicted_and_drained_whole);
    tcase_add_test(c, a_watch_hears_of_changes_in_place_and_of_expired_hashes);
    suite_add_tcase(s, c);
    return s;
}

int
main(void)
{
    return run_suite(suite());
}
