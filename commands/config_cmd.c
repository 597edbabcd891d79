/* SPDX-License-Identifier: BSD-3-Clause */
/* config_cmd.c - the subcommands of CONFIG.
 *
 * Reads and changes directives through the option set (base/), which knows
 * their types and ranges; the host puts a change into effect. Only one CONFIG
 * SET runs at a time, under config_lock, so that its undo meets no other.
 */
#include "commands/acl.h"
#include "commands/hotkeys.h"
#include "commands/notify.h"
#include "commands/tracking.h"

#include <ctype.h>
#include <stdlib.h>

#define MAX_OPTION_NAME 128

/* ---- GET ----------------------------------------------------------------- */

struct get {
    struct request *rq;
    struct buf value;
    size_t n_shown;
};

/* How a directive is shown: by its name, or as it was written, if it was asked
 * for by its whole name. Without a start if nobody asked for it. */
static struct str
wanted_as(const struct request *rq, const char *name, unsigned flags)
{
    for (int i = 2; i < rq->argc; i++) {
        struct str arg = arg_str(rq, i);

        if (str_ieq(arg, str_of(name)))
            return arg;
        if (!(flags & OPT_HIDDEN) && glob_match(arg, str_of(name), true))
            return str_of(name);
    }
    return (struct str){NULL, 0};
}

/* In the order of Redis, however they were given. */
static void
print_event_classes(struct commands *c, const struct option *row,
    struct buf *out)
{
    struct buf text = {0};
    unsigned flags;

    options_print(c->options, row, &text);
    buf_append(&text, "", 1);
    if (notify_parse(text.p, &flags))
        notify_print(flags, out);
    buf_free(&text);
}

/* The value as clients read it. A secret shows as empty, whether it is set or
 * not; a limit of memory in bytes, as tools expect it, however it was given. */
static void
print_value(struct commands *c, const struct option *row, struct buf *out)
{
    if (row->flags & OPT_SECRET)
        return;
    if (row->type == OPT_MEMORY)
        buf_printf(out, "%zu", slab_limit(ks_slab(c->ks)));
    else if (strcmp(row->name, "notify_keyspace_events") == 0)
        print_event_classes(c, row, out);
    else
        options_print(c->options, row, out);
}

static void
show_option(void *ctx, const char *title, const struct option *row)
{
    struct get *get = ctx;
    struct commands *c = get->rq->thread->commands;
    char name[MAX_OPTION_NAME];
    struct str shown;

    (void)title;
    option_name(row, name, sizeof(name));
    shown = wanted_as(get->rq, name, row->flags);
    if (shown.p == NULL)
        return;
    get->value.len = 0;
    print_value(c, options_find(c->options, str_of(row->name)), &get->value);
    reply_bulk(get->rq->reply, shown);
    reply_bulk(get->rq->reply,
        (struct str){get->value.len > 0 ? get->value.p : "", get->value.len});
    get->n_shown++;
}

void
cmd_config_get(struct request *rq)
{
    struct options *options = rq->thread->commands->options;
    struct get get = {.rq = rq};
    size_t at = reply_map_open(rq->reply);

    if (options != NULL)
        options_each(options, show_option, &get);
    reply_array_close(rq->reply, at, get.n_shown);
    buf_free(&get.value);
}

/* ---- SET ----------------------------------------------------------------- */

/* The pairs of one CONFIG SET, with what it takes to undo them. */
struct change {
    const struct option *row;
    char name[MAX_OPTION_NAME];
    char *value; /* NUL-terminated copies; owned */
    char *former;
};

struct set {
    struct commands *c;
    struct change *changes;
    size_t n;
    struct buf err;     /* of the change that failed */
    const char *failed; /* its name */
};

static char *
copy_text(const char *p, size_t len)
{
    char *copy = xcalloc(1, len + 1);

    if (len > 0)
        memcpy(copy, p, len);
    return copy;
}

static void
free_set(struct set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        free(set->changes[i].value);
        free(set->changes[i].former);
    }
    free(set->changes);
    buf_free(&set->err);
}

static bool
is_repeated(const struct set *set, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (set->changes[i].row == set->changes[n].row)
            return true;
    }
    return false;
}

static bool
fail(struct set *set, size_t i, const char *reason)
{
    set->failed = set->changes[i].name;
    set->err.len = 0;
    buf_printf(&set->err, "%s", reason);
    return false;
}

