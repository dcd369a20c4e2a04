//! The one table of settings.
//!
//! A row gives the name in `tarn.yaml` (dots are nesting); the environment variable and the flag
//! follow from it. Defaults are text and go through the same parser as everything else, so that a
//! default cannot be something an operator could not write.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tarn_alerting::egress::Places;
use tarn_ingest::pipeline::span_metrics::Options as SpanMetrics;
use tarn_ingest::{OtlpMetrics, Promote};
use tarn_model::labels::{METRIC_NAME, is_legacy_label_name};
use tarn_model::limits::{Limits, Rate};
use tarn_model::otel_names::Translation;
use tarn_model::units::{ByteSize, format_duration, parse_duration};
use tarn_storage::object::bucket::{Addressing, BucketUrl};
use tarn_storage::{Options, WalSync};
use tarn_ui::base::BasePath;
use url::Url;

use crate::auth::oidc;
use crate::auth::sessions::Lives;
use crate::listen::peer::Proxies;
use crate::tls::{self, ClientAuth};

use super::retention::{self, Retention};
use super::{
    Audit, Auth, Config, Listen, Log, LogFormat, Login, People, Query, Shutdown, Telemetry,
    Tenants, Ui, secret,
};

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Name as `section.noun_phrase`.
    pub(crate) name: &'static str,
    /// A second, short flag.
    pub(crate) short: Option<&'static str>,
    /// What it takes, for help and reference.
    pub(crate) takes: &'static str,
    pub(crate) default: fn(&Limits) -> String,
    /// What it does, in sentences.
    pub(crate) help: &'static str,
    /// Parses the text and puts it in its place.
    pub(crate) set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Key {
    /// Returns the environment variable: `TARN_SECTION__NOUN_PHRASE`.
    pub(crate) fn env(&self) -> String {
        format!("TARN_{}", self.name.replace('.', "__").to_uppercase())
    }

    /// Returns the flag without dashes in front: `section.noun-phrase`.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

macro_rules! key {
    ($name:literal $(, short $short:literal)?, $takes:literal, $default:expr, $help:literal, $set:expr) => {
        Key {
            name: $name,
            short: key!(@short $($short)?),
            takes: $takes,
            default: $default,
            help: $help,
            set: $set,
        }
    };
    (@short) => { None };
    (@short $short:literal) => { Some($short) };
}

/// Every setting, in the order of the reference.
pub(crate) static KEYS: &[Key] = &[
    key!(
        "listen.http",
        "address",
        |_| "127.0.0.1:4320".to_owned(),
        "Address of the HTTP port: remote write, OTLP, queries, health and administration.",
        |c, v| put(&mut c.listen.http, address(v))
    ),
    key!(
        "listen.otlp_grpc",
        "address or off",
        |_| "127.0.0.1:4317".to_owned(),
        "Address of the OTLP port for gRPC, where SDKs and collectors send by default.",
        |c, v| put(&mut c.listen.otlp_grpc, off(v, address))
    ),
    key!(
        "listen.otlp_http",
        "address or off",
        |_| "127.0.0.1:4318".to_owned(),
        "Address of the OTLP port for HTTP, protobuf or JSON. The same paths stand on listen.http too.",
        |c, v| put(&mut c.listen.otlp_http, off(v, address))
    ),
    key!("listen.insecure_bind", short "insecure-bind", "true|false", |_| "false".to_owned(),
        "Asks nobody to log in although other machines can reach the server: whoever reaches it may do everything.",
        |c, v| put(&mut c.listen.insecure_bind, boolean(v))),
    key!(
        "listen.tls.certificate",
        "path",
        |_| String::new(),
        "PEM file with the server's certificate and those that signed it, in this order. With it and its key all ports speak TLS, and nothing else. The files are looked at every ten seconds and on SIGHUP; what cannot be used is counted in tarn_tls_reload_failures_total, and the old stays in force.",
        |c, v| put(&mut c.listen.tls.certificate, optional(v, folder))
    ),
    key!(
        "listen.tls.key",
        "path",
        |_| String::new(),
        "PEM file with the key of the certificate: PKCS#8, EC or RSA, not encrypted.",
        |c, v| put(&mut c.listen.tls.key, optional(v, folder))
    ),
    key!(
        "listen.tls.client_ca",
        "path",
        |_| String::new(),
        "PEM file with the authorities that sign the certificates of clients.",
        |c, v| put(&mut c.listen.tls.client_ca, optional(v, folder))
    ),
    key!(
        "listen.tls.client_auth",
        "off|optional|required",
        |_| "off".to_owned(),
        "Whether clients show a certificate. One that is shown must be good in either case; who it is follows from its alternative names and auth.file.",
        |c, v| put(&mut c.listen.tls.client_auth, ClientAuth::parse(v))
    ),
    key!(
        "auth.login",
        "auto|on|off",
        |_| "auto".to_owned(),
        "Whether requests need credentials. auto: as soon as an address of listen.* is not loopback, or auth.file or auth.oidc.issuer is set. With it on, a request from this machine needs them too: a proxy here would look like one.",
        |c, v| put(&mut c.auth.login, login(v))
    ),
    key!(
        "auth.file",
        "file",
        |_| String::new(),
        "YAML file with API keys, client certificates and groups, and what each is granted; see access.md. Read again within ten seconds of a change; while it cannot be read, what was read last stays in force.",
        |c, v| put(&mut c.auth.file, Ok(v.to_owned()))
    ),
    key!(
        "auth.plain_http",
        "true|false",
        |_| "false".to_owned(),
        "Whether credentials are taken over plain HTTP from other machines, in a network where nobody reads along. Otherwise such a request is refused with 403: use TLS, or a proxy of http.trusted_proxies.",
        |c, v| put(&mut c.auth.plain_http, boolean(v))
    ),
    key!(
        "auth.session_idle",
        "duration",
        |_| "12h".to_owned(),
        "A person who does nothing for so long has to log in again.",
        |c, v| put(&mut c.people.lives.idle, positive_duration(v))
    ),
    key!(
        "auth.session_max",
        "duration",
        |_| "7d".to_owned(),
        "After so long everybody has to log in again. Groups of an OIDC provider are read at the login: whoever loses one there keeps it here until then.",
        |c, v| put(&mut c.people.lives.max, positive_duration(v))
    ),
    key!(
        "auth.oidc.issuer",
        "address",
        |_| String::new(),
        "A provider at which people log in, such as https://login.example.org/realms/main: the address below which it has .well-known/openid-configuration. It sends browsers back to /api/v1/access/oidc/callback, which it has to know. Empty: none.",
        |c, v| put(&mut c.people.oidc.issuer, optional(v, url))
    ),
    key!(
        "auth.oidc.client_id",
        "text",
        |_| String::new(),
        "What the provider calls this server.",
        |c, v| put(&mut c.people.oidc.client_id, text(v))
    ),
    key!(
        "auth.oidc.client_secret",
        "secret",
        |_| String::new(),
        "The secret that the provider gave it: file:/path, env:NAME or credential:NAME. Empty: a public client, which PKCE alone protects.",
        |c, v| put(&mut c.people.oidc.client_secret, Ok(secret::parse(v)))
    ),
    key!(
        "auth.oidc.scopes",
        "list of names",
        |_| "openid, profile, email".to_owned(),
        "What the provider is asked to tell; some tell groups only for a scope of that name.",
        |c, v| put(&mut c.people.oidc.scopes, list(v))
    ),
    key!(
        "auth.oidc.groups_claim",
        "text",
        |_| "groups".to_owned(),
        "The claim of the ID token, or of the user info, that lists a person's groups. auth.file says what groups may do.",
        |c, v| put(&mut c.people.oidc.groups_claim, text(v))
    ),
    key!(
        "auth.oidc.name",
        "text",
        |_| "single sign-on".to_owned(),
        "What the login page calls the provider.",
        |c, v| put(&mut c.people.oidc.name, text(v))
    ),
    key!(
        "http.hosts",
        "list of names",
        |_| String::new(),
        "Names with a dot that a request's Host header may carry. IP addresses and names without a dot are always answered; any other name could be a web page's that was pointed at this address (DNS rebinding).",
        |c, v| put(&mut c.listen.hosts, list(v))
    ),
    key!(
        "http.trusted_proxies",
        "list of networks",
        |_| String::new(),
        "Networks or addresses of proxies in front of this server: 10.0.0.0/8, 127.0.0.1. What they say in X-Forwarded-For and X-Forwarded-Proto is believed; from anybody else these headers are ignored.",
        |c, v| put(&mut c.listen.proxies, proxies(v))
    ),
    key!(
        "http.header_timeout",
        "duration",
        |_| "10s".to_owned(),
        "How long a client may take to send the head of a request.",
        |c, v| put(&mut c.listen.header_timeout, positive_duration(v))
    ),
    key!(
        "http.header_bytes_max",
        "bytes",
        |l| l.header_bytes_max.to_string(),
        "Size of the head of a request; larger is answered 431.",
        |c, v| put(&mut c.limits.header_bytes_max, bytes_from(v, ByteSize::kib(8)))
    ),
    key!(
        "http.uri_bytes_max",
        "bytes",
        |l| l.uri_bytes_max.to_string(),
        "Size of path and query string; larger is answered 414. Long queries go by POST.",
        |c, v| put(&mut c.limits.uri_bytes_max, bytes(v))
    ),
    key!(
        "http.connections_max",
        "number",
        |l| l.connections_max.to_string(),
        "Connections that are served at once; further ones wait to be accepted. Watch tarn_http_connections.",
        |c, v| put(&mut c.limits.connections_max, count(v))
    ),
    key!(
        "http.streams_max",
        "number",
        |l| l.http2_streams_max.to_string(),
        "Requests at once on one HTTP/2 connection; a client waits with further ones.",
        |c, v| put(&mut c.limits.http2_streams_max, count(v))
    ),
    key!(
        "ui.base_path",
        "path",
        |_| "/".to_owned(),
        "Where browsers find this server, when a proxy shows it as a folder of a host: /tarn/. Links of the pages begin with it. The proxy may take the prefix away or leave it.",
        |c, v| put(&mut c.ui.base_path, BasePath::parse(v))
    ),
    key!(
        "storage.path",
        "folder",
        |_| "./tarn-data".to_owned(),
        "Data folder: the write-ahead log and, under bucket/, blocks and catalog. Made if absent.",
        |c, v| put(&mut c.storage.path, folder(v))
    ),
    key!(
        "storage.url",
        "bucket",
        |_| String::new(),
        "Where blocks and catalog are kept: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, https://host/bucket/prefix (whatever speaks S3 there) or file:///folder. Empty: under bucket/ in the data folder. Several servers may share one. The log stays in storage.path.",
        |c, v| put(&mut c.storage.bucket.url, optional(v, bucket))
    ),
    key!(
        "storage.endpoint",
        "address",
        |_| String::new(),
        "Base address of the service where it is not the provider's own, such as https://minio.example:9000. Without TLS (http://) everything travels readable.",
        |c, v| put(&mut c.storage.bucket.endpoint, optional(v, endpoint))
    ),
    key!(
        "storage.region",
        "text",
        |_| String::new(),
        "Region of an S3 bucket. Empty: AWS_REGION, without it us-east-1.",
        |c, v| put(&mut c.storage.bucket.region, optional(v, text))
    ),
    key!(
        "storage.addressing",
        "auto|path|virtual_host",
        |_| "auto".to_owned(),
        "How requests to S3 name the bucket: in the path, or in the host name. auto: in the host name at Amazon, in the path where there is an endpoint.",
        |c, v| put(&mut c.storage.bucket.addressing, addressing(v))
    ),
    key!(
        "storage.access_key_id",
        "secret",
        |_| String::new(),
        "Key id for S3: file:/path (read again every minute), env:NAME or credential:NAME (systemd). Without keys AWS_ACCESS_KEY_ID and its companions count, then the identity of the pod, the task or the machine.",
        |c, v| put(&mut c.storage.bucket.access_key_id, Ok(secret::parse(v)))
    ),
    key!(
        "storage.secret_access_key",
        "secret",
        |_| String::new(),
        "The secret that belongs to storage.access_key_id.",
        |c, v| put(&mut c.storage.bucket.secret_access_key, Ok(secret::parse(v)))
    ),
    key!(
        "storage.session_token",
        "secret",
        |_| String::new(),
        "The token, where the two are temporary.",
        |c, v| put(&mut c.storage.bucket.session_token, Ok(secret::parse(v)))
    ),
    key!(
        "storage.azure_account",
        "text",
        |_| String::new(),
        "Storage account of an Azure container. Empty: that of the address, or AZURE_STORAGE_ACCOUNT_NAME.",
        |c, v| put(&mut c.storage.bucket.azure_account, optional(v, text))
    ),
    key!(
        "storage.azure_access_key",
        "secret",
        |_| String::new(),
        "Its key, given as those of S3. Without one AZURE_… variables count, then workload or managed identity.",
        |c, v| put(&mut c.storage.bucket.azure_access_key, Ok(secret::parse(v)))
    ),
    key!(
        "storage.google_credentials",
        "secret",
        |_| String::new(),
        "Service account for Google Cloud Storage, the JSON document: file:/path above all. Without one GOOGLE_… variables count, then the default credentials of the machine.",
        |c, v| put(&mut c.storage.bucket.google_credentials, Ok(secret::parse(v)))
    ),
    key!(
        "node.id",
        "text",
        |_| String::new(),
        "Name of this node for humans, in metrics and in the catalog. Empty: the machine's name. The identity of the writer is random and lives in the data folder.",
        |c, v| put(&mut c.storage.label, Ok(v.to_owned()))
    ),
    key!(
        "flush.age",
        "duration",
        |_| "5m".to_owned(),
        "Samples in memory older than this are written to a block. Shorter: less to replay after a crash, smaller blocks. Watch tarn_flush_seconds.",
        |c, v| put(&mut c.storage.flush_age, positive_duration(v))
    ),
    key!(
        "flush.bytes",
        "bytes",
        |_| "128MiB".to_owned(),
        "Samples in memory beyond this are written to a block before flush.age. Watch tarn_head_bytes.",
        |c, v| put(&mut c.storage.flush_bytes, bytes_from(v, ByteSize::kib(1)))
    ),
    key!(
        "wal.sync",
        "group|none",
        |_| "group".to_owned(),
        "group: a write is answered after its bytes were synced to the disk, many writes sharing one sync. none: for measurements only, a power cut then loses acknowledged samples.",
        |c, v| put(&mut c.storage.wal_sync, wal_sync(v))
    ),
    key!(
        "wal.segment_bytes",
        "bytes",
        |_| "64MiB".to_owned(),
        "Size of one file of the write-ahead log.",
        |c, v| put(&mut c.storage.wal_segment_bytes, bytes_from(v, ByteSize::kib(64)))
    ),
    key!(
        "wal.size_max",
        "bytes",
        |_| "10GiB".to_owned(),
        "Size of the whole write-ahead log; beyond it writes are answered 503 until a flush has made room. Watch tarn_wal_segments.",
        |c, v| put(&mut c.storage.wal_bytes_max, bytes_from(v, ByteSize::mib(1)))
    ),
    key!(
        "wal.follower_bytes_max",
        "bytes",
        |_| "1GiB".to_owned(),
        "What is in blocks already stays in the log up to this size for work that goes through the rows once and goes on where it was after a crash, such as span_metrics; beyond, that work misses rows and says so. Watch tarn_span_metrics_lagged_records_total.",
        |c, v| put(&mut c.storage.wal_follower_bytes_max, bytes(v))
    ),
    key!(
        "compaction.enabled",
        "true|false",
        |_| "true".to_owned(),
        "Whether this process merges small blocks into large ones by itself. Without it queries open more and more files; tarn compact merges on demand.",
        |c, v| put(&mut c.storage.compaction.enabled, boolean(v))
    ),
    key!(
        "compaction.interval",
        "duration",
        |_| "10s".to_owned(),
        "How often the planner looks for blocks to merge. Watch tarn_compaction_pending_bytes.",
        |c, v| put(&mut c.storage.compaction.interval, positive_duration(v))
    ),
    key!(
        "compaction.level1_blocks",
        "number",
        |_| "8".to_owned(),
        "So many flushed blocks that lie next to one another are merged at once, at least 2. More: less is written, more files are open.",
        |c, v| put(&mut c.storage.compaction.level1_blocks, at_least(v, 2))
    ),
    key!(
        "compaction.level1_age",
        "duration",
        |_| "2h15m".to_owned(),
        "Fewer are merged when the oldest of them is older than this.",
        |c, v| put(&mut c.storage.compaction.level1_age, duration(v))
    ),
    key!(
        "compaction.level2_delay",
        "duration",
        |_| "2h15m".to_owned(),
        "A day is merged into its final blocks so long after its end, and after its last rows have come: the out-of-order window and some room for what is under way.",
        |c, v| put(&mut c.storage.compaction.level2_delay, duration(v))
    ),
    key!(
        "compaction.block_bytes",
        "bytes",
        |_| "128MiB".to_owned(),
        "A merged block is cut when it reaches about this size. It is held in memory until it is stored.",
        |c, v| put(&mut c.storage.compaction.block_bytes, bytes_from(v, ByteSize::kib(64)))
    ),
    key!(
        "compaction.memory_max",
        "bytes",
        |_| "512MiB".to_owned(),
        "What one merge may hold in memory, its output included; never more than 15 % of memory.budget. One merge runs at a time.",
        |c, v| put(&mut c.storage.compaction.memory_max, bytes_from(v, ByteSize::mib(16)))
    ),
    key!(
        "cache.memory_bytes",
        "bytes",
        |_| "256MiB".to_owned(),
        "How much of the blocks in a bucket is kept in memory.",
        |c, v| put(&mut c.storage.cache.memory_bytes, bytes_from(v, ByteSize::mib(8)))
    ),
    key!(
        "cache.keep_uploaded",
        "duration",
        |_| "24h".to_owned(),
        "Own blocks stay on the local disk so long after they were written, so that the newest rows are read without the bucket, and while it is away.",
        |c, v| put(&mut c.storage.cache.keep_uploaded, duration(v))
    ),
    key!(
        "cache.disk_bytes",
        "bytes",
        |_| "10GiB".to_owned(),
        "How much of them stays. Blocks that wait for the bucket are not counted: they go nowhere before they are stored.",
        |c, v| put(&mut c.storage.cache.disk_bytes, bytes_from(v, ByteSize(0)))
    ),
    key!(
        "retention.default",
        "duration or forever",
        |_| "forever".to_owned(),
        "How long rows are kept. Blocks go as a whole, when their newest row is older: at latest a day later. Nothing is deleted that nobody asked to delete, so the default is forever.",
        |c, v| put(&mut c.retention.all, retention::life_of_all(v))
    ),
    key!(
        "retention.metrics",
        "duration or forever",
        |_| String::new(),
        "How long samples are kept. Empty: as retention.default says.",
        |c, v| put(&mut c.retention.signals[0], retention::life_of_signal(v))
    ),
    key!(
        "retention.logs",
        "duration or forever",
        |_| String::new(),
        "How long log records are kept. Empty: as retention.default says.",
        |c, v| put(&mut c.retention.signals[1], retention::life_of_signal(v))
    ),
    key!(
        "retention.traces",
        "duration or forever",
        |_| String::new(),
        "How long spans are kept. Empty: as retention.default says.",
        |c, v| put(&mut c.retention.signals[2], retention::life_of_signal(v))
    ),
    key!(
        "retention.rules",
        "list of rules",
        |_| String::new(),
        "How long some rows are kept: the first rule that a row satisfies decides, before the settings above. A rule is a signal (or * for all), matchers over labels, or over service_name and the attributes of row and resource, and a life, as logs{service_name=\"debug\"}=7d; with a tenant in front it is for that one only, as team-a/traces=14d.",
        |c, v| put(&mut c.retention.rules, retention::rules(v))
    ),
    key!(
        "retention.history",
        "duration",
        |_| "24h".to_owned(),
        "How long the past of the catalog is kept, with the objects that it names: what a merge, a retention or an erasure took away is gone from the bucket after this. At least 1h.",
        |c, v| put(&mut c.storage.retention.history, retention::history(v))
    ),
    key!(
        "tenants.required",
        "true|false",
        |_| "false".to_owned(),
        "Whether a request without X-Scope-OrgID is refused with 401. Otherwise it belongs to the tenant \"default\".",
        |c, v| {
            put(&mut c.tenants.required, boolean(v))?;
            c.limits.many_tenants = c.tenants.required;
            Ok(())
        }
    ),
    key!(
        "tenants.limits_file",
        "file",
        |_| String::new(),
        "YAML file with limits of single tenants, as tenant, section, setting. Read again within ten seconds of a change; while it cannot be read, what was read last stays in force. Which settings it may hold: limits.md.",
        |c, v| put(&mut c.tenants.limits_file, Ok(v.to_owned()))
    ),
    key!(
        "metrics.otlp.translation",
        "strategy",
        |_| Translation::default().as_str().to_owned(),
        "How OTLP names become metric names: UnderscoreEscapingWithSuffixes (http_server_duration_seconds), UnderscoreEscapingWithoutSuffixes (http_server_duration), NoUTF8EscapingWithSuffixes (http.server.duration_seconds) or NoTranslation (http.server.duration). A change begins new series.",
        |c, v| put(&mut c.otlp_metrics.translation, translation(v))
    ),
    key!(
        "metrics.otlp.native_histograms",
        "true|false",
        |_| "false".to_owned(),
        "Whether OTLP histograms with explicit bounds are stored as one native histogram with custom bounds instead of _bucket, _sum and _count series. Exponential histograms are always native.",
        |c, v| put(&mut c.otlp_metrics.native_histograms, boolean(v))
    ),
    key!(
        "metrics.otlp.promote_resource_attributes",
        "list of attributes",
        |_| String::new(),
        "Resource attributes that become labels of every OTLP series. * means all; names with - in front are left out of all. All attributes are in target_info in any case.",
        |c, v| put(&mut c.otlp_metrics.promote, promote(v))
    ),
    key!(
        "metrics.otlp.keep_identifying_resource_attributes",
        "true|false",
        |_| "false".to_owned(),
        "Whether target_info has service.name, service.namespace and service.instance.id too, of which job and instance are made.",
        |c, v| put(&mut c.otlp_metrics.keep_identifying, boolean(v))
    ),
    key!(
        "metrics.otlp.scope_labels",
        "true|false",
        |_| "true".to_owned(),
        "Whether name, version, schema URL and attributes of the instrumentation scope become labels otel_scope_*. Without them equal metrics of two scopes are one series.",
        |c, v| put(&mut c.otlp_metrics.scope_labels, boolean(v))
    ),
    key!(
        "metrics.otlp.type_and_unit_labels",
        "true|false",
        |_| "false".to_owned(),
        "Whether OTLP series have the labels __type__ and __unit__.",
        |c, v| put(&mut c.otlp_metrics.type_and_unit_labels, boolean(v))
    ),
    key!(
        "metrics.otlp.label_name_underscore_sanitization",
        "true|false",
        |_| "true".to_owned(),
        "Whether label names that begin with one underscore get key in front of it.",
        |c, v| put(&mut c.otlp_metrics.label_rules.key_before_underscore, boolean(v))
    ),
    key!(
        "metrics.otlp.label_name_preserve_multiple_underscores",
        "true|false",
        |_| "true".to_owned(),
        "Whether several underscores in a row stay several in label names.",
        |c, v| put(&mut c.otlp_metrics.label_rules.keep_underscores, boolean(v))
    ),
    key!(
        "metrics.out_of_order_window",
        "duration",
        |l| format_duration(l.out_of_order_window),
        "Samples further behind the newest one of their series are rejected.",
        |c, v| put(&mut c.limits.out_of_order_window, duration(v))
    ),
    key!(
        "metrics.future_max",
        "duration",
        |l| format_duration(l.future_max),
        "Samples further ahead of this machine's clock are rejected.",
        |c, v| put(&mut c.limits.future_max, duration(v))
    ),
    key!(
        "metrics.series_max",
        "number or auto",
        |_| "auto".to_owned(),
        "Active series per tenant; new ones beyond are rejected, existing ones go on. auto: what memory.series_percent holds, and with tenants.required no more than a million. Watch tarn_head_series.",
        |c, v| put(&mut c.limits.series_max, auto(v, count))
    ),
    key!(
        "metrics.new_series_max",
        "number or off",
        |_| "off".to_owned(),
        "New series per minute and tenant; requests with more are answered 429 and stored when they are sent again. Prometheus drops on 429 unless it is told to retry.",
        |c, v| put(&mut c.limits.new_series_max, off(v, count))
    ),
    key!(
        "metrics.labels_max",
        "number",
        |l| l.labels_max.to_string(),
        "Labels of one series, the name included.",
        |c, v| put(&mut c.limits.labels_max, count(v))
    ),
    key!(
        "metrics.label_name_bytes_max",
        "number",
        |l| l.label_name_bytes_max.to_string(),
        "Bytes of one label name.",
        |c, v| put(&mut c.limits.label_name_bytes_max, count(v))
    ),
    key!(
        "metrics.label_value_bytes_max",
        "number",
        |l| l.label_value_bytes_max.to_string(),
        "Bytes of one label value.",
        |c, v| put(&mut c.limits.label_value_bytes_max, count(v))
    ),
    key!(
        "metrics.histogram_buckets_max",
        "number",
        |l| l.histogram_buckets_max.to_string(),
        "Buckets of one native histogram sample.",
        |c, v| put(&mut c.limits.histogram_buckets_max, count(v))
    ),
    key!(
        "metrics.exemplar_bytes_max",
        "number",
        |l| l.exemplar_bytes_max.to_string(),
        "Bytes of all labels of one exemplar.",
        |c, v| put(&mut c.limits.exemplar_bytes_max, count(v))
    ),
    key!(
        "ingest.remote_write_bytes_max",
        "bytes",
        |l| l.remote_write_bytes_max.to_string(),
        "Body of a remote-write request, compressed and decompressed; larger is answered 413.",
        |c, v| put(&mut c.limits.remote_write_bytes_max, bytes(v))
    ),
    key!(
        "ingest.otlp_bytes_max",
        "bytes",
        |l| l.otlp_bytes_max.to_string(),
        "Body of an OTLP request, compressed and decompressed; larger is answered 413, over gRPC RESOURCE_EXHAUSTED.",
        |c, v| put(&mut c.limits.otlp_bytes_max, bytes(v))
    ),
    key!(
        "ingest.decompress_ratio_max",
        "number",
        |l| l.decompress_ratio_max.to_string(),
        "How many times larger than it came a body may become, beyond its first MiB.",
        |c, v| put(&mut c.limits.decompress_ratio_max, count(v))
    ),
    key!(
        "ingest.log_body_bytes_max",
        "bytes",
        |l| l.log_body_bytes_max.to_string(),
        "Body of a log record; what is beyond is cut, and attribute tarn.truncated says how long it was.",
        |c, v| put(&mut c.limits.log_body_bytes_max, bytes(v))
    ),
    key!(
        "ingest.attributes_max",
        "number",
        |l| l.attributes_max.to_string(),
        "Attributes of one record, span, event, link, resource or scope; the rest is dropped and counted.",
        |c, v| put(&mut c.limits.attributes_max, count(v))
    ),
    key!(
        "ingest.attribute_value_bytes_max",
        "bytes",
        |l| l.attribute_value_bytes_max.to_string(),
        "Value of an attribute; what is beyond is cut.",
        |c, v| put(&mut c.limits.attribute_value_bytes_max, bytes(v))
    ),
    key!(
        "ingest.attribute_key_bytes_max",
        "number",
        |l| l.attribute_key_bytes_max.to_string(),
        "Key of an attribute; attributes with longer ones are dropped and counted.",
        |c, v| put(&mut c.limits.attribute_key_bytes_max, count(v))
    ),
    key!(
        "ingest.value_depth_max",
        "number",
        |l| l.any_value_depth_max.to_string(),
        "Nesting of an attribute or a log body; what lies deeper is cut.",
        |c, v| put(
            &mut c.limits.any_value_depth_max,
            at_most(v, Limits::default().any_value_depth_max)
        )
    ),
    key!(
        "ingest.span_events_max",
        "number",
        |l| l.span_events_max.to_string(),
        "Events of one span; the rest is dropped and counted.",
        |c, v| put(&mut c.limits.span_events_max, count(v))
    ),
    key!(
        "ingest.span_links_max",
        "number",
        |l| l.span_links_max.to_string(),
        "Links of one span; the rest is dropped and counted.",
        |c, v| put(&mut c.limits.span_links_max, count(v))
    ),
    key!(
        "ingest.rate",
        "bytes, off or auto",
        |_| "auto".to_owned(),
        "Decompressed bytes per second that one tenant may send; beyond, requests are answered 429. Prometheus drops on 429 unless it is told to retry. auto: 16MiB where tenants.required is set, else off.",
        |c, v| put(&mut c.limits.ingest_rate, rate(v))
    ),
    key!(
        "ingest.burst",
        "bytes",
        |l| l.ingest_burst.to_string(),
        "What a tenant may send at once above ingest.rate.",
        |c, v| put(&mut c.limits.ingest_burst, bytes(v))
    ),
    key!(
        "query.concurrency",
        "number or auto",
        |_| "auto".to_owned(),
        "Queries that run at once; auto: twice the cores. Watch tarn_query_queue_seconds.",
        |c, v| put(&mut c.limits.query_concurrency, auto(v, count))
    ),
    key!(
        "query.queue_max",
        "number",
        |l| l.query_queue_max.to_string(),
        "Queries that wait; further ones are answered 503.",
        |c, v| put(&mut c.limits.query_queue_max, number(v))
    ),
    key!(
        "query.wait",
        "duration",
        |l| format_duration(l.query_wait),
        "How long a query waits for a slot before it is answered 503.",
        |c, v| put(&mut c.limits.query_wait, duration(v))
    ),
    key!(
        "query.timeout",
        "duration",
        |l| format_duration(l.query_timeout),
        "How long a PromQL query may run; a request's timeout= shortens it.",
        |c, v| put(&mut c.limits.query_timeout, positive_duration(v))
    ),
    key!(
        "query.slow",
        "duration",
        |_| "10s".to_owned(),
        "Queries that take this long are logged with their text.",
        |c, v| put(&mut c.query.slow, positive_duration(v))
    ),
    key!(
        "query.series_max",
        "number",
        |l| l.query_series_max.to_string(),
        "Series that one query may touch; more is answered 422.",
        |c, v| put(&mut c.limits.query_series_max, count(v))
    ),
    key!(
        "query.samples_max",
        "number",
        |l| l.query_samples_max.to_string(),
        "Samples that one query may hold; more is answered 422.",
        |c, v| put(&mut c.limits.query_samples_max, count(v))
    ),
    key!(
        "query.points_max",
        "number",
        |l| l.query_points_max.to_string(),
        "Steps of a range query.",
        |c, v| put(&mut c.limits.query_points_max, count(v))
    ),
    key!(
        "promql.bytes_max",
        "bytes",
        |l| l.promql_bytes_max.to_string(),
        "Text of one PromQL query.",
        |c, v| put(&mut c.limits.promql_bytes_max, bytes(v))
    ),
    key!(
        "promql.depth_max",
        "number",
        |l| l.promql_depth_max.to_string(),
        "Nesting of one PromQL query.",
        |c, v| put(&mut c.limits.promql_depth_max, at_most(v, Limits::default().promql_depth_max))
    ),
    key!(
        "promql.regexes_max",
        "number",
        |l| l.promql_regexes_max.to_string(),
        "Regular expressions of one query that are no plain list or prefix; each may hold 1 MiB.",
        |c, v| put(&mut c.limits.promql_regexes_max, count(v))
    ),
    key!(
        "promql.lookback",
        "duration",
        |_| "5m".to_owned(),
        "How far an instant selector looks back for the newest sample, unless a query says lookback_delta.",
        |c, v| put(&mut c.query.lookback, positive_duration(v))
    ),
    key!(
        "query.sql_cross_joins",
        "true|false",
        |_| "false".to_owned(),
        "Whether SQL may join without a condition, which multiplies all rows of both sides.",
        |c, v| put(&mut c.query.sql_cross_joins, boolean(v))
    ),
    key!(
        "query.sql_result_bytes_max",
        "size",
        |l| l.sql_result_bytes_max.to_string(),
        "Size of one answer to SQL, as columns in memory; more is answered 422.",
        |c, v| put(&mut c.limits.sql_result_bytes_max, bytes(v))
    ),
    key!(
        "query.sql_rows_max",
        "number",
        |l| l.sql_rows_max.to_string(),
        "Rows of one answer to SQL; more is answered 422.",
        |c, v| put(&mut c.limits.sql_rows_max, count(v))
    ),
    key!(
        "query.sql_timeout",
        "duration",
        |l| format_duration(l.sql_timeout),
        "How long SQL or a search may run, within query.timeout; a request's timeout= shortens it.",
        |c, v| put(&mut c.limits.sql_timeout, positive_duration(v))
    ),
    key!(
        "query.sql_bytes_max",
        "bytes",
        |l| l.sql_bytes_max.to_string(),
        "Text of one SQL query.",
        |c, v| put(&mut c.limits.sql_bytes_max, bytes(v))
    ),
    key!(
        "query.sql_nodes_max",
        "number",
        |l| l.sql_nodes_max.to_string(),
        "Parts of one SQL query: names, operators, calls.",
        |c, v| put(&mut c.limits.sql_nodes_max, at_most(v, Limits::default().sql_nodes_max))
    ),
    key!(
        "query.sql_depth_max",
        "number",
        |l| l.sql_depth_max.to_string(),
        "Nesting of one SQL query.",
        |c, v| put(&mut c.limits.sql_depth_max, at_most(v, Limits::default().sql_depth_max))
    ),
    key!(
        "query.sql_joins_max",
        "number",
        |l| l.sql_joins_max.to_string(),
        "Joins of one SQL query.",
        |c, v| put(&mut c.limits.sql_joins_max, number(v))
    ),
    key!(
        "query.search_bytes_max",
        "bytes",
        |l| l.search_bytes_max.to_string(),
        "Text of one search.",
        |c, v| put(&mut c.limits.search_bytes_max, bytes(v))
    ),
    key!(
        "query.search_depth_max",
        "number",
        |l| l.search_depth_max.to_string(),
        "Nesting of one search.",
        |c, v| put(&mut c.limits.search_depth_max, at_most(v, Limits::default().search_depth_max))
    ),
    key!(
        "query.form_bytes_max",
        "bytes",
        |l| l.form_bytes_max.to_string(),
        "Form that carries a query; larger is answered 413.",
        |c, v| put(&mut c.limits.form_bytes_max, bytes(v))
    ),
    key!(
        "memory.budget",
        "bytes or auto",
        |_| "auto".to_owned(),
        "Memory that limits are shares of. auto: 80 % of the control group's limit, without one half of the machine's memory.",
        |c, v| put(&mut c.limits.memory_budget, auto(v, bytes).map(|b| b.unwrap_or(ByteSize(0))))
    ),
    key!(
        "memory.inflight_percent",
        "percent",
        |l| l.inflight_memory_percent.to_string(),
        "Share of memory.budget for requests on their way in, with what is decoded of them; beyond, they are answered 503.",
        |c, v| put(&mut c.limits.inflight_memory_percent, percent(v))
    ),
    key!(
        "memory.head_percent",
        "percent",
        |l| l.head_memory_percent.to_string(),
        "Share for rows that no block has yet; beyond, writes are answered 503 until a flush has made room.",
        |c, v| put(&mut c.limits.head_memory_percent, percent(v))
    ),
    key!(
        "memory.follow_percent",
        "percent",
        |l| l.follow_memory_percent.to_string(),
        "Share for new rows that wait for those who follow them as they come, such as live tails; who falls further behind is told what it missed.",
        |c, v| put(&mut c.limits.follow_memory_percent, percent(v))
    ),
    key!(
        "memory.series_percent",
        "percent",
        |l| l.series_memory_percent.to_string(),
        "Share for the labels of all active series of all tenants; beyond, new series are rejected, existing ones go on.",
        |c, v| put(&mut c.limits.series_memory_percent, percent(v))
    ),
    key!(
        "memory.query_percent",
        "percent",
        |l| l.query_memory_percent.to_string(),
        "Share for one query; more is answered 422.",
        |c, v| put(&mut c.limits.query_memory_percent, percent(v))
    ),
    key!(
        "memory.queries_percent",
        "percent",
        |l| l.queries_memory_percent.to_string(),
        "Share for all queries together.",
        |c, v| put(&mut c.limits.queries_memory_percent, percent(v))
    ),
    key!(
        "span_metrics.enabled",
        "true|false",
        |_| "true".to_owned(),
        "Whether series are made of spans: calls, latencies and errors per service and span name (traces_spanmetrics_*), and who calls whom (traces_service_graph_*).",
        |c, v| put(&mut c.span_metrics.enabled, boolean(v))
    ),
    key!(
        "span_metrics.classic",
        "true|false",
        |_| "true".to_owned(),
        "Whether their latencies are also kept as classic histograms (_bucket, _sum, _count), beside the native ones: stock dashboards ask for them. They make 17 series of one.",
        |c, v| put(&mut c.span_metrics.classic, boolean(v))
    ),
    key!(
        "span_metrics.interval",
        "duration",
        |_| "15s".to_owned(),
        "How often samples are written.",
        |c, v| put(&mut c.span_metrics.interval, positive_duration(v))
    ),
    key!(
        "span_metrics.groups_max",
        "number",
        |_| SpanMetrics::default().groups_max.to_string(),
        "Combinations of service, span name, kind and status, and edges between services, of one tenant; spans beyond count under <other>. Watch tarn_span_metrics_groups.",
        |c, v| put(&mut c.span_metrics.groups_max, count(v))
    ),
    key!(
        "alerting.rule_files",
        "list of paths",
        |_| String::new(),
        "Rule files in Prometheus' format; * and ? stand for parts of a name. They are looked at every few seconds; a mistake in one leaves all of the old rules running.",
        |c, v| put(&mut c.alerting.rule_files, list(v))
    ),
    key!(
        "alerting.slo_files",
        "list of paths",
        |_| String::new(),
        "Files with service level objectives, likewise.",
        |c, v| put(&mut c.alerting.slo_files, list(v))
    ),
    key!(
        "alerting.shipped_rules",
        "true|false",
        |_| "true".to_owned(),
        "Whether the rules that come with Tarn run beside them.",
        |c, v| put(&mut c.alerting.shipped_rules, boolean(v))
    ),
    key!(
        "alerting.evaluation_interval",
        "duration",
        |_| "1m".to_owned(),
        "How often groups of rules are evaluated that do not say.",
        |c, v| put(&mut c.alerting.evaluation_interval, positive_duration(v))
    ),
    key!(
        "alerting.rule_query_offset",
        "duration",
        |_| "0s".to_owned(),
        "How far in the past groups of rules are evaluated that do not say.",
        |c, v| put(&mut c.alerting.rule_query_offset, duration(v))
    ),
    key!(
        "alerting.resend_delay",
        "duration",
        |_| "1m".to_owned(),
        "How often an alert that goes on is told to the notifier again.",
        |c, v| put(&mut c.alerting.resend_delay, positive_duration(v))
    ),
    key!(
        "alerting.external_labels",
        "list of name=value",
        |_| String::new(),
        "Labels added to every alert that lacks them, such as cluster=eu1.",
        |c, v| put(&mut c.alerting.external_labels, pairs(v))
    ),
    key!(
        "alerting.external_url",
        "address",
        |_| String::new(),
        "Where people reach this server: links in pages begin with it. Empty: made of listen.http.",
        |c, v| put(&mut c.alerting.external_url, web_address(v))
    ),
    key!(
        "alerting.alertmanager_config",
        "path",
        |_| String::new(),
        "Routes, receivers, inhibitions and mute times: an alertmanager.yml. Empty: alerts are shown and nobody is told.",
        |c, v| put(&mut c.alerting.alertmanager_config, optional(v, folder))
    ),
    key!(
        "alerting.on_arrival",
        "true|false",
        |_| "true".to_owned(),
        "Whether rules that look at single series are evaluated when a sample arrives, and not at the slots of their group only. A group can say otherwise.",
        |c, v| put(&mut c.alerting.on_arrival, boolean(v))
    ),
    key!(
        "alerting.strict",
        "true|false",
        |_| "false".to_owned(),
        "Refuses what Prometheus and Alertmanager would refuse, and receivers that Tarn cannot send to yet.",
        |c, v| put(&mut c.alerting.strict, boolean(v))
    ),
    key!(
        "alerting.compat",
        "true|false",
        |_| "false".to_owned(),
        "Turns off what Tarn does better on purpose: what follows a removed rule, a failed evaluation or a restart is then as upstream has it.",
        |c, v| put(&mut c.alerting.compat, boolean(v))
    ),
    key!(
        "alerting.dead_letter_after",
        "duration",
        |_| "24h".to_owned(),
        "For how long the delivery of a notification is tried.",
        |c, v| put(&mut c.alerting.dead_letter_after, positive_duration(v))
    ),
    key!(
        "alerting.fallback_receiver",
        "text",
        |_| String::new(),
        "Receiver that is told what another did not take in time.",
        |c, v| put(&mut c.alerting.fallback_receiver, text(v))
    ),
    key!(
        "alerting.fallback_after",
        "duration",
        |_| "20s".to_owned(),
        "How long the other one has for it.",
        |c, v| put(&mut c.alerting.fallback_after, positive_duration(v))
    ),
    key!(
        "alerting.egress_allow",
        "list of networks and hosts",
        |_| String::new(),
        "Where notifications may go although the address is private or without TLS, where somebody names it through an interface: 10.0.0.0/8, hooks.example.org, *.corp.example. What stands in the operator's own files needs no leave.",
        |c, v| put(&mut c.alerting.egress.allow, places(v))
    ),
    key!(
        "alerting.egress_deny",
        "list of networks and hosts",
        |_| String::new(),
        "Where notifications may never go, whoever names it.",
        |c, v| put(&mut c.alerting.egress.deny, places(v))
    ),
    key!(
        "telemetry.own_metrics",
        "true|false",
        |_| "true".to_owned(),
        "Whether Tarn stores its own metrics (job=\"tarn\") and the machine's in itself.",
        |c, v| put(&mut c.telemetry.own_metrics, boolean(v))
    ),
    key!(
        "audit.enabled",
        "auto|true|false",
        |_| "auto".to_owned(),
        "Whether Tarn records who did what: logins, keys, users, rules, boards, silences, erasures, and what was refused. They are rows of tenant _audit, each with the hash of the one before; `tarn audit verify` checks them. auto: where somebody has to log in.",
        |c, v| put(&mut c.audit.enabled, auto(v, boolean))
    ),
    key!(
        "audit.stdout",
        "true|false",
        |_| "false".to_owned(),
        "Whether each event is a line of JSON on standard output, too.",
        |c, v| put(&mut c.audit.stdout, boolean(v))
    ),
    key!(
        "audit.keep",
        "duration",
        |_| "400d".to_owned(),
        "How long events are kept, whatever retention.* says.",
        |c, v| put(&mut c.audit.keep, positive_duration(v))
    ),
    key!(
        "telemetry.own_logs",
        "true|false",
        |_| "true".to_owned(),
        "Whether Tarn stores its own log lines, INFO and above, in itself (service.name \"tarn\").",
        |c, v| put(&mut c.telemetry.own_logs, boolean(v))
    ),
    key!(
        "telemetry.own_traces",
        "true|false",
        |_| "true".to_owned(),
        "Whether Tarn stores spans of its own work in itself: every query and flush, one write request in a hundred.",
        |c, v| put(&mut c.telemetry.own_traces, boolean(v))
    ),
    key!(
        "telemetry.host_metrics",
        "true|false",
        |_| "true".to_owned(),
        "Whether the machine's metrics (system_*) are among them.",
        |c, v| put(&mut c.telemetry.host_metrics, boolean(v))
    ),
    key!(
        "telemetry.interval",
        "duration",
        |_| "15s".to_owned(),
        "How often it does so.",
        |c, v| put(&mut c.telemetry.interval, positive_duration(v))
    ),
    key!(
        "telemetry.tenant",
        "tenant",
        |_| String::new(),
        "Whose data that is. Empty: \"default\", or \"_tarn\" where tenants.required is set.",
        |c, v| put(&mut c.telemetry.tenant, tenant(v))
    ),
    key!(
        "telemetry.rows_max",
        "number",
        |_| "5000".to_owned(),
        "Rows of one interval; the rest is dropped and counted in tarn_telemetry_dropped_rows_total.",
        |c, v| put(&mut c.telemetry.rows_max, count(v))
    ),
    key!(
        "ui.dashboards",
        "list of folders",
        |_| String::new(),
        "Folders whose .yaml and .json files are boards, in the Perses format. They are looked at every few seconds; a file stays the owner of its board.",
        |c, v| put(&mut c.ui.dashboards, list(v))
    ),
    key!(
        "log.level",
        "error|warn|info|debug|trace",
        |_| "info".to_owned(),
        "Which of Tarn's own log lines are written; also a list per module, as info,tarn_storage=debug.",
        |c, v| put(&mut c.log.filter, log_filter(v))
    ),
    key!(
        "log.format",
        "auto|text|json|logfmt",
        |_| "auto".to_owned(),
        "How they are written, on standard error; auto: text on a terminal, logfmt elsewhere.",
        |c, v| put(&mut c.log.format, log_format(v))
    ),
    key!(
        "shutdown.delay",
        "duration",
        |_| "0s".to_owned(),
        "How long a stop waits after /readyz turned false, so that load balancers notice. 5s suits Kubernetes.",
        |c, v| put(&mut c.shutdown.delay, duration(v))
    ),
    key!(
        "shutdown.grace",
        "duration",
        |_| "25s".to_owned(),
        "How long a stop waits for requests that are being answered.",
        |c, v| put(&mut c.shutdown.grace, duration(v))
    ),
];

/// Returns a configuration whose every field the table is about to overwrite.
pub(super) fn blank() -> Config {
    let nothing = Duration::ZERO;
    Config {
        listen: Listen {
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            otlp_grpc: None,
            otlp_http: None,
            insecure_bind: false,
            hosts: Vec::new(),
            header_timeout: nothing,
            proxies: Proxies::default(),
            tls: tls::Options::default(),
        },
        people: People {
            lives: Lives { idle: nothing, max: nothing },
            oidc: oidc::Settings::default(),
        },
        ui: Ui { base_path: BasePath::default(), dashboards: Vec::new() },
        storage: Options::new(""),
        retention: Retention::default(),
        query: Query { slow: nothing, lookback: nothing, sql_cross_joins: false },
        tenants: Tenants { required: false, limits_file: String::new() },
        auth: Auth { login: Login::Off, file: String::new(), plain_http: false },
        alerting: tarn_alerting::Options::default(),
        telemetry: Telemetry {
            interval: nothing,
            own_metrics: false,
            own_logs: false,
            own_traces: false,
            host_metrics: false,
            tenant: String::new(),
            rows_max: 0,
        },
        audit: Audit { enabled: Some(false), stdout: false, keep: nothing },
        log: Log { filter: String::new(), format: LogFormat::Auto },
        shutdown: Shutdown { delay: nothing, grace: nothing },
        limits: Limits::default(),
        otlp_metrics: OtlpMetrics::default(),
        span_metrics: SpanMetrics::default(),
        changed: Vec::new(),
    }
}

fn put<T>(place: &mut T, parsed: Result<T, String>) -> Result<(), String> {
    *place = parsed?;
    Ok(())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().map_err(|_| {
        format!(
            "{text:?} is not an address such as 127.0.0.1:4320 (0.0.0.0:4320 for every interface)"
        )
    })
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

fn login(text: &str) -> Result<Login, String> {
    match text {
        "auto" => Ok(Login::Auto),
        "on" | "true" => Ok(Login::On),
        "off" | "false" => Ok(Login::Off),
        _ => Err(format!("{text:?} is none of auto, on, off")),
    }
}

fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect())
}

