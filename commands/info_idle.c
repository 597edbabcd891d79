/* SPDX-License-Identifier: BSD-3-Clause */
/* info_idle.c - fields of INFO about what does not exist here: functions,
 * copies on disk, replicas, defragmentation.
 *
 * Exporters and dashboards read them by name and some stop at one that is
 * missing, so they are there, with the value that an idle Redis shows: nothing
 * was ever done. Any thread.
 */
#include "commands/internal.h"

static const struct {
    const char *section;
    const char *fields; /* "name:value" with a blank between */
} idle[] = {
    {"server",
        "redis_git_sha1:00000000 redis_git_dirty:0 redis_build_id:0 "
        "atomicvar_api:c11-builtin io_threads_active:0"},
    {"clients",
        "client_recent_max_input_buffer:0 client_recent_max_output_buffer:0"},
    {"memory",
        "number_of_functions:0 number_of_libraries:0 "
        "used_memory_vm_functions:0 used_memory_functions:0 "
        "mem_cluster_links:0 mem_total_replication_buffers:0 "
        "lazyfreed_objects:0"},
    {"persistence",
        "current_cow_peak:0 current_cow_size:0 current_cow_size_age:0 "
        "current_fork_perc:0.00 current_save_keys_processed:0 "
        "current_save_keys_total:0 rdb_saves:0 rdb_last_cow_size:0 "
        "rdb_last_load_keys_expired:0 rdb_last_load_keys_loaded:0 "
        "aof_rewrites:0 aof_rewrites_consecutive_failures:0 "
        "aof_last_cow_size:0 module_fork_in_progress:0 "
        "module_fork_last_cow_size:0"},
    {"stats",
        "total_net_repl_input_bytes:0 total_net_repl_output_bytes:0 "
        "instantaneous_input_repl_kbps:0.00 "
        "instantaneous_output_repl_kbps:0.00 expired_stale_perc:0.00 "
        "expired_time_cap_reached_count:0 expire_cycle_cpu_milliseconds:0 "
        "evicted_clients:0 total_eviction_exceeded_time:0 "
        "current_eviction_exceeded_time:0 total_forks:0 "
        "migrate_cached_sockets:0 slave_expires_tracked_keys:0 "
        "active_defrag_key_hits:0 active_defrag_key_misses:0 "
        "total_active_defrag_time:0 current_active_defrag_time:0 "
        "unexpected_error_replies:0 dump_payload_sanitizations:0 "
        "io_threaded_reads_processed:0 io_threaded_writes_processed:0 "
        "reply_buffer_shrinks:0 reply_buffer_expands:0"},
    {"replication",
        "master_replid2:0000000000000000000000000000000000000000 "
        "second_repl_offset:-1 repl_backlog_size:0 "
        "repl_backlog_first_byte_offset:0 repl_backlog_histlen:0"},
};

void
info_idle_fields(const char *section, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
        if (strcmp(idle[i].section, section) != 0)
            continue;
        for (const char *p = idle[i].fields; *p != '\0'; p++) {
            if (*p == ' ')
                buf_append(out, "\r\n", 2);
            else
                buf_append(out, p, 1);
        }
        buf_append(out, "\r\n", 2);
    }
}
