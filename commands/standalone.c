/* SPDX-License-Identifier: BSD-3-Clause */
/* standalone.c - replication, clusters and snapshots, of which there are none:
 * what a tool asks in passing gets the answer of a lone server, and what would
 * set one of them up says that it is not possible. Any worker.
 */
#include "commands/internal.h"

/* ---- replication --------------------------------------------------------- */

void
cmd_role(struct request *rq)
{
    reply_array(rq->reply, 3);
    reply_bulk_cstr(rq->reply, "master");
    reply_int(rq->reply, 0);
    reply_array(rq->reply, 0);
}

void
cmd_replicaof(struct request *rq)
{
    int64_t port;

    if (arg_is(rq, 1, "no") && arg_is(rq, 2, "one"))
        reply_ok(rq->reply);
    else if (!str_to_i64(arg_str(rq, 2), &port) || port < 0 || port > 65535)
        reply_error(rq->reply, "ERR Invalid master port");
    else
        reply_error(rq->reply,
            "ERR this server cannot follow another: it has no replication");
}

void
cmd_failover(struct request *rq)
{
    if (rq->argc == 2 && arg_is(rq, 1, "abort"))
        reply_error(rq->reply, "ERR No failover in progress.");
    else
        reply_error(rq->reply, "ERR FAILOVER requires connected replicas.");
}

/* ---- clusters ------------------------------------------------------------ */

void
cmd_no_cluster(struct request *rq)
{
    reply_error(rq->reply, "ERR This instance has cluster support disabled");
}

/* ---- modules ------------------------------------------------------------- */

/* Tools ask for them to know what types of values there are. */
void
cmd_module_list(struct request *rq)
{
    reply_array(rq->reply, 0);
}

/* ---- other servers ------------------------------------------------------- */

/* Replies with the error and returns false. */
static bool
read_migrate_options(struct request *rq)
{
    int64_t ignored;

    for (int i = 6; i < rq->argc; i++) {
        int left = rq->argc - i - 1;

        if (arg_is(rq, i, "copy") || arg_is(rq, i, "replace"))
            continue;
        if (arg_is(rq, i, "auth") && left >= 1) {
            i += 1;
        } else if (arg_is(rq, i, "auth2") && left >= 2) {
            i += 2;
        } else if (arg_is(rq, i, "keys") && rq->argv[3].len == 0) {
            break;
        } else if (arg_is(rq, i, "keys")) {
            reply_error(rq->reply,
                "ERR When using MIGRATE KEYS option, the key argument must be "
                "set to the empty string");
            return false;
        } else {
            reply_error_syntax(rq);
            return false;
        }
    }
    return arg_i64(rq, 5, &ignored) && arg_i64(rq, 4, &ignored);
}

/* Keys that are not there need no server: as in Redis, that is no error. */
void
cmd_migrate(struct request *rq)
{
    struct command_keys keys = command_keys_of(rq->command, rq->argv, rq->argc);
    struct ks_info info;
    bool any = false;

    if (!read_migrate_options(rq))
        return;
    for (int i = keys.first; i <= keys.last; i += keys.step) {
        struct ks_key key = arg_key(rq, i);

        any |= ks_stat(rq->thread->ks, &key, request_read_mode(rq), &info) ==
            KS_OK;
    }
    if (any)
        reply_error(rq->reply,
            "ERR this server connects to no other: DUMP the keys here and "
            "RESTORE them there");
    else
        reply_simple(rq->reply, "NOKEY");
}

/* ---- snapshots ----------------------------------------------------------- */

/* As in INFO: a server that never saved says when it started. */
void
cmd_lastsave(struct request *rq)
{
    reply_int(
        rq->reply, (int64_t)(rq->thread->commands->started_wall_ms / 1000));
}

void
cmd_save(struct request *rq)
{
    reply_error(rq->reply, "ERR this server writes no snapshots");
}
