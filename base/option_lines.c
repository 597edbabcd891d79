/* SPDX-License-Identifier: BSD-3-Clause */
/* option_lines.c - lines of a configuration that are no directives but declare
 * something by name, in words of their own (struct option_line_kind).
 *
 * Read with the directives, all or nothing. One thread.
 */
#include "base/base.h"
#include "base/internal.h"

#include <stdlib.h>

/* ---- lists --------------------------------------------------------------- */

static void
append_line(struct option_line_list *l, const struct str *words, size_t n,
    bool is_included)
{
    struct option_line *line;
    size_t bytes = 0;
    char *text;

    for (size_t i = 0; i < n; i++)
        bytes += words[i].len;
    l->at = xrealloc(l->at, (l->n + 1) * sizeof(*l->at));
    line = &l->at[l->n++];
    line->words = xcalloc(1, n * sizeof(*words) + bytes);
    line->n = n;
    line->is_included = is_included;
    text = (char *)(line->words + n);
    for (size_t i = 0; i < n; i++) {
        if (words[i].len > 0)
            memcpy(text, words[i].p, words[i].len);
        line->words[i] = (struct str){text, words[i].len};
        text += words[i].len;
    }
}

const struct option_line *
option_lines_find(const struct option_line_list *l, struct str name)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->at[i].words[0], name))
            return &l->at[i];
    return NULL;
}

void
option_lines_copy(
    struct option_line_list *to, const struct option_line_list *from)
{
    for (size_t i = 0; i < from->n; i++)
        append_line(
            to, from->at[i].words, from->at[i].n, from->at[i].is_included);
}

/* They may hold passwords. */
void
option_lines_free(struct option_line_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct option_line *line = &l->at[i];

        for (size_t w = 0; w < line->n; w++)
            if (line->words[w].len > 0)
                explicit_bzero((char *)line->words[w].p, line->words[w].len);
        free(line->words);
    }
    free(l->at);
    *l = (struct option_line_list){NULL, 0};
}

/* ---- reading ------------------------------------------------------------- */

bool
option_lines_add(struct option_changes *c, const struct option_word *words,
    int n, struct buf *err)
{
    const struct option_line_kind *kind = c->options->line_kind;
    struct str *strs = xcalloc((size_t)n, sizeof(*strs));
    bool ok = false, has_nul = false;

    for (int i = 0; i < n; i++) {
        strs[i] = (struct str){words[i].text, words[i].len};
        has_nul = has_nul || strlen(words[i].text) != words[i].len;
    }
    ASSERT(c->has_lines);
    if (has_nul)
        buf_printf(err, "%s: the line holds a NUL byte", kind->word);
    else if (option_lines_find(&c->lines, strs[0]) != NULL)
        buf_printf(err, "%s: Duplicate %s '%.*s' found", kind->word, kind->word,
            (int)MIN(strs[0].len, (size_t)128), strs[0].p);
    else
        ok = kind->check(strs, (size_t)n, err);
    if (ok)
        append_line(&c->lines, strs, (size_t)n,
            c->source != NULL && c->source->from != NULL);
    free(strs);
    return ok;
}

/* ---- what was read ------------------------------------------------------- */

void
options_set_line_kind(struct options *o, const struct option_line_kind *kind)
{
    o->line_kind = kind;
}

void
options_each_line(const struct options *o,
    void (*fn)(void *ctx, const struct str *words, size_t n), void *ctx)
{
    for (size_t i = 0; i < o->lines.n; i++)
        fn(ctx, o->lines.at[i].words, o->lines.at[i].n);
}

static bool
is_same_line(const struct option_line *a, const struct option_line *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = str_eq(a->words[i], b->words[i]);
    return same;
}

bool
options_same_lines(const struct options *o, const struct options *other)
{
    bool same = o->lines.n == other->lines.n;

    for (size_t i = 0; same && i < o->lines.n; i++)
        same = is_same_line(&o->lines.at[i], &other->lines.at[i]);
    return same;
}

void
options_take_lines(struct options *o, struct options *other)
{
    option_lines_free(&o->lines);
    o->lines = other->lines;
    other->lines = (struct option_line_list){NULL, 0};
}
