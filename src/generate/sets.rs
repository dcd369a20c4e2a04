//! Sets of series in the shapes that hurt stores, told piece by piece in the order of time, so that
//! they can be flushed many times as a server would.
//!
//! *TSBS-like*: hosts that never go, integer gauges, one clock. *Churn*: pods that live 5 to 60
//! minutes, each with a histogram of 48 buckets and some counters and gauges. *Kubelet-like*: three
//! clocks under one `job` and `instance`, one of them with timestamps of its own per container.

use tarn_model::labels::{Label, LabelSet};

use super::series::{Chance, Generated, tsbs};

/// Where every set begins: midnight UTC of 2023-11-15.
pub(crate) const START_MS: i64 = 1_700_006_400_000;
const MINUTE_MS: i64 = 60_000;

/// Buckets of a pod's histogram.
const BUCKETS: usize = 48;
/// Counters and gauges of a pod beside it.
const POD_METRICS: usize = 40;
/// Series of one endpoint of a kubelet.
const ENDPOINT_SERIES: usize = 150;

/// Series whose samples are told piece by piece.
pub(crate) struct Set {
    pub(crate) series: Vec<Timed>,
    /// When the last piece ends, ms.
    pub(crate) end_ms: i64,
}

/// One series and how far it has been told.
pub(crate) struct Timed {
    pub(crate) labels: LabelSet,
    /// When its first sample may come, ms: before that it is not asked.
    pub(crate) first_ms: i64,
    told: Told,
}

enum Told {
    Known { samples: std::vec::IntoIter<(i64, f64)>, next: Option<(i64, f64)> },
    Walk(Walk),
}

/// Values by a rule, times by a clock.
#[derive(Debug, Clone)]
struct Walk {
    clock: Clock,
    /// Ticks that were told.
    tick: i64,
    end_ms: i64,
    chance: Chance,
    value: f64,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
struct Clock {
    start_ms: i64,
    step_ms: i64,
    /// Ticks come up to this late; which ones how much is told by `seed`, so that series of one seed
    /// share their times.
    jitter_ms: u64,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Grows by less than this per tick.
    Counter(u64),
    /// Walks by at most this between 0 and 1,000, with two decimals.
    Gauge(u64),
    /// Stays.
    Constant,
}

impl Clock {
    fn at(&self, tick: i64) -> i64 {
        let late = match self.jitter_ms {
            0 => 0,
            bound => {
                let mut chance = Chance::new(self.seed ^ (tick as u64).wrapping_mul(0x9e37));
                chance.below(bound) as i64
            }
        };
        self.start_ms + tick * self.step_ms + late
    }
}

impl Walk {
    fn next(&mut self, until_ms: i64) -> Option<(i64, f64)> {
        let time = self.clock.at(self.tick);
        if time >= until_ms || time > self.end_ms {
            return None;
        }
        self.tick += 1;
        let drawn = match self.shape {
            Shape::Counter(bound) => self.value + self.chance.below(bound.max(1)) as f64,
            Shape::Gauge(bound) => {
                let moved = self.chance.below(2 * bound + 1) as f64 - bound as f64;
                ((self.value * 100.0 + moved).clamp(0.0, 100_000.0)).round() / 100.0
            }
            Shape::Constant => self.value,
        };
        self.value = drawn;
        Some((time, drawn))
    }
}

impl Timed {
    fn known(series: Generated) -> Self {
        let mut samples = series.samples.into_iter();
        let next = samples.next();
        let first_ms = next.map_or(i64::MAX, |(time, _)| time);
        Self { labels: series.labels, first_ms, told: Told::Known { samples, next } }
    }

