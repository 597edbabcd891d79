/* SPDX-License-Identifier: BSD-3-Clause */
/* server.c - TIME, WAIT, LOLWUT and SHUTDOWN. */
#include "commands/internal.h"

#include <time.h>

void
cmd_time(struct request *rq)
{
    struct timespec ts;

    ASSERT(clock_gettime(CLOCK_REALTIME, &ts) == 0);
    if (rq->thread->in_script) { /* time stands while it runs */
        ts.tv_sec = (time_t)(clock_wall_ms() / 1000);
        ts.tv_nsec = (long)(clock_wall_ms() % 1000 * 1000000);
    }
    reply_array(rq->reply, 2);
    reply_bulk_int(rq->reply, ts.tv_sec);
    reply_bulk_int(rq->reply, ts.tv_nsec / 1000);
}

/* There are no replicas, so that waiting for any would be in vain. */
void
cmd_wait(struct request *rq)
{
    int64_t replicas, timeout_ms;

    if (!arg_i64(rq, 1, &replicas))
        return;
    if (!str_to_i64(arg_str(rq, 2), &timeout_ms))
        reply_error(
            rq->reply, "ERR timeout is not an integer or out of range");
    else if (timeout_ms < 0)
        reply_error(rq->reply, "ERR timeout is negative");
    else
        reply_int(rq->reply, 0);
}

/* A wall of squared stones; clients look for the last line. */
static const char wall[] =
    " ____________________________\n"
    "|______|_________|_____|_____|\n"
    "|___|_______|_______|________|\n"
    "|_______|______|______|___|__|\n"
    "\n"
    "ashlar, laid without a gap. Redis ver. " REDIS_VERSION "\n";

void
cmd_lolwut(struct request *rq)
{
    int64_t version;

    if (rq->argc >= 3 && arg_is(rq, 1, "version") && !arg_i64(rq, 2, &version))
        return;
    reply_verbatim(rq->reply, "txt", str_of(wall));
}

/* What the words after SHUTDOWN ask for. */
struct shutdown_words {
    bool save, nosave, now, force, abort;
};

static bool
read_words(struct request *rq, struct shutdown_words *w)
{
    *w = (struct shutdown_words){0};
    for (int i = 1; i < rq->argc; i++) {
        if (arg_is(rq, i, "save"))
            w->save = true;
        else if (arg_is(rq, i, "nosave"))
            w->nosave = true;
        else if (arg_is(rq, i, "now"))
            w->now = true;
        else if (arg_is(rq, i, "force"))
            w->force = true;
        else if (arg_is(rq, i, "abort"))
            w->abort = true;
        else
            return false;
    }
    if (w->abort && rq->argc > 2)
        return false;
    return !(w->save && w->nosave);
}

/* NOW and FORCE change nothing: there are no replicas to wait for and no save
 * that can fail. Success has no reply: the connection closes. */
void
cmd_shutdown(struct request *rq)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct shutdown_words words;

    if (!read_words(rq, &words)) {
        reply_error_syntax(rq);
        return;
    }
    if (words.abort) {
        reply_error(rq->reply, "ERR No shutdown in progress.");
        return;
    }
    if (words.save) {
        reply_error(rq->reply,
            "ERR SHUTDOWN SAVE is not possible: this "
            "server writes no snapshots");
        return;
    }
    STORE(&rq->session->close_after_reply, true);
    host->shutdown(host->ctx);
}
