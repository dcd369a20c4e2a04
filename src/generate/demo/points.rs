//! Spans → metrics, as the libraries of instruments would count them: durations by route, method and
//! statement with exemplars, what the shop sells, and how its processes feel.

use std::collections::BTreeMap;

use super::super::series::Chance;
use super::super::wire::{Message, Value};
use super::services::{Instance, Service};
use super::story::{GATEWAYS, Story};
use super::visit::{Kind, Span};

/// Bounds of histograms of durations, in seconds: those of the OTel conventions.
const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Histogram,
    Counter,
    Gauge,
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Meter {
    name: &'static str,
    unit: &'static str,
    shape: Shape,
    about: &'static str,
}

const fn meter(name: &'static str, unit: &'static str, shape: Shape, about: &'static str) -> Meter {
    Meter { name, unit, shape, about }
}

const HTTP_SERVER: Meter =
    meter("http.server.request.duration", "s", Shape::Histogram, "Duration of HTTP requests taken");
const HTTP_CLIENT: Meter =
    meter("http.client.request.duration", "s", Shape::Histogram, "Duration of HTTP requests made");
const RPC_SERVER: Meter =
    meter("rpc.server.call.duration", "s", Shape::Histogram, "Duration of calls taken");
const RPC_CLIENT: Meter =
    meter("rpc.client.call.duration", "s", Shape::Histogram, "Duration of calls made");
const DB_CLIENT: Meter =
    meter("db.client.operation.duration", "s", Shape::Histogram, "Duration of database operations");
const PROCESSED: Meter =
    meter("messaging.process.duration", "s", Shape::Histogram, "Duration of handling messages");
const SENT: Meter =
    meter("messaging.client.sent.messages", "{message}", Shape::Counter, "Messages sent");
const LAG: Meter = meter(
    "messaging.kafka.consumer.lag",
    "{message}",
    Shape::Gauge,
    "Messages that wait to be handled",
);
const PAYMENTS: Meter = meter("shop.payments", "{payment}", Shape::Counter, "Payments by outcome");
const ORDERS: Meter = meter("shop.orders", "{order}", Shape::Counter, "Orders placed");
const CARTS: Meter = meter("shop.carts.active", "{cart}", Shape::Gauge, "Carts with something in");
const CONNECTIONS: Meter = meter(
    "shop.gateway.connections",
    "{connection}",
    Shape::Gauge,
    "Connections to payment gateways in use",
);
const CONNECTIONS_MAX: Meter = meter(
    "shop.gateway.connections.max",
    "{connection}",
    Shape::Gauge,
    "Connections to a payment gateway that there may be",
);
const CPU: Meter = meter("process.cpu.utilization", "1", Shape::Gauge, "Share of a core in use");
const MEMORY: Meter = meter("process.memory.usage", "By", Shape::Gauge, "Memory in use");
const JVM_MEMORY: Meter = meter("jvm.memory.used", "By", Shape::Gauge, "Memory used by the JVM");
const JVM_THREADS: Meter = meter("jvm.thread.count", "{thread}", Shape::Gauge, "Live threads");
const GOROUTINES: Meter = meter("go.goroutine.count", "{goroutine}", Shape::Gauge, "Goroutines");
const GO_MEMORY: Meter = meter("go.memory.used", "By", Shape::Gauge, "Memory used by Go");
const LOOP_DELAY: Meter =
    meter("nodejs.eventloop.delay.p99", "s", Shape::Gauge, "Delay of the event loop, p99");
const V8_HEAP: Meter = meter("v8js.memory.heap.used", "By", Shape::Gauge, "Heap used by V8");

