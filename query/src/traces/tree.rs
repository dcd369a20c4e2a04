//! Parents and children of one trace.
//!
//! What spans say of their parents is taken as far as it makes sense: a parent that is not there
//! leaves its children at the top, a circle of parents is cut at its earliest span, and of spans
//! that share an id the earliest is the parent that others mean. Every span is placed exactly once.
//! All walks use explicit stacks: a chain of a hundred thousand spans is as good as a flat trace.

use tarn_model::map::HashMap;

pub use self::path::Segment;
use self::path::Times;
use super::{CLIENT, SERVER};

mod path;

/// What the tree needs to know of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: [u8; 8],
    /// The id of its parent.
    pub parent: Option<[u8; 8]>,
    /// Start, ns since the epoch.
    pub start_ns: i64,
    /// End − start, ns; negative ones count as 0 here.
    pub duration_ns: i64,
    /// OTel span kind.
    pub kind: i32,
    /// A number that spans of one service share: they share a clock.
    pub service: u32,
}

impl Node {
    fn end_ns(&self) -> i64 {
        self.start_ns.saturating_add(self.duration_ns.max(0))
    }
}

/// Why a span has no parent above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Top {
    /// It names none.
    Root,
    /// The one that it names is not among the spans.
    MissingParent,
    /// Its parents form a circle, which is cut here.
    Cycle,
}

/// A span in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which node.
    pub node: usize,
    /// Which node is its parent.
    pub parent: Option<usize>,
    /// Why it has no parent, where it has none.
    pub top: Option<Top>,
    /// Steps below the top.
    pub depth: u32,
    /// How many spans are below it.
    pub descendants: u32,
    /// What its clock is wrong by, as far as its parent shows: ns to be added to its start.
    pub shift_ns: i64,
    /// How long it ran while none of its children did, ns.
    pub self_ns: i64,
    /// Whether it is on the critical path: had it been shorter, the trace would have been.
    pub critical: bool,
}

/// All spans in their places, and what the end of the trace waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Depth first, siblings by start.
    pub places: Vec<Place>,
    /// The critical path, from start to end.
    pub path: Vec<Segment>,
}

/// Places all spans.
pub fn arrange(nodes: &[Node]) -> Tree {
    let (parents, tops) = parents(nodes);
    let children = Children::new(nodes, &parents);
    let mut places = depth_first(&parents, &tops, &children);
    count_descendants(&mut places);
    correct_clocks(nodes, &mut places);
    let path = walk(nodes, &children, &mut places);
    Tree { places, path }
}

/// Finds the parent of each node, and why there is none.
fn parents(nodes: &[Node]) -> (Vec<Option<usize>>, Vec<Option<Top>>) {
    let mut by_id: HashMap<[u8; 8], usize> = HashMap::default();
    for (i, node) in nodes.iter().enumerate() {
        let first = by_id.entry(node.id).or_insert(i);
        if node.start_ns < nodes[*first].start_ns {
            *first = i;
        }
    }
    let mut tops = vec![None; nodes.len()];
    let mut parents = vec![None; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        let found = node.parent.map(|id| by_id.get(&id).copied());
        tops[i] = match found {
            None => Some(Top::Root),
            Some(None) => Some(Top::MissingParent),
            Some(Some(parent)) => {
                parents[i] = Some(parent);
                None
            }
        };
    }
    cut_cycles(nodes, &mut parents, &mut tops);
    (parents, tops)
}

/// Walks up from every node; who meets its own walk again has found a circle.
fn cut_cycles(nodes: &[Node], parents: &mut [Option<usize>], tops: &mut [Option<Top>]) {
    // 0: not seen; otherwise the number of the walk that saw it.
    let mut seen = vec![0_usize; nodes.len()];
    for start in 0..nodes.len() {
        let walk = start + 1;
        let mut at = start;
        while seen[at] == 0 {
            seen[at] = walk;
            let Some(parent) = parents[at] else { break };
            at = parent;
        }
        if seen[at] != walk || parents[at].is_none() {
            continue;
        }
        let mut earliest = at;
        let mut next = at;
        while let Some(parent) = parents[next] {
            if (nodes[parent].start_ns, parent) < (nodes[earliest].start_ns, earliest) {
                earliest = parent;
            }
            next = parent;
            if next == at {
                break;
            }
        }
        parents[earliest] = None;
        tops[earliest] = Some(Top::Cycle);
    }
}

