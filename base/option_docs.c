/* SPDX-License-Identifier: BSD-3-Clause */
/* option_docs.c - the sample file, the help text and the man page.
 *
 * All three are written from the rows, so that they cannot tell anything else
 * than the parser accepts. One thread.
 */
#include "base/base.h"
#include "base/internal.h"

#define WIDTH 79
#define HELP_COLUMN 34

/* ---- text ---------------------------------------------------------------- */

/* Append `text` in lines of at most WIDTH columns. The first line continues at
 * column `at`; further ones start with `indent`. Ends with a line feed. */
static void
wrap(struct buf *out, size_t at, const char *indent, struct str text)
{
    bool line_start = true;

    while (text.len > 0) {
        const char *blank = memchr(text.p, ' ', text.len);
        size_t len = blank == NULL ? text.len : (size_t)(blank - text.p);

        if (!line_start && at + 1 + len > WIDTH) {
            buf_printf(out, "\n%s", indent);
            at = strlen(indent);
            line_start = true;
        }
        buf_printf(out, "%s%.*s", line_start ? "" : " ", (int)len, text.p);
        at += len + !line_start;
        line_start = false;
        len = MIN(len + 1, text.len);
        text = (struct str){text.p + len, text.len - len};
    }
    buf_append(out, "\n", 1);
}

static void
wrap_comment(struct buf *out, struct str text)
{
    buf_printf(out, "# ");
    wrap(out, 2, "# ", text);
}

/* Rows that have no effect and nothing to tell, and other names of rows, are
 * listed by name only. */
static bool
is_mere_name(const struct option *row)
{
    return (row->flags & OPT_ALIAS) ||
        ((row->flags & OPT_NOOP) && row->text[0] == '\0');
}

/* The names of these, in the order of the rows, each after a blank. */
static void
append_mere_names(const struct option_module *module, struct buf *out)
{
    char name[OPTION_NAME_CAP];

    for (size_t i = 0; i < module->n_rows; i++) {
        const struct option *row = &module->rows[i];

        if (is_mere_name(row) && !(row->flags & (OPT_HIDDEN | OPT_ALIAS)))
            buf_printf(out, " %s", option_name(row, name, sizeof(name)));
    }
}

/* " this-name for that-name, ..." */
static void
append_other_names(const struct option_module *module, struct buf *out)
{
    char name[OPTION_NAME_CAP], other[OPTION_NAME_CAP];

    for (size_t i = 0; i < module->n_rows; i++) {
        const struct option *row = &module->rows[i];
        struct option of = {.name = row->def};

        if (row->flags & OPT_ALIAS)
            buf_printf(out, "%s %s for %s", out->len > 0 ? "," : "",
                option_name(row, other, sizeof(other)),
                option_name(&of, name, sizeof(name)));
    }
    if (out->len > 0)
        buf_printf(out, ".");
}

#define MERE_NAMES "Accepted as well, and without effect:"
#define OTHER_NAMES "Other names, of redis.conf:"

static struct str
str_of_buf(const struct buf *b)
{
    return (struct str){b->p, b->len};
}

/* `Values: 1 to 10. Live.` */
static void
write_values(struct buf *out, const struct option *row)
{
    if (row->flags & OPT_NOOP) {
        buf_printf(out, "Accepted for compatibility only.");
        return;
    }
    if (row->type != OPT_STRING) {
        buf_printf(out, "Values: ");
        option_value_accepted(row, out);
        buf_printf(out, ". ");
    }
    if (row->flags & OPT_REPEAT)
        buf_printf(out, "May be repeated. ");
    buf_printf(out, row->flags & OPT_LIVE ? "Live." : "Start only.");
}

/* ---- the sample file ----------------------------------------------------- */

static void
write_rule(struct buf *out, const char *title)
{
    size_t len = strlen(title);

    buf_printf(out, "\n# ---- %s ", title);
    for (size_t i = len + 8; i < WIDTH; i++)
        buf_append(out, "-", 1);
    buf_append(out, "\n", 1);
}

static void
write_sample_row(struct buf *out, const struct option *row)
{
    struct buf values = {0};
    char name[OPTION_NAME_CAP];

    buf_append(out, "\n", 1);
    wrap_comment(out, str_of(row->text));
    write_values(&values, row);
    wrap_comment(out, str_of_buf(&values));
    buf_free(&values);
    buf_printf(out, "%s%s ", row->flags & OPT_NOOP ? "# " : "",
        option_name(row, name, sizeof(name)));
    option_words_write(out, row->def);
    buf_append(out, "\n", 1);
}

static void
write_line_kind(const struct option_line_kind *kind, struct buf *out)
{
    buf_printf(out, "#\n# %s %s\n", kind->word, kind->form);
    wrap_comment(out, str_of(kind->text));
}

