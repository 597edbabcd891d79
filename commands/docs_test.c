/* SPDX-License-Identifier: BSD-3-Clause */
/* docs_test.c - COMMAND and HELP, to the byte where it is short; where it is
 * long, read back as redis-cli reads it for its hints. */
#include "commands/fixture.h"
#include "commands/internal.h"

#include <stdlib.h>

/* ---- a reader of replies ------------------------------------------------- */

/* Where the reader stands in the reply. */
static const char *at;

/* The next header: its type; its number in *n. */
static char
take_header(char type, int64_t *n)
{
    char *end;

    ck_assert_msg(
        type == '\0' || *at == type, "expected %c at %.20s", type, at);
    type = *at;
    *n = strtoll(at + 1, &end, 10);
    ck_assert_mem_eq(end, "\r\n", 2);
    at = end + 2;
    return type;
}

static struct str
take_bulk(void)
{
    int64_t len;
    struct str s;

    take_header('$', &len);
    s = (struct str){at, (size_t)len};
    at += len;
    ck_assert_mem_eq(at, "\r\n", 2);
    at += 2;
    return s;
}

static struct str
take_simple(void)
{
    const char *end = strstr(at, "\r\n");
    struct str s = {at + 1, (size_t)(end - at) - 1};

    ck_assert_int_eq(*at, '+');
    at = end + 2;
    return s;
}

static bool
is_text(struct str s, const char *text)
{
    return str_eq(s, str_of(text));
}

static void
append(struct buf *out, const char *text)
{
    buf_append(out, text, strlen(text));
}

/* ---- arguments, as redis-cli prints them --------------------------------- */

/* The fields of one argument, read from its RESP3 map. */
struct argument {
    struct str name, type, token;
    bool optional, multiple, multiple_token;
    struct buf children; /* rendered */
    bool has_children;
};

static void render_argument(struct buf *out);

static void
render_list(struct buf *out, const char *separator)
{
    int64_t n;

    take_header('*', &n);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0)
            append(out, separator);
        render_argument(out);
    }
}

static void
read_flags(struct argument *a)
{
    int64_t n;

    take_header('~', &n);
    while (n-- > 0) {
        struct str flag = take_simple();

        if (is_text(flag, "optional"))
            a->optional = true;
        else if (is_text(flag, "multiple"))
            a->multiple = true;
        else if (is_text(flag, "multiple_token"))
            a->multiple_token = true;
        else
            ck_abort_msg("unknown flag %.*s", STR_ARG(flag));
    }
}

static void
read_argument(struct argument *a)
{
    int64_t n, index;

    *a = (struct argument){0};
    take_header('%', &n);
    while (n-- > 0) {
        struct str field = take_bulk();

        if (is_text(field, "name")) {
            a->name = take_bulk();
        } else if (is_text(field, "type")) {
            a->type = take_bulk();
        } else if (is_text(field, "token")) {
            a->token = take_bulk();
        } else if (is_text(field, "key_spec_index")) {
            take_header(':', &index);
            ck_assert_int_eq(index, 0);
        } else if (is_text(field, "flags")) {
            read_flags(a);
        } else if (is_text(field, "arguments")) {
            ck_assert(is_text(a->type, "oneof") || is_text(a->type, "block"));
            render_list(&a->children, is_text(a->type, "oneof") ? "|" : " ");
            a->has_children = true;
        } else {
            ck_abort_msg("unknown field %.*s", STR_ARG(field));
        }
    }
    ck_assert_uint_gt(a->name.len, 0);
    ck_assert_uint_gt(a->type.len, 0);
}

static void
render_value(struct buf *out, const struct argument *a)
{
    if (a->has_children)
        buf_append(out, a->children.p, a->children.len);
    else if (!is_text(a->type, "pure-token"))
        buf_append(out, a->name.p, a->name.len);
}

static void
render_argument(struct buf *out)
{
    struct argument a;

    read_argument(&a);
    if (a.optional)
        append(out, "[");
    buf_append(out, a.token.p, a.token.len);
    if (a.token.len > 0 && !is_text(a.type, "pure-token"))
        append(out, " ");
    render_value(out, &a);
    if (a.multiple) {
        append(out, " [");
        if (a.multiple_token)
            buf_append(out, a.token.p, a.token.len);
        if (a.multiple_token && !is_text(a.type, "pure-token"))
            append(out, " ");
        render_value(out, &a);
        append(out, " ...]");
    }
    if (a.optional)
        append(out, "]");
    buf_free(&a.children);
}

