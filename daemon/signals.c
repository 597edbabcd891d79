/* SPDX-License-Identifier: BSD-3-Clause */
/* signals.c - brings signals, and a stop asked for by a client, into the main
 * event base. Main thread, but for signals_stop(). */
#include "daemon/internal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct signals {
    struct ashlard *daemon;
    struct event *term, *intr, *hup;
    struct event *stop;
    int stop_fd; /* [immutable] eventfd: any thread writes */
};

static void
on_stop_signal(evutil_socket_t signum, short what, void *arg)
{
    struct signals *s = arg;

    (void)what;
    log_info("stopping signal=%s", strsignal((int)signum));
    event_base_loopbreak(s->daemon->base);
}

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
on_hup(evutil_socket_t signum, short what, void *arg)
{
    struct signals *s = arg;
    struct ashlard *d = s->daemon;
    struct buf status = {0};

    (void)signum;
    (void)what;
    notify_reloading(d->notify);
    reopen_log(d);
    reload_config(d);
    reload_tls(d);
    status_append(d, &status);
    notify_status(d->notify, "READY=1", (struct str){status.p, status.len});
    buf_free(&status);
}

static struct event *
add_event(struct signals *s, int fd, short what, event_callback_fn fn)
{
    struct event *e =
        event_new(s->daemon->base, fd, (short)(what | EV_PERSIST), fn, s);

    ASSERT(e != NULL && event_add(e, NULL) == 0);
    return e;
}

struct signals *
signals_new(struct ashlard *d)
{
    struct signals *s = xcalloc(1, sizeof(*s));

    s->daemon = d;
    s->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(s->stop_fd >= 0);
    s->term = add_event(s, SIGTERM, EV_SIGNAL, on_stop_signal);
    s->intr = add_event(s, SIGINT, EV_SIGNAL, on_stop_signal);
    s->hup = add_event(s, SIGHUP, EV_SIGNAL, on_hup);
    s->stop = add_event(s, s->stop_fd, EV_READ, on_stop_request);
    return s;
}

void
signals_free(struct signals *s)
{
    event_free(s->term);
    event_free(s->intr);
    event_free(s->hup);
    event_free(s->stop);
    close(s->stop_fd);
    free(s);
}

void
signals_stop(struct signals *s)
{
    eventfd_write(s->stop_fd, 1);
}
