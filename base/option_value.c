/* SPDX-License-Identifier: BSD-3-Clause */
/* option_value.c - text to the value of a directive and back.
 *
 * Defaults, configuration files, arguments and CONFIG SET all come through
 * option_value_parse(), so that one spelling means one thing everywhere. Any
 * thread: no state.
 */
#include "base/base.h"
#include "base/internal.h"

#include <inttypes.h>

static bool
parse_percent(struct str text, int64_t *out)
{
    int64_t number;

    if (text.len == 0 || text.p[text.len - 1] != '%' ||
        !str_to_i64((struct str){text.p, text.len - 1}, &number) ||
        number < 1 || number > 100)
        return false;
    *out = -number;
    return true;
}

static bool
parse_octal(struct str text, int64_t *out)
{
    int64_t v = 0;

    if (text.len == 0 || text.len > 20)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '7')
            return false;
        v = v * 8 + (text.p[i] - '0');
    }
    *out = v;
    return true;
}

/* The words of "a|b|c" one by one: cut the first off `rest` into `word`. */
static bool
next_enum_word(struct str *rest, struct str *word)
{
    const char *bar;

    if (rest->p == NULL)
        return false;
    bar = memchr(rest->p, '|', rest->len);
    if (bar == NULL) {
        *word = *rest;
        rest->p = NULL;
        return true;
    }
    *word = (struct str){rest->p, (size_t)(bar - rest->p)};
    *rest = (struct str){bar + 1, rest->len - word->len - 1};
    return true;
}

static bool
parse_enum(const char *values, struct str text, int64_t *out)
{
    struct str rest = str_of(values);
    struct str word;

    for (int64_t i = 0; next_enum_word(&rest, &word); i++) {
        if (!str_ieq(word, text))
            continue;
        *out = i;
        return true;
    }
    return false;
}

static bool
parse_bool(struct str text, int64_t *out)
{
    *out = str_ieq(text, STR("yes"));
    return *out || str_ieq(text, STR("no"));
}

static bool
in_range(const struct option *row, int64_t v)
{
    return v >= row->min && v <= row->max;
}

/* Read any type but OPT_STRING, range included. */
static bool
parse_number(const struct option *row, struct str text, int64_t *out)
{
    switch (row->type) {
    case OPT_BOOL:
        return parse_bool(text, out);
    case OPT_INT:
        return str_to_i64(text, out) && in_range(row, *out);
    case OPT_MEMORY:
        if (str_ieq(text, STR("auto"))) {
            *out = OPTION_AUTO;
            return true;
        }
        if (parse_percent(text, out))
            return true;
        return str_to_bytes(text, out) && in_range(row, *out);
    case OPT_SIZE:
        return str_to_bytes(text, out) && in_range(row, *out);
    case OPT_ENUM:
        return parse_enum(row->values, text, out);
    case OPT_OCTAL:
        return parse_octal(text, out) && in_range(row, *out);
    case OPT_STRING:
        break;
    }
    UNREACHABLE();
}

/* `maxclients: "x" is not accepted; ` - the value of a secret is left out, a
 * long one is cut. */
static void
write_refusal(const struct option *row, const char *text, struct buf *err)
{
    char name[OPTION_NAME_CAP];

    option_name(row, name, sizeof(name));
    if (row->flags & OPT_SECRET)
        buf_printf(err, "%s: the value is not accepted; ", name);
    else
        buf_printf(err, "%s: \"%.100s\" is not accepted; ", name, text);
}

bool
option_value_parse(const struct option_place *at, const char *text,
    struct option_value *out, struct buf *err)
{
    const struct option *row = at->row;
    const char *reason;

    *out = (struct option_value){0};
    if (row->type != OPT_STRING &&
        !parse_number(row, str_of(text), &out->number)) {
        write_refusal(row, text, err);
        buf_printf(err, "use ");
        option_value_accepted(row, err);
        return false;
    }
    reason = at->module->check == NULL ? NULL : at->module->check(row, text);
    if (reason != NULL) {
        write_refusal(row, text, err);
        buf_printf(err, "%s", reason);
        return false;
    }
    if (row->type == OPT_STRING)
        out->string = xstrdup(text);
    return true;
}

