//! Readers that are not Tarn read the same: DuckDB and pyarrow over blocks of two flushes with
//! different labels, with the SQL of the storage documentation. Skipped where Python lacks them.
#![expect(clippy::print_stdout, reason = "what is skipped is said")]
#![expect(clippy::disallowed_methods, reason = "the folder is DuckDB's, not a data folder")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::process::Command;

use object_store::ObjectStoreExt;
use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::rng::Rng as _;
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::view::{ScanLimits, Selector};
use tarn_testkit::merge::Merge;
use tarn_testkit::sim::SimRng;
use tarn_testkit::store::Store;

const BASE_MS: i64 = 1_763_640_000_000;
const LIMITS: ScanLimits = ScanLimits { series_max: 1000, bytes_max: 1 << 30 };

/// Prints per metric how many values there are, and the sum of their bits, as two readers see them.
const BITS_SCRIPT: &str = r#"
import sys, glob, struct
try:
    import duckdb, pyarrow.parquet as pq
except ImportError as e:
    print("missing", e); sys.exit(0)
def bits(row):
    values = row["vf"] if row["vi"] is None else [v / 10.0 ** row["scale"] for v in row["vi"]]
    return [struct.unpack("<Q", struct.pack("<d", v))[0] for v in values or []]
def tell(reader, rows):
    sums = {}
    for row in rows:
        if row["timeline"] is not None:
            sums.setdefault(row["metric"], []).extend(bits(row))
    for metric, values in sorted(sums.items()):
        print(reader, metric, len(values), sum((i + 1) * b for i, b in enumerate(values)) % 2**64)
for f in sorted(glob.glob(sys.argv[1] + "/*.parquet")):
    tell("pyarrow", pq.read_table(f).to_pylist())
    found = duckdb.connect().execute(
        "SELECT metric, timeline, scale, vi, vf FROM read_parquet(?) ORDER BY row_id", [f])
    names = [d[0] for d in found.description]
    tell("duckdb", [dict(zip(names, row)) for row in found.fetchall()])
"#;

const SCRIPT: &str = r#"
import sys, glob
try:
    import duckdb, pyarrow.parquet as pq
except ImportError as e:
    print("missing", e); sys.exit(0)
folder = sys.argv[1]
files = sorted(glob.glob(folder + "/*.parquet"))
c = duckdb.connect()
c.execute("SET VARIABLE blocks = " + repr(files))
c.execute("""CREATE VIEW slices AS
  SELECT * FROM read_parquet(getvariable('blocks'), union_by_name = true, filename = true)""")
c.execute("""CREATE VIEW samples AS
SELECT s.* EXCLUDE (row_id, timeline, ts_offset, n, scale, stale, ts, vi, vf, filename),
       unnest(list_slice(t.ts, s.ts_offset + 1, s.ts_offset + s.n)) AS ts,
       unnest(coalesce(s.vf, list_transform(s.vi, lambda m: m::DOUBLE / (10::DOUBLE ** s.scale)))) AS value
FROM slices s JOIN slices t ON t.filename = s.filename AND t.row_id = s.timeline AND t.timeline IS NULL
WHERE s.timeline IS NOT NULL AND (s.vi IS NOT NULL OR s.vf IS NOT NULL)""")
for row in c.execute("""SELECT coalesce(metric, ''), coalesce(l_instance, ''), count(*), sum(value),
    epoch_ms(min(ts)), epoch_ms(max(ts)) FROM samples GROUP BY 1, 2 ORDER BY 1, 2""").fetchall():
    print("duckdb", *row)
markers = c.execute("SELECT count(*) FROM slices WHERE stale").fetchone()[0]
print("markers", markers)
n = 0
values = 0
for f in files:
    t = pq.read_table(f)
    assert "ARROW:schema" not in str(t.schema.metadata or {})
    field = t.schema.field("metric")
    assert field.metadata[b"PARQUET:field_id"], "field ids"
    for row in t.to_pylist():
        if row["timeline"] is None:
            continue
        n += row["n"]
        values += len(row["vi"] or row["vf"] or [])
print("pyarrow", n, values)
"#;

