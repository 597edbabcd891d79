/* SPDX-License-Identifier: BSD-3-Clause */
/* compat.h - directives of redis.conf that nothing here reads.
 *
 * So that a redis.conf starts this daemon as it is, and that clients, tools and
 * test suites can ask for them and set them. Those that tune what ashlar does
 * not have keep what they are given. Those whose value says what a server does
 * (keeps a log, follows another) are OPT_FIXED and always show the truth: a
 * file may ask for more and is told by a warning; CONFIG SET is refused. An
 * empty text means that the name says all there is to say.
 */
#pragma once

#include "base/base.h"

/* clang-format off */
#define NOOP_ (OPT_NOOP | OPT_LIVE)
#define FIXED_ (OPT_NOOP | OPT_LIVE | OPT_FIXED)
#define HIDDEN_ (OPT_NOOP | OPT_LIVE | OPT_HIDDEN)
#define COMPAT_INT(X, name, def, min, max) \
    X(name, OPT_INT, def, min, max, NOOP_, "", "")
#define COMPAT_BOOL(X, name, def) X(name, OPT_BOOL, def, 0, 0, NOOP_, "", "")
#define COMPAT_SIZE(X, name, def) \
    X(name, OPT_SIZE, def, 0, INT64_MAX, NOOP_, "bytes", "")
#define COMPAT_TEXT(X, name, def) X(name, OPT_STRING, def, 0, 0, NOOP_, "", "")

