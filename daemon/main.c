/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - the daemon: reads the command line, builds the modules in order,
 * runs, and tears them down in mirror order.
 *
 * Exit status: 0, 1 when something fails at run time (a port in use), 64
 * (EX_USAGE) for a wrong option, 78 (EX_CONFIG) for a configuration that is
 * wrong.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- what only prints ---------------------------------------------------- */

static int
print(struct buf *text)
{
    bool done = fwrite(text->p, 1, text->len, stdout) == text->len &&
        fflush(stdout) == 0;

    if (!done)
        fprintf(stderr, "ashlard: standard output: %s\n", strerror(errno));
    buf_free(text);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
print_help(struct config *c)
{
    struct buf text = {0};

    buf_printf(&text,
        "Usage: ashlard [FILE] [--DIRECTIVE VALUE]...\n"
        "       ashlard --check-config FILE\n"
        "       ashlard --sample-config | --man-config | --commands-doc |\n"
        "               --metrics-doc | --help | --version\n\n"
        "A cache that speaks the Redis protocol. FILE holds lines of\n"
        "\"directive value\"; the command line goes before it.\n\n"
        "Directives:\n");
    options_write_help(c->set, &text);
    return print(&text);
}

static int
print_sample(struct config *c)
{
    struct buf text = {0};

    options_write_sample(c->set, &text);
    return print(&text);
}

static int
print_man(struct config *c)
{
    struct buf text = {0};

    options_write_man(c->set, &text);
    return print(&text);
}

static int
print_commands(struct config *c)
{
    struct buf text = {0};

    (void)c;
    commands_write_reference(&text);
    return print(&text);
}

static int
print_metrics(struct config *c)
{
    struct buf text = {0};

    (void)c;
    metrics_write_reference(&text);
    return print(&text);
}

static int
print_version(struct config *c)
{
    struct buf text = {0};

    (void)c;
    buf_printf(&text, "ashlar " PACKAGE_VERSION "\n");
    return print(&text);
}

static int
complain(int status, struct buf *err)
{
    fprintf(stderr, "ashlard: %.*s\n", (int)err->len, err->p);
    buf_free(err);
    return status;
}

static int
must_stand_alone(const char *word)
{
    struct buf err = {0};

    buf_printf(&err, "%s must stand alone", word);
    return complain(EX_USAGE, &err);
}

static bool
check_users(const struct config *c, struct buf *err)
{
    const char *path = c->commands.aclfile;

    return *path == '\0' || commands_check_aclfile(path, err);
}

static int
check_config(struct config *c, int argc, char **argv)
{
    struct buf err = {0};

    if (argc != 3) {
        buf_printf(&err, "--check-config needs one FILE");
        return complain(EX_USAGE, &err);
    }
    if (!config_load(c, argv[2], 0, NULL, &err) || !check_users(c, &err) ||
        !run_as_check(c->daemon.run_as, &err) || !tls_check(&c->tls, &err))
        return complain(EX_CONFIG, &err);
    return EXIT_SUCCESS;
}

/* ---- the modules, in order ----------------------------------------------- */

static bool
open_slab(struct ashlard *d, struct buf *err)
{
    const struct slab_options *o = &d->config.slab;
    struct slab_config cfg = {
        .limit_bytes = slab_limit_from_option(o->maxmemory),
        .backing = (enum slab_backing)o->arena_memory,
        .huge_pages = (enum slab_huge)o->huge_pages,
    };

    d->slab = slab_new(&cfg, err);
    return d->slab != NULL;
}

static bool
open_keyspace(struct ashlard *d, struct buf *err)
{
    struct ks_config cfg = {
        .slab = d->slab,
        .options = &d->config.keyspace,
        .n_databases = (unsigned)d->config.commands.databases,
    };

    hash_seed_random(&cfg.seed);
    d->ks = ks_new(&cfg, err);
    return d->ks != NULL;
}

static bool
open_commands(struct ashlard *d, struct buf *err)
{
    struct commands *c = &d->commands;

    c->ks = d->ks;
    c->options = d->config.set;
    c->values = &d->config.commands;
    c->started_wall_ms = clock_wall_ms();
    c->started_mono_us = clock_mono_us();
    c->config_file = d->config.file;
    c->config_lock = &d->config_lock;
    clients_host(d, &c->host);
    commands_init(c);
    return commands_load_users(c, err);
}

static bool
choose_io(struct ashlard *d, struct buf *err)
{
    d->io = io_choose((enum io_choice)d->config.daemon.io_engine, err);
    if (d->io == NULL)
        return false;
    d->commands.multiplexing_api = d->io->api;
    return true;
}

static bool
start_workers(struct ashlard *d, struct buf *err)
{
    unsigned n = config_workers(&d->config);

    while (d->n_workers < n) {
        struct worker *w = worker_start(d, d->n_workers, err);

        if (w == NULL)
            return false;
        d->workers[d->n_workers++] = w;
    }
    return true;
}

/* What the process is made of before the first client: program, tables, stacks.
 * Counted once, so that what is counted follows the resident set. */
static void
charge_fixed_cost(struct ashlard *d)
{
    size_t rss = slab_process_rss(), used = slab_used(d->slab);

    if (rss > used && !SANITIZED)
        slab_charge_to(d->slab, SLAB_PROCESS, rss - used);
}

static void
init_locks(struct ashlard *d)
{
    pthread_mutexattr_t recursive;

    /* Recursive: a reload takes it around what takes it too. */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&d->config_lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&d->names_lock, NULL);
    pthread_mutex_init(&d->stats_lock, NULL);
}

