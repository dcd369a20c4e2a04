//! VIS-1, VIS-3, DUR-1: any sequence of appends, flushes, merges, kills and closes of log records and spans reads
//! back as the plain list of what was appended.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "support/table_requests.rs"]
mod support;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{expected, read, request};
use tarn_model::tenant::TenantId;
use tarn_storage::append::RequestMark;
use tarn_storage::compact::plan::Which;
use tarn_storage::schema::tables::Table;
use tarn_testkit::store::Store;

#[derive(Debug, Clone)]
enum Step {
    /// So many requests, one after the other.
    Append(u64),
    /// So many at once.
    Race(u64),
    Flush,
    Merge,
    Kill,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u64..8).prop_map(Step::Append),
        1 => (30_u64..150).prop_map(Step::Append),
        1 => (2_u64..50).prop_map(Step::Race),
        3 => Just(Step::Flush),
        1 => Just(Step::Merge),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
    ];
    proptest::collection::vec(step, 1..10)
}

async fn run(steps: Vec<Step>, seed: u64) {
    let mut store = Store::open(seed).await.unwrap();
    let tenant = TenantId::default_tenant();
    let mut written = 0;
    for step in steps {
        let append = |number: u64| {
            let writer = store.storage().writer();
            let tenant = tenant.clone();
            async move { writer.append_rows(&tenant, request(number), RequestMark::default()).await }
        };
        match step {
            Step::Append(requests) => {
                for number in written..written + requests {
                    append(number).await.unwrap();
                }
                written += requests;
            }
            Step::Race(requests) => {
                let all = (written..written + requests).map(append);
                futures::future::try_join_all(all).await.unwrap();
                written += requests;
            }
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
        let view = store.storage().reader().view();
        for table in [Table::Logs, Table::Spans] {
            let seen = read(&view, table).await.unwrap();
            assert!(seen == expected(table, 0..written), "{table:?} of {written}: {seen:#?}");
        }
    }
    store.end().await;
}

#[test]
fn vis_1_any_history_of_tables_reads_back_as_what_was_appended() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let slow = std::env::var_os("TARN_TEST_SLOW").is_some();
    let cases = if slow { 1000 } else { 24 };
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
