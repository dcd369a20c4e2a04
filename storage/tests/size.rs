//! How many bytes a sample takes, everything on disk included: real scrapes of the corpus, and
//! integers in the shape of TSBS' cpu-only set, as they are flushed and as they are merged. Prints
//! the figures and holds their ceilings.
#![expect(clippy::disallowed_methods, reason = "real time, and a corpus outside any data folder")]
#![expect(clippy::print_stdout, reason = "the figures are what the test is for")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use object_store::ObjectStore;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tarn_model::labels::{Label, LabelSet};
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::block::BlockMeta;
use tarn_storage::block::figures::Slices;
use tarn_storage::view::{ScanLimits, Selector, View};
use tarn_testkit::merge::Merge;
use tarn_testkit::sim::SimRng;
use tarn_testkit::store::Store;

const LIMITS: ScanLimits = ScanLimits { series_max: 1 << 20, bytes_max: 4 << 30 };

struct Series {
    labels: LabelSet,
    samples: Vec<(i64, f64)>,
}

fn corpus() -> Option<PathBuf> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    let root = std::env::var_os("TARN_CORPUS").map_or_else(|| own.into(), PathBuf::from);
    let file = root.join("metrics/node-10min.tar.zst");
    file.is_file().then_some(file)
}

/// Returns the content of a file of an uncompressed tar archive.
fn untar<'a>(archive: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut rest = archive;
    while rest.len() >= 512 {
        let (header, body) = rest.split_at(512);
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[range]).trim_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap_or(0);
        if text(0..100).ends_with(wanted) {
            return body.get(..size);
        }
        rest = body.get(size.div_ceil(512) * 512..)?;
    }
    None
}

fn node_10min(file: &std::path::Path) -> Vec<Series> {
    let packed = std::fs::File::open(file).unwrap();
    let mut archive = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::new(packed).unwrap();
    std::io::Read::read_to_end(&mut decoder, &mut archive).unwrap();
    let index = std::str::from_utf8(untar(&archive, "series.jsonl").unwrap()).unwrap();
    let mut samples = untar(&archive, "samples.bin").unwrap();
    let mut take = |n: usize| {
        let (part, rest) = samples.split_at(n * 8);
        samples = rest;
        part.chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())).collect::<Vec<_>>()
    };
    let series = index.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let n = line["n"].as_u64().unwrap() as usize;
        let labels = line["labels"].as_object().unwrap().iter();
        let labels = labels.map(|(k, v)| Label::new(k.as_str(), v.as_str().unwrap())).collect();
        let (times, values) = (take(n), take(n));
        let stale = f64::from_bits(tarn_model::sample::STALE_NAN_BITS);
        // The dump does not tell markers from real NaN; nearly all are markers.
        let value = |bits: u64| Some(f64::from_bits(bits)).filter(|v| !v.is_nan()).unwrap_or(stale);
        let samples = times.into_iter().zip(values).map(|(t, v)| (t as i64, value(v))).collect();
        Series { labels, samples }
    });
    series.collect()
}

/// Ten gauges per host that walk between 0 and 100, every 10 s.
fn tsbs(hosts: usize, samples: i64) -> Vec<Series> {
    let rng = SimRng::new(7);
    let fields = [
        "user",
        "system",
        "idle",
        "nice",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guest_nice",
    ];
    let mut all = Vec::new();
    for host in 0..hosts {
        for field in fields {
            let labels = LabelSet::from_pairs(&[
                ("__name__", &format!("cpu_usage_{field}")),
                ("hostname", &format!("host_{host}")),
                ("region", ["eu-west-1", "us-east-1", "ap-south-1"][host % 3]),
                ("datacenter", &format!("dc-{}", host % 9)),
                ("rack", &(host % 100).to_string()),
                ("os", ["Ubuntu15.10", "Ubuntu16.10"][host % 2]),
                ("arch", ["x64", "x86"][host % 2]),
                ("team", ["SF", "NYC", "LON", "CHI"][host % 4]),
                ("service", &(host % 20).to_string()),
                ("service_environment", ["production", "staging", "test"][host % 3]),
            ]);
            let mut value = rng.below(101) as f64;
            let walk = |i: i64| {
                // Steps of a normal distribution with deviation 1, as TSBS draws them.
                let normal: f64 =
                    (0..12).map(|_| rng.below(10_000) as f64 / 1e4).sum::<f64>() - 6.0;
                value = (value + normal).clamp(0.0, 100.0);
                (1_763_596_800_000 + i * 10_000, value.trunc())
            };
            all.push(Series { labels, samples: (0..samples).map(walk).collect() });
        }
    }
    all
}

