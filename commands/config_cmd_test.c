/* SPDX-License-Identifier: BSD-3-Clause */
/* config_cmd_test.c - the subcommands of CONFIG, to the byte of the reply. */
#include "commands/fixture.h"
#include "commands/internal.h"

#define SYNTAX "-ERR syntax error\r\n"
#define FAILED(name, reason)                                                   \
    "-ERR CONFIG SET failed (possibly related to argument '" name              \
    "') - " reason "\r\n"

/* ---- GET ----------------------------------------------------------------- */

START_TEST(get_returns_pairs_of_name_and_value)
{
    RUN(h, "*2\r\n$9\r\ndatabases\r\n$2\r\n16\r\n", "CONFIG", "GET",
        "databases");
    /* as it was written, but for a pattern */
    RUN(h, "*2\r\n$16\r\nMaxMemory-Policy\r\n$11\r\nallkeys-lru\r\n", "CONFIG",
        "GET", "MaxMemory-Policy");
    RUN(h, "*2\r\n$16\r\nmaxmemory-policy\r\n$11\r\nallkeys-lru\r\n", "CONFIG",
        "GET", "MaxMemory-Polic?");
    RUN(h, "*0\r\n", "CONFIG", "GET", "foo");
}
END_TEST

START_TEST(a_start_only_directive_can_be_set_to_what_it_is)
{
    RUN(h, "+OK\r\n", "CONFIG", "SET", "databases", "16");
    RUN(h, FAILED("databases", "can't set immutable config"), "CONFIG", "SET",
        "databases", "15");
    h->refuse_option = "slowlog_max_len";
    RUN(h, FAILED("slowlog-max-len", "the host does not want it"), "CONFIG",
        "SET", "databases", "16", "slowlog-log-slower-than", "7",
        "slowlog-max-len", "9");
    RUN(h, "*2\r\n$23\r\nslowlog-log-slower-than\r\n$5\r\n10000\r\n", "CONFIG",
        "GET", "slowlog-log-slower-than");
}
END_TEST

START_TEST(get_returns_a_map_in_resp3)
{
    harness_protocol(h, 3);
    RUN(h, "%1\r\n$9\r\ndatabases\r\n$2\r\n16\r\n", "CONFIG", "GET",
        "databases");
    RUN(h, "%0\r\n", "CONFIG", "GET", "foo");
}
END_TEST

START_TEST(get_takes_patterns_and_shows_each_directive_once)
{
    RUN(h,
        "*4\r\n$16\r\nmaxmemory-policy\r\n$11\r\nallkeys-lru\r\n"
        "$9\r\ndatabases\r\n$2\r\n16\r\n",
        "CONFIG", "GET", "data*", "*policy", "databases", "max*-p*");
}
END_TEST

START_TEST(get_all_lists_every_directive)
{
    const char *reply = SAY(h, "CONFIG", "GET", "*");

    ck_assert_ptr_nonnull(strstr(reply, "\r\nmaxmemory\r\n"));
    ck_assert_ptr_nonnull(strstr(reply, "\r\nlarge-value-threshold\r\n"));
    ck_assert_ptr_nonnull(strstr(reply, "\r\nrequirepass\r\n"));
}
END_TEST

START_TEST(a_secret_is_not_shown)
{
    RUN(h, "+OK\r\n", "CONFIG", "SET", "requirepass", "hush");
    RUN(h, "*2\r\n$11\r\nrequirepass\r\n$0\r\n\r\n", "CONFIG", "GET",
        "requirepass");
    ck_assert_ptr_null(strstr(SAY(h, "CONFIG", "GET", "*"), "hush"));
}
END_TEST

/* ---- SET ----------------------------------------------------------------- */

START_TEST(set_changes_directives_and_tells_the_host)
{
    RUN(h, "+OK\r\n", "CONFIG", "SET", "maxmemory-policy", "noeviction",
        "eviction-weight", "sqrt");
    ck_assert_int_eq(h->keyspace_options.maxmemory_policy, KS_NOEVICTION);
    ck_assert_int_eq(h->keyspace_options.eviction_weight, 1);
    ck_assert_int_eq(h->n_options_changed, 2);
}
END_TEST

START_TEST(set_reads_units)
{
    RUN(h, "+OK\r\n", "CONFIG", "SET", "maxmemory", "100mb");
    RUN(h, "*2\r\n$9\r\nmaxmemory\r\n$9\r\n104857600\r\n", "CONFIG", "GET",
        "maxmemory");
}
END_TEST

START_TEST(a_limit_of_memory_shows_in_bytes)
{
    RUN(h, "*2\r\n$9\r\nmaxmemory\r\n$8\r\n67108864\r\n", "CONFIG", "GET",
        "maxmemory");
    RUN(h, "+OK\r\n", "CONFIG", "SET", "maxmemory", "50%");
    ck_assert_int_eq(h->slab_options.maxmemory, -50);
    ck_assert_ptr_null(strchr(SAY(h, "CONFIG", "GET", "maxmemory"), '%'));
}
END_TEST

START_TEST(set_of_an_unknown_name_changes_nothing)
{
    RUN(h,
        "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'"
        "\r\n",
        "CONFIG", "SET", "maxmemory-policy", "noeviction", "foo", "1");
    ck_assert_int_eq(h->keyspace_options.maxmemory_policy, KS_ALLKEYS_LRU);
    ck_assert_int_eq(h->n_options_changed, 0);
}
END_TEST

