/* SPDX-License-Identifier: BSD-3-Clause */
/* info.c - INFO: sections of "name:value" lines, with Redis' names.
 *
 * All fields of Redis are there; those that mean nothing here (info_idle.c)
 * have their idle value. The host adds what only the daemon knows. Any worker.
 */
#include "commands/script.h"
#include "commands/pubsub.h"
#include "commands/tracking.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- lines --------------------------------------------------------------- */

static void
line_u64(struct buf *out, const char *name, uint64_t v)
{
    buf_printf(out, "%s:%llu\r\n", name, (unsigned long long)v);
}

static void
line_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "%s:%s\r\n", name, text);
}

/* "name:v" and "name_human:1.50M". */
static void
line_bytes(struct buf *out, const char *name, size_t v)
{
    static const char units[] = "BKMGTP";
    double scaled = (double)v;
    size_t unit = 0;

    line_u64(out, name, v);
    while (scaled >= 1024 && unit < sizeof(units) - 2) {
        scaled /= 1024;
        unit++;
    }
    buf_printf(out, "%s_human:%.*f%c\r\n", name, unit == 0 ? 0 : 2, scaled,
        units[unit]);
}

/* "name_ratio:1.50" and "name_bytes", the difference. */
static void
line_ratio(struct buf *out, const char *name, size_t whole, size_t part)
{
    buf_printf(out, "%s_ratio:%.2f\r\n%s_bytes:%lld\r\n", name,
        memory_ratio(whole, part), name, (long long)whole - (long long)part);
}

static void
line_percent(struct buf *out, const char *name, size_t part, size_t whole)
{
    buf_printf(out, "%s:%.2f%%\r\n", name,
        whole == 0 ? 0.0 : 100.0 * (double)part / (double)whole);
}

/* The text of a directive, whatever module it belongs to. */
static void
line_option(
    struct commands *c, struct buf *out, const char *field, const char *option)
{
    const struct option *row =
        c->options == NULL ? NULL : options_find(c->options, str_of(option));

    if (row == NULL)
        return;
    buf_printf(out, "%s:", field);
    options_print(c->options, row, out);
    buf_append(out, "\r\n", 2);
}

/* Without a plain port, that of TLS. */
static void
line_port(struct commands *c, struct buf *out)
{
    const struct option *port =
        c->options == NULL ? NULL : options_find(c->options, STR("port"));
    struct buf text = {0};

    if (port != NULL)
        options_print(c->options, port, &text);
    line_option(c, out, "tcp_port",
        text.len == 1 && text.p[0] == '0' ? "tls-port" : "port");
    buf_free(&text);
}

/* ---- sections ------------------------------------------------------------ */

static void
section_server(struct commands *c, struct buf *out)
{
    struct utsname os;
    uint64_t now_ms = clock_wall_ms();
    uint64_t now_us = clock_mono_us();
    uint64_t up_s = (now_us - MIN(now_us, c->started_mono_us)) / 1000000;

    ASSERT(uname(&os) == 0);
    line_text(out, "redis_version", REDIS_VERSION);
    line_text(out, "redis_mode", "standalone");
    line_text(out, "ashlar_version", PACKAGE_VERSION);
    buf_printf(out, "os:%s %s %s\r\n", os.sysname, os.release, os.machine);
    line_u64(out, "arch_bits", 8 * sizeof(void *));
    line_u64(out, "process_id", (uint64_t)getpid());
    line_text(out, "run_id", c->run_id);
    line_text(out, "multiplexing_api",
        c->multiplexing_api != NULL ? c->multiplexing_api : "epoll");
    line_text(out, "monotonic_clock", "POSIX clock_gettime");
    line_text(out, "gcc_version", __VERSION__);
    line_option(c, out, "hz", "hz");
    line_option(c, out, "configured_hz", "hz");
    line_u64(out, "lru_clock", now_ms / 1000 & 0xffffff);
    line_port(c, out);
    line_u64(out, "server_time_usec", now_ms * 1000);
    line_u64(out, "uptime_in_seconds", up_s);
    line_u64(out, "uptime_in_days", up_s / 86400);
    line_text(out, "config_file", c->config_file);
}

