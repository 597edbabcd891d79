/* SPDX-License-Identifier: BSD-3-Clause */
/* harness.c - commands without a daemon, for unit tests. */
#include "commands/harness.h"

#include <stdio.h>
#include <stdlib.h>

OPTION_TABLE(slab_rows, SLAB_OPTIONS, struct slab_options);
OPTION_TABLE(keyspace_rows, KEYSPACE_OPTIONS, struct keyspace_options);
OPTION_TABLE(command_rows, COMMAND_OPTIONS, struct command_options);

/* ---- the host ------------------------------------------------------------ */

static void
describe(struct harness *h, const struct session *s, struct client_view *view)
{
    int n = (int)(s - h->sessions);

    memset(view, 0, sizeof(*view));
    view->session = s;
    snprintf(view->addr, sizeof(view->addr), "127.0.0.1:%d", 50000 + n);
    snprintf(view->laddr, sizeof(view->laddr), "127.0.0.1:6379");
    view->fd = 10 + n;
    view->query_bytes = 26;
    view->query_free_bytes = 100;
    view->output_bytes = 7;
    view->total_bytes = 1000;
}

static void
host_each_client(
    void *ctx, bool (*fn)(void *arg, const struct client_view *view), void *arg)
{
    struct harness *h = ctx;
    struct client_view view;

    for (int i = 0; i < h->n_sessions; i++) {
        describe(h, &h->sessions[i], &view);
        if (!fn(arg, &view))
            return;
    }
}

static void
host_self(void *ctx, const struct session *s, struct client_view *out)
{
    describe(ctx, s, out);
}

static bool
host_kill_client(void *ctx, uint64_t id)
{
    struct harness *h = ctx;

    for (int i = 0; i < h->n_sessions; i++) {
        if (h->sessions[i].id == id) {
            if (h->n_killed < HARNESS_SESSIONS)
                h->killed[h->n_killed] = id;
            h->n_killed++;
            return true;
        }
    }
    return false;
}

static void
host_lock(void *ctx)
{
    (void)ctx;
}

static void
host_shutdown(void *ctx)
{
    struct harness *h = ctx;

    h->n_shutdowns++;
}

static bool
host_option_changed(void *ctx, const struct option *row, struct buf *err)
{
    struct harness *h = ctx;

    h->n_options_changed++;
    if (h->refuse_option != NULL && strcmp(h->refuse_option, row->name) == 0) {
        buf_printf(err, "the host does not want it");
        return false;
    }
    if (strcmp(row->name, "maxmemory") == 0)
        slab_set_limit(
            h->slab, slab_limit_from_option(h->slab_options.maxmemory));
    return true;
}

static void
host_reset_stats(void *ctx)
{
    struct harness *h = ctx;

    h->n_stats_resets++;
}

static void
host_info(void *ctx, const char *section, struct buf *out)
{
    struct harness *h = ctx;

    if (strcmp(section, "clients") == 0)
        buf_printf(out, "connected_clients:%d\r\n", h->n_sessions);
}

static void
host_post(void *ctx, unsigned from, unsigned to, struct pubsub_message *m)
{
    struct harness *h = ctx;

    ASSERT(from == 0);
    ASSERT(to == 0);
    pubsub_message_take(m);
    h->mail =
        xrealloc(h->mail, (h->n_mail + 1) * sizeof(struct pubsub_message *));
    h->mail[h->n_mail++] = m;
}

static void
host_send(void *ctx, struct session *s, char first, struct str rest)
{
    struct harness *h = ctx;
    struct buf *inbox = &h->inboxes[s - h->sessions];

    buf_append(inbox, &first, 1);
    buf_append(inbox, rest.p, rest.len);
}

static struct session *
host_find_session(void *ctx, unsigned worker, uint64_t id)
{
    struct harness *h = ctx;

    ASSERT(worker == 0);
    for (int i = 0; i < h->n_sessions; i++)
        if (h->sessions[i].id == id)
            return &h->sessions[i];
    return NULL;
}

static void
host_held_up(void *ctx, unsigned worker)
{
    struct harness *h = ctx;

    ASSERT(worker == 0);
    if (h->held_up != NULL)
        h->held_up(h);
}

static void
host_goes_on(void *ctx, unsigned worker)
{
    (void)ctx;
    (void)worker;
}

static void
host_pause_ended(void *ctx)
{
    struct harness *h = ctx;

    h->n_pauses_ended++;
}

/* A delivery may post further messages. */
void
harness_deliver(struct harness *h)
{
    for (size_t i = 0; i < h->n_mail; i++) {
        pubsub_deliver(h->thread, h->mail[i]);
        pubsub_message_drop(h->mail[i]);
    }
    h->n_mail = 0;
}

const char *
harness_inbox(struct harness *h, int session)
{
    struct buf *inbox = &h->inboxes[session];

    harness_deliver(h);
    buf_append(inbox, "", 1);
    inbox->len = 0; /* read once; the bytes stay until more come */
    return inbox->p;
}

