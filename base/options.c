/* SPDX-License-Identifier: BSD-3-Clause */
/* options.c - the set of all directives and their values.
 *
 * The rows belong to the modules, which read their values as plain struct
 * members. A change is first parsed as a whole (struct option_changes) and then
 * put into force, so that a bad line leaves every value as it was. Files and
 * arguments are read at start by one thread; afterwards any thread may set and
 * print.
 */
#include "base/base.h"
#include "base/internal.h"

#include <stdlib.h>

_Static_assert(sizeof(char *) == sizeof(int64_t),
    "row i has its value at the i-th 8 bytes of the module's struct");

/* ---- rows ---------------------------------------------------------------- */

/* "maxmemory-policy" and "MAXMEMORY_POLICY" name the row maxmemory_policy. */
static bool
same_name(struct str given, const char *name)
{
    size_t i;

    for (i = 0; i < given.len && name[i] != '\0'; i++) {
        char g = given.p[i] == '-' ? '_' : given.p[i];

        if (!str_ieq((struct str){&g, 1}, (struct str){&name[i], 1}))
            return false;
    }
    return i == given.len && name[i] == '\0';
}

static bool
place_of_row(const struct options *o, struct str name, struct option_place *out)
{
    size_t first = 0;

    for (size_t m = 0; m < o->n_modules; m++) {
        const struct option_module *module = &o->modules[m];

        for (size_t i = 0; i < module->n_rows; i++) {
            if (!same_name(name, module->rows[i].name))
                continue;
            *out = (struct option_place){module, &module->rows[i], first + i};
            return true;
        }
        first += module->n_rows;
    }
    return false;
}

bool
options_place(
    const struct options *o, struct str name, struct option_place *out)
{
    if (!place_of_row(o, name, out))
        return false;
    return !(out->row->flags & OPT_ALIAS) ||
        place_of_row(o, str_of(out->row->def), out);
}

const struct option *
options_find(const struct options *o, struct str name)
{
    struct option_place at;

    return options_place(o, name, &at) ? at.row : NULL;
}

const char *
option_name(const struct option *row, char *out, size_t cap)
{
    size_t len = strlen(row->name);

    ASSERT(len < cap);
    for (size_t i = 0; i <= len; i++)
        out[i] = row->name[i] == '_' ? '-' : row->name[i];
    return out;
}

void
options_each(struct options *o,
    void (*fn)(void *ctx, const char *title, const struct option *row),
    void *ctx)
{
    for (size_t m = 0; m < o->n_modules; m++) {
        for (size_t i = 0; i < o->modules[m].n_rows; i++)
            fn(ctx, o->modules[m].title, &o->modules[m].rows[i]);
    }
}

/* ---- values -------------------------------------------------------------- */

static void
lock(struct options *o)
{
    ASSERT(pthread_mutex_lock(&o->lock) == 0);
}

static void
unlock(struct options *o)
{
    ASSERT(pthread_mutex_unlock(&o->lock) == 0);
}

/* Where the value of a row stands: an int64_t or a char *. */
static void *
member_of(const struct option_module *module, const struct option *row)
{
    return (char *)module->values +
        sizeof(int64_t) * (size_t)(row - module->rows);
}

/* Put a value in force; takes over its string. Under the lock. */
static void
store(const struct option_place *at, struct option_value *value)
{
    void *member = member_of(at->module, at->row);

    if (at->row->type == OPT_STRING) {
        free(*(char **)member);
        *(char **)member = value->string;
        value->string = NULL;
    } else {
        /* Pairs with option_get_i64(): each number stands for itself. */
        __atomic_store_n((int64_t *)member, value->number, __ATOMIC_RELAXED);
    }
}

void
options_print(struct options *o, const struct option *row, struct buf *out)
{
    struct option_value value = {0};
    struct option_place at;
    void *member;

    ASSERT(options_place(o, str_of(row->name), &at));
    member = member_of(at.module, at.row);
    lock(o);
    if (at.row->type == OPT_STRING)
        value.string = *(char **)member;
    else
        value.number = *(int64_t *)member;
    option_value_print(at.row, &value, out);
    unlock(o);
}

