/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_test.c - the metrics listener: the Prometheus text, health, who may
 * ask, and what is no proper request. */
#include "client-tests/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct server *server;
static int web_port;
static char socket_path[100];

/* Formatted text that is good until some more were made. */
static const char *__attribute__((format(printf, 1, 2)))
brief(const char *fmt, ...)
{
    static char texts[8][512];
    static unsigned n;
    char *text = texts[n++ % ARRAY_LEN(texts)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(texts[0]), fmt, ap);
    va_end(ap);
    return text;
}

static void
start(void)
{
    web_port = free_port();
    snprintf(socket_path, sizeof(socket_path), "%s/metrics.sock", tests_dir());
    const char *args[] = {"--metrics-port", brief("%d", web_port),
        "--metrics-bind", brief("127.0.0.1 %s", socket_path), "--workers", "2",
        "--namespace-prefixes", "<script>", NULL};

    server = server_start(args);
}

static void
stop(void)
{
    server_stop(server);
    ck_assert_msg(access(socket_path, F_OK) != 0, "%s is left", socket_path);
}

/* ---- HTTP ---------------------------------------------------------------- */

static void
limit_time(int fd, int seconds)
{
    struct timeval tv = {(time_t)patient(seconds), 0};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static int
web_connect(void)
{
    int fd = connect_tcp("127.0.0.1", web_port);

    ck_assert_int_ge(fd, 0);
    limit_time(fd, 10);
    return fd;
}

static void
say(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0) /* closed already: the answer says why */
            return;
        p += n;
        len -= (size_t)n;
    }
}

/* All that comes until the end, which must come. */
static char *
listen_to(int fd)
{
    /* Of one answer, until the next. */
    static struct buf in;
    ssize_t n;

    in.len = 0;
    do {
        n = recv(fd, buf_reserve(&in, 4096), 4096, 0);
        if (n > 0)
            in.len += (size_t)n;
    } while (n > 0);
    ck_assert_msg(n == 0 || errno == ECONNRESET, "%s", strerror(errno));
    buf_append(&in, "", 1);
    close(fd);
    return in.p;
}

static char *
ask_bytes(const char *p, size_t len)
{
    int fd = web_connect();

    say(fd, p, len);
    return listen_to(fd);
}

static char *
ask(const char *request)
{
    return ask_bytes(request, strlen(request));
}

