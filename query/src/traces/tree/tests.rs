use super::*;

const N: usize = 100_000;

fn id(n: usize) -> [u8; 8] {
    (n as u64 + 1).to_be_bytes()
}

/// A span of service 0, kind 0.
fn node(own: usize, parent: Option<usize>, start_ns: i64, duration_ns: i64) -> Node {
    Node { id: id(own), parent: parent.map(id), start_ns, duration_ns, kind: 0, service: 0 }
}

/// `node@depth` in order, tops marked: R root, M missing parent, C cycle.
fn shape(nodes: &[Node]) -> String {
    let places = arrange(nodes).places;
    let mut seen: Vec<usize> = places.iter().map(|p| p.node).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..nodes.len()).collect::<Vec<_>>(), "each span once");
    let text = |p: &Place| {
        let top = match p.top {
            None => "",
            Some(Top::Root) => "R",
            Some(Top::MissingParent) => "M",
            Some(Top::Cycle) => "C",
        };
        format!("{}@{}{top}", p.node, p.depth)
    };
    places.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn parents_before_children_siblings_by_start() {
    let nodes = [
        node(0, Some(1), 20, 5),
        node(1, None, 0, 100),
        node(2, Some(1), 10, 5),
        node(3, Some(2), 12, 1),
    ];
    assert_eq!(shape(&nodes), "1@0R 2@1 3@2 0@1");
    let places = arrange(&nodes).places;
    let below: Vec<u32> = places.iter().map(|p| p.descendants).collect();
    assert_eq!(below, [3, 1, 0, 0]);
    assert_eq!(shape(&[]), "");
}

#[test]
fn what_spans_say_wrongly_is_shown_as_what_it_is() {
    assert_eq!(shape(&[node(0, Some(9), 5, 1), node(1, None, 9, 1)]), "0@0M 1@0R");
    assert_eq!(shape(&[node(0, Some(0), 5, 1)]), "0@0C", "its own parent");
    let circle = [node(0, Some(2), 7, 1), node(1, Some(0), 5, 1), node(2, Some(1), 6, 1)];
    assert_eq!(shape(&circle), "1@0C 2@1 0@2", "cut at the earliest");
    let tail = [node(0, Some(1), 7, 1), node(1, Some(0), 5, 1), node(2, Some(0), 6, 1)];
    assert_eq!(shape(&tail), "1@0C 0@1 2@2", "who hangs on a circle stays there");
    let twice = [node(0, None, 5, 1), node(0, None, 3, 1), node(1, Some(0), 4, 1)];
    assert_eq!(shape(&twice), "1@0R 2@1 0@0R", "the earliest of one id is the parent");
}

#[test]
fn long_chains_flat_traces_and_large_circles_need_no_stack() {
    let chain: Vec<Node> =
        (0..N).map(|i| node(i, i.checked_sub(1), i as i64, 2 * (N - i) as i64)).collect();
    let places = arrange(&chain).places;
    assert_eq!(places.iter().map(|p| p.depth).max(), Some(N as u32 - 1));
    assert_eq!(places[0].descendants, N as u32 - 1);
    let flat: Vec<Node> = (0..N).map(|i| node(i, (i > 0).then_some(0), i as i64, 1)).collect();
    assert_eq!(arrange(&flat).places[0].descendants, N as u32 - 1);
    let circle: Vec<Node> = (0..N).map(|i| node(i, Some((i + 1) % N), i as i64, 1)).collect();
    let places = arrange(&circle).places;
    assert_eq!((places[0].node, places[0].top), (0, Some(Top::Cycle)));
    assert_eq!(places.len(), N);
    let same: Vec<Node> = (0..N).map(|i| node(0, Some(0), i as i64, 1)).collect();
    assert_eq!(arrange(&same).places[0].descendants, N as u32 - 1);
}

#[test]
fn clocks_are_put_right_only_where_they_are_provably_wrong() {
    let other = |own, parent, start, duration, kind, service| Node {
        kind,
        service,
        ..node(own, Some(parent), start, duration)
    };
    let client = Node { kind: CLIENT, ..node(0, None, 1000, 100) };
    let shifts =
        |nodes: &[Node]| -> Vec<i64> { arrange(nodes).places.iter().map(|p| p.shift_ns).collect() };
    // Starts before its parent: into the middle of it, and its own child along with it.
    let early = [client, other(1, 0, 500, 60, SERVER, 1), other(2, 1, 510, 5, 0, 1)];
    assert_eq!(shifts(&early), [0, 520, 520]);
    // Longer than its parent: both start together.
    assert_eq!(shifts(&[client, other(1, 0, 500, 600, SERVER, 1)]), [0, 500]);
    // Starts when the client is done: wrong for a server, asynchronous for others.
    assert_eq!(shifts(&[client, other(1, 0, 1200, 60, SERVER, 1)]), [0, -180]);
    assert_eq!(shifts(&[client, other(1, 0, 1200, 60, 5, 1)]), [0, 0]);
    // Ends later than its parent, or is wrong within one clock: left alone.
    assert_eq!(shifts(&[client, other(1, 0, 1050, 500, SERVER, 1)]), [0, 0]);
    assert_eq!(shifts(&[client, other(1, 0, 500, 60, SERVER, 0)]), [0, 0]);
    // A third service is compared with where its parent has been shifted to.
    let third = [client, other(1, 0, 500, 60, CLIENT, 1), other(2, 1, 1030, 20, SERVER, 2)];
    assert_eq!(shifts(&third), [0, 520, 0]);
    // Times at the ends of what fits do not overflow.
    let far = [node(0, None, i64::MAX, i64::MAX), other(1, 0, i64::MIN, i64::MAX, SERVER, 1)];
    assert_eq!(shifts(&far).len(), 2);
}

#[test]
fn the_critical_path_is_what_the_end_waited_for() {
    let nodes = [
        node(0, None, 0, 100),
        node(1, Some(0), 10, 30),  // before the last: critical
        node(2, Some(0), 15, 10),  // beside 1, done earlier: not
        node(3, Some(0), 50, 40),  // the last to end
        node(4, Some(3), 60, 100), // asynchronous, counted up to the end of 3
        node(5, Some(1), 12, 5),
    ];
    let critical: Vec<usize> =
        arrange(&nodes).places.iter().filter(|p| p.critical).map(|p| p.node).collect();
    assert_eq!(critical, [0, 1, 5, 3, 4]);
}