/* ---- set-up -------------------------------------------------------------- */

static void
make_options(struct harness *h)
{
    const struct option_module modules[] = {
        {.title = "Memory",
            .rows = slab_rows,
            .n_rows = ARRAY_LEN(slab_rows),
            .values = &h->slab_options},
        {.title = "Keys",
            .rows = keyspace_rows,
            .n_rows = ARRAY_LEN(keyspace_rows),
            .values = &h->keyspace_options},
        {.title = "Clients",
            .rows = command_rows,
            .n_rows = ARRAY_LEN(command_rows),
            .values = &h->command_options,
            .check = command_option_check},
    };

    h->options = options_new(modules, ARRAY_LEN(modules));
    ASSERT(h->options != NULL);
}

static void
make_keyspace(struct harness *h, size_t limit_bytes)
{
    struct buf err = {0};
    struct slab_config slab_config = {
        .limit_bytes = limit_bytes,
        .backing = SLAB_ANONYMOUS,
        .region_bytes = 256 * MIB,
        .extent_region_bytes = GIB,
    };
    struct ks_config ks_config = {
        .options = &h->keyspace_options,
        .n_databases = KS_DATABASES,
    };

    h->slab = slab_new(&slab_config, &err);
    ASSERT(h->slab != NULL);
    ks_config.slab = h->slab;
    hash_seed_random(&ks_config.seed);
    h->ks = ks_new(&ks_config, &err);
    ASSERT(h->ks != NULL);
    h->ks_thread = ks_thread_new(h->ks);
    buf_free(&err);
}

struct harness *
harness_new_limit(size_t limit_bytes)
{
    struct harness *h = xcalloc(1, sizeof(*h));

    make_options(h);
    make_keyspace(h, limit_bytes);
    h->commands.ks = h->ks;
    h->commands.options = h->options;
    h->commands.values = &h->command_options;
    h->commands.host = (struct command_host){
        .ctx = h,
        .each_client = host_each_client,
        .self = host_self,
        .kill_client = host_kill_client,
        .lock_clients = host_lock,
        .unlock_clients = host_lock,
        .shutdown = host_shutdown,
        .option_changed = host_option_changed,
        .reset_stats = host_reset_stats,
        .info = host_info,
        .post = host_post,
        .send = host_send,
        .find_session = host_find_session,
        .pause_ended = host_pause_ended,
        .held_up = host_held_up,
        .goes_on = host_goes_on,
    };
    h->commands.started_wall_ms = clock_wall_ms();
    h->commands.started_mono_us = clock_mono_us();
    h->commands.config_file = "";
    commands_init(&h->commands);
    h->thread = command_thread_new(&h->commands, h->ks_thread, 0);
    h->reply.out = &h->out;
    harness_connect(h);
    return h;
}

struct harness *
harness_new(void)
{
    return harness_new_limit(64 * MIB);
}

/* Drop what the last command left. */
static void
clear_output(struct harness *h)
{
    for (size_t i = 0; i < h->reply.n_refs; i++)
        extent_unpin(h->slab, h->reply.refs[i].extent);
    h->reply.n_refs = 0;
    h->out.len = 0;
    h->flat.len = 0;
}

void
harness_free(struct harness *h)
{
    struct slab_stats stats;

    clear_output(h);
    free(h->reply.refs);
    buf_free(&h->out);
    buf_free(&h->flat);
    harness_deliver(h);
    free(h->mail);
    h->mail = NULL;
    for (int i = 0; i < h->n_sessions; i++) {
        session_leave(h->thread, &h->sessions[i]);
        session_free(&h->sessions[i]);
        buf_free(&h->inboxes[i]);
    }
    command_thread_free(h->thread);
    commands_free(&h->commands);
    /* No command may have kept a pin or lost an extent. */
    ks_flush(h->ks_thread, KS_ALL_DBS);
    ks_reclaim(h->ks_thread);
    slab_stats(h->slab, &stats);
    ASSERT(stats.extents_live == 0);
    ASSERT(stats.chunk_live_bytes == stats.magazine_bytes);
    ks_thread_free(h->ks_thread);
    ks_free(h->ks);
    slab_free(h->slab);
    options_free(h->options);
    free(h);
}

void
harness_connect(struct harness *h)
{
    ASSERT(h->n_sessions < HARNESS_SESSIONS);
    session_init(
        &h->sessions[h->n_sessions], (uint64_t)h->n_sessions + 1, &h->commands);
    h->session = &h->sessions[h->n_sessions++];
}

void
harness_reconnect(struct harness *h, int session)
{
    struct session *s = &h->sessions[session];
    uint64_t id = s->id + HARNESS_SESSIONS;

    harness_deliver(h);
    session_leave(h->thread, s);
    session_free(s);
    session_init(s, id, &h->commands);
    h->inboxes[session].len = 0;
}

