//! How the calls of one request are put together.
//!
//! A visit holds the spans and what was said so far. A call opens a span of the caller and one of the
//! callee, lets `work` fill the latter, and closes both when the work has ended: time is only ever
//! added to, so that what contains something ends after it.

use std::borrow::Cow;

use super::super::logs::id;
use super::super::series::Chance;
use super::super::wire::Value;
use super::services::{Instance, Service};
use super::story::Story;

/// Attributes in order.
pub(crate) type Attributes = Vec<(&'static str, Value<'static>)>;

/// Kinds of spans, by OTel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// Severities, by OTel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Debug = 5,
    Info = 9,
    Warn = 13,
    Error = 17,
}

/// Why something failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) exception: &'static str,
    pub(crate) message: String,
}

/// One span.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) instance: Instance,
    pub(crate) trace_id: [u8; 16],
    pub(crate) id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    pub(crate) attributes: Attributes,
    pub(crate) failure: Option<Failure>,
    /// Traces and spans that it goes back to.
    pub(crate) links: Vec<([u8; 16], [u8; 8])>,
}

/// Something that was said.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) instance: Instance,
    pub(crate) at_ns: i64,
    pub(crate) level: Level,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) within: Option<([u8; 16], [u8; 8])>,
    pub(crate) event_name: &'static str,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) end_ns: i64,
    pub(crate) failure: Option<Failure>,
}

impl Reply {
    /// All went well.
    pub(crate) fn at(end_ns: i64) -> Self {
        Self { end_ns, failure: None }
    }
}

/// A call over gRPC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rpc {
    pub(crate) to: Service,
    pub(crate) service: &'static str,
    pub(crate) method: &'static str,
}

/// A question to a database.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) system: &'static str,
    pub(crate) operation: &'static str,
    /// Table, or what a key begins with.
    pub(crate) of: &'static str,
    pub(crate) text: Cow<'static, str>,
    /// Typical time.
    pub(crate) ms: f64,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) story: &'a Story,
    pub(crate) run: u64,
    pub(crate) chance: Chance,
    pub(crate) trace_id: [u8; 16],
    pub(crate) spans: Vec<Span>,
    pub(crate) notes: Vec<Note>,
}

impl<'a> Visit<'a> {
    /// Begins visit number `n`.
    pub(crate) fn new(story: &'a Story, run: u64, n: u64) -> Self {
        // Numbers that are close must not begin alike.
        let mixed = (story.seed ^ n.rotate_left(32) ^ run).wrapping_mul(0xd134_2543_de82_ef95);
        let mut chance = Chance::new(mixed ^ mixed >> 29);
        chance.below(2);
        let trace_id = id(&mut chance);
        Self { story, run, chance, trace_id, spans: Vec::new(), notes: Vec::new() }
    }

    /// Draws how long something takes that typically takes `median` ms, in ns: seldom much longer.
    pub(crate) fn ms(&mut self, median: f64) -> i64 {
        let sum: f64 = (0..4).map(|_| self.chance.unit()).sum();
        let tail = if self.chance.happens(0.008) { 3.0 + 3.0 * self.chance.unit() } else { 1.0 };
        (median * ((sum - 2.0) * 0.75).exp() * tail * 1e6) as i64
    }

    /// Draws the pod that takes a call.
    pub(crate) fn instance(&mut self, service: Service, at_ns: i64) -> Instance {
        let replica = self.chance.below(service.about().replicas);
        let release = self.story.release(service, replica, at_ns);
        Instance { service, replica, release, run: self.run }
    }

    /// Opens a span.
    pub(crate) fn open(
        &mut self,
        instance: Instance,
        parent: Option<usize>,
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        start_ns: i64,
    ) -> usize {
        let span = Span {
            instance,
            trace_id: self.trace_id,
            id: id(&mut self.chance),
            parent: parent.map(|at| self.spans[at].id),
            name: name.into(),
            kind,
            start_ns,
            end_ns: start_ns,
            attributes: Vec::new(),
            failure: None,
            links: Vec::new(),
        };
        self.spans.push(span);
        self.spans.len() - 1
    }

