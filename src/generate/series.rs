//! Label sets and values.
//!
//! *Plain*: `bench_metric` of so many instances over ten jobs, counters that grow by a pseudo-random
//! step. *TSBS-like*: the `cpu` table of the Time Series Benchmark Suite: ten integer gauges of a host,
//! each a random walk by at most one between 0 and 100, with ten labels per host.

use tarn_model::labels::{Label, LabelSet};

/// Jobs over which plain series are spread.
pub(crate) const JOBS: usize = 10;

/// Gauges of one TSBS host.
const TSBS_METRICS: [&str; 10] = [
    "cpu_usage_user",
    "cpu_usage_system",
    "cpu_usage_idle",
    "cpu_usage_nice",
    "cpu_usage_iowait",
    "cpu_usage_irq",
    "cpu_usage_softirq",
    "cpu_usage_steal",
    "cpu_usage_guest",
    "cpu_usage_guest_nice",
];

/// One series with all its samples.
#[derive(Debug, Clone)]
pub(crate) struct Generated {
    pub(crate) labels: LabelSet,
    /// Time in ms and value.
    pub(crate) samples: Vec<(i64, f64)>,
}

/// A small deterministic generator (xorshift64*): reproducible across machines and versions.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Begins a stream; different seeds give different streams.
    pub(crate) fn new(seed: u64) -> Self {
        // The odd constant keeps the state away from 0, at which the generator would stay.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Draws a number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    /// Draws a number from 0 to 1, without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.below(1 << 30) as f64 / f64::from(1 << 30)
    }

    /// Returns `true` with this probability.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Draws one of several.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(N as u64) as usize]
    }
}

/// Labels of plain series number `at`.
pub(crate) fn plain_labels(at: usize) -> LabelSet {
    let job = format!("job-{}", at % JOBS);
    let instance = format!("10.0.{}.{}:9100", at / 250 % 250, at % 250);
    let shard = format!("shard-{at:06}");
    LabelSet::from_pairs(&[
        ("__name__", "bench_metric"),
        ("instance", &instance),
        ("job", &job),
        ("shard", &shard),
        ("zone", "eu-central-1"),
    ])
}

/// The values of a plain series.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    chance: Chance,
    value: u64,
}

impl Counter {
    /// Begins the counter of plain series number `at`.
    pub(crate) fn new(at: usize) -> Self {
        let mut chance = Chance::new(at as u64);
        let value = chance.below(1000);
        Self { chance, value }
    }

    /// Returns the next value.
    pub(crate) fn next(&mut self) -> f64 {
        self.value += self.chance.below(100);
        self.value as f64
    }
}

/// A plain counter: `count` samples every `step_ms` from `start_ms`.
pub(crate) fn plain(at: usize, start_ms: i64, step_ms: i64, count: usize) -> Generated {
    let mut counter = Counter::new(at);
    let samples = times(start_ms, step_ms, count).map(|time| (time, counter.next()));
    Generated { samples: samples.collect(), labels: plain_labels(at) }
}

/// One of the series of TSBS hosts: ten per host.
pub(crate) fn tsbs(at: usize, start_ms: i64, step_ms: i64, count: usize) -> Generated {
    let (host, metric) = (at / TSBS_METRICS.len(), at % TSBS_METRICS.len());
    let mut chance = Chance::new(at as u64);
    let mut value = chance.below(101);
    let samples = times(start_ms, step_ms, count).map(|time| {
        value = (value + chance.below(3)).saturating_sub(1).min(100);
        (time, value as f64)
    });
    Generated { samples: samples.collect(), labels: tsbs_labels(host, TSBS_METRICS[metric]) }
}

fn times(start_ms: i64, step_ms: i64, count: usize) -> impl Iterator<Item = i64> {
    (0..count).map(move |i| start_ms + i as i64 * step_ms)
}

fn tsbs_labels(host: usize, metric: &str) -> LabelSet {
    let pick = |name: &'static str, prefix: &str, of: usize| {
        Label::new(
            name,
            format!("{prefix}{}", Chance::new((host * 31 + of) as u64).below(of as u64)),
        )
    };
    LabelSet::new(vec![
        Label::new("__name__", metric),
        Label::new("hostname", format!("host_{host}")),
        pick("region", "region-", 9),
        pick("datacenter", "dc-", 27),
        pick("rack", "", 100),
        pick("os", "Ubuntu16.", 3),
        pick("arch", "x", 2),
        pick("team", "team-", 4),
        pick("service", "", 20),
        pick("service_version", "", 2),
        pick("service_environment", "env-", 3),
    ])
}

#[cfg(test)]
mod tests {
    use tarn_model::map::HashSet;

    use super::*;

    #[test]
    fn the_same_data_every_time() {
        let sum = |g: &Generated| g.samples.iter().map(|(_, v)| v).sum::<f64>();
        assert_eq!(sum(&plain(7, 0, 15_000, 100)), sum(&plain(7, 0, 15_000, 100)));
        assert_ne!(sum(&plain(7, 0, 15_000, 100)), sum(&plain(8, 0, 15_000, 100)));
        let walk = tsbs(3, 0, 10_000, 1000);
        assert!(walk.samples.iter().all(|(_, v)| (0.0..=100.0).contains(v) && v.fract() == 0.0));
        assert!(walk.samples.windows(2).all(|w| (w[0].1 - w[1].1).abs() <= 1.0));
    }

    #[test]
    fn series_are_distinct() {
        let plain: HashSet<_> = (0..5000).map(|at| plain_labels(at).series_id()).collect();
        assert_eq!(plain.len(), 5000);
        let tsbs: HashSet<_> = (0..500).map(|at| tsbs(at, 0, 1, 0).labels.series_id()).collect();
        assert_eq!(tsbs.len(), 500);
    }
}
