/* SPDX-License-Identifier: BSD-3-Clause */
/* docs.c - what the rows say of themselves: COMMAND and the HELP subcommands.
 *
 * Reads the table only; any worker.
 */
#include "commands/internal.h"

#include <ctype.h>

static const struct command_index *
index_of(const struct request *rq)
{
    return rq->thread->commands->state->index;
}

static bool
is_sub(const struct command *row)
{
    return strchr(row->name, '|') != NULL;
}

/* Rows that are no subcommands. */
static size_t
count_commands(void)
{
    size_t n = 0;

    for (size_t i = 0; i < command_table_rows; i++)
        n += !is_sub(&command_table[i]);
    return n;
}

static size_t
count_subs(const struct command *row)
{
    size_t n = 0;

    for (const struct command *sub = command_first_sub(row); sub != NULL;
         sub = command_next_sub(sub))
        n++;
    return n;
}

/* ---- flags and categories ------------------------------------------------ */

struct flag_name {
    unsigned flag;
    const char *name;
};

static const struct flag_name flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READ, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_MOVABLE_KEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
};

static void
reply_names(
    struct reply *r, unsigned set, const struct flag_name *names, size_t n)
{
    reply_set(r, (size_t)__builtin_popcount(set));
    for (size_t i = 0; i < n; i++) {
        if (set & names[i].flag)
            reply_simple(r, names[i].name);
    }
}

static void
reply_flags(struct reply *r, const struct command *row)
{
    unsigned shown = 0;

    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
        shown |= row->flags & flag_names[i].flag;
    reply_names(r, shown, flag_names, ARRAY_LEN(flag_names));
}

static void
reply_categories(struct reply *r, const struct command *row)
{
    uint32_t set = command_categories(row);

    reply_set(r, (size_t)__builtin_popcount(set));
    for (int i = 0; i < CATEGORIES_N; i++) {
        char name[16] = "@";

        if (!(set >> i & 1))
            continue;
        strncat(name, category_names[i], sizeof(name) - 2);
        reply_simple(r, name);
    }
}

/* ---- keys ---------------------------------------------------------------- */

static const struct flag_name key_flag_names[] = {
    {KEY_RO, "RO"},
    {KEY_RW, "RW"},
    {KEY_OW, "OW"},
    {KEY_RM, "RM"},
    {KEY_ACCESS, "access"},
    {KEY_UPDATE, "update"},
    {KEY_INSERT, "insert"},
    {KEY_DELETE, "delete"},
    {KEY_VARIABLE, "variable_flags"},
    {KEY_INCOMPLETE, "incomplete"},
};

static void
reply_key_flags(struct reply *r, unsigned flags)
{
    reply_names(r, flags, key_flag_names, ARRAY_LEN(key_flag_names));
}

static void
reply_pair(struct reply *r, const char *name, const char *value)
{
    reply_bulk_cstr(r, name);
    reply_bulk_cstr(r, value);
}

static void
reply_pair_int(struct reply *r, const char *name, int v)
{
    reply_bulk_cstr(r, name);
    reply_int(r, v);
}

/* Whose positions COMMAND INFO cannot say in three numbers. */
static bool
has_counted_keys(const struct command *row)
{
    return row->last_key == KEYS_COUNTED;
}

/* Keys in a range, counted from the first of them. */
static void
reply_key_range(struct reply *r, int last, int step)
{
    reply_pair(r, "type", "range");
    reply_bulk_cstr(r, "spec");
    reply_map(r, 3);
    reply_pair_int(r, "lastkey", last);
    reply_pair_int(r, "keystep", step);
    reply_pair_int(r, "limit", 0);
}

/* Or as many as the argument before the first says. */
static void
reply_key_count(struct reply *r, const struct command *row)
{
    reply_pair(r, "type", "keynum");
    reply_bulk_cstr(r, "spec");
    reply_map(r, 3);
    reply_pair_int(r, "keynumidx", 0);
    reply_pair_int(r, "firstkey", 1);
    reply_pair_int(r, "keystep", row->key_step);
}

