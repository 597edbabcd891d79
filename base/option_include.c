/* SPDX-License-Identifier: BSD-3-Clause */
/* option_include.c - files, and those that they include.
 *
 * An included file is read where its line stands, so that later lines win. How
 * deep and how many files is bounded, and a file does not include itself. One
 * thread.
 */
#include "base/base.h"
#include "base/internal.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MAX_DEPTH 16
#define MAX_FILES 256

/* False with a reason if the file must not be read now. */
static bool
may_read(const struct option_changes *c, const struct option_source *source,
    struct buf *err)
{
    unsigned depth = 0;

    for (const struct option_source *s = c->source; s != NULL; s = s->from) {
        depth++;
        if (s->device != source->device || s->inode != source->inode)
            continue;
        buf_printf(err, "%s: the file includes itself", source->path);
        return false;
    }
    if (depth >= MAX_DEPTH)
        buf_printf(err, "%s: included more than %d files deep", source->path,
            MAX_DEPTH - 1);
    else if (c->n_files >= MAX_FILES)
        buf_printf(err, "%s: more than %d files", source->path, MAX_FILES);
    else
        return true;
    return false;
}

/* The depth is bounded. */
/* NOLINTNEXTLINE(misc-no-recursion) */
bool
option_changes_add_file(struct option_changes *c, const char *path,
    struct buf *text, struct buf *err)
{
    struct option_source source = {.path = path, .from = c->source};
    struct buf own = {0};
    struct stat st;
    bool ok;

    if (stat(path, &st) != 0) {
        buf_printf(err, "%s: %s", path, strerror(errno));
        return false;
    }
    source.device = st.st_dev;
    source.inode = st.st_ino;
    if (!may_read(c, &source, err))
        return false;
    c->n_files++;
    if (text == NULL)
        text = &own;
    /* cppcheck-suppress autoVariables ; reset below */
    c->source = &source;
    ok = option_file_read(path, text, err) &&
        option_changes_add_lines(
            c, (struct str){text->p, text->len}, path, err);
    c->source = source.from;
    buf_free(&own);
    return ok;
}

/* The path or pattern, from the folder of the file that names it. */
static char *
full_path(const struct option_changes *c, const char *word)
{
    struct buf path = {0};

    if (*word != '/' && c->source != NULL) {
        char *of_file = xstrdup(c->source->path);

        buf_printf(&path, "%s/", dirname(of_file));
        free(of_file);
    }
    buf_printf(&path, "%s", word);
    buf_append(&path, "", 1);
    return path.p;
}

/* All files that match, by name; none is fine. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static bool
include_matches(struct option_changes *c, const char *pattern, struct buf *err)
{
    glob_t found;
    bool ok = true;

    switch (glob(pattern, 0, NULL, &found)) {
    case 0:
        break;
    case GLOB_NOMATCH:
        return true;
    default:
        buf_printf(err, "%s: %s", pattern, strerror(errno));
        return false;
    }
    for (size_t i = 0; ok && i < found.gl_pathc; i++)
        ok = option_changes_add_file(c, found.gl_pathv[i], NULL, err);
    globfree(&found);
    return ok;
}

/* NOLINTNEXTLINE(misc-no-recursion) */
bool
option_changes_include(struct option_changes *c,
    const struct option_word *words, int n, struct buf *err)
{
    char *path;
    bool ok;

    if (n != 1 || words[0].len == 0 || strlen(words[0].text) != words[0].len) {
        buf_printf(err, "include: expected one path or pattern");
        return false;
    }
    path = full_path(c, words[0].text);
    ok = strpbrk(words[0].text, "*?[") != NULL
        ? include_matches(c, path, err)
        : option_changes_add_file(c, path, NULL, err);
    free(path);
    return ok;
}
