use std::sync::atomic::{AtomicU32, Ordering};

use prometheus_client::metrics::gauge::Gauge;
use tarn_model::labels::{Label, LabelSet};
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;

use super::*;
use crate::admit::Admission;
use crate::decode::key_cache::KeyCache;
use crate::fuzz::HandClock;

/// A sink whose references go stale when the test says so, and that has room for two series.
#[derive(Debug, Default)]
struct Scripted<'t> {
    epoch: Option<&'t AtomicU32>,
    always_stale: bool,
    names: Vec<String>,
    asked: usize,
    taken: Vec<(u32, i64)>,
}

impl Scripted<'_> {
    fn epoch(&self) -> u32 {
        self.epoch.map_or(0, |e| e.load(Ordering::Relaxed))
    }
}

impl RowSink for Scripted<'_> {
    fn series(&mut self, labels: &LabelSet) -> Result<SeriesRef, Rejection> {
        self.asked += 1;
        let name = labels.metric();
        if !self.names.iter().any(|n| n == name) {
            if self.names.len() == 2 {
                return Err(Rejection::SeriesLimit { told: "2 active series, limit is 2".into() });
            }
            self.names.push(name.to_owned());
        }
        let index = self.names.iter().position(|n| n == name).map_or(0, |at| at as u32);
        Ok(SeriesRef { index, epoch: self.epoch() })
    }

    fn float(&mut self, series: SeriesRef, row: Float) -> Result<(), Rejection> {
        if self.always_stale || series.epoch != self.epoch() {
            return Err(Rejection::StaleReference);
        }
        self.taken.push((series.index, row.time_ms));
        Ok(())
    }

    fn histogram(
        &mut self,
        _: SeriesRef,
        time_ms: i64,
        _: Arc<Histogram>,
        _: i64,
    ) -> Result<(), Rejection> {
        Err(Rejection::OutOfOrder { time_ms, oldest_ms: 0 })
    }

    fn exemplar(&mut self, _: SeriesRef, _: Exemplar) -> Result<(), Rejection> {
        Ok(())
    }

    fn metadata(&mut self, family: &str, _: &Metadata) {
        self.names.push(format!("family {family}"));
    }
}

/// A metric name as the only label.
struct Name(&'static str);

impl RawLabels for Name {
    fn key(&self, space: &KeySpace) -> u128 {
        space.key(self.0.as_bytes())
    }

    fn each<'a>(&'a self, pair: &mut dyn FnMut(&'a [u8], &'a [u8])) -> Result<()> {
        pair(b"__name__", self.0.as_bytes());
        Ok(())
    }
}

struct World {
    limits: Limits,
    memory: Memory,
    permit: Permit,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(HandClock::default());
        Self {
            limits: Limits::default(),
            memory: Memory {
                seed: 3,
                series: KeyCache::new(1 << 20),
                families: KeyCache::new(1 << 20),
            },
            permit: Admission::new(ByteSize::mib(1), clock, Gauge::default()).permit(),
        }
    }

    fn batch<'w>(&'w mut self, sink: Scripted<'w>, now_s: u64) -> Batch<'w, Scripted<'w>> {
        let context = BatchContext {
            limits: &self.limits,
            memory: &self.memory,
            permit: &mut self.permit,
            space: KeySpace::new(3, &TenantId::default_tenant(), "test"),
            protocol: Protocol::Own,
            now: Duration::from_secs(now_s),
        };
        Batch::new(sink, context)
    }
}

fn push(batch: &mut Batch<'_, Scripted<'_>>, name: &'static str, time_ms: i64) -> Result<()> {
    let labels = Name(name);
    let mut open = batch.open(&labels, 0, 1)?;
    batch.float(&mut open, Float { time_ms, ..Float::default() })
}

#[test]
fn keys_are_learned_when_the_request_is_stored_and_not_before() {
    let mut world = World::new();
    for (kept, misses) in [(false, 1), (true, 1), (false, 0)] {
        let mut batch = world.batch(Scripted::default(), 0);
        push(&mut batch, "a", 1).expect("pushed");
        assert_eq!(batch.misses, misses);
        let learned = batch.learned;
        if kept {
            learned.keep(&world.memory);
        }
    }
}