void
options_copy_string(struct options *o, char *const *member, struct buf *out)
{
    lock(o);
    buf_append(out, *member, strlen(*member));
    unlock(o);
}

/* ---- changes ------------------------------------------------------------- */

void
option_changes_init(struct option_changes *c, struct options *o)
{
    *c = (struct option_changes){.options = o};
    c->of = xcalloc(o->n_rows, sizeof(*c->of));
}

/* A further line of an OPT_REPEAT directive: `value` behind what is noted. */
static void
join(struct option_value *noted, const char *value)
{
    size_t had = strlen(noted->string);
    size_t len = strlen(value);

    noted->string = xrealloc(noted->string, had + 1 + len + 1);
    noted->string[had] = ' ';
    memcpy(noted->string + had + 1, value, len + 1);
}

/* Would this change an OPT_FIXED directive, which has its default? */
static bool
changes_fixed(const struct option_place *at, const struct option_value *value)
{
    struct buf wanted = {0}, fixed = {0};
    struct option_value def;
    bool parsed, same;

    if (!(at->row->flags & OPT_FIXED))
        return false;
    parsed = option_value_parse(at, at->row->def, &def, &wanted);
    ASSERT(parsed);
    option_value_print(at->row, value, &wanted);
    option_value_print(at->row, &def, &fixed);
    same = str_eq((struct str){wanted.p, wanted.len},
        (struct str){fixed.p, fixed.len});
    buf_free(&wanted);
    buf_free(&fixed);
    free(def.string);
    return !same;
}

/* Say that an OPT_FIXED directive stays as it is. */
static void
write_fixed(const struct option *row, struct buf *out)
{
    char shown[OPTION_NAME_CAP];

    buf_printf(out, "%s stays \"%s\": %s",
        option_name(row, shown, sizeof(shown)), row->def, row->text);
}

/* The name may come from a file in another encoding: its bytes are shown. */
static void
write_unknown(struct str name, struct buf *err)
{
    buf_printf(err, "unknown directive \"");
    for (size_t i = 0; i < MIN(name.len, (size_t)OPTION_NAME_CAP); i++) {
        unsigned char c = (unsigned char)name.p[i];

        buf_printf(err, c < ' ' || c >= 127 ? "\\x%02x" : "%c", c);
    }
    buf_printf(err, "\"");
}

bool
option_changes_add(struct option_changes *c, struct str name, const char *text,
    struct buf *err)
{
    struct option_value value;
    struct option_place at;

    if (!options_place(c->options, name, &at)) {
        write_unknown(name, err);
        return false;
    }
    if (!option_value_parse(&at, text, &value, err))
        return false;
    if (changes_fixed(&at, &value)) {
        struct buf why = {0};

        free(value.string);
        write_fixed(at.row, c->live ? err : &why);
        if (!c->live)
            log_warn("%.*s", (int)why.len, why.p);
        buf_free(&why);
        return !c->live;
    }
    if (c->source != NULL && c->source->from != NULL)
        c->of[at.index].is_included = true;
    if (c->of[at.index].set && (at.row->flags & OPT_REPEAT)) {
        join(&c->of[at.index].value, text);
        free(value.string);
        return true;
    }
    free(c->of[at.index].value.string);
    c->of[at.index].value = value;
    c->of[at.index].set = true;
    return true;
}

void
option_changes_commit(struct option_changes *c)
{
    struct options *o = c->options;
    struct option_place at = {0};

    lock(o);
    for (size_t m = 0; m < o->n_modules; m++) {
        at.module = &o->modules[m];
        for (size_t i = 0; i < at.module->n_rows; i++, at.index++) {
            at.row = &at.module->rows[i];
            if (c->of[at.index].set)
                store(&at, &c->of[at.index].value);
        }
    }
    unlock(o);
    if (c->has_lines) {
        struct option_line_list former = o->lines;

        o->lines = c->lines;
        c->lines = former;
    }
    option_changes_drop(c);
}

