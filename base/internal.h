/* SPDX-License-Identifier: BSD-3-Clause */
/* internal.h - what the files of base/ share among themselves.
 *
 * The set of directives: options.c owns it, option_value.c turns text into
 * values and back, option_file.c reads files and arguments, option_include.c
 * those that a file includes, option_lines.c keeps lines that are no
 * directives, option_rewrite.c writes a file back, option_docs.c makes the
 * sample file, the help and the man page.
 */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "base/base.h"

/* ---- log ----------------------------------------------------------------- */

/* True when log lines end up on stderr. Any thread. */
bool log_is_stderr(void);

/* Write a line's text as name=value pairs, beginning with msg, at `out`, which
 * has room for LOGFMT_CAP(text.len); returns the length (logfmt.c). */
#define LOGFMT_CAP(len) (3 * (len) + 16)
size_t logfmt_write(char *out, struct str text);

/* ---- directives ---------------------------------------------------------- */

#define OPTION_NAME_CAP 64

/* One word of a configuration line. */
struct option_word {
    char *text; /* owned */
    size_t len; /* a \x00 makes it longer than strlen() */
    bool quoted;
};

/* A line of option_line_kind, its first word cut off. */
struct option_line {
    struct str *words; /* owned, in one block with their text */
    size_t n;
    bool is_included; /* stands in an included file */
};

struct option_line_list {
    struct option_line *at; /* owned */
    size_t n;
};

struct options {
    pthread_mutex_t lock;          /* guards the values of live directives */
    const struct option_line_kind *line_kind; /* [immutable] or NULL */
    struct option_line_list lines; /* as last read; one thread */
    struct option_module *modules; /* [immutable] owned */
    size_t n_modules;              /* [immutable] */
    size_t n_rows;                 /* [immutable] of all modules */
};

/* A value that is not in force yet. */
struct option_value {
    int64_t number; /* all types but OPT_STRING */
    char *string;   /* OPT_STRING: owned */
};

/* Where a row stands: its module, and its number among all rows. */
struct option_place {
    const struct option_module *module;
    const struct option *row;
    size_t index;
};

/* Find a row by its name, as options_find() does. False if there is none. Any
 * thread. */
bool options_place(
    const struct options *o, struct str name, struct option_place *out);

/* Read `text` as a value of the row, type, range and the module's own check
 * included. On failure `err` gets one sentence. */
bool option_value_parse(const struct option_place *at, const char *text,
    struct option_value *out, struct buf *err);

/* Append a value as CONFIG GET prints it. */
void option_value_print(const struct option *row,
    const struct option_value *value, struct buf *out);

/* Append the accepted values in words: "0 to 65535", "yes or no". */
void option_value_accepted(const struct option *row, struct buf *out);

/* A file that is being read, and the one that includes it. */
struct option_source {
    const char *path;
    const struct option_source *from; /* NULL: the first */
    dev_t device;
    ino_t inode;
};

/* Changes that are put into force together or not at all. One thread. */
struct option_changes {
    struct options *options; /* borrowed */
    bool live; /* the program runs already: OPT_FIXED rows are refused */
    const struct option_source *source; /* NULL: none, or the arguments */
    unsigned n_files;                   /* read so far */
    bool has_lines;                     /* `lines` is to be taken over */
    struct option_line_list lines;
    struct {
        struct option_value value;
        bool set;
        bool is_included; /* a line of an included file sets it */
    } * of;               /* one per row, by its number */
};

/* Ends in commit or drop. */
void option_changes_init(struct option_changes *c, struct options *o);

/* Note `name value`. False with one sentence in `err`. */
bool option_changes_add(struct option_changes *c, struct str name,
    const char *value, struct buf *err);

/* Put all into force (commit) or drop them; either releases the memory. */
void option_changes_commit(struct option_changes *c);
void option_changes_drop(struct option_changes *c);

/* Note all lines of a file. False with "PATH:LINE: reason" in `err`. */
bool option_changes_add_lines(struct option_changes *c, struct str text,
    const char *path, struct buf *err);

/* The same for all lines of the file `path`, which the present source includes.
 * `text` gets the file's own text unless it is NULL. */
bool option_changes_add_file(struct option_changes *c, const char *path,
    struct buf *text, struct buf *err);

/* Note what `include WORD` says. False with a sentence. */
bool option_changes_include(struct option_changes *c,
    const struct option_word *words, int n, struct buf *err);

/* Note a line of the kind, its first word cut off. False with a sentence. */
bool option_lines_add(struct option_changes *c, const struct option_word *words,
    int n, struct buf *err);

/* The line that declares `name`; NULL if there is none. */
const struct option_line *option_lines_find(
    const struct option_line_list *l, struct str name);

/* Append copies; wipe and release. */
void option_lines_copy(
    struct option_line_list *to, const struct option_line_list *from);
void option_lines_free(struct option_line_list *l);

/* Append the contents of a file of at most 1 MiB. False with a sentence. */
bool option_file_read(const char *path, struct buf *out, struct buf *err);

/* Cut the next line off `text`, without its line feed; false at the end. */
bool option_next_line(struct str *text, struct str *line);

/* Split a line into words as redis.conf does: blanks separate, "..." knows the
 * escapes \n \r \t \b \a \xHH and takes any other escaped byte as it is, '...'
 * knows only \'. Returns the number of words in *words (free each text and the
 * array with option_words_free), or -1 for unbalanced quotes. */
int option_words_split(const char *line, struct option_word **words);
void option_words_free(struct option_word *words, int n);

/* True if one word needs no quotes, where a # begins no comment. */
bool option_word_is_simple(const char *word);

/* Append a value so that a line of a file reads back to it: as it stands, or in
 * quotes where it needs them. */
void option_words_write(struct buf *out, const char *value);
