//! A stretch of time in the shop → the OTLP requests of its three signals.

use std::collections::BTreeMap;

use super::super::series::Chance;
use super::super::wire::Message;
use super::points::Points;
use super::services::Instance;
use super::story::{SECOND_NS, Story};
use super::visit::{Failure, Kind, Level, Note, Span, Visit};
use super::{background, journeys};

/// What the shop did in a stretch of time.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// An `ExportTraceServiceRequest`, an `ExportLogsServiceRequest`, each with its rows.
    pub(crate) spans: (Vec<u8>, u64),
    pub(crate) logs: (Vec<u8>, u64),
    /// `ExportMetricsServiceRequest`s with their points, in the order of time.
    pub(crate) metrics: Vec<(Vec<u8>, u64)>,
    /// Requests of shoppers.
    pub(crate) visits: u64,
}

/// The shop under way.
#[derive(Debug)]
pub(crate) struct Shop {
    story: Story,
    run: u64,
    /// Visits per second, on average.
    rate: f64,
    /// Up to where it has been told.
    told_ns: i64,
    /// How often metrics are reported.
    every_ns: i64,
    visits: u64,
    points: Points,
}

impl Shop {
    /// Opens at a time.
    pub(crate) fn new(story: Story, rate: f64, start_ns: i64, every_ns: i64) -> Self {
        // Pods of another run have other names; those of the same start are the same.
        let run = story.seed ^ (start_ns / SECOND_NS) as u64;
        let points = Points::new(story, run, start_ns);
        Self { story, run, rate, told_ns: start_ns, every_ns, visits: 0, points }
    }

    /// Returns up to where it has been told.
    pub(crate) fn told_ns(&self) -> i64 {
        self.told_ns
    }

    /// Tells what happens up to before a time.
    pub(crate) fn until(&mut self, to_ns: i64) -> Batch {
        let mut batch = Batch::default();
        let (mut spans, mut notes) = (ByPod::new(), ByPod::new());
        let from_ns = self.told_ns;
        let put_note = |notes: &mut ByPod, note: &Note| {
            notes.entry(note.instance).or_default().push((note.at_ns, write_note(note)));
        };
        for note in background::notes(&self.story, self.run, from_ns, to_ns) {
            put_note(&mut notes, &note);
        }
        while self.told_ns < to_ns {
            // Metrics come at their ticks, with what was counted up to them.
            let tick_ns = (self.told_ns.div_euclid(self.every_ns) + 1) * self.every_ns;
            let until_ns = tick_ns.min(to_ns);
            for at_ns in self.times(until_ns) {
                let mut visit = Visit::new(&self.story, self.run, self.visits);
                self.visits += 1;
                batch.visits += 1;
                journeys::go(&mut visit, at_ns);
                for span in &visit.spans {
                    self.points.see(span);
                    let pod = spans.entry(span.instance).or_default();
                    pod.push((span.start_ns, write_span(span)));
                }
                visit.notes.iter().for_each(|note| put_note(&mut notes, note));
            }
            self.told_ns = until_ns;
            if until_ns == tick_ns {
                batch.metrics.push(self.points.report(tick_ns));
            }
        }
        batch.spans = request(spans);
        batch.logs = request(notes);
        batch
    }

    /// Draws when shoppers come between what was told and a time.
    fn times(&self, to_ns: i64) -> Vec<i64> {
        let from_ns = self.told_ns;
        let expected =
            self.rate * Story::traffic(from_ns) * (to_ns - from_ns) as f64 / SECOND_NS as f64;
        let mixed = (from_ns as u64 ^ self.story.seed).wrapping_mul(0xd134_2543_de82_ef95);
        let mut chance = Chance::new(mixed ^ mixed >> 31);
        chance.below(2);
        let rest = u64::from(chance.happens(expected.fract()));
        let span = (to_ns - from_ns).max(1) as f64;
        let mut times: Vec<i64> =
            (0..expected as u64 + rest).map(|_| from_ns + (chance.unit() * span) as i64).collect();
        times.sort_unstable();
        times
    }
}

/// Rows of each pod, with their times.
type ByPod = BTreeMap<Instance, Vec<(i64, Message)>>;

