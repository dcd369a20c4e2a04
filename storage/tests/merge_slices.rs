//! VIS-3, ORD-1: merges of blocks of metrics change nothing that a query sees. Any blocks, merged in
//! any legal order, read back as the plain map from time to value that was written.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "support/samples.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{Row, SERIES, Seen, append, expected, read, rows};
use tarn_model::error::ErrorKind;
use tarn_model::labels::{Label, LabelSet};
use tarn_model::matcher::Matcher;
use tarn_model::sample::{Exemplar, Metadata, stale_nan};
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_model::units::ByteSize;
use tarn_storage::block::BlockMeta;
use tarn_storage::options::{Retention, RetentionRule};
use tarn_storage::retain::erase::Tombstone;
use tarn_storage::view::Selector;
use tarn_testkit::merge::Merge;
use tarn_testkit::store::Store;

type Metas = Vec<Arc<BlockMeta>>;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Row>),
    Flush,
    /// Merges neighbours: from where, how many, and what bounds the merge has.
    Merge(Pick),
    /// Merges all of every day, without what is erased: a set of series, from tick to tick.
    Erase(usize, i64, i64),
}

/// What erases which of [`SERIES`].
const ERASED: [&[&str]; 4] =
    [&["job=\"a\""], &["__name__=\"up\"", "Job=\"\""], &["only=~\".+\""], &["nothing=\"here\""]];

#[derive(Debug, Clone, Copy)]
struct Pick {
    from: usize,
    count: usize,
    /// Outputs are cut as soon as they can be.
    small: bool,
    /// Some series live shorter than others.
    classes: bool,
}

fn picks() -> impl Strategy<Value = Pick> {
    let parts = (any::<usize>(), 1_usize..6, any::<bool>(), any::<bool>());
    parts.prop_map(|(from, count, small, classes)| Pick { from, count, small, classes })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => rows().prop_map(Step::Append),
        4 => Just(Step::Flush),
        2 => picks().prop_map(Step::Merge),
    ];
    let erase = proptest::option::of((0..ERASED.len(), -2_i64..82, 0_i64..60));
    let merges = proptest::collection::vec(picks(), 0..6);
    (proptest::collection::vec(step, 2..16), merges, erase).prop_map(|(mut steps, picks, erase)| {
        steps.push(Step::Flush);
        steps.extend(picks.into_iter().map(Step::Merge));
        steps.extend(erase.map(|(which, from, ticks)| Step::Erase(which, from, from + ticks)));
        steps
    })
}

fn retention() -> Retention {
    let rule = RetentionRule {
        tenant: None,
        signal: None,
        matchers: vec![Matcher::equal("job", "a")],
        keep: Duration::from_secs(86_400),
    };
    Retention { rules: vec![rule], ..Retention::default() }
}

/// The place of a block among those of its day, and that day.
fn place(meta: &BlockMeta) -> (String, u64, u64) {
    let last = meta.lsn.iter().map(|range| range.hi).max().unwrap_or(0);
    (meta.day.clone(), meta.seq, last)
}

/// Merges some neighbours of one day.
async fn merge(store: &Store, live: &mut Metas, pick: Pick) {
    let mut slices: Metas = live.iter().filter(|m| m.kind == "slices").cloned().collect();
    if slices.is_empty() {
        return;
    }
    slices.sort_by_key(|meta| place(meta));
    let first = pick.from % slices.len();
    let neighbours = slices[first..].iter().take_while(|m| m.day == slices[first].day);
    let mut inputs: Metas = neighbours.take(pick.count).cloned().collect();
    // Outputs of one merge have one place: either all of them are neighbours, or none.
    let last = place(inputs.last().unwrap());
    let same = |meta: &&Arc<BlockMeta>| place(meta) == last || place(meta) == place(&inputs[0]);
    let more: Metas = slices.iter().filter(same).cloned().collect();
    inputs.extend(more);
    inputs.sort_by_key(|meta| (place(meta), meta.object.clone()));
    inputs.dedup_by_key(|meta| meta.object.clone());
    let options = Merge {
        level: inputs.iter().map(|meta| meta.level + 1).max().unwrap().min(2),
        retention: if pick.classes { retention() } else { Retention::default() },
        block_bytes: if pick.small { ByteSize(300) } else { ByteSize::mib(128) },
        seed: pick.from as u64,
        ..Merge::default()
    };
    let outputs = options.run(store.storage().objects(), inputs.clone()).await.unwrap();
    for output in &outputs {
        check(output, &inputs, pick);
    }
    live.retain(|meta| inputs.iter().all(|input| input.object != meta.object));
    live.extend(outputs);
}

