/* SPDX-License-Identifier: BSD-3-Clause */
/* lookup_test.c - every name finds its row, and nothing else does. */
#include "commands/harness.h"
#include "commands/script.h"

#include <ctype.h>
#include <stdlib.h>

static struct command_index *ix;

static void
start(void)
{
    ix = command_index_new();
}

static void
stop(void)
{
    command_index_free(ix);
}

/* Look up a copy in a block of its own size, so that a read beyond it shows. */
static const struct command *
find(const char *p, size_t len)
{
    char *copy = xcalloc(1, MAX(len, 1));
    const struct command *row;

    memcpy(copy, p, len);
    row = command_find(ix, (struct str){copy, len});
    free(copy);
    return row;
}

static bool
is_sub(const struct command *row)
{
    return strchr(row->name, '|') != NULL;
}

START_TEST(every_command_is_found_in_any_case)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        const struct command *row = &command_table[i];
        char name[64];
        size_t len = strlen(row->name);

        if (is_sub(row))
            continue;
        memcpy(name, row->name, len);
        ck_assert_ptr_eq(find(name, len), row);
        for (size_t k = 0; k < len; k++)
            name[k] = (char)toupper((unsigned char)name[k]);
        ck_assert_ptr_eq(find(name, len), row);
        name[0] = row->name[0];
        ck_assert_ptr_eq(find(name, len), row);
    }
}
END_TEST

START_TEST(a_name_that_is_cut_or_longer_is_not_found)
{
    ck_assert_ptr_null(find("", 0));
    ck_assert_ptr_null(find("ge", 2));
    ck_assert_ptr_null(find("gett", 4));
    ck_assert_ptr_null(find("pexpiretim", 10));
    ck_assert_ptr_null(find("pexpiretimes", 12));
    ck_assert_ptr_null(find("incrbyfloatincrbyfloat", 22));
}
END_TEST

START_TEST(no_other_byte_passes_for_a_letter)
{
    for (int c = 0; c < 256; c++) {
        char name[] = "get";

        name[1] = (char)c;
        if (c == 'e' || c == 'E')
            ck_assert_ptr_nonnull(find(name, 3));
        else
            ck_assert_ptr_null(find(name, 3));
    }
}
END_TEST

START_TEST(names_that_differ_in_one_byte_are_told_apart)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        const struct command *row = &command_table[i];
        char name[64];
        size_t len = strlen(row->name);

        if (is_sub(row))
            continue;
        for (size_t k = 0; k < len; k++) {
            const struct command *found;

            memcpy(name, row->name, len);
            name[k] = name[k] == 'z' ? 'y' : 'z';
            found = find(name, len);
            ck_assert(found == NULL ||
                (found != row && strncmp(found->name, name, len) == 0));
        }
    }
}
END_TEST

START_TEST(a_subcommand_is_found_through_its_container_only)
{
    const struct command *client = command_find(ix, STR("client"));
    const struct command *id = command_find_sub(client, STR("ID"));

    ck_assert_ptr_nonnull(id);
    ck_assert_str_eq(id->name, "client|id");
    ck_assert_str_eq(command_sub_name(id), "id");
    ck_assert_ptr_eq(command_find_full(ix, STR("Client|Id")), id);
    ck_assert_ptr_null(find("client|id", 9));
    ck_assert_ptr_null(command_find_sub(client, STR("i")));
    ck_assert_ptr_null(command_find_sub(client, STR("get")));
    ck_assert_ptr_null(command_find_full(ix, STR("get|id")));
    ck_assert_ptr_null(command_find_full(ix, STR("client|")));
    ck_assert_ptr_null(command_find_full(ix, STR("|id")));
    ck_assert_ptr_null(command_find_full(ix, STR("")));
}
END_TEST

START_TEST(the_subcommands_of_a_container_end_at_the_next_command)
{
    const struct command *object = command_find(ix, STR("object"));
    size_t n = 0;

    for (const struct command *sub = command_first_sub(object); sub != NULL;
         sub = command_next_sub(sub)) {
        ck_assert(strncmp(sub->name, "object|", 7) == 0);
        n++;
    }
    ck_assert_uint_eq(n, 5);
    ck_assert_ptr_null(command_first_sub(command_find(ix, STR("get"))));
}
END_TEST

static const struct command *
resolve(int argc, const char *first, const char *second)
{
    struct resp_arg argv[2] = {{.p = first, .len = strlen(first)}};

    if (argc > 1)
        argv[1] = (struct resp_arg){.p = second, .len = strlen(second)};
    return command_resolve(ix, argv, argc);
}

START_TEST(a_request_resolves_to_the_row_that_runs_it)
{
    ck_assert_str_eq(resolve(2, "GET", "id")->name, "get");
    ck_assert_str_eq(resolve(2, "CLIENT", "ID")->name, "client|id");
    ck_assert_str_eq(resolve(1, "CLIENT", NULL)->name, "client");
    ck_assert_str_eq(resolve(1, "COMMAND", NULL)->name, "command");
    ck_assert_ptr_null(resolve(2, "COMMAND", "foo"));
    ck_assert_ptr_null(resolve(2, "foo", "id"));
}
END_TEST

START_TEST(keys_follow_from_first_last_and_step)
{
    const struct command *mset = command_find(ix, STR("mset"));
    const struct command *get = command_find(ix, STR("get"));
    const struct command *ping = command_find(ix, STR("ping"));
    const struct command *usage = command_find_full(ix, STR("memory|usage"));
    struct command_keys keys;

    keys = command_keys_of(mset, NULL, 5);
    ck_assert(keys.first == 1 && keys.last == 4 && keys.step == 2);
    keys = command_keys_of(get, NULL, 2);
    ck_assert(keys.first == 1 && keys.last == 1);
    keys = command_keys_of(get, NULL, 1);
    ck_assert_int_lt(keys.last, keys.first);
    keys = command_keys_of(ping, NULL, 2);
    ck_assert_int_lt(keys.last, keys.first);
    keys = command_keys_of(usage, NULL, 3);
    ck_assert(keys.first == 2 && keys.last == 2);
}
END_TEST

START_TEST(rows_are_consistent_in_themselves)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        const struct command *row = &command_table[i];

        ck_assert_ptr_nonnull(row->handler);
        ck_assert_int_ne(row->arity, 0);
        ck_assert(!(row->flags & CMD_READ && row->flags & CMD_WRITE));
        ck_assert(!(row->flags & CMD_DENYOOM) || row->flags & CMD_WRITE);
        ck_assert_int_eq(row->first_key == 0, row->key_step == 0);
        ck_assert_int_eq(row->first_key == 0, row->last_key == 0);
        ck_assert(row->first_key == 0 || row->handler == cmd_watch ||
            row->handler == cmd_fcall || script_is_row(row) ||
            row->flags & (CMD_READ | CMD_WRITE));
        ck_assert_int_lt(
            row->first_key, abs(row->arity) + (row->last_key == KEYS_COUNTED));
        ck_assert_str_ne(row->summary, "");
        ck_assert_int_eq(row->summary[strlen(row->summary) - 1], '.');
    }
}
END_TEST

HARNESS_MAIN("lookup", start, stop, every_command_is_found_in_any_case,
    a_name_that_is_cut_or_longer_is_not_found,
    no_other_byte_passes_for_a_letter,
    names_that_differ_in_one_byte_are_told_apart,
    a_subcommand_is_found_through_its_container_only,
    the_subcommands_of_a_container_end_at_the_next_command,
    a_request_resolves_to_the_row_that_runs_it,
    keys_follow_from_first_last_and_step, rows_are_consistent_in_themselves)
