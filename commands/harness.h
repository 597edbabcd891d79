/* SPDX-License-Identifier: BSD-3-Clause */
/* harness.h - commands without a daemon, for unit tests.
 *
 * One slab, keyspace, command thread and a few sessions in this process. A
 * command is given as words and answers with its reply bytes:
 *
 *     struct harness *h = harness_new();
 *     RUN(h, "+OK\r\n", "SET", "k", "v");
 *     ck_assert(strstr(SAY(h, "INFO"), "redis_version:"));
 *     harness_free(h);
 *
 * The clock is the real one unless the test calls clock_fake().
 */
#pragma once

#include "base/testing.h"
#include "commands/command.h"

#define HARNESS_SESSIONS 4

struct harness {
    struct slab *slab;
    struct ks *ks;
    struct ks_thread *ks_thread;
    struct slab_options slab_options;
    struct keyspace_options keyspace_options;
    struct command_options command_options;
    struct options *options;
    struct commands commands;
    struct command_thread *thread;

    struct session sessions[HARNESS_SESSIONS];
    int n_sessions;
    struct session *session; /* the one that speaks */

    struct reply reply;
    struct buf out;  /* of the command */
    struct buf flat; /* the same with referenced bytes put in, and a NUL */

    /* What the commands asked of the host. */
    uint64_t killed[HARNESS_SESSIONS];
    int n_killed; /* may be more */
    int n_shutdowns;
    int n_options_changed;
    struct pubsub_message **mail; /* posted, not delivered yet */
    size_t n_mail;
    struct buf inboxes[HARNESS_SESSIONS]; /* delivered, by session */
    int n_stats_resets;
    int n_pauses_ended;
    const char *refuse_option; /* option_changed refuses this C name */
    void (*held_up)(struct harness *h); /* what the host does then, or NULL */
};

/* 64 MiB of memory, 16 databases, one session; ends the test on failure. */
struct harness *harness_new(void);
struct harness *harness_new_limit(size_t limit_bytes);
void harness_free(struct harness *h);

/* Open a further session; the first has number 0. */
void harness_connect(struct harness *h);

/* End a session and begin another in its place, with another id. */
void harness_reconnect(struct harness *h, int session);

/* The session that speaks from now on. */
void harness_switch(struct harness *h, int session);

/* Deliver the messages that were published. Then what a session has got since
 * the last call, NUL-terminated, until it gets more. */
void harness_deliver(struct harness *h);
const char *harness_inbox(struct harness *h, int session);

/* The protocol of the session that speaks: 2 or 3. */
void harness_protocol(struct harness *h, int protocol);

/* Run one command; the reply stands in h->flat and is returned, NUL-terminated,
 * until the next command. */
const char *harness_run(struct harness *h, const struct str *words, int n);
const char *harness_say(struct harness *h, const char *const *words, int n);

/* The same, with the batch loop's two prefetch calls before. */
const char *harness_run_prefetched(
    struct harness *h, const struct str *words, int n);
const char *harness_say_prefetched(
    struct harness *h, const char *const *words, int n);

/* Run a command whose last argument stands complete in an extent, as the daemon
 * hands over large values. NULL: there was no memory to receive it. */
const char *harness_run_extent(
    struct harness *h, const struct str *words, int n, struct str last);
const char *harness_say_extent(
    struct harness *h, const char *const *words, int n, struct str last);

#define HARNESS_WORDS_(...)                                                    \
    (const char *const[]){__VA_ARGS__},                                        \
        (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* Run words and return the reply. */
#define SAY(h, ...) harness_say((h), HARNESS_WORDS_(__VA_ARGS__))

/* Run words and compare the reply. */
#define RUN(h, expected, ...)                                                  \
    ck_assert_str_eq(harness_say((h), HARNESS_WORDS_(__VA_ARGS__)), expected)

/* The main() of a test program: one suite with a fixture around each test. */
int harness_main(const char *suite, void (*start)(void), void (*stop)(void),
    const TTest *const *tests, size_t n);

#define HARNESS_MAIN(suite, start, stop, ...)                                  \
    int main(void)                                                             \
    {                                                                          \
        const TTest *const tests[] = {__VA_ARGS__};                            \
                                                                               \
        return harness_main(suite, start, stop, tests, ARRAY_LEN(tests));      \
    }