static void
section_clients(struct commands *c, struct buf *out)
{
    struct tracking_counts tracking;

    line_u64(out, "cluster_connections", 0);
    line_u64(out, "pubsub_clients", pubsub_clients(c->state->pubsub));
    line_u64(out, "blocked_clients", c->n_waiting);
    tracking_counts(c->state->tracking, &tracking);
    line_u64(out, "tracking_clients", tracking.clients);
    line_u64(out, "clients_in_timeout_table", 0);
}

static void
lines_scripts(struct commands *c, struct buf *out)
{
    struct scripts_memory m;

    scripts_memory(c->state->scripts, &m);
    line_u64(out, "used_memory_vm_eval", m.lua);
    line_bytes(out, "used_memory_lua", m.lua);
    line_u64(out, "used_memory_scripts_eval", m.texts);
    line_u64(out, "number_of_cached_scripts", m.n_texts);
    line_bytes(out, "used_memory_vm_total", m.lua);
    line_bytes(out, "used_memory_scripts", m.lua + m.texts);
}

/* What Redis has its allocator say. */
static void
lines_allocator(const struct memory_report *m, struct buf *out)
{
    line_ratio(out, "allocator_frag", m->active, m->allocated);
    line_ratio(out, "allocator_rss", m->resident, m->active);
    line_ratio(out, "rss_overhead", m->rss, m->resident);
    buf_printf(out, "mem_fragmentation_ratio:%.2f\r\n",
        memory_ratio(m->rss, m->slab.used));
    buf_printf(out, "mem_fragmentation_bytes:%lld\r\n",
        (long long)m->rss - (long long)m->slab.used);
}

/* What Redis does not have. */
static void
lines_parts(const struct memory_report *m, struct buf *out)
{
#define LINE(name, text) line_u64(out, "used_by_" #name, m->parts.name);
    MEMORY_PARTS(LINE)
#undef LINE
    line_u64(out, "slab_page_bytes", m->slab.page_bytes);
    line_u64(out, "slab_page_free_bytes", m->slab.page_free_bytes);
    line_u64(out, "slab_chunk_live_bytes", m->slab.chunk_live_bytes);
    line_u64(out, "slab_chunk_free_bytes", m->slab.chunk_free_bytes);
    line_u64(out, "slab_magazine_bytes", m->slab.magazine_bytes);
    line_u64(out, "slab_table_bytes", m->slab.table_bytes);
    line_u64(out, "extent_live_bytes", m->slab.extent_live_bytes);
    line_u64(out, "extent_warm_bytes", m->slab.extent_warm_bytes);
    line_u64(out, "index_bytes", m->ks.index_bytes);
    line_u64(out, "key_templates", m->ks.templates);
    line_u64(out, "key_template_bytes", m->ks.template_bytes);
    line_u64(out, "dead_item_bytes", m->ks.dead_bytes);
}

static void
section_memory(struct commands *c, struct buf *out)
{
    struct memory_report m;

    memory_report(c, &m);
    line_bytes(out, "used_memory", m.slab.used);
    line_bytes(out, "used_memory_rss", m.rss);
    line_bytes(out, "used_memory_peak", m.peak);
    line_percent(out, "used_memory_peak_perc", m.slab.used, m.peak);
    line_u64(out, "used_memory_overhead", m.overhead);
    line_u64(out, "used_memory_startup", m.ks.fixed_bytes);
    line_u64(out, "used_memory_dataset", m.slab.used - m.overhead);
    line_percent(
        out, "used_memory_dataset_perc", m.slab.used - m.overhead, m.slab.used);
    line_u64(out, "allocator_allocated", m.allocated);
    line_u64(out, "allocator_active", m.active);
    line_u64(out, "allocator_resident", m.resident);
    line_bytes(out, "total_system_memory", m.system);
    line_bytes(out, "maxmemory", m.slab.limit);
    line_option(c, out, "maxmemory_policy", "maxmemory-policy");
    lines_allocator(&m, out);
    line_u64(out, "mem_not_counted_for_evict", 0);
    line_u64(out, "mem_replication_backlog", 0);
    line_u64(out, "mem_clients_slaves", 0);
    line_u64(out, "mem_aof_buffer", 0);
    line_text(out, "mem_allocator", "ashlar-slab");
    lines_scripts(c, out);
    line_u64(out, "active_defrag_running", 0);
    line_u64(out, "lazyfree_pending_objects", 0);
    lines_parts(&m, out);
}

