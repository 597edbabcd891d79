/* SPDX-License-Identifier: BSD-3-Clause */
/* key_specs_test.c - how commands use their keys, which channels they name, and
 * their categories; what Redis 7.0.15 says of the same commands.
 */
#include "commands/fixture.h"
#include "commands/script.h"

static const struct command *
row_of(const char *name)
{
    const struct command *row =
        command_find_full(h->commands.state->index, str_of(name));

    ck_assert_msg(row != NULL, "%s", name);
    return row;
}

/* ---- keys ---------------------------------------------------------------- */

#define RO_ KEY_RO
#define READ_ (KEY_RO | KEY_ACCESS)
#define EDIT_ (KEY_RW | KEY_ACCESS | KEY_UPDATE)
#define TAKE_ (KEY_RW | KEY_ACCESS | KEY_DELETE)
#define PUT_ (KEY_OW | KEY_UPDATE)

static const struct usage {
    const char *words[12];
    struct {
        int at;
        unsigned flags;
    } keys[3]; /* at 0: no more */
} usages[] = {
    {{"GET", "k"}, {{1, READ_}}},
    {{"STRLEN", "k"}, {{1, RO_}}},
    {{"EXISTS", "a", "b"}, {{1, RO_}, {2, RO_}}},
    {{"INCR", "k"}, {{1, EDIT_}}},
    {{"APPEND", "k", "v"}, {{1, KEY_RW | KEY_INSERT}}},
    {{"GETDEL", "k"}, {{1, TAKE_}}},
    {{"DEL", "a", "b"}, {{1, KEY_RM | KEY_DELETE}, {2, KEY_RM | KEY_DELETE}}},
    {{"EXPIRE", "k", "1"}, {{1, KEY_RW | KEY_UPDATE}}},
    {{"SETNX", "k", "v"}, {{1, KEY_OW | KEY_INSERT}}},
    {{"MSET", "a", "1", "b", "2"}, {{1, PUT_}, {3, PUT_}}},
    {{"MSETEX", "2", "a", "1", "b", "2", "NX"}, {{2, PUT_}, {4, PUT_}}},
    /* a key that is not to be stored yet, and one that is only asked for */
    {{"RENAME", "a", "b"}, {{1, TAKE_}, {2, PUT_}}},
    {{"RENAMENX", "a", "b"}, {{1, TAKE_}, {2, KEY_OW | KEY_INSERT}}},
    {{"COPY", "a", "b", "REPLACE"}, {{1, READ_}, {2, PUT_}}},
    {{"BITOP", "AND", "d", "a", "b"}, {{2, PUT_}, {3, READ_}, {4, READ_}}},
    {{"OBJECT", "FREQ", "k"}, {{2, RO_}}},
    /* by their arguments */
    {{"SET", "k", "v"}, {{1, PUT_}}},
    {{"SET", "k", "get"}, {{1, PUT_}}},
    {{"SET", "k", "v", "EX", "1", "NX"}, {{1, PUT_}}},
    {{"SET", "k", "v", "Get"}, {{1, EDIT_}}},
    {{"SET", "k", "v", "IFEQ", "w"}, {{1, EDIT_}}},
    {{"SET", "k", "v", "ifdne", "0"}, {{1, EDIT_}}},
    {{"SET", "k", "v", "IFVER", "1"}, {{1, EDIT_}}},
    {{"GETV", "k"}, {{1, READ_}}},
    {{"BITFIELD", "k"}, {{1, READ_}}},
    {{"BITFIELD", "k", "GET", "u4", "0"}, {{1, READ_}}},
    {{"BITFIELD", "k", "OVERFLOW", "SAT", "GET", "u4", "0"}, {{1, READ_}}},
    {{"BITFIELD", "k", "SET", "u4", "0", "1"}, {{1, EDIT_}}},
    {{"BITFIELD", "k", "GET", "u4"}, {{1, EDIT_}}},
    {{"BITFIELD", "k", "GET", "u4", "0", "OVERFLOW"}, {{1, EDIT_}}},
    {{"SORT", "k"}, {{1, READ_}}},
    {{"SORT", "k", "DESC", "STORE", "d", "ALPHA"}, {{1, READ_}, {4, PUT_}}},
    {{"SORT", "k", "STORE", "d", "STORE", "e"}, {{1, READ_}, {5, PUT_}}},
    {{"SORT", "k", "LIMIT", "STORE", "d", "STORE"}, {{1, READ_}}},
    {{"SORT", "k", "BY", "STORE", "STORE", "d"}, {{1, READ_}, {5, PUT_}}},
    {{"SORT_RO", "k", "STORE", "d"}, {{1, READ_}}},
    {{"MIGRATE", "h", "p", "k", "0", "1", "COPY"}, {{3, TAKE_}}},
    {{"MIGRATE", "h", "p", "", "0", "1", "KEYS", "a", "b"},
        {{7, TAKE_}, {8, TAKE_}}},
    {{"MIGRATE", "h", "p", "", "0", "1", "AUTH2", "KEYS", "KEYS", "KEYS", "a"},
        {{10, TAKE_}}},
    {{"MIGRATE", "h", "p", "k", "0", "1", "KEYS", "a"}, {{0, 0}}},
    {{"PING"}, {{0, 0}}},
};

