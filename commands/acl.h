/* SPDX-License-Identifier: BSD-3-Clause */
/* acl.h - users and their rights, for acl*.c and their neighbours.
 *
 *   acl_user.c      the parts of a user
 *   acl_rules.c     a user, changed rule by rule
 *   acl_describe.c  a user as the rules that make it
 *   acl_check.c     may this user run this command?
 *   acl.c           all users, and what happens when they change
 *   acl_session.c   which user a session is; may the command run?
 *   acl_file.c      the aclfile
 *   acl_config.c    users in the configuration file
 *   acl_log.c       what was refused
 *   acl_cmd.c       the commands
 *
 * A user is immutable once it is published, and counted: a session holds the
 * one whose rights it has. A change publishes another user of the same name and
 * number, and tells the sessions of the former to look again: it sets their
 * `rights` to RIGHTS_UNKNOWN. So a command of a session whose user may do
 * anything (RIGHTS_ALL) costs the look at that one byte, and no other costs a
 * lock.
 */
#pragma once

#include "commands/internal.h"
#include "commands/pubsub.h"
#include "commands/sha256.h"

/* ---- one user (acl_user.c, acl_rules.c) ---------------------------------- */

/* Bits of commands: one for each row; and one for each category that is hollow
 * (category_is_hollow), so that rules about it are not forgotten. */
#define ACL_BITS 1024
#define ACL_CATEGORY_BIT(category) (ACL_BITS - CATEGORIES_N + (category))

/* A word with a number: what a key pattern allows, or the row whose first
 * argument it is. */
struct acl_word {
    unsigned tag;
    char *p; /* owned */
    size_t len;
};

struct acl_words {
    struct acl_word *at;
    size_t n;
};

#define ACL_MAY_READ 1u
#define ACL_MAY_WRITE 2u

/* What is allowed together. */
struct acl_selector {
    bool all_keys, all_channels;
    bool all_commands; /* since +@all no command was taken away */
    bool from_all;     /* the rules begin with +@all, not -@all */
    uint64_t commands[ACL_BITS / 64];
    struct acl_words keys, channels;
    struct acl_words first_args; /* of commands whose bit is not set */
};

enum acl_user_flags {
    ACL_ON = 1 << 0,
    ACL_NOPASS = 1 << 1,
    ACL_SKIP_SANITIZE =
        1 << 2, /* shown, without effect: RESTORE always looks */
    ACL_SANITIZE = 1 << 3,
};

struct acl_digest {
    uint8_t bytes[SHA256_BYTES];
};

struct acl_user {
    _Atomic uint32_t holds;
    uint64_t id; /* of all users of this name until it is deleted */
    struct acl_word name;
    unsigned flags;
    bool unrestricted; /* some selector allows everything */
    struct acl_digest *passwords;
    size_t n_passwords;
    struct acl_selector *selectors; /* the first is the user's own */
    size_t n_selectors;
};

#define ACL_DEFAULT_ID 0 /* of the user that is called "default" */

/* What rules need to know. */
struct acl_context {
    const struct command_index *index;
    bool all_channels; /* acl-pubsub-default, for new selectors */
};

enum acl_status {
    ACL_OK,
    ACL_SYNTAX,
    ACL_UNKNOWN,        /* command or category */
    ACL_KEYS_AFTER_ALL, /* a pattern after the one that allows all */
    ACL_CHANNELS_AFTER_ALL,
    ACL_NO_SUCH_PASSWORD,
    ACL_BAD_HASH,
    ACL_ARG_OF_SUBCOMMAND
};
const char *acl_status_text(enum acl_status status);

/* A user without rights, which nobody else sees; a copy of one. */
struct acl_user *acl_user_new(struct str name, const struct acl_context *x);
struct acl_user *acl_user_copy(const struct acl_user *u);

/* Give up one hold (a new user has one), take another. Any thread. */
void acl_user_drop(struct acl_user *u);
struct acl_user *acl_user_take(struct acl_user *u);