fn translation(text: &str) -> Result<Translation, String> {
    Translation::parse(text).ok_or_else(|| {
        let known = Translation::ALL.map(Translation::as_str).join(", ");
        format!("{text:?} is none of {known}")
    })
}

pub(super) fn promote(text: &str) -> Result<Promote, String> {
    let names = list(text)?;
    if !names.iter().any(|name| name == "*") {
        return match names.iter().find(|name| name.starts_with('-')) {
            Some(name) => Err(format!("{name:?} leaves something out of nothing: * is missing")),
            None => Ok(Promote::Only(names)),
        };
    }
    let left_out = |name: &String| match name.strip_prefix('-') {
        Some(name) => Some(Ok(name.to_owned())),
        None if name == "*" => None,
        None => Some(Err(format!("{name:?} is part of * already"))),
    };
    names.iter().filter_map(left_out).collect::<Result<_, _>>().map(Promote::AllBut)
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|e| e.message())
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0s".to_owned()),
        longer => Ok(longer),
    }
}

fn bytes(text: &str) -> Result<ByteSize, String> {
    bytes_from(text, ByteSize(1))
}

fn bytes_from(text: &str, least: ByteSize) -> Result<ByteSize, String> {
    let size = ByteSize::parse(text).map_err(|e| e.message())?;
    if size < least {
        return Err(format!("{text:?} is too small, the least is {least}"));
    }
    Ok(size)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

fn at_least(text: &str, least: usize) -> Result<usize, String> {
    let parsed: usize = number(text)?;
    if parsed < least {
        return Err(format!("must be at least {least}"));
    }
    Ok(parsed)
}

fn count<T: std::str::FromStr + PartialEq + From<u8>>(text: &str) -> Result<T, String> {
    let parsed = number(text)?;
    if parsed == T::from(0) {
        return Err("must be at least 1".to_owned());
    }
    Ok(parsed)
}

/// A number that may be made smaller only: beyond its default, stacks are not deep enough.
fn at_most(text: &str, max: usize) -> Result<usize, String> {
    match count(text)? {
        more if more > max => Err(format!("{more} is more than {max}, which is tested")),
        fine => Ok(fine),
    }
}

fn percent(text: &str) -> Result<u8, String> {
    let text = text.strip_suffix('%').unwrap_or(text).trim();
    number(text)
        .ok()
        .filter(|n| (1..=100).contains(n))
        .ok_or_else(|| format!("{text:?} is not a percentage from 1 to 100"))
}

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "auto" => Ok(Rate::Auto),
        "off" => Ok(Rate::Off),
        _ => bytes(text).map(Rate::PerSecond),
    }
}

