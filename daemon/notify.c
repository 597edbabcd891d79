/* SPDX-License-Identifier: BSD-3-Clause */
/* notify.c - tells the service manager what the daemon does, by the protocol
 * of sd_notify(3): one datagram of "NAME=value" lines to $NOTIFY_SOCKET.
 *
 * Written out here because it is one sendto(2), and because the library would
 * map some megabytes into a process that counts its memory. Any thread; what
 * cannot be sent is logged once a second at most and does not stop anything.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The manager reads at once, or something is wrong with it. What it must know
 * waits for so long, the rest does not. */
#define SEND_SECONDS 2

struct notify {
    int fd;                /* [immutable] -1: nobody wants to know */
    struct sockaddr_un to; /* [immutable] */
    socklen_t to_len;      /* [immutable] */
    uint64_t watchdog_us;  /* [immutable] 0: there is none */
};

/* ---- the environment ----------------------------------------------------- */

/* A path, or @NAME in the abstract name space. */
static bool
read_address(const char *text, struct notify *n)
{
    size_t len = strlen(text);

    if ((text[0] != '/' && text[0] != '@') || len < 2 ||
        len >= sizeof(n->to.sun_path))
        return false;
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, text, len);
    if (text[0] == '@')
        n->to.sun_path[0] = '\0';
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

static void
open_socket(struct notify *n, const char *address)
{
    struct timeval limit = {SEND_SECONDS, 0};

    if (!read_address(address, n)) {
        log_warn("NOTIFY_SOCKET is \"%s\": expected a path or @NAME of at most "
                 "%zu bytes; the service manager is not told anything",
            address, sizeof(n->to.sun_path) - 1);
        return;
    }
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (n->fd < 0 ||
        setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
        log_warn("cannot tell the service manager anything err=\"%s\"",
            strerror(errno));
}

/* Another process is watched, or none. */
static bool
is_watched(const char *pid)
{
    int64_t n;

    return pid == NULL || (str_to_i64(str_of(pid), &n) && n == getpid());
}

static void
read_watchdog(struct notify *n)
{
    const char *period = getenv("WATCHDOG_USEC");
    int64_t us;

    if (n->fd < 0 || period == NULL || !is_watched(getenv("WATCHDOG_PID")))
        return;
    if (str_to_i64(str_of(period), &us) && us > 0)
        n->watchdog_us = (uint64_t)us;
    else
        log_warn("WATCHDOG_USEC is \"%s\": expected a number of microseconds; "
                 "the watchdog is not fed",
            period);
}

struct notify *
notify_new(void)
{
    struct notify *n = xcalloc(1, sizeof(*n));
    const char *address = getenv("NOTIFY_SOCKET");

    n->fd = -1;
    if (address != NULL && *address != '\0')
        open_socket(n, address);
    read_watchdog(n);
    return n;
}

void
notify_free(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    free(n);
}

bool
notify_is_wanted(const struct notify *n)
{
    return n->fd >= 0;
}

uint64_t
notify_watchdog_us(const struct notify *n)
{
    return n->watchdog_us;
}

/* ---- sending ------------------------------------------------------------- */

static void
send_text(const struct notify *n, const struct buf *text, int flags)
{
    static _Atomic uint64_t logged;
    ssize_t sent;

    do
        sent = sendto(n->fd, text->p, text->len, MSG_NOSIGNAL | flags,
            (const struct sockaddr *)&n->to, n->to_len);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && log_ratelimit(&logged))
        log_warn("the service manager was not told \"%.*s\" err=\"%s\"",
            (int)text->len, text->p, strerror(errno));
}

void
notify_send(const struct notify *n, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;

    if (n->fd < 0)
        return;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    send_text(n, &text, 0);
    buf_free(&text);
}

void
notify_feed(const struct notify *n)
{
    static char alive[] = "WATCHDOG=1";
    struct buf text = {.p = alive, .len = sizeof(alive) - 1};

    if (n->fd >= 0)
        send_text(n, &text, MSG_DONTWAIT);
}

void
notify_status(const struct notify *n, const char *line, struct str status)
{
    struct buf text = {0};
    size_t from;

    if (n->fd < 0)
        return;
    buf_printf(&text, "%s%sSTATUS=", line, *line != '\0' ? "\n" : "");
    from = text.len;
    buf_append(&text, status.p, status.len);
    for (size_t i = from; i < text.len; i++)
        if ((unsigned char)text.p[i] < ' ')
            text.p[i] = ' ';
    send_text(n, &text, *line != '\0' ? 0 : MSG_DONTWAIT);
    buf_free(&text);
}

void
notify_reloading(const struct notify *n)
{
    /* The manager waits for a READY that is younger than this. */
    notify_send(n, "RELOADING=1\nMONOTONIC_USEC=%llu",
        (unsigned long long)clock_read_mono_us());
}

/* Ten seconds, and one for each GiB that may have to be touched. */
void
notify_takes_long(const struct notify *n, size_t bytes)
{
    notify_send(n, "EXTEND_TIMEOUT_USEC=%llu",
        (unsigned long long)(10 + bytes / GIB) * 1000000);
}
