//! Readers that are not Tarn read the same: DuckDB and pyarrow over blocks of two flushes with
//! different labels, with the SQL of the storage documentation. Skipped where Python lacks them.
#![expect(clippy::disallowed_methods, reason = "the folder is DuckDB's, not a data folder")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::process::Command;

use object_store::ObjectStoreExt;
use tarn_model::labels::LabelSet;
use tarn_model::slice::Samples;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::view::{ScanLimits, Selector};
use tarn_testkit::store::Store;

const BASE_MS: i64 = 1_763_640_000_000;
const LIMITS: ScanLimits = ScanLimits { series_max: 1000, bytes_max: 1 << 30 };

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
    let python = Command::new("python3").arg("-c").arg(SCRIPT).arg(folder.path()).output();
    let Ok(output) = python else {
        println!("skipped: no python3");
        return;
    };
    let (text, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if text.starts_with("missing") {
        println!("skipped: {text}");
        return;
    }
    assert!(output.status.success(), "{errors}");
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