/// Appends the samples of one flush and returns nothing: what was stored is asked from the view.
async fn flush(store: &Store, second: bool) {
    let mut appender = store.storage().writer().appender(&TenantId::default_tenant()).unwrap();
    for instance in ["h1", "h2", "h3"] {
        for (metric, k) in [("load", 100.0), ("requests", 1.0), ("noise", 0.0)] {
            let pairs = [("__name__", metric), ("instance", instance)];
            let zone = [("zone", "z"), ("Zone", "map")];
            let extra = if second { &zone[..] } else { &[] };
            let labels = LabelSet::from_pairs(&[&pairs[..], extra].concat());
            let series = appender.series(&labels).unwrap();
            for i in 0..500_i64 {
                let time_ms = BASE_MS + (i + 500 * i64::from(second)) * 15_000;
                let value = if k == 0.0 { 1.0 / (i + 3) as f64 } else { (i * 7 % 97) as f64 / k };
                let stale = metric == "load" && i == 250;
                let value = if stale { tarn_model::sample::stale_nan() } else { value };
                appender.float(series, time_ms, value, 0).unwrap();
            }
        }
    }
    appender.commit().await.unwrap();
    store.storage().flush().await.unwrap();
}

/// What Tarn itself reads: per metric and instance count, sum, first and last time; and markers.
async fn own(store: &Store) -> (std::collections::BTreeMap<(String, String), Sums>, usize) {
    let tenant = TenantId::default_tenant();
    let selector = Selector { matchers: Vec::new(), range: TimeRange::ALL };
    let view = store.fresh_view();
    let mut selection = view.select(&tenant, &[selector], LIMITS).await.unwrap().remove(0);
    let mut sums: std::collections::BTreeMap<(String, String), Sums> = Default::default();
    let (mut slices, mut markers) = (Vec::new(), 0);
    for series in &selection.series {
        selection.cursor.next(&mut slices).await.unwrap();
        let key = (series.labels.metric().to_owned(), series.labels.value("instance").to_owned());
        let sum = sums.entry(key).or_insert(Sums { first: i64::MAX, ..Sums::default() });
        for slice in &slices {
            markers += usize::from(slice.stale_at.is_some());
            sum.count += slice.samples.len();
            if let Samples::Floats(values) = &slice.samples {
                sum.sum += values.iter().sum::<f64>();
            }
            for time in slice.times() {
                (sum.first, sum.last) = (sum.first.min(*time), sum.last.max(*time));
            }
        }
    }
    (sums, markers)
}

#[derive(Debug, Default)]
struct Sums {
    count: usize,
    sum: f64,
    first: i64,
    last: i64,
}