#[test]
fn a_stale_reference_is_a_miss() {
    let epoch = AtomicU32::new(0);
    let mut world = World::new();
    let mut batch = world.batch(Scripted { epoch: Some(&epoch), ..Scripted::default() }, 0);
    push(&mut batch, "a", 1).expect("pushed");
    let learned = batch.learned;
    learned.keep(&world.memory);
    // Between two requests, and in the middle of one.
    epoch.store(1, Ordering::Relaxed);
    let mut batch = world.batch(Scripted { epoch: Some(&epoch), ..Scripted::default() }, 0);
    let labels = Name("a");
    let mut open = batch.open(&labels, 0, 1).expect("open");
    for time_ms in 2..5 {
        epoch.store(time_ms as u32 / 2, Ordering::Relaxed);
        batch.float(&mut open, Float { time_ms, ..Float::default() }).expect("pushed");
    }
    assert_eq!(batch.sink.taken, [(0, 2), (0, 3), (0, 4)]);
    assert_eq!((batch.written.samples, batch.sink.asked, batch.problems.fail()), (3, 2, false));
}

#[test]
fn a_reference_that_stays_stale_is_no_fault_of_the_sender() {
    let mut world = World::new();
    let mut batch = world.batch(Scripted { always_stale: true, ..Scripted::default() }, 0);
    let error = push(&mut batch, "a", 1).expect_err("stale");
    assert_eq!(error.reply(tarn_model::error::Direction::Write).http, 503);
}

#[test]
fn series_beyond_the_limit_are_asked_for_again_later() {
    let mut world = World::new();
    for (now_s, asked, rejected) in [(0, 15, 13), (5, 8, 13), (20, 13, 13)] {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let mut batch = world.batch(Scripted { names, ..Scripted::default() }, now_s);
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o"] {
            push(&mut batch, name, 1).expect("pushed");
        }
        // While the first few problems are told in full, their labels are needed.
        assert_eq!((batch.sink.asked, batch.problems.failing_rows()), (asked, rejected), "{now_s}");
        let learned = batch.learned;
        learned.keep(&world.memory);
    }
}

#[test]
fn metadata_is_pushed_when_it_changes() {
    let mut world = World::new();
    let mut pushed = Vec::new();
    for content in [1, 1, 2, 1] {
        let mut batch = world.batch(Scripted::default(), 0);
        let parse = |_: &Limits| Ok(("m".to_owned(), Metadata::default()));
        batch.metadata(b"m", content, parse).expect("pushed");
        pushed.push(batch.sink.names.len());
        let learned = batch.learned;
        learned.keep(&world.memory);
    }
    assert_eq!(pushed, [1, 0, 1, 1]);
}

#[test]
fn starts_after_their_sample_are_unknown() {
    for (start_ms, time_ms, known) in [(0, 5, 0), (4, 5, 4), (5, 5, 5), (6, 5, 0), (-9, 5, -9)] {
        assert_eq!(known_start(start_ms, time_ms), known);
    }
}

#[test]
fn rows_take_memory_from_the_permit() {
    let mut world = World::new();
    let mut batch = world.batch(Scripted::default(), 0);
    let labels = Name("a");
    let mut open = batch.open(&labels, 0, 1).expect("open");
    let fits = (0..1_000_000i64)
        .take_while(|t| batch.float(&mut open, Float { time_ms: *t, ..Float::default() }).is_ok())
        .count();
    // A MiB at 64 bytes a row.
    assert!((16_000..=16_384).contains(&fits), "{fits} rows");
}

#[test]
fn places_are_short_and_readable() {
    struct Odd(Vec<Label>);
    impl RawLabels for Odd {
        fn key(&self, space: &KeySpace) -> u128 {
            space.key(b"odd")
        }
        fn each<'a>(&'a self, pair: &mut dyn FnMut(&'a [u8], &'a [u8])) -> Result<()> {
            for label in &self.0 {
                pair(label.name.as_bytes(), label.value.as_bytes());
            }
            Ok(())
        }
    }
    let labels =
        (0..20).map(|n| Label::new(format!("l{n}").repeat(50), "v\n".repeat(99))).collect();
    let text = place(7, &Odd(labels));
    assert!(text.starts_with("series 7 {l0l0l0"), "{text}");
    assert!(text.ends_with("…, …}") && text.len() < 1100, "{} {text}", text.len());
}