static char *
get(const char *path)
{
    const char *request =
        brief("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    char *reply = ask(request);

    ck_assert_msg(strncmp(reply, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", reply);
    return strstr(reply, "\r\n\r\n") + 4;
}

static void
assert_status(const char *reply, int status)
{
    int got = 0;

    ck_assert_msg(sscanf(reply, "HTTP/1.%*d %d ", &got) == 1, "%s", reply);
    ck_assert_msg(got == status, "not %d: %s", status, reply);
}

/* ---- metrics ------------------------------------------------------------- */

/* Older answers may be given again for a tenth of a second. */
static char *
fresh_metrics(void)
{
    sleep_ms(110);
    return get("/metrics");
}

static double
metric(const char *text, const char *series)
{
    size_t len = strlen(series);

    for (const char *p = text; p != NULL; p = strchr(p + 1, '\n')) {
        const char *line = *p == '\n' ? p + 1 : p;

        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return atof(line + len + 1);
    }
    ck_abort_msg("no %s in\n%s", series, text);
}

static void
run(redisContext *c, const char *format, const char *p, size_t len)
{
    redisReply *r = redisCommand(c, format, p, len);

    ck_assert_ptr_nonnull(r);
    ck_assert_msg(r->type != REDIS_REPLY_ERROR, "%s", r->str);
    freeReplyObject(r);
}

START_TEST(health_is_told)
{
    ck_assert_str_eq(get("/healthz"), "ok\n");
}
END_TEST

START_TEST(figures_follow_what_clients_do)
{
    redisContext *c = server_connect(server);
    double hits = metric(fresh_metrics(), "ashlar_keyspace_hits_total");
    const char *text;

    run(c, "SET %b value", "shop:1", 6);
    run(c, "GET %b", "shop:1", 6);
    run(c, "CONFIG GET %b", "port", 4);
    text = fresh_metrics();
    ck_assert(metric(text, "ashlar_keyspace_hits_total") == hits + 1);
    ck_assert(metric(text, "ashlar_clients") == 1);
    ck_assert(metric(text, "ashlar_keys{db=\"0\"}") == 1);
    ck_assert(metric(text,
                  "ashlar_namespace_keys{db=\"0\",namespace=\"shop:\"}") == 1);
    ck_assert(metric(text, "ashlar_command_calls_total{command=\"get\"}") >= 1);
    ck_assert(metric(text,
                  "ashlar_command_duration_seconds_bucket{command=\"config\","
                  "le=\"+Inf\"}") >= 1);
    ck_assert(
        metric(text, "ashlar_worker_cpu_seconds_total{worker=\"1\"}") > 0);
    redisFree(c);
}
END_TEST

/* The kinds are all of what is in use; what other threads charge between two
 * looks is little. */
START_TEST(kinds_of_memory_add_up)
{
    const char *text = fresh_metrics(), *p = text;
    double used = metric(text, "ashlar_memory_used_bytes"), sum = 0;

    while ((p = strstr(p, "\nashlar_memory_bytes{")) != NULL) {
        p = strchr(p, ' ');
        sum += atof(p + 1);
    }
    ck_assert(sum > used - (double)MIB && sum < used + (double)MIB);
}
END_TEST

/* ---- the format ---------------------------------------------------------- */

struct seen {
    char *series[20000];
    size_t n;
};

static bool
is_name(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyz_0123456789", p[i]) == NULL)
            return false;
    return len > 0;
}

/* Where the labels of a sample end; they are well-formed. */
static const char *
skip_labels(const char *p)
{
    if (*p != '{')
        return p;
    do {
        size_t len = strcspn(++p, "=");

        ck_assert_msg(is_name(p, len), "bad label: %s", p);
        p += len + 1;
        ck_assert_msg(*p++ == '"', "no quote: %s", p);
        for (; *p != '"'; p++) {
            ck_assert_msg(*p != '\0' && *p != '\n', "label goes on");
            if (*p == '\\')
                ck_assert_ptr_nonnull(strchr("\\\"n", *++p));
        }
        p++;
    } while (*p == ',');
    ck_assert_int_eq(*p, '}');
    return p + 1;
}

/* "name" of a sample belongs to the metric whose head came last. */
static void
check_belongs(const char *name, size_t len, const char *head, const char *type)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    size_t base = strlen(head);

    if (len == base && strncmp(name, head, len) == 0)
        return;
    ck_assert_msg(strcmp(type, "histogram") == 0 && len > base &&
            strncmp(name, head, base) == 0,
        "no TYPE before %.*s", (int)len, name);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (strlen(suffixes[i]) == len - base &&
            strncmp(name + base, suffixes[i], len - base) == 0)
            return;
    ck_abort_msg("%.*s in a histogram", (int)len, name);
}

static void
check_sample(char *line, struct seen *seen, const char *head, const char *type)
{
    size_t len = strcspn(line, "{ ");
    const char *end = skip_labels(line + len);
    char *rest;

    ck_assert(is_name(line, len));
    check_belongs(line, len, head, type);
    ck_assert_msg(*end == ' ', "%s", line);
    strtod(end + 1, &rest);
    ck_assert_msg(rest != end + 1 && *rest == '\0', "no number: %s", line);
    ck_assert_uint_lt(seen->n, ARRAY_LEN(seen->series));
    seen->series[seen->n++] = strndup(line, (size_t)(end - line));
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
check_unique(struct seen *seen)
{
    qsort(seen->series, seen->n, sizeof(char *), compare);
    for (size_t i = 1; i < seen->n; i++)
        ck_assert_msg(strcmp(seen->series[i - 1], seen->series[i]) != 0,
            "twice: %s", seen->series[i]);
    for (size_t i = 0; i < seen->n; i++)
        free(seen->series[i]);
}

/* HELP, TYPE, samples; each name once. Returns how many samples. */
static size_t
check_format(char *text)
{
    static struct seen seen;
    char help[128] = "", type[128] = "", kind[32] = "", *save;

    seen.n = 0;
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            ck_assert_int_eq(sscanf(line, "# HELP %127s %*s", help), 1);
            seen.series[seen.n++] = strdup(help); /* as a sample would be */
        } else if (*line == '#') {
            ck_assert_int_eq(sscanf(line, "# TYPE %127s %31s", type, kind), 2);
            ck_assert_str_eq(help, type);
        } else {
            if (seen.n > 0 && strcmp(seen.series[seen.n - 1], type) == 0)
                free(seen.series[--seen.n]);
            check_sample(line, &seen, type, kind);
        }
    }
    size_t n = seen.n;
    check_unique(&seen);
    return n;
}

START_TEST(every_sample_has_a_type_and_is_there_once)
{
    redisContext *c = server_connect(server);

    for (int i = 0; i < 30; i++) {
        char key[32];
        int len = snprintf(key, sizeof(key), "ns%d:key", i);

        run(c, "SET %b value", key, (size_t)len);
    }
    run(c, "SELECT %b", "3", 1);
    run(c, "SET %b value", "ns0:key", 7);
    ck_assert_uint_gt(check_format(fresh_metrics()), 200);
    redisFree(c);
}
END_TEST

/* Names of namespaces are bytes of clients. */
START_TEST(hostile_names_stay_names)
{
    static const struct {
        const char *key;
        size_t len;
        const char *series;
    } names[] = {
        {"<script>alert(1)</script>", 25, "<script>"},
        {"a\"} 1\nx:k", 9, "a\\\"} 1\\\\x0ax:"},
        {"back\\slash:k", 12, "back\\\\\\\\slash:"},
        {"\xff\xfe\0z:k", 6, "\\\\xff\\\\xfe\\\\x00z:"},
        {"\xe2\x80\xae"
         "rtl:k",
            8, "\\\\xe2\\\\x80\\\\xaertl:"},
        {"gr\xc3\xbc\xc3\x9f"
         "e:k",
            9,
            "gr\xc3\xbc\xc3\x9f"
            "e:"},
    };
    redisContext *c = server_connect(server);
    char *text, *copy;

    run(c, "FLUSHALL", "", 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        static char value[1000];

        memset(value, 'v', sizeof(value));
        redisReply *r = redisCommand(
            c, "SET %b %b", names[i].key, names[i].len, value, sizeof(value));
        ck_assert_str_eq(r->str, "OK");
        freeReplyObject(r);
    }
    text = fresh_metrics();
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        ck_assert(metric(text,
                      brief("ashlar_namespace_keys{db=\"0\","
                            "namespace=\"%s\"}",
                          names[i].series)) == 1);
    copy = strdup(text);
    check_format(copy);
    free(copy);
    text = get("/status.json");
    ck_assert_ptr_nonnull(strstr(text, "\"name\":\"<script>\""));
    ck_assert_ptr_nonnull(strstr(text, "\"name\":\"a\\\"} 1\\\\x0ax:\""));
    for (const char *p = text; p[1] != '\0'; p++)
        ck_assert_msg((unsigned char)*p >= ' ', "a control byte in JSON");
    redisFree(c);
}
END_TEST

/* ---- the dashboard, and the alerts --------------------------------------- */

/* Is there a TYPE line of this metric, or of the histogram it belongs to? */
static bool
is_known(const char *text, const char *name, size_t len)
{
    static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        size_t cut = strlen(suffixes[i]);

        if (len > cut && strncmp(name + len - cut, suffixes[i], cut) == 0 &&
            strstr(text, brief("\n# TYPE %.*s ", (int)(len - cut), name)) !=
                NULL)
            return true;
    }
    return false;
}