/* The docs of one row, which the reader stands before; in `subs` its number of
 * subcommands, before which the reader then stands. */
static void
check_docs(const struct command *row, int64_t *subs)
{
    struct buf hint = {0};
    int64_t n;

    *subs = 0;
    ck_assert(is_text(take_bulk(), row->name));
    take_header('%', &n);
    while (n-- > 0) {
        struct str field = take_bulk();

        if (is_text(field, "summary"))
            ck_assert(is_text(take_bulk(), row->summary));
        else if (is_text(field, "since"))
            ck_assert(is_text(take_bulk(), row->since));
        else if (is_text(field, "group"))
            ck_assert(is_text(take_bulk(), row->group));
        else if (is_text(field, "complexity"))
            ck_assert(is_text(take_bulk(), row->complexity));
        else if (is_text(field, "arguments"))
            render_list(&hint, " ");
        else if (is_text(field, "subcommands"))
            take_header('%', subs);
        else
            ck_abort_msg("unknown field %.*s", STR_ARG(field));
    }
    buf_append(&hint, "", 1);
    ck_assert_str_eq(hint.p, row->arguments);
    buf_free(&hint);
}

/* ---- COMMAND DOCS -------------------------------------------------------- */

START_TEST(hints_made_from_docs_are_the_syntax_in_the_table)
{
    int64_t n, subs;
    size_t row = 0;

    harness_protocol(h, 3);
    at = SAY(h, "COMMAND", "DOCS");
    take_header('%', &n);
    while (n-- > 0) {
        check_docs(&command_table[row++], &subs);
        while (subs-- > 0) {
            int64_t none;

            check_docs(&command_table[row++], &none);
            ck_assert_int_eq(none, 0);
        }
    }
    ck_assert_str_eq(at, "");
    ck_assert_uint_eq(row, command_table_rows);
}
END_TEST

START_TEST(docs_of_one_command_in_resp2)
{
    RUN(h,
        "*2\r\n$3\r\nget\r\n*10\r\n"
        "$7\r\nsummary\r\n$27\r\nReturns the value of a key.\r\n"
        "$5\r\nsince\r\n$5\r\n0.1.0\r\n"
        "$5\r\ngroup\r\n$6\r\nstring\r\n"
        "$10\r\ncomplexity\r\n$4\r\nO(1)\r\n"
        "$9\r\narguments\r\n*1\r\n*6\r\n"
        "$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n"
        "$14\r\nkey_spec_index\r\n:0\r\n",
        "COMMAND", "DOCS", "GET");
}
END_TEST

START_TEST(docs_of_unknown_commands_are_left_out)
{
    RUN(h, "*0\r\n", "COMMAND", "DOCS", "foo");
    harness_protocol(h, 3);
    RUN(h, "%0\r\n", "COMMAND", "DOCS", "foo", "client|foo");
    at = SAY(h, "COMMAND", "DOCS", "foo", "client|id", "quit");
    ck_assert(strncmp(at, "%2\r\n$9\r\nclient|id\r\n", 19) == 0);
}
END_TEST

START_TEST(a_choice_with_tokens_and_values_is_a_tree)
{
    struct buf out = {0};
    struct reply r = {.out = &out, .protocol = 3};

    syntax_reply(&r, "[EX seconds|KEEPTTL]");
    buf_append(&out, "", 1);
    ck_assert_str_eq(out.p,
        "*1\r\n%4\r\n$4\r\nname\r\n$7\r\nseconds\r\n$4\r\ntype\r\n$"
        "5\r\noneof\r\n"
        "$5\r\nflags\r\n~1\r\n+optional\r\n"
        "$9\r\narguments\r\n*2\r\n"
        "%3\r\n$4\r\nname\r\n$7\r\nseconds\r\n$4\r\ntype\r\n$7\r\ninteger\r\n"
        "$5\r\ntoken\r\n$2\r\nEX\r\n"
        "%3\r\n$4\r\nname\r\n$7\r\nkeepttl\r\n$4\r\ntype\r\n$10\r\n"
        "pure-token\r\n$5\r\ntoken\r\n$7\r\nKEEPTTL\r\n");
    buf_free(&out);
}
END_TEST

START_TEST(arguments_that_repeat_together_are_a_block)
{
    struct buf out = {0};
    struct reply r = {.out = &out, .protocol = 3};

    syntax_reply(&r, "key value [key value ...]");
    buf_append(&out, "", 1);
    ck_assert_str_eq(out.p,
        "*1\r\n%4\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$5\r\nblock\r\n"
        "$5\r\nflags\r\n~1\r\n+multiple\r\n"
        "$9\r\narguments\r\n*2\r\n"
        "%3\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n"
        "$14\r\nkey_spec_index\r\n:0\r\n"
        "%2\r\n$4\r\nname\r\n$5\r\nvalue\r\n$4\r\ntype\r\n$6\r\nstring\r\n");
    buf_free(&out);
}
END_TEST

