/* SPDX-License-Identifier: BSD-3-Clause */
/* info_test.c - INFO and MEMORY: sections, formats, and figures that are
 * true. */
#include "commands/fixture.h"
#include "commands/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The number after "\nname:" in a reply of INFO. */
static long long
field(const char *info, const char *name)
{
    char line[100];
    const char *found;

    snprintf(line, sizeof(line), "\n%s:", name);
    found = strstr(info, line);
    ck_assert_msg(found != NULL, "no field %s", name);
    return atoll(found + strlen(line));
}

/* Of Redis 7.0.15, all but those of what other commands track. */
static const char *const redis_fields[] = {"redis_version", "redis_git_sha1",
    "redis_build_id", "redis_mode", "os", "arch_bits", "monotonic_clock",
    "multiplexing_api", "gcc_version", "process_id", "run_id",
    "server_time_usec", "uptime_in_seconds", "lru_clock", "blocked_clients",
    "client_recent_max_input_buffer", "used_memory", "used_memory_human",
    "used_memory_peak_perc", "allocator_frag_ratio", "allocator_frag_bytes",
    "allocator_rss_ratio", "allocator_rss_bytes", "rss_overhead_ratio",
    "rss_overhead_bytes", "mem_fragmentation_ratio", "used_memory_lua",
    "used_memory_scripts_human", "number_of_functions", "lazyfreed_objects",
    "rdb_saves", "aof_rewrites", "current_fork_perc", "evicted_clients",
    "total_forks", "migrate_cached_sockets", "expired_stale_perc",
    "reply_buffer_expands", "active_defrag_key_misses", "master_replid2",
    "second_repl_offset", "repl_backlog_histlen", "cluster_enabled"};

START_TEST(info_has_the_fields_that_exporters_read)
{
    const char *info = SAY(h, "INFO", "ALL");
    char line[100];

    for (size_t i = 0; i < ARRAY_LEN(redis_fields); i++) {
        const char *found;

        snprintf(line, sizeof(line), "\n%s:", redis_fields[i]);
        found = strstr(info, line);
        ck_assert_msg(found != NULL, "no field %s", redis_fields[i]);
        ck_assert_msg(
            strstr(found + 1, line) == NULL, "%s twice", redis_fields[i]);
    }
    ck_assert_ptr_null(strstr(info, " \r\n"));
}
END_TEST

START_TEST(latencystats_tell_percentiles_of_measured_commands)
{
    const char *info;

    RUN(h, "$-1\r\n", "GET", "k");
    (void)SAY(h, "CONFIG", "GET", "x"); /* always measured */
    info = SAY(h, "INFO", "LATENCYSTATS");
    ck_assert_ptr_nonnull(strstr(info, "\r\n# Latencystats\r\n"));
    ck_assert_ptr_nonnull(
        strstr(info, "\nlatency_percentiles_usec_config|get:p50="));
    ck_assert_ptr_null(strstr(SAY(h, "INFO"), "latency_percentiles_usec"));
}
END_TEST

/* The number after bulk `name` in a map. */
static long long
figure(const char *map, const char *name)
{
    char bulk[100];
    const char *found;

    snprintf(bulk, sizeof(bulk), "$%zu\r\n%s\r\n:", strlen(name), name);
    found = strstr(map, bulk);
    ck_assert_msg(found != NULL, "no figure %s", name);
    return atoll(found + strlen(bulk));
}

/* ---- sections ------------------------------------------------------------ */

START_TEST(info_shows_the_default_sections)
{
    const char *info = SAY(h, "INFO");

    ck_assert_int_eq(info[0], '$');
    ck_assert_ptr_nonnull(strstr(info,
        "\r\n# Server\r\nredis_version:7.0.15"
        "\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "\r\n\r\n# Clients\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "\r\n\r\n# Keyspace\r\n"));
    ck_assert_ptr_null(strstr(info, "# Commandstats"));
    ck_assert_ptr_nonnull(strstr(SAY(h, "INFO", "all"), "# Commandstats"));
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "INFO", "everything"), "# Commandstats"));
    ck_assert_ptr_null(strstr(SAY(h, "INFO", "default"), "# Commandstats"));
}
END_TEST

START_TEST(info_shows_the_sections_asked_for)
{
    const char *info = SAY(h, "INFO", "Replication", "cluster");

    ck_assert_ptr_nonnull(strstr(info,
        "# Replication\r\nrole:master\r\n"
        "connected_slaves:0\r\n"));
    ck_assert_ptr_nonnull(
        strstr(info, "\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n"));
    ck_assert_ptr_null(strstr(info, "# Server"));
    RUN(h, "$0\r\n\r\n", "INFO", "nonsense");
    RUN(h, "$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n", "INFO", "cluster",
        "cluster");
}
END_TEST

