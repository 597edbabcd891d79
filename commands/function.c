/* SPDX-License-Identifier: BSD-3-Clause */
/* function.c - FUNCTION and FCALL on a server without an engine for scripts:
 * the library is empty and stays so.
 *
 * Suites and tools flush, list and dump it in passing, which works; what would
 * put a function in says why it cannot. Any worker.
 */
#include "commands/internal.h"

static void
reply_error_form(struct request *rq)
{
    reply_error(rq->reply,
        "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try "
        "FUNCTION HELP.",
        ARG_SHOWN(rq, 1));
}

void
cmd_function_delete(struct request *rq)
{
    reply_error(rq->reply, "ERR Library not found");
}

/* The payload of no library: version and checksum only. */
void
cmd_function_dump(struct request *rq)
{
    char payload[10] = {10, 0};
    uint64_t crc = rdb_crc64((struct str){payload, 2});

    for (int i = 0; i < 8; i++)
        payload[2 + i] = (char)(uint8_t)(crc >> (8 * i));
    reply_bulk(rq->reply, (struct str){payload, sizeof(payload)});
}

void
cmd_function_flush(struct request *rq)
{
    if (rq->argc > 3)
        reply_error_form(rq);
    else if (rq->argc == 3 && !arg_is(rq, 2, "sync") && !arg_is(rq, 2, "async"))
        reply_error(
            rq->reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    else
        reply_ok(rq->reply);
}

void
cmd_function_kill(struct request *rq)
{
    reply_error(rq->reply, "NOTBUSY No scripts in execution right now.");
}

void
cmd_function_list(struct request *rq)
{
    bool named = false, coded = false;

    for (int i = 2; i < rq->argc; i++) {
        if (!coded && arg_is(rq, i, "withcode")) {
            coded = true;
        } else if (!named && arg_is(rq, i, "libraryname")) {
            named = true;
            if (++i == rq->argc) {
                reply_error(
                    rq->reply, "ERR library name argument was not given");
                return;
            }
        } else {
            reply_error(
                rq->reply, "ERR Unknown argument %.*s", ARG_SHOWN(rq, i));
            return;
        }
    }
    reply_array(rq->reply, 0);
}

/* The code begins with "#!engine name=library". */
void
cmd_function_load(struct request *rq)
{
    struct str code = arg_str(rq, rq->argc - 1);
    size_t len = 0;

    for (int i = 2; i < rq->argc - 1; i++) {
        if (arg_is(rq, i, "replace"))
            continue;
        reply_error(
            rq->reply, "ERR Unknown option given: %.*s", ARG_SHOWN(rq, i));
        return;
    }
    if (code.len < 2 || memcmp(code.p, "#!", 2) != 0) {
        reply_error(rq->reply, "ERR Missing library metadata");
        return;
    }
    while (
        2 + len < code.len && code.p[2 + len] != ' ' && code.p[2 + len] != '\n')
        len++;
    reply_error(rq->reply, "ERR Engine '%.*s' not found",
        (int)MIN(len, (size_t)128), code.p + 2);
}

void
cmd_function_restore(struct request *rq)
{
    struct str body;

    if (rq->argc > 4) {
        reply_error_form(rq);
        return;
    }
    if (rq->argc == 4 && !arg_is(rq, 3, "append") && !arg_is(rq, 3, "flush") &&
        !arg_is(rq, 3, "replace"))
        reply_error(rq->reply,
            "ERR Wrong restore policy given, value should be either FLUSH, "
            "APPEND or REPLACE.");
    else if (!rdb_payload_open(arg_str(rq, 2), &body))
        reply_error(
            rq->reply, "ERR DUMP payload version or checksum are wrong");
    else if (body.len > 0)
        reply_error(rq->reply,
            "ERR the payload holds functions, and this server has no engine "
            "for them");
    else
        reply_ok(rq->reply);
}

void
cmd_function_stats(struct request *rq)
{
    reply_map(rq->reply, 2);
    reply_bulk_cstr(rq->reply, "running_script");
    reply_null(rq->reply);
    reply_bulk_cstr(rq->reply, "engines");
    reply_map(rq->reply, 0);
}

void
cmd_fcall(struct request *rq)
{
    reply_error(rq->reply, "ERR Function not found");
}
