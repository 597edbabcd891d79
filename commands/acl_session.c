/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_session.c - which user a session is, and whether it may run a command.
 *
 * By the worker of the session. It takes the table's lock to become a user, so
 * that a change is either found then or told afterwards (acl.c).
 */
#include "commands/acl.h"

/* ---- the user of a session ----------------------------------------------- */

static enum session_rights
rights_of(const struct session *s)
{
    return (enum session_rights)atomic_load_explicit(
        &s->rights, memory_order_relaxed);
}

static void
set_rights(struct session *s, enum session_rights rights)
{
    atomic_store_explicit(&s->rights, (uint8_t)rights, memory_order_relaxed);
}

/* Make the session this user's; takes a hold. [lock] */
static void
become(struct request *rq, struct acl_user *u)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct session *s = rq->session;
    struct acl_user *former;

    host->lock_clients(host->ctx);
    former = s->user;
    s->user = acl_user_take(u);
    host->unlock_clients(host->ctx);
    acl_user_drop(former);
    set_rights(s,
        u->unrestricted && (s->authenticated || acl_is_open(acl_of_request(rq)))
            ? RIGHTS_ALL
            : RIGHTS_CHECKED);
}

/* Look at the session's user again. False if it was deleted. */
static bool
refresh(struct request *rq)
{
    struct acl *a = acl_of_request(rq);
    struct session *s = rq->session;
    struct str name =
        s->user == NULL ? STR("default") : acl_word_str(&s->user->name);
    struct acl_user **at;
    bool found;

    pthread_mutex_lock(&a->lock);
    at = acl_users_find(&a->users, name);
    found = at != NULL && (*at)->id == acl_session_user_id(s);
    if (found)
        become(rq, *at);
    pthread_mutex_unlock(&a->lock);
    return found;
}

/* As a new connection. [lock] */
static void
become_default(struct request *rq)
{
    struct acl *a = acl_of_request(rq);

    rq->session->authenticated = acl_is_open(a);
    become(rq, *acl_default_user(a));
}

void
acl_session_reset(struct request *rq)
{
    struct acl *a = acl_of_request(rq);

    pthread_mutex_lock(&a->lock);
    become_default(rq);
    pthread_mutex_unlock(&a->lock);
}

void
acl_session_free(struct session *s)
{
    acl_user_drop(s->user);
    s->user = NULL;
}

/* ---- AUTH ---------------------------------------------------------------- */

/* The time depends neither on which password is right nor on how much of one
 * is. */
static bool
has_password(const struct acl_user *u, const struct acl_digest *given)
{
    bool found = false;

    for (size_t i = 0; i < u->n_passwords; i++) {
        unsigned different = 0;

        for (size_t j = 0; j < sizeof(given->bytes); j++)
            different |= u->passwords[i].bytes[j] ^ given->bytes[j];
        found |= different == 0;
    }
    return found;
}

static bool
may_log_in(const struct acl_user *u, const struct acl_digest *given)
{
    bool right = has_password(u, given) || u->flags & ACL_NOPASS;

    return right && u->flags & ACL_ON;
}

bool
acl_authenticate(struct request *rq, struct str name, struct str password)
{
    struct acl *a = acl_of_request(rq);
    struct acl_digest given;
    struct acl_user **at;
    bool good;

    sha256(password.p, password.len, given.bytes);
    pthread_mutex_lock(&a->lock);
    at = acl_users_find(&a->users, name);
    good = at != NULL && may_log_in(*at, &given);
    if (good) {
        rq->session->authenticated = true;
        become(rq, *at);
    }
    pthread_mutex_unlock(&a->lock);
    explicit_bzero(&given, sizeof(given));
    if (!good)
        acl_log_note(rq, ACL_DENIED_AUTH, 0, &name);
    return good;
}

/* ---- admission ----------------------------------------------------------- */

static void
reply_denial(struct request *rq, enum acl_denial denial)
{
    if (denial == ACL_DENIED_COMMAND)
        reply_error(rq->reply,
            "NOPERM this user has no permissions to run the '%s' command",
            rq->command->name);
    else
        reply_error(rq->reply,
            "NOPERM this user has no permissions to access one of the %s used "
            "as arguments",
            denial == ACL_DENIED_KEY ? "keys" : "channels");
}

