/* SPDX-License-Identifier: BSD-3-Clause */
/* exhaustion_test.c - what the system refuses or changes under a daemon that
 * runs: descriptors, addresses, room on a disk, the time. Clients that are
 * there are served, the log says what is wrong and does not fill up with it,
 * and all is well again afterwards.
 */
#include "client-tests/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-tests/client.h"

/* Set the soft limit of a running server; returns the former one. */
static rlim_t
limit_now(const struct server *s, int resource, rlim_t soft)
{
    struct rlimit former, limit;

    ck_assert_int_eq(prlimit(server_pid(s), resource, NULL, &former), 0);
    limit = (struct rlimit){soft, former.rlim_max};
    ck_assert_int_eq(prlimit(server_pid(s), resource, &limit, NULL), 0);
    return former.rlim_cur;
}

/* How many lines of the log have `text`, and how many it has at all. */
static int
count_in_log(const struct server *s, const char *text)
{
    const char *const argv[] = {"grep", "-c", "-e", text, server_log(s), NULL};
    struct program_end end = run_program(argv, 20);
    int n = atoi(end.output);

    free(end.output);
    return n;
}

static void
await_lines_in_log(const struct server *s, const char *text, int n)
{
    double limit = now_s() + patient(10);

    while (count_in_log(s, text) < n) {
        ck_assert_msg(now_s() < limit, "not %d \"%s\" in the log", n, text);
        sleep_ms(10);
    }
}

/* ---- descriptors -------------------------------------------------------- */

/* The lowest limit under which a server opens nothing more. */
static rlim_t
descriptors_in_use(const struct server *s)
{
    char path[64];
    rlim_t n = 0;

    do
        snprintf(
            path, sizeof(path), "/proc/%d/fd/%d", (int)server_pid(s), (int)n++);
    while (access(path, F_OK) == 0);
    return n - 1;
}

static long
cpu_ticks(const struct server *s)
{
    char path[64], text[1024];
    long user = 0, system = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)server_pid(s));
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    ck_assert_int_eq(sscanf(strrchr(text, ')'),
                         ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
                         "%ld %ld",
                         &user, &system),
        2);
    return user + system;
}

/* How many of these have been told why they are not served. */
static int
count_told(struct wire *const *w, int n)
{
    int told = 0;

    for (int i = 0; i < n; i++) {
        if (!wire_readable(w[i], 0))
            continue;
        wire_expect_bytes(w[i], "-ERR max number of clients reached\r\n");
        told++;
    }
    return told;
}

static void
visit_metrics(int port, int *fd)
{
    static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";

    *fd = connect_tcp("127.0.0.1", port);
    ck_assert_int_ge(*fd, 0);
    ck_assert_int_eq(send(*fd, request, sizeof(request) - 1, MSG_NOSIGNAL),
        sizeof(request) - 1);
}

/* Those who could not be accepted wait; the listeners try a few times a second,
 * and write a line a second each. */
START_TEST(no_descriptor_is_left)
{
    enum {
        WAITING = 20
    };
    int metrics_port = free_port(), visitor;
    char *port = text_of("%d", metrics_port), answer[512];
    const char *const args[] = {"--metrics-port", port, NULL};
    struct server *s = server_start(args);
    struct wire *first = wire_connect(s), *w[WAITING];
    double start = now_s();
    rlim_t former;
    long ticks;
    int n_lines;
    ssize_t n;

    wire_run(first, "SET k v", "+OK");
    former = limit_now(s, RLIMIT_NOFILE, descriptors_in_use(s));
    for (int i = 0; i < WAITING; i++)
        w[i] = wire_connect(s);
    visit_metrics(metrics_port, &visitor);
    ticks = cpu_ticks(s);
    for (int i = 0; i < 13; i++) {
        wire_run(first, "GET k", "\"v\"");
        sleep_ms(100);
    }
    if (memory_is_judged()) /* not a sanitizer's time either */
        ck_assert_int_lt(cpu_ticks(s) - ticks, 50);
    for (double end = now_s() + patient(10); count_told(w, WAITING) == 0;) {
        ck_assert_msg(now_s() < end, "nobody is told");
        sleep_ms(10);
    }
    await_lines_in_log(s, "accept failed clients=", 2);
    await_lines_in_log(s, "accept failed on the metrics", 1);
    n_lines = count_in_log(s, "accept");
    ck_assert_int_lt(n_lines, 8 + 2 * (int)(now_s() - start));
    limit_now(s, RLIMIT_NOFILE, former);
    for (int i = 0; i < WAITING; i++)
        wire_close(w[i]);
    w[0] = wire_connect(s);
    wire_run(w[0], "GET k", "\"v\"");
    wire_close(w[0]);
    n = recv(visitor, answer, sizeof(answer) - 1, 0);
    ck_assert_int_gt(n, 0);
    answer[n] = '\0';
    ck_assert_ptr_nonnull(strstr(answer, "200 OK"));
    close(visitor);
    wire_close(first);
    free(port);
    server_stop(s);
}
END_TEST