/* An ordered list of words with a tag each (patterns, passwords): forget all;
 * add a copy; find one of any tag, NULL for none. Of a user that nobody else
 * sees. */
void acl_words_clear(struct acl_words *w);
void acl_words_add(struct acl_words *w, unsigned tag, struct str s);
struct acl_word *acl_words_find(const struct acl_words *w, struct str s);

/* A further selector, without rights; what it holds is freed by the other. */
struct acl_selector *acl_user_add_selector(
    struct acl_user *u, const struct acl_context *x);
void acl_selector_clear(struct acl_selector *s);

/* Change a user that nobody else sees. After an error it is half changed. */
enum acl_status acl_user_apply(
    struct acl_user *u, const struct acl_context *x, struct str rule);

/* Put the words of "( ... )" together to one rule and call `fn` for each rule,
 * until it returns false. False, and the word that opens it, when a parenthesis
 * is not closed: then without a call. */
bool acl_each_rule(const struct str *words, size_t n, size_t *unmatched,
    bool (*fn)(void *arg, struct str rule), void *arg);

/* Can a user have the name? It is not empty, without blanks and NUL bytes. */
bool acl_name_valid(struct str name);

/* Change what a selector allows, as the rules do: a command with its
 * subcommands, a category. */
void acl_selector_all(struct acl_selector *s, bool allow);
void acl_selector_command(
    struct acl_selector *s, const struct command *row, bool allow);
void acl_selector_category(
    struct acl_selector *s, enum category category, bool allow);

static inline bool
acl_selector_has(const struct acl_selector *s, size_t bit)
{
    return s->commands[bit / 64] >> bit % 64 & 1;
}

static inline struct str
acl_word_str(const struct acl_word *w)
{
    return (struct str){w->p, w->len};
}

/* ---- as text (acl_describe.c) -------------------------------------------- */

/* Append what a selector allows, or a password, as rules that lead there again:
 * "+@all -get", "~a* %R~b", "&c", "#" and a hash. */
void acl_describe_commands(const struct acl_selector *s, struct buf *out);
void acl_describe_keys(const struct acl_selector *s, struct buf *out);
void acl_describe_channels(const struct acl_selector *s, struct buf *out);
void acl_describe_password(const struct acl_digest *d, struct buf *out);

/* "on", "nopass" ...; NULL after the last, `i` counts from 0. */
const char *acl_user_flag_name(const struct acl_user *u, unsigned i);

/* "user NAME ...", as the aclfile has it, without end of line. */
void acl_describe_user(const struct acl_user *u, struct buf *out);

/* ---- checks (acl_check.c) ------------------------------------------------ */

enum acl_denial {
    ACL_ALLOWED,
    ACL_DENIED_COMMAND,
    ACL_DENIED_KEY,
    ACL_DENIED_AUTH,
    ACL_DENIED_CHANNEL
};

/* May the user run this? If not, `at` is the key or channel among argv. */
enum acl_denial acl_check(const struct acl_user *u, const struct command *row,
    const struct resp_arg *argv, int argc, int *at);

/* May the user run this, by rights that are also those to read any key? */
bool acl_check_reads_all(const struct acl_user *u, const struct command *row,
    const struct resp_arg *argv, int argc);

/* May the user listen to this? */
bool acl_may_listen(
    const struct acl_user *u, enum channel_kind kind, struct str name);

/* ---- all users (acl.c) --------------------------------------------------- */

struct acl_users {
    struct acl_user **at; /* by name; each holds one */
    size_t n;
};
void acl_users_free(struct acl_users *users);

/* Put `u` into its place; false if there is one of this name. Takes the hold
 * if true. */
bool acl_users_insert(struct acl_users *users, struct acl_user *u);
struct acl_user **acl_users_find(
    const struct acl_users *users, struct str name);

struct acl {
    struct commands *commands;
    pthread_mutex_t lock;
    struct acl_users users; /* [lock] */
    uint64_t last_id;       /* [lock] */
    _Atomic bool open;      /* the default user needs no password */
};
struct acl *acl_new(struct commands *c);
void acl_free(struct acl *a);

