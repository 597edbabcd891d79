/* SPDX-License-Identifier: BSD-3-Clause */
/* rdb.h - what the readers of payloads of Redis share (rdb_payload.c,
 * rdb_hash.c). Any worker.
 */
#pragma once

#include "commands/internal.h"

/* What is left to read; a read beyond it fails. */
struct rdb_input {
    const uint8_t *p, *end;
};

/* A length in its plain forms; false if it is another or is cut off. */
bool rdb_take_length(struct rdb_input *in, uint64_t *len);

/* A string in any form: where it stands, then `room` is all zero, or made in
 * room, which is the caller's on RDB_OK. */
enum rdb_status rdb_take_string(struct request *rq, struct rdb_input *in,
    struct str *value, struct room *room);