#define COMPAT_OPTIONS(X)                                                   \
    X(appendonly, OPT_BOOL, "no", 0, 0, FIXED_, "",                         \
        "There is no append-only file.")                                    \
    X(save, OPT_STRING, "", 0, 0, NOOP_ | OPT_REPEAT, "",                   \
        "No effect: there are no snapshots.")                               \
    X(replicaof, OPT_STRING, "", 0, 0, FIXED_, "",                          \
        "There is no replication.")                                         \
    X(slaveof, OPT_STRING, "", 0, 0, FIXED_, "",                            \
        "There is no replication.")                                         \
    X(cluster_enabled, OPT_BOOL, "no", 0, 0, OPT_NOOP | OPT_FIXED, "",      \
        "There is no cluster.")                                             \
    X(activedefrag, OPT_BOOL, "no", 0, 0, FIXED_, "",                       \
        "Pages are compacted in any case.")                                 \
    X(maxmemory_clients, OPT_SIZE, "0", 0, INT64_MAX, FIXED_, "bytes",    \
        "Clients are limited by their output limits and maxmemory.")        \
    X(enable_module_command, OPT_ENUM, "no", 0, 0, OPT_NOOP | OPT_FIXED,    \
        "no|yes|local", "There are no modules.")                            \
    X(enable_protected_configs, OPT_ENUM, "no", 0, 0, OPT_NOOP | OPT_FIXED, \
        "no|yes|local", "CONFIG SET does not change protected directives.") \
    X(syslog_enabled, OPT_BOOL, "no", 0, 0, OPT_NOOP | OPT_FIXED, "",       \
        "See logfile.")                                                     \
    X(socket_mark_id, OPT_INT, "0", 0, UINT32_MAX, OPT_NOOP | OPT_FIXED, "",\
        "Sockets get no mark.")                                             \
    X(oom_score_adj, OPT_ENUM, "no", 0, 0, FIXED_,                          \
        "no|yes|relative|absolute", "The service manager sets it.")         \
    X(tls_replication, OPT_BOOL, "no", 0, 0, FIXED_, "",                    \
        "There is no replication.")                                         \
    X(tls_cluster, OPT_BOOL, "no", 0, 0, FIXED_, "",                        \
        "There is no cluster.")                                             \
    X(daemonize, OPT_BOOL, "no", 0, 0, OPT_NOOP, "",                        \
        "No effect: the daemon stays in the foreground.")                   \
    X(supervised, OPT_ENUM, "no", 0, 0, OPT_NOOP,                           \
        "no|upstart|systemd|auto", "No effect.")                            \
    X(io_threads, OPT_INT, "1", 1, 128, OPT_NOOP, "",                       \
        "No effect: see workers.")                                          \
    X(dir, OPT_STRING, ".", 0, 0, OPT_NOOP | OPT_PROTECTED, "", "")         \
    X(dbfilename, OPT_STRING, "dump.rdb", 0, 0, OPT_NOOP | OPT_PROTECTED,   \
        "", "")                                                             \
    COMPAT_INT(X, hz, "10", 1, 500)                                         \
    COMPAT_BOOL(X, dynamic_hz, "yes")                                       \
    COMPAT_INT(X, active_expire_effort, "1", 1, 10)                         \
    COMPAT_BOOL(X, activerehashing, "yes")                                  \
    COMPAT_INT(X, maxmemory_samples, "5", 1, INT32_MAX)                     \
    COMPAT_INT(X, maxmemory_eviction_tenacity, "10", 0, 100)                \
    COMPAT_INT(X, lfu_log_factor, "10", 0, INT32_MAX)                       \
    COMPAT_INT(X, lfu_decay_time, "1", 0, INT32_MAX)                        \
    COMPAT_BOOL(X, lazyfree_lazy_eviction, "no")                            \
    COMPAT_BOOL(X, lazyfree_lazy_expire, "no")                              \
    COMPAT_BOOL(X, lazyfree_lazy_server_del, "no")                          \
    COMPAT_BOOL(X, lazyfree_lazy_user_del, "no")                            \
    COMPAT_BOOL(X, lazyfree_lazy_user_flush, "no")                          \
    COMPAT_BOOL(X, latency_tracking, "yes")                                 \
    COMPAT_TEXT(X, latency_tracking_info_percentiles, "50 99 99.9")         \
    COMPAT_INT(X, hash_max_listpack_entries, "512", 0, INT64_MAX)           \
    COMPAT_INT(X, hash_max_listpack_value, "64", 0, INT64_MAX)              \
    COMPAT_INT(X, list_max_listpack_size, "-2", INT32_MIN, INT32_MAX)       \
    COMPAT_INT(X, list_compress_depth, "0", 0, INT32_MAX)                   \
    COMPAT_INT(X, set_max_intset_entries, "512", 0, INT64_MAX)              \
    COMPAT_INT(X, zset_max_listpack_entries, "128", 0, INT64_MAX)           \
    COMPAT_INT(X, zset_max_listpack_value, "64", 0, INT64_MAX)              \
    COMPAT_SIZE(X, hll_sparse_max_bytes, "3000")                            \
    COMPAT_SIZE(X, stream_node_max_bytes, "4096")                           \
    COMPAT_INT(X, stream_node_max_entries, "100", 0, INT64_MAX)             \
    X(masterauth, OPT_STRING, "", 0, 0, NOOP_ | OPT_SECRET, "", "")         \
    COMPAT_TEXT(X, masteruser, "")                                          \
    COMPAT_SIZE(X, repl_backlog_size, "1mb")                                \
    COMPAT_INT(X, repl_backlog_ttl, "3600", 0, INT32_MAX)                   \
    COMPAT_INT(X, repl_timeout, "60", 1, INT32_MAX)                         \
    COMPAT_BOOL(X, repl_diskless_sync, "yes")                               \
    COMPAT_INT(X, repl_diskless_sync_delay, "5", 0, INT32_MAX)              \
    COMPAT_INT(X, repl_diskless_sync_max_replicas, "0", 0, INT32_MAX)       \
    X(repl_diskless_load, OPT_ENUM, "disabled", 0, 0, NOOP_,                \
        "disabled|on-empty-db|swapdb", "")                                  \
    COMPAT_BOOL(X, repl_disable_tcp_nodelay, "no")                          \
    COMPAT_BOOL(X, replica_serve_stale_data, "yes")                         \
    COMPAT_BOOL(X, replica_read_only, "yes")                                \
    COMPAT_BOOL(X, replica_lazy_flush, "no")                                \
    COMPAT_INT(X, replica_priority, "100", 0, INT32_MAX)                    \
    COMPAT_BOOL(X, stop_writes_on_bgsave_error, "yes")                      \
    COMPAT_BOOL(X, rdbcompression, "yes")                                   \
    COMPAT_BOOL(X, rdbchecksum, "yes")                                      \
    COMPAT_BOOL(X, rdb_del_sync_files, "no")                                \
    COMPAT_BOOL(X, rdb_save_incremental_fsync, "yes")                       \
    COMPAT_TEXT(X, appendfilename, "appendonly.aof")                        \
    COMPAT_TEXT(X, appenddirname, "appendonlydir")                          \
    X(appendfsync, OPT_ENUM, "everysec", 0, 0, NOOP_,                       \
        "always|everysec|no", "")                                           \
    COMPAT_BOOL(X, no_appendfsync_on_rewrite, "no")                         \
    COMPAT_INT(X, auto_aof_rewrite_percentage, "100", 0, INT32_MAX)         \
    COMPAT_SIZE(X, auto_aof_rewrite_min_size, "64mb")                       \
    COMPAT_BOOL(X, aof_load_truncated, "yes")                               \
    COMPAT_BOOL(X, aof_use_rdb_preamble, "yes")                             \
    COMPAT_BOOL(X, aof_timestamp_enabled, "no")                             \
    COMPAT_BOOL(X, aof_rewrite_incremental_fsync, "yes")                    \
    COMPAT_TEXT(X, tls_client_cert_file, "")                                \
    COMPAT_TEXT(X, tls_client_key_file, "")                                 \
    X(tls_client_key_file_pass, OPT_STRING, "", 0, 0, NOOP_ | OPT_SECRET,   \
        "", "")                                                             \
    COMPAT_TEXT(X, tls_dh_params_file, "")                                  \
    COMPAT_TEXT(X, oom_score_adj_values, "0 200 800")                       \
    COMPAT_BOOL(X, disable_thp, "yes")                                      \
    COMPAT_BOOL(X, jemalloc_bg_thread, "yes")                               \
    COMPAT_BOOL(X, always_show_logo, "no")                                  \
    COMPAT_BOOL(X, set_proc_title, "yes")                                   \
    COMPAT_TEXT(X, proc_title_template,                                     \
        "{title} {listen-addr} {server-mode}")                              \
    COMPAT_INT(X, repl_ping_replica_period, "10", 1, INT32_MAX)             \
    COMPAT_TEXT(X, replica_announce_ip, "")                                 \
    COMPAT_INT(X, replica_announce_port, "0", 0, 65535)                     \
    COMPAT_BOOL(X, replica_announced, "yes")                                \
    COMPAT_BOOL(X, replica_ignore_maxmemory, "yes")                         \
    COMPAT_BOOL(X, replica_ignore_disk_write_errors, "no")                  \
    X(propagation_error_behavior, OPT_ENUM, "ignore", 0, 0, NOOP_,          \
        "ignore|panic|panic-on-replicas", "")                               \
    COMPAT_BOOL(X, aof_disable_auto_gc, "no")                               \
    COMPAT_SIZE(X, active_defrag_ignore_bytes, "100mb")                     \
    COMPAT_INT(X, active_defrag_cycle_min, "1", 1, 99)                      \
    COMPAT_INT(X, active_defrag_cycle_max, "25", 1, 99)                     \
    COMPAT_INT(X, active_defrag_threshold_lower, "10", 0, 1000)             \
    COMPAT_INT(X, active_defrag_threshold_upper, "100", 0, 1000)            \
    COMPAT_INT(X, active_defrag_max_scan_fields, "1000", 1, INT64_MAX)      \
    COMPAT_TEXT(X, cluster_config_file, "nodes.conf")                       \
    COMPAT_INT(X, cluster_node_timeout, "15000", 0, INT64_MAX)              \
    COMPAT_INT(X, cluster_port, "0", 0, 65535)                              \
    COMPAT_TEXT(X, cluster_announce_ip, "")                                 \
    COMPAT_TEXT(X, cluster_announce_hostname, "")                           \
    COMPAT_INT(X, cluster_announce_port, "0", 0, 65535)                     \
    COMPAT_INT(X, cluster_announce_tls_port, "0", 0, 65535)                 \
    COMPAT_INT(X, cluster_announce_bus_port, "0", 0, 65535)                 \
    COMPAT_INT(X, cluster_migration_barrier, "1", 0, INT32_MAX)             \
    COMPAT_INT(X, cluster_replica_validity_factor, "10", 0, INT32_MAX)      \
    COMPAT_BOOL(X, cluster_require_full_coverage, "yes")                    \
    COMPAT_BOOL(X, cluster_replica_no_failover, "no")                       \
    COMPAT_BOOL(X, cluster_allow_reads_when_down, "no")                     \
    COMPAT_BOOL(X, cluster_allow_pubsubshard_when_down, "yes")              \
    COMPAT_BOOL(X, cluster_allow_replica_migration, "yes")                  \
    COMPAT_SIZE(X, cluster_link_sendbuf_limit, "0")                         \
    X(cluster_preferred_endpoint_type, OPT_ENUM, "ip", 0, 0, NOOP_,         \
        "ip|hostname|unknown-endpoint", "")                                 \
    COMPAT_TEXT(X, syslog_ident, "redis")                                   \
    X(syslog_facility, OPT_ENUM, "local0", 0, 0, OPT_NOOP,                  \
        "user|local0|local1|local2|local3|local4|local5|local6|local7", "") \
    COMPAT_BOOL(X, crash_log_enabled, "yes")                                \
    COMPAT_BOOL(X, crash_memcheck_enabled, "yes")                           \
    COMPAT_TEXT(X, ignore_warnings, "")                                     \
    COMPAT_BOOL(X, io_threads_do_reads, "no")                               \
    X(sanitize_dump_payload, OPT_ENUM, "no", 0, 0, NOOP_,                   \
        "no|yes|clients", "")                                               \
    COMPAT_INT(X, shutdown_timeout, "10", 0, INT32_MAX)                     \
    COMPAT_TEXT(X, shutdown_on_sigint, "default")                           \
    COMPAT_TEXT(X, shutdown_on_sigterm, "default")                          \
    COMPAT_TEXT(X, bind_source_addr, "")                                    \
    COMPAT_TEXT(X, server_cpulist, "")                                      \
    COMPAT_TEXT(X, bio_cpulist, "")                                         \
    COMPAT_TEXT(X, aof_rewrite_cpulist, "")                                 \
    COMPAT_TEXT(X, bgsave_cpulist, "")                                      \
    OPTION_ALIAS(X, slave_priority, replica_priority)                       \
    OPTION_ALIAS(X, slave_read_only, replica_read_only)                     \
    OPTION_ALIAS(X, slave_serve_stale_data, replica_serve_stale_data)       \
    OPTION_ALIAS(X, slave_lazy_flush, replica_lazy_flush)                   \
    OPTION_ALIAS(X, slave_ignore_maxmemory, replica_ignore_maxmemory)       \
    OPTION_ALIAS(X, slave_announce_ip, replica_announce_ip)                 \
    OPTION_ALIAS(X, slave_announce_port, replica_announce_port)             \
    OPTION_ALIAS(X, repl_ping_slave_period, repl_ping_replica_period)       \
    OPTION_ALIAS(X, min_slaves_to_write, min_replicas_to_write)             \
    OPTION_ALIAS(X, min_slaves_max_lag, min_replicas_max_lag)               \
    OPTION_ALIAS(X, cluster_slave_no_failover,                              \
        cluster_replica_no_failover)                                        \
    OPTION_ALIAS(X, cluster_slave_validity_factor,                          \
        cluster_replica_validity_factor)                                    \
    OPTION_ALIAS(X, lua_time_limit, busy_reply_threshold)                   \
    OPTION_ALIAS(X, hash_max_ziplist_entries, hash_max_listpack_entries)    \
    OPTION_ALIAS(X, hash_max_ziplist_value, hash_max_listpack_value)        \
    OPTION_ALIAS(X, list_max_ziplist_size, list_max_listpack_size)          \
    OPTION_ALIAS(X, zset_max_ziplist_entries, zset_max_listpack_entries)    \
    OPTION_ALIAS(X, zset_max_ziplist_value, zset_max_listpack_value)        \
    X(key_load_delay, OPT_INT, "0", INT32_MIN, INT32_MAX, HIDDEN_, "", "")  \
    X(rdb_key_save_delay, OPT_INT, "0", INT32_MIN, INT32_MAX, HIDDEN_, "", "")
/* clang-format on */

struct compat_options {
    COMPAT_OPTIONS(OPTION_MEMBER)
};
