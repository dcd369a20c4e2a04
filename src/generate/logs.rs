//! Log records: templates with drawn variables, three to five attributes, a third inside a trace.
//!
//! Times go forward evenly; which service speaks, at what severity and about what is drawn from a
//! seed, so that the same number always gives the same record.

use super::series::Chance;
use super::shop::{self, SERVICES};
use super::wire::Message;

/// Text with `#` for a drawn variable, severity number, and whether a trace is under way.
const TEMPLATES: [(&str, u64, bool); 20] = [
    ("GET /api/products/# 200 in # ms", 9, true),
    ("POST /api/basket/items 201 in # ms for user u-#", 9, true),
    ("cache hit for key product:# (ttl # s)", 5, false),
    ("cache miss for key product:#, loading from database", 5, true),
    ("query took # ms: SELECT id, name, price FROM products WHERE category_id = #", 9, true),
    ("accepted connection from 10.2.#.#:#", 9, false),
    ("order ord-# placed by user u-#: # items, total # cents", 9, true),
    ("payment pay-# authorised by acquirer # in # ms", 9, true),
    ("payment pay-# declined: insufficient funds", 13, true),
    ("retry # of 3 for upstream exchange-rates after # ms", 13, true),
    ("upstream search timed out after # ms, serving stale results", 13, true),
    ("connection pool at # of 64, # waiting", 13, false),
    ("failed to reserve stock for order ord-#: deadline exceeded", 17, true),
    (
        "unhandled error in handler /api/checkout: java.sql.SQLTransientException: timeout after # ms",
        17,
        true,
    ),
    ("consumer group ledger lags # messages behind on partition #", 13, false),
    ("published event order.created offset # to partition #", 5, true),
    ("garbage collection pause # ms, heap # MiB after", 9, false),
    ("session s-# expired after # minutes", 5, false),
    ("health check ok, # goroutines, # open files", 1, false),
    ("feature flag new-checkout evaluated to variant # for user u-#", 5, true),
];

const ROUTES: [&str; 8] = [
    "/api/products/{id}",
    "/api/basket/items",
    "/api/checkout",
    "/api/orders/{id}",
    "/api/search",
    "/api/login",
    "/api/recommendations",
    "/api/shipping/quote",
];

/// Makes the records of one request after the other.
#[derive(Debug)]
pub(crate) struct LogSender {
    chance: Chance,
    time_ns: i64,
    step_ns: i64,
}

impl LogSender {
    /// Begins at a time; records are `step_ns` apart.
    pub(crate) fn new(seed: u64, time_ns: i64, step_ns: i64) -> Self {
        Self { chance: Chance::new(seed ^ 0x10_65), time_ns, step_ns }
    }

    /// Makes an `ExportLogsServiceRequest` of `resources` instances with `records` each.
    pub(crate) fn body(&mut self, resources: usize, records: usize) -> Vec<u8> {
        let mut request = Message::default();
        for _ in 0..resources {
            let service = shop::draw(&mut self.chance);
            let instance = self.chance.below(SERVICES[service].instances);
            let mut of_scope = Message::default();
            of_scope.bytes(1, &shop::scope(service).0);
            for _ in 0..records {
                let record = self.record();
                of_scope.bytes(2, &record.0);
            }
            request.nested(1, |of_resource| {
                of_resource.bytes(1, &shop::resource(service, instance).0);
                of_resource.bytes(2, &of_scope.0);
                of_resource.text(3, "https://opentelemetry.io/schemas/1.37.0");
            });
        }
        request.0
    }

    fn record(&mut self) -> Message {
        let chance = &mut self.chance;
        self.time_ns += self.step_ns;
        // The square makes the first templates common and the last ones rare.
        let drawn = chance.below(1000) * chance.below(1000) / 1000;
        let (text, severity, in_trace) = TEMPLATES[drawn as usize * TEMPLATES.len() / 1000];
        let mut record = Message::default();
        record.fixed64(1, self.time_ns as u64).varint(2, severity);
        record.text(3, severity_text(severity));
        let body = fill(text, chance);
        record.nested(5, |any| {
            any.text(1, &body);
        });
        attributes(&mut record, chance);
        if in_trace && chance.below(3) > 0 {
            record.bytes(9, &id::<16>(chance)).bytes(10, &id::<8>(chance));
            record.0.extend_from_slice(&[8 << 3 | 5, 1, 0, 0, 0]); // flags: sampled
        }
        record.fixed64(11, (self.time_ns + 3_000_000 + chance.below(40_000_000) as i64) as u64);
        record
    }
}

fn attributes(record: &mut Message, chance: &mut Chance) {
    let route = ROUTES[chance.below(8) as usize];
    if chance.below(2) == 0 {
        let status = [200_u64, 200, 200, 200, 201, 204, 404, 500][chance.below(8) as usize];
        record.attribute(6, "http.route", &route.into());
        record.attribute(6, "http.response.status_code", &status.into());
    }
    if chance.below(3) == 0 {
        record.attribute(6, "enduser.id", &format!("u-{:07}", chance.below(2_000_000)).into());
    }
    record.attribute(6, "code.function.name", &format!("handle_{}", chance.below(40)).into());
    record.attribute(6, "thread.id", &chance.below(64).into());
    if chance.below(200) == 0 {
        record.attribute(6, &format!("debug.rare_{}", chance.below(200)), &true.into());
    }
}

fn severity_text(number: u64) -> &'static str {
    match number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        _ => "ERROR",
    }
}

fn fill(template: &str, chance: &mut Chance) -> String {
    let mut text = String::with_capacity(template.len() + 24);
    for c in template.chars() {
        if c == '#' {
            let digits = [10, 100, 1000, 1_000_000][chance.below(4) as usize];
            text.push_str(&chance.below(digits).to_string());
        } else {
            text.push(c);
        }
    }
    text
}

/// Draws an id.
pub(super) fn id<const N: usize>(chance: &mut Chance) -> [u8; N] {
    let mut id = [0; N];
    id.iter_mut().for_each(|byte| *byte = chance.below(256) as u8);
    id[0] |= 1; // never all zero
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_records() {
        let body = |seed| LogSender::new(seed, 1_700_000_000_000_000_000, 1_000).body(2, 50);
        assert_eq!(body(1), body(1));
        assert_ne!(body(1), body(2));
        let per_record = body(1).len() / 100;
        assert!((180..400).contains(&per_record), "{per_record} bytes per record");
    }
}
