//! The critical path of a trace, and the time that spans spend themselves.
//!
//! From the end of the root backwards: before the end of a span, what it waited for is the child that
//! ended last, before that child began, the one that ended last before that, and so on; what lies
//! between them is the span's own. The rules are those of Jaeger's view: a child counts as far as
//! it lies within its parent, so what runs on after its parent is asynchronous from there on, and
//! what starts after it is none of its waiting; clocks are put right before. The segments that result
//! follow each other without gap or overlap and are as long as the root.

use super::{Children, Node};

/// A part of the critical path: who is waited for, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Which span: its number among the places.
    pub span: usize,
    /// From when on, ns since the epoch on the corrected clock.
    pub start_ns: i64,
    /// Until when.
    pub end_ns: i64,
}

/// Spans with their corrected times.
pub(super) struct Times<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) shifts: &'a [i64],
    pub(super) children: &'a Children,
}

/// A span that is being walked through, from its end to its start.
struct Open {
    node: usize,
    start: i64,
    end: i64,
    /// Everything behind is explained.
    cursor: i64,
    /// Children with their times, the one that ends last at the end.
    children: Vec<(i64, i64, usize)>,
}

impl Times<'_> {
    fn start(&self, node: usize) -> i64 {
        self.nodes[node].start_ns.saturating_add(self.shifts[node])
    }

    fn end(&self, node: usize) -> i64 {
        self.start(node).saturating_add(self.nodes[node].duration_ns.max(0))
    }

    /// Returns the times of a span's children as far as they lie within its own.
    fn within(&self, node: usize, start: i64, end: i64) -> Vec<(i64, i64, usize)> {
        let inside = |child: &usize| {
            let (from, to) = (self.start(*child).max(start), self.end(*child).min(end));
            (from <= to).then_some((from, to, *child))
        };
        self.children.of(node).iter().filter_map(inside).collect()
    }

    fn open(&self, node: usize, start: i64, end: i64) -> Open {
        let mut children = self.within(node, start, end);
        // Of those that end together the longest is the one to wait for.
        children.sort_by_key(|(from, to, child)| (*to, std::cmp::Reverse((*from, *child))));
        Open { node, start, end, cursor: end, children }
    }

    /// Returns the critical path of the tree below `root`, by node, from start to end, and marks the
    /// spans on it.
    pub(super) fn critical(&self, root: usize, on_path: &mut [bool]) -> Vec<Segment> {
        let mut path = Vec::new();
        let mut take = |node, start_ns, end_ns| {
            if start_ns < end_ns {
                path.push(Segment { span: node, start_ns, end_ns });
            }
        };
        on_path[root] = true;
        let mut stack = vec![self.open(root, self.start(root), self.end(root))];
        while let Some(open) = stack.last_mut() {
            let Some((from, to, child)) = open.children.pop() else {
                take(open.node, open.start, open.cursor);
                stack.pop();
                continue;
            };
            // What ran beside a child that is on the path was not waited for.
            if to > open.cursor || from == open.end {
                continue;
            }
            take(open.node, to, open.cursor);
            open.cursor = from;
            on_path[child] = true;
            let next = self.open(child, from, to);
            stack.push(next);
        }
        path.reverse();
        path
    }

    /// Returns how long a span ran while none of its children did.
    pub(super) fn own(&self, node: usize) -> i64 {
        let (start, end) = (self.start(node), self.end(node));
        let mut children = self.within(node, start, end);
        children.sort_unstable();
        let (mut own, mut covered) = (0, start);
        for (from, to, _) in children {
            own += from.saturating_sub(covered).max(0);
            covered = covered.max(to);
        }
        own + end.saturating_sub(covered).max(0)
    }
}

#[cfg(test)]
mod tests;