/* ---- COMMAND, COMMAND INFO ----------------------------------------------- */

#define GET_INFO                                                               \
    "*10\r\n$3\r\nget\r\n:2\r\n"                                               \
    "*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"                           \
    "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n"                             \
    "*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n"                      \
    "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n"               \
    "$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n"                                \
    "$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n"                   \
    "$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n"       \
    "$5\r\nlimit\r\n:0\r\n*0\r\n"

START_TEST(info_of_one_command)
{
    RUN(h, "*1\r\n" GET_INFO, "COMMAND", "INFO", "get");
    RUN(h, "*2\r\n" GET_INFO "$-1\r\n", "COMMAND", "INFO", "GET", "foo");
}
END_TEST

START_TEST(info_in_resp3_uses_sets_and_maps)
{
    harness_protocol(h, 3);
    RUN(h,
        "*2\r\n*10\r\n$4\r\nmset\r\n:-3\r\n"
        "~2\r\n+write\r\n+denyoom\r\n:1\r\n:-1\r\n:2\r\n"
        "~3\r\n+@write\r\n+@string\r\n+@slow\r\n~0\r\n"
        "~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+OW\r\n+update\r\n"
        "$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n"
        "$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n"
        "$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n"
        "$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:-1\r\n$7\r\nkeystep\r\n:2\r\n"
        "$5\r\nlimit\r\n:0\r\n~0\r\n_\r\n",
        "COMMAND", "INFO", "mset", "foo");
}
END_TEST

START_TEST(info_of_a_container_has_its_subcommands)
{
    const char *info = SAY(h, "COMMAND", "INFO", "object");

    ck_assert(strncmp(info,
                  "*1\r\n*10\r\n$6\r\nobject\r\n:-2\r\n*0\r\n:0\r\n:0\r\n"
                  ":0\r\n*1\r\n+@slow\r\n*0\r\n*0\r\n*5\r\n*10\r\n"
                  "$15\r\nobject|encoding\r\n:3\r\n",
                  90) == 0);
    info = SAY(h, "COMMAND", "INFO", "object|freq");
    ck_assert(strncmp(info, "*1\r\n*10\r\n$11\r\nobject|freq\r\n", 27) == 0);
}
END_TEST

START_TEST(command_and_count_agree)
{
    int64_t n, count;

    at = SAY(h, "COMMAND");
    take_header('*', &n);
    at = SAY(h, "COMMAND", "COUNT");
    take_header(':', &count);
    ck_assert_int_eq(n, count);
    ck_assert_int_gt(n, 50);
}
END_TEST

/* ---- COMMAND LIST, GETKEYS ----------------------------------------------- */

START_TEST(list_names_every_row)
{
    int64_t n;

    at = SAY(h, "COMMAND", "LIST");
    take_header('*', &n);
    ck_assert_int_eq(n, (int64_t)command_table_rows);
    for (size_t i = 0; i < command_table_rows; i++)
        ck_assert(is_text(take_bulk(), command_table[i].name));
}
END_TEST

START_TEST(list_filters_by_pattern_category_and_module)
{
    RUN(h,
        "*4\r\n$9\r\nhexpireat\r\n$10\r\nhpexpireat\r\n"
        "$8\r\nexpireat\r\n$9\r\npexpireat\r\n",
        "COMMAND", "LIST", "FILTERBY", "PATTERN", "*EXPIREAT");
    RUN(h, "*0\r\n", "COMMAND", "LIST", "FILTERBY", "MODULE", "x");
    RUN(h, "*0\r\n", "COMMAND", "LIST", "FILTERBY", "ACLCAT", "nothing");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "COMMAND", "LIST", "filterby", "aclcat", "Dangerous"),
            "$8\r\nflushall\r\n"));
    RUN(h, "-ERR syntax error\r\n", "COMMAND", "LIST", "FILTERBY", "PATTERN");
    RUN(h, "-ERR syntax error\r\n", "COMMAND", "LIST", "FILTERBY", "x", "y");
}
END_TEST