static void
section_persistence(struct commands *c, struct buf *out)
{
    line_u64(out, "loading", 0);
    line_u64(out, "async_loading", 0);
    line_u64(out, "rdb_changes_since_last_save", 0);
    line_u64(out, "rdb_bgsave_in_progress", 0);
    line_u64(out, "rdb_last_save_time", c->started_wall_ms / 1000);
    line_text(out, "rdb_last_bgsave_status", "ok");
    line_text(out, "rdb_last_bgsave_time_sec", "-1");
    line_text(out, "rdb_current_bgsave_time_sec", "-1");
    line_u64(out, "aof_enabled", 0);
    line_u64(out, "aof_rewrite_in_progress", 0);
    line_u64(out, "aof_rewrite_scheduled", 0);
    line_text(out, "aof_last_rewrite_time_sec", "-1");
    line_text(out, "aof_current_rewrite_time_sec", "-1");
    line_text(out, "aof_last_bgrewrite_status", "ok");
    line_text(out, "aof_last_write_status", "ok");
}

static void
lines_commands(struct commands *c, struct buf *out)
{
    struct command_metrics commands;

    command_metrics_sum(c, &commands);
    line_u64(out, "total_commands_processed", commands.commands);
    line_u64(out, "total_error_replies", commands.errors);
    line_u64(out, "protocol_errors", commands.protocol_errors);
    line_u64(out, "acl_access_denied_auth", commands.auth_failures);
    line_u64(out, "acl_access_denied_cmd", commands.acl_denied_commands);
    line_u64(out, "acl_access_denied_key", commands.acl_denied_keys);
    line_u64(out, "acl_access_denied_channel", commands.acl_denied_channels);
}

static void
lines_keyspace(struct commands *c, struct buf *out)
{
    struct ks_metrics ks;

    ks_metrics(c->ks, &ks);
    line_u64(out, "expired_keys", ks.expired);
    line_u64(out, "expired_late_ms", ks.expired_late);
    line_u64(out, "evicted_keys", ks.evicted);
    line_u64(out, "evicted_idle_seconds", ks.evicted_idle);
    line_u64(out, "keyspace_hits", ks.hits);
    line_u64(out, "keyspace_misses", ks.misses);
    line_u64(out, "keyspace_inserts", ks.inserts);
    line_u64(out, "keyspace_replaces", ks.replaces);
    line_u64(out, "keyspace_deletes", ks.deletes);
    line_u64(out, "keyspace_moves", ks.moves);
    line_u64(out, "keyspace_read_retries", ks.read_retries);
    line_u64(out, "keyspace_grow_steps", ks.grow_steps);
    line_u64(out, "eviction_failures", ks.eviction_failures);
}

static void
section_stats(struct commands *c, struct buf *out)
{
    struct tracking_counts tracking;

    tracking_counts(c->state->tracking, &tracking);
    lines_commands(c, out);
    lines_keyspace(c, out);
    line_u64(
        out, "pubsub_channels", pubsub_count(c->state->pubsub, CHANNEL_PLAIN));
    line_u64(out, "pubsub_patterns",
        pubsub_count(c->state->pubsub, CHANNEL_PATTERN));
    line_u64(out, "pubsubshard_channels",
        pubsub_count(c->state->pubsub, CHANNEL_SHARD));
    line_u64(out, "tracking_total_keys", tracking.keys);
    line_u64(out, "tracking_total_items", tracking.items);
    line_u64(out, "tracking_total_prefixes", tracking.prefixes);
    line_u64(out, "sync_full", 0);
    line_u64(out, "sync_partial_ok", 0);
    line_u64(out, "sync_partial_err", 0);
    line_u64(out, "latest_fork_usec", 0);
    line_u64(out, "active_defrag_hits", 0);
    line_u64(out, "active_defrag_misses", 0);
}