void
harness_switch(struct harness *h, int session)
{
    ASSERT(session < h->n_sessions);
    h->session = &h->sessions[session];
}

void
harness_protocol(struct harness *h, int protocol)
{
    h->session->protocol = (uint8_t)protocol;
}

/* ---- commands ------------------------------------------------------------ */

/* Put the referenced bytes where they belong. */
static void
flatten(struct harness *h)
{
    size_t done = 0;

    for (size_t i = 0; i < h->reply.n_refs; i++) {
        const struct reply_ref *ref = &h->reply.refs[i];

        buf_append(&h->flat, h->out.p + done, ref->at - done);
        buf_append(&h->flat, ref->p, ref->len);
        done = ref->at;
    }
    if (h->out.len > done)
        buf_append(&h->flat, h->out.p + done, h->out.len - done);
    buf_append(&h->flat, "", 1);
    h->flat.len--;
}

/* Each argument in a block of its own size, so that the sanitizer sees every
 * read beyond it. */
static struct resp_arg *
copy_words(const struct str *words, int n)
{
    struct resp_arg *argv = xcalloc((size_t)n, sizeof(*argv));

    for (int i = 0; i < n; i++) {
        char *copy = xcalloc(1, MAX(words[i].len, 1));

        if (words[i].len > 0)
            memcpy(copy, words[i].p, words[i].len);
        argv[i] = (struct resp_arg){.p = copy, .len = words[i].len};
    }
    return argv;
}

static void
free_words(struct resp_arg *argv, int n)
{
    for (int i = 0; i < n; i++)
        free((char *)argv[i].p);
    free(argv);
}

static const char *
run(struct harness *h, struct resp_arg *argv, int n, bool prefetch)
{
    struct ks_key keys[REQUEST_PREFETCH_KEYS];
    struct request rq = {
        .thread = h->thread,
        .session = h->session,
        .argv = argv,
        .argc = n,
        .reply = &h->reply,
    };

    clear_output(h);
    h->reply.protocol = h->session->protocol;
    if (prefetch)
        command_make_keys(&rq, keys);
    command_run(&rq);
    flatten(h);
    return h->flat.p;
}

static const char *
run_words(struct harness *h, const struct str *words, int n, bool prefetch)
{
    struct resp_arg *argv = copy_words(words, n);
    const char *answer = run(h, argv, n, prefetch);

    free_words(argv, n);
    return answer;
}

static struct str *
views(const char *const *words, int n)
{
    struct str *v = xcalloc((size_t)n, sizeof(*v));

    for (int i = 0; i < n; i++)
        v[i] = str_of(words[i]);
    return v;
}

const char *
harness_run(struct harness *h, const struct str *words, int n)
{
    return run_words(h, words, n, false);
}

const char *
harness_say(struct harness *h, const char *const *words, int n)
{
    struct str *v = views(words, n);
    const char *answer = run_words(h, v, n, false);

    free(v);
    return answer;
}

const char *
harness_run_prefetched(struct harness *h, const struct str *words, int n)
{
    return run_words(h, words, n, true);
}

const char *
harness_say_prefetched(struct harness *h, const char *const *words, int n)
{
    struct str *v = views(words, n);
    const char *answer = run_words(h, v, n, true);

    free(v);
    return answer;
}

const char *
harness_run_extent(
    struct harness *h, const struct str *words, int n, struct str last)
{
    struct resp_arg *argv = copy_words(words, n);
    uint32_t extent = extent_new(h->slab, last.len);
    const char *answer;

    ASSERT(extent != 0);
    if (!ks_commit_extent(h->ks_thread, extent, last.len)) {
        extent_unpin(h->slab, extent);
        free_words(argv, n);
        session_command_lost(h->session);
        return NULL;
    }
    memcpy(extent_ptr(h->slab, extent), last.p, last.len);

    argv = xrealloc(argv, (size_t)(n + 1) * sizeof(*argv));
    argv[n] = (struct resp_arg){
        .p = extent_ptr(h->slab, extent), .len = last.len, .extent = extent};
    answer = run(h, argv, n + 1, false);
    if (argv[n].extent != 0)
        extent_unpin(h->slab, argv[n].extent);
    free_words(argv, n);
    return answer;
}

const char *
harness_say_extent(
    struct harness *h, const char *const *words, int n, struct str last)
{
    struct str *v = views(words, n);
    const char *answer = harness_run_extent(h, v, n, last);

    ASSERT(answer != NULL);
    free(v);
    return answer;
}

/* ---- main ---------------------------------------------------------------- */

int
harness_main(const char *suite, void (*start)(void), void (*stop)(void),
    const TTest *const *tests, size_t n)
{
    Suite *s = suite_create(suite);
    TCase *tc = tcase_create(suite);

    tcase_add_checked_fixture(tc, start, stop);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