START_TEST(getkeys_finds_the_keys_among_the_arguments)
{
    RUN(h, "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "COMMAND", "GETKEYS", "MSET", "a",
        "1", "b", "2");
    RUN(h, "*1\r\n$1\r\na\r\n", "COMMAND", "GETKEYS", "SET", "a", "1", "NX");
    RUN(h, "*1\r\n$1\r\na\r\n", "COMMAND", "GETKEYS", "OBJECT", "FREQ", "a");
    RUN(h, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\na\r\n", "COMMAND", "GETKEYS",
        "del", "a", "b", "a");
    RUN(h, "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n", "COMMAND",
        "GETKEYSANDFLAGS", "get", "a");
}
END_TEST

START_TEST(getkeys_refuses_what_has_none)
{
    RUN(h, "-ERR Invalid command specified\r\n", "COMMAND", "GETKEYS", "foo",
        "a");
    RUN(h, "-ERR The command has no key arguments\r\n", "COMMAND", "GETKEYS",
        "PING", "a");
    RUN(h, "-ERR Invalid number of arguments specified for command\r\n",
        "COMMAND", "GETKEYS", "GET", "a", "b");
    RUN(h, "-ERR Invalid arguments specified for command\r\n", "COMMAND",
        "GETKEYS", "MSETEX", "9", "a", "b");
    /* these may be called without any key */
    RUN(h, "*0\r\n", "COMMAND", "GETKEYS", "FCALL", "f", "9", "a");
    RUN(h, "*0\r\n", "COMMAND", "GETKEYS", "EVALSHA_RO", "f", "-1", "a");
}
END_TEST

/* The keys of each row, for its fewest arguments: no more, no less. */
START_TEST(getkeys_works_for_every_row_with_keys)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        const struct command *row = &command_table[i];
        int n = MAX(abs(row->arity),
            row->last_key == KEYS_COUNTED ? row->first_key + 1 : 0);
        struct str words[16] = {STR("COMMAND"), STR("GETKEYS")};
        const char *bar = strchr(row->name, '|');
        int64_t n_keys, expected = 0;

        if (row->first_key == 0)
            continue;
        for (int k = 0; k < n; k++)
            words[2 + k] = STR("word");
        words[2] = str_of(row->name);
        if (bar != NULL) {
            words[2].len = (size_t)(bar - row->name);
            words[3] = str_of(bar + 1);
        }
        if (row->last_key == KEYS_COUNTED)
            words[2 + row->first_key - 1] = STR("1");
        at = harness_run(h, words, 2 + n);
        take_header('*', &n_keys);
        if (row->last_key <= KEYS_LISTED)
            expected = 1;
        for (int k = row->first_key;
             k <= (row->last_key < 0 ? n + row->last_key : row->last_key);
             k += row->key_step)
            expected++;
        ck_assert_int_eq(n_keys, expected);
        ck_assert_int_gt(n_keys, 0);
    }
}
END_TEST

/* ---- HELP ---------------------------------------------------------------- */

START_TEST(help_lists_the_subcommands_of_the_container)
{
    RUN(h,
        "*11\r\n"
        "+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"
        "+ENCODING key\r\n+    Returns the encoding of a value.\r\n"
        "+FREQ key\r\n+    Returns how often a key was hit: 0 to 7, or about "
        "10, 30, 100, 255.\r\n"
        "+HELP\r\n+    Prints this help.\r\n"
        "+IDLETIME key\r\n+    Returns the seconds since a key was last "
        "accessed.\r\n"
        "+REFCOUNT key\r\n+    Returns the reference count of a value: 1.\r\n",
        "object", "help");
}
END_TEST

START_TEST(every_container_has_help)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        const struct command *row = &command_table[i];

        if (!(row->flags & CMD_CONTAINER))
            continue;
        /* without a cluster, Redis refuses even this */
        ck_assert_int_eq(SAY(h, row->name, "HELP")[0],
            strcmp(row->name, "cluster") == 0 ? '-' : '*');
    }
}
END_TEST

HARNESS_MAIN("docs", start, stop,
    hints_made_from_docs_are_the_syntax_in_the_table,
    docs_of_one_command_in_resp2, docs_of_unknown_commands_are_left_out,
    a_choice_with_tokens_and_values_is_a_tree,
    arguments_that_repeat_together_are_a_block, info_of_one_command,
    info_in_resp3_uses_sets_and_maps, info_of_a_container_has_its_subcommands,
    command_and_count_agree, list_names_every_row,
    list_filters_by_pattern_category_and_module,
    getkeys_finds_the_keys_among_the_arguments, getkeys_refuses_what_has_none,
    getkeys_works_for_every_row_with_keys,
    help_lists_the_subcommands_of_the_container, every_container_has_help)
