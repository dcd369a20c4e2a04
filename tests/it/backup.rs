//! Backups of the whole process: everything is deleted, restored and asked again; a backup in the
//! middle of a flood holds what was acknowledged before; refusals of the commands.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tarn_testkit::http::Http;
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1};
use tarn_testkit::s3_server::S3Server;

use crate::{TARN, data_folder, now_ms, rows, seconds};

/// Nothing but what the test sends, and no rules that fire by themselves.
const QUIET: [&str; 10] = [
    "--telemetry.own-logs",
    "false",
    "--telemetry.own-traces",
    "false",
    "--telemetry.own-metrics",
    "false",
    "--alerting.shipped-rules",
    "false",
    "--span-metrics.enabled",
    "false",
];
/// Exit codes.
const CORRUPT: Option<i32> = Some(74);
const TEMPORARY: Option<i32> = Some(75);
const CONFIGURATION: Option<i32> = Some(78);

const GROUP: &str = "name: errors\nrules:\n- alert: ShopFails\n  expr: shop_failing > 0\n";

async fn run(args: &[&str], variables: &[(&str, &str)]) -> Result<Output> {
    let mut command = tokio::process::Command::new(TARN);
    command.args(args).envs(variables.iter().copied());
    Ok(command.output().await?)
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of ours is text")
}

/// Sends rows of all signals, a board, rules and a silence.
async fn fill(tarn: &Tarn, now: i64) -> Result<()> {
    let http = &tarn.http;
    for n in 0..20 {
        let values = (0..30).map(|i| (now - i * 1000, (i * n) as f64)).rev().collect();
        let n = n.to_string();
        let series = Series::of(&[("__name__", "shop_orders"), ("n", &n)], values);
        // Apart from its name it is the same series.
        let other = Series::of(&[("__name__", "shop_carts"), ("n", &n)], vec![(now, 1.0)]);
        ensure!(send_v1(http, &[series, other]).await?.status == 204, "samples are taken");
    }
    for n in 0..30u64 {
        let at = u64::try_from(now)? * 1_000_000 - n * 1_000_000_000;
        let record = otlp::record(at, &format!("order {n} placed"), vec![otlp::int("order", 7)]);
        otlp::send_logs(http, &otlp::logs("shop", vec![record])).await?;
        let span = otlp::span(u128::from(n) + 1, n + 1, 0, "checkout", at, 5_000_000);
        otlp::send_spans(http, &otlp::spans("shop", vec![span])).await?;
    }
    let board = json!({"kind": "Dashboard", "metadata": {"name": "orders"}, "spec": {
        "display": {"name": "Orders"}, "duration": "1h", "panels": {}, "layouts": []}});
    let json_type = [("content-type", "application/json")];
    let at = "/api/v1/dashboards/orders";
    let stored = http.send(Method::PUT, at, &json_type, board.to_string()).await?;
    ensure!(stored.status < 300 || stored.status == 409, "{}", stored.text());
    let yaml = [("content-type", "application/yaml")];
    let rules = http.send(Method::POST, "/config/v1/rules/shop", &yaml, GROUP).await?;
    ensure!(rules.status == 202, "{}", rules.text());
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "ShopFails", "isRegex": false, "isEqual": true}],
        "startsAt": time(now), "endsAt": time(now + 86_400_000), "createdBy": "ann",
        "comment": "planned",
    });
    let made = http.send(Method::POST, "/api/v2/silences", &json_type, silence.to_string()).await?;
    ensure!(made.status == 200, "{}", made.text());
    Ok(())
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).expect("a time of this century").to_string()
}

