//! VIS-1, VIS-2, COR-1: whatever is in blocks and whatever is in the head, a scan answers what a
//! plain list of rows answers; pruning changes what is read, never what is found; damage is told.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, PutPayload, path::Path};
use tarn_model::error::{ErrorKind, Result};
use tarn_model::tenant::TenantId;
use tarn_storage::append::RequestMark;
use tarn_storage::append::rows::TableRows;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::View;
use tarn_storage::view::rows::{
    BATCH_ROWS, RowColumn, RowFilter, RowOrder, RowPrune, RowScan, RowTest,
};
use tarn_testkit::sim::SimRng;
use tarn_testkit::store::Store;

#[path = "support/tables.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod tables;

use tables::{BASE_NS, DAY_NS, Logical, log_rows, logical, span_rows};

const BASE_US: i64 = BASE_NS / 1000;
const DAY_US: i64 = DAY_NS / 1000;

/// A row of the model.
#[derive(Debug, Clone)]
struct Row {
    time_us: i64,
    values: Logical,
}

impl Row {
    fn value(&self, column: &RowColumn) -> Option<&str> {
        match column {
            RowColumn::Stored(name) => self.values.get(&**name).map(String::as_str),
            RowColumn::Attribute(key) => {
                // Of a key that repeats, the last counts.
                let mut name = format!("attr:{key}");
                while self.values.contains_key(&format!("{name}+")) {
                    name.push('+');
                }
                let text = self.values.get(&name)?;
                Some(text.split_once(':').unwrap().1)
            }
            _ => unreachable!("not asked for"),
        }
    }
}

fn rows_of(table: Table, batch: &RecordBatch) -> Vec<Row> {
    let times = batch.column_by_name(table.time_column()).unwrap();
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let rows = logical(batch).into_iter().zip(times.values());
    rows.map(|(values, time)| Row { time_us: *time, values }).collect()
}

/// A condition on one column, as texts are shown.
#[derive(Debug, Clone)]
struct Condition {
    column: RowColumn,
    /// Any of these.
    texts: Vec<String>,
}

impl Condition {
    fn holds(&self, row: &Row) -> bool {
        row.value(&self.column).is_some_and(|value| self.texts.iter().any(|text| text == value))
    }
}

impl RowTest for Condition {
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let options = FormatOptions::new().with_display_error(false);
        let column = batch.column(0);
        let shown = ArrayFormatter::try_new(column, &options).unwrap();
        let is = |row: usize| self.texts.contains(&shown.value(row).to_string());
        Ok((0..batch.num_rows()).map(|row| Some(column.is_valid(row) && is(row))).collect())
    }
}

/// Rows of a time range.
#[derive(Debug, Clone, Copy)]
struct Within(i64, i64);

impl RowTest for Within {
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        Ok(times.iter().map(|time| time.map(|t| (self.0..=self.1).contains(&t))).collect())
    }
}

/// A question, in a form that the model understands too.
#[derive(Debug, Clone)]
struct Question {
    columns: Vec<RowColumn>,
    conditions: Vec<Condition>,
    within: Option<Within>,
    prune: RowPrune,
    order: RowOrder,
    floor_us: i64,
    ceiling_us: i64,
}

fn stored(name: &str) -> RowColumn {
    RowColumn::Stored(name.into())
}

fn one_of<T: Clone>(rng: &SimRng, of: &[T]) -> T {
    of[rng.below(of.len() as u64) as usize].clone()
}

