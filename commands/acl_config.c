/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_config.c - users in the configuration file: lines "user NAME RULE...".
 *
 * base/ reads the lines and writes them back for CONFIG REWRITE; here is what
 * they mean. As with the aclfile, what is shown of a bad line is a command's
 * name at most. The thread that reads files, and any worker for CONFIG REWRITE.
 */
#include "commands/acl.h"

/* ---- from lines ---------------------------------------------------------- */

struct declaration {
    const struct acl_context *context;
    struct acl_user *user;
    struct buf *err; /* or NULL: the line was good before */
    bool bad;
};

static bool
apply_rule(void *arg, struct str rule)
{
    struct declaration *d = arg;
    enum acl_status status = acl_user_apply(d->user, d->context, rule);

    if (status == ACL_OK)
        return true;
    d->bad = true;
    if (d->err == NULL)
        return false;
    if (status == ACL_UNKNOWN)
        buf_printf(d->err, "'%.*s': ", (int)MIN(rule.len, (size_t)128), rule.p);
    buf_printf(d->err, "%s", acl_status_text(status));
    return false;
}

/* The user of a line, held; NULL, with a sentence in `err`, if it is bad. */
static struct acl_user *
user_of_words(const struct acl_context *x, const struct str *words, size_t n,
    struct buf *err)
{
    struct buf reason = {0};
    struct declaration d = {.context = x, .err = &reason};
    size_t open;

    if (!acl_name_valid(words[0])) {
        buf_printf(err, "user: the name contains invalid characters");
        return NULL;
    }
    d.user = acl_user_new(words[0], x);
    if (!acl_each_rule(words + 1, n - 1, &open, apply_rule, &d)) {
        buf_printf(&reason, "Unmatched parenthesis in selector definition");
        d.bad = true;
    }
    if (d.bad) {
        buf_printf(err, "user: Error in user declaration of '%.*s': %.*s",
            (int)MIN(words[0].len, (size_t)128), words[0].p, (int)reason.len,
            reason.p);
        acl_user_drop(d.user);
        d.user = NULL;
    }
    buf_free(&reason);
    return d.user;
}

static bool
check_line(const struct str *words, size_t n, struct buf *err)
{
    struct command_index *index = command_index_new();
    struct acl_context x = {index, false};
    struct acl_user *u = user_of_words(&x, words, n, err);
    bool good = u != NULL;

    if (good)
        acl_user_drop(u);
    command_index_free(index);
    return good;
}

struct reading {
    struct acl_context context;
    struct acl_users users;
};

static void
read_line(void *arg, const struct str *words, size_t n)
{
    struct reading *r = arg;
    struct buf err = {0};
    struct acl_user *u = user_of_words(&r->context, words, n, &err);

    if (u != NULL)
        ASSERT(acl_users_insert(&r->users, u));
    else /* acl-pubsub-default can make a pattern of channels superfluous */
        log_error("%.*s", (int)err.len, err.p);
    buf_free(&err);
}

void
commands_declare_users(struct commands *c)
{
    struct reading r = {.context = acl_context_of(c)};

    if (c->options != NULL)
        options_each_line(c->options, read_line, &r);
    acl_declare(c, &r.users);
}

/* ---- CONFIG REWRITE ------------------------------------------------------ */

/* The words behind "user". */
static void
describe(const struct acl_user *u, struct buf *out)
{
    struct buf line = {0};

    acl_describe_user(u, &line);
    buf_append(out, line.p + strlen("user "), line.len - strlen("user "));
    buf_free(&line);
}

static bool
is_same_user(const struct acl_user *a, const struct acl_user *b)
{
    struct buf x = {0}, y = {0};
    bool same;

    describe(a, &x);
    describe(b, &y);
    same = str_eq((struct str){x.p, x.len}, (struct str){y.p, y.len});
    buf_free(&x);
    buf_free(&y);
    return same;
}

static enum option_line_state
look_at_line(void *ctx, const struct str *words, size_t n, struct buf *out)
{
    struct commands *c = ctx;
    struct acl_context x = acl_context_of(c);
    struct acl_user *now = acl_find(c->state->acl, words[0]), *then;
    enum option_line_state state = OPTION_LINE_OTHER;
    struct buf err = {0};

    if (now == NULL)
        return OPTION_LINE_GONE;
    then = user_of_words(&x, words, n, &err);
    if (then != NULL && is_same_user(now, then))
        state = OPTION_LINE_HOLDS;
    else
        describe(now, out);
    if (then != NULL)
        acl_user_drop(then);
    acl_user_drop(now);
    buf_free(&err);
    return state;
}

static void
hold_user(void *arg, const struct acl_user *u)
{
    struct acl_users *held = arg;

    ASSERT(acl_users_insert(held, acl_user_take((struct acl_user *)u)));
}

/* A default user that the other directives make is not written. */
static void
each_user(void *ctx, void (*add)(void *arg, struct str name, struct str words),
    void *arg)
{
    struct commands *c = ctx;
    struct acl_user *usual;
    struct acl_users held = {NULL, 0};

    if (*c->values->aclfile != '\0')
        return;
    usual = acl_default_from_options(c);
    acl_each(c->state->acl, hold_user, &held);
    for (size_t i = 0; i < held.n; i++) {
        struct buf words = {0};

        describe(held.at[i], &words);
        if (!is_same_user(held.at[i], usual))
            add(arg, acl_word_str(&held.at[i]->name),
                (struct str){words.p, words.len});
        buf_free(&words);
    }
    acl_users_free(&held);
    acl_user_drop(usual);
}

const struct option_line_kind commands_user_lines = {
    .word = "user",
    .form = "NAME RULE...",
    .text = "Declares a user by rules as ACL SETUSER takes them, instead of in "
            "an aclfile. A # here begins a password's hash, not a comment.",
    .check = check_line,
    .look = look_at_line,
    .each = each_user,
};