static void
section_replication(struct commands *c, struct buf *out)
{
    line_text(out, "role", "master");
    line_u64(out, "connected_slaves", 0);
    if (replicas_are_missed(c))
        line_u64(out, "min_slaves_good_slaves", 0);
    line_text(out, "master_failover_state", "no-failover");
    line_text(out, "master_replid", c->run_id);
    line_u64(out, "master_repl_offset", 0);
    line_u64(out, "repl_backlog_active", 0);
}

static void
line_time(struct buf *out, const char *name, struct timeval tv)
{
    buf_printf(out, "%s:%lld.%06lld\r\n", name, (long long)tv.tv_sec,
        (long long)tv.tv_usec);
}

static void
section_cpu(struct commands *c, struct buf *out)
{
    struct rusage self, children;

    (void)c;
    ASSERT(getrusage(RUSAGE_SELF, &self) == 0);
    ASSERT(getrusage(RUSAGE_CHILDREN, &children) == 0);
    line_time(out, "used_cpu_sys", self.ru_stime);
    line_time(out, "used_cpu_user", self.ru_utime);
    line_time(out, "used_cpu_sys_children", children.ru_stime);
    line_time(out, "used_cpu_user_children", children.ru_utime);
}

static void
section_modules(struct commands *c, struct buf *out)
{
    (void)c;
    (void)out;
}

/* The time of all calls is reckoned from those that were measured. */
static void
line_command(
    struct buf *out, const char *name, const struct command_row_stats *row)
{
    double usec_per_call = memory_ratio(row->measured_ns, row->measured) / 1e3;

    buf_printf(out,
        "cmdstat_%s:calls=%llu,usec=%.0f,usec_per_call=%.2f,"
        "rejected_calls=%llu,failed_calls=%llu\r\n",
        name, (unsigned long long)row->calls,
        usec_per_call * (double)row->calls, usec_per_call,
        (unsigned long long)row->rejected, (unsigned long long)row->failed);
}

static void
section_commandstats(struct commands *c, struct buf *out)
{
    struct command_stats *sum = command_stats_sum(c);

    for (size_t i = 0; i < command_table_rows; i++) {
        if (sum->rows[i].calls > 0 || sum->rows[i].rejected > 0)
            line_command(out, command_table[i].name, &sum->rows[i]);
    }
    free(sum);
}

/* The time that a share of the measured calls did not exceed, as far as their
 * buckets tell: the upper end of one, in microseconds. */
static double
percentile_usec(const struct command_row_stats *row, double share)
{
    uint64_t below = 0;
    int i = 0;

    for (; i < STATS_BUCKETS - 1; i++) {
        below += row->histogram[i];
        if ((double)below >= share * (double)row->measured)
            break;
    }
    return (double)(UINT64_C(1024) << i) / 1e3;
}

static void
section_latencystats(struct commands *c, struct buf *out)
{
    struct command_stats *sum = command_stats_sum(c);

    for (size_t i = 0; i < command_table_rows; i++) {
        const struct command_row_stats *row = &sum->rows[i];

        if (row->measured > 0)
            buf_printf(out,
                "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f\r\n",
                command_table[i].name, percentile_usec(row, 0.5),
                percentile_usec(row, 0.99), percentile_usec(row, 0.999));
    }
    free(sum);
}

