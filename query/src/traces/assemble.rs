//! Spans of a trace → the view of the trace, and what a list of traces says of each.
//!
//! A span that was sent twice is shown once (VIS-3); spans that share an id and differ are all
//! shown, and marked. The order, and what is wrong with parents and clocks, is
//! [`tree`](super::tree)'s.

use std::sync::Arc;

use tarn_model::map::{HashMap, HashSet};
use tarn_storage::schema::tables::problem;

use super::span::Span;
use super::tree::{self, Node, Place, Segment, Top, Tree};
use super::{ERROR, kind_word, status_word};
use crate::api::json;
use crate::api::json::object::Object;
use crate::api::prometheus::time::format_rfc3339_ns;
use crate::records;

mod cut;
mod draw;

/// One trace, put together.
#[derive(Debug)]
pub(crate) struct Trace {
    spans: Vec<Span>,
    places: Vec<Place>,
    path: Vec<Segment>,
    /// How many spans were the same as another.
    duplicates: usize,
    /// How many spans are left out, because there are too many.
    hidden: usize,
    /// How many spans came without attributes, events and links, because they are too large.
    pub(super) bare: usize,
}

/// What a list of traces says of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Service and name of the root; of the first span where there is none.
    pub(crate) root: (Arc<str>, Arc<str>),
    /// Whether the root is there.
    pub(crate) has_root: bool,
    /// The earliest start, as sent.
    pub(crate) start_ns: i64,
    /// From the earliest start to the latest end, as sent.
    pub(crate) duration_ns: i64,
    pub(crate) spans: usize,
    pub(crate) errors: usize,
    /// Services with their spans, the most frequent first.
    pub(crate) services: Vec<(Arc<str>, usize)>,
}

/// Leaves out spans that are the same as another.
pub(crate) fn distinct(mut spans: Vec<Span>) -> Vec<Span> {
    let mut first: HashMap<u128, usize> = HashMap::default();
    let mut problems: Vec<(usize, i32)> = Vec::new();
    let mut keep = Vec::with_capacity(spans.len());
    for (i, span) in spans.iter().enumerate() {
        let known = *first.entry(span.fingerprint()).or_insert(i);
        problems.push((known, span.problems));
        keep.push(known == i);
    }
    for (known, bits) in problems {
        spans[known].problems |= bits;
    }
    let mut keep = keep.into_iter();
    spans.retain(|_| keep.next().unwrap_or(true));
    spans
}

/// Says what a list of traces says. The spans are distinct and at least one.
pub(crate) fn summary(spans: &[Span]) -> Option<Summary> {
    let earliest = |spans: &mut dyn Iterator<Item = &Span>| {
        spans.min_by_key(|span| (span.start_ns, span.id)).cloned()
    };
    let first = earliest(&mut spans.iter())?;
    let root = earliest(&mut spans.iter().filter(|span| span.parent.is_none()));
    let end = |s: &Span| s.start_ns.saturating_add(s.duration_ns.max(0));
    let end_ns = spans.iter().map(end).max().unwrap_or(first.start_ns);
    let shown = root.as_ref().unwrap_or(&first);
    let mut counts: HashMap<&Arc<str>, usize> = HashMap::default();
    for span in spans {
        *counts.entry(&span.service).or_default() += 1;
    }
    let mut services: Vec<(Arc<str>, usize)> =
        counts.into_iter().map(|(service, n)| (Arc::clone(service), n)).collect();
    services.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    Some(Summary {
        root: (Arc::clone(&shown.service), Arc::clone(&shown.name)),
        has_root: root.is_some(),
        start_ns: first.start_ns,
        duration_ns: end_ns.saturating_sub(first.start_ns),
        spans: spans.len(),
        errors: spans.iter().filter(|span| span.status == ERROR).count(),
        services,
    })
}

impl Trace {
    /// Puts spans together.
    pub(crate) fn assemble(spans: Vec<Span>) -> Self {
        let all = spans.len();
        let mut spans = distinct(spans);
        mark_shared_ids(&mut spans);
        let mut services: HashMap<Arc<str>, u32> = HashMap::default();
        let node = |span: &Span| {
            let next = services.len() as u32;
            let service = *services.entry(Arc::clone(&span.service)).or_insert(next);
            let Span { id, parent, start_ns, duration_ns, kind, .. } = *span;
            Node { id, parent, start_ns, duration_ns, kind, service }
        };
        let nodes: Vec<Node> = spans.iter().map(node).collect();
        let Tree { places, path } = tree::arrange(&nodes);
        for place in places.iter().filter(|place| place.top == Some(Top::Cycle)) {
            spans[place.node].problems |= problem::CYCLE;
        }
        Self { duplicates: all - spans.len(), spans, places, path, hidden: 0, bare: 0 }
    }

