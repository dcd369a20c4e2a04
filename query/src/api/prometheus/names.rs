//! `labels`, `label/<name>/values`, `series` and `metadata`: what there is, without samples.

use std::fmt::Display;
use std::sync::Arc;

use tarn_model::error::Error;
use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::sample::Metadata;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_promql::parse::{ParseLimits, parse_selector};
use tarn_promql::query::{Hooks, QueryError};
use tarn_storage::view::{ScanLimits, Selector, View};

use super::Call;
use super::params::{self, Params};
use crate::api::json;
use crate::api::reply::{Failure, Gone, Remarks, Sink};
use crate::engine::names_outcome;
use crate::govern::Report;
use crate::govern::memory::Account;
use crate::govern::metrics::Outcome;

const TRUNCATED: &str = "results truncated due to limit";

/// Names of labels.
pub(super) async fn labels(call: &Call, sink: Sink) -> Result<(), Gone> {
    let asked = match Asked::read(call, false) {
        Ok(asked) => asked,
        Err(failure) => return sink.fail(&failure).await,
    };
    let found = look(call, |scan| async move {
        let Scan { view, tenant, limits } = scan;
        view.label_names(&tenant, &asked.selectors, asked.range, limits).await
    })
    .await;
    list(found, asked.limit, sink, |out, name: &String| json::string(out, name)).await
}

/// Values of one label.
pub(super) async fn label_values(call: &Call, path: &str, sink: Sink) -> Result<(), Gone> {
    let name = match label_name(path) {
        Ok(name) => name,
        Err(failure) => return sink.fail(&failure).await,
    };
    let asked = match Asked::read(call, false) {
        Ok(asked) => asked,
        Err(failure) => return sink.fail(&failure).await,
    };
    let found = look(call, |scan| async move {
        let Scan { view, tenant, limits } = scan;
        view.label_values(&tenant, &name, &asked.selectors, asked.range, limits).await
    })
    .await;
    list(found, asked.limit, sink, |out, value: &String| json::string(out, value)).await
}

/// Label sets.
pub(super) async fn series(call: &Call, sink: Sink) -> Result<(), Gone> {
    let asked = match Asked::read(call, true) {
        Ok(asked) => asked,
        Err(failure) => return sink.fail(&failure).await,
    };
    let found = look(call, |scan| async move {
        let Scan { view, tenant, limits } = scan;
        view.series(&tenant, &asked.selectors, limits).await
    })
    .await;
    list(found, asked.limit, sink, |out, set: &LabelSet| json::labels(out, set)).await
}

/// Type, help and unit of metric families.
pub(super) async fn metadata(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let (limit, per_metric) = match metadata_limits(&call.params) {
        Ok(limits) => limits,
        Err(failure) => return sink.fail(&failure).await,
    };
    let found = look(call, |scan| async move { scan.view.families(&scan.tenant).await }).await;
    let Found { rows, partial, _account } = match found {
        Ok(found) => found,
        Err(failure) => return sink.fail(&failure).await,
    };
    let metric = call.params.get("metric");
    let mut families: Vec<(&str, Vec<&Metadata>)> = Vec::new();
    for (family, metadata) in &rows {
        if !metric.is_empty() && family != metric {
            continue;
        }
        match families.last_mut() {
            Some((last, list)) if last == family => list.push(metadata),
            _ => families.push((family, vec![metadata])),
        }
    }
    sink.open();
    sink.out.push(b'{');
    for (i, (family, list)) in families.iter().take(limit).enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        json::string(&mut sink.out, family);
        sink.out.extend_from_slice(b":[");
        for (j, one) in list.iter().take(per_metric).enumerate() {
            if j > 0 {
                sink.out.push(b',');
            }
            describe(&mut sink.out, one);
        }
        sink.out.push(b']');
        sink.send_full().await?;
    }
    sink.out.push(b'}');
    let mut remarks = Remarks::default();
    say_partial(partial, &mut remarks, &mut sink);
    sink.close(&remarks).await
}

fn describe(out: &mut Vec<u8>, metadata: &Metadata) {
    let fields = [
        ("{\"type\":", metadata.metric_type.as_str()),
        (",\"help\":", &metadata.help),
        (",\"unit\":", &metadata.unit),
    ];
    for (key, value) in fields {
        out.extend_from_slice(key.as_bytes());
        json::string(out, value);
    }
    out.push(b'}');
}

/// The two limits of `metadata`; negative or absent: none. Upstream reads them apart from the
/// other limits, with errors of their own.
fn metadata_limits(params: &Params) -> Result<(usize, usize), Failure> {
    let read = |name: &str| {
        let text = params.get(name);
        let limit = if text.is_empty() { Ok(-1) } else { text.parse::<i64>() };
        limit
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
            .map_err(|_| Failure::bad_data(format!("{name} must be a number")))
    };
    // Of the outer limit 0 cuts everything, of the inner one nothing, as upstream has it.
    let per_metric = read("limit_per_metric")?;
    Ok((read("limit")?, if per_metric == 0 { usize::MAX } else { per_metric }))
}

/// The parameters that the three questions about labels share.
struct Asked {
    selectors: Vec<Selector>,
    range: TimeRange,
    limit: Option<usize>,
}

