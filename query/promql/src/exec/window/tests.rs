use super::{WindowSpec, Windows};
use crate::exec::steps::Grid;

fn spec(range_ms: i64, offset_ms: i64, at_ms: Option<i64>) -> WindowSpec {
    WindowSpec { grid: Grid::until(0, 40, 10), range_ms, offset_ms, at_ms }
}

#[test]
fn windows_are_left_open() {
    let times = [0, 5, 10, 20, 30];
    let windows = spec(10, 0, None).windows(&times);
    assert_eq!(windows, Windows { lo: vec![0, 1, 3, 4, 5], hi: vec![1, 3, 4, 5, 5] });
}

#[test]
fn windows_equal_a_full_scan() {
    let times: Vec<i64> = (0..60).map(|i| i * i % 7 + i * 3 - 50).collect();
    for (range, offset, at) in [(1, 0, None), (17, 5, None), (100, -30, None), (9, 1, Some(13))] {
        let spec = spec(range, offset, at);
        let windows = spec.windows(&times);
        for (step, window) in windows.iter().enumerate() {
            let inside = |t: &&i64| **t > spec.start(step) && **t <= spec.end(step);
            let expected: Vec<&i64> = times.iter().filter(inside).collect();
            let got: Vec<&i64> = times[window].iter().collect();
            assert_eq!(got, expected, "range {range} offset {offset} step {step}");
        }
    }
}
