//! `rate` and its relatives over native histograms: like those of floats, bucket by bucket.

use std::sync::Arc;

use tarn_model::sample::{Histogram, ResetHint};

use super::mixed::{MIXED_KINDS, MixedView};
use super::native::{compacted, divided, scaled};
use super::rate::RateKind;
use super::starts::{Head, Reach, Starts};
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

/// Computes one window of at least two samples, or of one that began to count inside of it;
/// `borders` are those of the window. `None`: it has too few.
pub(crate) fn rate(
    kind: RateKind,
    window: &[Sampled],
    borders: (i64, i64),
    starts: Starts<'_>,
) -> Result<Option<(Histogram, Option<Remark>)>, Incompatible> {
    let (first, last) = (&window[0], &window[window.len() - 1]);
    let head = starts.head(first.0, borders.0).filter(|_| kind.counter);
    if window.len() < 2 && head.is_none() {
        return Ok(None);
    }
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    let remark = match kind.counter {
        // Deltas are stored as gauges, because they rise and fall.
        true if starts.delta => None,
        true => window.iter().any(|(_, h)| gauge(h)).then_some(Remark::NotCounter),
        false => (!gauge(&first.1) || !gauge(&last.1)).then_some(Remark::NotGauge),
    };
    let difference = match kind.counter {
        true => increase(window, starts, head)?,
        false => sub(&last.1, &first.1)?.histogram,
    };
    let reach = Reach::of((first.0, last.0, window.len()), borders, head);
    let before = kind.counter.then(|| first.1.count());
    let mut factor = reach.factor(before, difference.count());
    if kind.per_second {
        factor /= (borders.1 - borders.0) as f64 / 1000.0;
    }
    Ok(Some((gauge_of(scaled(&difference, factor)), remark)))
}

/// Returns whether a counter began anew between two neighbours, of which `at` is the later.
fn resets(window: &[Sampled], at: usize, starts: Starts<'_>) -> bool {
    let (before, sample) = (&window[at - 1], &window[at]);
    starts.is_reset(at, before.0, sample.0) || is_reset(&before.1, &sample.1)
}

/// Returns by how much a counter rose: last - first, plus what was lost at each reset, plus what the
/// first sample counts for.
fn increase(
    window: &[Sampled],
    starts: Starts<'_>,
    head: Option<Head>,
) -> Result<Histogram, Incompatible> {
    let (first, last) = (&window[0].1, &window[window.len() - 1].1);
    let resets_at = |at: usize| at < window.len() && resets(window, at, starts);
    // After a reset behind the first sample that one does not count, whatever its layout.
    let mut rise = match (head, resets_at(1)) {
        (Some(head), _) if window.len() == 1 => scaled(last, head.share),
        (Some(head), true) => add(last, &scaled(first, head.share))?.histogram,
        (Some(_), false) | (None, true) => scaled(last, 1.0),
        (None, false) => sub(last, first)?.histogram,
    };
    for at in (2..window.len()).filter(|at| resets_at(*at)) {
        rise = add(&rise, &window[at - 1].1)?.histogram;
    }
    Ok(rise)
}

/// Computes the difference of two neighbours, for `irate` per second.
pub(crate) fn instant(
    rate: bool,
    pair: &[Sampled; 2],
    starts: Starts<'_>,
) -> Result<(Histogram, Option<Remark>), Incompatible> {
    let [before, last] = pair;
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    let gauges = (gauge(&before.1), gauge(&last.1));
    let remark = match rate {
        true => (!starts.delta && (gauges.0 || gauges.1)).then_some(Remark::NotCounter),
        false => (!gauges.0 || !gauges.1).then_some(Remark::NotGauge),
    };
    let difference = if rate && resets(pair, 1, starts) {
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
    starts: Starts<'_>,
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
        } else {
            let borders = (spec.start(step), spec.end(step));
            let starts = starts.part(window.clone());
            let result = rate(kind, &view.histograms[window], borders, starts);
            if let Some(result) = result.transpose() {
                push(step, result, out, tell);
            }
        }
    }
    Ok(())
}

/// Adds `irate` or `idelta` of histograms to the result of the float lane. If the last two samples
/// are of different kinds there is no result.
pub(crate) fn add_instants(
    is_rate: bool,
    view: MixedView<'_>,
    starts: Starts<'_>,
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
            let starts = starts.part(window.end.saturating_sub(2)..window.end);
            let Some(pair) = view.histograms[window].last_chunk::<2>() else { continue };
            push(step, instant(is_rate, pair, starts), out, tell);
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
