//! What rules say about themselves. The names that Prometheus has too are kept: dashboards and
//! mixins look for them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tarn_model::metrics::{
    ALERT_STAGE_SECONDS, ALERTING_ALERTS, ALERTING_ALERTS_REFUSED, ALERTING_EVENTS_DROPPED,
    ALERTING_LOG_BROKEN, ALERTING_RELOAD_SECONDS, ALERTING_RELOAD_SUCCESSFUL, MetricName,
    RULE_EVALUATION_DURATION_SECONDS, RULE_EVALUATION_FAILURES, RULE_EVALUATIONS,
    RULE_GROUP_DURATION_SECONDS, RULE_GROUP_INTERVAL_SECONDS, RULE_GROUP_ITERATIONS,
    RULE_GROUP_ITERATIONS_MISSED, RULE_GROUP_LAST_DURATION_SECONDS,
    RULE_GROUP_LAST_EVALUATION_SAMPLES, RULE_GROUP_LAST_EVALUATION_TIMESTAMP_SECONDS,
    RULE_GROUP_LAST_RESTORE_DURATION_SECONDS, RULE_GROUP_LAST_RULE_DURATION_SUM_SECONDS,
    RULE_GROUP_RULES, SLO_REQUESTS_LOST,
};

type Labels = Vec<(&'static str, Arc<str>)>;
type Float = Gauge<f64, AtomicU64>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// From a quarter of a millisecond, a rule over a few series, to more than a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 19))
}

/// All of them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) evaluation: Histogram,
    pub(crate) group_duration: Histogram,
    pub(crate) stages: Stages,
    pub(crate) reload_successful: Gauge,
    pub(crate) reload_seconds: Float,
    pub(crate) log_broken: Gauge,
    pub(crate) events_dropped: Counter,
    pub(crate) alerts_refused: Counter,
    pub(crate) slo_lost: Counter,
    alerts: Family<Labels, Gauge>,
    evaluations: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    iterations: Family<Labels, Counter>,
    missed: Family<Labels, Counter>,
    gauges: [(MetricName, Family<Labels, Float>); 7],
}

/// Times of the stages of a decision.
#[derive(Debug, Clone)]
pub(crate) struct Stages {
    /// From the slot to the begin of its evaluation.
    pub(crate) wait: Histogram,
    /// From its begin to the end of a level's queries and steps.
    pub(crate) evaluate: Histogram,
    /// Routing, until it is durable.
    pub(crate) decide: Histogram,
}

/// Those of one group.
#[derive(Debug, Clone)]
pub(crate) struct GroupMetrics {
    pub(crate) evaluations: Counter,
    pub(crate) failures: Counter,
    pub(crate) iterations: Counter,
    pub(crate) missed: Counter,
    pub(crate) interval: Float,
    pub(crate) rules: Float,
    pub(crate) last_duration: Float,
    pub(crate) last_rule_duration_sum: Float,
    pub(crate) last_samples: Float,
    pub(crate) last_evaluation: Float,
    pub(crate) last_restore: Float,
}