static void
section_errorstats(struct commands *c, struct buf *out)
{
    struct command_stats *sum = command_stats_sum(c);

    for (int i = 0; i < ERROR_OTHER; i++) {
        if (sum->errors[i] > 0)
            buf_printf(out, "errorstat_%s:count=%llu\r\n",
                error_code_name((enum error_code)i),
                (unsigned long long)sum->errors[i]);
    }
    free(sum);
    other_codes_write(c->state->other_codes, out);
}

static void
section_cluster(struct commands *c, struct buf *out)
{
    (void)c;
    line_u64(out, "cluster_enabled", 0);
}

static void
section_keyspace(struct commands *c, struct buf *out)
{
    for (unsigned db = 0; db < (unsigned)c->values->databases; db++) {
        struct ks_db_stats stats;

        ks_db_stats(c->ks, db, &stats);
        if (stats.items > 0)
            buf_printf(out, "db%u:keys=%llu,expires=%llu,avg_ttl=0\r\n", db,
                (unsigned long long)stats.items,
                (unsigned long long)stats.expires);
    }
}

/* Of all databases; NAMESPACE LIST has the figures. Names may hold any byte, so
 * that only their number stands here. One number a line: exporters do not know
 * the section, and read that of any. */
static void
section_namespaces(struct commands *c, struct buf *out)
{
    for (unsigned db = 0; db < (unsigned)c->values->databases; db++) {
        struct ks_namespace *all;
        size_t n = ks_namespaces(c->ks, db, &all), used = 0;
        uint64_t other = 0, dead = 0;

        for (size_t i = 0; i < n; i++) {
            used += all[i].items > 0 && !all[i].is_other;
            other += all[i].is_other ? all[i].items : 0;
            dead += all[i].dead_bytes;
        }
        free(all);
        if (used > 0 || other > 0 || dead > 0)
            buf_printf(out,
                "db%u_namespaces:%zu\r\ndb%u_other_keys:%llu\r\n"
                "db%u_dead_bytes:%llu\r\n",
                db, used, db, (unsigned long long)other, db,
                (unsigned long long)dead);
    }
}

/* ---- INFO ---------------------------------------------------------------- */

static const struct section {
    const char *name, *title;
    bool by_default;
    void (*print)(struct commands *c, struct buf *out);
} sections[] = {
    {"server", "Server", true, section_server},
    {"clients", "Clients", true, section_clients},
    {"memory", "Memory", true, section_memory},
    {"persistence", "Persistence", true, section_persistence},
    {"stats", "Stats", true, section_stats},
    {"replication", "Replication", true, section_replication},
    {"cpu", "CPU", true, section_cpu},
    {"modules", "Modules", true, section_modules},
    {"commandstats", "Commandstats", false, section_commandstats},
    {"latencystats", "Latencystats", false, section_latencystats},
    {"errorstats", "Errorstats", true, section_errorstats},
    {"cluster", "Cluster", true, section_cluster},
    {"keyspace", "Keyspace", true, section_keyspace},
    {"namespaces", "Namespaces", false, section_namespaces},
};

/* Is the section among the words, or in a set that they name? */
static bool
is_asked_for(const struct request *rq, const struct section *section)
{
    if (rq->argc == 1)
        return section->by_default;
    for (int i = 1; i < rq->argc; i++) {
        if (arg_is(rq, i, section->name) || arg_is(rq, i, "all") ||
            arg_is(rq, i, "everything"))
            return true;
        if (arg_is(rq, i, "default") && section->by_default)
            return true;
    }
    return false;
}

void
cmd_info(struct request *rq)
{
    struct commands *c = rq->thread->commands;
    struct buf out = {0};

    ks_count(rq->thread->ks);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (!is_asked_for(rq, &sections[i]))
            continue;
        buf_printf(
            &out, "%s# %s\r\n", out.len > 0 ? "\r\n" : "", sections[i].title);
        sections[i].print(c, &out);
        c->host.info(c->host.ctx, sections[i].name, &out);
        info_idle_fields(sections[i].name, &out);
    }
    reply_verbatim(
        rq->reply, "txt", (struct str){out.len > 0 ? out.p : "", out.len});
    buf_free(&out);
}