/* ---- memory of the system ----------------------------------------------- */

/* Hundreds begin a command when no more memory can be mapped: they are closed
 * or served, and nobody else is confused by what they have begun. */
START_TEST(no_memory_can_be_mapped)
{
    enum {
        CLIENTS = 400
    };
    struct server *s = server_start(NULL);
    struct wire *first = wire_connect(s), *w[CLIENTS];
    double start = now_s();
    rlim_t former;
    int n_lines;

    if (!memory_is_judged()) {
        wire_close(first);
        server_stop(s);
        return;
    }
    wire_run(first, "SET k v", "+OK");
    for (int i = 0; i < CLIENTS; i++) {
        w[i] = wire_connect(s);
        wire_run(w[i], "PING", "+PONG");
    }
    former = limit_now(
        s, RLIMIT_AS, (rlim_t)process_status_kb(server_pid(s), "VmSize") * KIB);
    for (int i = 0; i < CLIENTS; i++) {
        send(w[i]->fd, "*2\r\n$3\r\nGET\r\n$100\r\nha", 22, MSG_NOSIGNAL);
        if (i % 50 == 0)
            wire_run(first, "GET k", "\"v\"");
    }
    wire_run(first, "GET k", "\"v\"");
    n_lines = count_in_log(s, "no memory");
    ck_assert_int_ge(n_lines, 1);
    /* not one for each client, but for each second */
    ck_assert_int_lt(n_lines, 5 + (int)(now_s() - start));
    limit_now(s, RLIMIT_AS, former);
    for (int i = 0; i < CLIENTS; i++)
        wire_close(w[i]);
    w[0] = wire_connect(s);
    wire_run(w[0], "GET k", "\"v\"");
    wire_close(w[0]);
    wire_close(first);
    server_stop(s);
}
END_TEST

/* ---- disks -------------------------------------------------------------- */

START_TEST(the_log_cannot_be_written)
{
    static const char *const args[] = {
        "--logfile", "/dev/full", "--loglevel", "debug", NULL};
    struct server *s = server_start(args);
    struct wire *w = wire_connect(s);

    wire_run(w, "SET k v", "+OK");
    wire_run(w, "CONFIG SET log-format logfmt", "+OK");
    wire_run(w, "GET k", "\"v\"");
    wire_close(w);
    server_stop(s);
}
END_TEST

static void
write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void
expect_text(const char *path, const char *text)
{
    char content[4096];
    FILE *f = fopen(path, "re");

    ck_assert_ptr_nonnull(f);
    content[fread(content, 1, sizeof(content) - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(content, text);
}

/* Write until there is no more room. */
static void
fill_up(const char *path)
{
    static const char block[1024];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    ck_assert_int_eq(errno, ENOSPC);
    close(fd);
}

START_TEST(a_full_disk_keeps_the_old_files)
{
    static const char config[] = "# mine\ntimeout 5\n",
                      users[] = "user ann on nopass ~* +@all\n";
    char dir[PATH_MAX], file[PATH_MAX + 20], acl[PATH_MAX + 20],
        fill[PATH_MAX + 20];
    const char *const args[] = {"--aclfile", acl, NULL};
    struct server *s;
    struct wire *w;

    snprintf(dir, sizeof(dir), "%s/small", tests_dir());
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=16k") != 0) {
        skip("no disk of one's own: %s", strerror(errno));
        return;
    }
    snprintf(file, sizeof(file), "%s/a.conf", dir);
    snprintf(acl, sizeof(acl), "%s/users", dir);
    snprintf(fill, sizeof(fill), "%s/fill", dir);
    write_text(file, config);
    write_text(acl, users);
    s = server_start_with(&(struct server_options){.file = file, .args = args});
    w = wire_connect(s);
    wire_run(w, "CONFIG SET timeout 77", "+OK");
    wire_run(w, "ACL SETUSER bob on nopass", "+OK");
    fill_up(fill);
    wire_run(
        w, "CONFIG REWRITE", "re:-ERR Rewriting config file: .*No space .*");
    wire_run(w, "ACL SAVE", "re:-ERR There was an error trying to save.*");
    expect_text(file, config);
    expect_text(acl, users);
    wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"77\"]");
    ck_assert_int_eq(unlink(fill), 0);
    wire_run(w, "CONFIG REWRITE", "+OK");
    wire_run(w, "ACL SAVE", "+OK");
    wire_close(w);
    server_stop(s);
    umount(dir);
}
END_TEST