type Labels = Vec<(&'static str, String)>;

const RPC_KEYS: &[&str] = &["rpc.method", "rpc.response.status_code", "rpc.service"];

/// What was counted under one set of labels.
#[derive(Debug, Clone, Default)]
struct Count {
    /// A gauge's value; of the others, the sum of seconds.
    value: f64,
    buckets: [u64; BOUNDS.len() + 1],
    count: u64,
    /// The slowest since the last report: time, value, trace and span.
    exemplar: Option<(i64, f64, [u8; 16], [u8; 8])>,
}

/// Counts of one pod.
type OfPod = BTreeMap<Meter, BTreeMap<Labels, Count>>;

/// Counts since the start of each pod.
#[derive(Debug)]
pub(crate) struct Points {
    start_ns: i64,
    run: u64,
    story: Story,
    pods: BTreeMap<Instance, OfPod>,
}

impl Points {
    /// Begins with nothing counted.
    pub(crate) fn new(story: Story, run: u64, start_ns: i64) -> Self {
        Self { start_ns, run, story, pods: BTreeMap::new() }
    }

    /// Counts a span.
    pub(crate) fn see(&mut self, span: &Span) {
        let has = |key| span.attributes.iter().any(|(name, _)| *name == key);
        let (meter, keys): (Meter, &[&'static str]) = match span.kind {
            Kind::Server if has("rpc.method") => (RPC_SERVER, RPC_KEYS),
            Kind::Client if has("rpc.method") => (RPC_CLIENT, RPC_KEYS),
            Kind::Server => {
                (HTTP_SERVER, &["http.request.method", "http.response.status_code", "http.route"])
            }
            Kind::Client if has("db.system.name") => {
                (DB_CLIENT, &["db.collection.name", "db.operation.name", "db.system.name"])
            }
            Kind::Client if has("http.request.method") => (
                HTTP_CLIENT,
                &["http.request.method", "http.response.status_code", "server.address"],
            ),
            Kind::Consumer => {
                (PROCESSED, &["messaging.consumer.group.name", "messaging.destination.name"])
            }
            Kind::Producer => (SENT, &["messaging.destination.name", "messaging.system"]),
            Kind::Client | Kind::Internal => return,
        };
        let count = self.entry(span.instance, meter, labels(span, keys));
        count.observe(span);
        self.see_business(span);
    }

    fn see_business(&mut self, span: &Span) {
        let (meter, keys): (Meter, &[&'static str]) = match (span.kind, span.name.as_ref()) {
            (Kind::Server, "shop.Payment/Charge") => (PAYMENTS, &["gateway", "payment.method"]),
            (Kind::Server, "shop.Checkout/PlaceOrder") => (ORDERS, &["app.order.currency"]),
            _ => return,
        };
        let outcome = if span.failure.is_some() { "failed" } else { "ok" };
        let mut labels = labels(span, keys);
        labels.push(("outcome", outcome.to_owned()));
        self.entry(span.instance, meter, labels).observe(span);
    }

    fn entry(&mut self, pod: Instance, meter: Meter, labels: Labels) -> &mut Count {
        self.pods.entry(pod).or_default().entry(meter).or_default().entry(labels).or_default()
    }

    fn gauge(&mut self, pod: Instance, meter: Meter, labels: Labels, value: f64) {
        self.entry(pod, meter, labels).value = value;
    }

    /// Reports everything at a time: an `ExportMetricsServiceRequest` and its number of points.
    pub(crate) fn report(&mut self, at_ns: i64) -> (Vec<u8>, u64) {
        let story = self.story;
        // A pod that is gone reports no more.
        self.pods.retain(|pod, _| story.release(pod.service, pod.replica, at_ns) == pod.release);
        self.feel(at_ns);
        let (mut request, mut points) = (Message::default(), 0);
        for (pod, meters) in &mut self.pods {
            let start_ns = pod.release.since_ns.unwrap_or(self.start_ns).max(self.start_ns);
            let mut of_scope = Message::default();
            of_scope.bytes(1, &pod.scope().0);
            for (meter, counts) in meters {
                points += counts.len() as u64;
                of_scope.bytes(2, &metric(meter, counts, start_ns, at_ns).0);
            }
            request.nested(1, |of_resource| {
                of_resource.bytes(1, &pod.resource().0);
                of_resource.bytes(2, &of_scope.0);
            });
        }
        (request.0, points)
    }

    /// Sets the gauges.
    fn feel(&mut self, at_ns: i64) {
        let busy = Story::traffic(at_ns);
        for service in Service::ALL {
            for replica in 0..service.about().replicas {
                let release = self.story.release(service, replica, at_ns);
                let pod = Instance { service, replica, release, run: self.run };
                let seed = (at_ns as u64 >> 30) << 12 ^ (service as u64) << 4 ^ replica;
                let mut chance = Chance::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
                chance.below(2);
                let noise = 0.9 + 0.2 * chance.unit();
                let up_ns = at_ns - release.since_ns.unwrap_or(self.start_ns - 7_200_000_000_000);
                self.feel_process(pod, busy * noise, up_ns as f64 / 3.6e12);
                self.feel_business(pod, busy, &mut chance);
            }
        }
    }

    fn feel_process(&mut self, pod: Instance, busy: f64, up_hours: f64) {
        // A heap grows until it is tidied up.
        let saw = (up_hours * 7.0 + pod.replica as f64 * 0.37).fract();
        let mib = f64::from(1 << 20);
        let none = Vec::new;
        self.gauge(pod, CPU, none(), 0.08 * busy + 0.02 * saw);
        self.gauge(pod, MEMORY, none(), ((120.0 + 90.0 * saw) * mib).round());
        match pod.service.about().language {
            "java" => {
                let kind = |kind: &str| vec![("jvm.memory.type", kind.to_owned())];
                let heap = (180.0 + 340.0 * saw) * mib;
                self.gauge(pod, JVM_MEMORY, kind("heap"), heap.round());
                self.gauge(pod, JVM_MEMORY, kind("non_heap"), (92.0 * mib).round());
                self.gauge(pod, JVM_THREADS, none(), (38.0 + 6.0 * busy).round());
            }
            "go" => {
                self.gauge(pod, GOROUTINES, none(), (60.0 + 45.0 * busy).round());
                self.gauge(pod, GO_MEMORY, none(), ((40.0 + 30.0 * saw) * mib).round());
            }
            "nodejs" => {
                self.gauge(pod, LOOP_DELAY, none(), 0.012 * busy);
                self.gauge(pod, V8_HEAP, none(), ((60.0 + 70.0 * saw) * mib).round());
            }
            _ => {}
        }
    }

    fn feel_business(&mut self, pod: Instance, busy: f64, chance: &mut Chance) {
        match pod.service {
            Service::Payment => {
                let max = if pod.release.is_bad { 8.0 } else { 64.0 };
                for (gateway, share) in GATEWAYS {
                    let suffers = pod.release.is_bad && gateway == "eu-2";
                    let used = if suffers { max } else { (share * 9.0 * busy).round().min(max) };
                    let labels = || vec![("gateway", gateway.to_owned())];
                    self.gauge(pod, CONNECTIONS, labels(), used);
                    self.gauge(pod, CONNECTIONS_MAX, labels(), max);
                }
            }
            Service::Cart => self.gauge(pod, CARTS, Vec::new(), (140.0 * busy).round()),
            Service::Shipping | Service::Email => {
                let group = pod.service.about().name.to_owned();
                for partition in (0..6).filter(|p| p % pod.service.about().replicas == pod.replica)
                {
                    let labels = vec![
                        ("messaging.consumer.group.name", group.clone()),
                        ("messaging.destination.name", "orders".to_owned()),
                        ("messaging.destination.partition.id", partition.to_string()),
                    ];
                    let lag = chance.below(if group == "email" { 14 } else { 4 });
                    self.gauge(pod, LAG, labels, lag as f64);
                }
            }
            _ => {}
        }
    }
}

impl Count {
    fn observe(&mut self, span: &Span) {
        let seconds = (span.end_ns - span.start_ns) as f64 / 1e9;
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket] += 1;
        self.count += 1;
        self.value += seconds;
        if self.exemplar.is_none_or(|slowest| slowest.1 < seconds) {
            self.exemplar = Some((span.end_ns, seconds, span.trace_id, span.id));
        }
    }
}

/// Reads attributes of a span as labels.
fn labels(span: &Span, keys: &[&'static str]) -> Labels {
    let text = |value: &Value<'_>| match value {
        Value::Text(text) => text.clone().into_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
    };
    let found = |key: &&'static str| {
        let (_, value) = span.attributes.iter().find(|(name, _)| name == key)?;
        Some((*key, text(value)))
    };
    keys.iter().filter_map(found).collect()
}

/// Writes a `Metric` message.
fn metric(
    meter: &Meter,
    counts: &mut BTreeMap<Labels, Count>,
    start_ns: i64,
    at_ns: i64,
) -> Message {
    let mut data = Message::default();
    for (labels, count) in counts {
        let exemplar = count.exemplar.take();
        data.nested(1, |point| {
            point.fixed64(2, start_ns as u64).fixed64(3, at_ns as u64);
            let (labels_in, exemplars_in) = match meter.shape {
                Shape::Histogram => {
                    histogram(point, count);
                    (9, 8)
                }
                Shape::Counter => {
                    point.fixed64(6, count.count);
                    (7, 5)
                }
                Shape::Gauge => {
                    point.double(4, count.value);
                    (7, 5)
                }
            };
            for (key, value) in labels {
                point.attribute(labels_in, key, &value.as_str().into());
            }
            if let Some((time_ns, value, trace_id, span_id)) = exemplar {
                // Of a counter, the exemplar is one more.
                let value = if meter.shape == Shape::Counter { 1.0 } else { value };
                point.nested(exemplars_in, |exemplar| {
                    exemplar.fixed64(2, time_ns as u64).double(3, value);
                    exemplar.bytes(4, &span_id).bytes(5, &trace_id);
                });
            }
        });
    }
    let mut metric = Message::default();
    metric.text(1, meter.name).text(2, meter.about).text(3, meter.unit);
    match meter.shape {
        // 2: cumulative; a sum is monotonic, too.
        Shape::Histogram => metric.bytes(9, &data.varint(2, 2).0),
        Shape::Counter => metric.bytes(7, &data.varint(2, 2).varint(3, 1).0),
        Shape::Gauge => metric.bytes(5, &data.0),
    };
    metric
}

fn histogram(point: &mut Message, count: &Count) {
    let packed: Vec<u8> = count.buckets.iter().flat_map(|count| count.to_le_bytes()).collect();
    let bounds: Vec<u8> = BOUNDS.iter().flat_map(|bound| bound.to_le_bytes()).collect();
    point.fixed64(4, count.count).double(5, count.value).bytes(6, &packed).bytes(7, &bounds);
}