/* Each name of a metric in a file of conf/ is one of `text`. Returns how many
 * there are. */
static unsigned
check_metrics_of(const char *file, const char *text)
{
    const char *top = getenv("ASHLAR_SRCDIR");
    FILE *f = fopen(brief("%s/conf/%s", top == NULL ? ".." : top, file), "r");
    static char content[200000];
    unsigned n = 0;
    size_t len;

    ck_assert_ptr_nonnull(f);
    len = fread(content, 1, sizeof(content) - 1, f);
    ck_assert_uint_lt(len, sizeof(content) - 1);
    content[len] = '\0';
    fclose(f);
    for (const char *p = content; (p = strpbrk(p, "ap")) != NULL; p++) {
        bool starts =
            strncmp(p, "ashlar_", 7) == 0 || strncmp(p, "process_", 8) == 0;

        if (!starts || p[-1] == '_')
            continue;
        len = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
        ck_assert_msg(is_known(text, p, len), "no metric %.*s", (int)len, p);
        n++;
        p += len;
    }
    return n;
}

START_TEST(dashboard_and_alerts_ask_for_metrics_that_are_there)
{
    const char *text = get("/metrics");

    ck_assert_uint_gt(check_metrics_of("grafana-ashlar.json", text), 30);
    ck_assert_uint_gt(check_metrics_of("prometheus-ashlar.yml", text), 15);
}
END_TEST

