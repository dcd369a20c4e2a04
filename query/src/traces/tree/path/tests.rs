use proptest::prelude::*;

use super::super::{CLIENT, Place, SERVER, Tree, arrange};
use super::*;

fn id(n: usize) -> [u8; 8] {
    (n as u64 + 1).to_be_bytes()
}

fn node(own: usize, parent: Option<usize>, start_ns: i64, duration_ns: i64) -> Node {
    Node { id: id(own), parent: parent.map(id), start_ns, duration_ns, kind: 0, service: 0 }
}

/// `node:start-end` of each segment.
fn path(nodes: &[Node]) -> String {
    let Tree { places, path } = arrange(nodes);
    let text = |s: &Segment| format!("{}:{}-{}", places[s.span].node, s.start_ns, s.end_ns);
    path.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn paths_of_small_traces() {
    assert_eq!(path(&[]), "");
    assert_eq!(path(&[node(0, None, 5, 10)]), "0:5-15");
    assert_eq!(path(&[node(0, None, 5, 0)]), "");
    // One after the other, with gaps; beside them one that nobody waited for.
    let calls = [
        node(0, None, 0, 100),
        node(1, Some(0), 10, 20),
        node(2, Some(0), 40, 50),
        node(3, Some(0), 35, 50),
    ];
    assert_eq!(path(&calls), "0:0-10 1:10-30 0:30-40 2:40-90 0:90-100");
    // Side by side: the one that ends last, then what ended before it began.
    let parallel = [
        node(0, None, 0, 100),
        node(1, Some(0), 0, 60),
        node(2, Some(0), 50, 50),
        node(3, Some(0), 5, 45),
    ];
    assert_eq!(path(&parallel), "0:0-5 3:5-50 2:50-100");
    // Asynchronous: runs on, or starts when its parent is done.
    let asynchronous =
        [node(0, None, 0, 100), node(1, Some(0), 80, 500), node(2, Some(0), 150, 10)];
    assert_eq!(path(&asynchronous), "0:0-80 1:80-100");
    // A root that is not stored: the earliest span at the top stands for it.
    assert_eq!(path(&[node(0, Some(9), 3, 7), node(1, Some(0), 4, 2)]), "0:3-4 1:4-6 0:6-10");
    // Without a duration of its own it is passed through.
    let instant = [node(0, None, 0, 10), node(1, Some(0), 4, 0), node(2, Some(1), 4, 3)];
    assert_eq!(path(&instant), "0:0-4 0:4-10");
}

#[test]
fn own_times() {
    let nodes = [
        node(0, None, 0, 100),
        node(1, Some(0), 10, 20),
        node(2, Some(0), 20, 20),
        node(3, Some(0), 90, 500),
        node(4, Some(1), 10, 20),
    ];
    let own: Vec<(usize, i64)> =
        arrange(&nodes).places.iter().map(|p| (p.node, p.self_ns)).collect();
    assert_eq!(own, [(0, 60), (1, 0), (4, 20), (2, 20), (3, 500)]);
}

#[test]
fn long_chains_and_flat_traces_are_walked_without_a_stack() {
    const N: usize = 100_000;
    let length = |i: usize| (N - i) as i64 * 2;
    let chain: Vec<Node> = (0..N).map(|i| node(i, i.checked_sub(1), i as i64, length(i))).collect();
    assert_eq!(covered(&arrange(&chain), &chain), length(0));
    let flat: Vec<Node> = (0..N)
        .map(|i| node(i, (i > 0).then_some(0), i as i64, if i == 0 { N as i64 } else { 1 }))
        .collect();
    assert_eq!(covered(&arrange(&flat), &flat), N as i64);
}

/// Checks what holds for every path; returns how long it is.
fn covered(tree: &Tree, nodes: &[Node]) -> i64 {
    let time = |place: &Place| {
        let node = nodes[place.node];
        let start = node.start_ns + place.shift_ns;
        (start, start + node.duration_ns.max(0))
    };
    let mut sum = 0;
    for (i, segment) in tree.path.iter().enumerate() {
        let place = &tree.places[segment.span];
        let (start, end) = time(place);
        assert!(segment.start_ns < segment.end_ns, "{segment:?}");
        assert!(segment.start_ns >= start && segment.end_ns <= end, "{segment:?} in {place:?}");
        assert!(place.critical, "{place:?}");
        if i > 0 {
            assert_eq!(tree.path[i - 1].end_ns, segment.start_ns, "no gap, no overlap");
        }
        sum += segment.end_ns - segment.start_ns;
    }
    sum
}

prop_compose! {
    /// Parents before or behind, missing ones, circles; two services, any kind.
    fn any_node(n: usize)(
        parent in prop_oneof![1 => Just(None), 8 => (0..n + 2).prop_map(Some)],
        start_ns in 0..60_i64,
        duration_ns in -3..50_i64,
        kind in prop_oneof![Just(0), Just(CLIENT), Just(SERVER)],
        service in 0..2_u32,
    ) -> (Option<usize>, i64, i64, i32, u32) {
        (parent, start_ns, duration_ns, kind, service)
    }
}

fn any_trace() -> impl Strategy<Value = Vec<Node>> {
    (1..12_usize).prop_flat_map(|n| {
        prop::collection::vec(any_node(n), n).prop_map(|rows| {
            let one = |(i, (parent, start_ns, duration_ns, kind, service))| Node {
                kind,
                service,
                ..node(i, parent, start_ns, duration_ns)
            };
            rows.into_iter().enumerate().map(one).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn a_path_covers_the_root_and_own_times_are_what_is_left(nodes in any_trace()) {
        let tree = arrange(&nodes);
        let sum = covered(&tree, &nodes);
        let is_root = |place: &&Place| place.top == Some(super::super::Top::Root);
        let root = tree.places.iter().find(is_root).unwrap_or(&tree.places[0]);
        prop_assert_eq!(sum, nodes[root.node].duration_ns.max(0));
        if let Some(first) = tree.path.first() {
            prop_assert_eq!(first.start_ns, nodes[root.node].start_ns + root.shift_ns);
        }
        let time = |place: &Place| {
            let start = nodes[place.node].start_ns + place.shift_ns;
            start..start + nodes[place.node].duration_ns.max(0)
        };
        for place in &tree.places {
            let children: Vec<_> =
                tree.places.iter().filter(|p| p.parent == Some(place.node)).map(time).collect();
            let own = time(place).filter(|t| !children.iter().any(|c| c.contains(t))).count();
            prop_assert_eq!(place.self_ns, own as i64, "{:?}", place);
        }
    }
}