static void
write_sample_names(struct buf *out, const struct option_module *module)
{
    struct buf names = {0};

    append_mere_names(module, &names);
    if (names.len > 0) {
        buf_printf(out, "\n# %s\n", MERE_NAMES);
        wrap_comment(out, (struct str){names.p + 1, names.len - 1});
    }
    names.len = 0;
    append_other_names(module, &names);
    if (names.len > 0) {
        buf_printf(out, "\n# %s\n", OTHER_NAMES);
        wrap_comment(out, (struct str){names.p + 1, names.len - 1});
    }
    buf_free(&names);
}

void
options_write_sample(struct options *o, struct buf *out)
{
    buf_printf(out,
        "# ashlar.conf - configuration of ashlard(8)\n"
        "#\n"
        "# Each line is a directive and its value; each directive stands here "
        "with its\n"
        "# default. A comment has a line of its own. Quotes protect blanks: "
        "\"a b\".\n"
        "# Arguments of the daemon override this file: ashlard FILE --port "
        "7000.\n"
        "#\n"
        "# Sizes take a unit: 1k is 1000 bytes, 1kb 1024; likewise m, mb, g, "
        "gb.\n"
        "# Live directives can be changed while the daemon runs, by CONFIG SET "
        "or here:\n"
        "# HUP has this file read again.\n"
        "#\n"
        "# include FILE reads another file in its place, or all that match a "
        "pattern\n"
        "# such as conf.d/*.conf; a relative path begins at the file that "
        "names it.\n");
    if (o->line_kind != NULL)
        write_line_kind(o->line_kind, out);
    for (size_t m = 0; m < o->n_modules; m++) {
        if (o->modules[m].n_rows == 0)
            continue;
        write_rule(out, o->modules[m].title);
        for (size_t i = 0; i < o->modules[m].n_rows; i++) {
            if (!is_mere_name(&o->modules[m].rows[i]))
                write_sample_row(out, &o->modules[m].rows[i]);
        }
        write_sample_names(out, &o->modules[m]);
    }
}

/* ---- help ---------------------------------------------------------------- */

static const char *
placeholder(const struct option *row)
{
    switch (row->type) {
    case OPT_BOOL:
        return "yes|no";
    case OPT_INT:
        return "N";
    case OPT_SIZE:
        return "SIZE";
    case OPT_MEMORY:
        return "SIZE|N%|auto";
    case OPT_ENUM:
        return "WORD";
    case OPT_OCTAL:
        return "MODE";
    case OPT_STRING:
        return "TEXT";
    }
    UNREACHABLE();
}

static void
write_help_row(struct buf *out, const struct option *row)
{
    char name[OPTION_NAME_CAP];
    char indent[HELP_COLUMN + 1];
    struct buf text = {0};
    size_t start = out->len;

    memset(indent, ' ', HELP_COLUMN);
    indent[HELP_COLUMN] = '\0';
    buf_printf(out, "  --%s %s", option_name(row, name, sizeof(name)),
        placeholder(row));
    if (out->len - start >= HELP_COLUMN)
        buf_printf(out, "\n%s", indent);
    else
        buf_printf(out, "%s", indent + (out->len - start));
    buf_printf(&text, "%s", row->text);
    if (row->type == OPT_ENUM) {
        buf_printf(&text, " One of ");
        option_value_accepted(row, &text);
        buf_printf(&text, ".");
    }
    buf_printf(&text, " [");
    option_words_write(&text, row->def);
    buf_printf(&text, "]");
    wrap(out, HELP_COLUMN, indent, str_of_buf(&text));
    buf_free(&text);
}

static void
add_noop_name(void *ctx, const char *title, const struct option *row)
{
    char name[OPTION_NAME_CAP];

    (void)title;
    if (row->flags & OPT_NOOP && !(row->flags & OPT_HIDDEN))
        buf_printf(ctx, " --%s", option_name(row, name, sizeof(name)));
}

void
options_write_help(struct options *o, struct buf *out)
{
    struct buf noops = {0};

    for (size_t m = 0; m < o->n_modules; m++) {
        bool begun = false; /* a module of names only has no heading */

        for (size_t i = 0; i < o->modules[m].n_rows; i++) {
            if (o->modules[m].rows[i].flags & (OPT_NOOP | OPT_ALIAS))
                continue;
            if (!begun)
                buf_printf(
                    out, "%s%s:\n", m > 0 ? "\n" : "", o->modules[m].title);
            begun = true;
            write_help_row(out, &o->modules[m].rows[i]);
        }
    }
    options_each(o, add_noop_name, &noops);
    if (noops.len > 0) {
        buf_printf(out, "\nAccepted for compatibility, without effect:\n ");
        wrap(out, 1, "  ", (struct str){noops.p, noops.len});
    }
    buf_free(&noops);
}

