//! The names of Tarn's own metrics, with help text.
//!
//! Crates register under these constants in the one registry that they are handed, so that
//! simulated nodes can share a process. Counters get their `_total` from the exposition.

/// One metric: its name without `_total`, and what it says.
#[derive(Debug, Clone, Copy)]
pub struct MetricName {
    /// Name as registered.
    pub name: &'static str,
    /// Help text, without a full stop.
    pub help: &'static str,
}

macro_rules! names {
    ($($id:ident = $name:literal, $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help, ".")]
            pub const $id: MetricName = MetricName { name: $name, help: $help };
        )*
        /// Every name, for tests that look for names nobody uses.
        pub const ALL: &[MetricName] = &[$($id),*];
    };
}

names! {
    INVARIANT_VIOLATIONS = "tarn_invariant_violations", "Broken promises by id; anything above zero is a bug";
    INGEST_REQUESTS = "tarn_ingest_requests", "Write requests by signal, protocol and status code";
    INGEST_ROWS = "tarn_ingest_rows", "Rows acknowledged by signal and protocol";
    INGEST_BYTES = "tarn_ingest_bytes", "Decompressed bytes of write requests by signal and protocol";
    INGEST_REJECTED_ROWS = "tarn_ingest_rejected_rows", "Rows rejected by signal, protocol and reason";
    INGEST_DUPLICATE_REQUESTS = "tarn_ingest_duplicate_requests", "Requests that were stored before and acknowledged again, by signal and protocol";
    INGEST_MENDED_ROWS = "tarn_ingest_mended_rows", "Rows of which something was truncated, and texts that were repaired, by signal";
    SPAN_METRICS_GROUPS = "tarn_span_metrics_groups", "Groups of spans and edges between services that series are made of";
    SPAN_METRICS_UNPAIRED_EDGES = "tarn_span_metrics_unpaired_edges", "Spans of calls whose other span never came";
    SPAN_METRICS_LAGGED_RECORDS = "tarn_span_metrics_lagged_records", "Log records whose spans are not counted, because the log was not kept that long";
    SPAN_METRICS_REJECTED_ROWS = "tarn_span_metrics_rejected_rows", "Samples made of spans that the store did not take, such as beyond the limit of series";
    LIMIT_HITS = "tarn_limit_hits", "Requests, queries and series that a limit turned away, by the setting that changes it";
    LIMITS_RELOAD_FAILURES = "tarn_limits_reload_failures", "Changes of tenants.limits_file that could not be read";
    INGEST_INFLIGHT_BYTES = "tarn_ingest_inflight_bytes", "Bytes of write requests admitted and not yet answered";
    INGEST_KEY_CACHE_MISSES = "tarn_ingest_key_cache_misses", "Series keys parsed because the key cache did not know them";
    INGEST_IDEMPOTENCY_WINDOW_SECONDS = "tarn_ingest_idempotency_window_seconds", "For how long a request is recognised when it is sent again";
    WAL_APPEND_SECONDS = "tarn_wal_append_seconds", "Time from a batch entering the log's queue to its acknowledgement";
    WAL_SYNC_SECONDS = "tarn_wal_sync_seconds", "Time of one fdatasync of the log";
    WAL_BYTES = "tarn_wal_bytes", "Bytes written to the log";
    WAL_SEGMENTS = "tarn_wal_segments", "Segments on disk, recycled ones included";
    WAL_REPLAY_REMAINING_BYTES = "tarn_wal_replay_remaining_bytes", "Bytes of the log still to be replayed";
    WAL_TRUNCATIONS = "tarn_wal_truncations", "Torn tails cut off at a start";
    WAL_CORRUPTIONS = "tarn_wal_corruptions", "Damaged places found in the log";
    WAL_SYNC_FAILURES = "tarn_wal_sync_failures", "Writes and syncs of the log that failed, each of which ended a segment";
    ALERT_LOG_APPEND_SECONDS = "tarn_alert_log_append_seconds", "Time from a decision about alerts entering the queue of their log to its acknowledgement";
    ALERT_LOG_SYNC_SECONDS = "tarn_alert_log_sync_seconds", "Time of one fdatasync of the alert log";
    ALERT_LOG_BYTES = "tarn_alert_log_bytes", "Bytes written to the alert log";
    ALERT_LOG_SEGMENTS = "tarn_alert_log_segments", "Segments of the alert log on disk, recycled ones included";
    ALERT_LOG_REPLAY_REMAINING_BYTES = "tarn_alert_log_replay_remaining_bytes", "Bytes of the alert log still to be replayed";
    ALERT_LOG_TRUNCATIONS = "tarn_alert_log_truncations", "Torn tails of the alert log cut off at a start";
    ALERT_LOG_CORRUPTIONS = "tarn_alert_log_corruptions", "Damaged places found in the alert log and its snapshots";
    ALERT_LOG_SYNC_FAILURES = "tarn_alert_log_sync_failures", "Writes and syncs of the alert log that failed, each of which ended a segment";
    HEAD_SERIES = "tarn_head_series", "Active series";
    HEAD_ROWS = "tarn_head_rows", "Samples, log records and spans in memory";
    HEAD_BYTES = "tarn_head_bytes", "Estimated bytes of the rows in memory";
    FLUSH_SET_ASIDE = "tarn_flush_set_aside", "Partitions whose rows could not be written as blocks, and were set aside as records of the log";
    FLUSH_SECONDS = "tarn_flush_seconds", "Time of one flush, from the cut to the commit";
    FLUSH_BLOCKS = "tarn_flush_blocks", "Blocks written by flushes";
    FLUSH_FAILURES = "tarn_flush_failures", "Flushes that failed and will be repeated";
    COMPACTION_PENDING_BYTES = "tarn_compaction_pending_bytes", "Bytes of blocks that wait to be merged";
    COMPACTION_SECONDS = "tarn_compaction_seconds", "Time of one merge, from reading to commit";
    COMPACTION_FAILURES = "tarn_compaction_failures", "Merges that failed and will be repeated";
    COMPACTION_JOBS = "tarn_compaction_jobs", "Merges by result: done, dropped or failed";
    COMPACTION_READ_BYTES = "tarn_compaction_read_bytes", "Bytes read by merges";
    COMPACTION_WRITTEN_BYTES = "tarn_compaction_written_bytes", "Bytes of blocks written by merges";
    CATALOG_COMMIT_SECONDS = "tarn_catalog_commit_seconds", "Time of one manifest commit, conflicts included";
    CATALOG_CONFLICTS = "tarn_catalog_conflicts", "Commits that found their number taken and rebased";
    CATALOG_RELOADS = "tarn_catalog_reloads", "Reloads by listing, after a start or a dead branch";
    CATALOG_VERSION = "tarn_catalog_version", "Number of the newest manifest";
    CATALOG_BLOCKS = "tarn_catalog_blocks", "Live blocks";
    CATALOG_RAW_BLOCKS = "tarn_catalog_raw_blocks", "Objects of rows that were set aside, until tarn block repair";
    CATALOG_BYTES = "tarn_catalog_bytes", "Bytes of live blocks";
    CLOCK_BEHIND_SECONDS = "tarn_clock_behind_seconds", "How far the paced clock of retention is behind wall time";
    RETENTION_BLOCKS_DROPPED = "tarn_retention_blocks_dropped", "Blocks dropped because all their rows were beyond their retention";
    TOMBSTONES = "tarn_tombstones", "Erasures that wait for their rows to be rewritten";
    GARBAGE_OBJECTS_DELETED = "tarn_garbage_objects_deleted", "Objects deleted because nothing names them";
    GARBAGE_BYTES_DELETED = "tarn_garbage_bytes_deleted", "Bytes of deleted objects";
    OBJECT_STORE_REQUESTS = "tarn_object_store_requests", "Object store requests by operation and outcome";
    OBJECT_STORE_SECONDS = "tarn_object_store_seconds", "Time of object store requests by operation";
    OBJECT_STORE_BYTES = "tarn_object_store_bytes", "Bytes moved by operation";
    CACHE_HITS = "tarn_cache_hits", "Parts of blocks found in memory instead of being read from the bucket";
    CACHE_MISSES = "tarn_cache_misses", "Parts of blocks that were not in memory";
    CACHE_BYTES = "tarn_cache_bytes", "Bytes of block parts in memory";
    STAGED_BYTES = "tarn_staged_bytes", "Bytes of blocks on the local disk that wait for their commit to the bucket";
    STAGED_KEPT_BYTES = "tarn_staged_kept_bytes", "Bytes of committed blocks that the local disk keeps as a cache";
    STORAGE_READ_ONLY = "tarn_storage_read_only", "1 while writes are refused";
    UNCLEAN_SHUTDOWN = "tarn_unclean_shutdown", "1 if the last run did not stop cleanly";
    QUERY_SECONDS = "tarn_query_seconds", "Time of queries by language and outcome";
    QUERY_QUEUE_SECONDS = "tarn_query_queue_seconds", "Time queries waited for a slot";
    QUERY_INFLIGHT = "tarn_query_inflight", "Queries running";
    QUERY_SAMPLES = "tarn_query_samples", "Samples read by queries";
    QUERY_MEMORY_BYTES = "tarn_query_memory_bytes", "Bytes reserved by running queries";
    QUERY_CANCELLED = "tarn_query_cancelled", "Queries cancelled by reason";
    QUERY_TAILS = "tarn_query_tails", "Live tails of logs";
    QUERY_OVERDUE = "tarn_query_overdue", "Queries that still ran five seconds after their deadline";
    AUTH_REFUSALS = "tarn_auth_refusals", "Requests refused before their handler, by reason: unauthenticated, forbidden, limited (too many wrong credentials), unavailable, invalid";
    AUTH_FILE_RELOAD_FAILURES = "tarn_auth_file_reload_failures", "Changes of auth.file that could not be read";
    HTTP_REQUESTS = "tarn_http_requests", "HTTP requests by route and status code";
    HTTP_CONNECTIONS = "tarn_http_connections", "Open connections by listener";
    HTTP_PANICS = "tarn_http_panics", "Requests whose handler panicked";
    AUTH_LOGINS = "tarn_auth_logins", "Logins of people, by what they showed and what came of it: done, wrong, limited (too many were wrong before), not_granted, failed";
    AUTH_SESSIONS_REFUSED = "tarn_auth_sessions_refused", "Requests whose session did not count, by reason: forged, expired, ended, csrf, unread";
    AUTH_PASSWORD_SECONDS = "tarn_auth_password_seconds", "Time to compare a password, the wait for a turn included";
    TLS_RELOAD_FAILURES = "tarn_tls_reload_failures", "Times that changed files of TLS could not be used, and the old ones stayed in force";
    TLS_HANDSHAKE_FAILURES = "tarn_tls_handshake_failures", "Connections whose TLS handshake failed";
    TLS_CERTIFICATE_EXPIRY = "tarn_tls_certificate_expiry_timestamp_seconds", "Until when the server's certificate is good; absent without TLS";
    NOTIFICATIONS_SENT = "tarn_notifications_sent", "Notifications that a receiver acknowledged, by receiver and integration";
    NOTIFICATIONS_FAILED = "tarn_notifications_failed", "Attempts to notify that failed, by receiver, integration and reason: transient (tried again), permanent, template (sent with words of our own)";
    NOTIFICATION_SECONDS = "tarn_notification_seconds", "Time from the decision to notify to the receiver's acknowledgement, by integration";
    NOTIFICATION_QUEUE = "tarn_notification_queue", "Notifications that wait, by urgency";
    NOTIFICATION_QUEUE_BYTES = "tarn_notification_queue_bytes", "Estimated bytes of notifications that wait";
    NOTIFICATION_DEAD_LETTERS = "tarn_notification_dead_letters", "Notifications that were given up and can be sent again";
    NOTIFICATION_OPEN_BREAKERS = "tarn_notification_open_breakers", "Places that fail in a row and are tried with one notification at a time";
    NOTIFICATION_BROKEN_RECEIVERS = "tarn_notification_broken_receivers", "Receivers whose last notification was refused for good";
    TELEMETRY_DROPPED_ROWS = "tarn_telemetry_dropped_rows", "Rows of own telemetry dropped by the rate cap";
    AUDIT_EVENTS = "tarn_audit_events", "Events of the audit that were recorded";
    AUDIT_DROPPED = "tarn_audit_dropped", "Events of the audit that were dropped because too many waited for the store";
    BUILD_INFO = "tarn_build_info", "1, with version and revision as labels";
    PROCESS_CPU_SECONDS = "process_cpu_seconds", "CPU time of the process";
    PROCESS_RESIDENT_MEMORY_BYTES = "process_resident_memory_bytes", "Resident memory of the process";
    PROCESS_OPEN_FDS = "process_open_fds", "Open file descriptors of the process";
    PROCESS_START_TIME_SECONDS = "process_start_time_seconds", "Start time of the process since the Unix epoch";
    ALLOCATOR_ALLOCATED_BYTES = "tarn_allocator_allocated_bytes", "Bytes handed out by the allocator";
    ALLOCATOR_RESIDENT_BYTES = "tarn_allocator_resident_bytes", "Bytes the allocator holds from the system";
    RULE_EVALUATION_DURATION_SECONDS = "prometheus_rule_evaluation_duration_seconds", "Time of the evaluation of one rule";
    RULE_EVALUATIONS = "prometheus_rule_evaluations", "Evaluations of rules by group";
    RULE_EVALUATION_FAILURES = "prometheus_rule_evaluation_failures", "Evaluations of rules that failed, by group";
    RULE_GROUP_DURATION_SECONDS = "prometheus_rule_group_duration_seconds", "Time of the evaluation of one group of rules";
    RULE_GROUP_ITERATIONS = "prometheus_rule_group_iterations", "Slots of a group, missed ones included";
    RULE_GROUP_ITERATIONS_MISSED = "prometheus_rule_group_iterations_missed", "Slots of a group that passed without an evaluation";
    RULE_GROUP_INTERVAL_SECONDS = "prometheus_rule_group_interval_seconds", "How often a group is evaluated";
    RULE_GROUP_RULES = "prometheus_rule_group_rules", "Rules of a group";
    RULE_GROUP_LAST_DURATION_SECONDS = "prometheus_rule_group_last_duration_seconds", "Time of the last evaluation of a group";
    RULE_GROUP_LAST_RULE_DURATION_SUM_SECONDS = "prometheus_rule_group_last_rule_duration_sum_seconds", "Times of the rules of a group in its last evaluation, added up";
    RULE_GROUP_LAST_EVALUATION_SAMPLES = "prometheus_rule_group_last_evaluation_samples", "Samples that the last evaluation of a group returned";
    RULE_GROUP_LAST_EVALUATION_TIMESTAMP_SECONDS = "prometheus_rule_group_last_evaluation_timestamp_seconds", "When a group was evaluated last";
    RULE_GROUP_LAST_RESTORE_DURATION_SECONDS = "prometheus_rule_group_last_restore_duration_seconds", "Time that it took to take a group's states over from the run before";
    ALERTING_RELOAD_SUCCESSFUL = "tarn_alerting_config_last_reload_successful", "1 while rules and routes are those of the files, 0 while a mistake keeps older ones running";
    ALERTING_RELOAD_SECONDS = "tarn_alerting_config_last_reload_success_timestamp_seconds", "When rules and routes were last taken from the files";
    ALERTING_LOG_BROKEN = "tarn_alerting_log_broken", "1 while the alert log cannot be written: pages go out, and a crash may double or lose what is on its way";
    ALERTING_ALERTS = "tarn_alerting_alerts", "Alerts of all rules by state";
    ALERTING_EVENTS_DROPPED = "tarn_alerting_events_dropped", "Alert events that the store did not take in time";
    ALERTING_ALERTS_REFUSED = "tarn_alerting_alerts_refused", "Alerts of rules that were not held because there were too many: nobody is told of them";
    SLO_REQUESTS_LOST = "tarn_slo_requests_lost", "Requests whose events an objective did not count: its query failed, or it was too slow for the log";
    ALERT_STAGE_SECONDS = "tarn_alert_stage_seconds", "Time of the stages between a slot and the outbox: wait, evaluate, decide (to durable), by stage";
}
