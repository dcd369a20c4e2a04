//! The order of the spans of one trace: depth first, so that a subtree is a range of rows.
//!
//! Roots, and spans whose parent is not here, come by start; so do the children of each span. The
//! order depends on nothing but the spans: equal starts are decided by id, equal ids by content.
//! What senders get wrong is kept and marked: a circle of parents is cut at its earliest span, of
//! spans that share an id the first one has the children.
//!
//! The tree is three vectors of links (parent, first child, next sibling), and the walk needs no
//! stack: from a span without children it goes on to the next sibling, of itself or of the nearest
//! ancestor that has one. Time is n log n whatever the shape: chains of 100,000 spans are ordinary.

use crate::schema::tables::problem;

/// No span.
const NONE: u32 = u32::MAX;

/// What the order depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanKey {
    pub(crate) id: u64,
    /// `None` = root.
    pub(crate) parent: Option<u64>,
    /// µs, and ns below.
    pub(crate) start: (i64, i32),
}

/// A span in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its number among the spans given.
    pub(crate) span: u32,
    /// Rows back to the parent; `None` = root, 0 = the parent is not here.
    pub(crate) parent_back: Option<u32>,
    /// How many descendants follow.
    pub(crate) subtree: u32,
    /// Bits of [`problem`] that the order found.
    pub(crate) problems: i32,
}

/// Puts traces in order, one after the other, in the same memory.
#[derive(Debug, Default)]
pub(crate) struct TraceOrder {
    /// Ids with the numbers of their spans, sorted.
    ids: Vec<(u64, u32)>,
    /// Hashes of what spans that share an id hold; 0 for all others.
    contents: Vec<u64>,
    problems: Vec<i32>,
    /// Numbers of spans by start. What follows is in terms of places in this order.
    by_start: Vec<u32>,
    parent: Vec<u32>,
    first_child: Vec<u32>,
    next: Vec<u32>,
    /// Scratch of the search for circles, then where each span went.
    place: Vec<u32>,
}

impl TraceOrder {
    /// Appends the spans of a trace to `out` in their order. `content` hashes all that a span
    /// holds; it is asked for spans that share their id.
    pub(crate) fn order(
        &mut self,
        spans: &[SpanKey],
        content: impl Fn(usize) -> u64,
        out: &mut Vec<Placed>,
    ) {
        self.find_duplicates(spans, content);
        self.sort(spans);
        self.find_parents(spans);
        self.cut_circles();
        let first = self.link();
        self.walk(first, spans, out);
    }

    fn find_duplicates(&mut self, spans: &[SpanKey], content: impl Fn(usize) -> u64) {
        self.problems.clear();
        self.problems.resize(spans.len(), 0);
        self.contents.clear();
        self.contents.resize(spans.len(), 0);
        self.ids.clear();
        self.ids.extend(spans.iter().enumerate().map(|(i, span)| (span.id, i as u32)));
        self.ids.sort_unstable();
        for same in self.ids.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            for (_, span) in same {
                self.contents[*span as usize] = content(*span as usize);
            }
            let first = self.contents[same[0].1 as usize];
            if same.iter().any(|(_, span)| self.contents[*span as usize] != first) {
                for (_, span) in same {
                    self.problems[*span as usize] |= problem::DUPLICATE_ID;
                }
            }
        }
    }

    fn sort(&mut self, spans: &[SpanKey]) {
        let Self { by_start, contents, ids, .. } = self;
        by_start.clear();
        by_start.extend(0..spans.len() as u32);
        by_start.sort_unstable_by_key(|span| {
            let key = &spans[*span as usize];
            (key.start, key.id, contents[*span as usize])
        });
        ids.clear();
        ids.extend(by_start.iter().enumerate().map(|(at, i)| (spans[*i as usize].id, at as u32)));
        ids.sort_unstable();
    }

    /// Sets the parents: of spans that share an id, the first.
    fn find_parents(&mut self, spans: &[SpanKey]) {
        self.parent.clear();
        for span in &self.by_start {
            let key = &spans[*span as usize];
            let parent = key.parent.map_or(NONE, |parent| {
                let at = self.ids.partition_point(|(id, _)| *id < parent);
                self.ids.get(at).filter(|(id, _)| *id == parent).map_or(NONE, |(_, at)| *at)
            });
            if key.parent == Some(key.id) {
                self.problems[*span as usize] |= problem::CYCLE;
                self.parent.push(NONE);
            } else {
                self.parent.push(parent);
            }
        }
    }

    /// Follows the parents of every span up to where somebody was before. Who meets its own steps
    /// has found a circle.
    fn cut_circles(&mut self) {
        self.place.clear();
        self.place.resize(self.parent.len(), NONE);
        for from in 0..self.parent.len() as u32 {
            let mut at = from;
            while at != NONE && self.place[at as usize] == NONE {
                self.place[at as usize] = from;
                at = self.parent[at as usize];
            }
            if at == NONE || self.place[at as usize] != from {
                continue;
            }
            let (met, mut earliest) = (at, at);
            loop {
                at = self.parent[at as usize];
                earliest = earliest.min(at);
                if at == met {
                    break;
                }
            }
            self.parent[earliest as usize] = NONE;
            self.problems[self.by_start[earliest as usize] as usize] |= problem::CYCLE;
        }
    }

    /// Links siblings by start and returns the first root.
    fn link(&mut self) -> u32 {
        let n = self.parent.len();
        for links in [&mut self.first_child, &mut self.next] {
            links.clear();
            links.resize(n, NONE);
        }
        let mut first_root = NONE;
        for at in (0..n).rev() {
            let first = match self.parent[at] {
                NONE => &mut first_root,
                parent => &mut self.first_child[parent as usize],
            };
            self.next[at] = *first;
            *first = at as u32;
        }
        first_root
    }

    fn walk(&mut self, first: u32, spans: &[SpanKey], out: &mut Vec<Placed>) {
        let mut at = first;
        while at != NONE {
            let place = out.len() as u32;
            self.place[at as usize] = place;
            let span = self.by_start[at as usize];
            let parent_back = match self.parent[at as usize] {
                NONE => spans[span as usize].parent.map(|_| 0),
                parent => Some(place - self.place[parent as usize]),
            };
            let problems = self.problems[span as usize];
            out.push(Placed { span, parent_back, subtree: 0, problems });
            if self.first_child[at as usize] != NONE {
                at = self.first_child[at as usize];
                continue;
            }
            while at != NONE {
                let place = self.place[at as usize];
                out[place as usize].subtree = out.len() as u32 - 1 - place;
                if self.next[at as usize] != NONE {
                    at = self.next[at as usize];
                    break;
                }
                at = self.parent[at as usize];
            }
        }
    }
}

#[cfg(test)]
mod tests;
