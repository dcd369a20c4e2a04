use super::{Bits, Grid, Steps};

fn bits(len: usize, set: &[usize]) -> Bits {
    let mut bits = Bits::new(len);
    set.iter().for_each(|at| bits.set(*at));
    bits
}

#[test]
fn runs_cover_exactly_the_set() {
    let all: Vec<usize> = (0..200).collect();
    let cases: [&[usize]; 6] = [&[], &[0], &[63, 64], &[5, 6, 7, 100, 199], &all, &all[1..130]];
    for set in cases {
        let mut seen = Vec::new();
        bits(200, set).for_each_run(|run| seen.extend(run));
        assert_eq!(seen, set);
        assert_eq!(bits(200, set).iter().collect::<Vec<_>>(), set);
        assert_eq!(bits(200, set).count(), set.len());
    }
}

#[test]
fn a_filled_set_has_no_bits_beyond_its_end() {
    for len in [0, 1, 63, 64, 65, 128] {
        let mut set = Bits::new(len);
        set.fill();
        assert_eq!(set.count(), len);
    }
}

#[test]
fn grids_end_at_the_last_step_before_the_end() {
    assert_eq!(Grid::until(0, 59, 10).times().last(), Some(50));
    assert_eq!(Grid::until(5, 5, 10).steps, 1);
    assert_eq!(Grid::until(5, 4, 10).steps, 0);
}

#[test]
fn merging_refuses_overlaps() {
    let mut a = Steps::default();
    a.reset(3);
    a.set(0, 1.0);
    let mut b = Steps::default();
    b.reset(3);
    b.set(2, 2.0);
    assert!(a.merge(&b));
    assert_eq!(a.valid.iter().collect::<Vec<_>>(), [0, 2]);
    assert!(!a.merge(&b));
}