/* Keys that only the arguments tell, or what is found under a key. */
static void
reply_unknown_keys(struct reply *r, unsigned flags)
{
    reply_map(r, 3);
    reply_bulk_cstr(r, "flags");
    reply_key_flags(r, flags);
    reply_bulk_cstr(r, "begin_search");
    reply_map(r, 2);
    reply_pair(r, "type", "unknown");
    reply_bulk_cstr(r, "spec");
    reply_map(r, 0);
    reply_bulk_cstr(r, "find_keys");
    reply_map(r, 2);
    reply_pair(r, "type", "unknown");
    reply_bulk_cstr(r, "spec");
    reply_map(r, 0);
}

static void
reply_key_spec_head(struct reply *r, unsigned flags, int index)
{
    reply_map(r, 3);
    reply_bulk_cstr(r, "flags");
    reply_key_flags(r, flags);
    reply_bulk_cstr(r, "begin_search");
    reply_map(r, 2);
    reply_pair(r, "type", "index");
    reply_bulk_cstr(r, "spec");
    reply_map(r, 1);
    reply_pair_int(r, "index", index);
    reply_bulk_cstr(r, "find_keys");
    reply_map(r, 2);
}

/* Its key; those that BY and GET make of what is there; that of STORE. */
static void
reply_sort_specs(struct reply *r, const struct command *row)
{
    bool stores = row->other_key_flags != 0;

    reply_set(r, 2 + stores);
    reply_key_spec_head(r, key_spec_flags(row, 0), row->first_key);
    reply_key_range(r, 0, 1);
    reply_unknown_keys(r, key_spec_flags(row, 0));
    if (stores)
        reply_unknown_keys(r, key_spec_flags(row, 1));
}

/* Its key, or those after the word KEYS: which is looked for from the end, and
 * may be another argument. */
static void
reply_migrate_specs(struct reply *r, const struct command *row)
{
    unsigned flags = key_spec_flags(row, 0);

    reply_set(r, 2);
    reply_key_spec_head(r, flags, row->first_key);
    reply_key_range(r, 0, 1);
    reply_map(r, 3);
    reply_bulk_cstr(r, "flags");
    reply_key_flags(r, flags | KEY_INCOMPLETE);
    reply_bulk_cstr(r, "begin_search");
    reply_map(r, 2);
    reply_pair(r, "type", "keyword");
    reply_bulk_cstr(r, "spec");
    reply_map(r, 2);
    reply_pair(r, "keyword", "KEYS");
    reply_pair_int(r, "startfrom", -2);
    reply_bulk_cstr(r, "find_keys");
    reply_map(r, 2);
    reply_key_range(r, -1, 1);
}

static void
reply_key_specs(struct reply *r, const struct command *row)
{
    unsigned n = key_spec_count(row);

    if (row->handler == cmd_migrate) {
        reply_migrate_specs(r, row);
        return;
    }
    if (row->handler == cmd_sort || row->handler == cmd_sort_ro) {
        reply_sort_specs(r, row);
        return;
    }
    reply_set(r, n);
    for (unsigned group = 0; group < n; group++) {
        int first = row->first_key + (int)group * row->key_step;
        int last = row->last_key < 0 ? row->last_key : row->last_key - first;

        reply_key_spec_head(
            r, key_spec_flags(row, group), first - has_counted_keys(row));
        if (has_counted_keys(row))
            reply_key_count(r, row);
        else if (group + 1 < n) /* this one, and others follow */
            reply_key_range(r, 0, 1);
        else
            reply_key_range(r, last, row->key_step);
    }
}

/* ---- COMMAND and COMMAND INFO -------------------------------------------- */

#define INFO_FIELDS 10

/* All but the subcommands. */
static void
reply_info_head(struct reply *r, const struct command *row)
{
    bool counted = has_counted_keys(row);
    int last = row->last_key <= KEYS_LISTED ? row->first_key : row->last_key;

    reply_array(r, INFO_FIELDS);
    reply_bulk_cstr(r, row->name);
    reply_int(r, row->arity);
    reply_flags(r, row);
    reply_int(r, counted ? 0 : row->first_key);
    reply_int(r, counted ? 0 : last);
    reply_int(r, counted ? 0 : row->key_step);
    reply_categories(r, row);
    reply_set(r, 0); /* tips, for proxies before clusters */
    reply_key_specs(r, row);
}

