#include "proxy/session/brand_variables.h"

#include <algorithm>
#include <array>
#include <utility>

namespace consort::proxy {
namespace {

// Session variables of MariaDB 10.11 that MySQL 9.7 does not have, and the reverse, as both list
// them. Sorted.
constexpr std::array<std::string_view, 91> kMariadbOnly = {
    "alter_algorithm",
    "analyze_max_length",
    "analyze_sample_percentage",
    "aria_repair_threads",
    "aria_sort_buffer_size",
    "aria_stats_method",
    "binlog_alter_two_phase",
    "binlog_annotate_row_events",
    "check_constraint_checks",
    "column_compression_threshold",
    "column_compression_zlib_level",
    "column_compression_zlib_strategy",
    "column_compression_zlib_wrap",
    "deadlock_search_depth_long",
    "deadlock_search_depth_short",
    "deadlock_timeout_long",
    "deadlock_timeout_short",
    "default_master_connection",
    "default_regex_flags",
    "enforce_storage_engine",
    "expensive_subquery_limit",
    "gtid_domain_id",
    "gtid_seq_no",
    "histogram_size",
    "histogram_type",
    "idle_readonly_transaction_timeout",
    "idle_transaction_timeout",
    "idle_write_transaction_timeout",
    "in_predicate_conversion_threshold",
    "in_transaction",
    "innodb_compression_default",
    "innodb_default_encryption_key_id",
    "innodb_snapshot_isolation",
    "join_buffer_space_limit",
    "join_cache_level",
    "last_gtid",
    "log_disabled_statements",
    "log_slow_disabled_statements",
    "log_slow_filter",
    "log_slow_max_warnings",
    "log_slow_min_examined_row_limit",
    "log_slow_query",
    "log_slow_query_time",
    "log_slow_rate_limit",
    "log_slow_verbosity",
    "log_warnings",
    "max_recursive_iterations",
    "max_rowid_filter_size",
    "max_session_mem_used",
    "max_statement_time",
    "max_tmp_tables",
    "mrr_buffer_size",
    "myisam_repair_threads",
    "note_verbosity",
    "old",
    "old_mode",
    "old_passwords",
    "optimizer_adjust_secondary_key_costs",
    "optimizer_extra_pruning_depth",
    "optimizer_join_limit_pref_ratio",
    "optimizer_max_sel_arg_weight",
    "optimizer_max_sel_args",
    "optimizer_selectivity_sampling_limit",
    "optimizer_use_condition_selectivity",
    "progress_report_time",
    "query_cache_strip_comments",
    "query_cache_type",
    "query_cache_wlock_invalidate",
    "rowid_merge_buff_size",
    "skip_parallel_replication",
    "skip_replication",
    "sql_if_exists",
    "standard_compliant_cte",
    "storage_engine",
    "system_versioning_alter_history",
    "system_versioning_asof",
    "system_versioning_insert_history",
    "tcp_nodelay",
    "thread_pool_priority",
    "tmp_disk_table_size",
    "tmp_memory_table_size",
    "use_stat_tables",
    "wsrep_causal_reads",
    "wsrep_dirty_reads",
    "wsrep_gtid_seq_no",
    "wsrep_on",
    "wsrep_osu_method",
    "wsrep_retry_autocommit",
    "wsrep_sync_wait",
    "wsrep_trx_fragment_size",
    "wsrep_trx_fragment_unit",
};

constexpr std::array<std::string_view, 62> kMysqlOnly = {
    "binlog_row_value_options",
    "binlog_rows_query_log_events",
    "binlog_transaction_compression",
    "binlog_transaction_compression_level_zstd",
    "block_encryption_mode",
    "connection_memory_chunk_size",
    "connection_memory_limit",
    "cte_max_recursion_depth",
    "default_collation_for_utf8mb4",
    "default_table_encryption",
    "enable_cascade_triggers",
    "enable_secondary_engine_statistics",
    "end_markers_in_json",
    "explain_format",
    "explain_json_format_version",
    "external_table_secondary_storage_engine",
    "external_table_storage_engine",
    "generated_random_password_length",
    "global_connection_memory_tracking",
    "group_replication_consistency",
    "gtid_next",
    "gtid_owned",
    "histogram_generation_max_mem_size",
    "immediate_server_version",
    "information_schema_stats_expiry",
    "innodb_ddl_buffer_size",
    "innodb_ddl_threads",
    "innodb_parallel_read_threads",
    "internal_tmp_mem_storage_engine",
    "max_execution_time",
    "max_points_in_geometry",
    "optimizer_max_subgraph_pairs",
    "optimizer_trace_features",
    "optimizer_trace_limit",
    "optimizer_trace_offset",
    "original_commit_timestamp",
    "original_server_version",
    "parser_max_mem_size",
    "print_identified_with_as_hex",
    "pseudo_replica_mode",
    "range_optimizer_max_mem_size",
    "rbr_exec_mode",
    "require_row_format",
    "restrict_fk_on_non_standard_key",
    "resultset_metadata",
    "secondary_engine_cost_threshold",
    "select_into_buffer_size",
    "select_into_disk_sync",
    "select_into_disk_sync_delay",
    "session_track_gtids",
    "set_operations_buffer_size",
    "show_create_table_skip_secondary_engine",
    "show_create_table_verbosity",
    "show_gipk_in_create_table_and_information_schema",
    "sql_generate_invisible_primary_key",
    "sql_require_primary_key",
    "statement_id",
    "terminology_use_previous",
    "transaction_allow_batching",
    "use_secondary_engine",
    "windowing_use_high_precision",
    "xa_detach_on_prepare",
};

static_assert(std::is_sorted(kMariadbOnly.begin(), kMariadbOnly.end()));
static_assert(std::is_sorted(kMysqlOnly.begin(), kMysqlOnly.end()));

/// MariaDB's name, MySQL's.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kOfBoth = {{
    {"tx_isolation", "transaction_isolation"},
    {"tx_read_only", "transaction_read_only"},
}};

}  // namespace

bool knows_variable(ServerKind kind, std::string_view name) {
  return kind == ServerKind::kMysql
             ? !std::binary_search(kMariadbOnly.begin(), kMariadbOnly.end(), name)
             : !std::binary_search(kMysqlOnly.begin(), kMysqlOnly.end(), name);
}

std::string_view variable_on(ServerKind kind, std::string_view name) {
  for (const auto& [mariadb, mysql] : kOfBoth) {
    if (name == mariadb || name == mysql) {
      return kind == ServerKind::kMysql ? mysql : mariadb;
    }
  }
  return name;
}

}  // namespace consort::proxy