static void
destroy_locks(struct ashlard *d)
{
    pthread_mutex_destroy(&d->stats_lock);
    pthread_mutex_destroy(&d->names_lock);
    pthread_mutex_destroy(&d->config_lock);
}

/* What the main thread waits for, and what was passed by who started it. */
static bool
open_main_loop(struct ashlard *d, struct buf *err)
{
    d->activation = activation_new(err);
    if (d->activation == NULL)
        return false;
    d->base = event_base_new();
    if (d->base == NULL) {
        buf_printf(err, "cannot make an event base: %s", strerror(errno));
        return false;
    }
    d->signals = signals_new(d);
    return true;
}

static bool
open_cache(struct ashlard *d, struct buf *err)
{
    notify_takes_long(
        d->notify, slab_limit_from_option(d->config.slab.maxmemory));
    return open_slab(d, err) && open_keyspace(d, err) && open_commands(d, err);
}

/* All that needs a privilege; then it is given up. */
static bool
open_sockets(struct ashlard *d, struct buf *err)
{
    bool tls_is_passed = activation_has(d->activation, "tls");

    if (!tls_open(&d->config.tls, tls_is_passed, &d->tls, err))
        return false;
    d->listeners = listeners_open(d, err);
    if (d->listeners == NULL)
        return false;
    d->web = web_open(d, err);
    return err->len == 0 && activation_all_taken(d->activation, err) &&
        run_as_seal(d->config.daemon.run_as, err);
}

static bool
start_threads(struct ashlard *d, struct buf *err)
{
    if (!choose_io(d, err) || !start_workers(d, err))
        return false;
    d->maint = maint_start(d, err);
    return d->maint != NULL && (d->web == NULL || web_start(d->web, err));
}

/* As many file descriptors as maxclients needs; fewer clients if the system
 * does not give them. False when it gives none. */
static bool
fit_clients(struct ashlard *d, struct buf *err)
{
    struct daemon_options *o = &d->config.daemon;
    int64_t possible = rlimit_raise(&d->config, o->maxclients);

    if (possible >= o->maxclients)
        return true;
    if (possible < 1) {
        buf_printf(err, "the limit of open files is too low to serve anyone");
        return false;
    }
    log_warn("maxclients lowered, the limit of open files allows no more "
             "asked=%lld maxclients=%lld",
        (long long)o->maxclients, (long long)possible);
    o->maxclients = possible;
    return true;
}

/* False with a sentence in err; tear_down() either way. */
static bool
build(struct ashlard *d, struct buf *err)
{
    init_locks(d);
    if (!fit_clients(d, err))
        return false;
    config_limits(&d->config, &d->limits);
    if (!open_main_loop(d, err) || !open_cache(d, err) ||
        !open_sockets(d, err) || !start_threads(d, err))
        return false;
    charge_fixed_cost(d);
    return true;
}

static void
stop_threads(struct ashlard *d)
{
    if (d->commands.ks != NULL)
        commands_end_scripts(&d->commands);
    if (d->watchdog != NULL)
        watchdog_free(d->watchdog);
    if (d->slab != NULL)
        notify_takes_long(d->notify, slab_used(d->slab));
    if (d->listeners != NULL)
        listeners_stop(d->listeners);
    if (d->web != NULL)
        web_stop(d->web);
    if (d->maint != NULL)
        maint_stop(d->maint);
    for (unsigned i = 0; i < d->n_workers; i++)
        worker_stop(d->workers[i]);
    for (unsigned i = 0; i < d->n_workers; i++)
        worker_join(d->workers[i]);
}

static void
free_threads(struct ashlard *d)
{
    if (d->web != NULL)
        web_free(d->web);
    if (d->maint != NULL)
        maint_free(d->maint);
    for (unsigned i = 0; i < d->n_workers; i++)
        worker_free(d->workers[i]);
}

/* In mirror order, from wherever build() has come to. Threads end before
 * anything that another of them may look at is freed. */
static void
tear_down(struct ashlard *d)
{
    stop_threads(d);
    free_threads(d);
    if (d->listeners != NULL)
        listeners_free(d->listeners);
    tls_free(d->tls);
    if (d->commands.ks != NULL)
        commands_free(&d->commands);
    if (d->ks != NULL)
        ks_free(d->ks);
    if (d->slab != NULL)
        slab_free(d->slab);
    if (d->signals != NULL)
        signals_free(d->signals);
    if (d->base != NULL)
        event_base_free(d->base);
    if (d->activation != NULL)
        activation_free(d->activation);
    buf_free(&d->reload_problem);
    destroy_locks(d);
}

