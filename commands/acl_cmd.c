/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_cmd.c - the subcommands of ACL. Any worker. */
#include "commands/acl.h"

#include <sys/random.h>

/* As Redis says it where the arity of a subcommand is open. */
static void
reply_error_usage(struct request *rq)
{
    reply_error(rq->reply,
        "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try "
        "ACL HELP.",
        ARG_SHOWN(rq, 1));
}

static void
reply_buf(struct reply *r, struct buf *text)
{
    reply_bulk(r, (struct str){text->len > 0 ? text->p : "", text->len});
    text->len = 0;
}

/* ---- CAT ----------------------------------------------------------------- */

static void
list_categories(struct request *rq)
{
    reply_array(rq->reply, CATEGORIES_N);
    for (int i = 0; i < CATEGORIES_N; i++)
        reply_bulk_cstr(rq->reply, category_names[i]);
}

void
cmd_acl_cat(struct request *rq)
{
    enum category category;
    size_t at, n = 0;

    if (rq->argc == 2) {
        list_categories(rq);
        return;
    }
    if (rq->argc > 3) {
        reply_error_usage(rq);
        return;
    }
    category = category_find(arg_str(rq, 2));
    if (category == CATEGORIES_N) {
        reply_error(rq->reply, "ERR Unknown category '%.*s'", ARG_SHOWN(rq, 2));
        return;
    }
    at = reply_array_open(rq->reply);
    for (size_t i = 0; i < command_table_rows; i++) {
        if (!command_in_category(&command_table[i], category))
            continue;
        reply_bulk_cstr(rq->reply, command_table[i].name);
        n++;
    }
    reply_array_close(rq->reply, at, n);
}

/* ---- users --------------------------------------------------------------- */

void
cmd_acl_whoami(struct request *rq)
{
    reply_bulk(rq->reply, acl_word_str(&rq->session->user->name));
}

struct listing {
    struct reply *reply;
    bool names_only;
    struct buf line;
    size_t n;
};

static void
list_user(void *arg, const struct acl_user *u)
{
    struct listing *l = arg;

    if (l->names_only) {
        reply_bulk(l->reply, acl_word_str(&u->name));
    } else {
        acl_describe_user(u, &l->line);
        reply_buf(l->reply, &l->line);
    }
    l->n++;
}

static void
list_users(struct request *rq, bool names_only)
{
    struct listing l = {.reply = rq->reply, .names_only = names_only};
    size_t at = reply_array_open(rq->reply);

    acl_each(acl_of_request(rq), list_user, &l);
    reply_array_close(rq->reply, at, l.n);
    buf_free(&l.line);
}

void
cmd_acl_list(struct request *rq)
{
    list_users(rq, false);
}

void
cmd_acl_users(struct request *rq)
{
    list_users(rq, true);
}

/* ---- GETUSER ------------------------------------------------------------- */

#define SELECTOR_FIELDS 3

static void
reply_selector(
    struct reply *r, const struct acl_selector *s, struct buf *scratch)
{
    reply_bulk_cstr(r, "commands");
    acl_describe_commands(s, scratch);
    reply_buf(r, scratch);
    reply_bulk_cstr(r, "keys");
    acl_describe_keys(s, scratch);
    reply_buf(r, scratch);
    reply_bulk_cstr(r, "channels");
    acl_describe_channels(s, scratch);
    reply_buf(r, scratch);
}

static void
reply_flags(struct reply *r, const struct acl_user *u)
{
    unsigned n = 0;

    while (acl_user_flag_name(u, n) != NULL)
        n++;
    reply_bulk_cstr(r, "flags");
    reply_set(r, n);
    for (unsigned i = 0; i < n; i++)
        reply_bulk_cstr(r, acl_user_flag_name(u, i));
}

static void
reply_user(struct reply *r, const struct acl_user *u)
{
    struct buf scratch = {0};

    reply_map(r, 3 + SELECTOR_FIELDS);
    reply_flags(r, u);
    reply_bulk_cstr(r, "passwords");
    reply_array(r, u->n_passwords);
    for (size_t i = 0; i < u->n_passwords; i++) {
        acl_describe_password(&u->passwords[i], &scratch);
        reply_buf(r, &scratch);
    }
    reply_selector(r, &u->selectors[0], &scratch);
    reply_bulk_cstr(r, "selectors");
    reply_array(r, u->n_selectors - 1);
    for (size_t i = 1; i < u->n_selectors; i++) {
        reply_map(r, SELECTOR_FIELDS);
        reply_selector(r, &u->selectors[i], &scratch);
    }
    buf_free(&scratch);
}

void
cmd_acl_getuser(struct request *rq)
{
    struct acl_user *u = acl_find(acl_of_request(rq), arg_str(rq, 2));

    if (u == NULL)
        reply_null(rq->reply);
    else
        reply_user(rq->reply, u);
    acl_user_drop(u);
}

/* ---- SETUSER and DELUSER ------------------------------------------------- */

/* Arguments from `first` on, in the arena of the request. */
static struct str *
words_from(struct request *rq, int first)
{
    struct str *words = arena_alloc(
        rq->thread->arena, (size_t)(rq->argc - first + 1) * sizeof(*words));

    for (int i = first; i < rq->argc; i++)
        words[i - first] = arg_str(rq, i);
    return words;
}