void
option_changes_drop(struct option_changes *c)
{
    for (size_t i = 0; i < c->options->n_rows; i++)
        free(c->of[i].value.string);
    free(c->of);
    option_lines_free(&c->lines);
    *c = (struct option_changes){0};
}

bool
options_set(struct options *o, const char *name, const char *text, bool live,
    struct buf *err)
{
    struct option_changes changes;
    const struct option *row = options_find(o, str_of(name));
    char shown[OPTION_NAME_CAP];

    if (live && row != NULL && !(row->flags & OPT_LIVE)) {
        buf_printf(err, "%s: can't set immutable config; it is read at start",
            option_name(row, shown, sizeof(shown)));
        return false;
    }
    option_changes_init(&changes, o);
    changes.live = live;
    if (!option_changes_add(&changes, str_of(name), text, err)) {
        option_changes_drop(&changes);
        return false;
    }
    option_changes_commit(&changes);
    return true;
}

/* ---- the set ------------------------------------------------------------- */

/* What a table must keep to, checked once at start. */
static void
check_row(const struct options *o, const struct option *row)
{
    struct option_place at;
    bool ranged = row->type == OPT_INT || row->type == OPT_SIZE ||
        row->type == OPT_MEMORY || row->type == OPT_OCTAL;

    ASSERT(strlen(row->name) < OPTION_NAME_CAP);
    ASSERT(row->def != NULL && row->values != NULL && row->text != NULL);
    ASSERT(!ranged || row->min < row->max);
    ASSERT(row->type == OPT_STRING || !(row->flags & OPT_REPEAT));
    /* No two rows answer to one name; an alias is of a row with a value. */
    ASSERT(place_of_row(o, str_of(row->name), &at) && at.row == row);
    ASSERT(options_place(o, str_of(row->name), &at) &&
        !(at.row->flags & OPT_ALIAS));
}

/* Give a row its default. A default that its own row refuses is a bug. */
static void
set_default(const struct option_place *at)
{
    struct option_value value;
    struct buf err = {0};

    *(int64_t *)member_of(at->module, at->row) = 0;
    if (at->row->flags & OPT_ALIAS)
        return;
    if (!option_value_parse(at, at->row->def, &value, &err)) {
        log_error("bad default: %.*s", (int)err.len, err.p);
        UNREACHABLE();
    }
    store(at, &value);
    buf_free(&err);
}

struct options *
options_new(const struct option_module *modules, size_t n)
{
    struct options *o = xcalloc(1, sizeof(*o));
    struct option_place at = {0};

    ASSERT(pthread_mutex_init(&o->lock, NULL) == 0);
    o->modules = xcalloc(n, sizeof(*modules));
    memcpy(o->modules, modules, n * sizeof(*modules));
    o->n_modules = n;
    for (size_t m = 0; m < n; m++) {
        at.module = &o->modules[m];
        for (size_t i = 0; i < at.module->n_rows; i++) {
            at.row = &at.module->rows[i];
            check_row(o, at.row);
            set_default(&at);
        }
        o->n_rows += at.module->n_rows;
    }
    return o;
}

void
options_free(struct options *o)
{
    if (o == NULL)
        return;
    for (size_t m = 0; m < o->n_modules; m++) {
        const struct option_module *module = &o->modules[m];

        for (size_t i = 0; i < module->n_rows; i++) {
            if (module->rows[i].type != OPT_STRING)
                continue;
            free(*(char **)member_of(module, &module->rows[i]));
            *(char **)member_of(module, &module->rows[i]) = NULL;
        }
    }
    option_lines_free(&o->lines);
    pthread_mutex_destroy(&o->lock);
    free(o->modules);
    free(o);
}