    /// Returns the spans in their order, with their places.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (&Span, &Place)> {
        self.places.iter().map(|place| (&self.spans[place.node], place))
    }

    /// Says what is not as it should be.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let count =
            |wanted: &dyn Fn(&Place) -> bool| self.places.iter().filter(|p| wanted(p)).count();
        let missing = count(&|p| p.top == Some(Top::MissingParent));
        let cycles = count(&|p| p.top == Some(Top::Cycle));
        let shifted = count(&|p| p.shift_ns != 0);
        let shared = self.spans.iter().filter(|s| s.problems & problem::DUPLICATE_ID != 0).count();
        let rows = [
            (missing, "spans whose parent is not stored"),
            (cycles, "circles of parents, cut here"),
            (shifted, "spans at a corrected time, because their clock differs from their parent's"),
            (shared, "spans that share their id with another that differs"),
            (self.duplicates, "spans that were stored again and are shown once"),
            (self.hidden, "spans that are left out, those farthest below the root"),
            (self.bare, "spans without attributes, events and links, which need too much memory"),
        ];
        rows.iter().filter(|(n, _)| *n > 0).map(|(n, text)| format!("{text}: {n}")).collect()
    }

    /// Writes the head of the trace, up to its spans, into an object that stays open.
    pub(crate) fn write_head(&self, out: &mut Vec<u8>, trace_id: &[u8; 16]) -> Tables<'_> {
        let tables = Tables::new(self);
        let mut object = Object::new(out);
        self.write_summary(&mut object, trace_id);
        self.write_path(object.member("critical_path"));
        for (member, texts) in [("resources", &tables.resources), ("scopes", &tables.scopes)] {
            let out = object.member(member);
            out.push(b'[');
            for (i, text) in texts.list.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                records::raw_object(out, text);
            }
            out.push(b']');
        }
        tables
    }

    /// Writes what is said of the trace as a whole.
    fn write_summary(&self, object: &mut Object<'_>, trace_id: &[u8; 16]) {
        let start_ns = self.start_ns();
        let end = |(span, place): (&Span, &Place)| {
            shown_start(span, place).saturating_add(span.duration_ns.max(0))
        };
        let end_ns = self.spans().map(end).max().unwrap_or(start_ns);
        records::hex(object.member("trace_id"), trace_id);
        object.text("start", &format_rfc3339_ns(start_ns));
        object.quoted_int("start_unix_nano", start_ns);
        object.int("duration_ns", end_ns.saturating_sub(start_ns));
        if let Some(summary) = summary(&self.spans) {
            summary.write(object);
        }
    }

    /// Writes the critical path, in ns since the start of the trace.
    fn write_path(&self, out: &mut Vec<u8>) {
        let start_ns = self.start_ns();
        out.push(b'[');
        for (i, segment) in self.path.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            let mut object = Object::new(out);
            object.count("span", segment.span as u64);
            object.int("start_ns", segment.start_ns.saturating_sub(start_ns));
            object.int("end_ns", segment.end_ns.saturating_sub(start_ns));
            object.close();
        }
        out.push(b']');
    }

    /// Returns the earliest start as shown.
    pub(crate) fn start_ns(&self) -> i64 {
        self.spans().map(|(span, place)| shown_start(span, place)).min().unwrap_or(0)
    }
}

impl Summary {
    /// Writes the members that lists and views of traces share.
    pub(crate) fn write(&self, object: &mut Object<'_>) {
        let root = if self.has_root { "root" } else { "first" };
        let mut inner = Object::new(object.member(root));
        inner.text("service", &self.root.0);
        inner.text("name", &self.root.1);
        inner.close();
        object.int("span_count", self.spans as i64);
        object.int("error_count", self.errors as i64);
        let out = object.member("services");
        out.push(b'[');
        for (i, (service, spans)) in self.services.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            let mut inner = Object::new(out);
            inner.text("name", service);
            inner.int("span_count", *spans as i64);
            inner.close();
        }
        out.push(b']');
    }
}

