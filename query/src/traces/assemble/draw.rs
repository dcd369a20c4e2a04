//! A trace as columns: what a waterfall of a hundred thousand bars is drawn from.

use std::sync::Arc;

use tarn_model::map::HashMap;

use super::{Trace, shown_start};
use crate::api::frame::{self, Column, Head};
use crate::api::json;
use crate::api::json::object::Object;
use crate::traces::span::Span;
use crate::traces::tree::{Place, Top};

/// Columns with a value for each span, about.
const SPAN_COLUMNS: usize = 17;

/// Texts by number, in the order in which they are met.
#[derive(Debug, Default)]
struct Dictionary {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, usize>,
}

impl Dictionary {
    fn number(&mut self, text: &Arc<str>) -> f64 {
        let next = self.texts.len();
        let number = *self.numbers.entry(Arc::clone(text)).or_insert(next);
        if number == next {
            self.texts.push(Arc::clone(text));
        }
        number as f64
    }
}

/// The columns of a trace, ready to be sent.
#[derive(Debug)]
pub(crate) struct Drawing {
    pub(crate) head: Head,
    /// The values, column by column.
    pub(crate) values: Vec<u8>,
}

impl Trace {
    /// Returns about how many bytes the drawing takes.
    pub(crate) fn drawn_bytes(&self) -> u64 {
        let events: usize = self.spans().map(|(span, _)| span.events.len()).sum();
        let values = self.places.len() * SPAN_COLUMNS + (events + self.path.len()) * 3;
        (values * size_of::<f64>()) as u64
    }

    /// Draws the trace.
    pub(crate) fn draw(&self, trace_id: &[u8; 16]) -> Drawing {
        let start_ns = self.start_ns();
        let mut drawing = Drawing { head: Head::new(), values: Vec::new() };
        drawing.values.reserve(self.places.len() * size_of::<f64>() * SPAN_COLUMNS);
        self.draw_spans(&mut drawing, start_ns);
        let services = self.draw_texts(&mut drawing, "service", |span| &span.service);
        let names = self.draw_texts(&mut drawing, "name", |span| &span.name);
        let events = self.draw_events(&mut drawing, start_ns);
        self.draw_path(&mut drawing, start_ns);
        drawing.head.members(|object| {
            let mut dictionaries = Object::new(object.member("dictionaries"));
            for (name, list) in [("service", &services), ("name", &names), ("event", &events)] {
                json::strings(dictionaries.member(name), &list.texts);
            }
            dictionaries.close();
            let mut data = Object::new(object.member("data"));
            self.write_summary(&mut data, trace_id);
            data.close();
        });
        drawing
    }

    /// Adds columns with a number for each span.
    fn draw_spans(&self, drawing: &mut Drawing, start_ns: i64) {
        let since = |span: &Span, place: &Place| shown_start(span, place).saturating_sub(start_ns);
        let parent = self.parents();
        let half =
            |id: &[u8]| f64::from(id.iter().fold(0_u32, |n, byte| n << 8 | u32::from(*byte)));
        let mut add = |name: &str, unit: &str, value: &dyn Fn(usize, &Span, &Place) -> f64| {
            let column = Column { name, unit, length: self.places.len(), ..Column::default() };
            let values = self.spans().enumerate().map(|(i, (span, place))| value(i, span, place));
            drawing.add(&column, values);
        };
        add("start", "ns", &|_, span, place| since(span, place) as f64);
        add("duration", "ns", &|_, span, _| span.duration_ns as f64);
        add("self", "ns", &|_, _, place| place.self_ns as f64);
        add("depth", "", &|_, _, place| f64::from(place.depth));
        add("parent", "", &|i, _, _| parent[i]);
        add("descendants", "", &|_, _, place| f64::from(place.descendants));
        add("kind", "", &|_, span, _| f64::from(span.kind));
        add("status", "", &|_, span, _| f64::from(span.status));
        add("top", "", &|_, _, place| top_number(place.top));
        add("critical", "", &|_, _, place| f64::from(u8::from(place.critical)));
        add("problems", "", &|_, span, _| f64::from(span.problems));
        add("clock_shift", "ns", &|_, _, place| place.shift_ns as f64);
        add("events", "", &|_, span, _| span.events.len() as f64);
        add("span_id_high", "", &|_, span, _| half(&span.id[..4]));
        add("span_id_low", "", &|_, span, _| half(&span.id[4..]));
    }

    /// Adds a column with a text for each span; returns the texts.
    fn draw_texts(
        &self,
        drawing: &mut Drawing,
        name: &str,
        pick: impl Fn(&Span) -> &Arc<str>,
    ) -> Dictionary {
        let mut texts = Dictionary::default();
        let length = self.places.len();
        let column = Column { name, dictionary: name, length, ..Column::default() };
        drawing.add(&column, self.spans().map(|(span, _)| texts.number(pick(span))));
        texts
    }

    /// Returns the place of each span's parent, -1 where it has none.
    fn parents(&self) -> Vec<f64> {
        let mut place_of: HashMap<usize, usize> = HashMap::default();
        let find = |(at, place): (usize, &Place)| {
            place_of.insert(place.node, at);
            let parent = place.parent.and_then(|parent| place_of.get(&parent));
            parent.map_or(-1.0, |at| *at as f64)
        };
        self.places.iter().enumerate().map(find).collect()
    }

    /// Adds columns with a value for each event.
    fn draw_events(&self, drawing: &mut Drawing, start_ns: i64) -> Dictionary {
        let mut names = Dictionary::default();
        let (mut spans, mut times, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (span, place)) in self.spans().enumerate() {
            let offset_ns = shown_start(span, place).saturating_sub(start_ns);
            for (since_ns, name) in &span.events {
                spans.push(at as f64);
                times.push(offset_ns.saturating_add(*since_ns) as f64);
                numbers.push(names.number(name));
            }
        }
        let length = spans.len();
        let column =
            |name, unit, dictionary| Column { name, unit, dictionary, length, labels: None };
        drawing.add(&column("event.span", "", ""), spans.into_iter());
        drawing.add(&column("event.time", "ns", ""), times.into_iter());
        drawing.add(&column("event.name", "", "event"), numbers.into_iter());
        names
    }

    /// Adds columns with a value for each segment of the critical path.
    fn draw_path(&self, drawing: &mut Drawing, start_ns: i64) {
        let length = self.path.len();
        let column = |name, unit| Column { name, unit, length, ..Column::default() };
        let since = |ns: i64| ns.saturating_sub(start_ns) as f64;
        drawing.add(&column("critical.span", ""), self.path.iter().map(|s| s.span as f64));
        drawing.add(&column("critical.start", "ns"), self.path.iter().map(|s| since(s.start_ns)));
        drawing.add(&column("critical.end", "ns"), self.path.iter().map(|s| since(s.end_ns)));
    }
}

impl Drawing {
    fn add(&mut self, column: &Column<'_>, values: impl Iterator<Item = f64>) {
        self.head.column(column);
        frame::values(&mut self.values, values);
    }
}

/// 0: has a parent, 1: is a root, 2: its parent is not stored, 3: a circle is cut here.
fn top_number(top: Option<Top>) -> f64 {
    match top {
        None => 0.0,
        Some(Top::Root) => 1.0,
        Some(Top::MissingParent) => 2.0,
        Some(Top::Cycle) => 3.0,
    }
}