/* The rights as they are now, or false and an error when the user is gone: then
 * the connection ends as well. */
static bool
know_rights(struct request *rq)
{
    if (likely(rights_of(rq->session) != RIGHTS_UNKNOWN) || refresh(rq))
        return true;
    STORE(&rq->session->close_after_reply, true);
    reply_error(rq->reply, "NOAUTH Authentication required.");
    return false;
}

static bool
lacks_authentication(const struct request *rq)
{
    return !rq->session->authenticated && !(rq->command->flags & CMD_NO_AUTH) &&
        !acl_is_open(acl_of_request(rq));
}

bool
acl_admit(struct request *rq)
{
    struct session *s = rq->session;
    enum acl_denial denial;
    int at;

    if (!know_rights(rq))
        return false;
    if (rights_of(s) == RIGHTS_ALL)
        return true;
    if (lacks_authentication(rq)) {
        reply_error(rq->reply, "NOAUTH Authentication required.");
        return false;
    }
    if (s->transaction != NULL && !transaction_admits(rq))
        return false;
    denial = acl_check(s->user, rq->command, rq->argv, rq->argc, &at);
    if (denial == ACL_ALLOWED)
        return true;
    acl_log_note(rq, denial, at, NULL);
    reply_denial(rq, denial);
    return false;
}

static const char *
queued_reason(enum acl_denial denial)
{
    if (denial == ACL_DENIED_COMMAND)
        return "no permission to execute the command or subcommand";
    if (denial == ACL_DENIED_KEY)
        return "no permission to touch the specified keys";
    return "no permission to access one of the channels used as arguments";
}

bool
acl_admit_queued(struct request *rq)
{
    enum acl_denial denial;
    int at;

    if (!know_rights(rq))
        return false;
    if (rights_of(rq->session) == RIGHTS_ALL)
        return true;
    denial = acl_check(rq->session->user, rq->command, rq->argv, rq->argc, &at);
    if (denial == ACL_ALLOWED)
        return true;
    acl_log_note(rq, denial, at, NULL);
    reply_error(rq->reply,
        "NOPERM ACLs rules changed between the moment the transaction was "
        "accumulated and the EXEC call. This command is no longer allowed for "
        "the following reason: %s",
        queued_reason(denial));
    return false;
}

/* The rights are those with which the script began. */
bool
acl_may_run(const struct request *rq)
{
    int at;

    return rights_of(rq->session) == RIGHTS_ALL || rq->session->user == NULL ||
        acl_check(rq->session->user, rq->command, rq->argv, rq->argc, &at) ==
        ACL_ALLOWED;
}

bool
acl_may_read_all(const struct request *rq)
{
    return rights_of(rq->session) == RIGHTS_ALL || rq->session->user == NULL ||
        acl_check_reads_all(rq->session->user, rq->command, rq->argv, rq->argc);
}

bool
acl_admit_script(struct request *rq)
{
    static const char *const reasons[] = {
        [ACL_DENIED_COMMAND] = "can't run this command or subcommand",
        [ACL_DENIED_KEY] = "can't access at least one of the keys mentioned in "
                           "the command arguments",
        [ACL_DENIED_CHANNEL] =
            "can't publish to the channel mentioned in the command",
    };
    enum acl_denial denial;
    int at;

    if (likely(acl_may_run(rq)))
        return true;
    denial = acl_check(rq->session->user, rq->command, rq->argv, rq->argc, &at);
    acl_log_note(rq, denial, at, NULL);
    reply_error(
        rq->reply, "ERR The user executing the script %s", reasons[denial]);
    return false;
}

/* ---- channels ------------------------------------------------------------ */

static bool
is_forbidden(void *arg, enum channel_kind kind, struct str name)
{
    return !acl_may_listen(arg, kind, name);
}

bool
acl_hears_forbidden(const struct session *s, const struct acl_user *u)
{
    return pubsub_any(s, is_forbidden, (void *)(uintptr_t)u);
}

void
acl_recheck_subscriptions(struct request *rq)
{
    if (likely(rights_of(rq->session) != RIGHTS_UNKNOWN))
        return;
    if (!refresh(rq) || acl_hears_forbidden(rq->session, rq->session->user))
        STORE(&rq->session->close_after_reply, true);
}
