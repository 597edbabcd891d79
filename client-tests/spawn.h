/* SPDX-License-Identifier: BSD-3-Clause */
/* spawn.h - daemons under test: start one, ask about its process, stop it.
 *
 * The program is $ASHLARD, or ../ashlard beside the folder of the test program.
 * With ASHLAR_TEST_SERVER=redis-server the same tests run against that
 * program instead, which proves that they assert what Redis does; what only
 * an ashlard has is skipped then, and said so. With ASHLAR_TEST_SLOW=1
 * (sanitizers) every time limit is ten times as long and sizes of memory are
 * not judged. With ASHLAR_IO_ENGINE=epoll or uring every server has that
 * io-engine, unless its test names one.
 *
 * A test program's main() is run_tests(). Any failure to start or stop a
 * server fails the running test (or the program, from an unchecked fixture).
 */
#pragma once

#include <check.h>
#include <hiredis.h>
#include <sys/types.h>

#include "base/base.h"

struct server;

struct server_options {
    const char *file;        /* configuration file; or NULL */
    const char *const *args; /* further arguments, NULL-terminated; or NULL */
    unsigned max_fds;        /* RLIMIT_NOFILE of the server; 0: as it is */
    void (*in_child)(void);  /* called in its process before exec; or NULL */
};

/* Start a server on a free port of 127.0.0.1 and on a unix socket in a
 * directory of its own, and wait until it answers. Its output goes to a log,
 * printed when a test fails. The server dies with the calling process. */
struct server *server_start(const char *const *extra_args);
struct server *server_start_with(const struct server_options *o);

/* SIGTERM; the server must end with status 0 and without a sanitizer's report
 * in its log. Frees `s`. */
void server_stop(struct server *s);

/* As server_stop(), for a server that is ending already. */
void server_await_end(struct server *s);

pid_t server_pid(const struct server *s);
int server_port(const struct server *s);
const char *server_socket_path(const struct server *s);
const char *server_log(const struct server *s); /* path */

/* Wait until a text stands in the log; fails the test when it does not come. */
void server_await_log(const struct server *s, const char *text);

/* Resident memory now and at its highest. */
size_t server_rss_kb(const struct server *s);
size_t server_hwm_kb(const struct server *s);

/* A number of /proc/PID/status in kB, such as "VmRSS"; 0 if there is none. */
size_t process_status_kb(pid_t pid, const char *name);

/* True if the program under test is some redis-server. */
bool testing_redis(void);

/* True if sizes of memory may be judged; says why not on stderr. */
bool memory_is_judged(void);

/* Say on stderr that a part of the running test is left out, and why. */
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* `seconds`, or ten times that with ASHLAR_TEST_SLOW. */
double patient(double seconds);

/* Formatted text as a new string. */
char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

double now_s(void);
void sleep_ms(unsigned ms);

/* A hiredis connection; ended by redisFree(). */
redisContext *server_connect(const struct server *s);
redisContext *server_connect_unix(const struct server *s);

/* A connected socket, with time limits on receive and send. */
int server_connect_raw(const struct server *s);
int server_connect_raw_unix(const struct server *s);
int connect_tcp(const char *address, int port); /* -1 and errno */

/* A port of 127.0.0.1 that nobody listens on. */
int free_port(void);

/* The directory that holds this test program; free() it. */
char *own_directory(void);

/* The directory of this test program's files; removed at its end. */
const char *tests_dir(void);

/* A program run to its end (or killed after `seconds`). */
struct program_end {
    int status;   /* exit status, or 128 + signal */
    char *output; /* stdout and stderr; free() */
};
struct program_end run_program(const char *const *argv, double seconds);

/* Path of the program under test. */
const char *server_program(void);

/* Run the suite and return main()'s status. Prints the logs of servers whose
 * tests failed. */
int run_tests(Suite *suite);
