//! A day without compaction is some 300 blocks: how long a query over all of them takes, cold and
//! with everything cached. Prints; holds only what must be true.
#![expect(clippy::disallowed_methods, reason = "real time is what is measured")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::time::Instant;

use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::view::{ScanLimits, Selector, View};
use tarn_testkit::store::Store;

const BASE_MS: i64 = 1_763_640_000_000;
const LIMITS: ScanLimits = ScanLimits { series_max: 100_000, bytes_max: 1 << 30 };
const BLOCKS: i64 = 60;
const METRICS: usize = 50;
const INSTANCES: usize = 20;

async fn query(view: &std::sync::Arc<View>) -> (usize, usize) {
    let matchers = vec![Matcher::equal("__name__", "metric_7"), Matcher::equal("job", "node")];
    let selector = Selector { matchers, range: TimeRange::ALL };
    let tenant = TenantId::default_tenant();
    let mut selection = view.select(&tenant, &[selector], LIMITS).await.unwrap().remove(0);
    let (mut slices, mut samples) = (Vec::new(), 0);
    while selection.cursor.next(&mut slices).await.unwrap() {
        samples += slices.iter().map(|s| s.samples.len()).sum::<usize>();
    }
    (selection.series.len(), samples)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_over_many_small_blocks_finds_every_sample() {
    let store = Store::open(1).await.unwrap();
    let tenant = TenantId::default_tenant();
    for block in 0..BLOCKS {
        let mut appender = store.storage().writer().appender(&tenant).unwrap();
        for i in 0..METRICS * INSTANCES {
            let (metric, instance) = (i / INSTANCES, i % INSTANCES);
            let labels = LabelSet::from_pairs(&[
                ("__name__", &format!("metric_{metric}")),
                ("instance", &format!("host-{instance}")),
                ("job", "node"),
                (
                    ["device", "cpu", "mode", "code", "path"][metric % 5],
                    &format!("v{}", metric % 3),
                ),
            ]);
            let series = appender.series(&labels).unwrap();
            for tick in 0..20 {
                let time_ms = BASE_MS + (block * 20 + tick) * 15_000;
                appender.float(series, time_ms, (i as i64 * tick) as f64, 0).unwrap();
            }
        }
        appender.commit().await.unwrap();
        store.storage().flush().await.unwrap();
    }
    let view = store.fresh_view();
    for name in ["cold", "cached"] {
        let begun = Instant::now();
        let found = query(&view).await;
        println!("{name}: {BLOCKS} blocks, {found:?} series and samples in {:?}", begun.elapsed());
        assert_eq!(found, (INSTANCES, INSTANCES * 20 * BLOCKS as usize));
    }
    if std::env::var_os("TARN_TEST_SLOW").is_some() {
        for _ in 0..20 {
            query(&store.fresh_view()).await;
        }
    }
    store.end().await;
}