/* ---- the man page -------------------------------------------------------- */

/* Append text that troff takes literally. */
static void
write_troff(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.p[i]) {
        case '\\':
            buf_printf(out, "\\e");
            break;
        case '-':
            buf_printf(out, "\\-");
            break;
        case '\'':
            buf_printf(out, "\\(aq");
            break;
        case '.':
            /* At the start of a line it would be a request. */
            buf_printf(out, i == 0 ? "\\&." : ".");
            break;
        default:
            buf_append(out, &text.p[i], 1);
        }
    }
}

static void
write_man_row(struct buf *out, const struct option *row)
{
    char name[OPTION_NAME_CAP];
    struct buf value = {0};
    struct buf values = {0};

    option_words_write(&value, row->def);
    write_values(&values, row);
    buf_printf(out, ".TP\n.B ");
    write_troff(out, str_of(option_name(row, name, sizeof(name))));
    buf_printf(out, " \\fR");
    write_troff(out, str_of_buf(&value));
    buf_printf(out, "\n");
    write_troff(out, str_of(row->text));
    buf_printf(out, "\n");
    write_troff(out, str_of_buf(&values));
    buf_printf(out, "\n");
    buf_free(&value);
    buf_free(&values);
}

static void
write_man_names(struct buf *out, const struct option_module *module)
{
    struct buf names = {0}, text = {0};

    append_mere_names(module, &names);
    if (names.len > 0) {
        wrap(&text, 0, "", (struct str){names.p + 1, names.len - 1});
        buf_printf(out, ".PP\n" MERE_NAMES "\n");
        write_troff(out, str_of_buf(&text));
    }
    names.len = text.len = 0;
    append_other_names(module, &names);
    if (names.len > 0) {
        wrap(&text, 0, "", (struct str){names.p + 1, names.len - 1});
        buf_printf(out, ".PP\n" OTHER_NAMES "\n");
        write_troff(out, str_of_buf(&text));
    }
    buf_free(&names);
    buf_free(&text);
}

static void
write_man_line_kind(const struct option_line_kind *kind, struct buf *out)
{
    buf_printf(out, ".PP\n.B %s\n.I %s\n.br\n%s\n", kind->word, kind->form,
        kind->text);
}

static const char man_head[] =
    ".\\\" Made from the directive tables by ashlard --man-config.\n"
    ".TH ASHLAR.CONF 5 \"\" ashlar \"File Formats\"\n"
    ".SH NAME\n"
    "ashlar.conf \\- configuration of ashlard\n"
    ".SH DESCRIPTION\n"
    "Each line is a directive and its value, one or more words separated "
    "by blanks.\n"
    "Empty lines, and lines that start with #, are skipped.\n"
    "A word in double quotes may hold blanks and the escapes\n"
    "\\en \\er \\et \\eb \\ea \\exHH \\e\\(dq \\e\\e; in single quotes "
    "only "
    "\\e\\(aq is special.\n"
    "A later line replaces an earlier one of the same directive, except "
    "where the\n"
    "directive may be repeated.\n"
    "An unknown name or a value that is not accepted stops the start.\n"
    ".PP\n"
    "Sizes take a unit: 1k is 1000 bytes and 1kb is 1024; likewise m, mb, "
    "g, gb.\n"
    "Each directive is shown with its default.\n"
    ".PP\n"
    "Live directives can be changed while the daemon runs, by CONFIG SET "
    "or by\n"
    "SIGHUP, which has the file read again: what it does not name goes "
    "back to its\n"
    "default, and a file with a mistake changes nothing.\n"
    "The other directives are read at start only.\n"
    "CONFIG REWRITE writes what is in force into the file and keeps "
    "comments, order\n"
    "and lines that still hold.\n"
    ".PP\n"
    ".B include\n"
    ".I FILE\n"
    "reads another file in the place of the line.\n"
    "A relative path begins at the file that names it; a pattern with *, ? "
    "or [ reads\n"
    "all files that match, by name, and may match none.\n";

void
options_write_man(struct options *o, struct buf *out)
{
    buf_append(out, man_head, strlen(man_head));
    if (o->line_kind != NULL)
        write_man_line_kind(o->line_kind, out);
    for (size_t m = 0; m < o->n_modules; m++) {
        buf_printf(out, ".SH ");
        write_troff(out, str_of(o->modules[m].title));
        buf_printf(out, "\n");
        for (size_t i = 0; i < o->modules[m].n_rows; i++) {
            if (!is_mere_name(&o->modules[m].rows[i]))
                write_man_row(out, &o->modules[m].rows[i]);
        }
        write_man_names(out, &o->modules[m]);
    }
    buf_printf(out, ".SH SEE ALSO\n.BR ashlard (8)\n");
}
