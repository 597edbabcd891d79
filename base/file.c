/* SPDX-License-Identifier: BSD-3-Clause */
/* file.c - replaces a file as a whole: configurations and users that commands
 * save.
 *
 * The text goes to a new file beside the old one, which it then replaces, so
 * that a crash leaves one of the two. Any thread; two that replace the same
 * file at a time leave the text of either.
 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
fail(struct buf *err, const char *what, const char *path)
{
    buf_printf(err, "cannot %s %s: %s", what, path, strerror(errno));
    return false;
}

/* Only the owner reads a new file; an old one keeps its mode. */
static bool
fill(int fd, const char *path, struct str text)
{
    struct stat st;

    if (stat(path, &st) == 0 && fchmod(fd, st.st_mode & 07777) != 0)
        return false;
    while (text.len > 0) {
        ssize_t n = write(fd, text.p, text.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text = (struct str){text.p + n, text.len - (size_t)n};
    }
    return fsync(fd) == 0;
}

/* The new name lasts once the folder is written. */
static bool
sync_folder(const char *path)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;

    free(copy);
    if (fd >= 0)
        close(fd);
    return done;
}

bool
file_replace(const char *path, struct str text, struct buf *err)
{
    struct buf beside = {0};
    bool done;
    int fd;

    buf_printf(&beside, "%s.XXXXXX", path);
    buf_append(&beside, "", 1);
    fd = mkostemp(beside.p, O_CLOEXEC);
    if (fd < 0) {
        buf_free(&beside);
        return fail(err, "make a file beside", path);
    }
    done = fill(fd, path, text) || fail(err, "write", beside.p);
    if (close(fd) != 0 && done)
        done = fail(err, "write", beside.p);
    if (done)
        done = rename(beside.p, path) == 0 || fail(err, "replace", path);
    if (!done)
        unlink(beside.p);
    else if (!sync_folder(path))
        done = fail(err, "write the folder of", path);
    buf_free(&beside);
    return done;
}