fn at(tick: i64) -> i64 {
    support::BASE_MS + tick * 15_000
}

/// Merges every day, leaving out erased rows; the model forgets them too.
async fn erase(
    store: &Store,
    live: &mut Metas,
    model: &mut [Seen],
    matchers: &[&str],
    range: TimeRange,
) {
    let tombstone = Tombstone {
        id: "1".to_owned(),
        tenant: TenantId::default_tenant().to_string(),
        signal: "metrics".to_owned(),
        matchers: matchers.iter().map(|text| (*text).to_owned()).collect(),
        start_ms: range.start_ms,
        end_ms: range.end_ms,
        positions: vec![(store.storage().writer_id().to_owned(), u64::MAX)],
        time_ms: 0,
    };
    let parsed = tombstone.matchers().unwrap();
    for (pairs, seen) in SERIES.iter().zip(model) {
        let labels = LabelSet::from_pairs(pairs);
        if parsed.iter().all(|matcher| matcher.matches_labels(&labels)) {
            seen.retain(|time, _| !range.contains(*time));
        }
    }
    let options = Merge { level: 2, erased: vec![Arc::new(tombstone)], ..Merge::default() };
    let mut slices: Metas = live.iter().filter(|m| m.kind == "slices").cloned().collect();
    slices.sort_by_key(|meta| place(meta));
    live.clear();
    for day in slices.chunk_by(|a, b| a.day == b.day) {
        let outputs = options.run(store.storage().objects(), day.to_vec()).await.unwrap();
        assert!(outputs.iter().all(|meta| options.erased.iter().all(|t| !t.covers(meta))));
        live.extend(outputs);
    }
}

fn check(output: &BlockMeta, inputs: &[Arc<BlockMeta>], pick: Pick) {
    let days =
        output.time_min_ms.div_euclid(86_400_000)..=output.time_max_ms.div_euclid(86_400_000);
    assert_eq!(days.count(), 1, "{output:?}");
    assert!(output.days.is_empty() && output.day != "late" && !output.overlaps);
    assert_eq!(output.seq, inputs.iter().map(|meta| meta.seq).max().unwrap());
    assert!(output.level > 0 && (pick.classes || output.class.is_empty()));
    let names: Vec<&str> = output.labels.iter().map(|label| label.name.as_str()).collect();
    let mut known = inputs.iter().flat_map(|meta| &meta.labels);
    assert!(
        names.iter().all(|name| known.any(|label| label.name == *name) || known_in(inputs, name))
    );
}

fn known_in(inputs: &[Arc<BlockMeta>], name: &str) -> bool {
    inputs.iter().flat_map(|meta| &meta.labels).any(|label| label.name == name)
}

fn added(store: &Store, live: &mut Metas, seen: &mut Vec<String>) {
    for meta in store.storage().catalog().all_blocks() {
        if !seen.contains(&meta.object) {
            seen.push(meta.object.clone());
            live.push(Arc::clone(meta));
        }
    }
}

fn every() -> Selector {
    Selector { matchers: Vec::new(), range: TimeRange::ALL }
}

fn owned(live: &Metas) -> Vec<BlockMeta> {
    live.iter().map(|meta| (**meta).clone()).collect()
}

async fn run(steps: Vec<Step>, seed: u64) {
    let store = Store::open(seed).await.unwrap();
    let mut model = vec![Seen::new(); SERIES.len()];
    let (mut live, mut seen) = (Metas::new(), Vec::new());
    for step in steps {
        match step {
            Step::Append(rows) => append(&store, &mut model, &rows).await,
            Step::Flush => {
                store.storage().flush().await.unwrap();
                added(&store, &mut live, &mut seen);
            }
            Step::Merge(pick) => merge(&store, &mut live, pick).await,
            Step::Erase(which, from, to) => {
                let range = TimeRange { start_ms: at(from) - 1, end_ms: at(to) };
                erase(&store, &mut live, &mut model, ERASED[which], range).await;
            }
        }
    }
    let view = store.view_of(owned(&live)).unwrap();
    let wanted = expected(&model, |_| true, TimeRange::ALL);
    assert_eq!(read(&view, every()).await, wanted);
    store.end().await;
}

