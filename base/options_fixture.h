/* SPDX-License-Identifier: BSD-3-Clause */
/* options_fixture.h - the set of directives that the option tests try things
 * on: two modules, every type, every flag.
 */
#pragma once

#include "base/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* clang-format off */
#define NET_OPTIONS(X)                                                      \
    X(port, OPT_INT, "6379", 0, 65535, OPT_START, "",                       \
        "TCP port; 0 listens on none.")                                     \
    X(bind, OPT_STRING, "127.0.0.1 -::1", 0, 0, OPT_START, "",              \
        "Addresses to listen on.")                                          \
    X(timeout, OPT_INT, "0", 0, INT64_MAX, OPT_LIVE, "seconds",             \
        "Close idle clients after this time.")                              \
    X(unixsocketperm, OPT_OCTAL, "700", 0, 0777, OPT_START, "",             \
        "Mode of the socket.")                                              \
    X(offset, OPT_INT, "-5", INT64_MIN, 100, OPT_LIVE, "",                  \
        "A number that may be negative.")

#define MEM_OPTIONS(X)                                                      \
    X(maxmemory, OPT_MEMORY, "auto", 0, INT64_MAX, OPT_LIVE, "bytes",       \
        "Limit of memory.")                                                 \
    X(threshold, OPT_SIZE, "16kb", 1024, 16384, OPT_LIVE, "bytes",          \
        "Longer values live elsewhere.")                                    \
    X(maxmemory_policy, OPT_ENUM, "lru", 0, 0, OPT_LIVE, "lru|lfu|none",    \
        "What goes.")                                                       \
    X(tidy, OPT_BOOL, "yes", 0, 0, OPT_LIVE, "", "Tidy up.")                \
    X(requirepass, OPT_STRING, "", 0, 0, OPT_LIVE | OPT_SECRET, "",         \
        "Password.")                                                        \
    X(a_name_that_leaves_no_room_beside_it, OPT_BOOL, "no", 0, 0, OPT_LIVE, \
        "", "Named at length.")                                             \
    X(pin, OPT_INT, "0", 0, 9999, OPT_LIVE | OPT_SECRET, "", "Number.")     \
    X(buffers, OPT_STRING, "normal 0 0 0", 0, 0, OPT_LIVE | OPT_REPEAT, "", \
        "Limits per class, in words that take more than one line of the "   \
        "sample configuration.")                                            \
    X(save, OPT_STRING, "", 0, 0, OPT_LIVE | OPT_NOOP | OPT_REPEAT, "",     \
        "Snapshots.")                                                       \
    X(follow, OPT_STRING, "", 0, 0, OPT_LIVE | OPT_NOOP | OPT_FIXED, "",    \
        "Nobody is followed.")                                              \
    X(tune_one, OPT_INT, "1", 0, 9, OPT_LIVE | OPT_NOOP, "", "")            \
    X(tune_two, OPT_BOOL, "yes", 0, 0, OPT_LIVE | OPT_NOOP, "", "")         \
    X(tune_dark, OPT_BOOL, "no", 0, 0, OPT_LIVE | OPT_NOOP | OPT_HIDDEN, "",\
        "")                                                                 \
    OPTION_ALIAS(X, tune_once, tune_one)                                    \
    OPTION_ALIAS(X, listen_port, port)                                      \
    X(odd, OPT_STRING, "a  \"b'\\ #\x01", 0, 0, OPT_LIVE, "",               \
        "A default that needs quotes.")
/* clang-format on */

struct net_options {
    NET_OPTIONS(OPTION_MEMBER)
};
struct mem_options {
    MEM_OPTIONS(OPTION_MEMBER)
};
OPTION_TABLE(net_rows, NET_OPTIONS, struct net_options);
OPTION_TABLE(mem_rows, MEM_OPTIONS, struct mem_options);

static struct net_options net;
static struct mem_options mem;
static struct options *o;
static struct buf err;
static char path[] = "/tmp/ashlar-options-XXXXXX";

/* Refuses addresses that start with "bad", and port 13. */
static const char *
check_net(const struct option *row, const char *value)
{
    if (strcmp(row->name, "bind") == 0 && strncmp(value, "bad", 3) == 0)
        return "not an address";
    if (strcmp(row->name, "port") == 0 && strcmp(value, "13") == 0)
        return "brings bad luck";
    return NULL;
}

static inline struct options *
make(void)
{
    struct option_module modules[] = {
        {.title = "Network",
            .rows = net_rows,
            .n_rows = ARRAY_LEN(net_rows),
            .values = &net,
            .check = check_net},
        {.title = "Memory",
            .rows = mem_rows,
            .n_rows = ARRAY_LEN(mem_rows),
            .values = &mem},
    };

    return options_new(modules, ARRAY_LEN(modules));
}

static inline void
setup(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    o = make();
}

static inline void
teardown(void)
{
    options_free(o);
    buf_free(&err);
    unlink(path);
}

static inline void
write_file(const void *text, size_t len)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

static inline const char *
error_text(void)
{
    buf_append(&err, "", 1);
    return err.p;
}

/* Read a file with this text. */
static inline bool
read_text(const char *text)
{
    write_file(text, strlen(text));
    err.len = 0;
    return options_read_file(o, path, &err);
}

static inline bool
set(const char *name, const char *value)
{
    err.len = 0;
    return options_set(o, name, value, true, &err);
}

/* The text of a directive, as CONFIG GET prints it. */
static inline const char *
shown(const char *name)
{
    static struct buf out;

    out.len = 0;
    options_print(o, options_find(o, str_of(name)), &out);
    buf_append(&out, "", 1);
    return out.p;
}

/* Expect "FILE:LINE: reason". */
static inline void
expect_file_error(const char *text, int line, const char *reason)
{
    char want[256];

    ck_assert(!read_text(text));
    snprintf(want, sizeof(want), "%s:%d: %s", path, line, reason);
    ck_assert_str_eq(error_text(), want);
}

static inline void
expect_defaults(void)
{
    ck_assert_int_eq(net.port, 6379);
    ck_assert_str_eq(net.bind, "127.0.0.1 -::1");
    ck_assert_int_eq(net.unixsocketperm, 0700);
    ck_assert_int_eq(net.offset, -5);
    ck_assert_int_eq(mem.maxmemory, OPTION_AUTO);
    ck_assert_int_eq(mem.threshold, 16384);
    ck_assert_int_eq(mem.maxmemory_policy, 0);
    ck_assert_int_eq(mem.tidy, 1);
    ck_assert_str_eq(mem.requirepass, "");
    ck_assert_str_eq(mem.odd, "a  \"b'\\ #\x01");
}
