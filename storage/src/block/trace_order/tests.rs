use proptest::prelude::*;

use super::*;

/// A span and what it holds beside its key.
type Span = (SpanKey, u64);

fn order(spans: &[Span]) -> Vec<Placed> {
    let keys: Vec<SpanKey> = spans.iter().map(|span| span.0).collect();
    let mut out = Vec::new();
    TraceOrder::default().order(&keys, |i| content(&spans[i]), &mut out);
    out
}

/// Hashes all of a span.
fn content(span: &Span) -> u64 {
    xxhash_rust::xxh3::xxh3_64(format!("{span:?}").as_bytes())
}

fn key(id: u64, parent: Option<u64>, start: i64) -> SpanKey {
    SpanKey { id, parent, start: (start, 0) }
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    let ids = 1_u64..15;
    let span = (ids.clone(), proptest::option::weighted(0.8, ids), 0_i64..6, 0_u64..3);
    let span = span.prop_map(|(id, parent, start, content)| (key(id, parent, start), content));
    proptest::collection::vec(span, 0..25)
}

proptest! {
    /// Depth first, each span once, and the accelerators say what the ids say.
    #[test]
    fn rows_are_depth_first(spans in spans()) {
        let placed = order(&spans);
        let mut all: Vec<u32> = placed.iter().map(|p| p.span).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..spans.len() as u32).collect::<Vec<_>>());
        let at = |row: usize| spans[placed[row].span as usize];
        let mut parents: Vec<Option<usize>> = Vec::new();
        for (row, place) in placed.iter().enumerate() {
            let (own, _) = at(row);
            let parent = match (place.parent_back, own.parent) {
                (None, None) => None,
                (Some(0), Some(parent)) => {
                    let here = spans.iter().any(|span| span.0.id == parent);
                    prop_assert!(!here || place.problems & problem::CYCLE != 0);
                    None
                }
                (Some(back), Some(parent)) => {
                    let above = row - back as usize;
                    prop_assert_eq!(at(above).0.id, parent);
                    Some(above)
                }
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            parents.push(parent);
        }
        for row in 0..placed.len() {
            let descends = |mut from: usize| {
                while let Some(above) = parents[from] {
                    if above == row {
                        return true;
                    }
                    from = above;
                }
                false
            };
            let below: Vec<usize> = (0..placed.len()).filter(|other| descends(*other)).collect();
            let expected: Vec<usize> =
                (row + 1..=row + placed[row].subtree as usize).collect();
            prop_assert_eq!(below, expected);
        }
        // Siblings, and roots, by start.
        for row in 0..placed.len() {
            let next = (row + 1..placed.len()).find(|other| parents[*other] == parents[row]);
            if let Some(next) = next {
                prop_assert!(at(row).0.start <= at(next).0.start);
            }
        }
    }

    /// The same spans in another order make the same rows.
    #[test]
    fn rows_do_not_depend_on_arrival(
        (spans, shuffled) in spans().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle()))
    ) {
        let rows = |spans: &[Span]| -> Vec<_> {
            let placed = order(spans).into_iter();
            placed
                .map(|p| (spans[p.span as usize], p.parent_back, p.subtree, p.problems))
                .collect()
        };
        prop_assert_eq!(rows(&spans), rows(&shuffled));
    }

    /// Spans that share an id are marked if, and only if, they differ.
    #[test]
    fn duplicates_are_marked(spans in spans()) {
        for placed in order(&spans) {
            let own = spans[placed.span as usize];
            let differs = spans.iter().any(|other| other.0.id == own.0.id && *other != own);
            prop_assert_eq!(placed.problems & problem::DUPLICATE_ID != 0, differs);
        }
    }
}

#[test]
fn circles_are_cut_at_their_earliest_span() {
    // 1 → 2 → 3 → 1, and 4 below 2; 5 is its own parent.
    let spans = [
        (key(1, Some(3), 30), 0),
        (key(2, Some(1), 10), 0),
        (key(3, Some(2), 20), 0),
        (key(4, Some(2), 5), 0),
        (key(5, Some(5), 40), 0),
    ];
    let rows: Vec<_> = order(&spans)
        .iter()
        .map(|p| (spans[p.span as usize].0.id, p.parent_back, p.subtree, p.problems))
        .collect();
    let expected = [
        (2, Some(0), 3, problem::CYCLE),
        (4, Some(1), 0, 0),
        (3, Some(2), 1, 0),
        (1, Some(1), 0, 0),
        (5, Some(0), 0, problem::CYCLE),
    ];
    assert_eq!(rows, expected);
}

/// Work grows as n log n for every shape; this ends at once, or not within the test's time.
#[test]
fn large_traces_of_every_shape() {
    const N: u64 = 100_000;
    let chain = |i: u64| (key(i, i.checked_sub(1), i as i64), 0);
    let backwards = |i: u64| (key(i, Some(i + 1), -(i as i64)), 0);
    let star = |i: u64| (key(i, (i > 0).then_some(0), (i % 7) as i64), 0);
    let ring = |i: u64| (key(i, Some((i + 1) % N), i as i64), 0);
    let same = |i: u64| (key(1, Some(1), 0), i % 2);
    let shapes: [&dyn Fn(u64) -> Span; 5] = [&chain, &backwards, &star, &ring, &same];
    for (i, shape) in shapes.iter().enumerate() {
        let spans: Vec<Span> = (0..N).map(shape).collect();
        let placed = order(&spans);
        assert_eq!(placed.len(), spans.len());
        let whole = u32::from(i < 4) * (N as u32 - 1);
        assert_eq!(placed[0].subtree, whole, "shape {i}");
    }
}
