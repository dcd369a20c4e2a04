//! Batches of spans → groups and edges of one tenant.
//!
//! Every span counts once, in the group of its service, name, kind and status, and with its other half
//! along an edge; in the past where [`late`](super::late) says so.

use arrow_array::RecordBatch;
use tarn_model::error::Result;
use tarn_model::map::HashMap;
use tarn_storage::append::Appender;
use tarn_storage::wal::Lsn;

use super::Options;
use super::columns::Spans;
use super::graph::{Calls, Edge, EdgeKey, Peer};
use super::late::{Key, Late, Past};
use super::names::{Names, OTHER};
use super::series::{Group, Mode, Output, Seen, SpanKey, describe, kind, status};

/// A group without spans for this long ends.
const IDLE_MS: i64 = 15 * 60 * 1000;
/// What is counted of one tenant.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    /// Its samples in the store count everything up to here.
    pub(super) covered: Lsn,
    pub(super) spans: HashMap<SpanKey, Group>,
    pub(super) edges: HashMap<EdgeKey, Group>,
    calls: Calls,
    names: Names,
    late: Late,
}

impl Tenant {
    /// Begins with nothing, though everything up to here is counted.
    pub(super) fn covering(covered: Lsn) -> Self {
        Self { covered, ..Self::default() }
    }

    /// Counts the spans of a batch.
    ///
    /// # Errors
    /// `Internal` where the batch is not one of spans.
    pub(super) fn fold(
        &mut self,
        rows: &RecordBatch,
        now_ms: i64,
        options: &Options,
    ) -> Result<()> {
        let groups_max = options.groups_max;
        let interval_ms = options.interval.as_millis() as i64;
        let mut spans = Spans::of(rows)?;
        for row in 0..rows.num_rows() {
            let span = spans.span(row);
            let (service, name) = self.names.bounded(&span.service, &span.name);
            let (kind, status) = (kind(span.kind), status(span.status));
            let mut key = SpanKey { service, name, kind, status };
            if self.groups() >= groups_max && !self.spans.contains_key(&key) {
                key = SpanKey { service: OTHER.into(), name: OTHER.into(), ..key };
            }
            let interval = Late::interval(span.end_ms, now_ms, interval_ms);
            let group = self.spans.get(&key);
            let is_late = self.is_late(group, &key.service, interval);
            if let Some(interval) = interval.filter(|_| is_late) {
                self.advance((interval, span.end_ms), now_ms, options);
            }
            let group = place(&mut self.spans, &mut self.late, key, is_late, Key::Spans);
            group.count += span.weight;
            group.latency.observe(span.seconds, span.weight);
            group.last_ms = now_ms;
            group.see(Seen {
                trace_id: span.trace_id,
                seconds: span.seconds,
                time_ms: span.end_ms.min(now_ms),
            });
            if let Some((caller, half)) = spans.half(row, &span) {
                let id = (span.trace_id, caller);
                if let Some(edge) = self.calls.take(id, half, now_ms, is_late) {
                    self.count(&edge, now_ms, options);
                }
            }
        }
        Ok(())
    }

    /// Returns whether a span counts in the past: that of a late group, or of a new one which may
    /// begin there.
    fn is_late(&self, group: Option<&Group>, service: &str, interval: Option<i64>) -> bool {
        let Some(time_ms) = interval else { return false };
        group.map_or_else(|| self.late.may_begin(service, time_ms), |group| group.is_late)
    }

    /// Ends the intervals of the past that something late shows to be over.
    fn advance(&mut self, (interval, end_ms): (i64, i64), now_ms: i64, options: &Options) {
        for time_ms in self.late.over(interval, options.interval.as_millis() as i64) {
            for edge in self.calls.expire_late(time_ms) {
                // It counts at the clock: that it was given up is no reason to move it.
                self.count_at(&edge, Some(self.late.clock_ms()), now_ms, options);
            }
            if !self.late.has_room(self.groups()) {
                continue;
            }
            let time_ms = self.late.stamp(time_ms);
            let late = &mut self.late;
            for (key, group) in self.spans.iter_mut().filter(|(_, group)| group.is_late) {
                late.keep(Past { time_ms, key: Key::Spans(key.clone()), values: group.past() });
            }
            for (key, group) in self.edges.iter_mut().filter(|(_, group)| group.is_late) {
                late.keep(Past { time_ms, key: Key::Edge(key.clone()), values: group.past() });
            }
        }
        self.late.advance(interval, end_ms);
    }

    /// Returns whether so much of the past waits that a record is due.
    pub(super) fn is_full(&self) -> bool {
        self.late.is_full()
    }

    /// Gives up spans whose other half never came; returns how many. Where the past has reached now,
    /// its groups become groups of now.
    pub(super) fn expire(&mut self, now_ms: i64, options: &Options) -> u64 {
        let (edges, unpaired) = self.calls.expire(now_ms);
        edges.iter().for_each(|edge| self.count_at(edge, None, now_ms, options));
        let arrived = self.late.has_arrived(now_ms, options.interval.as_millis() as i64);
        let mut groups = self.spans.values_mut().chain(self.edges.values_mut());
        if arrived {
            groups.for_each(|group| group.is_late = false);
        } else if groups.any(|group| group.is_late) {
            return unpaired;
        }
        self.late.rest();
        for edge in self.calls.expire_late(now_ms) {
            self.count_at(&edge, None, now_ms, options);
        }
        unpaired
    }

