//! `rate` and its relatives over native histograms: like those of floats, bucket by bucket.

use std::sync::Arc;

use tarn_model::sample::{Histogram, ResetHint};

use super::mixed::{MIXED_KINDS, MixedView};
use super::native::{compacted, divided, scaled};
use super::rate::RateKind;
use crate::exec::arithmetic::MIXED_LAYOUTS;
use crate::exec::context::HISTOGRAM_WORK;
use crate::exec::steps::Steps;
use crate::exec::window::WindowSpec;
use crate::histogram::{Incompatible, add, is_reset, sub};

/// What the user may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remark {
    NotCounter,
    NotGauge,
}

impl Remark {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotCounter => "this native histogram metric is not a counter",
            Self::NotGauge => "this native histogram metric is not a gauge",
        }
    }
}

/// A sample.
pub(crate) type Sampled = (i64, Arc<Histogram>);

/// Computes one window of at least two samples; `start_ms` and `end_ms` are its borders.
pub(crate) fn rate(
    kind: RateKind,
    window: &[Sampled],
    (start_ms, end_ms): (i64, i64),
) -> Result<(Histogram, Option<Remark>), Incompatible> {
    let (first, last) = (&window[0], &window[window.len() - 1]);
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    let remark = match kind.counter {
        true => window.iter().any(|(_, h)| gauge(h)).then_some(Remark::NotCounter),
        false => (!gauge(&first.1) || !gauge(&last.1)).then_some(Remark::NotGauge),
    };
    let difference = match kind.counter {
        true => increase(window)?,
        false => sub(&last.1, &first.1)?.histogram,
    };
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let sampled = seconds(last.0 - first.0);
    let average = sampled / (window.len() - 1) as f64;
    let capped = |gap: f64| if gap >= average * 1.1 { average / 2.0 } else { gap };
    let mut to_start = capped(seconds(first.0 - start_ms));
    let (before, counted) = (first.1.count(), difference.count());
    if kind.counter && counted > 0.0 && before >= 0.0 {
        let to_zero = sampled * (before / counted);
        to_start = if to_zero < to_start { to_zero } else { to_start };
    }
    let mut factor = (sampled + to_start + capped(seconds(end_ms - last.0))) / sampled;
    if kind.per_second {
        factor /= seconds(end_ms - start_ms);
    }
    Ok((gauge_of(scaled(&difference, factor)), remark))
}

/// Returns by how much a counter rose: last - first, plus what was lost at each reset.
fn increase(window: &[Sampled]) -> Result<Histogram, Incompatible> {
    let (first, last) = (&window[0].1, &window[window.len() - 1].1);
    // After a reset behind the first sample that one does not count, whatever its layout.
    let starts_anew = is_reset(first, &window[1].1);
    let mut rise = if starts_anew { scaled(last, 1.0) } else { sub(last, first)?.histogram };
    let from = usize::from(starts_anew);
    for pair in window[from..].windows(2) {
        if is_reset(&pair[0].1, &pair[1].1) {
            rise = add(&rise, &pair[0].1)?.histogram;
        }
    }
    Ok(rise)
}

/// Computes the difference of two neighbours, for `irate` per second.
pub(crate) fn instant(
    rate: bool,
    before: &Sampled,
    last: &Sampled,
) -> Result<(Histogram, Option<Remark>), Incompatible> {
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    let gauges = (gauge(&before.1), gauge(&last.1));
    let remark = match rate {
        true => (gauges.0 || gauges.1).then_some(Remark::NotCounter),
        false => (!gauges.0 || !gauges.1).then_some(Remark::NotGauge),
    };
    let difference = if rate && is_reset(&before.1, &last.1) {
        scaled(&last.1, 1.0)
    } else {
        sub(&last.1, &before.1)?.histogram
    };
    let seconds = (last.0 - before.0) as f64 / 1000.0;
    let result = if rate { divided(&difference, seconds) } else { difference };
    Ok((gauge_of(result), remark))
}

fn gauge_of(mut histogram: Histogram) -> Histogram {
    histogram.reset_hint = ResetHint::Gauge;
    histogram
}

/// Adds `rate`, `increase` or `delta` of histograms to the result of the float lane. A window with
/// both kinds has no result. `tell` receives what the user is told.
pub(crate) fn add_rates(
    kind: RateKind,
    view: MixedView<'_>,
    spec: &WindowSpec,
    out: &mut Steps,
    tell: &mut dyn FnMut(&'static str),
) -> crate::query::Result<()> {
    let times: Vec<i64> = view.histograms.iter().map(|(time, _)| *time).collect();
    let (floats, histograms) = (spec.windows(view.times), spec.windows(&times));
    for (step, (floats, window)) in floats.iter().zip(histograms.iter()).enumerate() {
        if window.is_empty() {
            continue;
        }
        view.cx.work(window.len() * HISTOGRAM_WORK)?;
        if !floats.is_empty() {
            out.valid.unset(step);
            tell(MIXED_KINDS);
        } else if window.len() >= 2 {
            let borders = (spec.start(step), spec.end(step));
            push(step, rate(kind, &view.histograms[window], borders), out, tell);
        }
    }
    Ok(())
}

/// Adds `irate` or `idelta` of histograms to the result of the float lane. If the last two samples
/// are of different kinds there is no result.
pub(crate) fn add_instants(
    is_rate: bool,
    view: MixedView<'_>,
    spec: &WindowSpec,
    out: &mut Steps,
    tell: &mut dyn FnMut(&'static str),
) {
    let times: Vec<i64> = view.histograms.iter().map(|(time, _)| *time).collect();
    let (floats, histograms) = (spec.windows(view.times), spec.windows(&times));
    for (step, (floats, window)) in floats.iter().zip(histograms.iter()).enumerate() {
        let float = |back: usize| view.times[floats.clone()].iter().rev().nth(back);
        let histogram = |back: usize| times[window.clone()].iter().rev().nth(back);
        // A kind has the last two if its second last is newer than the last of the other.
        if float(1).is_some() && float(1) > histogram(0) {
            continue;
        }
        out.valid.unset(step);
        if histogram(1).is_some() && histogram(1) > float(0) {
            let [.., before, last] = &view.histograms[window] else { continue };
            push(step, instant(is_rate, before, last), out, tell);
        } else if float(0).is_some() && histogram(0).is_some() {
            tell(MIXED_KINDS);
        }
    }
}

fn push(
    step: usize,
    result: Result<(Histogram, Option<Remark>), Incompatible>,
    out: &mut Steps,
    tell: &mut dyn FnMut(&'static str),
) {
    match result {
        Ok((histogram, remark)) => {
            if let Some(remark) = remark {
                tell(remark.text());
            }
            out.histograms.push((step as u32, Arc::new(compacted(histogram))));
        }
        Err(Incompatible) => tell(MIXED_LAYOUTS),
    }
}