static void
print_enum(const struct option *row, int64_t value, struct buf *out)
{
    struct str rest = str_of(row->values);
    struct str word = {0};

    for (int64_t i = 0; i <= value; i++)
        ASSERT(next_enum_word(&rest, &word));
    buf_append(out, word.p, word.len);
}

void
option_value_print(
    const struct option *row, const struct option_value *value, struct buf *out)
{
    int64_t v = value->number;

    switch (row->type) {
    case OPT_BOOL:
        buf_printf(out, "%s", v ? "yes" : "no");
        return;
    case OPT_MEMORY:
        if (v == OPTION_AUTO)
            buf_printf(out, "auto");
        else if (v < 0)
            buf_printf(out, "%" PRId64 "%%", -v);
        else
            buf_printf(out, "%" PRId64, v);
        return;
    case OPT_INT:
    case OPT_SIZE:
        buf_printf(out, "%" PRId64, v);
        return;
    case OPT_ENUM:
        print_enum(row, v, out);
        return;
    case OPT_OCTAL:
        buf_printf(out, "%" PRIo64, (uint64_t)v);
        return;
    case OPT_STRING:
        buf_append(out, value->string, strlen(value->string));
        return;
    }
    UNREACHABLE();
}

/* ---- the accepted values in words ---------------------------------------- */

/* The largest unit that divides the bound is the shortest way to write it. */
static void
write_bytes(int64_t v, struct buf *out)
{
    static const char *const units[] = {"", "kb", "mb", "gb"};
    size_t i = 0;

    while (v != 0 && v % 1024 == 0 && i + 1 < ARRAY_LEN(units)) {
        v /= 1024;
        i++;
    }
    buf_printf(out, "%" PRId64 "%s", v, units[i]);
}

static void
write_bound(const struct option *row, int64_t v, struct buf *out)
{
    if (row->type == OPT_OCTAL)
        buf_printf(out, "%" PRIo64, (uint64_t)v);
    else if (row->type == OPT_INT)
        buf_printf(out, "%" PRId64, v);
    else
        write_bytes(v, out);
}

static void
write_range(const struct option *row, struct buf *out)
{
    bool has_min = row->min != INT64_MIN;
    bool has_max = row->max != INT64_MAX;

    if (has_min && has_max) {
        write_bound(row, row->min, out);
        buf_printf(out, " to ");
        write_bound(row, row->max, out);
    } else if (has_min) {
        write_bound(row, row->min, out);
        buf_printf(out, " or more");
    } else if (has_max) {
        write_bound(row, row->max, out);
        buf_printf(out, " or less");
    } else {
        buf_printf(out, "any");
    }
}

static void
write_enum_words(const struct option *row, struct buf *out)
{
    struct str rest = str_of(row->values);
    struct str word;

    for (size_t i = 0; next_enum_word(&rest, &word); i++) {
        if (i > 0)
            buf_printf(out, "%s", rest.p == NULL ? " or " : ", ");
        buf_append(out, word.p, word.len);
    }
}

void
option_value_accepted(const struct option *row, struct buf *out)
{
    switch (row->type) {
    case OPT_BOOL:
        buf_printf(out, "yes or no");
        return;
    case OPT_INT:
        buf_printf(
            out, "a number%s%s, ", *row->values ? " of " : "", row->values);
        write_range(row, out);
        return;
    case OPT_SIZE:
        buf_printf(out, "a size such as 64kb or 1gb, ");
        write_range(row, out);
        return;
    case OPT_MEMORY:
        buf_printf(out, "a size such as 512mb or 1gb (");
        write_range(row, out);
        buf_printf(out, "), 1%% to 100%%, or auto");
        return;
    case OPT_ENUM:
        write_enum_words(row, out);
        return;
    case OPT_OCTAL:
        buf_printf(out, "an octal mode, ");
        write_range(row, out);
        return;
    case OPT_STRING:
        buf_printf(out, "text");
        return;
    }
    UNREACHABLE();
}