    fn count(&mut self, edge: &Edge, now_ms: i64, options: &Options) {
        let interval_ms = options.interval.as_millis() as i64;
        let interval = Late::interval(edge.end_ms, now_ms, interval_ms);
        self.count_at(edge, interval, now_ms, options);
    }

    /// Counts a call, in the past where an interval of it is given and the group may be there.
    fn count_at(&mut self, edge: &Edge, interval: Option<i64>, now_ms: i64, options: &Options) {
        let groups_max = options.groups_max;
        let mut key = edge.key.clone();
        if self.groups() >= groups_max && !self.edges.contains_key(&key) {
            let other = Peer { service: OTHER.into(), namespace: "".into() };
            key = EdgeKey { client: other.clone(), server: other, ..key };
        }
        let is_late = self.is_late(self.edges.get(&key), &key.client.service, interval);
        if let Some(interval) = interval.filter(|_| is_late) {
            self.advance((interval, edge.end_ms), now_ms, options);
        }
        let group = place(&mut self.edges, &mut self.late, key, is_late, Key::Edge);
        group.count += edge.weight;
        group.failed += if edge.failed { edge.weight } else { 0.0 };
        group.latency.observe(edge.client_seconds, edge.weight);
        group.server.observe(edge.server_seconds, edge.weight);
        group.last_ms = now_ms;
        let (trace_id, seconds) = (edge.trace_id, edge.client_seconds);
        group.see(Seen { trace_id, seconds, time_ms: edge.end_ms.min(now_ms) });
    }

    /// Writes the samples of all groups, those of the past first; returns how many were not taken.
    pub(super) fn write(&mut self, appender: &mut Appender, options: &Options, now_ms: i64) -> u64 {
        if self.groups() > 0 {
            describe(appender);
        }
        let (classic, interval_ms) = (options.classic, options.interval.as_millis() as i64);
        let mut output = Output { appender, time_ms: now_ms, interval_ms, classic, rejected: 0 };
        let groups = self.spans.values_mut().chain(self.edges.values_mut());
        groups.for_each(|group| group.is_begun = false);
        let mut past = self.late.take_past();
        past.iter_mut().for_each(|values| self.write_past(values, &mut output));
        self.late.put_back(past);
        let late_ms = self.late.stamp_of_now();
        let time_of = |group: &Group| if group.is_late { late_ms } else { now_ms };
        let is_due = |group: &Group| !group.is_late || group.is_counted || is_over(group, now_ms);
        for (key, group) in self.spans.iter_mut().filter(|(_, group)| is_due(group)) {
            output.time_ms = time_of(group);
            group.write_spans(key, mode(group, now_ms), &mut output);
        }
        for (key, group) in self.edges.iter_mut().filter(|(_, group)| is_due(group)) {
            output.time_ms = time_of(group);
            group.write_edge(key, mode(group, now_ms), &mut output);
        }
        output.rejected
    }

    /// Writes what a group was at a time of the past, with the series of the group.
    fn write_past(&mut self, past: &mut Past, output: &mut Output<'_>) {
        let Past { time_ms, key, values } = past;
        output.time_ms = *time_ms;
        match key {
            Key::Spans(key) => {
                let Some(group) = self.spans.get_mut(key) else { return };
                group.swap_series(values);
                values.write_spans(key, Mode::Values, output);
                group.swap_series(values);
            }
            Key::Edge(key) => {
                let Some(group) = self.edges.get_mut(key) else { return };
                group.swap_series(values);
                values.write_edge(key, Mode::Values, output);
                group.swap_series(values);
            }
        }
    }

    /// Says that what [`Tenant::write`] wrote at this time is stored.
    pub(super) fn written(&mut self, covered: Lsn, now_ms: i64) {
        self.covered = covered;
        let before = self.groups();
        let late = &mut self.late;
        late.written();
        self.spans.retain(|key, group| {
            let ended = is_over(group, now_ms);
            if ended {
                late.end(&key.service, now_ms);
            }
            !ended
        });
        self.edges.retain(|key, group| {
            let ended = is_over(group, now_ms);
            if ended {
                late.end(&key.client.service, now_ms);
            }
            !ended
        });
        self.spans.values_mut().chain(self.edges.values_mut()).for_each(Group::written);
        if self.groups() < before {
            self.names.retain(self.spans.keys().map(|key| (&key.service, &key.name)));
        }
    }

    /// Returns how many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.spans.len() + self.edges.len()
    }

    /// Returns whether there is nothing to remember.
    pub(super) fn is_over(&self) -> bool {
        self.groups() == 0 && self.calls.is_empty()
    }
}

fn is_over(group: &Group, now_ms: i64) -> bool {
    now_ms.saturating_sub(group.last_ms) >= IDLE_MS
}

fn mode(group: &Group, now_ms: i64) -> Mode {
    if is_over(group, now_ms) { Mode::Ended } else { Mode::Values }
}

/// Returns the group in which something counts. A late group in which something counts now becomes
/// one of now, and what it was until then a value of the past.
fn place<'a, K: Clone + Eq + std::hash::Hash>(
    groups: &'a mut HashMap<K, Group>,
    late: &mut Late,
    key: K,
    is_late: bool,
    wrap: impl FnOnce(K) -> Key,
) -> &'a mut Group {
    let group = groups.entry(key.clone()).or_insert_with(|| Group::begin(is_late));
    if group.is_late && !is_late {
        if group.is_counted && late.has_room(1) {
            let time_ms = late.stamp_of_now();
            late.keep(Past { time_ms, key: wrap(key), values: group.past() });
        }
        group.is_late = false;
    }
    group.is_counted = true;
    group
}