/// What a fixed set of questions is answered.
async fn answers(tarn: &Tarn, now: i64) -> Result<Vec<Value>> {
    let (http, at) = (&tarn.http, seconds(now));
    let mut all = Vec::new();
    for expression in
        ["count(shop_orders)", "sum(sum_over_time(shop_orders[1m]))", "max(shop_orders)"]
    {
        all.push(http.instant(expression, &at).await?["result"].take());
    }
    for query in [
        "SELECT count(*), min(timestamp), max(timestamp) FROM logs WHERE service_name = 'shop'",
        "SELECT body, attributes['order'] FROM logs WHERE service_name = 'shop' ORDER BY timestamp",
        "SELECT count(*), count(DISTINCT trace_id), sum(duration_ns) FROM spans",
        "SELECT count(*), sum(value) FROM samples WHERE metric = 'shop_orders'",
    ] {
        all.push(json!(rows(http, query).await?));
    }
    let trace = format!("{:032x}", 7);
    for (route, parameters) in [
        (format!("/api/v1/traces/{trace}"), vec![]),
        ("/api/v1/logs/search".to_owned(), vec![("q", "service:shop placed"), ("limit", "50")]),
    ] {
        let answer = http.get(&route, &parameters).await?;
        ensure!(answer.status == 200, "{route}: {}", answer.text());
        let mut answer = answer.json()?;
        ensure!(answer["warnings"].as_array().is_none_or(Vec::is_empty), "{route}: {answer}");
        // What it cost differs from run to run.
        if let Some(data) = answer["data"].as_object_mut() {
            data.retain(|name, _| ["rows", "spans"].contains(&name.as_str()));
        }
        all.push(answer["data"].take());
    }
    let board = http.get("/api/v1/dashboards/orders", &[]).await?.json()?;
    all.push(board["data"]["spec"].clone());
    all.push(json!(http.get("/config/v1/rules", &[]).await?.text()));
    let silences = http.get("/api/v2/silences", &[]).await?.json()?;
    all.push(json!([silences[0]["id"], silences[0]["comment"], silences[0]["status"]["state"]]));
    Ok(all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_deleted_and_comes_back() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let tarn = Tarn::start(TARN, &data, &QUIET).await?;
    let now = now_ms() / 1000 * 1000;
    fill(&tarn, now).await?;
    let before = answers(&tarn, now).await?;
    let (url, keep) = (format!("http://{}", tarn.address), temporary.path().join("backups"));
    let create = ["backup", "create", "--storage.path", path(&data), "--url", &url, "--to"];
    let s3 = S3Server::start().await?;
    let (in_bucket, environment) = (s3.url("backups"), s3.environment());

    // A server has the folder, and another address is asked: no backup without the newest rows.
    let wrong = ["backup", "create", "--storage.path", path(&data), "--url", "http://127.0.0.1:9"];
    let refused = run(&[&wrong[..], &["--to", path(&keep)]].concat(), &[]).await?;
    ensure!(refused.status.code() == CONFIGURATION, "{}", text(&refused));
    ensure!(text(&refused).contains("name it with --url"), "{}", text(&refused));

    // Into a folder, again (nothing is copied), and into a bucket.
    let made = run(&[&create[..], &[path(&keep)]].concat(), &[]).await?;
    ensure!(made.status.success(), "{}", text(&made));
    ensure!(text(&made).contains("default metrics: 620 samples"), "{}", text(&made));
    ensure!(text(&made).contains("with what alerting remembers"), "{}", text(&made));
    ensure!(!text(&made).contains("not in it"), "{}", text(&made));
    let again = run(&[&create[..], &[path(&keep)]].concat(), &[]).await?;
    ensure!(again.status.success(), "{}", text(&again));
    let endpoint = s3.endpoint();
    let to_bucket = [&create[..], &[&in_bucket, "--storage.endpoint", &endpoint]].concat();
    let made = run(&to_bucket, &environment).await?;
    ensure!(made.status.success(), "{}", text(&made));
    let listed = run(&["backup", "list", "--at", path(&keep)], &[]).await?;
    ensure!(text(&listed).lines().count() == 2, "{}", text(&listed));
    let json = run(&["backup", "list", "--json", "--at", path(&keep)], &[]).await?;
    let first: Value = serde_json::from_str(text(&json).lines().next().context("a line")?)?;
    ensure!(first["stored"][0]["tenant"] == "default", "{first}");

    // Over the live store: refused, and nothing changes.
    let over = ["restore", "--from", path(&keep), "--to", path(&data)];
    let refused = run(&over, &[]).await?;
    ensure!(refused.status.code() == TEMPORARY, "{}", text(&refused));
    ensure!(answers(&tarn, now).await? == before, "the live store is as it was");
    ensure!(tarn.stop().await?.success());
    let refused = run(&over, &[]).await?;
    ensure!(refused.status.code() == CONFIGURATION, "{}", text(&refused));
    ensure!(text(&refused).contains("is not empty"), "{}", text(&refused));

    // All is lost.
    std::fs::remove_dir_all(&data)?;
    let restored = run(&over, &[]).await?;
    ensure!(restored.status.success(), "{}", text(&restored));
    let tarn = Tarn::start(TARN, &data, &QUIET).await?;
    let after = answers(&tarn, now).await?;
    for (before, after) in before.iter().zip(&after) {
        ensure!(before == after, "before: {before}\nafter: {after}");
    }
    ensure!(tarn.stop().await?.success());

    from_bucket(&s3, &in_bucket, temporary.path(), now, &before).await?;
    damaged(&keep).await
}

/// Restores a backup in a bucket into another bucket, and asks that.
async fn from_bucket(
    s3: &S3Server,
    backups: &str,
    temporary: &Path,
    now: i64,
    before: &[Value],
) -> Result<()> {
    let (endpoint, environment) = (s3.endpoint(), s3.environment());
    let (elsewhere, log) = (s3.url("new/store"), temporary.join("new-data"));
    let args = [
        "restore",
        "--from",
        backups,
        "--storage.endpoint",
        &endpoint,
        "--storage.url",
        &elsewhere,
        "--storage.path",
        path(&log),
    ];
    let restored = run(&args, &environment).await?;
    ensure!(restored.status.success(), "{}", text(&restored));
    let flags = s3.flags("new/store");
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(QUIET).collect();
    let tarn = Tarn::start_with(TARN, &log, &flags, &environment).await?;
    let after = answers(&tarn, now).await?;
    for (before, after) in before.iter().zip(&after) {
        ensure!(before == after, "from the bucket; before: {before}\nafter: {after}");
    }
    ensure!(tarn.stop().await?.success());
    let twice = run(&args, &environment).await?;
    ensure!(twice.status.code() == CONFIGURATION, "{}", text(&twice));
    Ok(())
}

/// A flipped bit ends a verification with 74, and a restore; a whole backup passes.
async fn damaged(keep: &Path) -> Result<()> {
    let verify = ["backup", "verify", "--at", path(keep)];
    let whole = run(&verify, &[]).await?;
    ensure!(whole.status.success(), "{}", text(&whole));
    let block = walk(&keep.join("objects/blocks"))?;
    let mut bytes = std::fs::read(&block)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    overwrite(&block, &bytes)?;
    let found = run(&verify, &[]).await?;
    ensure!(found.status.code() == CORRUPT, "{}", text(&found));
    let name = block.file_name().and_then(|name| name.to_str()).context("a name")?;
    ensure!(text(&found).contains(name), "{}", text(&found));
    let place = keep.with_extension("restored");
    let refused = run(&["restore", "--from", path(keep), "--to", path(&place)], &[]).await?;
    ensure!(
        refused.status.code() == CORRUPT && text(&refused).contains(name),
        "{}",
        text(&refused)
    );
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "damage to files that a child process reads")]
fn overwrite(file: &Path, bytes: &[u8]) -> Result<()> {
    Ok(std::fs::write(file, bytes)?)
}

