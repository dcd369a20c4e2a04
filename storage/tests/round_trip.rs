//! A block gives back what went in, bit for bit, or says that it is damaged: never anything else.
#![expect(clippy::disallowed_methods, reason = "golden files are no part of a data folder")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutPayload};
use tarn_model::error::{Error, ErrorKind};
use tarn_model::labels::LabelSet;
use tarn_model::sample::{Counts, Exemplar, Histogram, Metadata, MetricType, ResetHint, stale_nan};
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::block::BlockMeta;
use tarn_storage::view::{ScanLimits, Selector, View};
use tarn_testkit::store::Store;

const LIMITS: ScanLimits = ScanLimits { series_max: 1000, bytes_max: 1 << 30 };
/// 2025-11-20T23:50:00Z: the rows below lie on two days.
const BASE_MS: i64 = 1_763_682_600_000;

/// All kinds of samples and labels that a block can hold.
async fn fill(store: &Store) {
    let mut appender = store.storage().writer().appender(&TenantId::default_tenant()).unwrap();
    let labels = |pairs: &[(&str, &str)]| LabelSet::from_pairs(pairs);
    let payload_nan = f64::from_bits(0x7ff8_0000_0000_1234);
    let special = [-0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, payload_nan, 1.0 / 3.0];
    let sets: [(&str, Vec<f64>); 5] = [
        ("ints", (0..300).map(f64::from).collect()),
        ("decimals", (0..300).map(|i| f64::from(i) / 100.0).collect()),
        ("special", special.iter().copied().cycle().take(300).collect()),
        ("constant", vec![1.0; 300]),
        ("stale", (0..300).map(|i| if i % 7 == 3 { stale_nan() } else { 2.5 }).collect()),
    ];
    for (name, values) in sets {
        let series = appender.series(&labels(&[("__name__", name), ("job", "a")])).unwrap();
        for (i, value) in values.into_iter().enumerate() {
            appender.float(series, BASE_MS + i as i64 * 5000, value, 0).unwrap();
        }
    }
    for rule in 0..3 {
        let rule_name = rule.to_string();
        let pairs = [("__name__", "started"), ("rule", rule_name.as_str()), ("Rule", "map")];
        let series = appender.series(&labels(&pairs)).unwrap();
        for i in 0..50 {
            let time_ms = BASE_MS + i * 1000;
            let start_ms = [BASE_MS - 7, time_ms - 1000, time_ms - i * i][rule];
            appender.float(series, time_ms, i as f64, start_ms).unwrap();
        }
    }
    let lone = appender.series(&labels(&[("__name__", "lone"), ("läuft", "ja")])).unwrap();
    appender.float(lone, BASE_MS, stale_nan(), 0).unwrap();
    for (i, name) in ["h_int", "h_float", "h_custom"].into_iter().enumerate() {
        let series = appender.series(&labels(&[("__name__", name)])).unwrap();
        for n in 0..20 {
            let histogram = Arc::new(histogram(i, n));
            appender.histogram(series, BASE_MS + n * 1000, histogram, 0).unwrap();
        }
    }
    let exemplar = Exemplar {
        labels: labels(&[("trace_id", "0123456789abcdef0123456789abcdef"), ("user", "u")]),
        value: 0.25,
        time_ms: BASE_MS,
    };
    let ints = appender.series(&labels(&[("__name__", "ints"), ("job", "a")])).unwrap();
    appender.exemplar(ints, exemplar).unwrap();
    let metadata =
        Metadata { metric_type: MetricType::Gauge, unit: "m".into(), help: "Whole numbers".into() };
    appender.metadata("ints", &metadata);
    appender.commit().await.unwrap();
}

fn histogram(kind: usize, n: i64) -> Histogram {
    let buckets = vec![n, n * 2, n + 5];
    let count = (n * 4 + 5) as u64;
    let counts = match kind {
        1 => Counts::Float {
            count: count as f64,
            zero: 0.0,
            buckets: buckets.into_iter().map(|b| b as f64 + 0.5).collect(),
        },
        _ => Counts::Int { count, zero: 0, buckets },
    };
    Histogram {
        schema: if kind == 2 { -53 } else { 3 },
        bounds: if kind == 2 { vec![0.1, 1.0, 10.0, 100.0] } else { Vec::new() },
        zero_threshold: 1e-128,
        sum: n as f64 * 0.7,
        positive: vec![0, 2],
        negative: if kind == 2 { Vec::new() } else { vec![-3] },
        counts: if kind == 2 { truncated(counts) } else { counts },
        reset_hint: ResetHint::Unknown,
    }
}