#[test]
fn vis_3_and_ord_1_any_merges_change_nothing() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let slow = std::env::var_os("TARN_TEST_SLOW").is_some();
    let cases = if slow { 3000 } else { 40 };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&(steps(), any::<u64>()), |(steps, seed)| {
        runtime.block_on(run(steps, seed));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Appends the floats of series that are made by `labels` and `value`.
async fn floats(
    store: &Store,
    series: usize,
    times: impl Iterator<Item = i64> + Clone,
    labels: impl Fn(usize) -> LabelSet,
    value: impl Fn(usize, i64) -> f64,
) {
    let mut appender = store.storage().writer().appender(&TenantId::default_tenant()).unwrap();
    for number in 0..series {
        let reference = appender.series(&labels(number)).unwrap();
        for time_ms in times.clone() {
            appender.float(reference, time_ms, value(number, time_ms), 0).unwrap();
        }
    }
    appender.commit().await.unwrap();
}

fn slices_of(store: &Store) -> Metas {
    store.storage().catalog().all_blocks().filter(|m| m.kind == "slices").cloned().collect()
}

/// 2025-11-20T00:00:00Z.
const DAY_MS: i64 = 1_763_596_800_000;

/// Neighbouring slices become one, whose only ends are those of the rules.
#[tokio::test(flavor = "multi_thread")]
async fn neighbouring_slices_become_long_ones() {
    let store = Store::open(1).await.unwrap();
    let labels = |i: usize| LabelSet::from_pairs(&[("__name__", "up"), ("i", &i.to_string())]);
    for part in 0..8_i64 {
        // 20 scrapes of 15 s each, 5 minutes: 160 scrapes in 40 minutes.
        let times = (0..20).map(move |i| DAY_MS + (part * 20 + i) * 15_000);
        floats(&store, 10, times, labels, |i, t| (t / 15_000 + i as i64) as f64).await;
        store.storage().flush().await.unwrap();
    }
    let inputs = slices_of(&store);
    let seq = inputs.iter().map(|meta| meta.seq).max().unwrap();
    let before = read(&store.fresh_view(), every()).await;
    let outputs = Merge::default().run(store.storage().objects(), inputs).await.unwrap();
    let [output] = outputs.as_slice() else { panic!("{outputs:?}") };
    // One timeline, one slice of each series.
    assert_eq!((output.rows, output.series, output.samples), (11, 10, 1600));
    assert_eq!((output.level, output.lsn.len(), output.seq), (1, 1, seq));
    assert_eq!(read(&store.view_of(owned(&outputs)).unwrap(), every()).await, before);
    store.end().await;
}

/// A block of many days is taken apart, and its days are merged with each other.
#[tokio::test(flavor = "multi_thread")]
async fn late_blocks_are_split_by_day() {
    let mut store = Store::open(2).await.unwrap();
    let labels = |i: usize| LabelSet::from_pairs(&[("__name__", "up"), ("i", &i.to_string())]);
    for part in 0..2_i64 {
        // The second life changes every other sample of the first one.
        let times = (0..24 * 12).map(move |h| DAY_MS + h * 3_600_000 * (2 - part));
        floats(&store, 3, times, labels, |i, t| (t % 977 + part) as f64 / (i + 1) as f64).await;
        store.storage().flush().await.unwrap();
        store = store.close().await.unwrap();
    }
    let before = read(&store.fresh_view(), every()).await;
    let metas = slices_of(&store);
    let (late, others): (Metas, Metas) = metas.into_iter().partition(|meta| meta.day == "late");
    assert_eq!(late.len(), 2);
    let outputs = Merge::default().run(store.storage().objects(), late).await.unwrap();
    let days: Vec<&str> = outputs.iter().map(|meta| meta.day.as_str()).collect();
    let dates = (20..31).map(|day| format!("2025-11-{day}"));
    let dates = dates.chain((1..6).map(|day| format!("2025-12-{day:02}")));
    assert_eq!(days, dates.collect::<Vec<_>>());
    let live: Metas = outputs.into_iter().chain(others).collect();
    assert_eq!(read(&store.view_of(owned(&live)).unwrap(), every()).await, before);
    store.end().await;
}

/// More label names than columns, and names that differ in case only.
#[tokio::test(flavor = "multi_thread")]
async fn labels_of_the_map_survive_merges() {
    let store = Store::open(3).await.unwrap();
    for part in 0..4_i64 {
        let labels = |i: usize| {
            let name = |n: usize| format!("label_{:03}", (i * 40 + n + part as usize) % 260);
            let mut labels: Vec<Label> = (0..30).map(|n| Label::new(name(n), "x")).collect();
            labels.push(Label::new("__name__", "wide"));
            labels
                .push(Label::new(if i.is_multiple_of(2) { "Zone" } else { "zone" }, i.to_string()));
            LabelSet::new(labels)
        };
        let times = (0..20).map(move |i| DAY_MS + (part * 20 + i) * 15_000);
        let value = |i: usize, t: i64| if t % 7 == 0 { stale_nan() } else { 0.1 * i as f64 };
        floats(&store, 12, times, labels, value).await;
        store.storage().flush().await.unwrap();
    }
    let before = read(&store.fresh_view(), every()).await;
    let mut live = slices_of(&store);
    let objects = store.storage().objects();
    for (level, count) in [(1, 2), (1, 2), (2, 2)] {
        let inputs: Metas = live.drain(..count).collect();
        let outputs = Merge { level, ..Merge::default() }.run(objects, inputs).await.unwrap();
        assert!(outputs[0].labels.iter().any(|label| label.in_map));
        live.extend(outputs);
    }
    assert_eq!(live.len(), 1);
    assert_eq!(read(&store.view_of(owned(&live)).unwrap(), every()).await, before);
    store.end().await;
}

/// A merge that shall end does so, and one that is damaged says so.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_inputs_are_not_merged() {
    let store = Store::open(4).await.unwrap();
    let labels = |i: usize| LabelSet::from_pairs(&[("__name__", "up"), ("i", &i.to_string())]);
    for part in 0..2_i64 {
        let times = (0..300).map(move |i| DAY_MS + (part * 300 + i) * 1000);
        floats(&store, 50, times, labels, |i, t| 1.0 / (t + i as i64) as f64).await;
        store.storage().flush().await.unwrap();
    }
    let inputs = slices_of(&store);
    let path = object_store::path::Path::from(inputs[1].object.as_str());
    let store_of = &*store.bucket as &dyn object_store::ObjectStore;
    let bytes = store.storage().objects().get(&inputs[1].object).await.unwrap().bytes;
    let mut damaged = bytes.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    store_of.put_opts(&path, damaged.into(), Default::default()).await.unwrap();
    let error = Merge::default().run(store.storage().objects(), inputs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    store.end().await;
}

/// A merge that is cancelled ends with an error, and leaves its inputs as they are.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_merges_end() {
    let store = Store::open(6).await.unwrap();
    let labels = |i: usize| LabelSet::from_pairs(&[("__name__", "up"), ("i", &i.to_string())]);
    floats(&store, 3, (0..9).map(|i| DAY_MS + i), labels, |_, _| 1.0).await;
    store.storage().flush().await.unwrap();
    let merge = Merge { cancelled: true, ..Merge::default() };
    let error = merge.run(store.storage().objects(), slices_of(&store)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
    store.end().await;
}

fn exemplar(trace: u8, time_ms: i64, user: &str) -> Exemplar {
    let trace = format!("{trace:032x}");
    let labels =
        LabelSet::from_pairs(&[("trace_id", &trace), ("span_id", "no hex"), ("user", user)]);
    Exemplar { labels, value: f64::from(time_ms as i32 % 7) / 3.0, time_ms }
}

/// Exemplars come once each, in the order of their series and times, but for erased ones; of each
/// family the last word stays, and when it was first heard of.
#[tokio::test(flavor = "multi_thread")]
async fn exemplars_and_families_are_merged() {
    let mut store = Store::open(5).await.unwrap();
    let tenant = TenantId::default_tenant();
    for part in 0..3_i64 {
        let mut appender = store.storage().writer().appender(&tenant).unwrap();
        for (number, job) in ["b", "a", "erased"].into_iter().enumerate() {
            let labels = LabelSet::from_pairs(&[("__name__", "up"), ("job", job), ("Job", "map")]);
            let series = appender.series(&labels).unwrap();
            appender.float(series, DAY_MS + part, 1.0, 0).unwrap();
            for i in 0..4 {
                let time_ms = DAY_MS + part * 2 + i;
                // Every second one is sent with each part that it falls into.
                let user = if i % 2 == 0 { "same".to_owned() } else { part.to_string() };
                appender.exemplar(series, exemplar(number as u8, time_ms, &user)).unwrap();
            }
        }
        let help = format!("help {part}");
        let known = Metadata { help: help.as_str().into(), ..Metadata::default() };
        appender.metadata("up", &known);
        appender.metadata(["one", "two", "three"][part as usize], &known);
        appender.commit().await.unwrap();
        store.storage().flush().await.unwrap();
        // A life of its own: exemplars of one life do not repeat.
        store = store.close().await.unwrap();
    }
    let of_kind = |kind: &str| -> Metas {
        store.storage().catalog().all_blocks().filter(|m| m.kind == kind).cloned().collect()
    };
    let tombstone = Tombstone {
        id: "1".to_owned(),
        tenant: tenant.to_string(),
        signal: "metrics".to_owned(),
        matchers: vec!["job=\"erased\"".to_owned()],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        positions: vec![(store.storage().writer_id().to_owned(), u64::MAX)],
        time_ms: 0,
    };
    let merge = Merge { erased: vec![Arc::new(tombstone)], ..Merge::default() };
    let objects = store.storage().objects();
    let families = merge.run(objects, of_kind("families")).await.unwrap();
    assert_eq!((families.len(), families[0].rows), (1, 4));
    let view = store.view_of(owned(&families)).unwrap();
    let told: Vec<(String, String)> = view
        .families(&tenant)
        .await
        .unwrap()
        .into_iter()
        .map(|(name, metadata)| (name, metadata.help.to_string()))
        .collect();
    let expected = [("one", "help 0"), ("three", "help 2"), ("two", "help 1"), ("up", "help 2")];
    assert_eq!(told, expected.map(|(name, help)| (name.to_owned(), help.to_owned())));

    let inputs = of_kind("exemplars");
    let before: u64 = inputs.iter().map(|meta| meta.rows).sum();
    let exemplars = merge.run(objects, inputs).await.unwrap();
    let [output] = exemplars.as_slice() else { panic!("{exemplars:?}") };
    // Of 12 per series two are sent twice: at the third tick of a part and the first of the next.
    assert_eq!((before, output.rows, output.series), (36, 20, 2));
    let rows = exemplar_rows(&objects.get(&output.object).await.unwrap().bytes);
    let mut sorted = rows.clone();
    sorted.sort_by_key(|row| (row.0.clone(), row.1));
    assert_eq!(rows, sorted);
    assert!(rows.iter().all(|row| row.2 == format!("{:032x}", u8::from(row.0 == "a"))), "{rows:?}");
    // Merged again they are the same.
    let again = merge.run(objects, exemplars).await.unwrap();
    assert_eq!(exemplar_rows(&objects.get(&again[0].object).await.unwrap().bytes), rows);
    store.end().await;
}

/// Job, time and trace of every row.
fn exemplar_rows(bytes: &bytes::Bytes) -> Vec<(String, i64, String)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        for row in 0..batch.num_rows() {
            let job = column("l_job").as_string::<i32>().value(row).to_owned();
            let time = column("ts").as_primitive::<TimestampMicrosecondType>().value(row);
            let trace = column("trace_id").as_fixed_size_binary().value(row);
            let trace = trace.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(column("attributes").as_map().value(row).len(), 2, "user and odd span id");
            rows.push((job, time, trace));
        }
    }
    rows
}
