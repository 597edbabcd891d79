/* SPDX-License-Identifier: BSD-3-Clause */
/* signals.c - brings signals, and a stop asked for by a client, into the main
 * event base. Main thread, but for signals_stop().
 *
 * Signals are blocked in all threads and read from a signalfd(2): no handler
 * interrupts anything. A HUP is kept from the very start on; TERM and INT end a
 * process that has not opened anything yet as they end any.
 */
#include "daemon/internal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signals {
    struct ashlard *daemon;
    struct event *signal, *stop;
    int signal_fd; /* [immutable] signalfd */
    int stop_fd;   /* [immutable] eventfd: any thread writes */
};

static void
on_stop_request(evutil_socket_t fd, short what, void *arg)
{
    struct signals *s = arg;

    (void)fd;
    (void)what;
    log_info("stopping, a client asked for it");
    event_base_loopbreak(s->daemon->base);
}

/* The certificates may have been renewed. */
static void
reload_tls(struct ashlard *d)
{
    struct buf err = {0};
    bool done;

    pthread_mutex_lock(&d->config_lock);
    done = tls_reload(d->tls, &d->config.tls, &err);
    pthread_mutex_unlock(&d->config_lock);
    if (!done)
        log_error("TLS certificates not read again, the former ones stay: %.*s",
            (int)err.len, err.p);
    buf_free(&err);
}

/* Log rotation: the file has been moved away, write to a new one. */
static void
reopen_log(struct ashlard *d)
{
    enum log_level level;
    int err;

    pthread_mutex_lock(&d->config_lock);
    level = config_log_level(&d->config);
    pthread_mutex_unlock(&d->config_lock);
    err = log_open(level, d->config.daemon.logfile);
    if (err != 0)
        log_error("cannot open the log anew file=%s err=\"%s\"",
            d->config.daemon.logfile, strerror(err));
    else if (*d->config.daemon.logfile != '\0')
        log_info("log opened anew");
}

static void
reload_all(struct ashlard *d)
{
    struct buf status = {0};

    notify_reloading(d->notify);
    reopen_log(d);
    reload_config(d);
    reload_tls(d);
    status_append(d, &status);
    notify_status(d->notify, "READY=1", (struct str){status.p, status.len});
    buf_free(&status);
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct signals *s = arg;
    struct signalfd_siginfo info;

    (void)what;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            reload_all(s->daemon);
            continue;
        }
        log_info("stopping signal=%s", strsignal((int)info.ssi_signo));
        event_base_loopbreak(s->daemon->base);
    }
}

static struct event *
add_event(struct signals *s, int fd, event_callback_fn fn)
{
    struct event *e =
        event_new(s->daemon->base, fd, EV_READ | EV_PERSIST, fn, s);

    ASSERT(e != NULL && event_add(e, NULL) == 0);
    return e;
}

/* Have a call fail instead of ending the process. */
static void
ignore(int signal)
{
    struct sigaction ignored = {.sa_handler = SIG_IGN};

    ASSERT(sigaction(signal, &ignored, NULL) == 0);
}

void
signals_prepare(void)
{
    sigset_t hangup;

    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hangup, NULL);
    ignore(SIGPIPE);
    ignore(SIGXFSZ);
}

struct signals *
signals_new(struct ashlard *d)
{
    struct signals *s = xcalloc(1, sizeof(*s));
    sigset_t set;

    s->daemon = d;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    s->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(s->signal_fd >= 0 && s->stop_fd >= 0);
    s->signal = add_event(s, s->signal_fd, on_signal);
    s->stop = add_event(s, s->stop_fd, on_stop_request);
    return s;
}

void
signals_free(struct signals *s)
{
    event_free(s->signal);
    event_free(s->stop);
    close(s->signal_fd);
    close(s->stop_fd);
    free(s);
}

void
signals_stop(struct signals *s)
{
    eventfd_write(s->stop_fd, 1);
}
