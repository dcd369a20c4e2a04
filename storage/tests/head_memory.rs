//! What an active series costs in memory: the resident set of this process before and after.
#![expect(clippy::disallowed_methods, reason = "real time and procfs are what is measured")]

use std::sync::Arc;

use futures::future::BoxFuture;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::append::{Batch, Log, Writer};
use tarn_storage::block::reader::Blocks;
use tarn_storage::head::Head;
use tarn_storage::head::sink::HeadSink;
use tarn_storage::object::Objects;
use tarn_storage::view::ViewCell;
use tarn_storage::wal::{Lsn, RecordBuilder, Sink};
use tarn_testkit::clock::RealClock;
use tarn_testkit::sim::SimRng;

const SERIES: usize = 100_000;
const SAMPLES: i64 = 20;

/// A log that keeps nothing.
#[derive(Debug)]
struct NoLog(Mutex<(HeadSink, u64)>);

impl Log for NoLog {
    fn ready(&self) -> Result<()> {
        Ok(())
    }

    fn append(&self, mut batch: Batch) -> BoxFuture<'static, Result<Lsn>> {
        let mut guard = self.0.lock();
        let (sink, last) = &mut *guard;
        *last += 1;
        let lsn = Lsn(*last);
        sink.frame(lsn, &mut batch, &mut RecordBuilder::default());
        let lsn = sink.apply(lsn, batch);
        sink.group_applied(lsn);
        Box::pin(std::future::ready(Ok(lsn)))
    }
}

fn resident_bytes() -> Option<usize> {
    let mut file = std::fs::File::open("/proc/self/statm").ok()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text).ok()?;
    Some(text.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

#[test]
fn an_active_series_with_twenty_samples_stays_below_its_target() {
    let Some(_) = resident_bytes() else {
        println!("skipped: no /proc");
        return;
    };
    let limits = Limits { memory_budget: ByteSize::gib(8), ..Limits::default() };
    let head = Head::new(limits, Arc::new(RealClock::default()));
    let (clock, rng) = (Arc::new(RealClock::default()), Arc::new(SimRng::new(1)));
    let store = Arc::new(InMemory::new());
    let objects = Objects::new(store, clock, rng, &mut Registry::default());
    let view = ViewCell::new(Arc::clone(&head), Blocks::new(objects), Arc::default());
    let generation = head.generation(Lsn(1));
    view.update(|view| view.with_generation(Arc::clone(&generation)));
    let sink = HeadSink::new(Arc::clone(&head), Arc::clone(&generation), view);
    let writer = Writer::new(Arc::clone(&head), Arc::new(NoLog(Mutex::new((sink, 0)))));
    let tenant = TenantId::default_tenant();

    // The strings of the pairs are asked for apart: here they are few.
    let labels = |i: usize| {
        let (pod, metric) = (i / 100, i % 100);
        let values = [
            ("__name__", format!("metric_{metric}")),
            ("pod", format!("pod-{pod}")),
            ("namespace", format!("ns-{}", pod % 20)),
            ("node", format!("node-{}", pod % 50)),
        ];
        let fixed = ["cluster", "job", "env", "region", "zone", "team", "app", "version"];
        let pairs: Vec<(&str, &str)> = values.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let fixed: Vec<(&str, &str)> = fixed.iter().map(|n| (*n, "same")).collect();
        LabelSet::from_pairs(&[pairs, fixed].concat())
    };
    let before = resident_bytes().unwrap();
    let mut references = Vec::with_capacity(SERIES);
    let begun = std::time::Instant::now();
    for scrape in 0..SAMPLES {
        for chunk in 0..SERIES / 1000 {
            let mut appender = writer.appender(&tenant).unwrap();
            for i in chunk * 1000..(chunk + 1) * 1000 {
                if scrape == 0 {
                    references.push(appender.series(&labels(i)).unwrap());
                }
                appender.float(references[i], scrape * 15_000, i as f64, 0).unwrap();
            }
            futures::executor::block_on(appender.commit()).unwrap();
        }
    }
    let bytes = resident_bytes().unwrap() - before - SERIES * size_of_val(&references[0]);
    let each = bytes / SERIES;
    let estimate = generation.bytes() / SERIES as u64;
    let nanos = begun.elapsed().as_nanos() / (SERIES as u128 * SAMPLES as u128);
    println!(
        "{each} bytes per series with {SAMPLES} samples and 12 labels (own estimate of the \
         generation alone: {estimate}), {nanos} ns per sample in this build profile"
    );
    assert_eq!(generation.rows(), SERIES as u64 * SAMPLES as u64);
    assert!(each <= 700, "{each} bytes per active series");
}