fn question(rng: &SimRng, table: Table, rows: &[Row]) -> Question {
    let mut all: Vec<RowColumn> =
        table.schema().fields().iter().map(|field| stored(field.name())).collect();
    all.retain(|c| {
        ![column::ATTRIBUTES, column::ATTRIBUTE_KINDS, column::PROBLEMS].map(stored).contains(c)
    });
    let keys = ["http.route", "http.status", "score", "cached", "Cached", "twice", "list", "none"];
    all.extend(keys.map(|key| RowColumn::Attribute(key.into())));
    let mut columns: Vec<RowColumn> = all.iter().filter(|_| rng.chance(300)).cloned().collect();
    if rng.chance(500) {
        columns.extend([RowColumn::Attributes, RowColumn::AttributeKinds]);
    }
    let mut question = Question {
        columns,
        conditions: Vec::new(),
        within: None,
        prune: RowPrune::default(),
        order: one_of(rng, &[RowOrder::Any, RowOrder::NewestFirst, RowOrder::OldestFirst]),
        floor_us: i64::MIN,
        ceiling_us: i64::MAX,
    };
    let some = |rng: &SimRng, column: &RowColumn| {
        let wanted = (0..=rng.below(3)).filter_map(|_| {
            let row = &rows[rng.below(rows.len().max(1) as u64) as usize];
            row.value(column).map(str::to_owned)
        });
        wanted.collect::<Vec<String>>()
    };
    if rng.chance(400) {
        let from = BASE_US + rng.below(2 * DAY_US as u64) as i64;
        let within = Within(from, from + rng.below(DAY_US as u64) as i64);
        (question.prune.start_us, question.prune.end_us) = (within.0, within.1);
        question.within = Some(within);
    }
    add_pruned(rng, table, &mut question, some);
    if rng.chance(500) && !rows.is_empty() {
        let key = RowColumn::Attribute(one_of(rng, &keys).into());
        let texts = some(rng, &key);
        question.conditions.push(Condition { column: key, texts });
    }
    if rng.chance(200) {
        question.floor_us = BASE_US + rng.below(2 * DAY_US as u64) as i64;
    }
    if rng.chance(200) {
        question.ceiling_us = BASE_US + rng.below(2 * DAY_US as u64) as i64;
    }
    question
}

/// Adds conditions that pruning knows of.
fn add_pruned(
    rng: &SimRng,
    table: Table,
    question: &mut Question,
    some: impl Fn(&SimRng, &RowColumn) -> Vec<String>,
) {
    let numbers = |texts: &[String]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<i32>>();
    let Question { conditions, prune, .. } = question;
    if rng.chance(300) {
        let column = stored(column::SERVICE_NAME);
        let texts = vec![format!("service-{}", rng.below(9))];
        prune.services = Some(texts.clone());
        conditions.push(Condition { column, texts });
    }
    if rng.chance(200) {
        let column = stored(column::TRACE_ID);
        let texts = some(rng, &column);
        let id = |hex: &String| u128::from_str_radix(hex, 16).unwrap().to_be_bytes();
        prune.trace_ids = Some(texts.iter().map(id).collect());
        conditions.push(Condition { column, texts });
    }
    if rng.chance(300) && table == Table::Logs {
        let from = rng.below(25) as i32;
        prune.severity = Some((from, from + 4));
        let texts = (from..=from + 4).map(|n| n.to_string()).collect();
        conditions.push(Condition { column: stored(column::SEVERITY_NUMBER), texts });
    }
    if table == Table::Spans {
        for (name, at) in [(column::NAME, 0), (column::KIND, 1), (column::STATUS, 2)] {
            if !rng.chance(200) {
                continue;
            }
            let texts = some(rng, &stored(name));
            match at {
                0 => prune.names = Some(texts.clone()),
                1 => prune.kinds = Some(numbers(&texts)),
                _ => prune.statuses = Some(numbers(&texts)),
            }
            conditions.push(Condition { column: stored(name), texts });
        }
    }
}

impl Question {
    fn scan(&self, table: Table, pruned: bool) -> RowScan {
        let mut scan = RowScan::new(table, self.columns.clone());
        scan.order = self.order;
        scan.floor_us = Arc::new(AtomicI64::new(self.floor_us));
        scan.ceiling_us = Arc::new(AtomicI64::new(self.ceiling_us));
        if pruned {
            scan.prune = self.prune.clone();
        }
        if let Some(within) = self.within {
            let columns = vec![stored(table.time_column())];
            scan.filters.push(RowFilter { columns, test: Arc::new(within) });
        }
        scan.filters.extend(self.conditions.iter().map(|condition| RowFilter {
            columns: vec![condition.column.clone()],
            test: Arc::new(condition.clone()),
        }));
        scan
    }

    fn holds(&self, row: &Row) -> bool {
        self.conditions.iter().all(|condition| condition.holds(row))
            && self.within.is_none_or(|w| (w.0..=w.1).contains(&row.time_us))
    }

