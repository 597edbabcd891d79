/* SPDX-License-Identifier: BSD-3-Clause */
/* key_specs.c - what a row says of the keys and channels of a command, and
 * which categories it belongs to.
 *
 * COMMAND INFO, COMMAND GETKEYSANDFLAGS and the checks of users' rights all
 * ask here. Reads the table only; any thread.
 */
#include "commands/internal.h"

/* ---- keys ---------------------------------------------------------------- */

unsigned
key_spec_count(const struct command *row)
{
    if (row->first_key == 0)
        return 0;
    return row->other_key_flags != 0 ? 2 : 1;
}

unsigned
key_spec_flags(const struct command *row, unsigned group)
{
    if (group == 1)
        return row->other_key_flags;
    if (row->key_flags != 0)
        return row->key_flags;
    if (row->flags & CMD_WRITE)
        return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return row->flags & CMD_READ ? KEY_RO | KEY_ACCESS : KEY_RO;
}

static bool
is_word(const struct resp_arg *arg, const char *word)
{
    return str_ieq((struct str){arg->p, arg->len}, str_of(word));
}

/* SET only writes, unless it returns the former value or compares with it. */
static unsigned
set_flags(const struct resp_arg *argv, int argc)
{
    static const char *const reading[] = {
        "get", "ifeq", "ifne", "ifdeq", "ifdne", "ifver"};

    for (int i = 3; i < argc; i++) {
        for (size_t j = 0; j < ARRAY_LEN(reading); j++) {
            if (is_word(&argv[i], reading[j]))
                return KEY_RW | KEY_ACCESS | KEY_UPDATE;
        }
    }
    return KEY_OW | KEY_UPDATE;
}

/* BITFIELD only reads while all it has is GET; wrong syntax counts as a
 * write. */
static unsigned
bitfield_flags(const struct resp_arg *argv, int argc)
{
    for (int i = 2; i < argc; i++) {
        if (is_word(&argv[i], "get") && argc - i > 2)
            i += 2;
        else if (is_word(&argv[i], "overflow") && argc - i > 1)
            i++;
        else
            return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    }
    return KEY_RO | KEY_ACCESS;
}

unsigned
command_key_flags(
    const struct command *row, const struct resp_arg *argv, int argc, int i)
{
    bool other = row->other_key_flags != 0 && i > row->first_key;
    unsigned flags = key_spec_flags(row, other);

    if (!(flags & KEY_VARIABLE))
        return flags;
    if (row->handler == cmd_set)
        return set_flags(argv, argc);
    ASSERT(row->handler == cmd_bitfield);
    return bitfield_flags(argv, argc);
}

/* ---- channels ------------------------------------------------------------ */

/* Leaving a channel needs no right. */
struct command_channels
command_channels_of(const struct command *row, int argc)
{
    if (!(row->flags & CMD_PUBSUB))
        return (struct command_channels){1, 0, false};
    if (row->handler == cmd_publish || row->handler == cmd_spublish)
        return (struct command_channels){1, 1, false};
    if (row->handler == cmd_subscribe || row->handler == cmd_ssubscribe)
        return (struct command_channels){1, argc - 1, false};
    if (row->handler == cmd_psubscribe)
        return (struct command_channels){1, argc - 1, true};
    return (struct command_channels){1, 0, false};
}

/* ---- categories ---------------------------------------------------------- */

const char *const category_names[CATEGORIES_N] = {
#define X(id, word) #word,
    CATEGORIES(X)
#undef X
};

enum category
category_find(struct str name)
{
    int i = 0;

    while (i < CATEGORIES_N && !str_ieq(name, str_of(category_names[i])))
        i++;
    return (enum category)i;
}

#define BIT(id) ((uint32_t)1 << CATEGORY_##id)

/* They would take any value that has elements, and are of no group. */
static bool
sorts(const struct command *row)
{
    return row->handler == cmd_sort || row->handler == cmd_sort_ro;
}

/* What the group says; a pure container belongs to none, and what a row says of
 * itself goes before it. */
static uint32_t
group_category(const struct command *row)
{
    static const struct {
        const char *group;
        uint32_t category;
    } groups[] = {
        {"string", BIT(STRING)},
        {"bitmap", BIT(BITMAP)},
        {"generic", BIT(KEYSPACE)},
        {"connection", BIT(CONNECTION)},
        {"transactions", BIT(TRANSACTION)},
        {"hash", BIT(HASH)},
        {"scripting", BIT(SCRIPTING)},
    };

    if (row->handler == cmd_container || row->flags & CMD_CONNECTION)
        return 0;
    if (sorts(row))
        return BIT(SET) | BIT(SORTEDSET) | BIT(LIST);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (strcmp(row->group, groups[i].group) == 0)
            return groups[i].category;
    }
    return 0;
}

uint32_t
command_categories(const struct command *row)
{
    static const struct {
        unsigned flag;
        uint32_t categories;
    } flags[] = {
        {CMD_KEYSPACE, BIT(KEYSPACE)},
        {CMD_READ, BIT(READ)},
        {CMD_WRITE, BIT(WRITE)},
        {CMD_ADMIN | CMD_LIKE_ADMIN, BIT(ADMIN) | BIT(DANGEROUS)},
        {CMD_DANGEROUS, BIT(DANGEROUS)},
        {CMD_CONNECTION, BIT(CONNECTION)},
        {CMD_PUBSUB, BIT(PUBSUB)},
    };
    uint32_t set = group_category(row);

    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (row->flags & flags[i].flag)
            set |= flags[i].categories;
    }
    if (set & BIT(SCRIPTING)) /* who may read may not run scripts for it */
        set &= ~BIT(READ);
    return set | (row->flags & CMD_FAST ? BIT(FAST) : BIT(SLOW));
}

bool
category_is_hollow(enum category category)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        if (command_in_category(&command_table[i], category) &&
            !sorts(&command_table[i]))
            return false;
    }
    return true;
}
