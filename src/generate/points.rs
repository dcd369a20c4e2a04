//! OTLP data points: counters, gauges and histograms of request durations, cumulative.

use super::series::Chance;
use super::shop::{self, SERVICES};
use super::wire::Message;

/// Bounds of the histograms, in seconds: those of the OTel conventions for HTTP.
const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Makes one request after the other: all points of some instances at the next tick.
#[derive(Debug)]
pub(crate) struct PointSender {
    chance: Chance,
    start_ns: i64,
    ticks: u64,
}

impl PointSender {
    /// Begins at a time.
    pub(crate) fn new(seed: u64, start_ns: i64) -> Self {
        Self { chance: Chance::new(seed ^ 0x9_0117), start_ns, ticks: 0 }
    }

    /// Makes an `ExportMetricsServiceRequest`: per service `routes` counters, as many gauges and,
    /// with `histograms`, histograms. Returns it with the number of points.
    pub(crate) fn body(&mut self, step_ns: i64, routes: u64, histograms: bool) -> (Vec<u8>, usize) {
        self.ticks += 1;
        let time_ns = self.start_ns + self.ticks as i64 * step_ns;
        let mut request = Message::default();
        let mut points = 0;
        for service in 0..SERVICES.len() {
            let mut of_scope = Message::default();
            of_scope.bytes(1, &shop::scope(service).0);
            points += self.metrics(&mut of_scope, time_ns, routes, histograms);
            request.nested(1, |of_resource| {
                of_resource.bytes(1, &shop::resource(service, 0).0);
                of_resource.bytes(2, &of_scope.0);
            });
        }
        (request.0, points)
    }

    fn metrics(
        &mut self,
        into: &mut Message,
        time_ns: i64,
        routes: u64,
        histograms: bool,
    ) -> usize {
        let counter = self.numbers(time_ns, routes, true);
        into.nested(2, |metric| {
            metric.text(1, "http.server.requests").text(3, "{request}");
            metric.nested(7, |sum| {
                sum.0.extend_from_slice(&counter.0);
                sum.varint(2, 2).varint(3, 1); // cumulative, monotonic
            });
        });
        let gauge = self.numbers(time_ns, routes, false);
        into.nested(2, |metric| {
            metric.text(1, "http.server.active_requests").text(3, "{request}");
            metric.nested(5, |g| g.0.extend_from_slice(&gauge.0));
        });
        if !histograms {
            return 2 * routes as usize;
        }
        let histogram = self.histograms(time_ns, routes);
        into.nested(2, |metric| {
            metric.text(1, "http.server.request.duration").text(3, "s");
            metric.nested(9, |h| {
                h.0.extend_from_slice(&histogram.0);
                h.varint(2, 2); // cumulative
            });
        });
        3 * routes as usize
    }

    fn numbers(&mut self, time_ns: i64, routes: u64, counts: bool) -> Message {
        let mut all = Message::default();
        for route in 0..routes {
            let drawn = self.chance.below(100);
            let value = if counts { self.ticks * 100 + drawn } else { drawn };
            all.nested(1, |point| {
                point.fixed64(2, self.start_ns as u64).fixed64(3, time_ns as u64);
                point.fixed64(6, value);
                labels(point, 7, route);
            });
        }
        all
    }

    fn histograms(&mut self, time_ns: i64, routes: u64) -> Message {
        let mut all = Message::default();
        for route in 0..routes {
            let counts: Vec<u64> = (0..=BOUNDS.len() as u64)
                .map(|i| self.ticks * (15 - i) + self.chance.below(3))
                .collect();
            all.nested(1, |point| {
                labels(point, 9, route);
                point.fixed64(2, self.start_ns as u64).fixed64(3, time_ns as u64);
                point.fixed64(4, counts.iter().sum()).double(5, self.ticks as f64 * 1.5);
                let packed: Vec<u8> = counts.iter().flat_map(|c| c.to_le_bytes()).collect();
                point.bytes(6, &packed);
                let packed: Vec<u8> = BOUNDS.iter().flat_map(|b| b.to_le_bytes()).collect();
                point.bytes(7, &packed);
            });
        }
        all
    }
}

fn labels(point: &mut Message, field: u32, route: u64) {
    point.attribute(field, "http.request.method", &["GET", "POST"][route as usize % 2].into());
    point.attribute(field, "http.route", &format!("/api/v1/resource-{route}").into());
    point.attribute(field, "http.response.status_code", &200_u64.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_counted() {
        let mut sender = PointSender::new(1, 1_700_000_000_000_000_000);
        let (body, points) = sender.body(1_000_000_000, 10, true);
        assert_eq!(points, SERVICES.len() * 30);
        assert!(body.len() > points * 40);
    }
}
