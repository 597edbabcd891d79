/* SPDX-License-Identifier: BSD-3-Clause */
/* config_test.c - the directives of all modules together. */
#include "daemon/internal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct config cfg;
static struct buf err;

static void
setup(void)
{
    config_init(&cfg);
}

static void
teardown(void)
{
    config_free(&cfg);
    buf_free(&err);
}

/* Load `--name value` words; whether it went well. */
static bool
load(int argc, const char **argv)
{
    return config_load(&cfg, NULL, argc, (char **)(uintptr_t)argv, &err);
}

static bool
load_one(const char *name, const char *value)
{
    const char *argv[] = {name, value};

    return load(2, argv);
}

static void
assert_complains(const char *words)
{
    buf_append(&err, "", 1);
    ck_assert_msg(strstr(err.p, words) != NULL, "\"%s\" says nothing of %s",
        err.p, words);
}

START_TEST(the_defaults_are_a_configuration)
{
    struct limits l;

    ck_assert(config_load(&cfg, NULL, 0, NULL, &err));
    ck_assert_int_eq(cfg.daemon.port, 6379);
    ck_assert_str_eq(cfg.daemon.bind, "127.0.0.1 -::1");
    ck_assert_uint_ge(config_workers(&cfg), 1);
    config_limits(&cfg, &l);
    ck_assert_uint_eq(l.max_clients, 10000);
    ck_assert_uint_eq(l.query_bytes, GIB);
    ck_assert_uint_eq(l.output[OUTPUT_NORMAL].hard, 0);
    ck_assert(l.protected_mode);
}
END_TEST

START_TEST(the_arguments_go_before_the_file)
{
    const char *argv[] = {"--port", "7002"};
    char path[] = "/tmp/ashlar-config-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    dprintf(fd, "port 7001\nworkers 3\n");
    close(fd);
    ck_assert(config_load(&cfg, path, 2, (char **)(uintptr_t)argv, &err));
    unlink(path);
    ck_assert_int_eq(cfg.daemon.port, 7002);
    ck_assert_uint_eq(config_workers(&cfg), 3);
}
END_TEST

START_TEST(an_error_names_file_line_and_directive)
{
    char path[] = "/tmp/ashlar-config-XXXXXX";
    char place[64];
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    dprintf(fd, "# a comment\n\nport 70000\n");
    close(fd);
    ck_assert(!config_load(&cfg, path, 0, NULL, &err));
    unlink(path);
    snprintf(place, sizeof(place), "%s:3:", path);
    assert_complains(place);
    assert_complains("port");
}
END_TEST

START_TEST(workers_are_auto_or_a_number)
{
    ck_assert(load_one("--workers", "AUTO"));
    ck_assert_uint_ge(config_workers(&cfg), 1);
    ck_assert(load_one("--workers", "0"));
    ck_assert_uint_ge(config_workers(&cfg), 1);
    ck_assert(load_one("--workers", "256"));
    ck_assert_uint_eq(config_workers(&cfg), 256);
    ck_assert(!load_one("--workers", "257"));
    assert_complains("256");
    ck_assert(!load_one("--workers", "many"));
    ck_assert(!load_one("--workers", "-1"));
}
END_TEST

START_TEST(only_the_output_limit_of_normal_clients_counts)
{
    const char *argv[] = {"--client-output-buffer-limit", "pubsub", "1mb", "0",
        "0", "normal", "32mb", "8k", "60"};
    struct limits l;

    ck_assert(load(9, argv));
    config_limits(&cfg, &l);
    ck_assert_uint_eq(l.output[OUTPUT_NORMAL].hard, 32 * MIB);
    ck_assert_uint_eq(l.output[OUTPUT_NORMAL].soft, 8000);
    ck_assert_uint_eq(l.output[OUTPUT_NORMAL].soft_s, 60);
    ck_assert_str_eq(cfg.daemon.client_output_buffer_limit,
        "normal 33554432 8000 60 slave 268435456 67108864 60 "
        "pubsub 1048576 0 0");
}
END_TEST

