/* SPDX-License-Identifier: BSD-3-Clause */
/* activation.c - listening sockets that the service manager has opened, by the
 * protocol of sd_listen_fds(3): LISTEN_FDS descriptors from 3 on, meant for the
 * process LISTEN_PID, named in LISTEN_FDNAMES.
 *
 * They stay open in the manager while the daemon restarts, so that clients wait
 * instead of being refused. Main thread, at start.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3

struct passed {
    char *name; /* owned; "" if the manager gave none */
    bool taken;
};

struct activation {
    int n;
    struct passed at[ACTIVATION_MAX]; /* descriptor FIRST_FD + i */
};

/* ---- the environment ----------------------------------------------------- */

/* Cut the name up to the next colon off `names`. */
static char *
next_name(const char **names)
{
    size_t len = strcspn(*names, ":");
    char *name = xcalloc(1, len + 1);

    memcpy(name, *names, len);
    *names += len + ((*names)[len] == ':');
    return name;
}

/* As many names as descriptors; without the variable none has one. */
static bool
read_names(struct activation *a, const char *names, struct buf *err)
{
    int n = 1;

    for (const char *p = names; p != NULL && *p != '\0'; p++)
        n += *p == ':';
    if (names != NULL && a->n > 0 && n != a->n) {
        buf_printf(
            err, "LISTEN_FDNAMES has %d names for %d descriptors", n, a->n);
        return false;
    }
    for (int i = 0; i < a->n; i++)
        a->at[i].name = names != NULL ? next_name(&names) : xstrdup("");
    return true;
}

/* True if the descriptor is a stream socket that listens. */
static bool
check_socket(int fd, const char *name, struct buf *err)
{
    int type = 0, listens = 0;
    socklen_t len = sizeof(int);
    const char *why = NULL;

    if (fcntl(fd, F_GETFD) < 0)
        why = "is not open";
    else if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
        why = "is no socket";
    else if (type != SOCK_STREAM)
        why = "is no stream socket";
    else if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 ||
        !listens)
        why = "does not listen";
    if (why == NULL)
        return true;
    buf_printf(err, "descriptor %d (\"%s\") of LISTEN_FDS %s", fd, name, why);
    return false;
}

static bool
prepare(int fd, struct buf *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
        fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return true;
    buf_printf(err, "cannot set up descriptor %d: %s", fd, strerror(errno));
    return false;
}

static bool
read_environment(struct activation *a, struct buf *err)
{
    const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    int64_t n;

    if (count == NULL || pid == NULL)
        return true;
    if (!str_to_i64(str_of(pid), &n) || n <= 0) {
        buf_printf(err, "LISTEN_PID is \"%s\": expected a process id", pid);
        return false;
    }
    if (n != getpid())
        return true; /* they were meant for another process */
    if (!str_to_i64(str_of(count), &n) || n < 0 || n > ACTIVATION_MAX) {
        buf_printf(err, "LISTEN_FDS is \"%s\": expected a number from 0 to %d",
            count, ACTIVATION_MAX);
        return false;
    }
    a->n = (int)n;
    if (!read_names(a, getenv("LISTEN_FDNAMES"), err))
        return false;
    for (int i = 0; i < a->n; i++)
        if (!check_socket(FIRST_FD + i, a->at[i].name, err) ||
            !prepare(FIRST_FD + i, err))
            return false;
    return true;
}

struct activation *
activation_new(struct buf *err)
{
    struct activation *a = xcalloc(1, sizeof(*a));
    bool ok = read_environment(a, err);

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (ok)
        return a;
    a->n = 0;
    activation_free(a);
    return NULL;
}

void
activation_free(struct activation *a)
{
    for (int i = 0; i < ACTIVATION_MAX; i++) {
        if (i < a->n && !a->at[i].taken)
            close(FIRST_FD + i);
        free(a->at[i].name);
    }
    free(a);
}

/* ---- taking -------------------------------------------------------------- */

/* A manager that names nothing passes the name of the socket unit. */
static bool
has_name(const struct passed *p, const char *name)
{
    size_t len = strlen(p->name);

    if (strcmp(p->name, name) == 0)
        return true;
    return strcmp(name, "resp") == 0 &&
        (len == 0 || strcmp(p->name, "unknown") == 0 ||
            (len > 7 && strcmp(p->name + len - 7, ".socket") == 0));
}

/* Its place, or -1. */
static int
find(const struct activation *a, const char *name)
{
    for (int i = 0; i < a->n; i++)
        if (!a->at[i].taken && has_name(&a->at[i], name))
            return i;
    return -1;
}

bool
activation_has(const struct activation *a, const char *name)
{
    return find(a, name) >= 0;
}

int
activation_take(struct activation *a, const char *name)
{
    int i = find(a, name);

    if (i < 0)
        return -1;
    a->at[i].taken = true;
    return FIRST_FD + i;
}

bool
activation_all_taken(const struct activation *a, struct buf *err)
{
    for (int i = 0; i < a->n; i++) {
        if (a->at[i].taken)
            continue;
        buf_printf(err,
            "descriptor %d is a socket named \"%s\", which says nothing to "
            "this daemon: see FileDescriptorName= in ashlard(8)",
            FIRST_FD + i, a->at[i].name);
        return false;
    }
    return true;
}