    /// What an answer shows of a row.
    fn shown(&self, row: &Row) -> Vec<String> {
        let mut shown = Vec::new();
        for column in &self.columns {
            match column {
                RowColumn::Attributes => shown.extend(
                    row.values
                        .iter()
                        .filter(|(name, _)| name.starts_with("attr:"))
                        .map(|(name, value)| format!("{}={value}", name.trim_end_matches('+'))),
                ),
                RowColumn::AttributeKinds => {}
                RowColumn::Stored(name) => {
                    shown.extend(row.value(column).map(|value| format!("{name}={value}")));
                }
                RowColumn::Attribute(key) => shown
                    .extend(row.value(column).map(|value| format!("attributes['{key}']={value}"))),
            }
        }
        shown.sort();
        shown
    }
}

/// What a batch shows of its rows.
fn shown(batch: &RecordBatch) -> Vec<Vec<String>> {
    let rows = logical(batch).into_iter();
    let plain = |name: &str, value: &str| match name.starts_with("attr:") {
        true => format!("{}={value}", name.trim_end_matches('+')),
        false => format!("{name}={value}"),
    };
    rows.map(|row| {
        let mut shown: Vec<String> = row.iter().map(|(n, v)| plain(n, v)).collect();
        shown.sort();
        shown
    })
    .collect()
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

/// Runs a scan; returns its batches and the pages read and left out.
async fn run(view: &Arc<View>, scan: RowScan) -> Result<(Vec<RecordBatch>, u64, u64)> {
    let schema = scan.schema().unwrap();
    let source = view.rows(&tenant(), scan)?;
    let mut batches = Vec::new();
    for part in source.parts {
        batches.extend(part.read().try_collect::<Vec<_>>().await?);
    }
    let stats = &source.stats;
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows as u64, get(&stats.rows));
    assert!(get(&stats.rows_scanned) >= get(&stats.rows));
    assert!(get(&stats.blocks) >= get(&stats.blocks_pruned));
    assert!(
        get(&stats.pages) == 0 || get(&stats.bytes) > 0 || get(&stats.rows_scanned) == rows as u64
    );
    for batch in &batches {
        assert_eq!(batch.schema(), schema);
        assert!((1..=BATCH_ROWS).contains(&batch.num_rows()));
    }
    Ok((batches, get(&stats.pages), get(&stats.pages_pruned)))
}

/// Asks the view and the model.
async fn check(view: &Arc<View>, table: Table, rows: &[Row], question: &Question) {
    let mut expected = Vec::new();
    let mut needed = Vec::new();
    for row in rows.iter().filter(|row| question.holds(row)) {
        expected.push(question.shown(row));
        if (question.floor_us..=question.ceiling_us).contains(&row.time_us) {
            needed.push(question.shown(row));
        }
    }
    expected.sort();
    needed.sort();
    let mut pages = Vec::new();
    for pruned in [true, false] {
        let (batches, read, left_out) = run(view, question.scan(table, pruned)).await.unwrap();
        let mut found: Vec<Vec<String>> = batches.iter().flat_map(shown).collect();
        found.sort();
        pages.push((read, read + left_out));
        assert!(is_part(&needed, &found), "rows are missing: {question:?}");
        assert!(is_part(&found, &expected), "rows too many: {question:?}");
    }
    assert!(pages[0].0 <= pages[1].0, "pruning reads less");
}

/// Returns whether `part` lies in `whole`, each as often; both are sorted.
fn is_part(part: &[Vec<String>], whole: &[Vec<String>]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.by_ref().any(|row| row == wanted))
}

async fn append(store: &Store, rows: TableRows, model: &mut Vec<Row>, again: TableRows) {
    let table = rows.table();
    model.extend(rows_of(table, &again.into_batch().unwrap()));
    store.storage().writer().append_rows(&tenant(), rows, RequestMark::default()).await.unwrap();
}

