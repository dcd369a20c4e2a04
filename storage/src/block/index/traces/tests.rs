use std::cell::Cell;

use futures::executor::block_on;

use super::*;

fn id(n: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    id
}

/// Looks a trace up; returns the ranges and the number of reads.
fn find(part: &[u8], trace: &[u8; 16]) -> (Vec<Range<u32>>, usize) {
    let reads = Cell::new(0);
    let read = |range: Range<u64>| {
        reads.set(reads.get() + 1);
        let bytes = Bytes::copy_from_slice(&part[range.start as usize..range.end as usize]);
        std::future::ready(Ok(bytes))
    };
    let found = block_on(lookup(part.len() as u64, trace, read)).unwrap();
    (found, reads.get())
}

#[test]
fn traces_are_found_where_they_are() {
    for (traces, spans) in [(0, 0), (1, 1), (100, 3), (30_000, 22), (400_000, 3)] {
        let mut pages = TracePages::default();
        for row in 0..traces * spans {
            pages.add(&id(row / spans), row as u32);
        }
        let part = pages.encode();
        let (mut reads, mut most, mut asked) = (0, 0, 0);
        for trace in (0..traces).step_by(97) {
            let (found, n) = find(&part, &id(trace));
            let rows = (trace * spans) as u32..((trace + 1) * spans) as u32;
            let covered = rows.clone().all(|row| found.iter().any(|range| range.contains(&row)));
            assert!(covered, "trace {trace} of {traces}: {found:?}");
            assert!(found.len() <= 2, "{found:?}");
            (reads, most, asked) = (reads + n, most.max(n), asked + 1);
        }
        assert!(reads * 10 <= asked * 12 && most <= 3, "{reads} reads for {asked}, {most} for one");
        let absent = (0..100).filter(|n| !find(&part, &id(1 << 40 | n)).0.is_empty()).count();
        assert!(absent <= 1, "{absent} of 100 traces found that are not there");
    }
}

fn only(mut ranges: Vec<Range<u32>>) -> Range<u32> {
    assert_eq!(ranges.len(), 1, "{ranges:?}");
    ranges.remove(0)
}

#[test]
fn a_trace_in_all_pages_is_found_whole() {
    let mut pages = TracePages::default();
    for row in (0..5000 * PAGE_ROWS).step_by(PAGE_ROWS as usize) {
        pages.add(&id(7), row);
        pages.add(&id(u64::from(row) + 8), row + 1);
    }
    let part = pages.encode();
    assert_eq!(only(find(&part, &id(7)).0), 0..5000 * PAGE_ROWS);
    for row in (0..5000 * PAGE_ROWS).step_by(PAGE_ROWS as usize * 111) {
        assert_eq!(only(find(&part, &id(u64::from(row) + 8)).0), row..row + PAGE_ROWS);
    }
}

#[test]
fn parts_of_odd_length_are_corrupt() {
    let read = |_| std::future::ready(Ok(Bytes::new()));
    assert!(block_on(lookup(9, &id(1), read)).is_err());
    assert!(block_on(lookup(8, &id(1), read)).is_err(), "a short read");
}