/// The children of all nodes in one list, by start.
struct Children {
    list: Vec<usize>,
    /// Where in the list the children of a node begin; one entry more than nodes.
    first: Vec<usize>,
    tops: Vec<usize>,
}

impl Children {
    fn new(nodes: &[Node], parents: &[Option<usize>]) -> Self {
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by_key(|i| (nodes[*i].start_ns, *i));
        let mut first = vec![0; nodes.len() + 1];
        for parent in parents.iter().flatten() {
            first[parent + 1] += 1;
        }
        for i in 0..nodes.len() {
            first[i + 1] += first[i];
        }
        let mut next = first.clone();
        let mut list = vec![0; first[nodes.len()]];
        let mut tops = Vec::new();
        for i in order {
            match parents[i] {
                Some(parent) => {
                    list[next[parent]] = i;
                    next[parent] += 1;
                }
                None => tops.push(i),
            }
        }
        Self { list, first, tops }
    }

    fn of(&self, node: usize) -> &[usize] {
        &self.list[self.first[node]..self.first[node + 1]]
    }
}

fn depth_first(parents: &[Option<usize>], tops: &[Option<Top>], children: &Children) -> Vec<Place> {
    let mut places = Vec::with_capacity(parents.len());
    let mut stack: Vec<(usize, u32)> = children.tops.iter().rev().map(|i| (*i, 0)).collect();
    while let Some((node, depth)) = stack.pop() {
        places.push(Place {
            node,
            parent: parents[node],
            top: tops[node],
            depth,
            descendants: 0,
            shift_ns: 0,
            self_ns: 0,
            critical: false,
        });
        stack.extend(children.of(node).iter().rev().map(|i| (*i, depth + 1)));
    }
    places
}

/// Counts from the end: when a place is met, all that is below it has been counted.
fn count_descendants(places: &mut [Place]) {
    let mut place_of = vec![0; places.len()];
    for (at, place) in places.iter().enumerate() {
        place_of[place.node] = at;
    }
    for at in (0..places.len()).rev() {
        if let Some(parent) = places[at].parent {
            places[place_of[parent]].descendants += places[at].descendants + 1;
        }
    }
}

/// Shifts the spans of a service whose clock is provably wrong. A child cannot start before what
/// caused it, and what a client waits for cannot start after the client is done; a child that ends
/// later than its parent proves nothing, it may be asynchronous. The shifted span is put in the
/// middle of its parent's time, as if both ways over the network took as long, or where it does not
/// fit, at the parent's start. Children in the same service share the clock and move along.
fn correct_clocks(nodes: &[Node], places: &mut [Place]) {
    let mut shifts = vec![0_i64; nodes.len()];
    for place in places {
        let Some(parent) = place.parent else { continue };
        let (node, above) = (&nodes[place.node], &nodes[parent]);
        let shift_above = shifts[parent];
        place.shift_ns = if node.service == above.service {
            shift_above
        } else {
            let start = above.start_ns.saturating_add(shift_above);
            let end = above.end_ns().saturating_add(shift_above);
            let waits = above.kind == CLIENT && node.kind == SERVER;
            if node.start_ns < start || (waits && node.start_ns > end) {
                let spare = (end.saturating_sub(start)).saturating_sub(node.duration_ns.max(0));
                start.saturating_add(spare.max(0) / 2).saturating_sub(node.start_ns)
            } else {
                0
            }
        };
        shifts[place.node] = place.shift_ns;
    }
}

/// Walks the critical path below the first root, marks the spans on it, and measures what each span
/// spends itself.
fn walk(nodes: &[Node], children: &Children, places: &mut [Place]) -> Vec<Segment> {
    let root = places.iter().find(|p| p.top == Some(Top::Root)).or(places.first());
    let Some(root) = root.map(|place| place.node) else { return Vec::new() };
    let (mut shifts, mut place_of) = (vec![0_i64; nodes.len()], vec![0; nodes.len()]);
    for (at, place) in places.iter().enumerate() {
        shifts[place.node] = place.shift_ns;
        place_of[place.node] = at;
    }
    let times = Times { nodes, shifts: &shifts, children };
    let mut critical = vec![false; nodes.len()];
    let mut path = times.critical(root, &mut critical);
    for segment in &mut path {
        segment.span = place_of[segment.span];
    }
    for place in places {
        place.critical = critical[place.node];
        place.self_ns = times.own(place.node);
    }
    path
}

#[cfg(test)]
mod tests;