static void
reply_info(struct reply *r, const struct command *row)
{
    size_t n_subs = count_subs(row);

    reply_info_head(r, row);
    if (n_subs == 0) {
        reply_set(r, 0);
        return;
    }
    reply_array(r, n_subs);
    for (const struct command *sub = command_first_sub(row); sub != NULL;
         sub = command_next_sub(sub)) {
        reply_info_head(r, sub);
        reply_set(r, 0);
    }
}

void
cmd_command(struct request *rq)
{
    reply_array(rq->reply, count_commands());
    for (size_t i = 0; i < command_table_rows; i++) {
        if (!is_sub(&command_table[i]))
            reply_info(rq->reply, &command_table[i]);
    }
}

void
cmd_command_info(struct request *rq)
{
    if (rq->argc == 2) {
        cmd_command(rq);
        return;
    }
    reply_array(rq->reply, (size_t)rq->argc - 2);
    for (int i = 2; i < rq->argc; i++) {
        const struct command *row =
            command_find_full(index_of(rq), arg_str(rq, i));

        if (row == NULL)
            reply_null(rq->reply);
        else
            reply_info(rq->reply, row);
    }
}

void
cmd_command_count(struct request *rq)
{
    reply_int(rq->reply, (int64_t)count_commands());
}

/* ---- COMMAND DOCS -------------------------------------------------------- */

/* All but the subcommands, in a map with `more` further pairs. */
static void
reply_docs_head(struct reply *r, const struct command *row, size_t more)
{
    bool has_arguments = row->arguments[0] != '\0';

    reply_map(r, 4 + (size_t)has_arguments + more);
    reply_pair(r, "summary", row->summary);
    reply_pair(r, "since", row->since);
    reply_pair(r, "group", row->group);
    reply_pair(r, "complexity", row->complexity);
    if (has_arguments) {
        reply_bulk_cstr(r, "arguments");
        syntax_reply(r, row->arguments);
    }
}

static void
reply_docs(struct reply *r, const struct command *row)
{
    size_t n_subs = count_subs(row);

    reply_bulk_cstr(r, row->name);
    reply_docs_head(r, row, n_subs > 0);
    if (n_subs == 0)
        return;
    reply_bulk_cstr(r, "subcommands");
    reply_map(r, n_subs);
    for (const struct command *sub = command_first_sub(row); sub != NULL;
         sub = command_next_sub(sub)) {
        reply_bulk_cstr(r, sub->name);
        reply_docs_head(r, sub, 0);
    }
}

void
cmd_command_docs(struct request *rq)
{
    size_t n = 0;
    size_t at = reply_map_open(rq->reply);

    if (rq->argc == 2) {
        for (size_t i = 0; i < command_table_rows; i++) {
            if (is_sub(&command_table[i]))
                continue;
            reply_docs(rq->reply, &command_table[i]);
            n++;
        }
    }
    for (int i = 2; i < rq->argc; i++) {
        const struct command *row =
            command_find_full(index_of(rq), arg_str(rq, i));

        if (row == NULL)
            continue;
        reply_docs(rq->reply, row);
        n++;
    }
    reply_array_close(rq->reply, at, n);
}

/* ---- COMMAND LIST -------------------------------------------------------- */

enum filter_kind {
    FILTER_NONE,
    FILTER_MODULE,
    FILTER_CATEGORY,
    FILTER_PATTERN
};

struct filter {
    enum filter_kind kind;
    struct str value;
    enum category category;
};

static bool
read_filter(struct request *rq, struct filter *f)
{
    *f = (struct filter){0};
    if (rq->argc == 2)
        return true;
    if (rq->argc != 5 || !arg_is(rq, 2, "filterby"))
        return false;
    f->value = arg_str(rq, 4);
    f->category = category_find(f->value);
    if (arg_is(rq, 3, "module"))
        f->kind = FILTER_MODULE;
    else if (arg_is(rq, 3, "aclcat"))
        f->kind = FILTER_CATEGORY;
    else if (arg_is(rq, 3, "pattern"))
        f->kind = FILTER_PATTERN;
    else
        return false;
    return true;
}