async fn figure(name: &str, set: &[Series]) -> Figures {
    let store = Store::open(1).await.unwrap();
    let tenant = TenantId::default_tenant();
    let begun = Instant::now();
    for part in set.chunks(500) {
        let mut appender = store.storage().writer().appender(&tenant).unwrap();
        for series in part {
            let reference = appender.series(&series.labels).unwrap();
            for (time_ms, value) in &series.samples {
                appender.float(reference, *time_ms, *value, 0).unwrap();
            }
        }
        appender.commit().await.unwrap();
    }
    let appended = begun.elapsed();
    let begun = Instant::now();
    let report = store.storage().flush().await.unwrap();
    let flushed = begun.elapsed();
    let blocks = store.storage().catalog();
    let meta = blocks.all_blocks().next().unwrap();
    let listing = catalog_bytes(&store).await;
    let held: usize = set.iter().map(|s| s.samples.iter().filter(|s| !s.1.is_nan()).count()).sum();
    let bytes_per_sample = (report.bytes + listing) as f64 / held as f64;
    let begun = Instant::now();
    let read = read_all(&store).await;
    println!(
        "{name}: {held} samples in {} blocks, {} bytes of blocks (first: {} rows, tail {} bytes), \
         {listing} of catalog: {bytes_per_sample:.3} bytes per sample; append {appended:?}, \
         flush {flushed:?}, read {:?}",
        report.blocks,
        report.bytes,
        meta.rows,
        meta.tail_bytes,
        begun.elapsed()
    );
    assert_eq!(read, held);
    show(&store, meta).await;
    pages(name, set);
    let inputs: Vec<_> = blocks.all_blocks().cloned().collect();
    let merged_per_sample = merged(name, &store, inputs, held).await;
    store.end().await;
    Figures { flushed: bytes_per_sample, merged: merged_per_sample }
}

/// Prints what the values alone take in pages, and how long one core works on them.
fn pages(name: &str, set: &[Series]) {
    let values = |series: &Series| {
        series.samples.iter().map(|(_, value)| *value).filter(|value| !value.is_nan()).collect()
    };
    let slices = Slices::of(set.iter().map(values)).unwrap();
    let begun = Instant::now();
    let pages = slices.encode().unwrap();
    let encoded = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(pages.decode().unwrap(), slices.samples());
    let per_second = |time: std::time::Duration| slices.samples() as f64 / time.as_secs_f64() / 1e6;
    println!(
        "{name}, pages: {:.3} bytes per sample; encode {:.1} M/s, decode {:.1} M/s",
        pages.bytes() as f64 / slices.samples() as f64,
        per_second(encoded),
        per_second(begun.elapsed())
    );
}

/// Bytes per sample.
struct Figures {
    flushed: f64,
    merged: f64,
}

/// Merges blocks, and returns what a sample then takes.
async fn merged(name: &str, store: &Store, inputs: Vec<Arc<BlockMeta>>, held: usize) -> f64 {
    let begun = Instant::now();
    let blocks = Merge::default().run(store.storage().objects(), inputs).await.unwrap();
    let bytes: u64 = blocks.iter().map(|block| block.bytes).sum();
    let samples: u64 = blocks.iter().map(|block| block.samples).sum();
    assert_eq!(samples, held as u64);
    let bytes_per_sample = bytes as f64 / held as f64;
    println!(
        "{name}, merged: {bytes} bytes in {} blocks: {bytes_per_sample:.3} bytes per sample; \
         merge {:?}",
        blocks.len(),
        begun.elapsed()
    );
    show(store, &blocks[0]).await;
    bytes_per_sample
}