/* ---- the time ----------------------------------------------------------- */

#define HOUR_MS (3600 * 1000)

static _Atomic int64_t *
make_offset(char **path)
{
    int fd;
    void *p;

    *path = text_of("%s/offset", tests_dir());
    fd = open(*path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof(int64_t)), 0);
    p = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    close(fd);
    return p;
}

/* A server whose wall clock is `*offset` ms ahead. */
static struct server *
start_with_clock(_Atomic int64_t **offset)
{
    char *path, *own = own_directory();
    char *library = text_of("%s/clock_jump.so", own);
    struct server *s;

    *offset = make_offset(&path);
    setenv("ASHLAR_CLOCK_OFFSET", path, 1);
    setenv("LD_PRELOAD", library, 1);
    s = server_start(NULL);
    unsetenv("LD_PRELOAD");
    free(library);
    free(path);
    free(own);
    return s;
}

static void
set_keys(redisContext *c, const char *prefix, int n, long long ttl_ms)
{
    for (int i = 0; i < n; i++)
        expect(c, "+OK", "SET %s:%d v PX %lld", prefix, i, ttl_ms);
}

/* The background finds what has expired, without being asked for it. */
static void
await_keys(redisContext *c, long long n)
{
    double limit = now_s() + patient(10);

    while (command_int(c, "DBSIZE") != n) {
        ck_assert_msg(now_s() < limit, "%lld keys, not %lld",
            command_int(c, "DBSIZE"), n);
        sleep_ms(10);
    }
}

/* Deadlines are moments of the wall clock, as in Redis; nothing else is. A jump
 * of more than 24 days is more than a deadline can tell, docs/operations.md. */
START_TEST(the_clock_jumps)
{
    _Atomic int64_t *offset;
    struct server *s;
    redisContext *c;
    double start;
    long long ttl;

    if (!memory_is_judged()) {
        skip("a sanitizer wants to be loaded first");
        return;
    }
    s = start_with_clock(&offset);
    c = server_connect(s);
    set_keys(c, "minute", 50, 60 * 1000);
    set_keys(c, "hours", 50, 4 * HOUR_MS);
    expect(c, "+OK", "SET stays v");
    atomic_store(offset, -HOUR_MS);
    ttl = command_int(c, "TTL minute:0");
    ck_assert(ttl > 3600 && ttl <= 3660);
    ck_assert_int_lt(info_int(c, "server", "uptime_in_seconds"), 3600);
    set_keys(c, "soon", 50, 30);
    await_keys(c, 101);
    expect(c, "+OK", "CLIENT PAUSE 150");
    atomic_store(offset, -3 * HOUR_MS);
    start = now_s();
    expect(c, "\"v\"", "GET stays");
    ck_assert_msg(now_s() - start < patient(5), "a pause of an hour");
    set_keys(c, "soon", 50, 30);
    await_keys(c, 101);
    atomic_store(offset, HOUR_MS);
    expect(c, "$-1", "GET minute:0");
    await_keys(c, 51);
    atomic_store(offset, 0);
    expect(c, "$-1", "GET minute:0");
    expect(c, "\"v\"", "GET hours:7");
    ck_assert_int_lt(info_int(c, "server", "uptime_in_seconds"), 3600);
    atomic_store(offset, (int64_t)20 * 24 * HOUR_MS);
    set_keys(c, "soon", 50, 30);
    await_keys(c, 1);
    expect(c, "\"v\"", "GET stays");
    ck_assert_int_ge(count_in_log(s, "the clock was set by -"), 1);
    ck_assert_int_eq(count_in_log(s, "too much for the deadlines"), 0);
    atomic_store(offset, (int64_t)20 * 365 * 24 * HOUR_MS);
    server_await_log(s, "too much for the deadlines");
    expect(c, "+OK", "FLUSHALL");
    set_keys(c, "soon", 50, 30);
    await_keys(c, 0);
    redisFree(c);
    server_stop(s);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("exhaustion");
    TCase *tc = tcase_create("exhaustion");

    if (testing_redis()) {
        skip("how Redis fares here is its own affair");
        return 77;
    }
    tcase_set_timeout(tc, patient(60));
    tcase_add_test(tc, no_descriptor_is_left);
    tcase_add_test(tc, no_memory_can_be_mapped);
    tcase_add_test(tc, the_log_cannot_be_written);
    tcase_add_test(tc, a_full_disk_keeps_the_old_files);
    tcase_add_test(tc, the_clock_jumps);
    suite_add_tcase(s, tc);
    return run_tests(s);
}