static bool
passes(const struct filter *f, const struct command *row)
{
    switch (f->kind) {
    case FILTER_MODULE:
        return false;
    case FILTER_CATEGORY:
        return f->category < CATEGORIES_N &&
            command_in_category(row, f->category);
    case FILTER_PATTERN:
        return glob_match(f->value, str_of(row->name), true);
    case FILTER_NONE:
        break;
    }
    return true;
}

void
cmd_command_list(struct request *rq)
{
    struct filter filter;
    size_t n = 0;
    size_t at;

    if (!read_filter(rq, &filter)) {
        reply_error_syntax(rq);
        return;
    }
    at = reply_array_open(rq->reply);
    for (size_t i = 0; i < command_table_rows; i++) {
        if (!passes(&filter, &command_table[i]))
            continue;
        reply_bulk_cstr(rq->reply, command_table[i].name);
        n++;
    }
    reply_array_close(rq->reply, at, n);
}

/* ---- COMMAND GETKEYS ----------------------------------------------------- */

/* The row of the command in argv[2...], if it has keys; replies with the error
 * if not. */
static const struct command *
row_with_keys(struct request *rq)
{
    const struct command *row =
        command_resolve(index_of(rq), rq->argv + 2, rq->argc - 2);

    if (row == NULL) {
        reply_error(rq->reply, "ERR Invalid command specified");
        return NULL;
    }
    if (row->first_key == 0) {
        reply_error(rq->reply, "ERR The command has no key arguments");
        return NULL;
    }
    if (!command_arity_fits(row, rq->argc - 2)) {
        reply_error(
            rq->reply, "ERR Invalid number of arguments specified for command");
        return NULL;
    }
    return row;
}

static void
reply_keys(struct request *rq, bool with_flags)
{
    const struct command *row = row_with_keys(rq);
    struct command_keys keys;
    size_t at, n = 0;

    if (row == NULL)
        return;
    keys = command_keys_of(row, rq->argv + 2, rq->argc - 2);
    if (keys.last < keys.first && !(row->flags & CMD_NO_MANDATORY_KEYS)) {
        reply_error(rq->reply, "ERR Invalid arguments specified for command");
        return;
    }
    at = reply_array_open(rq->reply);
    for (int i = keys.first; i <= keys.last; i += keys.step) {
        if (with_flags)
            reply_array(rq->reply, 2);
        reply_bulk(rq->reply, arg_str(rq, i + 2));
        if (with_flags)
            reply_key_flags(rq->reply,
                command_key_flags(row, rq->argv + 2, rq->argc - 2, i));
        n++;
    }
    reply_array_close(rq->reply, at, n);
}

void
cmd_command_getkeys(struct request *rq)
{
    reply_keys(rq, false);
}

void
cmd_command_getkeysandflags(struct request *rq)
{
    reply_keys(rq, true);
}

/* ---- HELP ---------------------------------------------------------------- */

static void
append_upper(struct buf *out, const char *s, size_t len)
{
    char *to = buf_reserve(out, len);

    for (size_t i = 0; i < len; i++)
        to[i] = (char)toupper((unsigned char)s[i]);
    out->len += len;
}

/* `line` as a status; empties it. */
static void
reply_line(struct reply *r, struct buf *line)
{
    buf_append(line, "", 1);
    reply_simple(r, line->p);
    line->len = 0;
}

static void
reply_help_entry(struct reply *r, const struct command *sub, struct buf *line)
{
    const char *name = command_sub_name(sub);

    append_upper(line, name, strlen(name));
    if (sub->arguments[0] != '\0')
        buf_printf(line, " %s", sub->arguments);
    reply_line(r, line);
    buf_printf(line, "    %s", sub->summary);
    reply_line(r, line);
}

/* Handler of every "container|help" row: the rows of the container, two lines
 * each. */
void
cmd_help(struct request *rq)
{
    const struct command *row = command_find(index_of(rq), arg_str(rq, 0));
    struct buf line = {0};

    reply_array(rq->reply, 1 + 2 * count_subs(row));
    append_upper(&line, row->name, strlen(row->name));
    buf_printf(
        &line, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    reply_line(rq->reply, &line);
    for (const struct command *sub = command_first_sub(row); sub != NULL;
         sub = command_next_sub(sub))
        reply_help_entry(rq->reply, sub, &line);
    buf_free(&line);
}