/* The name as it was given, which can be another one of the row's, in the form
 * in which names are shown. */
static void
note_name(struct change *change, struct str given)
{
    ASSERT(given.len < sizeof(change->name));
    for (size_t i = 0; i < given.len; i++)
        change->name[i] =
            given.p[i] == '_' ? '-' : (char)tolower((unsigned char)given.p[i]);
    change->name[given.len] = '\0';
}

/* Find all rows first: nothing is changed for a name that does not exist. */
static bool
find_rows(struct request *rq, struct set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        int arg = 2 + 2 * (int)i;
        struct change *change = &set->changes[i];

        change->row = set->c->options == NULL
            ? NULL
            : options_find(set->c->options, arg_str(rq, arg));
        if (change->row == NULL) {
            reply_error(rq->reply,
                "ERR Unknown option or number of arguments for CONFIG SET - "
                "'%.*s'",
                ARG_SHOWN(rq, arg));
            return false;
        }
        note_name(change, arg_str(rq, arg));
        change->value = copy_text(rq->argv[arg + 1].p, rq->argv[arg + 1].len);
    }
    return true;
}

/* Is the wanted value the one in force? */
static bool
is_in_force(const struct set *set, size_t i)
{
    const struct change *change = &set->changes[i];
    struct buf text = {0};
    bool same;

    options_print(set->c->options, change->row, &text);
    same = str_eq((struct str){text.len > 0 ? text.p : "", text.len},
        str_of(change->value));
    buf_free(&text);
    return same;
}

static bool
check_rows(struct request *rq, struct set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->changes[i].row->flags & OPT_PROTECTED)
            return fail(set, i, "can't set protected config");
        if (!(set->changes[i].row->flags & OPT_LIVE) && !is_in_force(set, i))
            return fail(set, i, "can't set immutable config");
        if (is_repeated(set, i))
            return fail(set, i, "duplicate parameter");
        if (memchr(rq->argv[3 + 2 * i].p, '\0', rq->argv[3 + 2 * i].len))
            return fail(set, i, "the value holds a NUL byte");
    }
    return true;
}

static void
keep_former(struct set *set, size_t i)
{
    struct buf text = {0};

    options_print(set->c->options, set->changes[i].row, &text);
    set->changes[i].former = copy_text(text.p, text.len);
    buf_free(&text);
}

/* Put the former value back; it was good before. */
static void
restore(struct set *set, size_t i)
{
    struct buf why = {0};

    if (set->changes[i].former != NULL &&
        !options_set(set->c->options, set->changes[i].name,
            set->changes[i].former, true, &why))
        log_error("former value not restored directive=%s: %.*s",
            set->changes[i].name, (int)why.len, why.p);
    buf_free(&why);
}

static bool
put_in_effect(struct set *set, size_t i, struct buf *why)
{
    const struct command_host *host = &set->c->host;
    const struct option *row = set->changes[i].row;

    if (!host->option_changed(host->ctx, row, why))
        return false;
    if (strcmp(row->name, "requirepass") == 0)
        acl_requirepass_changed(set->c);
    return true;
}

/* The same for all, the first n of which are in effect already. */
static void
undo(struct set *set, size_t n)
{
    struct buf why = {0};

    for (size_t i = set->n; i-- > 0;)
        restore(set, i);
    for (size_t i = n; i-- > 0;) {
        if (set->changes[i].former == NULL)
            continue;
        why.len = 0;
        if (!put_in_effect(set, i, &why))
            log_error("former value not in effect directive=%s: %.*s",
                set->changes[i].name, (int)why.len, why.p);
    }
    buf_free(&why);
}

/* "200%", for a number of bytes: in the words of Redis. */
static bool
is_above_all(const struct change *change)
{
    struct str text = str_of(change->value);
    int64_t percent;

    return (change->row->type == OPT_MEMORY || change->row->type == OPT_SIZE) &&
        text.len > 1 && text.p[text.len - 1] == '%' &&
        str_to_i64((struct str){text.p, text.len - 1}, &percent) &&
        percent > 100;
}

static bool
store_one(struct set *set, size_t i)
{
    struct change *change = &set->changes[i];

    if (!(change->row->flags & OPT_LIVE))
        return true; /* as it is */
    if (is_above_all(change))
        return fail(set, i, "percentage argument must be less or equal to 100");
    keep_former(set, i);
    set->failed = change->name;
    return options_set(
        set->c->options, change->name, change->value, true, &set->err);
}