fn random_rows(table: Table, seed: u64, n: usize, days: i64) -> TableRows {
    let rng = SimRng::new(seed);
    match table {
        Table::Logs => log_rows(&rng, n, days),
        Table::Spans => span_rows(&rng, n, days),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_answer_what_a_list_answers() {
    for seed in 0..6 {
        let rng = SimRng::new(seed);
        let table = [Table::Logs, Table::Spans][seed as usize % 2];
        let store = Store::open(seed).await.unwrap();
        let mut model = Vec::new();
        for step in 0..6 {
            if rng.chance(250) {
                store.storage().flush().await.unwrap();
            }
            let (own, n) = (seed * 100 + step, 1 + rng.below(150) as usize);
            let again = random_rows(table, own, n, 2);
            append(&store, random_rows(table, own, n, 2), &mut model, again).await;
        }
        let view = store.storage().reader().view();
        for _ in 0..20 {
            check(&view, table, &model, &question(&rng, table, &model)).await;
        }
        let known = view.row_schema(&tenant(), table, i64::MIN, i64::MAX);
        assert_eq!(known.rows, model.len() as u64);
        store.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_left_out_by_what_is_known_of_them() {
    for table in [Table::Logs, Table::Spans] {
        let store = Store::open(1).await.unwrap();
        let mut model = Vec::new();
        let again = random_rows(table, 5, 20_000, 1);
        append(&store, random_rows(table, 5, 20_000, 1), &mut model, again).await;
        let rng = SimRng::new(9);
        let head = store.storage().reader().view();
        check(&head, table, &model, &question(&rng, table, &model)).await;
        newest(&head, table, &model).await;
        drop(head);
        store.storage().flush().await.unwrap();
        let view = store.fresh_view();
        for _ in 0..6 {
            check(&view, table, &model, &question(&rng, table, &model)).await;
        }
        let mut scan = RowScan::new(table, vec![stored(table.time_column())]);
        match table {
            // Sorted by service: the first one fills less than a page.
            Table::Logs => scan.prune.services = Some(vec!["service-0".to_owned()]),
            Table::Spans => {
                scan.prune.end_us = model.iter().map(|row| row.time_us).min().unwrap();
            }
        }
        let (_, read, left_out) = run(&view, scan).await.unwrap();
        assert_eq!(read + left_out, 3);
        assert!(table == Table::Spans || read == 1, "{read} pages of logs");
        newest(&view, table, &model).await;
        oldest(&view, table, &model).await;
        traces(&view, table, &model).await;
        store.end().await;
    }
}

/// The newest rows are found although older pages are skipped as soon as they are known.
async fn newest(view: &Arc<View>, table: Table, model: &[Row]) {
    let mut scan = RowScan::new(table, vec![stored(table.time_column())]);
    scan.order = RowOrder::NewestFirst;
    let floor = Arc::clone(&scan.floor_us);
    let mut times: Vec<i64> = Vec::new();
    for part in view.rows(&tenant(), scan).unwrap().parts {
        let mut batches = part.read();
        while let Some(batch) = batches.try_next().await.unwrap() {
            times.extend(batch.column(0).as_primitive::<TimestampMicrosecondType>().values());
            times.sort_unstable_by(|a, b| b.cmp(a));
            times.truncate(100);
            floor.store(times.last().copied().unwrap_or(i64::MIN), Ordering::Relaxed);
        }
    }
    let mut expected: Vec<i64> = model.iter().map(|row| row.time_us).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    expected.truncate(100);
    assert_eq!(times, expected);
}

/// The oldest rows are found although newer pages are skipped as soon as they are known.
async fn oldest(view: &Arc<View>, table: Table, model: &[Row]) {
    let mut scan = RowScan::new(table, vec![stored(table.time_column())]);
    scan.order = RowOrder::OldestFirst;
    let ceiling = Arc::clone(&scan.ceiling_us);
    let mut times: Vec<i64> = Vec::new();
    for part in view.rows(&tenant(), scan).unwrap().parts {
        if !part.is_needed() {
            continue;
        }
        let mut batches = part.read();
        while let Some(batch) = batches.try_next().await.unwrap() {
            times.extend(batch.column(0).as_primitive::<TimestampMicrosecondType>().values());
            times.sort_unstable();
            times.truncate(100);
            if times.len() == 100 {
                ceiling.store(times[99], Ordering::Relaxed);
            }
        }
    }
    let mut expected: Vec<i64> = model.iter().map(|row| row.time_us).collect();
    expected.sort_unstable();
    expected.truncate(100);
    assert_eq!(times, expected);
}

async fn traces(view: &Arc<View>, table: Table, model: &[Row]) {
    let known = model.iter().find_map(|row| row.value(&stored(column::TRACE_ID))).unwrap();
    let known = u128::from_str_radix(known, 16).unwrap().to_be_bytes();
    assert!(view.has_rows_of(&tenant(), table, &known).await.unwrap());
    assert!(!view.has_rows_of(&tenant(), table, &[0xEE; 16]).await.unwrap());
    let mut scan = RowScan::new(table, Vec::new());
    scan.prune.trace_ids = Some(vec![[0xEE; 16]]);
    let (batches, read, left_out) = run(view, scan).await.unwrap();
    assert_eq!((batches.len(), read, left_out), (0, 0, 3), "the index knows all traces");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_view_never_changes() {
    let store = Store::open(3).await.unwrap();
    let mut model = Vec::new();
    let rows = |seed| random_rows(Table::Logs, seed, 50, 1);
    append(&store, rows(1), &mut model, rows(1)).await;
    let view = store.storage().reader().view().pinned(&tenant());
    let count = async || {
        let (batches, ..) = run(&view, RowScan::new(Table::Logs, Vec::new())).await.unwrap();
        batches.iter().map(RecordBatch::num_rows).sum::<usize>()
    };
    assert_eq!(count().await, 50);
    append(&store, rows(2), &mut model, rows(2)).await;
    assert_eq!(count().await, 50);
    store.storage().flush().await.unwrap();
    assert_eq!(count().await, 50);
    store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_told_and_never_answered() {
    let store = Store::open(4).await.unwrap();
    let mut model = Vec::new();
    let rows = || random_rows(Table::Spans, 4, 3000, 1);
    append(&store, rows(), &mut model, rows()).await;
    store.storage().flush().await.unwrap();
    let block = store.storage().catalog().all_blocks().next().unwrap().object.clone();
    let path = Path::from(block);
    let whole = store.bucket.get(&path).await.unwrap().bytes().await.unwrap();
    let rng = SimRng::new(8);
    let mut told = 0;
    for _ in 0..40 {
        let mut damaged = whole.to_vec();
        let at = rng.below(damaged.len() as u64) as usize;
        damaged[at] ^= 1 << rng.below(8);
        store.bucket.put(&path, PutPayload::from(damaged)).await.unwrap();
        let question = Question {
            floor_us: i64::MIN,
            ceiling_us: i64::MAX,
            ..question(&rng, Table::Spans, &model)
        };
        let mut expected: Vec<Vec<String>> =
            model.iter().filter(|row| question.holds(row)).map(|row| question.shown(row)).collect();
        match run(&store.fresh_view(), question.scan(Table::Spans, true)).await {
            Ok((batches, ..)) => {
                let mut found: Vec<Vec<String>> = batches.iter().flat_map(shown).collect();
                expected.sort();
                found.sort();
                assert_eq!(found, expected, "what was not read is not wrong");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                told += 1;
            }
        }
    }
    assert!(told > 0, "some of the damage lies in what is read");
    store.end().await;
}

/// Fails always.
#[derive(Debug)]
struct Refuses;

impl RowTest for Refuses {
    fn test(&self, _: &RecordBatch) -> Result<BooleanArray> {
        Err(tarn_model::error::Error::limit("too much"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_filter_says_is_what_the_scan_says() {
    let store = Store::open(5).await.unwrap();
    let mut model = Vec::new();
    let rows = || random_rows(Table::Logs, 4, 10, 1);
    for flushed in [false, true] {
        if flushed {
            store.storage().flush().await.unwrap();
        } else {
            append(&store, rows(), &mut model, rows()).await;
        }
        let mut scan = RowScan::new(Table::Logs, Vec::new());
        let columns = vec![stored(column::TIMESTAMP)];
        scan.filters.push(RowFilter { columns, test: Arc::new(Refuses) });
        let error = run(&store.storage().reader().view(), scan).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { retry_after: None });
        assert_eq!(error.message(), "too much");
    }
    let scan = RowScan::new(Table::Logs, vec![stored("no_such")]);
    let view = store.storage().reader().view();
    assert_eq!(view.rows(&tenant(), scan).unwrap_err().kind(), ErrorKind::Invalid);
    store.end().await;
}