/// Resources and scopes of a trace by number: spans refer to them, because each stands in many.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    resources: Numbered<'a>,
    scopes: Numbered<'a>,
}

#[derive(Debug, Default)]
struct Numbered<'a> {
    list: Vec<&'a str>,
    numbers: HashMap<&'a str, usize>,
}

impl<'a> Numbered<'a> {
    fn add(&mut self, text: &'a str) {
        let next = self.list.len();
        if *self.numbers.entry(text).or_insert(next) == next {
            self.list.push(text);
        }
    }

    fn number(&self, text: &str) -> i64 {
        self.numbers.get(text).map_or(0, |n| *n as i64)
    }
}

impl<'a> Tables<'a> {
    fn new(trace: &'a Trace) -> Self {
        let mut tables = Self { resources: Numbered::default(), scopes: Numbered::default() };
        for (span, _) in trace.spans() {
            tables.resources.add(&span.resource);
            tables.scopes.add(&span.scope);
        }
        tables
    }

    /// Writes a span.
    pub(crate) fn write(&self, out: &mut Vec<u8>, span: &Span, place: &Place, trace_start_ns: i64) {
        let start_ns = shown_start(span, place);
        let mut object = Object::new(out);
        ids(&mut object, span);
        if let Some(top) = place.top {
            object.text("top", top_word(top));
        }
        object.int("depth", place.depth.into());
        object.int("descendants", place.descendants.into());
        own(&mut object, span);
        object.int("offset_ns", start_ns.saturating_sub(trace_start_ns));
        object.int("self_ns", place.self_ns);
        if place.shift_ns != 0 {
            object.int("clock_shift_ns", place.shift_ns);
        }
        object.bool("critical", place.critical);
        problems(object.member("problems"), span.problems);
        object.int("resource", self.resources.number(&span.resource));
        object.int("scope", self.scopes.number(&span.scope));
        out.extend_from_slice(&span.rest);
        out.push(b'}');
    }
}

/// Writes a span that is shown alone, with its resource and scope.
pub(crate) fn write_alone(out: &mut Vec<u8>, span: &Span) {
    let mut object = Object::new(out);
    ids(&mut object, span);
    own(&mut object, span);
    problems(object.member("problems"), span.problems);
    records::raw_object(object.member("resource"), &span.resource);
    records::raw_object(object.member("scope"), &span.scope);
    out.extend_from_slice(&span.rest);
    out.push(b'}');
}

fn ids(object: &mut Object<'_>, span: &Span) {
    records::hex(object.member("span_id"), &span.id);
    if let Some(parent) = span.parent {
        records::hex(object.member("parent_span_id"), &parent);
    }
}

/// Writes what a span says of itself.
fn own(object: &mut Object<'_>, span: &Span) {
    object.text("service", &span.service);
    object.text("name", &span.name);
    object.text("kind", kind_word(span.kind));
    object.text("status", status_word(span.status));
    object.text("start", &format_rfc3339_ns(span.start_ns));
    object.quoted_int("start_unix_nano", span.start_ns);
    object.int("duration_ns", span.duration_ns);
}

fn shown_start(span: &Span, place: &Place) -> i64 {
    span.start_ns.saturating_add(place.shift_ns)
}

fn top_word(top: Top) -> &'static str {
    match top {
        Top::Root => "root",
        Top::MissingParent => "missing_parent",
        Top::Cycle => "cycle",
    }
}

fn problems(out: &mut Vec<u8>, bits: i32) {
    let words = [
        (problem::NEGATIVE_DURATION, "negative_duration"),
        (problem::CYCLE, "cycle"),
        (problem::DUPLICATE_ID, "duplicate_id"),
        (problem::TRUNCATED, "truncated"),
    ];
    let set: Vec<&str> = words.iter().filter(|(b, _)| bits & b != 0).map(|(_, w)| *w).collect();
    json::strings(out, &set);
}

fn mark_shared_ids(spans: &mut [Span]) {
    let mut seen: HashSet<[u8; 8]> = HashSet::default();
    let shared: HashSet<[u8; 8]> =
        spans.iter().filter(|span| !seen.insert(span.id)).map(|span| span.id).collect();
    for span in spans.iter_mut().filter(|span| shared.contains(&span.id)) {
        span.problems |= problem::DUPLICATE_ID;
    }
}

#[cfg(test)]
mod tests;
