//! Rows that were asked to be deleted: invisible from the commit on, to queries that begin then; rows
//! sent later stay.

use std::sync::atomic::{AtomicBool, Ordering};

use super::requests;
use super::world::{BEGIN_MS, DAY, LIMITS, Rows, World, append, read, values};
use tarn_model::error::ErrorKind;
use tarn_model::matcher::Matcher;
use tarn_model::sample::stale_nan;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::schema::tables::Table;
use tarn_storage::view::Selector;
use tarn_storage::view::rows::RowScan;

const ALL: (i64, i64) = (i64::MIN, i64::MAX);

fn rows(expected: &[(&str, &[(i64, f64)])]) -> Rows {
    let shift = |samples: &[(i64, f64)]| samples.iter().map(|(t, v)| (BEGIN_MS + t, *v)).collect();
    expected.iter().map(|(name, samples)| ((*name).to_owned(), shift(samples))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_are_gone_at_once_and_stay_so_while_later_samples_are_seen() {
    let world = World::new(1);
    let store = world.open().await;
    store.write(&["a", "b", "c"], BEGIN_MS, 1.0).await;
    store.flush().await;
    store.write(&["a", "b"], BEGIN_MS + 1000, 2.0).await;
    let reader = store.storage.reader();
    let before = reader.view();
    assert_eq!(store.erase(Signal::Metrics, r#"m{n=~"a|c"}"#).await.len(), 1);
    let b: &[(i64, f64)] = &[(0, 1.0), (1000, 2.0)];
    assert_eq!(read(&reader).await, rows(&[("b", b)]));
    assert_eq!(values(&reader, "n").await, ["b"]);
    // A query that began before goes on seeing them (VIS-2).
    assert_eq!(before.catalog().erased().count(), 0);

    store.write(&["a"], BEGIN_MS + 2000, 3.0).await;
    let after = rows(&[("a", &[(2000, 3.0)]), ("b", b)]);
    assert_eq!(read(&reader).await, after, "in the head");
    store.flush().await;
    assert_eq!(read(&reader).await, after, "in a block");
    assert_eq!(values(&reader, "n").await, ["a", "b"]);
    store.crash().await;
    let store = world.open().await;
    assert_eq!(read(&store.storage.reader()).await, after, "after a crash");
    store.close().await;
    let store = world.open().await;
    assert_eq!(read(&store.storage.reader()).await, after, "after a stop");
    let erasing = store.storage.erasing();
    assert_eq!((erasing.len(), erasing[0].blocks), (1, 2), "{erasing:?}");
    assert_eq!(erasing[0].tombstone.matchers, [r#"__name__="m""#, r#"n=~"a|c""#]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_range_is_exact_to_the_sample() {
    let world = World::new(2);
    let store = world.open().await;
    for i in 0..10 {
        store.write(&["a", "b"], BEGIN_MS + i * 1000, i as f64).await;
        if i == 4 {
            store.flush().await;
        }
    }
    let range = (BEGIN_MS + 2000, BEGIN_MS + 6000);
    let erased = store.try_erase(Signal::Metrics, &[r#"{n="a"}"#], range).await.expect("erases");
    assert_eq!(erased.len(), 1);
    let left = |gone: &dyn Fn(i64) -> bool| -> Vec<(i64, f64)> {
        (0..10).filter(|i| !gone(*i)).map(|i| (i * 1000, i as f64)).collect()
    };
    let reader = store.storage.reader();
    let expected = rows(&[("a", &left(&|i| (2..=6).contains(&i))), ("b", &left(&|_| false))]);
    assert_eq!(read(&reader).await, expected);
    // A second one beside it, of two selectors.
    let range = (BEGIN_MS + 7000, BEGIN_MS + 7000);
    let selectors = [r#"{n="a"}"#, r#"{n!="a",__name__="m"}"#];
    let erased = store.try_erase(Signal::Metrics, &selectors, range).await.expect("erases");
    assert_eq!(erased.len(), 2);
    let expected = rows(&[("a", &left(&|i| (2..=7).contains(&i))), ("b", &left(&|i| i == 7))]);
    assert_eq!(read(&reader).await, expected);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staleness_markers_are_erased_as_samples_are() {
    let world = World::new(3);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.write(&["a"], BEGIN_MS + 1000, stale_nan()).await;
    store.write(&["a"], BEGIN_MS + 2000, 3.0).await;
    let range = (BEGIN_MS + 1000, BEGIN_MS + 1000);
    store.try_erase(Signal::Metrics, &["m"], range).await.expect("erases");
    let view = store.storage.reader().view();
    let selector = Selector { matchers: vec![Matcher::equal("n", "a")], range: TimeRange::ALL };
    let tenant = TenantId::default_tenant();
    let mut found = view.select(&tenant, &[selector], LIMITS).await.expect("selects");
    let mut slices = Vec::new();
    assert!(found[0].cursor.next(&mut slices).await.expect("reads"));
    assert!(slices.iter().all(|slice| slice.stale_at.is_none()), "{slices:?}");
    let times: Vec<i64> = slices.iter().flat_map(|slice| slice.times().to_vec()).collect();
    assert_eq!(times, [BEGIN_MS, BEGIN_MS + 2000]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_erased_by_column_attribute_and_resource() {
    let world = World::new(4);
    let store = world.open().await;
    append(&store, 0..60).await;
    store.flush().await;
    append(&store, 60..120).await;
    let reader = store.storage.reader();
    for (signal, table, selector, gone) in [
        (Signal::Logs, Table::Logs, r#"{service_name="pay",severity_number=~"[1-9]"}"#, 0),
        (Signal::Logs, Table::Logs, r#"{user=~"u1.*"}"#, 1),
        (Signal::Logs, Table::Logs, r#"{pod="3","http.route"="/b"}"#, 2),
        (Signal::Traces, Table::Spans, r#"{"http.status"!="",status="0"}"#, 3),
    ] {
        let all = requests::read(&reader.view(), table).await.expect("reads");
        assert_eq!(store.erase(signal, selector).await.len(), 1, "{selector}");
        let seen = requests::read(&reader.view(), table).await.expect("reads");
        let condition = |line: &str| {
            let cells: Vec<&str> = line.split('|').collect();
            let has = |text: &str| line.contains(text);
            match gone {
                0 => has("|pay|") && ('1'..='9').any(|d| cells[3] == d.to_string()),
                1 => has("user: u1"),
                2 => has(r#"{"attributes":{"pod":"3"}}"#) && has("http.route: /b"),
                _ => has("http.status: ") && cells[9] == "0",
            }
        };
        let mut expected = all.clone();
        expected.retain(|line| !condition(line));
        assert!(expected.len() < all.len(), "{selector} erases nothing: {:#?}", all[0]);
        assert_eq!(seen, expected, "{selector}");
        // A count reads no column and must agree.
        let mut rows = 0;
        for part in reader
            .view()
            .rows(&TenantId::default_tenant(), RowScan::new(table, vec![]))
            .expect("plans")
            .parts
        {
            let batches: Vec<_> =
                futures::TryStreamExt::try_collect(part.read()).await.expect("reads");
            rows += batches.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>();
        }
        assert_eq!(rows, expected.len(), "{selector}");
    }
    let before: Vec<Vec<String>> = [
        requests::read(&reader.view(), Table::Logs).await.expect("reads"),
        requests::read(&reader.view(), Table::Spans).await.expect("reads"),
    ]
    .into();
    store.crash().await;
    let store = world.open().await;
    for (table, before) in [Table::Logs, Table::Spans].into_iter().zip(before) {
        let view = store.storage.reader().view();
        assert_eq!(requests::read(&view, table).await.expect("reads"), before);
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_that_is_erased_is_not_found_any_more() {
    let world = World::new(5);
    let store = world.open().await;
    append(&store, 0..20).await;
    store.flush().await;
    let (view, tenant) = (store.storage.reader().view(), TenantId::default_tenant());
    let id = u128::from(7u64 << 32 | 5).to_be_bytes();
    assert!(view.has_trace(&tenant, &id).await.expect("asks"));
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    store.erase(Signal::Traces, &format!(r#"{{trace_id="{hex}"}}"#)).await;
    assert!(!store.storage.reader().view().has_trace(&tenant, &id).await.expect("asks"));
    let other = u128::from(9u64 << 32 | 5).to_be_bytes();
    assert!(store.storage.reader().view().has_trace(&tenant, &other).await.expect("asks"));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_2_erasing_races_with_appends_flushes_and_queries() {
    let world = World::new(6);
    let store = world.open().await;
    let stop = AtomicBool::new(false);
    let appends = async {
        for i in 0..200 {
            store.write(&["old", "new"], BEGIN_MS + i, i as f64).await;
            tokio::task::yield_now().await;
        }
        stop.store(true, Ordering::SeqCst);
    };
    let flushes = async {
        while !stop.load(Ordering::SeqCst) {
            store.flush().await;
        }
    };
    let erasures = async {
        let reader = store.storage.reader();
        while !stop.load(Ordering::SeqCst) {
            let before = read(&reader).await;
            let newest = before.get("old").and_then(|rows| rows.last()).map(|row| row.0);
            store.erase(Signal::Metrics, r#"{n="old"}"#).await;
            let after = read(&reader).await;
            let oldest = after.get("old").and_then(|rows| rows.first()).map(|row| row.0);
            if let (Some(newest), Some(oldest)) = (newest, oldest) {
                assert!(oldest > newest, "a row acknowledged before is seen: {oldest} {newest}");
            }
            let kept = after.get("new").map_or(0, Vec::len);
            assert!(kept >= before.get("new").map_or(0, Vec::len), "others stay");
        }
    };
    tokio::join!(appends, flushes, erasures);
    let new = read(&store.storage.reader()).await["new"].len();
    assert_eq!(new, 200);
    store.write(&["old"], BEGIN_MS + 1000, 1.0).await;
    let last = read(&store.storage.reader()).await["old"].last().copied();
    assert_eq!(last, Some((BEGIN_MS + 1000, 1.0)), "rows sent later stay");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_means_nothing_or_everything_is_refused() {
    let world = World::new(7);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    for (selectors, range, why) in [
        (&[][..], ALL, "nothing says which rows"),
        (&["{}"], ALL, "a matcher that needs a value"),
        (&["m", r#"{n=~".*"}"#], ALL, "a matcher that needs a value"),
        (&["m"], (5, 4), "ends (4) before it begins (5)"),
    ] {
        let error = store.try_erase(Signal::Metrics, selectors, range).await.expect_err(why);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.message().contains(why), "{error:?}");
    }
    assert!(
        store.erase(Signal::Metrics, "nobody").await.len() == 1,
        "the block is not known to lack it"
    );
    assert!(store.erase(Signal::Logs, r#"{user="x"}"#).await.is_empty(), "no block to erase from");
    assert_eq!(read(&store.storage.reader()).await, rows(&[("a", &[(0, 1.0)])]));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_neighbour_may_hold_such_rows_in_its_log() {
    let world = World::new(8);
    let neighbour = world.neighbour(9);
    let (store, other) = (world.open().await, neighbour.open().await);
    store.write(&["a"], BEGIN_MS, 1.0).await;
    other.write(&["a"], BEGIN_MS, 1.0).await;
    let error = store.try_erase(Signal::Metrics, &["m"], ALL).await.expect_err("refused");
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
    assert!(error.message().contains(other.storage.writer_id()), "{error:?}");
    other.close().await;
    assert_eq!(store.try_erase(Signal::Metrics, &["m"], ALL).await.expect("erases").len(), 1);
    assert_eq!(read(&store.storage.reader()).await, Rows::new(), "both writers' rows are gone");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tombstone_is_done_when_nothing_is_under_it() {
    let world = World::new(10).rule(None, "{}", 3 * DAY);
    let store = world.open().await;
    store.write(&["a", "b"], BEGIN_MS, 1.0).await;
    store.erase(Signal::Metrics, r#"{n="a"}"#).await;
    store.storage.retain().await.expect("looks");
    assert_eq!(store.storage.erasing().len(), 1, "its block is there");
    store.look_for(4 * DAY).await;
    assert_eq!(store.storage.catalog().all_blocks().filter(|b| b.kind == "slices").count(), 0);
    assert!(store.storage.erasing().is_empty());
    store.close().await;
}