    /// Adds an attribute to a span.
    pub(crate) fn set(&mut self, at: usize, key: &'static str, value: impl Into<Value<'static>>) {
        self.spans[at].attributes.push((key, value.into()));
    }

    /// Closes a span.
    pub(crate) fn close(&mut self, at: usize, reply: &Reply) {
        let span = &mut self.spans[at];
        span.end_ns = reply.end_ns.max(span.start_ns + 1_000);
        span.failure.clone_from(&reply.failure);
    }

    /// Says something within a span.
    pub(crate) fn say(&mut self, at: usize, at_ns: i64, level: Level, body: impl Into<String>) {
        self.say_with(at, at_ns, level, body, Vec::new());
    }

    /// Says something within a span, with attributes.
    pub(crate) fn say_with(
        &mut self,
        at: usize,
        at_ns: i64,
        level: Level,
        body: impl Into<String>,
        attributes: Attributes,
    ) {
        let span = &self.spans[at];
        let (instance, within) = (span.instance, Some((span.trace_id, span.id)));
        let body = body.into();
        self.notes.push(Note { instance, at_ns, level, body, attributes, within, event_name: "" });
    }

    /// Does something inside a service.
    pub(crate) fn inside(
        &mut self,
        parent: usize,
        at_ns: i64,
        name: &'static str,
        ms: f64,
    ) -> (usize, i64) {
        let instance = self.spans[parent].instance;
        let at = self.open(instance, Some(parent), name, Kind::Internal, at_ns);
        let end_ns = at_ns + self.ms(ms);
        self.close(at, &Reply::at(end_ns));
        (at, end_ns)
    }

    /// Calls a service over gRPC; `work` is what it does.
    pub(crate) fn rpc(
        &mut self,
        from: usize,
        at_ns: i64,
        call: Rpc,
        work: impl FnOnce(&mut Self, usize, i64) -> Reply,
    ) -> Reply {
        let caller = self.spans[from].instance;
        let name = format!("{}/{}", call.service, call.method);
        let client = self.open(caller, Some(from), name.clone(), Kind::Client, at_ns);
        let came_ns = at_ns + self.ms(0.35);
        let callee = self.instance(call.to, came_ns);
        let server = self.open(callee, Some(client), name, Kind::Server, came_ns);
        for at in [client, server] {
            self.set(at, "rpc.system.name", "grpc");
            self.set(at, "rpc.service", call.service);
            self.set(at, "rpc.method", call.method);
        }
        self.set(client, "server.address", call.to.about().name);
        self.set(client, "server.port", 8080_i64);
        let begun_ns = came_ns + self.ms(0.12);
        let mut reply = work(self, server, begun_ns);
        let code = if reply.failure.is_some() { 13_i64 } else { 0 };
        self.set(server, "rpc.response.status_code", code);
        self.set(client, "rpc.response.status_code", code);
        self.close(server, &reply);
        reply.end_ns += self.ms(0.35);
        self.close(client, &reply);
        reply
    }

    /// Asks a database; returns the span and when it ended.
    pub(crate) fn query(&mut self, from: usize, at_ns: i64, query: Query) -> (usize, i64) {
        let caller = self.spans[from].instance;
        let name = format!("{} {}", query.operation, query.of);
        let at = self.open(caller, Some(from), name.clone(), Kind::Client, at_ns);
        let namespace = if query.system == "redis" { "0" } else { "shop" };
        let host = if query.system == "redis" { "redis.shop" } else { "orders-db.shop" };
        self.set(at, "db.system.name", query.system);
        self.set(at, "db.namespace", namespace);
        self.set(at, "db.operation.name", query.operation);
        self.set(at, "db.collection.name", query.of);
        self.set(at, "db.query.summary", name);
        self.set(at, "db.query.text", Value::Text(query.text));
        self.set(at, "server.address", host);
        let end_ns = at_ns + self.ms(query.ms);
        self.close(at, &Reply::at(end_ns));
        (at, end_ns)
    }
}
