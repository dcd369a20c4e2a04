//! Rows go when their life is over, whole blocks at a time, by a clock that no jump of the machine's
//! clock can hurry.

use super::requests;
use super::world::{BEGIN_MS, DAY, HOUR, Open, World, append, read, values};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::compact::plan::Which;
use tarn_storage::schema::tables::Table;

const YEAR_MS: i64 = 365 * 86_400_000;

fn kinds(store: &Open) -> Vec<String> {
    store.storage.catalog().all_blocks().map(|block| block.kind.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_deleted_that_nobody_asked_to_delete() {
    let world = World::new(1);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.flush().await;
    store.clock.pass(4000 * DAY);
    for _ in 0..100 {
        store.look_for(DAY).await;
    }
    assert_eq!(read(&store.storage.reader()).await.len(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_go_when_their_newest_row_is_too_old() {
    let world = World::new(2).rule(Some(Signal::Metrics), "{}", 3 * DAY);
    let store = world.open().await;
    let tenant = TenantId::default_tenant();
    for day in 0..5 {
        let now_ms = store.clock.wall_ms();
        store.write(&["a"], now_ms, day as f64).await;
        store.flush().await;
        store.look_for(DAY).await;
    }
    // Day 5: those of days 0 and 1 are older than three days.
    let rows = read(&store.storage.reader()).await;
    let left: Vec<f64> = rows["a"].iter().map(|row| row.1).collect();
    assert_eq!(left, [2.0, 3.0, 4.0]);
    assert!(store.metric("tarn_retention_blocks_dropped_total") >= 2.0);
    store.look_for(10 * DAY).await;
    let reader = store.storage.reader();
    assert!(read(&reader).await.is_empty());
    assert!(values(&reader, "n").await.is_empty());
    // What a metric means is known on.
    assert!(reader.view().families(&tenant).await.is_ok());
    store.crash().await;
    let store = world.open().await;
    assert!(read(&store.storage.reader()).await.is_empty(), "nor does a start bring them back");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_for_signals_and_tenants_and_what_is_not_merged_waits_for_the_longest() {
    let world = World::new(3)
        .rule(Some(Signal::Logs), r#"{service_name="pay"}"#, 10 * DAY)
        .rule(Some(Signal::Logs), "{}", 2 * DAY)
        .rule(Some(Signal::Traces), r#"{service_name="gateway"}"#, HOUR);
    let mut world = world;
    world.rules[0].tenant = Some(TenantId::parse("default").expect("a tenant"));
    let store = world.open().await;
    // Their times are fixed, twelve hours after the begin.
    for number in 0..4 {
        append(&store, number..number + 1).await;
    }
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.flush().await;
    store.look_for(9 * DAY).await;
    assert!(kinds(&store).contains(&"logs".to_owned()), "rows of pay may be in the block");
    store.look_for(3 * DAY).await;
    let left = kinds(&store);
    assert!(!left.contains(&"logs".to_owned()), "{left:?}");
    assert!(left.contains(&"spans".to_owned()), "no rule is for the spans of others");
    assert!(left.contains(&"slices".to_owned()), "no rule is for metrics");
    let view = store.storage.reader().view();
    assert!(requests::read(&view, Table::Logs).await.expect("reads").is_empty());
    assert!(!requests::read(&view, Table::Spans).await.expect("reads").is_empty());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_a_year_back_deletes_nothing() {
    let world = World::new(4).rule(None, "{}", 2 * DAY);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.flush().await;
    store.look_for(DAY).await;
    store.clock.jump(-YEAR_MS);
    store.look_for(30 * DAY).await;
    assert_eq!(read(&store.storage.reader()).await.len(), 1);
    let clock = store.storage.catalog().clock_ms();
    assert!(clock >= BEGIN_MS + 82_800_000, "the paced clock does not go back: {clock}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_a_year_ahead_costs_a_day_per_hour() {
    let world = World::new(5).rule(None, "{}", 10 * DAY);
    let store = world.open().await;
    for day in 0..20 {
        // A block per day, the last of today.
        store.write(&["a"], BEGIN_MS + day * 86_400_000, day as f64).await;
        store.flush().await;
        store.look_for(DAY).await;
    }
    let before = read(&store.storage.reader()).await["a"].len();
    assert_eq!(before, 10);
    store.clock.jump(YEAR_MS);
    for hour in 1..=3 {
        store.look_for(HOUR).await;
        let left = read(&store.storage.reader()).await["a"].len();
        assert!(left >= before - hour - 1, "{hour} h: {left} of {before}");
        assert!(left <= before - hour + 1, "{hour} h: {left} of {before}");
    }
    assert!(store.metric("tarn_clock_behind_seconds") > 300.0 * 86_400.0);
    // Restarts are no credit either.
    store.close().await;
    let store = world.open().await;
    store.storage.retain().await.expect("looks");
    let left = read(&store.storage.reader()).await["a"].len();
    assert!(left >= before - 4, "{left} of {before}");
    store.clock.jump(-YEAR_MS);
    store.look_for(DAY).await;
    let after = read(&store.storage.reader()).await["a"].len();
    assert_eq!(after, left, "set right again, it waits");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_store_commits_its_clock_once_an_hour_at_most() {
    let world = World::new(6);
    let store = world.open().await;
    store.write(&["a"], BEGIN_MS, 1.0).await;
    store.flush().await;
    let before = store.storage.catalog().version();
    store.look_for(10 * HOUR).await;
    let commits = store.storage.catalog().version() - before;
    assert!((9..=11).contains(&commits), "{commits} commits in 10 h");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_merged_each_stream_goes_by_its_own_rule() {
    let world = World::new(7).rule(Some(Signal::Logs), r#"{service_name="pay"}"#, 2 * DAY).rule(
        Some(Signal::Logs),
        r#"{pod="3"}"#,
        6 * DAY,
    );
    let store = world.open().await;
    append(&store, 0..40).await;
    store.flush().await;
    append(&store, 40..90).await;
    store.flush().await;
    let report = store.storage.compact(&Which::default()).await.expect("merges");
    assert!(report.merges > 0 && report.failed == 0, "{report:?}");
    let all = requests::expected(Table::Logs, 0..90);
    let (of_pay, of_pod) = (
        |line: &String| line.contains("|pay|"),
        |line: &String| line.contains(r#"{"attributes":{"pod":"3"}}"#),
    );
    let left = async |gone: &dyn Fn(&String) -> bool| {
        let view = store.storage.reader().view();
        let seen = requests::read(&view, Table::Logs).await.expect("reads");
        let expected: Vec<String> = all.iter().filter(|line| !gone(line)).cloned().collect();
        assert_eq!(seen, expected);
    };
    left(&|_| false).await;
    // Their times are twelve hours ahead.
    store.look_for(2 * DAY).await;
    left(&|_| false).await;
    store.look_for(DAY).await;
    left(&of_pay).await;
    store.look_for(4 * DAY).await;
    left(&|line| of_pay(line) || of_pod(line)).await;
    store.look_for(100 * DAY).await;
    left(&|line| of_pay(line) || of_pod(line)).await;
    store.close().await;
}
