//! Traces: a request of a browser and what it causes, some twenty spans over the services.
//!
//! Trace number n is a function of n alone: its ids can be asked for again.

use super::logs::id;
use super::series::Chance;
use super::shop::{self, SERVICES};
use super::wire::Message;

const OPERATIONS: [&str; 6] = [
    "GET /api/products/{id}",
    "POST /api/checkout",
    "GET /",
    "GET /api/search",
    "POST /api/login",
    "GET /api/basket",
];

/// Returns the id of trace number `n`.
pub(crate) fn trace_id(n: u64) -> [u8; 16] {
    id(&mut Chance::new(n ^ 0x7ace))
}

/// One span before it is written.
struct Planned {
    service: usize,
    span_id: [u8; 8],
    parent: Option<[u8; 8]>,
    name: String,
    kind: u64,
    start_ns: i64,
    duration_ns: i64,
    error: bool,
}

/// Makes an `ExportTraceServiceRequest` of whole traces; trace n starts at `time_ns(n)`.
/// Returns it with the number of spans.
pub(crate) fn body(traces: std::ops::Range<u64>, time_ns: impl Fn(u64) -> i64) -> (Vec<u8>, usize) {
    let mut by_service: Vec<Message> = vec![Message::default(); SERVICES.len()];
    let mut spans = 0;
    for n in traces {
        let trace = trace_id(n);
        let mut chance = Chance::new(n ^ 0x5_9a25);
        for planned in plan(time_ns(n), &mut chance) {
            let message = write(&trace, &planned, &mut chance);
            by_service[planned.service].bytes(2, &message.0);
            spans += 1;
        }
    }
    let mut request = Message::default();
    for (service, written) in by_service.iter().enumerate().filter(|(_, m)| !m.0.is_empty()) {
        request.nested(1, |of_resource| {
            of_resource.bytes(1, &shop::resource(service, 0).0);
            of_resource.nested(2, |of_scope| {
                of_scope.bytes(1, &shop::scope(service).0);
                of_scope.0.extend_from_slice(&written.0);
            });
        });
    }
    (request.0, spans)
}

/// Draws the tree: every span has a parent drawn among the ones before it.
fn plan(start_ns: i64, chance: &mut Chance) -> Vec<Planned> {
    let count = 6 + chance.below(12) + if chance.below(10) == 0 { chance.below(60) } else { 0 };
    let operation = OPERATIONS[chance.below(6) as usize];
    let root = Planned {
        service: 0,
        span_id: id(chance),
        parent: None,
        name: operation.to_owned(),
        kind: 2,
        start_ns,
        duration_ns: 20_000_000 + chance.below(400_000_000) as i64,
        error: chance.below(50) == 0,
    };
    let mut spans = vec![root];
    for _ in 1..count {
        let at = chance.below(spans.len() as u64) as usize;
        let child = child_of(&spans[at], chance);
        spans.push(child);
    }
    spans
}

fn child_of(parent: &Planned, chance: &mut Chance) -> Planned {
    let (service, name, kind) = match chance.below(4) {
        0 => (
            parent.service,
            format!("SELECT shop.{}", ["orders", "users", "products"][chance.below(3) as usize]),
            3,
        ),
        1 => (parent.service, format!("compute {}", chance.below(12)), 1),
        _ => {
            let service = shop::draw(chance);
            (service, format!("{}/Call{}", SERVICES[service].name, chance.below(6)), 2)
        }
    };
    let room = (parent.duration_ns / 2).max(1_000) as u64;
    Planned {
        service,
        span_id: id(chance),
        parent: Some(parent.span_id),
        name,
        kind,
        start_ns: parent.start_ns + chance.below(room) as i64,
        duration_ns: 1_000 + chance.below(room) as i64,
        error: parent.error && chance.below(3) == 0,
    }
}

fn write(trace: &[u8; 16], planned: &Planned, chance: &mut Chance) -> Message {
    let mut span = Message::default();
    span.bytes(1, trace).bytes(2, &planned.span_id);
    if let Some(parent) = &planned.parent {
        span.bytes(4, parent);
    }
    let end_ns = planned.start_ns + planned.duration_ns;
    span.text(5, &planned.name).varint(6, planned.kind);
    span.fixed64(7, planned.start_ns as u64).fixed64(8, end_ns as u64);
    attributes(&mut span, planned, chance);
    if planned.error {
        span.nested(11, |event| {
            event.fixed64(1, (end_ns - 1_000) as u64).text(2, "exception");
            event.attribute(3, "exception.type", &"shop.UpstreamTimeout".into());
            event.attribute(3, "exception.message", &"deadline exceeded".into());
        });
        span.nested(15, |status| {
            status.text(2, "deadline exceeded").varint(3, 2);
        });
    }
    span.0.extend_from_slice(&[0x85, 0x01, 1, 1, 0, 0]); // field 16, fixed 32: flags
    span
}

fn attributes(span: &mut Message, planned: &Planned, chance: &mut Chance) {
    match planned.kind {
        3 => {
            span.attribute(9, "db.system.name", &"postgresql".into());
            span.attribute(9, "db.namespace", &"shop".into());
            span.attribute(9, "db.query.summary", &planned.name.as_str().into());
            span.attribute(9, "db.response.returned_rows", &chance.below(200).into());
        }
        2 => {
            let status = if planned.error { 504_u64 } else { 200 };
            span.attribute(9, "http.request.method", &"GET".into());
            span.attribute(9, "http.route", &planned.name.as_str().into());
            span.attribute(9, "http.response.status_code", &status.into());
            span.attribute(9, "server.address", &SERVICES[planned.service].name.into());
            if chance.below(3) == 0 {
                let user = format!("u-{:07}", chance.below(2_000_000));
                span.attribute(9, "enduser.id", &user.into());
            }
        }
        _ => {
            span.attribute(9, "code.function.name", &planned.name.as_str().into());
            span.attribute(9, "thread.id", &chance.below(64).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_trace() {
        let make = |from: u64| body(from..from + 10, |n| n as i64 * 1_000_000);
        assert_eq!(make(0), make(0));
        assert_ne!(make(0).0, make(10).0);
        let (bytes, spans) = make(0);
        assert!((60..400).contains(&spans), "{spans} spans");
        assert!(bytes.len() / spans > 100, "{} bytes per span", bytes.len() / spans);
    }
}