/// Runs a script over a folder; `None` where Python lacks what it needs.
fn python(script: &str, folder: &std::path::Path) -> Option<String> {
    let program = std::env::var_os("TARN_PYTHON").unwrap_or_else(|| "python3".into());
    let Ok(output) = Command::new(program).arg("-c").arg(script).arg(folder).output() else {
        println!("skipped: no python3");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.starts_with("missing") {
        println!("skipped: {text}");
        return None;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

/// Values for which another encoding is smallest, each.
fn value(kind: &str, i: u64, rng: &SimRng, before: f64) -> f64 {
    match kind {
        "constant" => 7.0,
        "counter" => before + 1000.0 + rng.below(50) as f64,
        "noisy" => (before + rng.below(9) as f64 - 4.0).clamp(0.0, 100.0),
        "large" => rng.below(1 << 40) as f64 * 4096.0,
        "cycle" => (i * i % 211) as f64 * 1e9,
        "special" => {
            [-0.0, f64::INFINITY, f64::from_bits(0x7ff8_0000_0000_1234), 1.0 / 3.0][i as usize % 4]
        }
        "random" => f64::from_bits(rng.next_u64() & !(1 << 62)),
        _ => rng.below(1 << 50) as f64 / (1_u64 << 50) as f64,
    }
}

const KINDS: &[&str] =
    &["constant", "counter", "cycle", "large", "noisy", "random", "special", "unit"];

#[tokio::test(flavor = "multi_thread")]
async fn outsiders_read_every_encoding_bit_for_bit() {
    let store = Store::open(1).await.unwrap();
    let rng = SimRng::new(1);
    for part in 0..2 {
        let mut appender = store.storage().writer().appender(&TenantId::default_tenant()).unwrap();
        for kind in KINDS {
            for host in ["a", "b", "c"] {
                let labels = LabelSet::from_pairs(&[("__name__", kind), ("host", host)]);
                let series = appender.series(&labels).unwrap();
                let mut last = 0.0;
                for i in part * 4000..(part + 1) * 4000 {
                    last = value(kind, i, &rng, last);
                    appender.float(series, BASE_MS + i as i64 * 1000, last, 0).unwrap();
                }
            }
        }
        appender.commit().await.unwrap();
        store.storage().flush().await.unwrap();
    }
    let inputs = store.storage().catalog().all_blocks().cloned().collect();
    let merged = Merge::default().run(store.storage().objects(), inputs).await.unwrap();
    assert_eq!(merged.len(), 1);
    let object = store.storage().objects().get(&merged[0].object).await.unwrap();
    let mut shown = Vec::new();
    tarn_storage::operate::block_show::show(&object.bytes, &mut shown).unwrap();
    for line in String::from_utf8(shown).unwrap().lines() {
        let doubles = line.starts_with("vf.");
        if doubles || line.starts_with("vi.") {
            assert!(line.contains("BYTE_STREAM_SPLIT") && line.contains("PLAIN"), "{line}");
            assert!(doubles || line.contains("DELTA_BINARY_PACKED"), "{line}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("merged.parquet"), &object.bytes).unwrap();
    let Some(text) = python(BITS_SCRIPT, folder.path()) else { return };
    let expected = own_bits(&store).await;
    for reader in ["pyarrow", "duckdb"] {
        let lines = text.lines().filter_map(|line| line.strip_prefix(reader));
        assert_eq!(lines.map(str::trim).collect::<Vec<_>>(), expected, "{reader}");
    }
    store.end().await;
}

/// What the script prints, of the blocks before the merge.
async fn own_bits(store: &Store) -> Vec<String> {
    let tenant = TenantId::default_tenant();
    let mut lines = Vec::new();
    for kind in KINDS {
        let metric = Matcher::equal("__name__", kind);
        let selector = Selector { matchers: vec![metric], range: TimeRange::ALL };
        let view = store.fresh_view();
        let mut selection = view.select(&tenant, &[selector], LIMITS).await.unwrap().remove(0);
        let (mut slices, mut count, mut sum) = (Vec::new(), 0_u64, 0_u64);
        while selection.cursor.next(&mut slices).await.unwrap() {
            for slice in &slices {
                let Samples::Floats(values) = &slice.samples else { continue };
                for value in values {
                    count += 1;
                    sum = sum.wrapping_add(count.wrapping_mul(value.to_bits()));
                }
            }
        }
        lines.push(format!("{kind} {count} {sum}"));
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_and_pyarrow_read_what_tarn_reads() {
    let store = Store::open(1).await.unwrap();
    flush(&store, false).await;
    flush(&store, true).await;
    let folder = tempfile::tempdir().unwrap();
    for (i, meta) in store.storage().catalog().all_blocks().enumerate() {
        let path = object_store::path::Path::from(meta.object.as_str());
        let bytes = store.bucket.get(&path).await.unwrap().bytes().await.unwrap();
        std::fs::write(folder.path().join(format!("{i}.parquet")), bytes).unwrap();
    }
    let Some(text) = python(SCRIPT, folder.path()) else { return };
    let (sums, markers) = own(&store).await;
    let mut seen = 0;
    let mut total = 0;
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "duckdb" => {
                let own = &sums[&(words[1].to_owned(), words[2].to_owned())];
                assert_eq!(words[3].parse::<usize>().unwrap(), own.count, "{line}");
                let sum: f64 = words[4].parse().unwrap();
                assert!((sum - own.sum).abs() <= 1e-9 * own.sum.abs(), "{line}: {}", own.sum);
                assert_eq!(words[5].parse::<i64>().unwrap(), own.first, "{line}");
                assert_eq!(words[6].parse::<i64>().unwrap(), own.last, "{line}");
                seen += 1;
                total += own.count;
            }
            "markers" => assert_eq!(words[1].parse::<usize>().unwrap(), markers),
            "pyarrow" => assert_eq!(words[1..], [total.to_string(), total.to_string()]),
            _ => panic!("{line}"),
        }
    }
    assert_eq!(seen, sums.len());
    store.end().await;
}