START_TEST(a_malformed_output_limit_is_refused)
{
    static const char *const bad[] = {"normal", "normal 1 2", "normal 1 2 3 4",
        "friend 1 2 3", "normal x 2 3", "normal 1 2mbb 3", "normal 1 2 -3",
        "normal -1 2 3", "normal 18446744073709551615gb 2 3"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(
            !load_one("--client-output-buffer-limit", bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(too_little_memory_is_refused)
{
    ck_assert(!load_one("--maxmemory", "1mb"));
    assert_complains("too small");
    ck_assert(load_one("--maxmemory", "64mb"));
}
END_TEST

START_TEST(somewhere_to_listen_is_needed)
{
    ck_assert(!load_one("--port", "0"));
    assert_complains("nowhere to listen");
    ck_assert(load_one("--unixsocket", "/tmp/x.sock"));
}
END_TEST

START_TEST(two_ports_are_two)
{
    ck_assert(!load_one("--tls-port", "6379"));
    assert_complains(TLS_BUILT ? "are both 6379" : "without TLS");
}
END_TEST

START_TEST(a_unix_path_that_the_system_cannot_hold_is_refused)
{
    char path[120];

    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[107] = '\0';
    ck_assert(load_one("--unixsocket", path));
    path[107] = 'x';
    path[108] = '\0';
    ck_assert(!load_one("--unixsocket", path));
    assert_complains("107");
}
END_TEST

START_TEST(log_levels_have_the_names_of_redis)
{
    ck_assert(load_one("--loglevel", "debug"));
    ck_assert_int_eq(config_log_level(&cfg), LOG_LEVEL_DEBUG);
    ck_assert(load_one("--loglevel", "notice"));
    ck_assert_int_eq(config_log_level(&cfg), LOG_LEVEL_INFO);
    ck_assert(load_one("--loglevel", "warning"));
    ck_assert_int_eq(config_log_level(&cfg), LOG_LEVEL_WARN);
    ck_assert(!load_one("--loglevel", "loud"));
}
END_TEST

START_TEST(the_metrics_listener_takes_addresses_and_paths)
{
    ck_assert(load_one("--metrics-bind", "127.0.0.1 ::1 /run/metrics.sock"));
    ck_assert(load_one("--metrics-bind", "* ::* -::1"));
    ck_assert(load_one("--metrics-bind", ""));
    ck_assert_uint_eq(config_metrics_fds(&cfg), 0);
    ck_assert(load_one("--metrics-port", "9121"));
    ck_assert_uint_gt(config_metrics_fds(&cfg), WEB_MAX_OPEN);
    ck_assert(!load_one("--metrics-bind", "localhost"));
    assert_complains("numeric addresses");
    ck_assert(!load_one("--metrics-bind", "127.0.0.1 relative/path"));
    buf_free(&err);
    ck_assert(!load_one("--metrics-bind",
        "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
        "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
        "1.1.1.1"));
    assert_complains("too many");
}
END_TEST

START_TEST(tls_directives_are_for_a_build_with_tls)
{
    ck_assert(load_one("--tls-port", "0"));
    ck_assert_int_eq(load_one("--tls-port", "7003"), TLS_BUILT);
    ck_assert_int_eq(
        load_one("--tls-protocols", "tlsv1.2  TLSv1.3"), TLS_BUILT);
    if (!TLS_BUILT)
        assert_complains("without TLS");
    ck_assert(!load_one("--tls-protocols", "TLSv1.2 SSLv3"));
    assert_complains(TLS_BUILT ? "TLSv1.2" : "without TLS");
}
END_TEST

START_TEST(a_tls_port_is_somewhere_to_listen)
{
    const char *argv[] = {"--port", "0", "--tls-port", "7003"};

    ck_assert_int_eq(load(4, argv), TLS_BUILT);
}
END_TEST

START_TEST(a_secret_is_not_in_a_complaint)
{
    const char *argv[] = {
        "--tls-key-file-pass", "hunter2", "extra", "--timeout", "soon"};

    ck_assert(!load(5, argv));
    buf_append(&err, "", 1);
    ck_assert_ptr_null(strstr(err.p, "hunter2"));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_defaults_are_a_configuration);
    tcase_add_test(t, the_arguments_go_before_the_file);
    tcase_add_test(t, an_error_names_file_line_and_directive);
    tcase_add_test(t, workers_are_auto_or_a_number);
    tcase_add_test(t, only_the_output_limit_of_normal_clients_counts);
    tcase_add_test(t, a_malformed_output_limit_is_refused);
    tcase_add_test(t, too_little_memory_is_refused);
    tcase_add_test(t, somewhere_to_listen_is_needed);
    tcase_add_test(t, two_ports_are_two);
    tcase_add_test(t, a_unix_path_that_the_system_cannot_hold_is_refused);
    tcase_add_test(t, log_levels_have_the_names_of_redis);
    tcase_add_test(t, the_metrics_listener_takes_addresses_and_paths);
    tcase_add_test(t, tls_directives_are_for_a_build_with_tls);
    tcase_add_test(t, a_tls_port_is_somewhere_to_listen);
    tcase_add_test(t, a_secret_is_not_in_a_complaint);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