fn auto<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == "auto" { Ok(None) } else { parse(text).map(Some) }
}

fn off<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == "off" { Ok(None) } else { parse(text).map(Some) }
}

fn folder(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("must name a folder".to_owned());
    }
    Ok(PathBuf::from(text))
}

fn optional<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |item: String| match item.split_once('=') {
        Some((name, value)) if is_legacy_label_name(name) && name != METRIC_NAME => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("{item:?} is not a label such as cluster=eu1")),
    };
    list(text)?.into_iter().map(pair).collect()
}

fn proxies(text: &str) -> Result<Proxies, String> {
    Proxies::parse(&list(text)?)
}

fn places(text: &str) -> Result<Places, String> {
    Places::parse(list(text)?.iter().map(String::as_str)).map_err(|e| e.message())
}

fn web_address(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { endpoint(text) }
}

fn bucket(text: &str) -> Result<BucketUrl, String> {
    BucketUrl::parse(text).map_err(|e| e.message())
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(&endpoint(text)?).map_err(|e| e.to_string())?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(format!("{text:?} is more than an address"));
    }
    Ok(url)
}

fn endpoint(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("http" | "https", host)) if !host.is_empty() && !host.contains('@') => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("is not an address such as https://minio.example:9000".to_owned()),
    }
}

fn addressing(text: &str) -> Result<Addressing, String> {
    Addressing::parse(text).ok_or_else(|| format!("{text:?} is none of auto, path, virtual_host"))
}

fn tenant(text: &str) -> Result<String, String> {
    if !text.is_empty() {
        tarn_model::tenant::TenantId::parse(text).map_err(|e| e.message())?;
    }
    Ok(text.to_owned())
}

fn wal_sync(text: &str) -> Result<WalSync, String> {
    match text {
        "group" => Ok(WalSync::Group),
        "none" => Ok(WalSync::None),
        _ => Err(format!("{text:?} is neither group nor none")),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    text.parse::<tracing_subscriber::EnvFilter>()
        .map(|_| text.to_owned())
        .map_err(|e| format!("{text:?} is not a log filter such as info: {e}"))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        "logfmt" => Ok(LogFormat::Logfmt),
        _ => Err(format!("{text:?} is none of auto, text, json, logfmt")),
    }
}
