use super::Accumulator;
use crate::ast::AggregateOp;
use crate::exec::steps::Steps;
use crate::functions::range::Numbers;

/// Aggregates series over two steps; `None` is a gap.
fn run(op: AggregateOp, q: f64, series: &[[Option<f64>; 2]]) -> [Option<f64>; 2] {
    let mut accumulator = Accumulator::new(op, 2, 2, Numbers::Const(q));
    let mut steps = Steps::default();
    for values in series {
        steps.reset(2);
        for (step, value) in values.iter().enumerate() {
            if let Some(value) = value {
                steps.set(step, *value);
            }
        }
        accumulator.add(1, &steps);
    }
    steps.reset(2);
    let cx = crate::exec::context::Context::new(&crate::query::QueryParams::instant(0));
    accumulator.finish(1, &mut steps, &cx).expect("goes on");
    [0, 1].map(|step| steps.valid.get(step).then(|| steps.values[step]))
}

#[test]
fn one_group() {
    use AggregateOp as A;
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let big = 1.5e308;
    type Row<'a> = (AggregateOp, &'a [Option<f64>], Option<f64>);
    let rows: [Row<'_>; 19] = [
        (A::Sum, &[Some(2.0), Some(1e100), None, Some(8.0), Some(-1e100)], Some(10.0)),
        (A::Sum, &[Some(inf), Some(2.0)], Some(inf)),
        (A::Sum, &[Some(inf), Some(-inf)], Some(nan)),
        (A::Sum, &[None], None),
        (A::Avg, &[Some(big), Some(big), Some(big), Some(big)], Some(big)),
        (A::Avg, &[Some(0.0), Some(inf), Some(0.0), Some(inf)], Some(inf)),
        (A::Avg, &[Some(inf), Some(2.0)], Some(inf)),
        (A::Avg, &[Some(inf), Some(0.0), Some(-inf)], Some(nan)),
        (A::Avg, &[Some(52.0), Some(52.0), Some(52.0)], Some(52.0)),
        (A::Min, &[Some(nan), Some(3.0), Some(4.0)], Some(3.0)),
        (A::Max, &[Some(3.0), Some(nan)], Some(3.0)),
        (A::Max, &[Some(nan)], Some(nan)),
        (A::Count, &[Some(nan), None, Some(1.0)], Some(2.0)),
        (A::Group, &[Some(7.0)], Some(1.0)),
        (A::Stdvar, &[Some(1.33), Some(1.33), Some(1.33)], Some(0.0)),
        (A::Stddev, &[Some(1.0), Some(2.0)], Some(0.5)),
        (A::Stdvar, &[Some(inf)], Some(nan)),
        (A::Quantile, &[Some(4.0), Some(0.0), None, Some(1.0)], Some(2.8)),
        (A::Quantile, &[None], None),
    ];
    for (op, values, expected) in rows {
        let series: Vec<_> = values.iter().map(|v| [*v, None]).collect();
        let swapped: Vec<_> = values.iter().map(|v| [Some(1.0), *v]).collect();
        for got in [run(op, 0.8, &series)[0], run(op, 0.8, &swapped)[1]] {
            let same = match (got, expected) {
                (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-12,
                (a, b) => a.is_none() && b.is_none(),
            };
            assert!(same, "{} of {values:?}: {got:?}, expected {expected:?}", op.as_str());
        }
    }
}