impl Metrics {
    /// Makes and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let by_stage: Histograms = Family::new_with_constructor(seconds);
        let stage = |name: &str| by_stage.get_or_create(&vec![("stage", name.into())]).clone();
        let stages =
            Stages { wait: stage("wait"), evaluate: stage("evaluate"), decide: stage("decide") };
        registry.register(ALERT_STAGE_SECONDS.name, ALERT_STAGE_SECONDS.help, by_stage);
        let gauges = [
            RULE_GROUP_INTERVAL_SECONDS,
            RULE_GROUP_RULES,
            RULE_GROUP_LAST_DURATION_SECONDS,
            RULE_GROUP_LAST_RULE_DURATION_SUM_SECONDS,
            RULE_GROUP_LAST_EVALUATION_SAMPLES,
            RULE_GROUP_LAST_EVALUATION_TIMESTAMP_SECONDS,
            RULE_GROUP_LAST_RESTORE_DURATION_SECONDS,
        ];
        let metrics = Self {
            evaluation: seconds(),
            group_duration: seconds(),
            stages,
            reload_successful: Gauge::default(),
            reload_seconds: Float::default(),
            log_broken: Gauge::default(),
            events_dropped: Counter::default(),
            alerts_refused: Counter::default(),
            slo_lost: Counter::default(),
            alerts: Family::default(),
            evaluations: Family::default(),
            failures: Family::default(),
            iterations: Family::default(),
            missed: Family::default(),
            gauges: gauges.map(|name| (name, Family::default())),
        };
        metrics.put_in(registry);
        metrics
    }

    fn put_in(&self, registry: &mut Registry) {
        for (name, histogram) in [
            (RULE_EVALUATION_DURATION_SECONDS, &self.evaluation),
            (RULE_GROUP_DURATION_SECONDS, &self.group_duration),
        ] {
            registry.register(name.name, name.help, histogram.clone());
        }
        for (name, family) in [
            (RULE_EVALUATIONS, &self.evaluations),
            (RULE_EVALUATION_FAILURES, &self.failures),
            (RULE_GROUP_ITERATIONS, &self.iterations),
            (RULE_GROUP_ITERATIONS_MISSED, &self.missed),
        ] {
            registry.register(name.name, name.help, family.clone());
        }
        for (name, family) in &self.gauges {
            registry.register(name.name, name.help, family.clone());
        }
        for (name, gauge) in [
            (ALERTING_RELOAD_SUCCESSFUL, &self.reload_successful),
            (ALERTING_LOG_BROKEN, &self.log_broken),
        ] {
            registry.register(name.name, name.help, gauge.clone());
        }
        let name = ALERTING_RELOAD_SECONDS;
        registry.register(name.name, name.help, self.reload_seconds.clone());
        registry.register(ALERTING_ALERTS.name, ALERTING_ALERTS.help, self.alerts.clone());
        for (name, counter) in [
            (ALERTING_EVENTS_DROPPED, &self.events_dropped),
            (ALERTING_ALERTS_REFUSED, &self.alerts_refused),
            (SLO_REQUESTS_LOST, &self.slo_lost),
        ] {
            registry.register(name.name, name.help, counter.clone());
        }
    }

    /// Returns those of a group.
    pub(crate) fn group(&self, key: &Arc<str>) -> GroupMetrics {
        let labels = of_group(key);
        let counter = |family: &Family<Labels, Counter>| family.get_or_create(&labels).clone();
        let [
            interval,
            rules,
            last_duration,
            last_rule_duration_sum,
            last_samples,
            last_evaluation,
            last_restore,
        ] = self.gauges.each_ref().map(|(_, family)| family.get_or_create(&labels).clone());
        GroupMetrics {
            evaluations: counter(&self.evaluations),
            failures: counter(&self.failures),
            iterations: counter(&self.iterations),
            missed: counter(&self.missed),
            interval,
            rules,
            last_duration,
            last_rule_duration_sum,
            last_samples,
            last_evaluation,
            last_restore,
        }
    }

    /// Forgets a group that is no more.
    pub(crate) fn forget(&self, key: &Arc<str>) {
        let labels = of_group(key);
        for family in [&self.evaluations, &self.failures, &self.iterations, &self.missed] {
            family.remove(&labels);
        }
        for (_, family) in &self.gauges {
            family.remove(&labels);
        }
    }

    /// Says how many alerts there are.
    pub(crate) fn alerts(&self, pending: usize, firing: usize) {
        for (state, count) in [("pending", pending), ("firing", firing)] {
            let gauge = self.alerts.get_or_create(&vec![("state", state.into())]).clone();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

fn of_group(key: &Arc<str>) -> Labels {
    vec![("rule_group", Arc::clone(key))]
}

/// Notes a time.
pub(crate) fn observe(histogram: &Histogram, time: Duration) {
    histogram.observe(time.as_secs_f64());
}