START_TEST(every_key_has_the_flags_of_its_use)
{
    const struct usage *u = &usages[_i];
    struct resp_arg argv[12] = {0};
    const struct command *row;
    struct command_keys keys;
    int argc = 0, n = 0;

    for (; argc < 12 && u->words[argc] != NULL; argc++)
        argv[argc] = (struct resp_arg){
            .p = u->words[argc], .len = (uint32_t)strlen(u->words[argc])};
    row = command_resolve(h->commands.state->index, argv, argc);
    ck_assert_ptr_nonnull(row);
    keys = command_keys_of(row, argv, argc);
    for (int i = keys.first; i <= keys.last; i += keys.step, n++) {
        ck_assert_int_eq(u->keys[n].at, i);
        ck_assert_uint_eq(
            command_key_flags(row, argv, argc, i), u->keys[n].flags);
    }
    ck_assert(n == 3 || u->keys[n].at == 0);
}
END_TEST

/* Exactly one word of four, and nothing that contradicts it. */
START_TEST(the_flags_of_all_rows_are_sound)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        const struct command *row = &command_table[i];

        for (unsigned group = 0; group < key_spec_count(row); group++) {
            unsigned flags = key_spec_flags(row, group);
            unsigned word = flags & (KEY_RO | KEY_RW | KEY_OW | KEY_RM);

            ck_assert_msg(__builtin_popcount(word) == 1, "%s", row->name);
            ck_assert_msg(
                !(word == KEY_RO && flags & KEY_WRITES), "%s", row->name);
            ck_assert_msg(
                word != KEY_OW || !(flags & KEY_READS), "%s", row->name);
            /* what a script or a function does is known when it runs */
            ck_assert_msg(word == KEY_RO || row->flags & CMD_WRITE ||
                    strcmp(row->name, "fcall") == 0 || script_is_row(row),
                "%s", row->name);
        }
    }
}
END_TEST

START_TEST(getkeysandflags_tells_each_key_by_itself)
{
    RUN(h,
        "*2\r\n"
        "*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+delete\r\n"
        "*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n",
        "COMMAND", "GETKEYSANDFLAGS", "RENAME", "a", "b");
    RUN(h, "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update\r\n", "COMMAND",
        "GETKEYSANDFLAGS", "SET", "k", "v");
    RUN(h, "*1\r\n*2\r\n$1\r\nk\r\n*3\r\n+RW\r\n+access\r\n+update\r\n",
        "COMMAND", "GETKEYSANDFLAGS", "SET", "k", "v", "GET");
}
END_TEST

