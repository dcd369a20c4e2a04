use super::*;

fn slice(times: &[i64], bits: &[u64]) -> Vec<Slice> {
    let mut slices = Vec::new();
    floats_to_slices(&times.into(), 0, bits, None, &mut slices);
    slices
}

fn render(slices: &[Slice]) -> String {
    let one = |s: &Slice| {
        let Samples::Floats(values) = &s.samples else { panic!("floats only") };
        let pairs: Vec<String> =
            s.times().iter().zip(values).map(|(t, v)| format!("{t}={v:?}")).collect();
        let stale = s.stale_at.map_or(String::new(), |t| format!(" !{t}"));
        format!("[{}{stale}]", pairs.join(" "))
    };
    slices.iter().map(one).collect()
}

#[test]
fn floats_are_cut_at_staleness_markers() {
    let s = STALE_NAN_BITS;
    let v = |x: f64| x.to_bits();
    for (bits, expected) in [
        (vec![v(1.0), v(-0.0), v(2.0)], "[0=1.0 1=-0.0 2=2.0]"),
        (vec![v(1.0), s, v(2.0)], "[0=1.0 !1][2=2.0]"),
        (vec![s, s, v(2.0), s], "[ !0][ !1][2=2.0 !3]"),
        (vec![], ""),
    ] {
        let times: Vec<i64> = (0..bits.len() as i64).collect();
        let slices = slice(&times, &bits);
        assert_eq!(render(&slices), expected);
        let mut points = Vec::new();
        slices.iter().for_each(|s| slice_to_points(s, &mut points));
        let mut again = Vec::new();
        points_to_slices(&points, &mut again);
        assert_eq!(render(&again), expected, "through points");
    }
}

#[test]
fn overlapping_slices_are_merged_and_the_later_row_wins() {
    // ORD-1
    let v = |x: f64| x.to_bits();
    let s = STALE_NAN_BITS;
    type Part<'a> = (u64, &'a [i64], &'a [u64]);
    let rows: [(&[Part<'_>], &str); 5] = [
        (&[(1, &[1, 2], &[v(1.0), v(2.0)]), (2, &[3], &[v(3.0)])], "[1=1.0 2=2.0][3=3.0]"),
        (&[(2, &[3], &[v(3.0)]), (1, &[1, 2], &[v(1.0), v(2.0)])], "[1=1.0 2=2.0][3=3.0]"),
        (
            &[(1, &[1, 3], &[v(1.0), v(3.0)]), (2, &[2, 3], &[v(2.0), v(4.0)])],
            "[1=1.0 2=2.0 3=4.0]",
        ),
        (
            &[(2, &[1, 3], &[v(1.0), v(3.0)]), (1, &[2, 3], &[v(2.0), v(4.0)])],
            "[1=1.0 2=2.0 3=3.0]",
        ),
        (&[(1, &[1, 2], &[v(1.0), s]), (2, &[2, 3], &[v(9.0), v(3.0)])], "[1=1.0 2=9.0 3=3.0]"),
    ];
    for (parts, expected) in rows {
        let ranked = parts.iter().flat_map(|(order, times, bits)| {
            slice(times, bits).into_iter().map(|slice| Ranked { order: Rank(0, *order), slice })
        });
        let mut merged = Vec::new();
        merge(ranked.collect(), &mut merged);
        assert_eq!(render(&merged), expected);
    }
}
