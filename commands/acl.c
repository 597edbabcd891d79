/* SPDX-License-Identifier: BSD-3-Clause */
/* acl.c - all users, and what happens when they change.
 *
 * The table of users changes under its lock, which is taken to look a name up
 * (AUTH, ACL) and when a session looks at its rights again, never for a command
 * of a session that knows them. Lock order: this lock -> the host's client
 * lock; nobody waits for a partition under either.
 *
 * A change publishes first and then tells the sessions, under the client lock.
 * A session that takes a user over does so under the table's lock: so it has
 * either found the new one, or is told afterwards.
 */
#include "commands/acl.h"

#include <stdlib.h>

/* ---- tables of users ----------------------------------------------------- */

static int
compare(struct str a, struct str b)
{
    size_t len = MIN(a.len, b.len);
    int order = len == 0 ? 0 : memcmp(a.p, b.p, len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where a name is, or would be. */
static size_t
place_of(const struct acl_users *users, struct str name)
{
    size_t lo = 0, hi = users->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (compare(acl_word_str(&users->at[mid]->name), name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct acl_user **
acl_users_find(const struct acl_users *users, struct str name)
{
    size_t i = place_of(users, name);

    if (i < users->n && str_eq(acl_word_str(&users->at[i]->name), name))
        return &users->at[i];
    return NULL;
}

bool
acl_users_insert(struct acl_users *users, struct acl_user *u)
{
    size_t i = place_of(users, acl_word_str(&u->name));

    if (acl_users_find(users, acl_word_str(&u->name)) != NULL)
        return false;
    users->at = xrealloc(users->at, (users->n + 1) * sizeof(users->at[0]));
    memmove(&users->at[i + 1], &users->at[i],
        (users->n - i) * sizeof(users->at[0]));
    users->at[i] = u;
    users->n++;
    return true;
}

void
acl_users_free(struct acl_users *users)
{
    for (size_t i = 0; i < users->n; i++)
        acl_user_drop(users->at[i]);
    free(users->at);
    *users = (struct acl_users){NULL, 0};
}

/* ---- the table ----------------------------------------------------------- */

struct acl_context
acl_context_of(const struct commands *c)
{
    return (struct acl_context){c->state->index,
        option_get_i64(&c->values->acl_pubsub_default) == ACL_PUBSUB_ALL};
}

struct acl_user **
acl_default_user(struct acl *a)
{
    return acl_users_find(&a->users, STR("default"));
}

/* [lock] */
static void
note_open(struct acl *a)
{
    unsigned needed = ACL_ON | ACL_NOPASS;

    atomic_store_explicit(&a->open,
        ((*acl_default_user(a))->flags & needed) == needed,
        memory_order_release);
}

bool
acl_is_open(const struct acl *a)
{
    return atomic_load_explicit(&a->open, memory_order_acquire);
}

/* Anything, without a password. */
static struct acl_user *
new_default_user(const struct acl_context *x)
{
    static const char *const rules[] = {"+@all", "~*", "&*", "on", "nopass"};
    struct acl_user *u = acl_user_new(STR("default"), x);

    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        ASSERT(acl_user_apply(u, x, str_of(rules[i])) == ACL_OK);
    return u;
}

struct acl *
acl_new(struct commands *c)
{
    struct acl *a = xcalloc(1, sizeof(*a));
    struct acl_context x = acl_context_of(c);

    a->commands = c;
    ASSERT(pthread_mutex_init(&a->lock, NULL) == 0);
    ASSERT(acl_users_insert(&a->users, new_default_user(&x)));
    note_open(a);
    return a;
}

void
acl_free(struct acl *a)
{
    acl_users_free(&a->users);
    ASSERT(pthread_mutex_destroy(&a->lock) == 0);
    free(a);
}

struct acl_user *
acl_find(struct acl *a, struct str name)
{
    struct acl_user **at, *u = NULL;

    pthread_mutex_lock(&a->lock);
    at = acl_users_find(&a->users, name);
    if (at != NULL)
        u = acl_user_take(*at);
    pthread_mutex_unlock(&a->lock);
    return u;
}

void
acl_each(
    struct acl *a, void (*fn)(void *arg, const struct acl_user *u), void *arg)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->users.n; i++)
        fn(arg, a->users.at[i]);
    pthread_mutex_unlock(&a->lock);
}

/* ---- telling the sessions ------------------------------------------------ */

/* What has become of users: one was changed, some are gone. */
struct news {
    const struct acl_user *changed; /* or NULL */
    const uint64_t *gone;
    size_t n_gone;
    struct buf victims; /* uint64_t ids of sessions to close */
};

/* Under the client lock, which also holds its user and subscriptions still. */
static bool
tell(void *arg, const struct client_view *view)
{
    struct news *news = arg;
    const struct session *s = view->session;
    uint64_t id = acl_session_user_id(s);
    bool is_told = news->changed != NULL && news->changed->id == id;
    bool closes = is_told && acl_hears_forbidden(s, news->changed);

    for (size_t i = 0; i < news->n_gone && !closes; i++)
        closes = news->gone[i] == id;
    if (is_told || closes)
        atomic_store_explicit(&((struct session *)(uintptr_t)s)->rights,
            RIGHTS_UNKNOWN, memory_order_relaxed);
    if (closes)
        buf_append(&news->victims, &s->id, sizeof(s->id));
    return true;
}

/* `rq` NULL: nobody is connected yet. */
static void
spread(struct commands *c, struct request *rq, struct news *news)
{
    const struct command_host *host = &c->host;

    if (host->each_client == NULL)
        return;
    host->each_client(host->ctx, tell, news);
    for (size_t at = 0; at < news->victims.len; at += sizeof(uint64_t)) {
        uint64_t id;

        memcpy(&id, news->victims.p + at, sizeof(id));
        if (rq != NULL && id == rq->session->id)
            STORE(&rq->session->close_after_reply, true);
        else
            (void)host->kill_client(host->ctx, id);
    }
    buf_free(&news->victims);
}

/* ---- changes ------------------------------------------------------------- */

/* Put `u` into the table in place of the user of its name; takes a hold for the
 * table. [lock] */
static void
publish(struct acl *a, struct acl_user *u)
{
    struct acl_user **at = acl_users_find(&a->users, acl_word_str(&u->name));

    (void)acl_user_take(u);
    if (at != NULL) {
        u->id = (*at)->id;
        acl_user_drop(*at);
        *at = u;
    } else {
        u->id = ++a->last_id;
        ASSERT(acl_users_insert(&a->users, u));
    }
    note_open(a);
}

struct change {
    struct acl_user *user;
    struct acl_context context;
    struct buf *err;
    bool failed;
};

static bool
change_by_rule(void *arg, struct str rule)
{
    struct change *change = arg;
    enum acl_status status =
        acl_user_apply(change->user, &change->context, rule);

    if (status == ACL_OK)
        return true;
    change->failed = true;
    buf_printf(change->err, "Error in ACL SETUSER modifier '");
    buf_append(change->err, rule.p, strnlen(rule.p, MIN(rule.len, 1024)));
    buf_printf(change->err, "': %s", acl_status_text(status));
    return false;
}

static bool
change_by_rules(struct change *change, const struct str *rules, size_t n)
{
    size_t open;

    if (acl_each_rule(rules, n, &open, change_by_rule, change))
        return !change->failed;
    buf_printf(change->err,
        "Unmatched parenthesis in acl selector starting at '%.*s'.",
        (int)MIN(rules[open].len, (size_t)1024), rules[open].p);
    return false;
}

/* A copy of the user to change, or a new one. [lock] */
static struct acl_user *
draft(struct acl *a, struct str name, const struct acl_context *x)
{
    struct acl_user **at = acl_users_find(&a->users, name);

    return at != NULL ? acl_user_copy(*at) : acl_user_new(name, x);
}

bool
acl_set_user(struct request *rq, struct str name, const struct str *rules,
    size_t n, struct buf *err)
{
    struct acl *a = acl_of_request(rq);
    struct change change = {
        .context = acl_context_of(a->commands),
        .err = err,
    };
    bool done;

    pthread_mutex_lock(&a->lock);
    change.user = draft(a, name, &change.context);
    done = change_by_rules(&change, rules, n);
    if (done)
        publish(a, change.user);
    pthread_mutex_unlock(&a->lock);
    if (done) {
        struct news news = {.changed = change.user};

        spread(a->commands, rq, &news);
    }
    acl_user_drop(change.user);
    return done;
}

/* Take a user out of the table and note its number. [lock] */
static void
take_out(struct acl *a, struct acl_user **at, struct buf *gone)
{
    struct acl_user *u = *at;
    size_t i = (size_t)(at - a->users.at);

    buf_append(gone, &u->id, sizeof(u->id));
    a->users.n--;
    memmove(at, at + 1, (a->users.n - i) * sizeof(*at));
    acl_user_drop(u);
}

int64_t
acl_delete_users(struct request *rq, const struct str *names, size_t n)
{
    struct acl *a = acl_of_request(rq);
    struct news news = {.changed = NULL};
    struct buf gone = {0};

    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < n; i++) {
        struct acl_user **at = acl_users_find(&a->users, names[i]);

        if (at != NULL && (*at)->id != ACL_DEFAULT_ID)
            take_out(a, at, &gone);
    }
    pthread_mutex_unlock(&a->lock);
    news.gone = (const uint64_t *)(const void *)gone.p;
    news.n_gone = gone.len / sizeof(uint64_t);
    spread(a->commands, rq, &news);
    buf_free(&gone);
    return (int64_t)news.n_gone;
}

/* The numbers of all users but the default one. [lock] */
static void
note_all_gone(const struct acl_users *users, struct buf *gone)
{
    for (size_t i = 0; i < users->n; i++) {
        if (users->at[i]->id != ACL_DEFAULT_ID)
            buf_append(gone, &users->at[i]->id, sizeof(uint64_t));
    }
}

void
acl_replace_all(struct commands *c, struct request *rq, struct acl_users *users)
{
    struct acl *a = c->state->acl;
    struct acl_context x = acl_context_of(c);
    struct buf gone = {0};
    struct acl_users former;
    struct acl_user *changed;
    struct news news;

    if (acl_users_find(users, STR("default")) == NULL)
        ASSERT(acl_users_insert(users, new_default_user(&x)));
    changed = acl_user_take(*acl_users_find(users, STR("default")));
    pthread_mutex_lock(&a->lock);
    note_all_gone(&a->users, &gone);
    for (size_t i = 0; i < users->n; i++)
        users->at[i]->id =
            users->at[i] == changed ? ACL_DEFAULT_ID : ++a->last_id;
    former = a->users;
    a->users = *users;
    note_open(a);
    pthread_mutex_unlock(&a->lock);
    *users = (struct acl_users){NULL, 0};
    news = (struct news){
        .changed = changed,
        .gone = (const uint64_t *)(const void *)gone.p,
        .n_gone = gone.len / sizeof(uint64_t),
    };
    spread(c, rq, &news);
    acl_users_free(&former);
    acl_user_drop(changed);
    buf_free(&gone);
}

/* ---- requirepass --------------------------------------------------------- */

/* Give a user that nobody else sees the password of requirepass, or none. */
static void
give_password(
    struct commands *c, const struct acl_context *x, struct acl_user *u)
{
    struct buf rule = {0};

    buf_append(&rule, ">", 1);
    if (c->options != NULL)
        options_copy_string(c->options, &c->values->requirepass, &rule);
    else
        buf_append(
            &rule, c->values->requirepass, strlen(c->values->requirepass));
    ASSERT(acl_user_apply(u, x, STR("resetpass")) == ACL_OK);
    ASSERT(acl_user_apply(u, x,
               rule.len > 1 ? (struct str){rule.p, rule.len} : STR("nopass")) ==
        ACL_OK);
    explicit_bzero(rule.p, rule.cap);
    buf_free(&rule);
}

void
acl_requirepass_changed(struct commands *c)
{
    struct acl *a = c->state->acl;
    struct acl_context x = acl_context_of(c);
    struct news news = {.changed = NULL};
    struct acl_user *u;

    pthread_mutex_lock(&a->lock);
    u = acl_user_copy(*acl_default_user(a));
    give_password(c, &x, u);
    publish(a, u);
    pthread_mutex_unlock(&a->lock);
    news.changed = u;
    spread(c, NULL, &news);
    acl_user_drop(u);
}

/* ---- users of the configuration ------------------------------------------ */

struct acl_user *
acl_default_from_options(struct commands *c)
{
    struct acl_context x = acl_context_of(c);
    struct acl_user *u = new_default_user(&x);

    give_password(c, &x, u);
    return u;
}

/* Take those out who are not declared. [lock] */
static void
take_out_others(
    struct acl *a, const struct acl_users *declared, struct buf *gone)
{
    for (size_t i = a->users.n; i-- > 0;) {
        struct str name = acl_word_str(&a->users.at[i]->name);

        if (acl_users_find(declared, name) == NULL)
            take_out(a, &a->users.at[i], gone);
    }
}

void
acl_declare(struct commands *c, struct acl_users *users)
{
    struct acl *a = c->state->acl;
    struct buf gone = {0};
    struct news news = {.changed = NULL};

    if (acl_users_find(users, STR("default")) == NULL)
        ASSERT(acl_users_insert(users, acl_default_from_options(c)));
    pthread_mutex_lock(&a->lock);
    take_out_others(a, users, &gone);
    for (size_t i = 0; i < users->n; i++)
        publish(a, users->at[i]);
    pthread_mutex_unlock(&a->lock);
    for (size_t i = 0; i < users->n; i++) {
        struct news changed = {.changed = users->at[i]};

        spread(c, NULL, &changed);
    }
    news.gone = (const uint64_t *)(const void *)gone.p;
    news.n_gone = gone.len / sizeof(uint64_t);
    spread(c, NULL, &news);
    buf_free(&gone);
    acl_users_free(users);
}
