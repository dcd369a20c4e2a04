//! Erased rows leave the blocks, and then the bucket: verified by reading the files as an outsider
//! would.

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::ArrayFormatter;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tarn_model::signal::Signal;
use tarn_storage::compact::plan::Which;
use tarn_storage::paths;
use tarn_storage::schema::tables::Table;

use super::requests;
use super::world::{BEGIN_MS, DAY, HOUR, Open, World, append, read};

/// Reads every row of a file.
fn raw(bytes: Bytes) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a Parquet file");
    reader.build().expect("reads").collect::<Result<_, _>>().expect("decodes")
}

/// Returns what some column of the blocks of a kind holds, NULL left out; of all objects of the
/// bucket, or of those that are live.
async fn cells(world: &World, store: &Open, kind: &str, column: &str, all: bool) -> Vec<String> {
    let live: Vec<String> =
        store.storage.catalog().all_blocks().map(|block| block.object.clone()).collect();
    let mut found = Vec::new();
    for key in world.keys(paths::BLOCK_PREFIX).await {
        if !key.contains(&format!("/{kind}-L")) || !(all || live.contains(&key)) {
            continue;
        }
        let object = world.objects().get(&key).await.expect("reads");
        for batch in raw(object.bytes) {
            let Some(array) = batch.column_by_name(column) else { continue };
            let options = Default::default();
            let text = ArrayFormatter::try_new(array.as_ref(), &options).expect("prints");
            let valid = (0..array.len()).filter(|row| array.is_valid(*row));
            found.extend(valid.map(|row| text.value(row).to_string()));
        }
    }
    found
}

async fn rewrite(store: &Open) {
    store.storage.clean_tombstones().await.expect("merges");
    assert!(store.storage.erasing().is_empty(), "{:?}", store.storage.erasing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_log_records_and_spans_leave_the_blocks_and_the_bucket() {
    let world = World::new(21);
    let store = world.open().await;
    for part in 0..4 {
        append(&store, part * 30..part * 30 + 30).await;
        store.flush().await;
    }
    store.erase(Signal::Logs, r#"{service_name="pay"}"#).await;
    store.erase(Signal::Traces, r#"{name="SELECT"}"#).await;
    // Rows sent later stay.
    append(&store, 120..123).await;
    store.flush().await;
    let view = || store.storage.reader().view();
    let seen = [
        requests::read(&view(), Table::Logs).await.expect("reads"),
        requests::read(&view(), Table::Spans).await.expect("reads"),
    ];
    let services = cells(&world, &store, "logs", "service_name", false).await;
    assert!(services.iter().filter(|service| *service == "pay").count() > 10, "still in the files");
    rewrite(&store).await;
    let later = requests::expected(Table::Logs, 120..123).len();
    let services = cells(&world, &store, "logs", "service_name", false).await;
    let pay = services.iter().filter(|service| *service == "pay").count();
    assert!(pay <= later && services.len() == seen[0].len(), "{pay} of {}", services.len());
    let names = cells(&world, &store, "spans", "name", false).await;
    let selects = names.iter().filter(|name| *name == "SELECT").count();
    assert!(selects <= 2 && names.len() == seen[1].len(), "{selects} of {}", names.len());
    for (table, seen) in [Table::Logs, Table::Spans].into_iter().zip(&seen) {
        assert_eq!(&requests::read(&view(), table).await.expect("reads"), seen, "VIS-3");
    }
    store.crash().await;
    let store = world.open().await;
    for (table, seen) in [Table::Logs, Table::Spans].into_iter().zip(&seen) {
        let view = store.storage.reader().view();
        assert_eq!(&requests::read(&view, table).await.expect("reads"), seen, "after a crash");
    }
    let before = cells(&world, &store, "logs", "service_name", true).await.len();
    store.look_for(DAY + 2 * HOUR).await;
    let after = cells(&world, &store, "logs", "service_name", true).await;
    assert!(after.len() < before && after.len() == seen[0].len(), "gone from the bucket");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_samples_leave_the_blocks_and_the_bucket() {
    let world = World::new(22);
    let store = world.open().await;
    for i in 0..24 {
        store.write(&["a", "b", "c"], BEGIN_MS + i * 15_000, i as f64).await;
        if i % 4 == 3 {
            store.flush().await;
        }
    }
    store.erase(Signal::Metrics, r#"{n="a"}"#).await;
    let range = (BEGIN_MS + 5 * 15_000, BEGIN_MS + 14 * 15_000);
    store.try_erase(Signal::Metrics, &[r#"{n="b"}"#], range).await.expect("erases");
    store.write(&["a", "b"], BEGIN_MS + 30 * 15_000, 30.0).await;
    store.flush().await;
    let seen = read(&store.storage.reader()).await;
    assert_eq!((seen["a"].len(), seen["b"].len(), seen["c"].len()), (1, 24 - 10 + 1, 24));
    rewrite(&store).await;
    assert_eq!(read(&store.storage.reader()).await, seen, "VIS-3");
    let samples = |store: &Open| -> u64 {
        let catalog = store.storage.catalog();
        catalog.all_blocks().filter(|block| block.kind == "slices").map(|b| b.samples).sum()
    };
    assert_eq!(samples(&store), 1 + 15 + 24, "only these are in the files");
    let of_a = |cells: Vec<String>| cells.iter().filter(|n| *n == "a").count();
    assert_eq!(of_a(cells(&world, &store, "slices", "l_n", false).await), 1);
    store.look_for(DAY + 2 * HOUR).await;
    assert_eq!(of_a(cells(&world, &store, "slices", "l_n", true).await), 1, "nor in the bucket");
    assert_eq!(read(&store.storage.reader()).await, seen);
    // What was merged is covered by a later erasure as any block is.
    store.erase(Signal::Metrics, r#"{n="c"}"#).await;
    assert_eq!(read(&store.storage.reader()).await.len(), 2);
    rewrite(&store).await;
    assert_eq!(samples(&store), 1 + 15);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasing_races_with_merges() {
    let world = World::new(23);
    let store = world.open().await;
    for round in 0..12 {
        for i in 0..3 {
            let time_ms = BEGIN_MS + (round * 3 + i) * 1000;
            store.write(&["old", "new"], time_ms, 1.0).await;
            store.flush().await;
        }
        let merges = async { store.storage.compact(&Which::default()).await.expect("merges") };
        let erases = async { store.erase(Signal::Metrics, r#"{n="old"}"#).await };
        let (report, _) = tokio::join!(merges, erases);
        assert_eq!(report.failed, 0);
        let seen = read(&store.storage.reader()).await;
        assert!(!seen.contains_key("old"), "round {round}: a merge brought rows back");
        assert_eq!(seen["new"].len(), (round as usize + 1) * 3);
    }
    rewrite(&store).await;
    let seen = read(&store.storage.reader()).await;
    assert_eq!((seen.len(), seen["new"].len()), (1, 36));
    assert_eq!(
        cells(&world, &store, "slices", "l_n", false).await.iter().filter(|n| *n == "old").count(),
        0
    );
    store.close().await;
    let store = world.open().await;
    assert_eq!(read(&store.storage.reader()).await, seen);
    store.close().await;
}