START_TEST(info_is_a_verbatim_text_in_resp3)
{
    harness_protocol(h, 3);
    RUN(h, "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n", "INFO",
        "cluster");
}
END_TEST

START_TEST(every_line_is_a_title_a_field_or_empty)
{
    const char *line = strchr(SAY(h, "INFO", "everything"), '\n') + 1;
    char last = '\0';

    while (*line != '\0' && strcmp(line, "\r\n") != 0) {
        const char *end = strstr(line, "\r\n");

        ck_assert_ptr_nonnull(end);
        if (line[0] == '#')
            ck_assert(last == '\r' || last == '\0');
        else if (end > line)
            ck_assert_ptr_nonnull(memchr(line, ':', (size_t)(end - line)));
        last = line[0];
        line = end + 2;
    }
}
END_TEST

START_TEST(the_host_adds_its_lines)
{
    ck_assert_int_eq(field(SAY(h, "INFO", "clients"), "connected_clients"), 1);
}
END_TEST

/* ---- figures ------------------------------------------------------------- */

START_TEST(server_tells_process_and_uptime)
{
    const char *info;

    clock_fake(h->commands.started_wall_ms);
    h->commands.started_mono_us = clock_mono_us();
    clock_fake(h->commands.started_wall_ms + 90061000);
    info = SAY(h, "INFO", "server");
    ck_assert_int_eq(field(info, "process_id"), getpid());
    ck_assert_int_eq(field(info, "uptime_in_seconds"), 90061);
    ck_assert_int_eq(field(info, "uptime_in_days"), 1);
    ck_assert_ptr_nonnull(strstr(info, h->commands.run_id));
    ck_assert_uint_eq(strlen(h->commands.run_id), 40);
    clock_unfake();
}
END_TEST

START_TEST(learned_key_templates_are_shown)
{
    const char *info;
    long long bytes;
    char name[40];

    info = SAY(h, "INFO", "memory");
    ck_assert_int_eq(field(info, "key_templates"), 0);
    bytes = field(info, "key_template_bytes");
    for (int n = 0; n < 1000; n++) {
        snprintf(name, sizeof(name), "user:%010d:profile", n);
        RUN(h, "+OK\r\n", "SET", name, "v");
    }
    info = SAY(h, "INFO", "memory");
    ck_assert_int_eq(field(info, "key_templates"), 1);
    ck_assert_int_eq(field(info, "key_template_bytes"), bytes + 128);
}
END_TEST

START_TEST(hits_and_misses_are_counted)
{
    const char *info;

    SAY(h, "SET", "a", "1");
    SAY(h, "GET", "a");
    SAY(h, "MGET", "a", "b", "c");
    info = SAY(h, "INFO", "stats");
    ck_assert_int_eq(field(info, "keyspace_hits"), 2);
    ck_assert_int_eq(field(info, "keyspace_misses"), 2);
    ck_assert_int_eq(field(info, "keyspace_inserts"), 1);
}
END_TEST

START_TEST(keyspace_lists_databases_with_keys)
{
    RUN(h, "$12\r\n# Keyspace\r\n\r\n", "INFO", "keyspace");
    SAY(h, "SET", "a", "1");
    SAY(h, "SET", "b", "1", "EX", "100");
    SAY(h, "SELECT", "7");
    SAY(h, "SET", "a", "1");
    RUN(h,
        "$76\r\n# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\n"
        "db7:keys=1,expires=0,avg_ttl=0\r\n\r\n",
        "INFO", "keyspace");
}
END_TEST