/// Returns the first file below a folder.
fn walk(folder: &Path) -> Result<std::path::PathBuf> {
    let entry = std::fs::read_dir(folder)?.next().context("a file")??;
    if entry.file_type()?.is_dir() { walk(&entry.path()) } else { Ok(entry.path()) }
}

/// DUR-1: every row that was acknowledged before `tarn backup create` began is in the backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_a_backup_in_a_flood_holds_what_was_acknowledged_before() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let fast = ["--compaction.interval", "100ms", "--compaction.level1-blocks", "2"];
    let flags: Vec<&str> = QUIET.into_iter().chain(fast).collect();
    let mut tarn = Tarn::start(TARN, &data, &flags).await?;
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
    let begin = now_ms() / 1000 * 1000 - 3_600_000;
    let flood =
        tokio::spawn(send(tarn.http.clone(), begin, Arc::clone(&stop), Arc::clone(&acknowledged)));
    let (keep, url) = (temporary.path().join("backups"), format!("http://{}", tarn.address));
    let mut least = Vec::new();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        least.push(acknowledged.load(Ordering::SeqCst));
        let args = ["backup", "create", "--storage.path", path(&data), "--url", &url, "--to"];
        let made = run(&[&args[..], &[path(&keep)]].concat(), &[]).await?;
        ensure!(made.status.success(), "{}", text(&made));
        // Ids are told apart by the second.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let sent = flood.await??;
    tarn.kill()?;
    let listed = run(&["backup", "list", "--json", "--at", path(&keep)], &[]).await?;
    for (line, least) in text(&listed).lines().zip(least) {
        let index: Value = serde_json::from_str(line)?;
        let id = index["id"].as_str().context("an id")?;
        let place = temporary.path().join(id);
        let args = ["restore", "--from", path(&keep), "--id", id, "--to", path(&place)];
        let restored = run(&args, &[]).await?;
        ensure!(restored.status.success(), "{}", text(&restored));
        let sql = "SELECT count(*), count(DISTINCT value), max(value) FROM samples";
        let args = ["query", "--sql", sql, "--data", path(&place), "--format", "csv"];
        let answer = run(&args, &[]).await?;
        let answer = text(&answer);
        let line = answer.lines().nth(1).context("a row")?;
        let cells: Vec<f64> = line.split(',').map(str::parse).collect::<Result<_, _>>()?;
        ensure!(
            cells[0] == cells[1] && cells[0] == cells[2],
            "each row once, without a gap: {answer}"
        );
        ensure!(cells[0] >= least as f64 && cells[0] <= sent as f64, "{least} of {sent}: {answer}");
    }
    Ok(())
}

