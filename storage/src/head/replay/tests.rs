use std::time::Duration;

use tarn_model::limits::Limits;
use tarn_model::time::{Clock, Sleep, TimeRange, UnixNanos};

use super::*;
use crate::slice::Point;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % n
    }
}

/// Makes the record of a request: mostly a sample of some series, sometimes late, sometimes the one
/// before again, sometimes with starts.
fn record(chance: &mut Chance, at: i64, definitions: Vec<(u32, LabelSet)>) -> DecodedRecord {
    let started = chance.below(8) == 0;
    let mut rows = Rows::default();
    for _ in 0..chance.below(12) {
        let (index, n) = (chance.below(5) as u32, 1 + chance.below(3) as u32);
        rows.runs.push(FloatRun { index, n });
        for i in 0..n {
            rows.times.push(at + i64::from(i) - chance.below(3) as i64);
            rows.bits.push(chance.below(2));
            if started {
                rows.starts.push(chance.below(2) as i64);
            }
        }
    }
    DecodedRecord { definitions, rows, tables: Vec::new(), acknowledged: Vec::new() }
}

fn definitions(names: [&str; 5]) -> Vec<(u32, LabelSet)> {
    let labels = names.map(|name| LabelSet::from_pairs(&[("__name__", name)]));
    (0..).zip(labels).collect()
}

/// Decodes what a log of some hundred records holds: in the middle the numbers of the series change.
fn log() -> Vec<DecodedRecord> {
    let mut chance = Chance(7);
    let first = definitions(["a", "b", "c", "d", "e"]);
    let second = definitions(["e", "f", "a", "b", "g"]);
    let mut make = |at: i64| {
        let defined = match at {
            0 => first.clone(),
            150 => second.clone(),
            _ => Vec::new(),
        };
        record(&mut chance, at * 2, defined)
    };
    (0..300).map(&mut make).collect()
}

/// Inserts records and returns what the head has of each series, and its size.
fn inserted(records: Vec<DecodedRecord>) -> (Vec<(LabelSet, Vec<Point>, i64)>, u64) {
    let head = Head::new(Limits::default(), Arc::new(Still));
    let generation = head.generation(Lsn(1));
    let tenant = TenantId::default_tenant();
    let mut replayer = Replayer::new(Arc::clone(&head), Arc::clone(&generation));
    for record in records {
        replayer.insert(Lsn(1), &tenant, record).unwrap();
    }
    let part = generation.tenant(&tenant).unwrap();
    let slots = part.columns.matching(&[], part.columns.series());
    let series = part.columns.snapshot(&[(slots, TimeRange::ALL)]).remove(0);
    let places = part.head.table.places();
    let newest = |index| place(&places, index).unwrap().newest_ms();
    let mut found: Vec<_> = series
        .iter()
        .map(|s| {
            let points = part.columns.copy(s, TimeRange::ALL).into_points();
            (s.entry.labels(), points, newest(s.entry.index))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    (found, generation.rows())
}

#[test]
fn joined_records_make_the_same_head() {
    let mut joined: Vec<DecodedRecord> = Vec::new();
    for record in log() {
        let rest = match joined.last_mut() {
            Some(last) => last.join(record),
            None => Some(record),
        };
        joined.extend(rest);
    }
    assert!(joined.len() > 10 && joined.len() < 200, "{} of 300", joined.len());
    joined.iter_mut().for_each(DecodedRecord::sort);
    let runs =
        |record: &DecodedRecord| record.rows.runs.windows(2).all(|w| w[0].index < w[1].index);
    assert!(joined.iter().all(runs), "each series comes once");
    let (one_by_one, rows) = inserted(log());
    assert_eq!(one_by_one.len(), 7);
    let late = one_by_one.iter().any(|(_, points, _)| !points.is_sorted_by_key(|p| p.time_ms));
    assert!(late, "some samples are late");
    let together = inserted(joined);
    assert_eq!(format!("{:?}", (one_by_one, rows)), format!("{together:?}"));
}

#[test]
fn what_could_change_the_order_is_not_joined() {
    let mut chance = Chance(1);
    let plain = |chance: &mut Chance| loop {
        let made = record(chance, 0, Vec::new());
        if !made.rows.times.is_empty() && made.rows.starts.is_empty() {
            return made;
        }
    };
    let with_family = |mut record: DecodedRecord| {
        record.rows.families.push(("up".into(), Default::default()));
        record
    };
    let defining = |mut record: DecodedRecord| {
        record.definitions = definitions(["a", "b", "c", "d", "e"]);
        record
    };
    let mut first = plain(&mut chance);
    assert!(first.join(defining(plain(&mut chance))).is_some());
    assert!(first.join(with_family(plain(&mut chance))).is_some());
    assert!(first.join(plain(&mut chance)).is_none());
    assert!(with_family(plain(&mut chance)).join(plain(&mut chance)).is_some());
    assert!(defining(plain(&mut chance)).join(plain(&mut chance)).is_none());
    let mut large = plain(&mut chance);
    while large.rows.times.len() <= JOINED_SAMPLES_MAX {
        large.rows.times.extend_from_within(..);
    }
    assert!(first.join(large).is_some());
}
