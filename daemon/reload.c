/* SPDX-License-Identifier: BSD-3-Clause */
/* reload.c - reads the configuration again while clients are served.
 *
 * The file and the command line are read into a configuration of their own,
 * with all checks of a start. Only if that is good, the live directives that
 * differ are put into effect, all or none, as one CONFIG SET would. The others
 * wait for the next start, which is logged. What the file does not name goes
 * back to its default: afterwards the file is what holds. Main thread.
 */
#include "daemon/internal.h"

#include <stdlib.h>

/* Directives that differ from those in force. */
struct differences {
    struct ashlard *daemon;
    struct config *next;
    const struct option **rows;
    const char **values; /* owned, each */
    size_t n;
    bool has_requirepass; /* among them */
};

static char *
value_text(struct options *o, const struct option *row)
{
    struct buf text = {0};

    options_print(o, row, &text);
    buf_append(&text, "", 1);
    return text.p;
}

static void
compare_row(void *ctx, const char *title, const struct option *row)
{
    struct differences *diff = ctx;
    char *now = value_text(diff->daemon->config.set, row);
    char *next = value_text(diff->next->set, row);
    char name[64];

    (void)title;
    if (row->flags & OPT_ALIAS || strcmp(now, next) == 0) {
        free(next);
    } else if (!(row->flags & OPT_LIVE)) {
        log_warn("%s changes at the next start",
            option_name(row, name, sizeof(name)));
        free(next);
    } else {
        diff->rows =
            xrealloc(diff->rows, (diff->n + 1) * sizeof(struct option *));
        diff->values = xrealloc(diff->values, (diff->n + 1) * sizeof(char *));
        diff->rows[diff->n] = row;
        diff->values[diff->n++] = next;
        diff->has_requirepass |= strcmp(row->name, "requirepass") == 0;
    }
    free(now);
}

static void
free_differences(struct differences *diff)
{
    for (size_t i = 0; i < diff->n; i++)
        free((char *)diff->values[i]);
    free(diff->rows);
    free(diff->values);
}

/* As at the start: fewer clients than the file wants are no reason to stop. */
static void
fit_clients(struct ashlard *d, struct config *next)
{
    int64_t wanted = next->daemon.maxclients;
    int64_t possible = rlimit_raise(&d->config, wanted);

    if (possible >= wanted || possible < 1)
        return;
    log_warn("maxclients lowered, the limit of open files allows no more "
             "asked=%lld maxclients=%lld",
        (long long)wanted, (long long)possible);
    next->daemon.maxclients = possible;
}

/* Users are declared anew only when the lines are others, so that what ACL
 * SETUSER changed stays; and after requirepass, before which a line of the
 * default user goes. */
static void
take_over_users(struct ashlard *d, struct config *next, bool has_requirepass)
{
    if (*d->config.commands.aclfile != '\0' ||
        (!has_requirepass && options_same_lines(d->config.set, next->set)))
        return;
    options_take_lines(d->config.set, next->set);
    commands_declare_users(&d->commands);
}

/* Names only: a value may be a password. */
static void
log_changes(const struct ashlard *d, const struct differences *diff)
{
    char name[64];

    for (size_t i = 0; i < diff->n; i++)
        log_info("%s is what the configuration says now",
            option_name(diff->rows[i], name, sizeof(name)));
    log_info(
        "configuration reloaded file=%s changed=%zu", d->config.file, diff->n);
}

/* Put the live part of a good configuration into force. */
static bool
take_over(struct ashlard *d, struct config *next, struct buf *err)
{
    struct differences diff = {.daemon = d, .next = next};
    bool done;

    /* To the end: no CONFIG SET comes between the look and the change, and
     * none reads the lines of users while others take their place. */
    pthread_mutex_lock(&d->config_lock);
    fit_clients(d, next);
    options_each(d->config.set, compare_row, &diff);
    done = diff.n == 0 ||
        commands_configure(&d->commands, diff.rows, diff.values, diff.n, err);
    if (done) {
        take_over_users(d, next, diff.has_requirepass);
        log_changes(d, &diff);
    }
    pthread_mutex_unlock(&d->config_lock);
    free_differences(&diff);
    return done;
}

/* Keep why there was no reload, or that there was one. */
static void
note_outcome(struct ashlard *d, const struct buf *err)
{
    pthread_mutex_lock(&d->config_lock);
    d->reload_problem.len = 0;
    buf_append(&d->reload_problem, err->p, err->len);
    pthread_mutex_unlock(&d->config_lock);
    if (err->len > 0)
        log_error("configuration not reloaded, the former one holds: %.*s",
            (int)err->len, err->p);
}

void
reload_config(struct ashlard *d)
{
    struct config next = {0};
    struct buf err = {0};

    if (*d->config.file == '\0')
        return;
    config_init(&next);
    next.sockets_passed = d->config.sockets_passed;
    if (config_load(
            &next, d->config.file, d->config.argc, d->config.argv, &err))
        (void)take_over(d, &next, &err);
    note_outcome(d, &err);
    config_free(&next);
    buf_free(&err);
}