/// Sends samples 1, 2, 3 …, each acknowledged before the next.
async fn send(
    http: Http,
    begin: i64,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicI64>,
) -> Result<i64> {
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        let next = n + 1;
        let series = Series::of(&[("__name__", "n")], vec![(begin + next, next as f64)]);
        ensure!(send_v1(&http, &[series]).await?.status == 204, "acknowledged");
        acknowledged.store(next, Ordering::SeqCst);
        n = next;
    }
    Ok(n)
}

/// The command that the README names: a trial of the whole way, with RPO and RTO.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_restores_compares_and_prints_rpo_and_rto() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let tarn = Tarn::start(TARN, &data, &QUIET).await?;
    let now = now_ms() / 1000 * 1000;
    fill(&tarn, now).await?;
    let url = format!("http://{}", tarn.address);
    let drill = ["backup", "drill", "--storage.path", path(&data), "--url", &url];
    let done = run(&drill, &[]).await?;
    ensure!(done.status.success(), "{}", text(&done));
    for line in ["rpo ", "rto ", "create ", "restore ", "bytes ", "counts 3 of 3", "answers 8 of 8"]
    {
        ensure!(text(&done).lines().any(|l| l.starts_with(line)), "{line}: {}", text(&done));
    }
    println!("{}", text(&done));
    // One that is there, against a store that has gone on; and damaged, where it fails.
    let keep = temporary.path().join("backups");
    let args = ["backup", "create", "--storage.path", path(&data), "--url", &url, "--to"];
    ensure!(run(&[&args[..], &[path(&keep)]].concat(), &[]).await?.status.success());
    fill(&tarn, now + 1000).await?;
    let at = [&drill[..], &["--at", path(&keep)]].concat();
    let done = run(&at, &[]).await?;
    ensure!(done.status.success() && text(&done).contains("answers 8 of 8"), "{}", text(&done));
    ensure!(tarn.stop().await?.success());
    std::fs::remove_dir_all(&data)?;
    let alone = run(&at, &[]).await?;
    ensure!(alone.status.success() && text(&alone).contains("not compared"), "{}", text(&alone));
    overwrite(&walk(&keep.join("objects/blocks"))?, b"short")?;
    let damaged = run(&at, &[]).await?;
    ensure!(damaged.status.code() == CORRUPT, "{}", text(&damaged));
    Ok(())
}

/// Rows that only a log has are named, and a start brings them into the next backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leaves_rows_that_a_backup_names() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let (data, keep) = (data_folder(&temporary), temporary.path().join("backups"));
    let mut tarn = Tarn::start(TARN, &data, &QUIET).await?;
    let series = Series::of(&[("__name__", "up")], vec![(now_ms(), 1.0)]);
    ensure!(send_v1(&tarn.http, &[series]).await?.status == 204);
    tarn.kill()?;
    let args = ["backup", "create", "--storage.path", path(&data), "--url", "http://127.0.0.1:9"];
    let made = run(&[&args[..], &["--to", path(&keep)]].concat(), &[]).await?;
    ensure!(made.status.success(), "{}", text(&made));
    ensure!(text(&made).contains("not in it: 1 requests of"), "{}", text(&made));
    tarn.start_again().await?;
    let url = format!("http://{}", tarn.address);
    let args = ["backup", "create", "--storage.path", path(&data), "--url", &url, "--to"];
    let made = run(&[&args[..], &[path(&keep)]].concat(), &[]).await?;
    ensure!(made.status.success() && !text(&made).contains("not in it"), "{}", text(&made));
    ensure!(text(&made).contains("default metrics: 1 samples"), "{}", text(&made));

    // A bad delete: the store's own history brings it back.
    let log = run(&["catalog", "log", "--storage.path", path(&data)], &[]).await?;
    let good = text(&log).lines().rev().nth(1).and_then(|l| l.split(' ').next()?.parse().ok());
    let good: u64 = good.context("a manifest")?;
    let erase = ["erase", "--url", &url, "--signal", "metrics", "--match", "{__name__=\"up\"}"];
    let erased = run(&[&erase[..], &["-y", "--wait"]].concat(), &[]).await?;
    ensure!(erased.status.success(), "{}", text(&erased));
    let place = temporary.path().join("earlier");
    let number = good.to_string();
    let args = ["restore", "--from", path(&data), "--manifest", &number, "--to", path(&place)];
    let restored = run(&args, &[]).await?;
    ensure!(restored.status.success(), "{}", text(&restored));
    let asked =
        run(&["query", "count(up)", "--data", path(&place), "--format", "csv"], &[]).await?;
    ensure!(text(&asked).trim_end().ends_with('1'), "{}", text(&asked));
    Ok(())
}
