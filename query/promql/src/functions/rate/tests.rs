use super::{RateKind, RateShape};
use crate::exec::context::Context;
use crate::exec::steps::{Grid, Steps};
use crate::exec::window::WindowSpec;
use crate::query::QueryParams;

/// The definition, written down step by step without sharing anything.
fn reference(kind: RateKind, spec: &WindowSpec, step: usize, t: &[i64], v: &[f64]) -> Option<f64> {
    let (start, end) = (spec.start(step), spec.end(step));
    let inside: Vec<usize> = (0..t.len()).filter(|i| t[*i] > start && t[*i] <= end).collect();
    let (first, last) = (*inside.first()?, *inside.last()?);
    if first == last {
        return None;
    }
    let mut d = v[last] - v[first];
    if kind.counter {
        for i in first + 1..=last {
            if v[i] < v[i - 1] {
                d += v[i - 1];
            }
        }
    }
    let sampled = (t[last] - t[first]) as f64 / 1000.0;
    let mut to_start = (t[first] - start) as f64 / 1000.0;
    let mut to_end = (end - t[last]) as f64 / 1000.0;
    let average = sampled / (last - first) as f64;
    if to_start >= average * 1.1 {
        to_start = average / 2.0;
    }
    if kind.counter && d > 0.0 && v[first] >= 0.0 && sampled * (v[first] / d) < to_start {
        to_start = sampled * (v[first] / d);
    }
    if to_end >= average * 1.1 {
        to_end = average / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if kind.per_second {
        factor /= spec.range_ms as f64 / 1000.0;
    }
    Some(d * factor)
}

#[test]
fn equals_the_definition_bit_for_bit() {
    let times: Vec<i64> =
        (0..200).filter(|i| i % 17 != 3).map(|i| i * 15_000 + i * 37 % 900).collect();
    let mut values: Vec<f64> =
        times.iter().map(|t| (*t as f64 / 1000.0).sqrt() * 3.7 + (t % 977) as f64 * 0.01).collect();
    values[60] = 0.5;
    values[61] = 1.5;
    values[62] = 0.25;
    let constant = vec![7.0; times.len()];
    let grid = Grid::until(100_000, 3_200_000, 20_000);
    for kind in [RateKind::RATE, RateKind::INCREASE, RateKind::DELTA] {
        for (range_ms, offset_ms) in [(60_000, 0), (301_000, 10_000), (15_000, 0), (600_000, -5)] {
            let spec = WindowSpec { grid, range_ms, offset_ms, at_ms: None };
            for v in [&values, &constant] {
                let mut out = Steps::default();
                out.reset(grid.steps);
                let mut shape = RateShape::default();
                shape.fill(&times, &spec);
                let cx = Context::new(&QueryParams::instant(0));
                shape.apply(&cx, kind, range_ms, v, &mut Vec::new(), &mut out).expect("goes on");
                for step in 0..grid.steps {
                    let got = out.valid.get(step).then(|| out.values[step].to_bits());
                    let want = reference(kind, &spec, step, &times, v).map(f64::to_bits);
                    assert_eq!(got, want, "{kind:?} range {range_ms} step {step}");
                }
            }
        }
    }
}

#[test]
fn a_counter_is_not_extrapolated_below_zero() {
    let times: Vec<i64> = (0..=10).map(|i| i * 300_000).collect();
    let spec =
        |range_ms| WindowSpec { grid: Grid::once(3_000_000), range_ms, offset_ms: 0, at_ms: None };
    for (first, expected) in [(0.0, 100.0), (10.0, 105.0), (1.0, 101.0)] {
        let values: Vec<f64> = (0..=10).map(|i| first + 10.0 * f64::from(i)).collect();
        let spec = spec(6_000_000);
        let mut out = Steps::default();
        out.reset(1);
        let mut shape = RateShape::default();
        shape.fill(&times, &spec);
        let cx = Context::new(&QueryParams::instant(0));
        let (kind, range_ms) = (RateKind::INCREASE, spec.range_ms);
        shape.apply(&cx, kind, range_ms, &values, &mut Vec::new(), &mut out).expect("goes on");
        assert!((out.values[0] - expected).abs() < 1e-9, "{first}: {}", out.values[0]);
    }
}
