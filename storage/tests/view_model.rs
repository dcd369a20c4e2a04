//! VIS-1, VIS-2, VIS-3, ORD-1: any sequence of appends, flushes, merges, kills and closes reads back
//! as a plain map from time to value, where the last write wins. Values are compared by their bits.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "support/samples.rs"]
mod support;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{BASE_MS, LIMITS, Row, SERIES, Seen, append, expected, read, rows};
use tarn_model::labels::LabelSet;
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;
use tarn_storage::compact::plan::Which;
use tarn_storage::view::Selector;
use tarn_testkit::store::Store;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Row>),
    Flush,
    Merge,
    Kill,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => rows().prop_map(Step::Append),
        3 => Just(Step::Flush),
        1 => Just(Step::Merge),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
    ];
    proptest::collection::vec(step, 1..12)
}

async fn check(store: &Store, model: &[Seen]) {
    let view = store.storage().reader().view();
    let part = TimeRange { start_ms: BASE_MS + 200_000, end_ms: BASE_MS + 700_000 };
    let matchers = [
        vec![],
        vec![Matcher::equal("__name__", "up")],
        vec![Matcher::equal("__name__", "up"), Matcher::equal("instance", "h2")],
        vec![Matcher::new("job", MatchOp::NotEqual, "a").unwrap()],
        vec![Matcher::new("Job", MatchOp::Regex, "cl.*").unwrap()],
        vec![Matcher::new("Job", MatchOp::NotRegex, "cl.*").unwrap()],
        vec![Matcher::new("__name__", MatchOp::Regex, "d.*|").unwrap()],
        vec![Matcher::equal("nothing", "here")],
    ];
    for matchers in matchers {
        for range in [TimeRange::ALL, part] {
            let keep = |labels: &LabelSet| matchers.iter().all(|m| m.matches_labels(labels));
            let wanted = expected(model, keep, range);
            let selector = Selector { matchers: matchers.clone(), range };
            assert_eq!(read(&view, selector).await, wanted, "{matchers:?} {range:?}");
        }
    }
}

async fn run(steps: Vec<Step>, seed: u64) {
    let mut store = Store::open(seed).await.unwrap();
    let mut model = vec![Seen::new(); SERIES.len()];
    for step in steps {
        match step {
            Step::Append(rows) => append(&store, &mut model, &rows).await,
            Step::Flush => {
                store.storage().flush().await.unwrap();
            }
            Step::Merge => {
                let report = store.storage().compact(&Which::default()).await.unwrap();
                assert_eq!(report.failed, 0, "{report:?}");
            }
            Step::Kill => store = store.kill().await.unwrap(),
            Step::Close => store = store.close().await.unwrap(),
        }
    }
    check(&store, &model).await;
    names_agree(&store, &model).await;
    store.end().await;
}

async fn names_agree(store: &Store, model: &[Seen]) {
    let view = store.storage().reader().view();
    let tenant = TenantId::default_tenant();
    let all = TimeRange::ALL;
    let present = expected(model, |_| true, all);
    let wanted = |name: &str| {
        let mut values: Vec<String> =
            present.keys().filter_map(|labels| labels.get(name)).map(str::to_owned).collect();
        values.sort();
        values.dedup();
        values
    };
    for name in ["__name__", "job", "Job", "instance", "only", "nothing"] {
        let values = view.label_values(&tenant, name, &[], all, LIMITS).await.unwrap();
        assert_eq!(values, wanted(name), "{name}");
    }
    let mut names: Vec<String> =
        present.keys().flat_map(|labels| labels.iter().map(|l| l.name.to_string())).collect();
    names.sort();
    names.dedup();
    assert_eq!(view.label_names(&tenant, &[], all, LIMITS).await.unwrap(), names);
    let every = Selector { matchers: vec![], range: all };
    let series = view.series(&tenant, &[every.clone(), every], LIMITS).await.unwrap();
    assert_eq!(series, present.into_keys().collect::<Vec<_>>());
}

#[test]
fn vis_1_and_ord_1_any_history_reads_back_as_the_last_write_per_time() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let slow = std::env::var_os("TARN_TEST_SLOW").is_some();
    let cases = if slow { 2000 } else { 48 };
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
