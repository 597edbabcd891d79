/* SPDX-License-Identifier: BSD-3-Clause */
/* args.c - reading arguments, and the errors that many commands share. */
#include "commands/internal.h"

#include <ctype.h>

/* ---- arguments ----------------------------------------------------------- */

bool
arg_is(const struct request *rq, int i, const char *word)
{
    return str_ieq(arg_str(rq, i), str_of(word));
}

bool
arg_i64(struct request *rq, int i, int64_t *out)
{
    if (str_to_i64(arg_str(rq, i), out))
        return true;
    reply_error_not_integer(rq);
    return false;
}

/* Which of the keys from the prefetch is argv[i]; n_keys or more if none is. */
static inline unsigned
key_at(const struct request *rq, int i)
{
    int first = rq->command->first_key;
    int step = rq->command->key_step;

    if (i < first)
        return rq->n_keys;
    if (step == 1 || i == first)
        return (unsigned)(i - first);
    return (i - first) % step == 0 ? (unsigned)((i - first) / step)
                                   : rq->n_keys;
}

struct ks_key
arg_key(const struct request *rq, int i)
{
    unsigned db = atomic_load_explicit(&rq->session->db, memory_order_relaxed);

    if (rq->n_keys > 0 && rq->keys->db == db) {
        unsigned at = key_at(rq, i);

        if (at < rq->n_keys)
            return rq->keys[at];
    }
    return ks_key(rq->thread->commands->ks, db, arg_str(rq, i));
}

/* ---- errors -------------------------------------------------------------- */

void
reply_error_arity(struct request *rq)
{
    reply_error(rq->reply, "ERR wrong number of arguments for '%s' command",
        rq->command->name);
}

void
reply_error_syntax(struct request *rq)
{
    reply_error(rq->reply, "ERR syntax error");
}

void
reply_error_not_integer(struct request *rq)
{
    reply_error(rq->reply, "ERR value is not an integer or out of range");
}

static bool
key_too_long(const struct request *rq)
{
    struct command_keys keys = command_keys_of(rq->command, rq->argv, rq->argc);

    for (int i = keys.first; i <= keys.last; i += keys.step) {
        if (rq->argv[i].len > KS_MAX_KEY)
            return true;
    }
    return false;
}

void
reply_error_status(struct request *rq, enum ks_status status)
{
    ASSERT(status == KS_NO_MEMORY || status == KS_TOO_LARGE ||
        status == KS_WRONG_TYPE);
    if (status == KS_WRONG_TYPE)
        reply_error(rq->reply,
            "WRONGTYPE Operation against a key holding the wrong kind of "
            "value");
    else if (status == KS_NO_MEMORY)
        reply_error(rq->reply,
            "OOM command not allowed when used memory > 'maxmemory'.");
    else if (key_too_long(rq))
        reply_error(rq->reply, "ERR key is longer than %zu bytes", KS_MAX_KEY);
    else
        reply_error(rq->reply,
            "ERR string exceeds maximum allowed size "
            "(proto-max-bulk-len)");
}

void
reply_missing(struct request *rq, enum ks_status status)
{
    if (status == KS_MISS)
        reply_null(rq->reply);
    else
        reply_error_status(rq, status);
}

static void
say_subcommand(struct request *rq, const char *also)
{
    char name[32];
    size_t len = MIN(rq->argv[0].len, sizeof(name));

    for (size_t i = 0; i < len; i++)
        name[i] = (char)toupper((unsigned char)rq->argv[0].p[i]);
    reply_error(rq->reply, "ERR unknown subcommand%s '%.*s'. Try %.*s HELP.",
        also, ARG_SHOWN(rq, 1), (int)len, name);
}

void
reply_error_subcommand(struct request *rq)
{
    say_subcommand(rq, "");
}

void
reply_error_subcommand_syntax(struct request *rq)
{
    say_subcommand(rq, " or wrong number of arguments for");
}
