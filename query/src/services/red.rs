//! Rate, errors and durations of services, step by step, from the series of their spans.

use tarn_model::map::HashMap;
use tarn_model::sample::Histogram;
use tarn_promql::functions::{histogram_quantile, histogram_sum};
use tarn_promql::query::QueryError;

use super::ask::{Asker, one_of};
use super::window::Window;

/// Spans counted.
pub(crate) const CALLS: &str = "traces_spanmetrics_calls_total";
/// How long spans took.
pub(crate) const LATENCY: &str = "traces_spanmetrics_latency";
/// Chooses entry spans.
const ENTRY: &str = "span_kind=~\"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER\"";
/// The label value of spans that failed.
pub(crate) const FAILED: &str = "STATUS_CODE_ERROR";

/// Rate and errors of one service, or of one part of it. A step without series has no rate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates {
    /// Spans per second; NaN where nothing is known.
    pub(crate) rate: Vec<f64>,
    /// Failed spans per second.
    pub(crate) errors: Vec<f64>,
}

impl Rates {
    pub(super) fn new(points: usize) -> Self {
        Self { rate: vec![f64::NAN; points], errors: vec![f64::NAN; points] }
    }

    /// Adds spans, failed or not.
    pub(super) fn add(&mut self, at: usize, rate: f64) {
        plus(&mut self.rate[at], rate);
        self.add_errors(at, 0.0);
    }

    /// Says how many of the spans that were added failed.
    pub(super) fn add_errors(&mut self, at: usize, rate: f64) {
        plus(&mut self.errors[at], rate);
    }

    /// Returns spans per second and the share that failed, since spans were first seen: a service
    /// that began in the middle of the range is as busy as it is.
    pub(crate) fn total(&self) -> (f64, f64) {
        let first = self.rate.iter().position(|rate| *rate > 0.0).unwrap_or(0);
        let known = |list: &[f64]| list.iter().filter(|n| !n.is_nan()).sum::<f64>();
        let (spans, errors) = (known(&self.rate[first..]), known(&self.errors[first..]));
        let steps = (self.rate.len() - first).max(1) as f64;
        (spans / steps, if spans > 0.0 { errors / spans } else { 0.0 })
    }
}

fn plus(to: &mut f64, n: f64) {
    *to = if to.is_nan() { n } else { *to + n };
}

/// How long spans took, of each step and of all together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latency {
    pub(crate) p50: Vec<f64>,
    pub(crate) p99: Vec<f64>,
    all: Option<Histogram>,
}

impl Latency {
    pub(super) fn new(points: usize) -> Self {
        Self { p50: vec![f64::NAN; points], p99: vec![f64::NAN; points], all: None }
    }

    pub(super) fn add(&mut self, at: usize, histogram: &Histogram) {
        self.p50[at] = histogram_quantile(0.5, histogram);
        self.p99[at] = histogram_quantile(0.99, histogram);
        self.all = match self.all.take() {
            None => Some(histogram.clone()),
            Some(all) => histogram_sum(&all, histogram).or(Some(all)),
        };
    }

    /// Returns a quantile of all steps together, in seconds.
    pub(crate) fn total(&self, q: f64) -> f64 {
        self.all.as_ref().map_or(f64::NAN, |all| histogram_quantile(q, all))
    }
}

/// One service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Red {
    pub(crate) rates: Rates,
    pub(crate) latency: Latency,
    /// Measured by its entry spans, not by all.
    pub(crate) by_entry: bool,
}

/// Reads services; `matcher` bounds which (`service="cart"`), or is empty.
///
/// # Errors
/// Those of the queries.
pub(crate) async fn read(
    asker: &mut Asker<'_>,
    window: &Window,
    matcher: &str,
) -> Result<HashMap<String, Red>, QueryError> {
    let mut services = rates(asker, window, matcher).await?;
    let inner: Vec<String> =
        services.iter().filter(|(_, red)| !red.by_entry).map(|(name, _)| name.clone()).collect();
    if inner.len() < services.len() {
        let selected = joined(&[ENTRY, matcher]);
        latencies(asker, window, &selected, &mut services).await?;
    }
    if !inner.is_empty() {
        latencies(asker, window, &one_of("service", &inner), &mut services).await?;
    }
    Ok(services)
}

async fn rates(
    asker: &mut Asker<'_>,
    window: &Window,
    matcher: &str,
) -> Result<HashMap<String, Red>, QueryError> {
    let text = format!(
        "sum by (service, span_kind, status_code) (rate({CALLS}{{{matcher}}}[{}ms]))",
        window.rate_ms()
    );
    // By entry spans, and by all.
    let mut found: HashMap<String, (Option<Rates>, Rates)> = HashMap::default();
    let points = window.points;
    asker
        .series(text, window, |series| {
            let labels = &series.labels;
            let kind = labels.value("span_kind");
            let is_entry = matches!(kind, "SPAN_KIND_SERVER" | "SPAN_KIND_CONSUMER");
            let failed = labels.value("status_code") == FAILED;
            let service = labels.value("service").to_owned();
            let (entry, all) = found.entry(service).or_insert_with(|| (None, Rates::new(points)));
            for (time_ms, rate) in &series.floats {
                let Some(at) = window.index(*time_ms) else { continue };
                let of_errors = if failed { *rate } else { 0.0 };
                all.add(at, *rate);
                all.add_errors(at, of_errors);
                if is_entry {
                    let entry = entry.get_or_insert_with(|| Rates::new(points));
                    entry.add(at, *rate);
                    entry.add_errors(at, of_errors);
                }
            }
        })
        .await?;
    let red = |(entry, all): (Option<Rates>, Rates)| {
        let by_entry = entry.is_some();
        Red { rates: entry.unwrap_or(all), latency: Latency::new(points), by_entry }
    };
    Ok(found.into_iter().map(|(name, rates)| (name, red(rates))).collect())
}

async fn latencies(
    asker: &mut Asker<'_>,
    window: &Window,
    matcher: &str,
    services: &mut HashMap<String, Red>,
) -> Result<(), QueryError> {
    let text = format!("sum by (service) (rate({LATENCY}{{{matcher}}}[{}ms]))", window.rate_ms());
    asker
        .series(text, window, |series| {
            let Some(red) = services.get_mut(series.labels.value("service")) else { return };
            for (time_ms, histogram) in &series.histograms {
                if let Some(at) = window.index(*time_ms).filter(|_| histogram.count() > 0.0) {
                    red.latency.add(at, histogram);
                }
            }
        })
        .await
}

/// Joins matchers, those that say something.
pub(crate) fn joined(matchers: &[&str]) -> String {
    let said: Vec<&str> = matchers.iter().copied().filter(|m| !m.is_empty()).collect();
    said.join(",")
}
