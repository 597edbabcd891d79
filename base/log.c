/* SPDX-License-Identifier: BSD-3-Clause */
/* log.c - one line per event, to stderr, the journal or a file.
 *
 * A line is formatted on the stack and written by one write(2), so that threads
 * need no lock and lines do not mix. Under systemd (stderr is the journal) a
 * line starts with "<N>", its syslog priority, and the journal adds the time;
 * elsewhere it starts with the time in UTC and the level. As logfmt it is all
 * name=value (logfmt.c). The state is process-wide. Any thread.
 */
#include "base/base.h"
#include "base/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_CAP 1024
#define PREFIX_CAP 64

enum style {
    STYLE_UNKNOWN,
    STYLE_TIME,
    STYLE_JOURNAL
};

_Atomic int log_threshold = LOG_LEVEL_INFO;

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic int stderr_style = STYLE_UNKNOWN;
static _Atomic int log_style = LOG_TEXT;

/* Number of the descriptor for files once one was opened: kept for good, and
 * later files are duplicated onto it, so that a thread in the middle of a write
 * never meets a closed or reused number. */
static int file_fd = -1; /* [open_lock] */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct {
    const char *name;
    char priority; /* of syslog(3) */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", '3'},
    [LOG_LEVEL_WARN] = {"warn", '4'},
    [LOG_LEVEL_INFO] = {"info", '6'},
    [LOG_LEVEL_DEBUG] = {"debug", '7'},
};

/* $JOURNAL_STREAM is "DEVICE:INODE" of the journal's stream. Children inherit
 * it, so it counts only if it names our stderr. */
static enum style
detect_style(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat st;

    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
        return STYLE_TIME;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev,
        (uintmax_t)st.st_ino);
    return strcmp(own, stream) == 0 ? STYLE_JOURNAL : STYLE_TIME;
}

static bool
is_journal(void)
{
    int style = atomic_load_explicit(&stderr_style, memory_order_relaxed);

    if (style == STYLE_UNKNOWN) {
        style = (int)detect_style();
        atomic_store_explicit(&stderr_style, style, memory_order_relaxed);
    }
    return style == STYLE_JOURNAL && log_is_stderr();
}

bool
log_is_stderr(void)
{
    return atomic_load_explicit(&log_fd, memory_order_relaxed) == STDERR_FILENO;
}

static int
open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    int err = 0;

    if (fd < 0)
        return errno;
    if (file_fd < 0) {
        file_fd = fd;
    } else {
        err = dup3(fd, file_fd, O_CLOEXEC) < 0 ? errno : 0;
        close(fd);
    }
    if (err == 0)
        atomic_store_explicit(&log_fd, file_fd, memory_order_relaxed);
    return err;
}

int
log_open(enum log_level level, const char *path)
{
    int err = 0;

    ASSERT(pthread_mutex_lock(&open_lock) == 0);
    if (path == NULL || *path == '\0') {
        atomic_store_explicit(&log_fd, STDERR_FILENO, memory_order_relaxed);
        atomic_store_explicit(
            &stderr_style, (int)detect_style(), memory_order_relaxed);
    } else {
        err = open_file(path);
    }
    if (err == 0)
        log_set_level(level);
    ASSERT(pthread_mutex_unlock(&open_lock) == 0);
    return err;
}

void
log_set_format(enum log_format format)
{
    atomic_store_explicit(&log_style, (int)format, memory_order_relaxed);
}

void
log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_threshold, (int)level, memory_order_relaxed);
}

static int
write_time(char *out, size_t cap)
{
    struct timespec t;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    return snprintf(out, cap, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ",
        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
        tm.tm_sec, t.tv_nsec / 1000000);
}

/* Write the start of the line at `out` (at least PREFIX_CAP bytes). */
static size_t
write_prefix(char *out, size_t cap, enum log_level level, bool logfmt)
{
    bool journal = is_journal();
    int len = 0;

    if (journal)
        len = snprintf(out, cap, "<%c>", levels[level].priority);
    else if (logfmt)
        len = snprintf(out, cap, "ts=");
    if (!journal)
        len += write_time(out + len, cap - (size_t)len);
    if (logfmt)
        len += snprintf(
            out + len, cap - (size_t)len, "level=%s ", levels[level].name);
    else if (!journal)
        len +=
            snprintf(out + len, cap - (size_t)len, "%-5s ", levels[level].name);
    return (size_t)len;
}

/* A byte from a client must not start a line or drive a terminal. */
static void
hide_control_bytes(char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)p[i] < ' ' || p[i] == 127)
            p[i] = '?';
    }
}

/* A log that cannot be written has no place to say so: the rest of the line is
 * dropped, the program goes on. */
static void
write_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        p += n;
        len -= (size_t)n;
    }
}

/* The text of a line, cut if it is too long, without control bytes. */
static size_t
format_text(char *text, size_t cap, const char *fmt, va_list ap)
{
    static const char cut[] = "...";
    int len = vsnprintf(text, cap, fmt, ap);

    if (len < 0)
        len = 0;
    if ((size_t)len >= cap) {
        len = (int)cap - 1;
        memcpy(text + len - (sizeof(cut) - 1), cut, sizeof(cut) - 1);
    }
    hide_control_bytes(text, (size_t)len);
    return (size_t)len;
}

void
log_write(enum log_level level, const char *fmt, ...)
{
    bool logfmt =
        atomic_load_explicit(&log_style, memory_order_relaxed) == LOG_LOGFMT;
    char text[LINE_CAP], line[PREFIX_CAP + LOGFMT_CAP(LINE_CAP)];
    int saved_errno = errno;
    size_t len = write_prefix(line, PREFIX_CAP, level, logfmt), text_len;
    va_list ap;

    /* A caller may log strerror(errno) and then return errno. */
    errno = saved_errno;
    va_start(ap, fmt);
    text_len = format_text(text, LINE_CAP - len - 1, fmt, ap);
    va_end(ap);
    if (logfmt) {
        len += logfmt_write(line + len, (struct str){text, text_len});
    } else {
        memcpy(line + len, text, text_len);
        len += text_len;
    }
    line[len] = '\n';
    write_all(
        atomic_load_explicit(&log_fd, memory_order_relaxed), line, len + 1);
    errno = saved_errno;
}

bool
log_ratelimit(_Atomic uint64_t *state)
{
    /* 0 says never; a time of 0 is stored as 1. Not the thread's copy of the
     * time: threads that run no batches hardly ever renew it. */
    uint64_t now = MAX(clock_mono_now_us(), (uint64_t)1);
    uint64_t last = atomic_load_explicit(state, memory_order_relaxed);

    /* Another thread may have looked at the time later. */
    if (last != 0 && now < last + 1000000)
        return false;
    return atomic_compare_exchange_strong_explicit(
        state, &last, now, memory_order_relaxed, memory_order_relaxed);
}