START_TEST(memory_in_use_grows_with_values)
{
    size_t len = 5 * MIB;
    char *value = xcalloc(1, len);
    const char *words[] = {"SET", "big"};
    long long before, used;
    const char *info;

    before = field(SAY(h, "INFO", "memory"), "used_memory");
    harness_say_extent(h, words, 2, (struct str){value, len});
    info = SAY(h, "INFO", "memory");
    used = field(info, "used_memory");
    ck_assert_int_ge(used - before, (long long)len);
    ck_assert_int_eq(used, (long long)slab_used(h->slab));
    ck_assert_int_eq(field(info, "maxmemory"), (long long)(64 * MIB));
    ck_assert_int_gt(field(info, "used_memory_rss"), (long long)len);
    ck_assert_int_ge(field(info, "used_memory_peak"), used);
    ck_assert_int_ge(field(info, "extent_live_bytes"), (long long)len);
    ck_assert_ptr_nonnull(strstr(info, "\nmaxmemory_human:64.00M\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "\nmaxmemory_policy:allkeys-lru\r\n"));
    free(value);
}
END_TEST

/* ---- MEMORY -------------------------------------------------------------- */

START_TEST(usage_of_a_key_covers_its_value)
{
    char value[1001];
    long long small, large;

    memset(value, 'v', 1000);
    value[1000] = '\0';
    SAY(h, "SET", "s", "1");
    SAY(h, "SET", "l", value);
    small = atoll(SAY(h, "MEMORY", "USAGE", "s") + 1);
    large = atoll(SAY(h, "MEMORY", "USAGE", "l", "SAMPLES", "0") + 1);
    ck_assert_int_gt(small, 0);
    ck_assert_int_lt(small, 100);
    ck_assert_int_ge(large, 1000);
    ck_assert_int_lt(large, 1200);
    RUN(h, "$-1\r\n", "MEMORY", "USAGE", "none");
    harness_protocol(h, 3);
    RUN(h, "_\r\n", "MEMORY", "USAGE", "none");
}
END_TEST

START_TEST(usage_reads_its_samples)
{
    RUN(h, "-ERR syntax error\r\n", "MEMORY", "USAGE", "k", "SAMPLES");
    RUN(h, "-ERR syntax error\r\n", "MEMORY", "USAGE", "k", "foo", "1");
    RUN(h, "-ERR syntax error\r\n", "MEMORY", "USAGE", "k", "SAMPLES", "-1");
    RUN(h, "-ERR value is not an integer or out of range\r\n", "MEMORY",
        "USAGE", "k", "SAMPLES", "x");
}
END_TEST

START_TEST(stats_is_a_map_of_figures)
{
    const char *stats;

    SAY(h, "SET", "a", "1");
    stats = SAY(h, "MEMORY", "STATS");
    ck_assert_int_eq(stats[0], '*');
    ck_assert_int_eq(figure(stats, "keys.count"), 1);
    ck_assert_int_eq(figure(stats, "limit.bytes"), (long long)(64 * MIB));
    ck_assert_int_gt(figure(stats, "slab.pages.bytes"), 0);
    ck_assert_int_gt(figure(stats, "index.bytes"), 0);
    harness_protocol(h, 3);
    stats = SAY(h, "MEMORY", "STATS");
    ck_assert_int_eq(stats[0], '%');
    ck_assert_ptr_nonnull(strstr(stats, "$18\r\ndataset.percentage\r\n,"));
}
END_TEST

START_TEST(the_parts_of_used_memory_add_up)
{
    const char *stats;

    for (int i = 0; i < 1000; i++) {
        char key[20];

        snprintf(key, sizeof(key), "key:%d", i);
        SAY(h, "SET", key, "some value");
    }
    stats = SAY(h, "MEMORY", "STATS");
    ck_assert_int_eq(figure(stats, "slab.pages.bytes") +
            figure(stats, "slab.pages.free-bytes") +
            figure(stats, "slab.tables.bytes") +
            figure(stats, "extents.live-bytes") +
            figure(stats, "extents.warm-bytes") + figure(stats, "other.bytes"),
        figure(stats, "total.allocated"));
    ck_assert_int_eq(
        figure(stats, "overhead.total") + figure(stats, "dataset.bytes"),
        figure(stats, "total.allocated"));
}
END_TEST

START_TEST(malloc_stats_lists_classes_in_use)
{
    const char *text;

    SAY(h, "SET", "a", "1");
    text = SAY(h, "MEMORY", "MALLOC-STATS");
    ck_assert_ptr_nonnull(strstr(text, "     chunk       page      pages"));
    ck_assert_ptr_nonnull(strchr(strchr(text, '\n') + 1, '\n'));
}
END_TEST

START_TEST(doctor_speaks_of_refused_writes)
{
    char value[8000];

    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    RUN(h, "+OK\r\n", "MEMORY", "PURGE");
    SAY(h, "CONFIG", "SET", "maxmemory-policy", "noeviction");
    slab_set_limit(h->slab, slab_used(h->slab));
    for (int i = 0; i < 1000; i++) {
        char key[20];

        snprintf(key, sizeof(key), "key:%d", i);
        if (SAY(h, "SET", key, value)[0] == '-')
            break;
    }
    ck_assert_str_eq(h->flat.p,
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "MEMORY", "DOCTOR"), "writes were refused"));
}
END_TEST

HARNESS_MAIN("info", start, stop, info_has_the_fields_that_exporters_read,
    latencystats_tell_percentiles_of_measured_commands,
    info_shows_the_default_sections, info_shows_the_sections_asked_for,
    info_is_a_verbatim_text_in_resp3, every_line_is_a_title_a_field_or_empty,
    the_host_adds_its_lines, learned_key_templates_are_shown,
    server_tells_process_and_uptime, hits_and_misses_are_counted,
    keyspace_lists_databases_with_keys, memory_in_use_grows_with_values,
    usage_of_a_key_covers_its_value, usage_reads_its_samples,
    stats_is_a_map_of_figures, the_parts_of_used_memory_add_up,
    malloc_stats_lists_classes_in_use, doctor_speaks_of_refused_writes)
