/* SPDX-License-Identifier: BSD-3-Clause */
/* player.h - one connection that plays its share of a trace, look-aside: GET,
 * and on a miss SET. Checks every byte of every hit.
 *
 * A key belongs to one player, so that the value it must find is known: that of
 * the last SET that was accepted. Values follow from the key's number and a
 * generation, which counts the key's SETs.
 */
#pragma once

#include "base/base.h"
#include "client-tests/trace.h"

struct play {
    const struct trace *trace; /* borrowed */
    uint32_t n_requests;       /* of the trace */
    unsigned n_players;
    unsigned batch;        /* commands sent before their replies are read */
    double value_scale;    /* times value_bytes */
    double ttl_divisor;    /* into the time to live */
    uint32_t *issued;      /* [player] of each key: SETs so far */
    uint32_t *stored;      /* [player] of each key: the last accepted */
    uint32_t *deadline_ms; /* [player] of each key: gone after, 0 never */
    _Atomic uint32_t *position; /* of each player: the request it is at */
    double start_s;
};

struct play_counts {
    uint64_t gets, hits, sets;
    uint64_t hit_bytes, get_bytes; /* of values; of values wanted */
    uint64_t errors;               /* error replies, broken connections */
    uint64_t wrong_bytes, wrong_values;
    uint64_t late; /* hits after the value's time */
};

/* Play the requests whose keys belong to `player`, over the connected socket
 * `fd`, which is closed. Messages about what is wrong go to stderr, the first
 * few of each player. */
void play_share(
    const struct play *p, unsigned player, int fd, struct play_counts *counts);