    /// Adds the samples before a time that were not told yet.
    pub(crate) fn until(&mut self, until_ms: i64, into: &mut Vec<(i64, f64)>) {
        match &mut self.told {
            Told::Walk(walk) => into.extend(std::iter::from_fn(|| walk.next(until_ms))),
            Told::Known { samples, next } => {
                while let Some(sample) = next.take_if(|(time, _)| *time < until_ms) {
                    into.push(sample);
                    *next = samples.next();
                }
            }
        }
    }
}

/// A set whose samples are all known.
pub(crate) fn known(series: Vec<Generated>) -> Set {
    let last = series.iter().filter_map(|s| s.samples.last()).map(|(time, _)| *time).max();
    Set { series: series.into_iter().map(Timed::known).collect(), end_ms: last.unwrap_or(0) + 1 }
}

/// Ten gauges of each host, every 10 s.
pub(crate) fn tsbs_like(hosts: usize, hours: i64) -> Set {
    let count = (hours * 360) as usize;
    let series = (0..hosts * 10).map(|at| Timed::known(tsbs(at, START_MS, 10_000, count)));
    Set { series: series.collect(), end_ms: START_MS + hours * 60 * MINUTE_MS }
}

/// Pods that come over twelve hours and live 5 to 60 minutes, scraped every 30 s.
pub(crate) fn churn(pods: usize) -> Set {
    let span = 12 * 60 * MINUTE_MS;
    let series = (0..pods).flat_map(|pod| {
        let mut chance = Chance::new(pod as u64);
        let start_ms = START_MS + chance.below(span as u64) as i64;
        let lives = (5 + chance.below(56) as i64) * MINUTE_MS;
        let clock = Clock { start_ms, step_ms: 30_000, jitter_ms: 5, seed: pod as u64 };
        let deployment = format!("deploy-{}", pod % 40);
        let name =
            format!("{deployment}-{:08x}-{:05x}", chance.below(1 << 32), chance.below(1 << 20));
        let own = move |metric: String, le: Option<String>| {
            let mut labels = vec![
                Label::new("__name__", metric),
                Label::new("job", "kubernetes-pods"),
                Label::new("namespace", format!("team-{}", pod % 12)),
                Label::new("deployment", deployment.clone()),
                Label::new("pod", name.clone()),
                Label::new(
                    "instance",
                    format!("10.{}.{}.{}:8080", pod % 7, pod / 250 % 250, pod % 250),
                ),
            ];
            labels.extend(le.map(|le| Label::new("le", le)));
            LabelSet::new(labels)
        };
        let end_ms = start_ms + lives;
        (0..BUCKETS + 2 + POD_METRICS).map(move |at| {
            let (labels, shape) = pod_series(&own, at);
            walk(labels, clock, end_ms, (pod * 1_000 + at) as u64, shape)
        })
    });
    Set { series: series.collect(), end_ms: START_MS + span + 61 * MINUTE_MS }
}

fn pod_series(own: &impl Fn(String, Option<String>) -> LabelSet, at: usize) -> (LabelSet, Shape) {
    let name = |end: &str| format!("http_request_duration_seconds_{end}");
    match at {
        _ if at < BUCKETS => {
            let le = format!("{}", 0.001 * 1.3f64.powi(at as i32));
            // Upper buckets count more, and most requests are quick.
            (own(name("bucket"), Some(le)), Shape::Counter(1 + at as u64 / 4))
        }
        _ if at == BUCKETS => (own(name("count"), None), Shape::Counter(13)),
        _ if at == BUCKETS + 1 => (own(name("sum"), None), Shape::Gauge(50)),
        _ => {
            let shape = match at % 3 {
                0 => Shape::Counter(40),
                1 => Shape::Gauge(200),
                _ => Shape::Constant,
            };
            (own(format!("app_metric_{at}"), None), shape)
        }
    }
}

/// Nodes whose kubelets have three endpoints under one `job` and `instance`, scraped every 15 s.
pub(crate) fn kubelet_like(nodes: usize, hours: i64) -> Set {
    let end_ms = START_MS + hours * 60 * MINUTE_MS;
    let mut series = Vec::new();
    for node in 0..nodes {
        for (endpoint, path) in
            ["/metrics", "/metrics/probes", "/metrics/cadvisor"].iter().enumerate()
        {
            for at in 0..ENDPOINT_SERIES {
                // cAdvisor tells when it looked at each container; ten series are of one.
                let own_times = endpoint == 2;
                let seed = (node * 10 + endpoint) as u64 * 1_000
                    + if own_times { at as u64 / 10 } else { 0 };
                let start_ms = START_MS + node as i64 * 311 + endpoint as i64 * 4_007;
                let jitter_ms = if own_times { 9_000 } else { 12 };
                let clock = Clock { start_ms, step_ms: 15_000, jitter_ms, seed };
                let labels = LabelSet::from_pairs(&[
                    ("__name__", &format!("kubelet_{endpoint}_{}", at % 30)),
                    ("job", "kubelet"),
                    ("instance", &format!("10.0.0.{node}:10250")),
                    ("node", &format!("node-{node:03}")),
                    ("metrics_path", path),
                    ("container", &format!("c{}", at / 30)),
                ]);
                let shape = match at % 4 {
                    0 => Shape::Constant,
                    1 => Shape::Gauge(30),
                    _ => Shape::Counter(500),
                };
                series.push(walk(labels, clock, end_ms, (node * 1_000 + at) as u64, shape));
            }
        }
    }
    Set { series, end_ms }
}

fn walk(labels: LabelSet, clock: Clock, end_ms: i64, seed: u64, shape: Shape) -> Timed {
    let mut chance = Chance::new(seed);
    let value = chance.below(1_000) as f64;
    let walk = Walk { clock, tick: 0, end_ms, chance, value, shape };
    Timed { labels, first_ms: clock.start_ms, told: Told::Walk(walk) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(set: &mut Set, step_ms: i64) -> Vec<Vec<(i64, f64)>> {
        let mut all = vec![Vec::new(); set.series.len()];
        let mut until = START_MS;
        while until < set.end_ms {
            until += step_ms;
            set.series.iter_mut().zip(&mut all).for_each(|(s, into)| s.until(until, into));
        }
        all
    }

    #[test]
    fn pieces_add_up_and_times_rise() {
        for make in [|| churn(3), || kubelet_like(1, 1), || tsbs_like(1, 1)] {
            let (fine, coarse) = (told(&mut make(), MINUTE_MS), told(&mut make(), 999 * MINUTE_MS));
            assert_eq!(fine, coarse);
            for samples in &fine {
                assert!(!samples.is_empty());
                assert!(samples.windows(2).all(|w| w[0].0 < w[1].0));
            }
        }
    }

    #[test]
    fn endpoints_have_clocks_of_their_own() {
        let mut set = kubelet_like(1, 1);
        let all = told(&mut set, 60 * MINUTE_MS);
        let times = |at: usize| all[at].iter().map(|(time, _)| *time).collect::<Vec<_>>();
        assert_eq!(times(0), times(ENDPOINT_SERIES - 1));
        assert_ne!(times(0), times(ENDPOINT_SERIES));
        assert_ne!(times(2 * ENDPOINT_SERIES), times(3 * ENDPOINT_SERIES - 1));
    }
}
