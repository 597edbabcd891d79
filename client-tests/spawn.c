/* SPDX-License-Identifier: BSD-3-Clause */
/* spawn.c - daemons under test, and the main program of all client tests.
 *
 * Each server has a directory below that of the test program, with its unix
 * socket and its log. server_stop() removes it, so that what is left when the
 * suite has run belongs to tests that failed: run_tests() prints those logs.
 */
#include "client-tests/spawn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client-tests/client.h"

#define MAX_ARGS 64
#define START_ATTEMPTS 20

struct server {
    pid_t pid;
    int port;
    char dir[96];
    char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char log_path[112];
};

static struct {
    pid_t pid;         /* of the process of main() */
    unsigned n_failed; /* servers that ended badly in an unchecked fixture */
    char dir[64];
} tests;

/* ---- the surroundings --------------------------------------------------- */

double
now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void
sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

char *
text_of(const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) {
        perror("vasprintf");
        exit(1);
    }
    va_end(ap);
    return text;
}

static bool
is_slow(void)
{
    const char *slow = getenv("ASHLAR_TEST_SLOW");

    return slow != NULL && *slow != '\0' && strcmp(slow, "0") != 0;
}

double
patient(double seconds)
{
    return is_slow() ? 10 * seconds : seconds;
}

void
skip(const char *fmt, ...)
{
    va_list ap;

    fputs("SKIPPED: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

bool
testing_redis(void)
{
    const char *other = getenv("ASHLAR_TEST_SERVER");

    return other != NULL && *other != '\0';
}

bool
memory_is_judged(void)
{
    if (testing_redis()) {
        skip("bounds on memory are ashlard's, not those of %s",
            server_program());
        return false;
    }
    if (is_slow()) {
        skip("bounds on memory do not hold in a sanitizer build");
        return false;
    }
    return true;
}

char *
own_directory(void)
{
    char *path = realpath("/proc/self/exe", NULL);

    if (path == NULL) {
        perror("/proc/self/exe");
        exit(1);
    }
    return dirname(path);
}

const char *
server_program(void)
{
    static char *beside_us;
    const char *named = getenv("ASHLAR_TEST_SERVER");
    char *own;

    if (named == NULL || *named == '\0')
        named = getenv("ASHLARD");
    if (named != NULL && *named != '\0')
        return named;
    if (beside_us == NULL) {
        own = own_directory();
        beside_us = text_of("%s/../ashlard", own);
        free(own);
    }
    return beside_us;
}

const char *
tests_dir(void)
{
    return tests.dir;
}

/* A failure of a server: that of the running test, or, in the process of
 * main(), where check cannot catch it, one that run_tests() returns. */
static void server_failed(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static void
server_failed(const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (getpid() != tests.pid)
        ck_abort_msg("%s", text);
    fprintf(stderr, "FAILED: %s\n", text);
    tests.n_failed++;
}

/* ---- files -------------------------------------------------------------- */

/* The whole of a file as a string; an empty one if it cannot be read. */
static char *
read_text(const char *path)
{
    FILE *in = fopen(path, "re");
    char *text = NULL, chunk[4096];
    size_t cap, n;
    FILE *out = open_memstream(&text, &cap);

    while (in != NULL && (n = fread(chunk, 1, sizeof(chunk), in)) > 0)
        fwrite(chunk, 1, n, out);
    if (in != NULL)
        fclose(in);
    fclose(out);
    return text;
}

static bool
has_sanitizer_report(const char *log_path)
{
    static const char *const marks[] = {"ERROR: AddressSanitizer",
        "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer",
        "runtime error:", "UndefinedBehaviorSanitizer"};
    char *text = read_text(log_path);
    bool found = false;

    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        found = found || strstr(text, marks[i]) != NULL;
    free(text);
    return found;
}

static void
remove_tree(const char *dir)
{
    const char *const argv[] = {"rm", "-rf", "--", dir, NULL};
    struct program_end end = run_program(argv, 30);

    if (end.status != 0)
        fprintf(stderr, "rm -rf %s: %s\n", dir, end.output);
    free(end.output);
}

/* ---- ports and sockets -------------------------------------------------- */

static bool
port_is_free(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    bool ok;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    ok = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    close(fd);
    return ok;
}

int
free_port(void)
{
    /* Below the range that the kernel gives to outgoing connections, so that
     * no client of a test that runs at the same time takes it. */
    static unsigned next;
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    if (next == 0)
        next = (unsigned)getpid() * 131 + (unsigned)t.tv_nsec / 1000;
    for (int i = 0; i < 2000; i++) {
        int port = 12000 + (int)(next++ % 20000);

        if (port_is_free(port))
            return port;
    }
    fprintf(stderr, "no free port between 12000 and 32000\n");
    exit(1);
}

static void
set_time_limits(int fd)
{
    struct timeval limit = {(time_t)patient(20), 0};
    int one = 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int
connect_or_close(int fd, const void *address, socklen_t len)
{
    int saved;

    if (fd < 0)
        return -1;
    if (connect(fd, address, len) == 0) {
        set_time_limits(fd);
        return fd;
    }
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int
connect_tcp(const char *address, int port)
{
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return connect_or_close(
            socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &v4, sizeof(v4));
    ck_assert_int_eq(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    return connect_or_close(
        socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), &v6, sizeof(v6));
}

int
server_connect_raw(const struct server *s)
{
    int fd = connect_tcp("127.0.0.1", s->port);

    ck_assert_msg(fd >= 0, "connect to port %d: %s", s->port, strerror(errno));
    return fd;
}

static struct sockaddr_un
unix_address(const struct server *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    memcpy(a.sun_path, s->socket_path, sizeof(a.sun_path));
    return a;
}

int
server_connect_raw_unix(const struct server *s)
{
    struct sockaddr_un a = unix_address(s);
    int fd = connect_or_close(
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &a, sizeof(a));

    ck_assert_msg(fd >= 0, "connect to %s: %s", a.sun_path, strerror(errno));
    return fd;
}

static redisContext *
checked_context(redisContext *c)
{
    struct timeval limit = {(time_t)patient(20), 0};

    ck_assert_ptr_nonnull(c);
    ck_assert_msg(c->err == 0, "connect: %s", c->errstr);
    ck_assert_int_eq(redisSetTimeout(c, limit), REDIS_OK);
    return c;
}

redisContext *
server_connect(const struct server *s)
{
    return checked_context(redisConnect("127.0.0.1", s->port));
}

redisContext *
server_connect_unix(const struct server *s)
{
    return checked_context(redisConnectUnix(s->socket_path));
}

/* ---- processes ---------------------------------------------------------- */

/* Fork and exec with stdout and stderr in `output_fd`; dies with us. */
static pid_t
spawn(const char *const *argv, int output_fd, const struct server_options *o)
{
    pid_t parent = getpid(), pid = fork();
    struct rlimit limit = {o->max_fds, o->max_fds};

    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    signal(SIGPIPE, SIG_DFL);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    if (o->max_fds != 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(126);
    if (o->in_child != NULL)
        o->in_child();
    execvp(argv[0], (char *const *)argv);
    dprintf(STDERR_FILENO, "exec %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Wait for a process to end. Returns false, and leaves it, after `seconds`. */
static bool
await_end(pid_t pid, double seconds, int *status)
{
    double deadline = now_s() + seconds;
    int raw;

    while (waitpid(pid, &raw, WNOHANG) != pid) {
        if (now_s() > deadline)
            return false;
        sleep_ms(2);
    }
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return true;
}

struct program_end
run_program(const char *const *argv, double seconds)
{
    char path[] = "/tmp/ashlar-output.XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct program_end end = {.status = -1};
    pid_t pid;

    if (fd < 0) {
        perror(path);
        exit(1);
    }
    pid = spawn(argv, fd, &(struct server_options){0});
    if (!await_end(pid, seconds, &end.status)) {
        kill(pid, SIGKILL);
        await_end(pid, 60, &end.status);
    }
    close(fd);
    end.output = read_text(path);
    unlink(path);
    return end;
}

size_t
process_status_kb(pid_t pid, const char *name)
{
    char path[64], line[256];
    size_t len = strlen(name), kb = 0;
    FILE *in;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    in = fopen(path, "re");
    if (in == NULL)
        return 0;
    while (kb == 0 && fgets(line, sizeof(line), in) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            kb = strtoull(line + len + 1, NULL, 10);
    fclose(in);
    return kb;
}

/* ---- servers ------------------------------------------------------------ */

static bool
names_option(const char *const *args, const char *option)
{
    for (; args != NULL && *args != NULL; args++)
        if (strcmp(*args, option) == 0)
            return true;
    return false;
}

/* Fill argv with the usual arguments, as far as the test does not give its own,
 * and then those of the test. */
static void
server_argv(const struct server *s, const struct server_options *o,
    char *port_text, const char **argv)
{
    const char *const defaults[][2] = {{"--bind", "127.0.0.1"},
        {"--port", port_text}, {"--unixsocket", s->socket_path},
        {testing_redis() ? "--save" : "--workers", testing_redis() ? "" : "2"},
        /* Lets a test look into /proc. */
        {testing_redis() ? "--save" : "--core-dumps",
            testing_redis() ? "" : "yes"}};
    const char *engine = getenv("ASHLAR_IO_ENGINE");
    size_t n = 0;

    argv[n++] = server_program();
    if (o->file != NULL)
        argv[n++] = o->file;
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        if (names_option(o->args, defaults[i][0]))
            continue;
        argv[n++] = defaults[i][0];
        argv[n++] = defaults[i][1];
    }
    if (engine != NULL && *engine != '\0' && !testing_redis() &&
        !names_option(o->args, "--io-engine")) {
        argv[n++] = "--io-engine";
        argv[n++] = engine;
    }
    for (size_t i = 0; o->args != NULL && o->args[i] != NULL; i++) {
        ck_assert_uint_lt(n, MAX_ARGS - 1);
        argv[n++] = o->args[i];
    }
    argv[n] = NULL;
}

/* One PING over the unix socket: any whole answer will do (with a password set
 * it is an error). */
static bool
answers(const struct server *s)
{
    struct sockaddr_un a = unix_address(s);
    struct timeval limit = {1, 0};
    char reply[64];
    ssize_t n = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        if (send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6)
            n = recv(fd, reply, sizeof(reply), 0);
        /* Until it has gone: tests count clients. */
        shutdown(fd, SHUT_WR);
        while (n > 0 && recv(fd, reply, sizeof(reply), 0) > 0)
            ;
    }
    close(fd);
    return n > 0;
}

enum start_result {
    STARTED,
    ENDED,
    SILENT
};

static enum start_result
try_start(struct server *s, const struct server_options *o)
{
    const char *argv[MAX_ARGS];
    char port_text[16];
    double deadline = now_s() + patient(15);
    int log_fd, status;

    s->port = free_port();
    snprintf(port_text, sizeof(port_text), "%d", s->port);
    server_argv(s, o, port_text, argv);
    log_fd = open(s->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(log_fd, 0);
    s->pid = spawn(argv, log_fd, o);
    close(log_fd);
    while (now_s() < deadline) {
        if (await_end(s->pid, 0, &status))
            return ENDED;
        if (answers(s))
            return STARTED;
        sleep_ms(5);
    }
    kill(s->pid, SIGKILL);
    await_end(s->pid, 60, &status);
    return SILENT;
}

struct server *
server_start_with(const struct server_options *o)
{
    static unsigned n_started;
    struct server *s = calloc(1, sizeof(*s));
    enum start_result result = ENDED;
    char *log;

    ck_assert_ptr_nonnull(s);
    snprintf(s->dir, sizeof(s->dir), "%s/%d.%u", tests.dir, (int)getpid(),
        n_started++);
    snprintf(s->socket_path, sizeof(s->socket_path), "%s/sock", s->dir);
    snprintf(s->log_path, sizeof(s->log_path), "%s/log", s->dir);
    ck_assert_int_eq(mkdir(s->dir, 0700), 0);
    /* Another program may take the port between the look and the bind. */
    for (int i = 0; i < START_ATTEMPTS && result == ENDED; i++) {
        result = try_start(s, o);
        log = read_text(s->log_path);
        if (result == ENDED && strstr(log, "in use") == NULL)
            i = START_ATTEMPTS;
        free(log);
    }
    if (result == STARTED)
        return s;
    log = read_text(s->log_path);
    fprintf(stderr, "%s\n", log);
    fprintf(stderr, "%s %s\n", server_program(),
        result == ENDED ? "ended at its start" : "does not answer PING");
    free(log);
    if (getpid() != tests.pid)
        ck_abort_msg("no server: see its log");
    remove_tree(tests.dir);
    exit(1);
}

struct server *
server_start(const char *const *extra_args)
{
    return server_start_with(&(struct server_options){.args = extra_args});
}

void
server_await_end(struct server *s)
{
    int status = 0;
    bool reported;

    if (!await_end(s->pid, patient(20), &status)) {
        kill(s->pid, SIGKILL);
        await_end(s->pid, 60, &status);
        server_failed("the server did not end within %.0f s", patient(20));
        return;
    }
    reported = has_sanitizer_report(s->log_path);
    if (status != 0 || reported) {
        server_failed("the server ended with status %d%s", status,
            reported ? " and a sanitizer's report" : "");
        return;
    }
    remove_tree(s->dir);
    free(s);
}

void
server_stop(struct server *s)
{
    kill(s->pid, SIGTERM);
    server_await_end(s);
}

pid_t
server_pid(const struct server *s)
{
    return s->pid;
}

int
server_port(const struct server *s)
{
    return s->port;
}

const char *
server_socket_path(const struct server *s)
{
    return s->socket_path;
}

const char *
server_log(const struct server *s)
{
    return s->log_path;
}

void
server_await_log(const struct server *s, const char *text)
{
    double end = now_s() + patient(20);
    bool found = false;

    while (!found) {
        char *log = read_text(s->log_path);

        found = strstr(log, text) != NULL;
        free(log);
        if (found)
            return;
        ck_assert_msg(now_s() < end, "no \"%s\" in the log", text);
        sleep_ms(5);
    }
}

size_t
server_rss_kb(const struct server *s)
{
    return process_status_kb(s->pid, "VmRSS");
}

size_t
server_hwm_kb(const struct server *s)
{
    return process_status_kb(s->pid, "VmHWM");
}

/* ---- the main program --------------------------------------------------- */

/* Show what servers said whose tests failed. */
static void
print_logs(void)
{
    static const char script[] = "for f in \"$1\"/*/log; do"
                                 " [ -e \"$f\" ] || continue;"
                                 " echo \"--- $f\"; tail -n 200 \"$f\";"
                                 " done";
    const char *const argv[] = {"sh", "-c", script, "sh", tests.dir, NULL};
    struct program_end end = run_program(argv, 30);

    fputs(end.output, stderr);
    free(end.output);
}

int
run_tests(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int n_failed;

    tests.pid = getpid();
    signal(SIGPIPE, SIG_IGN);
    snprintf(tests.dir, sizeof(tests.dir), "/tmp/ashlar-test.XXXXXX");
    if (mkdtemp(tests.dir) == NULL) {
        perror(tests.dir);
        return 1;
    }
    covered_start();
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (n_failed > 0 || tests.n_failed > 0)
        print_logs();
    remove_tree(tests.dir);
    return n_failed > 0 || tests.n_failed > 0;
}
