use super::apply;
use crate::exec::context::Context;
use crate::exec::steps::{Grid, Steps};
use crate::exec::window::WindowSpec;
use crate::functions::range::{Numbers, RangeView};
use crate::functions::signature::Function;
use crate::query::QueryParams;

fn run(function: Function, spec: &WindowSpec, t: &[i64], v: &[f64], params: &[f64]) -> Steps {
    let params: Vec<Numbers> = params.iter().map(|p| Numbers::Const(*p)).collect();
    let (windows, cx) = (spec.windows(t), Context::new(&QueryParams::instant(0)));
    let view = RangeView { times: t, values: v, windows: &windows, spec, params: &params, cx: &cx };
    let mut out = Steps::default();
    out.reset(spec.grid.steps);
    apply(function, &view, &mut out).expect("answers");
    out
}

fn once(function: Function, values: &[f64], params: &[f64]) -> Option<f64> {
    let times: Vec<i64> = (1..=values.len() as i64).map(|i| i * 10_000).collect();
    let end = values.len() as i64 * 10_000;
    let spec = WindowSpec { grid: Grid::once(end), range_ms: end, offset_ms: 0, at_ms: None };
    let out = run(function, &spec, &times, values, params);
    out.valid.get(0).then_some(out.values[0])
}

#[test]
fn one_window() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    use Function as F;
    type Row<'a> = (Function, &'a [f64], &'a [f64], Option<f64>);
    let rows: [Row<'_>; 26] = [
        (F::SumOverTime, &[1.0, 1e100, 1.0, -1e100], &[], Some(2.0)),
        (F::SumOverTime, &[], &[], None),
        (F::AvgOverTime, &[1e308, 1e308], &[], Some(1e308)),
        (F::CountOverTime, &[nan, 1.0], &[], Some(2.0)),
        (F::MinOverTime, &[2.0, 0.0, nan], &[], Some(0.0)),
        (F::MaxOverTime, &[nan, nan], &[], Some(nan)),
        (F::MaxOverTime, &[nan, -inf], &[], Some(-inf)),
        (F::StdvarOverTime, &[0.0, 8.0, 8.0, 2.0, 3.0], &[], Some(10.56)),
        (F::StddevOverTime, &[1.6, 1.6, 1.6], &[], Some(0.0)),
        (F::LastOverTime, &[1.0, nan], &[], Some(nan)),
        (F::FirstOverTime, &[1.0, nan], &[], Some(1.0)),
        (F::QuantileOverTime, &[0.0, 1.0, 4.0], &[0.75], Some(2.5)),
        (F::MadOverTime, &[4.0, 6.0, 2.0, 1.0, 999.0, 1.0, 2.0], &[], Some(1.0)),
        (F::Changes, &[nan, nan, 1.0, 1.0, 2.0], &[], Some(2.0)),
        (F::Changes, &[1.0], &[], Some(0.0)),
        (F::Resets, &[3.0, 2.0, 4.0, 0.0], &[], Some(2.0)),
        (F::Irate, &[1.0, 5.0, 2.0], &[], Some(0.2)),
        (F::Irate, &[1.0], &[], None),
        (F::Idelta, &[1.0, 5.0, 2.0], &[], Some(-3.0)),
        (F::Deriv, &[0.0, 10.0, 20.0], &[], Some(1.0)),
        (F::Deriv, &[3.0, 3.0], &[], Some(0.0)),
        (F::Deriv, &[inf, inf], &[], Some(nan)),
        (F::PredictLinear, &[0.0, 10.0, 20.0], &[60.0], Some(80.0)),
        (F::DoubleExponentialSmoothing, &[0.0, 10.0, 20.0], &[0.5, 0.5], Some(20.0)),
        (F::TsOfMaxOverTime, &[1.0, 5.0, 5.0, nan], &[], Some(30.0)),
        (F::TsOfMinOverTime, &[nan, 5.0, 1.0], &[], Some(30.0)),
    ];
    for (function, values, params, expected) in rows {
        let got = once(function, values, params);
        let same = match (got, expected) {
            (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9,
            (a, b) => a.is_none() && b.is_none(),
        };
        assert!(same, "{function:?} of {values:?}: {got:?}, expected {expected:?}");
    }
}

#[test]
fn sliding_extremes_equal_scanned_ones() {
    let times: Vec<i64> = (0..500).map(|i| i * 1000 + i % 7).collect();
    let values: Vec<f64> = (0..500_u64)
        .map(|i| if i % 13 == 0 { f64::NAN } else { (i * 7919 % 101) as f64 })
        .collect();
    let spec = WindowSpec {
        grid: Grid::until(-5000, 600_000, 7000),
        range_ms: 60_000,
        offset_ms: 0,
        at_ms: None,
    };
    let out = run(Function::MaxOverTime, &spec, &times, &values, &[]);
    for step in 0..spec.grid.steps {
        let inside =
            (0..500).filter(|i| times[*i] > spec.start(step) && times[*i] <= spec.end(step));
        let inside: Vec<usize> = inside.collect();
        let expected = inside.iter().map(|i| values[*i]).fold(f64::NAN, f64::max);
        assert_eq!(out.valid.get(step), !inside.is_empty(), "step {step}");
        assert!(inside.is_empty() || out.values[step].to_bits() == expected.to_bits());
    }
}

#[test]
fn smoothing_factors_lie_between_0_and_1() {
    let spec = WindowSpec { grid: Grid::once(10), range_ms: 10, offset_ms: 0, at_ms: None };
    let (windows, cx) = (spec.windows(&[]), Context::new(&QueryParams::instant(0)));
    let params = [Numbers::Const(1.0), Numbers::Const(0.5)];
    let (windows, spec, params) = (&windows, &spec, &params);
    let view = RangeView { times: &[], values: &[], windows, spec, params, cx: &cx };
    let error = apply(Function::DoubleExponentialSmoothing, &view, &mut Steps::default());
    let text = error.expect_err("fails").to_string();
    assert_eq!(text, "invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000");
}