/* All values first: a bad one undoes nothing that was felt. */
static bool
apply_all(struct set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (!store_one(set, i)) {
            while (i-- > 0)
                restore(set, i);
            return false;
        }
    }
    for (size_t i = 0; i < set->n; i++) {
        set->failed = set->changes[i].name;
        if (set->changes[i].former != NULL &&
            !put_in_effect(set, i, &set->err)) {
            undo(set, i);
            return false;
        }
    }
    return true;
}

static void
run_set(struct request *rq, struct set *set)
{
    bool done;

    if (!find_rows(rq, set))
        return;
    pthread_mutex_lock(set->c->config_lock);
    done = check_rows(rq, set) && apply_all(set);
    notify_configure(set->c);
    hotkeys_configure(set->c);
    replicas_configure(set->c);
    pthread_mutex_unlock(set->c->config_lock);
    tracking_keep_limit(rq->thread);
    if (done) {
        reply_ok(rq->reply);
        return;
    }
    reply_error(rq->reply,
        "ERR CONFIG SET failed (possibly related to argument '%s') - %.*s",
        set->failed, (int)set->err.len, set->err.len > 0 ? set->err.p : "");
}

void
cmd_config_set(struct request *rq)
{
    struct set set = {.c = rq->thread->commands};

    if (rq->argc % 2 != 0) {
        reply_error_syntax(rq);
        return;
    }
    set.n = (size_t)(rq->argc - 2) / 2;
    set.changes = xcalloc(set.n, sizeof(*set.changes));
    run_set(rq, &set);
    free_set(&set);
}

/* Some reasons begin with the name of the directive. */
static void
write_reason(const struct set *set, struct buf *out)
{
    size_t len = strlen(set->failed);

    if (set->err.len < len || memcmp(set->err.p, set->failed, len) != 0)
        buf_printf(out, "%s: ", set->failed);
    if (set->err.len > 0)
        buf_append(out, set->err.p, set->err.len);
}

bool
commands_configure(struct commands *c, const struct option *const *rows,
    const char *const *values, size_t n, struct buf *err)
{
    struct set set = {.c = c, .n = n};
    bool done;

    set.changes = xcalloc(n, sizeof(*set.changes));
    for (size_t i = 0; i < n; i++) {
        set.changes[i].row = rows[i];
        option_name(
            rows[i], set.changes[i].name, sizeof(set.changes[i].name));
        set.changes[i].value = copy_text(values[i], strlen(values[i]));
    }
    pthread_mutex_lock(c->config_lock);
    done = apply_all(&set);
    notify_configure(c);
    hotkeys_configure(c);
    replicas_configure(c);
    pthread_mutex_unlock(c->config_lock);
    if (!done)
        write_reason(&set, err);
    free_set(&set);
    return done;
}

/* ---- RESETSTAT, REWRITE -------------------------------------------------- */

void
cmd_config_resetstat(struct request *rq)
{
    struct commands *c = rq->thread->commands;

    command_stats_reset(c);
    ks_metrics_reset(c->ks);
    c->host.reset_stats(c->host.ctx);
    reply_ok(rq->reply);
}

/* Some values are good for CONFIG SET and not for a start: what is written here
 * always starts. */
static bool
rewrite(struct commands *c, struct buf *why)
{
    if (c->host.would_start != NULL && !c->host.would_start(c->host.ctx, why))
        return false;
    return options_rewrite_file(c->options, c->config_file, c, why);
}

/* Under the lock, so that no change is written half done. */
void
cmd_config_rewrite(struct request *rq)
{
    struct commands *c = rq->thread->commands;
    struct buf why = {0};
    bool done;

    if (c->config_file[0] == '\0' || c->options == NULL) {
        reply_error(
            rq->reply, "ERR The server is running without a config file");
        return;
    }
    pthread_mutex_lock(c->config_lock);
    done = rewrite(c, &why);
    pthread_mutex_unlock(c->config_lock);
    if (done) {
        log_warn("configuration file rewritten path=%s", c->config_file);
        reply_ok(rq->reply);
    } else {
        log_warn("configuration file not rewritten: %.*s", (int)why.len, why.p);
        reply_error(
            rq->reply, "ERR Rewriting config file: %.*s", (int)why.len, why.p);
    }
    buf_free(&why);
}