/* The user of a name, held; NULL if there is none. Any thread. */
struct acl_user *acl_find(struct acl *a, struct str name);

/* Call `fn` for each user, by name. Under a lock: it only copies. */
void acl_each(
    struct acl *a, void (*fn)(void *arg, const struct acl_user *u), void *arg);

/* What rules need to know at this moment. */
struct acl_context acl_context_of(const struct commands *c);

/* [lock] */
struct acl_user **acl_default_user(struct acl *a);

/* Does the default user need no password? */
bool acl_is_open(const struct acl *a);

/* Change or make a user by rules, all or none; `err` gets the sentence. */
bool acl_set_user(struct request *rq, struct str name, const struct str *rules,
    size_t n, struct buf *err);

/* Delete users and close their connections; returns how many there were. */
int64_t acl_delete_users(struct request *rq, const struct str *names, size_t n);

/* Give the default user the password of requirepass, or none. */
void acl_requirepass_changed(struct commands *c);

/* ---- sessions (acl_session.c) -------------------------------------------- */

static inline struct acl *
acl_of_request(const struct request *rq)
{
    return rq->thread->commands->state->acl;
}

/* The number of its user. Owner thread, or under the client lock. */
static inline uint64_t
acl_session_user_id(const struct session *s)
{
    return s->user == NULL ? ACL_DEFAULT_ID : s->user->id;
}

/* Is it subscribed to what the user may not hear? The same. */
bool acl_hears_forbidden(const struct session *s, const struct acl_user *u);

/* For sessions without RIGHTS_ALL: may this command run? Replies with the error
 * if not. Owner thread. */
bool acl_admit(struct request *rq);

/* The same for a command that EXEC is about to run. */
bool acl_admit_queued(struct request *rq);

/* The same for a command that a script calls. */
bool acl_admit_script(struct request *rq);

/* May the session's user run this? Notes and replies nothing. */
bool acl_may_run(const struct request *rq);

/* And read any key, whatever the command names? The same. */
bool acl_may_read_all(const struct request *rq);

/* Make the session this user's if the password is right; notes a failure.
 * Does not reply. */
bool acl_authenticate(struct request *rq, struct str name, struct str password);

/* Back to the default user, as a new connection has it. */
void acl_session_reset(struct request *rq);
void acl_session_free(struct session *s);

/* After subscribing: a change of rights may have missed it. */
void acl_recheck_subscriptions(struct request *rq);

/* ---- the file (acl_file.c) ----------------------------------------------- */

/* Replace the users by those of the file, or none if it is bad. `rq` is NULL at
 * start. */
bool acl_load(struct commands *c, struct request *rq, struct buf *err);

/* A default user as it is when nothing but requirepass says what it may; held.
 */
struct acl_user *acl_default_from_options(struct commands *c);

/* Make the users those of `users`, which is emptied. Who is in both keeps the
 * sessions; without a default user there is that of the options. Any thread but
 * a worker. */
void acl_declare(struct commands *c, struct acl_users *users);

/* Take over users that were read (acl.c). */
void acl_replace_all(
    struct commands *c, struct request *rq, struct acl_users *users);

/* Write the users to the file, as a whole or not at all. */
bool acl_save(struct commands *c, struct buf *err);

/* ---- what was refused (acl_log.c) ---------------------------------------- */

/* Empty at first; its entries are charged to the slab. */
struct acl_log;
struct acl_log *acl_log_new(void);
void acl_log_free(struct acl_log *log, struct slab *slab);

/* Note a refusal; for keys and channels `at` says which argument it is, for
 * logins `name` the user. Counts it as well. */
void acl_log_note(
    struct request *rq, enum acl_denial denial, int at, const struct str *name);

/* Handlers of ACL LOG call these. */
void acl_log_reply(struct request *rq, int64_t count);
void acl_log_reset(struct commands *c);