void
cmd_acl_setuser(struct request *rq)
{
    struct buf err = {0};

    if (!acl_name_valid(arg_str(rq, 2))) {
        reply_error(
            rq->reply, "ERR Usernames can't contain spaces or null characters");
        return;
    }
    if (acl_set_user(
            rq, arg_str(rq, 2), words_from(rq, 3), (size_t)rq->argc - 3, &err))
        reply_ok(rq->reply);
    else
        reply_error(rq->reply, "ERR %.*s", (int)err.len, err.p);
    buf_free(&err);
}

void
cmd_acl_deluser(struct request *rq)
{
    for (int i = 2; i < rq->argc; i++) {
        if (str_eq(arg_str(rq, i), STR("default"))) {
            reply_error(rq->reply, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    reply_int(rq->reply,
        acl_delete_users(rq, words_from(rq, 2), (size_t)rq->argc - 2));
}

/* ---- LOAD and SAVE ------------------------------------------------------- */

static bool
has_file(struct request *rq)
{
    if (*rq->thread->commands->values->aclfile != '\0')
        return true;
    reply_error(rq->reply,
        "ERR This Redis instance is not configured to use an ACL file. You may "
        "want to specify users via the ACL SETUSER command and then issue a "
        "CONFIG REWRITE (assuming you have a Redis configuration file set) in "
        "order to store users in the Redis configuration.");
    return false;
}

void
cmd_acl_load(struct request *rq)
{
    struct buf err = {0};

    if (!has_file(rq))
        return;
    if (acl_load(rq->thread->commands, rq, &err))
        reply_ok(rq->reply);
    else
        reply_error(rq->reply, "ERR %.*s", (int)err.len, err.p);
    buf_free(&err);
}

void
cmd_acl_save(struct request *rq)
{
    struct buf err = {0};

    if (!has_file(rq))
        return;
    if (acl_save(rq->thread->commands, &err)) {
        reply_ok(rq->reply);
    } else {
        log_warn("aclfile not written: %.*s", (int)err.len, err.p);
        reply_error(rq->reply,
            "ERR There was an error trying to save the ACLs. Please check the "
            "server logs for more information");
    }
    buf_free(&err);
}

/* ---- GENPASS ------------------------------------------------------------- */

#define GENPASS_MAX_BITS 4096

void
cmd_acl_genpass(struct request *rq)
{
    static const char digits[] = "0123456789abcdef";
    char password[GENPASS_MAX_BITS / 4];
    int64_t bits = 256;
    size_t len;

    if (rq->argc > 3) {
        reply_error_usage(rq);
        return;
    }
    if (rq->argc == 3 && !arg_i64(rq, 2, &bits))
        return;
    if (bits <= 0 || bits > GENPASS_MAX_BITS) {
        reply_error(rq->reply,
            "ERR ACL GENPASS argument must be the number of bits for the "
            "output password, a positive number up to %d",
            GENPASS_MAX_BITS);
        return;
    }
    len = (size_t)(bits + 3) / 4;
    for (size_t got = 0; got < len;) {
        ssize_t n = getrandom(password + got, len - got, 0);

        got += n > 0 ? (size_t)n : 0;
    }
    for (size_t i = 0; i < len; i++)
        password[i] = digits[(unsigned char)password[i] & 15];
    reply_bulk(rq->reply, (struct str){password, len});
    explicit_bzero(password, sizeof(password));
}

/* ---- LOG ----------------------------------------------------------------- */

void
cmd_acl_log(struct request *rq)
{
    int64_t n = 10;

    if (rq->argc > 3) {
        reply_error_usage(rq);
        return;
    }
    if (rq->argc == 3 && arg_is(rq, 2, "reset")) {
        acl_log_reset(rq->thread->commands);
        reply_ok(rq->reply);
        return;
    }
    if (rq->argc == 3 && !arg_i64(rq, 2, &n))
        return;
    acl_log_reply(rq, n);
}

/* ---- DRYRUN -------------------------------------------------------------- */

static void
reply_verdict(
    struct request *rq, const struct acl_user *u, const struct command *row)
{
    int at;
    enum acl_denial denial = acl_check(u, row, rq->argv + 3, rq->argc - 3, &at);

    if (denial == ACL_ALLOWED)
        reply_ok(rq->reply);
    else if (denial == ACL_DENIED_COMMAND)
        reply_bulk_printf(rq->reply,
            "This user has no permissions to run the '%s' command", row->name);
    else
        reply_bulk_printf(rq->reply,
            "This user has no permissions to access the '%.*s' %s",
            STR_ARG(arg_str(rq, at + 3)),
            denial == ACL_DENIED_KEY ? "key" : "channel");
}

void
cmd_acl_dryrun(struct request *rq)
{
    const struct command *row;
    struct acl_user *u = acl_find(acl_of_request(rq), arg_str(rq, 2));

    if (u == NULL) {
        reply_error(rq->reply, "ERR User '%.*s' not found", ARG_SHOWN(rq, 2));
        return;
    }
    row = command_resolve(
        rq->thread->commands->state->index, rq->argv + 3, rq->argc - 3);
    if (row == NULL)
        reply_error(
            rq->reply, "ERR Command '%.*s' not found", ARG_SHOWN(rq, 3));
    else if (!command_arity_fits(row, rq->argc - 3))
        reply_error(rq->reply, "ERR wrong number of arguments for '%s' command",
            row->name);
    else
        reply_verdict(rq, u, row);
    acl_user_drop(u);
}