async fn show(store: &Store, meta: &BlockMeta) {
    let object = store.storage().objects().get(&meta.object).await.unwrap();
    let mut text = Vec::new();
    tarn_storage::operate::block_show::show(&object.bytes, &mut text).unwrap();
    println!("{}", String::from_utf8(text).unwrap());
}

async fn read_all(store: &Store) -> usize {
    read_view(&store.storage().reader().view()).await
}

async fn read_view(view: &Arc<View>) -> usize {
    let selector = Selector { matchers: vec![], range: TimeRange::ALL };
    let tenant = TenantId::default_tenant();
    let mut selection = view.select(&tenant, &[selector], LIMITS).await.unwrap().remove(0);
    let (mut slices, mut read) = (Vec::new(), 0);
    while selection.cursor.next(&mut slices).await.unwrap() {
        let floats = slices.iter().filter(|s| matches!(s.samples, Samples::Floats(_)));
        read += floats.map(|s| s.samples.len()).sum::<usize>();
    }
    read
}

/// Returns the bytes of the catalog's manifests.
async fn catalog_bytes(store: &Store) -> u64 {
    let folder = object_store::path::Path::from(tarn_storage::paths::CATALOG_PREFIX);
    let listed = store.bucket.list_with_delimiter(Some(&folder)).await.unwrap();
    listed.objects.iter().map(|o| o.size).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_per_sample_of_real_scrapes() {
    let Some(file) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let figure = figure("node-10min", &node_10min(&file)).await;
    assert!(figure.flushed <= 0.65, "{} bytes per sample", figure.flushed);
    assert!(figure.merged <= 0.49, "{} bytes per sample", figure.merged);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_per_sample_of_tsbs_like_integers() {
    let figure = figure("tsbs-like", &tsbs(25, 4320)).await;
    assert!(figure.flushed <= 0.45, "{} bytes per sample", figure.flushed);
    assert!(figure.merged <= 0.335, "{} bytes per sample", figure.merged);
}

/// Flushes a set in parts of its time, as a running store does.
async fn flush_in_parts(store: &Store, set: &[Series], parts: i64) {
    let tenant = TenantId::default_tenant();
    let times = || set.iter().flat_map(|series| series.samples.iter().map(|sample| sample.0));
    let (first, last) = (times().min().unwrap(), times().max().unwrap());
    let step = (last - first) / parts + 1;
    for part in 0..parts {
        let range = first + part * step..first + (part + 1) * step;
        for chunk in set.chunks(500) {
            let mut appender = store.storage().writer().appender(&tenant).unwrap();
            for series in chunk {
                let inside = series.samples.iter().filter(|sample| range.contains(&sample.0));
                let mut inside = inside.peekable();
                if inside.peek().is_none() {
                    continue;
                }
                let reference = appender.series(&series.labels).unwrap();
                for (time_ms, value) in inside {
                    appender.float(reference, *time_ms, *value, 0).unwrap();
                }
            }
            appender.commit().await.unwrap();
        }
        store.storage().flush().await.unwrap();
    }
}

type Metas = Vec<Arc<BlockMeta>>;

/// Merges slices by so many neighbours, and prints what that costs.
async fn merge_level(
    store: &Store,
    inputs: Metas,
    level: u8,
    neighbours: usize,
    held: usize,
) -> Metas {
    let merge = Merge { level, ..Merge::default() };
    let before = memory("VmRSS:");
    // Begins the high-water mark anew, where the system lets us.
    let resettable = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let (begun, mut outputs) = (Instant::now(), Metas::new());
    for inputs in inputs.chunks(neighbours) {
        outputs.extend(merge.run(store.storage().objects(), inputs.to_vec()).await.unwrap());
    }
    let (taken, peak) = (begun.elapsed().as_secs_f64(), memory("VmHWM:").saturating_sub(before));
    let sum = |metas: &Metas| metas.iter().map(|meta| meta.bytes).sum::<u64>() as f64;
    let rows = |metas: &Metas| metas.iter().map(|meta| meta.rows).sum::<u64>();
    println!(
        "  level {level}: {} blocks, {} rows -> {} blocks, {} rows, {:.3} bytes per sample; {:.1} M \
         samples/s, {:.1} MB/s, peak {} MiB{}",
        inputs.len(),
        rows(&inputs),
        outputs.len(),
        rows(&outputs),
        sum(&outputs) / held as f64,
        held as f64 / 1e6 / taken,
        sum(&inputs) / 1e6 / taken,
        peak >> 20,
        if resettable { "" } else { " (since the start)" },
    );
    outputs
}

/// Returns a figure of this process in bytes, 0 where it is not told.
fn memory(name: &str) -> usize {
    let mut text = String::new();
    let file = std::fs::File::open("/proc/self/status");
    let read = file.and_then(|mut file| std::io::Read::read_to_string(&mut file, &mut text));
    let line = read.ok().and_then(|_| text.lines().find(|line| line.starts_with(name)));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok()).unwrap_or(0) << 10
}

/// Timelines of a block, and their ticks.
async fn timelines(store: &Store, metas: &Metas) -> (usize, i64) {
    let (mut count, mut ticks) = (0, 0);
    for meta in metas {
        let bytes = store.storage().objects().get(&meta.object).await.unwrap().bytes;
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let mask = ProjectionMask::columns(builder.parquet_schema(), ["timeline", "n"]);
        for batch in builder.with_projection(mask).build().unwrap() {
            let batch = batch.unwrap();
            let int = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int32Type>();
            let (timeline, n) = (int("timeline"), int("n"));
            let own = (0..batch.num_rows()).filter(|row| timeline.is_null(*row));
            for row in own {
                count += 1;
                ticks += i64::from(n.value(row));
            }
        }
    }
    (count, ticks)
}

/// Flushes, merges twice, and returns bytes per sample of the final blocks.
async fn merged_figure(name: &str, set: &[Series]) -> f64 {
    let held: usize = set.iter().map(|s| s.samples.iter().filter(|s| !s.1.is_nan()).count()).sum();
    let slices = |store: &Store| -> Metas {
        let catalog = store.storage().catalog();
        catalog.all_blocks().filter(|meta| meta.kind == "slices").cloned().collect()
    };
    // All at once: what the search finds with whole vectors before it.
    let whole = Store::open(2).await.unwrap();
    flush_in_parts(&whole, set, 1).await;
    println!("{name}, {held} samples, one flush:");
    let oracle = merge_level(&whole, slices(&whole), 2, 1, held).await;
    let oracle = timelines(&whole, &oracle).await;
    whole.end().await;

    let store = Store::open(3).await.unwrap();
    flush_in_parts(&store, set, 8).await;
    let before = read_all(&store).await;
    let flushed = slices(&store);
    let bytes: u64 = flushed.iter().map(|meta| meta.bytes).sum();
    println!("{name}, 8 flushes: {:.3} bytes per sample", bytes as f64 / held as f64);
    let first = merge_level(&store, flushed, 1, 4, held).await;
    let last = merge_level(&store, first, 2, 2, held).await;
    let found = timelines(&store, &last).await;
    println!("  timelines and ticks: {found:?}, of whole vectors {oracle:?}");
    assert!(found.1 as f64 <= 1.5 * oracle.1 as f64, "{found:?} against {oracle:?}");
    let metas: Vec<_> = last.iter().map(|meta| (**meta).clone()).collect();
    assert_eq!(read_view(&store.view_of(metas).unwrap()).await, before);
    show(&store, &last[0]).await;
    let figure = last.iter().map(|meta| meta.bytes).sum::<u64>() as f64 / held as f64;
    store.end().await;
    figure
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_per_sample_of_merged_real_scrapes() {
    let Some(file) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let figure = merged_figure("node-10min", &node_10min(&file)).await;
    assert!(figure <= 0.49, "{figure} bytes per sample");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_per_sample_of_merged_tsbs_like_integers() {
    let figure = merged_figure("tsbs-like", &tsbs(100, 1000)).await;
    assert!(figure <= 0.38, "{figure} bytes per sample");
}