/// Writes a request and counts its rows. Spans and log records lie in fields of the same numbers.
fn request(pods: ByPod) -> (Vec<u8>, u64) {
    let (mut request, mut count) = (Message::default(), 0);
    for (pod, mut rows) in pods {
        rows.sort_by_key(|(time_ns, _)| *time_ns);
        count += rows.len() as u64;
        let mut of_scope = Message::default();
        of_scope.bytes(1, &pod.scope().0);
        for (_, row) in &rows {
            of_scope.bytes(2, &row.0);
        }
        request.nested(1, |of_resource| {
            of_resource.bytes(1, &pod.resource().0);
            of_resource.bytes(2, &of_scope.0);
            of_resource.text(3, "https://opentelemetry.io/schemas/1.38.0");
        });
    }
    (request.0, count)
}

fn write_span(span: &Span) -> Message {
    let mut message = Message::default();
    message.bytes(1, &span.trace_id).bytes(2, &span.id);
    if let Some(parent) = &span.parent {
        message.bytes(4, parent);
    }
    message.text(5, &span.name).varint(6, span.kind as u64);
    message.fixed64(7, span.start_ns as u64).fixed64(8, span.end_ns as u64);
    for (key, value) in &span.attributes {
        message.attribute(9, key, value);
    }
    if let Some(failure) = &span.failure {
        // Whoever failed, or answers for it, has seen the exception; who only asked has not.
        if span.kind != Kind::Client {
            message.nested(11, |event| exception(event, failure, span));
        }
    }
    for (trace_id, span_id) in &span.links {
        message.nested(13, |link| {
            link.bytes(1, trace_id).bytes(2, span_id);
        });
    }
    if let Some(failure) = &span.failure {
        message.nested(15, |status| {
            status.text(2, &failure.message).varint(3, 2);
        });
    }
    message.fixed32(16, 1);
    message
}

fn exception(event: &mut Message, failure: &Failure, span: &Span) {
    event.fixed64(1, (span.end_ns - 1_000) as u64).text(2, "exception");
    event.attribute(3, "exception.type", &failure.exception.into());
    event.attribute(3, "exception.message", &failure.message.as_str().into());
    event.attribute(3, "exception.stacktrace", &stack(failure, span).into());
}

/// What a stack would look like in the language of a service.
fn stack(failure: &Failure, span: &Span) -> String {
    let (name, message) = (failure.exception, &failure.message);
    match span.instance.service.about().language {
        "java" => format!(
            "{name}: {message}\n\
             \tat com.shop.payment.gateway.ConnectionPool.acquire(ConnectionPool.java:118)\n\
             \tat com.shop.payment.gateway.GatewayClient.charge(GatewayClient.java:64)\n\
             \tat com.shop.payment.PaymentService.charge(PaymentService.java:203)\n\
             \tat io.grpc.stub.ServerCalls$UnaryServerCallHandler.invoke(ServerCalls.java:182)"
        ),
        "go" => format!(
            "{name}: {message}\n\
             main.(*server).chargeCard\n\t/src/checkout/charge.go:71\n\
             main.(*server).PlaceOrder\n\t/src/checkout/main.go:244"
        ),
        _ => format!(
            "{name}: {message}\n    at placeOrder (/app/src/routes/checkout.js:58:11)\n\
             \x20   at async handle (/app/src/server.js:31:5)"
        ),
    }
}

fn write_note(note: &Note) -> Message {
    let mut record = Message::default();
    let text = match note.level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    };
    record.fixed64(1, note.at_ns as u64).varint(2, note.level as u64).text(3, text);
    record.nested(5, |body| {
        body.text(1, &note.body);
    });
    for (key, value) in &note.attributes {
        record.attribute(6, key, value);
    }
    if let Some((trace_id, span_id)) = &note.within {
        record.fixed32(8, 1).bytes(9, trace_id).bytes(10, span_id);
    }
    // Collectors see a line somewhat later.
    record.fixed64(11, (note.at_ns + 2_000_000) as u64);
    if !note.event_name.is_empty() {
        record.text(12, note.event_name);
    }
    record
}
