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
