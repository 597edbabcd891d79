/* SPDX-License-Identifier: BSD-3-Clause */
/* reference.c - the list of commands in docs/commands.md, from the rows. */
#include "commands/internal.h"

#include <ctype.h>
#include <stdio.h>

static void
append_upper(struct buf *out, const char *s)
{
    size_t len = strlen(s);
    char *to = buf_reserve(out, len);

    for (size_t i = 0; i < len; i++)
        to[i] = s[i] == '|' ? ' ' : (char)toupper((unsigned char)s[i]);
    out->len += len;
}

/* The row of a container says nothing that its subcommands do not. */
static bool
is_listed(const struct command *row, const char *group)
{
    return strcmp(row->group, group) == 0 && row->handler != cmd_container;
}

static void
append_row(struct buf *out, const struct command *row)
{
    buf_printf(out, "- `");
    append_upper(out, row->name);
    if (row->arguments[0] != '\0')
        buf_printf(out, " %s", row->arguments);
    buf_printf(out, "`<br>\n  %s %s%s.\n", row->summary, row->complexity,
        row->flags & CMD_ADMIN ? "; administration" : "");
}

static void
append_group(struct buf *out, const char *group, const char *title)
{
    buf_printf(out, "\n## %s\n\n", title);
    for (size_t i = 0; i < command_table_rows; i++) {
        if (is_listed(&command_table[i], group))
            append_row(out, &command_table[i]);
    }
}

static bool
is_first_of_group(size_t row)
{
    for (size_t i = 0; i < row; i++) {
        if (strcmp(command_table[i].group, command_table[row].group) == 0)
            return false;
    }
    return true;
}

/* The groups in the order of the table, "string" as "String commands". */
void
commands_write_reference(struct buf *out)
{
    for (size_t i = 0; i < command_table_rows; i++) {
        const char *group = command_table[i].group;
        char title[64];

        if (!is_first_of_group(i))
            continue;
        snprintf(title, sizeof(title), "%c%s commands",
            toupper((unsigned char)group[0]), group + 1);
        append_group(out, group, title);
    }
    differences_write(out);
}