/* ---- the process --------------------------------------------------------- */

static bool
write_pidfile(const char *path, struct buf *err)
{
    bool written;
    FILE *f;

    if (*path == '\0')
        return true;
    f = fopen(path, "we");
    written = f != NULL && fprintf(f, "%d\n", (int)getpid()) > 0;
    if (f != NULL && fclose(f) != 0)
        written = false;
    if (written)
        return true;
    buf_printf(err, "cannot write pidfile %s: %s", path, strerror(errno));
    return false;
}

/* Who was started with standard error closed would give its number, and lines
 * of the log, to the next file or client. */
static void
open_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* What libevent has to say is a line as any other. */
static void
log_libevent(int severity, const char *text)
{
    if (severity >= EVENT_LOG_WARN)
        log_warn("libevent: %s", text);
}

static bool
open_log(const struct ashlard *d, struct buf *err)
{
    const struct daemon_options *o = &d->config.daemon;
    int failed;

    log_set_format((enum log_format)o->log_format);
    failed = log_open(config_log_level(&d->config), o->logfile);
    if (failed != 0)
        buf_printf(
            err, "cannot open logfile %s: %s", o->logfile, strerror(failed));
    return failed == 0;
}

static void
serve(struct ashlard *d)
{
    const struct daemon_options *o = &d->config.daemon;

    listeners_start(d->listeners);
    d->watchdog = watchdog_start(d);
    notify_send(d->notify, "READY=1\nSTATUS=ready");
    log_info("ready version=" PACKAGE_VERSION " pid=%d port=%d tls_port=%d "
             "workers=%u maxmemory=%zu maxclients=%lld io-engine=%s",
        (int)getpid(), (int)o->port, (int)d->config.tls.tls_port, d->n_workers,
        slab_limit(d->slab), (long long)o->maxclients, d->io->name);
    event_base_dispatch(d->base);
    notify_send(d->notify, "STOPPING=1\nSTATUS=stopping");
}

/* Say on stderr and to the service manager why there is no daemon. */
static int
fail_to_run(struct ashlard *d, struct buf *err)
{
    notify_status(d->notify, "", (struct str){err->p, err->len});
    return complain(EXIT_FAILURE, err);
}

static int
run(struct ashlard *d)
{
    const struct daemon_options *o = &d->config.daemon;
    struct buf err = {0};
    int status = EXIT_SUCCESS;

    if (!run_as_begin(o->run_as, &err))
        return complain(EX_CONFIG, &err);
    if (!core_dumps_allow(o->core_dumps, &err))
        return complain(EXIT_FAILURE, &err);
    if (!open_log(d, &err))
        return complain(EXIT_FAILURE, &err);
    d->notify = notify_new();
    event_set_log_callback(log_libevent);
    /* A fixed threshold: large buffers of clients go back when freed. */
    mallopt(M_MMAP_THRESHOLD, (int)(256 * KIB));
    if (d->config.compat.daemonize)
        log_warn("daemonize has no effect: staying in the foreground");
    if (build(d, &err) && write_pidfile(o->pidfile, &err)) {
        serve(d);
        if (*o->pidfile != '\0')
            unlink(o->pidfile);
    }
    tear_down(d);
    if (err.len > 0)
        status = fail_to_run(d, &err);
    else
        log_info("stopped");
    notify_free(d->notify);
    return status;
}

/* ---- the command line ---------------------------------------------------- */

/* `ashlard [FILE] [--name value]...` */
static int
load_and_run(struct ashlard *d, int argc, char **argv)
{
    const char *file = NULL;
    struct buf err = {0};

    signals_prepare();
    open_standard_streams();
    argc--;
    argv++;
    if (argc > 0 && argv[0][0] == '-' && argv[0][1] != '-') {
        buf_printf(&err, "there is no option %s; see ashlard --help", argv[0]);
        return complain(EX_USAGE, &err);
    }
    if (argc > 0 && strncmp(argv[0], "--", 2) != 0) {
        file = argv[0];
        argc--;
        argv++;
    }
    if (!config_load(&d->config, file, argc, argv, &err) ||
        !check_users(&d->config, &err) || !tls_check(&d->config.tls, &err))
        return complain(EX_CONFIG, &err);
    return run(d);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*print)(struct config *c);
    } printers[] = {
        {"--help", print_help},
        {"-h", print_help},
        {"--version", print_version},
        {"-v", print_version},
        {"--sample-config", print_sample},
        {"--man-config", print_man},
        {"--commands-doc", print_commands},
        {"--metrics-doc", print_metrics},
    };
    struct ashlard d = {0};
    int status = -1;

    config_init(&d.config);
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(printers); i++)
        if (strcmp(argv[1], printers[i].word) == 0)
            status = argc > 2 ? must_stand_alone(argv[1])
                              : printers[i].print(&d.config);
    if (status < 0 && argc > 1 && strcmp(argv[1], "--check-config") == 0)
        status = check_config(&d.config, argc, argv);
    if (status < 0)
        status = load_and_run(&d, argc, argv);
    config_free(&d.config);
    return status;
}