impl Asked {
    fn read(call: &Call, needs_match: bool) -> Result<Self, Failure> {
        let params = &call.params;
        if needs_match && params.all("match[]").is_empty() {
            return Err(Failure::bad_data("no match[] parameter provided"));
        }
        let limit = params.limit()?;
        let range = params.range()?;
        let mut limits = ParseLimits::from(&*call.engine.limits_of(&call.tenant));
        // Upstream names the parameter where it is required, and does not where it is optional.
        let wrong = |e: &dyn Display| match needs_match {
            true => Failure::parameter("match[]", e),
            false => Failure::bad_data(e.to_string()),
        };
        let mut selectors = Vec::new();
        for text in params.all("match[]") {
            let matchers = parse_selector(text, limits).map_err(|e| wrong(&e))?;
            // The limit of regular expressions holds for all selectors together.
            limits.regexes_max -= matchers.iter().filter(|m| m.is_compiled()).count();
            if matchers.iter().all(Matcher::matches_empty) {
                let message = "match[] must contain at least one non-empty matcher";
                return Err(wrong(&message));
            }
            selectors.push(Selector { matchers, range });
        }
        Ok(Self { selectors, range, limit })
    }
}

/// Takes the name out of `…/label/<name>/values`.
fn label_name(path: &str) -> Result<String, Failure> {
    let escaped = path.strip_suffix("/values").and_then(|p| p.rsplit('/').next()).unwrap_or("");
    let decoded = url::form_urlencoded::parse(escaped.replace('+', "%2B").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default();
    let name = params::unescape_name(&decoded);
    if name.is_empty() || name.contains('\u{fffd}') {
        return Err(Failure::bad_data(format!("invalid label name: {decoded:?}")));
    }
    Ok(name)
}

/// What a question about names reads from.
pub(super) struct Scan {
    pub(super) view: Arc<View>,
    pub(super) tenant: TenantId,
    pub(super) limits: ScanLimits,
}

/// Rows, why some may be missing, and the memory they take until they are sent.
pub(super) struct Found<T> {
    pub(super) rows: Vec<T>,
    partial: Option<String>,
    _account: Account,
}

/// What can be listed.
pub(super) trait Row {
    /// Returns what the row holds on the heap; what it shares with the store does not count.
    fn bytes(&self) -> usize;
}

impl Row for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Row for LabelSet {
    fn bytes(&self) -> usize {
        size_of_val(self.as_slice())
    }
}

impl Row for (String, Metadata) {
    fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// Asks a view, with a slot and within the time limit.
pub(super) async fn look<T, F>(
    call: &Call,
    ask: impl FnOnce(Scan) -> F,
) -> Result<Found<T>, Failure>
where
    T: Row,
    F: Future<Output = Result<Vec<T>, Error>>,
{
    let engine = &call.engine;
    let running = engine.admit_names(&call.tenant, call.cancel.clone()).await?;
    let account = running.account();
    let view = engine.view();
    let own = Arc::clone(&view);
    let tenant = call.tenant.clone();
    let result = tokio::select! {
        result = ask(Scan { view: own, tenant, limits: engine.scan_limits(&call.tenant) }) => Some(result),
        () = running.expired() => None,
    };
    let outcome = match &result {
        Some(Ok(_)) => Outcome::Ok,
        Some(Err(error)) => names_outcome(error),
        None => Outcome::Timeout,
    };
    let text = call.params.all("match[]").join(" ");
    let tenant = &call.tenant;
    running.finish(outcome, &Report { tenant, text: &text, series: 0, samples: 0, bytes_peak: 0 });
    match result {
        Some(Ok(rows)) => {
            let bytes: usize = rows.iter().map(|row| size_of::<T>() + row.bytes()).sum();
            if account.reserve(bytes as u64) {
                return Ok(Found { rows, partial: view.partial(), _account: account });
            }
            let message =
                format!("memory of all queries is used up: the answer needs {bytes} bytes");
            Err(Error::limit(message).into())
        }
        Some(Err(error)) => Err(error.into()),
        None => Err(QueryError::Timeout.into()),
    }
}

async fn list<T: Send + Sync>(
    found: Result<Found<T>, Failure>,
    limit: Option<usize>,
    sink: Sink,
    write: impl Fn(&mut Vec<u8>, &T) + Send,
) -> Result<(), Gone> {
    let limit = limit.unwrap_or(usize::MAX);
    let is_cut = found.as_ref().is_ok_and(|found| found.rows.len() > limit);
    send(found, limit, is_cut, sink, write).await
}

/// Sends the first rows, and whether there are more.
pub(super) async fn send<T: Send + Sync>(
    found: Result<Found<T>, Failure>,
    limit: usize,
    is_cut: bool,
    mut sink: Sink,
    write: impl Fn(&mut Vec<u8>, &T) + Send,
) -> Result<(), Gone> {
    let Found { rows, partial, _account } = match found {
        Ok(found) => found,
        Err(failure) => return sink.fail(&failure).await,
    };
    let mut remarks = Remarks::default();
    if is_cut {
        remarks.warnings.push(TRUNCATED.to_owned());
    }
    say_partial(partial, &mut remarks, &mut sink);
    sink.open();
    sink.out.push(b'[');
    for (i, row) in rows.iter().take(limit).enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        write(&mut sink.out, row);
        sink.send_full().await?;
    }
    sink.out.push(b']');
    sink.close(&remarks).await
}

fn say_partial(partial: Option<String>, remarks: &mut Remarks, sink: &mut Sink) {
    if let Some(why) = partial {
        remarks.warnings.push(why);
        sink.mark_partial();
    }
}