/* ---- requests ------------------------------------------------------------ */

START_TEST(head_has_no_body)
{
    const char *reply = ask("HEAD /metrics HTTP/1.0\r\n\r\n");

    assert_status(reply, 200);
    ck_assert_ptr_nonnull(strstr(reply, "Content-Length: "));
    ck_assert_str_eq(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
}
END_TEST

START_TEST(the_page_allows_nothing_but_itself)
{
    const char *reply = ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");

    assert_status(reply, 200);
    ck_assert_ptr_nonnull(strstr(reply, "default-src 'none'"));
    ck_assert_ptr_null(strstr(reply, "unsafe"));
    ck_assert_ptr_null(strstr(reply, "innerHTML"));
    ck_assert_ptr_null(strstr(reply, "https://"));
}
END_TEST

START_TEST(other_paths_and_methods_are_refused)
{
    static const char *const methods[] = {
        "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};

    assert_status(ask("GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
    assert_status(
        ask("GET /metrics/ HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
    assert_status(ask("GET /../../etc/passwd HTTP/1.0\r\n\r\n"), 404);
    assert_status(ask("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), 200);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        assert_status(ask(brief("%s /metrics HTTP/1.1\r\nHost: localhost\r\n"
                                "Content-Length: 0\r\n\r\n",
                          methods[i])),
            405);
}
END_TEST

START_TEST(names_that_lead_here_are_refused)
{
    static const char *const good[] = {
        "localhost", "127.0.0.1:9121", "[::1]:9121", "LOCALHOST:1", "10.1.2.3"};
    static const char *const bad[] = {"evil.example", "127.0.0.1.evil.example",
        "localhost.evil:80", "[::1", "[evil]", ""};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_status(
            ask(brief("GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", good[i])),
            200);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(
            ask(brief("GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i])),
            403);
}
END_TEST

START_TEST(what_is_no_request_gets_400)
{
    static const char *const garbage[] = {
        "*1\r\n$4\r\nPING\r\n\r\n",
        "PING\r\n\r\n",
        "\r\n\r\nGET\r\n\r\n",
        "GET / HTTP/9.9.9\r\n\r\n",
        "FOO /metrics HTTP/1.1\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
        "\x16\x03\x01\x02\n\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        const char *reply = ask(garbage[i]);
        int got = 0;

        sscanf(reply, "HTTP/1.%*d %d ", &got);
        ck_assert_msg(*reply == '\0' || got == 400 || got == 405 || got == 501,
            "%zu: %s", i, reply);
        ck_assert_ptr_null(strstr(reply, "ashlar_"));
    }
    ck_assert_str_eq(get("/healthz"), "ok\n");
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
    struct buf b = {0};
    char junk[1024];
    int got;

    memset(junk, 'a', sizeof(junk));
    buf_printf(&b, "GET /");
    for (int i = 0; i < 1024; i++)
        buf_append(&b, junk, sizeof(junk));
    buf_printf(&b, " HTTP/1.1\r\n\r\n");
    got = 0;
    sscanf(ask_bytes(b.p, b.len), "HTTP/1.%*d %d ", &got);
    ck_assert(got == 0 || (got >= 400 && got < 500));
    b.len = 0;
    buf_printf(&b, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "X-%d: %.100s\r\n", i, junk);
    buf_printf(&b, "\r\n");
    got = 0;
    sscanf(ask_bytes(b.p, b.len), "HTTP/1.%*d %d ", &got);
    ck_assert(got == 0 || (got >= 400 && got < 500));
    b.len = 0;
    buf_printf(&b, "POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n");
    got = 0;
    sscanf(ask_bytes(b.p, b.len), "HTTP/1.%*d %d ", &got);
    ck_assert(got == 0 || (got >= 400 && got < 500));
    buf_free(&b);
    ck_assert_str_eq(get("/healthz"), "ok\n");
}
END_TEST

START_TEST(a_unix_socket_answers_too)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", socket_path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    limit_time(fd, 10);
    say(fd, request, sizeof(request) - 1);
    assert_status(listen_to(fd), 200);
}
END_TEST

/* ---- many and slow ------------------------------------------------------- */

static unsigned
open_files(void)
{
    DIR *dir = opendir(brief("/proc/%d/fd", (int)server_pid(server)));
    unsigned n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* How long a client waits when many visitors have come, for whom the server
 * opens so many files at most. */
static double
ping_beside_visitors_s(redisContext *c, unsigned most_files)
{
    int fds[90]; /* more wait in the backlog, or try again */
    double waited_s;

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = web_connect();
        say(fds[i], "G", 1);
    }
    waited_s = now_s();
    run(c, "PING", "", 0);
    waited_s = now_s() - waited_s;
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_le(open_files(), most_files);
        sleep_ms(50);
    }
    ck_assert_str_eq(get("/healthz"), "ok\n");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    return waited_s;
}

/* On a machine with too much to do a client may wait for a processor as well,
 * now and then. Who waits for visitors waits each time. */
START_TEST(hundreds_of_visitors_take_few_places_and_nobody_else_waits)
{
    unsigned most_files = open_files() + 1 + 32 + 2;
    redisContext *c = server_connect(server);
    double waited_s;

    for (int i = 0; i < 8; i++) {
        waited_s = ping_beside_visitors_s(c, most_files);
        if (waited_s < 0.5)
            break;
    }
    ck_assert_msg(waited_s < 0.5, "%.2f s", waited_s);
    redisFree(c);
}
END_TEST

/* The kernel keeps them until they say something. */
START_TEST(who_is_silent_takes_no_place)
{
    double start_s;
    unsigned before, n;
    int fds[20];

    sleep_ms(200); /* those who were there before have gone */
    before = open_files();
    start_s = now_s();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = web_connect();
    ck_assert_str_eq(get("/healthz"), "ok\n");
    n = open_files();
    if (now_s() - start_s < 0.5) /* after a second they are let in */
        ck_assert_uint_le(n, before + 3);
    say(fds[7], "GET /healthz HTTP/1.0\r\n\r\n", 25);
    assert_status(listen_to(fds[7]), 200);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (i != 7)
            close(fds[i]);
}
END_TEST

/* A byte now and then does not keep a place. */
START_TEST(who_trickles_is_cut_off)
{
    int fd = web_connect();
    double start_s = now_s();
    ssize_t sent = 1;

    while (sent > 0 && now_s() - start_s < patient(8)) {
        sent = send(fd, "G", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        sleep_ms(100);
    }
    ck_assert_msg(sent <= 0, "after %.1f s", now_s() - start_s);
    close(fd);
    ck_assert_str_eq(get("/healthz"), "ok\n");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");

    if (testing_redis()) {
        skip("Redis has no metrics listener");
        return 77;
    }
    tcase_set_timeout(t, patient(30));
    tcase_add_unchecked_fixture(t, start, stop);
    tcase_add_test(t, health_is_told);
    tcase_add_test(t, figures_follow_what_clients_do);
    tcase_add_test(t, kinds_of_memory_add_up);
    tcase_add_test(t, every_sample_has_a_type_and_is_there_once);
    tcase_add_test(t, hostile_names_stay_names);
    tcase_add_test(t, dashboard_and_alerts_ask_for_metrics_that_are_there);
    tcase_add_test(t, head_has_no_body);
    tcase_add_test(t, the_page_allows_nothing_but_itself);
    tcase_add_test(t, other_paths_and_methods_are_refused);
    tcase_add_test(t, names_that_lead_here_are_refused);
    tcase_add_test(t, what_is_no_request_gets_400);
    tcase_add_test(t, what_is_too_long_is_refused);
    tcase_add_test(t, a_unix_socket_answers_too);
    tcase_add_test(t, who_is_silent_takes_no_place);
    tcase_add_test(
        t, hundreds_of_visitors_take_few_places_and_nobody_else_waits);
    tcase_add_test(t, who_trickles_is_cut_off);
    suite_add_tcase(s, t);
    return run_tests(s);
}