fn truncated(counts: Counts) -> Counts {
    match counts {
        Counts::Int { count, zero, buckets } => {
            Counts::Int { count, zero, buckets: buckets[..2].to_vec() }
        }
        float => float,
    }
}

type Everything = BTreeMap<LabelSet, Vec<String>>;

/// Reads all samples, values as bits.
async fn read(view: &Arc<View>) -> Result<Everything, Error> {
    let selector = Selector { matchers: Vec::new(), range: TimeRange::ALL };
    let tenant = TenantId::default_tenant();
    let mut selection = view.select(&tenant, &[selector], LIMITS).await?.remove(0);
    let mut all = Everything::new();
    let mut slices = Vec::new();
    for series in &selection.series {
        selection.cursor.next(&mut slices).await?;
        let texts = all.entry(series.labels.clone()).or_default();
        for slice in &slices {
            for (i, time) in slice.times().iter().enumerate() {
                let start = slice.starts.as_ref().map_or(0, |s| s[i]);
                let value = match &slice.samples {
                    tarn_model::slice::Samples::Floats(v) => format!("{:016x}", v[i].to_bits()),
                    tarn_model::slice::Samples::Histograms(h) => compact(&h[i]),
                };
                texts.push(format!("{time} {start} {value}"));
            }
            texts.extend(slice.stale_at.map(|time| format!("{time} stale")));
        }
    }
    Ok(all)
}

/// Writes a histogram without empty buckets and without its hint, which may change.
fn compact(histogram: &Histogram) -> String {
    let Histogram { schema, bounds, zero_threshold, sum, counts, .. } = histogram;
    let (head, buckets): (String, Vec<f64>) = match counts {
        Counts::Int { count, zero, buckets } => {
            (format!("int {count} {zero}"), buckets.iter().map(|b| *b as f64).collect())
        }
        Counts::Float { count, zero, buckets } => {
            (format!("float {count:?} {zero:?}"), buckets.clone())
        }
    };
    let sides = histogram.positive.iter().map(|i| ('+', i));
    let sides = sides.chain(histogram.negative.iter().map(|i| ('-', i)));
    let kept: Vec<String> = sides
        .zip(buckets)
        .filter(|(_, b)| *b != 0.0)
        .map(|((side, index), b)| format!("{side}{index}:{b:?}"))
        .collect();
    format!("{schema} {bounds:?} {zero_threshold:?} {sum:?} {head} {}", kept.join(" "))
}

fn metas(store: &Store) -> Vec<Arc<BlockMeta>> {
    store.storage().catalog().all_blocks().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_give_back_every_bit() {
    let store = Store::open(1).await.unwrap();
    fill(&store).await;
    let before = read(&store.storage().reader().view()).await.unwrap();
    store.storage().flush().await.unwrap();
    let store = store.close().await.unwrap();
    let view = store.storage().reader().view();
    let after = read(&view).await.unwrap();
    for (labels, samples) in &before {
        assert_eq!(after.get(labels), Some(samples), "{labels}");
    }
    assert_eq!(before.len(), after.len());
    let kinds: Vec<String> = metas(&store).iter().map(|m| m.kind.clone()).collect();
    assert_eq!(kinds.iter().filter(|k| *k == "slices").count(), 2, "two days: {kinds:?}");
    let families = view.families(&TenantId::default_tenant()).await.unwrap();
    assert_eq!(families.len(), 1, "{families:?}");
    assert_eq!((&*families[0].0, families[0].1.metric_type), ("ints", MetricType::Gauge));
    store.end().await;
}

/// A back-fill over many days: the eight newest get blocks of their own, the rest shares one.
#[tokio::test(flavor = "multi_thread")]
async fn older_days_share_a_late_block() {
    let store = Store::open(5).await.unwrap();
    let mut appender = store.storage().writer().appender(&TenantId::default_tenant()).unwrap();
    for job in ["a", "b"] {
        let labels = LabelSet::from_pairs(&[("__name__", "up"), ("job", job)]);
        let series = appender.series(&labels).unwrap();
        for hour in 0..24 * 12 {
            appender.float(series, BASE_MS + hour * 3_600_000, hour as f64 / 3.0, 0).unwrap();
        }
    }
    appender.commit().await.unwrap();
    let before = read(&store.storage().reader().view()).await.unwrap();
    store.storage().flush().await.unwrap();
    let metas = metas(&store);
    let late: Vec<&Arc<BlockMeta>> = metas.iter().filter(|m| m.day == "late").collect();
    assert_eq!((metas.len(), late.len()), (9, 1));
    assert_eq!(
        late[0].days,
        ["2025-11-20", "2025-11-21", "2025-11-22", "2025-11-23", "2025-11-24"]
    );
    assert_eq!(read(&store.fresh_view()).await.unwrap(), before);
    store.end().await;
}

/// COR-1: any flipped byte of a block is found, or lies where nobody reads; it is never served.
#[tokio::test(flavor = "multi_thread")]
async fn cor_1_a_damaged_byte_is_never_served() {
    let store = Store::open(2).await.unwrap();
    fill(&store).await;
    store.storage().flush().await.unwrap();
    let whole = read(&store.storage().reader().view()).await.unwrap();
    let mut found = 0;
    let mut tried = 0;
    for meta in metas(&store).iter().filter(|m| m.kind == "slices") {
        let path = object_store::path::Path::from(meta.object.as_str());
        let sound = store.bucket.get(&path).await.unwrap().bytes().await.unwrap();
        // A sample of the data, and a denser one of the tail, which has the most structure.
        let tail = (meta.bytes - meta.tail_bytes) as usize;
        for at in (0..sound.len()).filter(|at| at % 197 == 0 || (*at >= tail && at % 13 == 0)) {
            let mut damaged = sound.to_vec();
            damaged[at] ^= 0x10;
            put(&store, &path, damaged.into()).await;
            tried += 1;
            match fresh_read(&store).await {
                Ok(read) => assert_eq!(read, whole, "byte {at} changed what is read"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error:?}");
                    found += 1;
                }
            }
        }
        for cut in [0, 1, sound.len() / 2, sound.len() - 1] {
            put(&store, &path, sound.slice(..cut)).await;
            let error = fresh_read(&store).await.unwrap_err();
            assert_ne!(error.kind(), ErrorKind::Internal, "cut at {cut}: {error:?}");
        }
        store.bucket.delete(&path).await.unwrap();
        let error = fresh_read(&store).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "gone: {error:?}");
        put(&store, &path, sound).await;
    }
    println!("{found} of {tried} flips found");
    assert!(found * 10 > tried * 9, "{found} of {tried}");
    store.end().await;
}

