use super::*;
use proptest::strategy::Strategy as _;

use crate::slice::decode;

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn the_split_is_exact_or_refused() {
    let big = MANTISSA_MAX;
    let cases: [(&[f64], Option<usize>); 14] = [
        (&[], Some(0)),
        (&[0.0, 1.0, -7.0], Some(0)),
        (&[1.0, 0.5], Some(1)),
        (&[0.1, 0.25, 3.0], Some(2)),
        (&[1e-15], Some(15)),
        (&[1e-16], None),
        (&[-0.0], None),
        (&[f64::NAN], None),
        (&[f64::INFINITY], None),
        (&[1.0 / 3.0], None),
        (&[big], Some(0)),
        (&[big * 2.0], None),
        (&[big, 0.1], None),
        (&[f64::from_bits(STALE_NAN_BITS), 2.5], Some(1)),
    ];
    for (values, expected) in cases {
        let values = bits(values);
        let scale = scale_of(&values);
        assert_eq!(scale, expected, "{values:?}");
        let Some(scale) = scale else { continue };
        let stored: Vec<u64> = values.into_iter().filter(|b| *b != STALE_NAN_BITS).collect();
        let mut m = Vec::new();
        mantissas(&stored, scale, &mut m);
        let back: Vec<u64> = m.iter().map(|m| unscale(*m, scale).to_bits()).collect();
        assert_eq!(back, stored);
    }
}

proptest::proptest! {
    #[test]
    fn any_bits_survive_the_split(values in proptest::collection::vec(
        proptest::prop_oneof![
            proptest::num::u64::ANY,
            (-1_000_000_i64..1_000_000, 0..16_i32)
                .prop_map(|(m, k)| (m as f64 / 10f64.powi(k)).to_bits()),
        ], 0..20)) {

        let values: Vec<u64> = values.into_iter().filter(|b| *b != STALE_NAN_BITS).collect();
        if let Some(scale) = scale_of(&values) {
            let mut m = Vec::new();
            mantissas(&values, scale, &mut m);
            let back: Vec<u64> = m.iter().map(|m| unscale(*m, scale).to_bits()).collect();
            proptest::prop_assert_eq!(back, values);
        }
    }
}

#[test]
fn starts_survive_by_the_cheapest_rule() {
    let times: Vec<i64> = (1..=6).map(|i| i * 10).collect();
    let cases: [(&[i64], Vec<Start>); 6] = [
        (&[], vec![Start::Unknown]),
        (&[0; 6], vec![Start::Unknown]),
        (&[5; 6], vec![Start::Fixed(5)]),
        (&[3, 10, 20, 30, 40, 50], vec![Start::Previous(3)]),
        (&[0, 0, 5, 5, 5, 5], vec![Start::Unknown, Start::Fixed(5)]),
        (&[1, 11, 22, 33, 44, 55], vec![Start::Each(vec![9, 9, 8, 7, 6, 5])]),
    ];
    for (starts, expected) in cases {
        let runs = start_runs(&times, starts);
        let back: Vec<i64> = runs
            .iter()
            .flat_map(|(range, start)| {
                let times = &times[range.clone()];
                decode::starts(start, times).unwrap_or(vec![0; times.len()])
            })
            .collect();
        let given = if starts.is_empty() { vec![0; 6] } else { starts.to_vec() };
        assert_eq!(back, given);
        assert_eq!(runs.into_iter().map(|r| r.1).collect::<Vec<_>>(), expected);
    }
}

fn histogram(positive: &[(i32, i64)], negative: &[(i32, i64)], count: u64) -> Arc<Histogram> {
    Arc::new(Histogram {
        schema: 0,
        bounds: Vec::new(),
        zero_threshold: 0.001,
        sum: count as f64,
        positive: positive.iter().map(|b| b.0).collect(),
        negative: negative.iter().map(|b| b.0).collect(),
        counts: Counts::Int {
            count,
            zero: 0,
            buckets: positive.iter().chain(negative).map(|b| b.1).collect(),
        },
        reset_hint: ResetHint::Unknown,
    })
}

#[test]
fn histograms_share_a_slice_until_a_reset_or_a_wasteful_layout() {
    let a = histogram(&[(1, 1), (2, 5)], &[(0, 2)], 8);
    let grown = histogram(&[(1, 1), (2, 5), (3, 1)], &[(0, 2)], 9);
    let reset = histogram(&[(1, 1)], &[], 1);
    let far: Vec<(i32, i64)> = (10..40).map(|i| (i, 9)).collect();
    let far = histogram(&[&[(1, 1), (2, 5)], &far[..]].concat(), &[(0, 2)], 900);
    for (histograms, expected) in [
        (vec![], vec![]),
        (vec![&a, &a, &grown, &grown], vec![(0, 4)]),
        (vec![&a, &reset, &a], vec![(0, 1), (1, 3)]),
        (vec![&a, &a, &a, &a, &a, &far, &far], vec![(0, 5), (5, 7)]),
    ] {
        let histograms: Vec<Arc<Histogram>> = histograms.into_iter().cloned().collect();
        let runs = histogram_runs(&histograms);
        assert_eq!(runs.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>(), expected);
        for run in runs {
            let slice = histogram_slice(&histograms[run.clone()]).unwrap();
            let back = decode::histograms(&slice, run.len()).unwrap();
            let tarn_model::slice::Samples::Histograms(back) = back else { panic!("histograms") };
            for (given, back) in histograms[run].iter().zip(back) {
                assert_eq!((&given.positive, &given.negative), (&back.positive, &back.negative));
                assert_eq!((&given.counts, given.sum), (&back.counts, back.sum));
            }
        }
    }
}
