//! The last values of the series → groups, at a start.
//!
//! All groups of a tenant are written at one time, so that its last time says it all: it is looked for
//! in growing windows of the past, and the series are read at that time only.

use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::sample::Histogram;
use tarn_model::slice::{Samples, Slice};
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::view::{Reader, ScanLimits, Selector, View};

use super::fold::Tenant;
use super::graph::{EdgeKey, Peer, connection};
use super::latency::Latency;
use super::series::{
    CALLS, CLIENT_SECONDS, FAILED, Group, LATENCY, REQUESTS, SERVER_SECONDS, SpanKey, kind, status,
};

/// How far back the last values are looked for: ten minutes, a day, a week.
const WINDOWS_MS: [i64; 3] = [600_000, 86_400_000, 7 * 86_400_000];
/// As many series as a tenant may have in groups, classic histograms included.
const LIMITS: ScanLimits = ScanLimits { series_max: 1_000_000, bytes_max: 256 << 20 };

/// Takes up the groups of a tenant where they were.
pub(super) async fn restore(
    reader: &Reader,
    id: &TenantId,
    tenant: &mut Tenant,
    now_ms: i64,
) -> Result<()> {
    let view = reader.view();
    let mut last = None;
    for window in WINDOWS_MS {
        let range = TimeRange { start_ms: now_ms - window, end_ms: i64::MAX };
        let calls = Matcher::equal(METRIC_NAME, CALLS);
        each(&view, id, (calls, range), |_, slice| last = last.max(slice.times().last().copied()))
            .await?;
        if last.is_some() {
            break;
        }
    }
    let Some(last) = last else { return Ok(()) };
    let all = Matcher::new(
        METRIC_NAME,
        MatchOp::Regex,
        "traces_spanmetrics_(calls_total|latency.*)|traces_service_graph_request_.*",
    )?;
    let range = TimeRange { start_ms: last, end_ms: last };
    each(&view, id, (all, range), |labels, slice| {
        if let Some(at) = slice.times().iter().position(|time| *time == last) {
            take(tenant, labels, &Value::of(slice, at), now_ms);
        }
    })
    .await?;
    let groups = tenant.spans.values_mut().chain(tenant.edges.values_mut());
    groups.for_each(|group| {
        group.latency.restored();
        group.server.restored();
    });
    Ok(())
}

/// Shows all slices of the series that match.
async fn each(
    view: &Arc<View>,
    tenant: &TenantId,
    (matcher, range): (Matcher, TimeRange),
    mut show: impl FnMut(&LabelSet, &Slice) + Send,
) -> Result<()> {
    let selector = Selector { matchers: vec![matcher], range };
    let mut slices = Vec::new();
    for mut selection in view.select(tenant, &[selector], LIMITS).await? {
        for series in &selection.series {
            if !selection.cursor.next(&mut slices).await? {
                break;
            }
            slices.iter().for_each(|slice| show(&series.labels, slice));
        }
    }
    Ok(())
}

enum Value {
    Float(f64),
    Histogram(Arc<Histogram>),
}

impl Value {
    fn of(slice: &Slice, at: usize) -> Self {
        match &slice.samples {
            Samples::Floats(values) => Self::Float(values[at]),
            Samples::Histograms(values) => Self::Histogram(Arc::clone(&values[at])),
        }
    }
}

fn take(tenant: &mut Tenant, labels: &LabelSet, value: &Value, now_ms: i64) {
    let metric = labels.metric();
    let group = if metric.starts_with("traces_spanmetrics") {
        span_key(labels).map(|key| tenant.spans.entry(key).or_default())
    } else {
        Some(tenant.edges.entry(edge_key(labels)).or_default())
    };
    let Some(group) = group else { return };
    (group.last_ms, group.is_known) = (now_ms, true);
    let Group { count, failed, latency, server, .. } = group;
    match (metric, value) {
        (CALLS | REQUESTS, Value::Float(value)) => *count = *value,
        (FAILED, Value::Float(value)) => *failed = *value,
        _ => {
            let server_part = metric.strip_prefix(SERVER_SECONDS).map(|part| (server, part));
            let own = metric.strip_prefix(LATENCY).or_else(|| metric.strip_prefix(CLIENT_SECONDS));
            if let Some((latency, part)) = server_part.or(own.map(|part| (latency, part))) {
                take_latency(latency, part, labels.value("le"), value);
            }
        }
    }
}

fn take_latency(latency: &mut Latency, part: &str, le: &str, value: &Value) {
    match (part, value) {
        ("", Value::Histogram(histogram)) => latency.restore(histogram),
        ("_bucket", Value::Float(count)) => latency.restore_bucket(le, *count),
        // Sum and count stand in the native histogram, too.
        _ => {}
    }
}

/// Returns the key of a group of spans; `None` where somebody else writes series of this name.
fn span_key(labels: &LabelSet) -> Option<SpanKey> {
    let kind = (0..=5).map(kind).find(|text| *text == labels.value("span_kind"))?;
    let status = (0..=2).map(status).find(|text| *text == labels.value("status_code"))?;
    let (service, name) = (labels.value("service").into(), labels.value("span_name").into());
    Some(SpanKey { service, name, kind, status })
}

fn edge_key(labels: &LabelSet) -> EdgeKey {
    let peer = |service, namespace| Peer {
        service: labels.value(service).into(),
        namespace: labels.value(namespace).into(),
    };
    EdgeKey {
        client: peer("client", "client_service_namespace"),
        server: peer("server", "server_service_namespace"),
        connection: connection(labels.value("connection_type")),
    }
}