async fn put(store: &Store, path: &object_store::path::Path, bytes: Bytes) {
    store.bucket.put(path, PutPayload::from(bytes)).await.unwrap();
}

/// Reads with nothing cached.
async fn fresh_read(store: &Store) -> Result<Everything, Error> {
    read(&store.fresh_view()).await
}

fn golden(name: &str) -> PathBuf {
    tarn_testkit::tree::own_folder().join("../tests/compat/v1/block").join(name)
}

/// Every released format opens forever. `TARN_WRITE_GOLDEN` writes the files of this version.
#[tokio::test(flavor = "multi_thread")]
async fn golden_blocks_of_version_1_open() {
    if std::env::var_os("TARN_WRITE_GOLDEN").is_some() {
        write_golden().await;
    }
    let metas: Vec<BlockMeta> =
        serde_json::from_slice(&std::fs::read(golden("metas.json")).unwrap()).unwrap();
    let store = Store::open(3).await.unwrap();
    for (i, meta) in metas.iter().enumerate() {
        let path = object_store::path::Path::from(meta.object.as_str());
        let bytes = std::fs::read(golden(&format!("{i}-{}.parquet", meta.kind))).unwrap();
        put(&store, &path, bytes.into()).await;
    }
    let view = store.view_of(metas).unwrap();
    let text = render(&read(&view).await.unwrap());
    let expected = std::fs::read_to_string(golden("samples.txt")).unwrap();
    assert_eq!(text, expected);
    let families = view.families(&TenantId::default_tenant()).await.unwrap();
    assert_eq!(&*families[0].1.help, "Whole numbers");
    store.end().await;
}

fn render(all: &Everything) -> String {
    let lines = all.iter().flat_map(|(labels, samples)| {
        std::iter::once(labels.to_string()).chain(samples.iter().map(|s| format!("  {s}")))
    });
    lines.map(|line| line + "\n").collect()
}

async fn write_golden() {
    let store = Store::open(4).await.unwrap();
    fill(&store).await;
    store.storage().flush().await.unwrap();
    std::fs::create_dir_all(golden("")).unwrap();
    let metas = metas(&store);
    for (i, meta) in metas.iter().enumerate() {
        let object = store.storage().objects().get(&meta.object).await.unwrap();
        std::fs::write(golden(&format!("{i}-{}.parquet", meta.kind)), &object.bytes).unwrap();
    }
    let json = serde_json::to_vec_pretty(&metas).unwrap();
    std::fs::write(golden("metas.json"), json).unwrap();
    let text = render(&read(&store.storage().reader().view()).await.unwrap());
    std::fs::write(golden("samples.txt"), text).unwrap();
    store.end().await;
}