START_TEST(two_groups_of_keys_are_two_specifications)
{
    const char *info = SAY(h, "COMMAND", "INFO", "bitop");

    ck_assert_ptr_nonnull(strstr(info, "*2\r\n+OW\r\n+update\r\n"));
    ck_assert_ptr_nonnull(strstr(info,
        "$5\r\nindex\r\n:2\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n"
        "$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "*2\r\n+RO\r\n+access\r\n"));
    ck_assert_ptr_nonnull(strstr(info,
        "$5\r\nindex\r\n:3\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n"
        "$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:-1\r\n"));
}
END_TEST

/* ---- channels ------------------------------------------------------------ */

static void
assert_channels(const char *name, int argc, int first, int last, bool patterns)
{
    struct command_channels c = command_channels_of(row_of(name), argc);

    if (first == 0) {
        ck_assert_int_lt(c.last, c.first);
        return;
    }
    ck_assert_int_eq(c.first, first);
    ck_assert_int_eq(c.last, last);
    ck_assert(c.patterns == patterns);
}

START_TEST(publishing_and_subscribing_name_channels)
{
    assert_channels("publish", 3, 1, 1, false);
    assert_channels("spublish", 3, 1, 1, false);
    assert_channels("subscribe", 4, 1, 3, false);
    assert_channels("ssubscribe", 2, 1, 1, false);
    assert_channels("psubscribe", 3, 1, 2, true);
    assert_channels("unsubscribe", 3, 0, 0, false);
    assert_channels("pubsub|numsub", 3, 0, 0, false);
    assert_channels("get", 2, 0, 0, false);
}
END_TEST

/* ---- categories ---------------------------------------------------------- */

#define BIT(id) ((uint32_t)1 << CATEGORY_##id)

static const struct {
    const char *name;
    uint32_t categories;
} memberships[] = {
    {"get", BIT(READ) | BIT(STRING) | BIT(FAST)},
    {"set", BIT(WRITE) | BIT(STRING) | BIT(SLOW)},
    {"del", BIT(KEYSPACE) | BIT(WRITE) | BIT(SLOW)},
    {"keys", BIT(KEYSPACE) | BIT(READ) | BIT(SLOW) | BIT(DANGEROUS)},
    {"flushall", BIT(KEYSPACE) | BIT(WRITE) | BIT(SLOW) | BIT(DANGEROUS)},
    {"setbit", BIT(WRITE) | BIT(BITMAP) | BIT(SLOW)},
    {"config", BIT(SLOW)},
    {"config|set", BIT(ADMIN) | BIT(SLOW) | BIT(DANGEROUS)},
    {"client|id", BIT(SLOW) | BIT(CONNECTION)},
    {"publish", BIT(PUBSUB) | BIT(FAST)},
    {"watch", BIT(FAST) | BIT(TRANSACTION)},
    {"wait", BIT(SLOW) | BIT(CONNECTION)},
    {"info", BIT(SLOW) | BIT(DANGEROUS)},
    {"command", BIT(SLOW) | BIT(CONNECTION)},
    {"role", BIT(ADMIN) | BIT(FAST) | BIT(DANGEROUS)},
    {"fcall_ro", BIT(SLOW) | BIT(SCRIPTING)},
    {"function|load", BIT(WRITE) | BIT(SLOW) | BIT(SCRIPTING)},
    {"sort",
        BIT(WRITE) | BIT(SET) | BIT(SORTEDSET) | BIT(LIST) | BIT(SLOW) |
            BIT(DANGEROUS)},
    {"sort_ro",
        BIT(READ) | BIT(SET) | BIT(SORTEDSET) | BIT(LIST) | BIT(SLOW) |
            BIT(DANGEROUS)},
};

START_TEST(commands_are_in_the_categories_of_redis)
{
    ck_assert_uint_eq(command_categories(row_of(memberships[_i].name)),
        memberships[_i].categories);
}
END_TEST

START_TEST(categories_are_found_by_name)
{
    for (int i = 0; i < CATEGORIES_N; i++)
        ck_assert_int_eq(category_find(str_of(category_names[i])), i);
    ck_assert_int_eq(category_find(STR("StRiNg")), CATEGORY_STRING);
    ck_assert_int_eq(category_find(STR("nonesuch")), CATEGORIES_N);
    ck_assert_int_eq(category_find(STR("")), CATEGORIES_N);
}
END_TEST

START_TEST(categories_of_other_types_are_hollow)
{
    ck_assert(category_is_hollow(CATEGORY_LIST));
    ck_assert(category_is_hollow(CATEGORY_STREAM));
    ck_assert(!category_is_hollow(CATEGORY_HASH));
    ck_assert(!category_is_hollow(CATEGORY_DANGEROUS));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("key_specs");
    TCase *tc = tcase_create("key_specs");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_loop_test(
        tc, every_key_has_the_flags_of_its_use, 0, ARRAY_LEN(usages));
    tcase_add_test(tc, the_flags_of_all_rows_are_sound);
    tcase_add_test(tc, getkeysandflags_tells_each_key_by_itself);
    tcase_add_test(tc, two_groups_of_keys_are_two_specifications);
    tcase_add_test(tc, publishing_and_subscribing_name_channels);
    tcase_add_loop_test(
        tc, commands_are_in_the_categories_of_redis, 0, ARRAY_LEN(memberships));
    tcase_add_test(tc, categories_are_found_by_name);
    tcase_add_test(tc, categories_of_other_types_are_hollow);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