START_TEST(set_refuses_directives_of_the_start_and_repetitions)
{
    RUN(h, FAILED("databases", "can't set immutable config"), "CONFIG", "SET",
        "databases", "4");
    RUN(h, FAILED("maxmemory", "duplicate parameter"), "CONFIG", "SET",
        "maxmemory", "1mb", "MAXMEMORY", "2mb");
    ck_assert_int_eq(h->n_options_changed, 0);
}
END_TEST

START_TEST(set_needs_pairs)
{
    RUN(h, SYNTAX, "CONFIG", "SET", "maxmemory", "1mb", "databases");
    RUN(h, "-ERR wrong number of arguments for 'config|set' command\r\n",
        "CONFIG", "SET", "maxmemory");
}
END_TEST

START_TEST(a_bad_value_takes_the_values_before_it_back)
{
    const char *reply = SAY(h, "CONFIG", "SET", "maxmemory-policy",
        "noeviction", "maxmemory", "lots");

    ck_assert(strncmp(reply,
                  "-ERR CONFIG SET failed (possibly related to argument "
                  "'maxmemory') - ",
                  68) == 0);
    ck_assert_int_eq(h->keyspace_options.maxmemory_policy, KS_ALLKEYS_LRU);
    ck_assert_int_eq(h->n_options_changed, 0); /* nothing came into effect */
}
END_TEST

START_TEST(more_than_all_the_memory_is_refused_in_the_words_of_redis)
{
    RUN(h,
        FAILED("maxmemory", "percentage argument must be less or equal to 100"),
        "CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "101%");
    ck_assert_int_eq(h->keyspace_options.maxmemory_policy, KS_ALLKEYS_LRU);
    RUN(h, "+OK\r\n", "CONFIG", "SET", "maxmemory", "100%");
}
END_TEST

START_TEST(a_refusal_of_the_host_takes_all_values_back)
{
    h->refuse_option = "eviction_weight";
    RUN(h, FAILED("eviction-weight", "the host does not want it"), "CONFIG",
        "SET", "maxmemory-policy", "noeviction", "eviction-weight", "sqrt");
    ck_assert_int_eq(h->keyspace_options.maxmemory_policy, KS_ALLKEYS_LRU);
    /* once for the new value, for the refused one, for the former */
    ck_assert_int_eq(h->n_options_changed, 3);
    RUN(h, "*2\r\n$15\r\neviction-weight\r\n$5\r\nbytes\r\n", "CONFIG", "GET",
        "eviction-weight");
}
END_TEST

START_TEST(a_value_with_a_nul_byte_is_refused)
{
    const struct str words[] = {
        STR("CONFIG"), STR("SET"), STR("requirepass"), STR("a\0b")};

    ck_assert_str_eq(harness_run(h, words, 4),
        FAILED("requirepass", "the value holds a NUL byte"));
}
END_TEST

START_TEST(a_password_can_be_set_and_cleared)
{
    RUN(h, "+OK\r\n", "CONFIG", "SET", "requirepass", "pass word");
    harness_connect(h);
    RUN(h, "-NOAUTH Authentication required.\r\n", "PING");
    RUN(h, "+OK\r\n", "AUTH", "pass word");
    RUN(h, "+OK\r\n", "CONFIG", "SET", "requirepass", "");
    harness_connect(h);
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

/* ---- RESETSTAT, REWRITE -------------------------------------------------- */

START_TEST(resetstat_starts_the_counters_anew)
{
    const char *info;

    SAY(h, "SET", "a", "1");
    SAY(h, "GET", "a");
    SAY(h, "GET", "b");
    RUN(h, "+OK\r\n", "CONFIG", "RESETSTAT");
    ck_assert_int_eq(h->n_stats_resets, 1);
    SAY(h, "GET", "a");
    info = SAY(h, "INFO", "stats", "commandstats");
    ck_assert_ptr_nonnull(strstr(info, "\nkeyspace_hits:1\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "\nkeyspace_misses:0\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "\ntotal_commands_processed:2\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "\ncmdstat_get:calls=1,"));
    ck_assert_ptr_null(strstr(info, "\ncmdstat_set:"));
}
END_TEST

START_TEST(rewrite_says_why_it_does_nothing)
{
    RUN(h, "-ERR The server is running without a config file\r\n", "CONFIG",
        "REWRITE");
    h->commands.config_file = "/nonexistent/ashlar.conf";
    RUN(h,
        "-ERR Rewriting config file: /nonexistent/ashlar.conf: "
        "No such file or directory\r\n",
        "CONFIG", "REWRITE");
}
END_TEST

HARNESS_MAIN("config", start, stop, get_returns_pairs_of_name_and_value,
    a_start_only_directive_can_be_set_to_what_it_is, get_returns_a_map_in_resp3,
    get_takes_patterns_and_shows_each_directive_once,
    get_all_lists_every_directive, a_secret_is_not_shown,
    set_changes_directives_and_tells_the_host, set_reads_units,
    a_limit_of_memory_shows_in_bytes, set_of_an_unknown_name_changes_nothing,
    set_refuses_directives_of_the_start_and_repetitions, set_needs_pairs,
    a_bad_value_takes_the_values_before_it_back,
    more_than_all_the_memory_is_refused_in_the_words_of_redis,
    a_refusal_of_the_host_takes_all_values_back,
    a_value_with_a_nul_byte_is_refused, a_password_can_be_set_and_cleared,
    resetstat_starts_the_counters_anew, rewrite_says_why_it_does_nothing)
