//! `tarn query`: a server asked, a data folder read beside it and after its end, and what is printed.

use std::path::Path;
use std::process::Output;

use anyhow::{Result, ensure};
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, data_folder, now_ms, seconds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_its_folder_give_the_same_answer() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let mut tarn = Tarn::start(TARN, &data, &["--telemetry.own-metrics", "false"]).await?;
    let now = now_ms() / 1000 * 1000;
    let up = |job: &str, value: f64| {
        Series::of(&[("__name__", "up"), ("job", job)], vec![(now - 15_000, 1.0), (now, value)])
    };
    let sent = send_v1(&tarn.http, &[up("api", 1.0), up("db, \"old\"", 0.5)]).await?;
    ensure!(sent.status == 204, "{}", sent.text());
    let url = format!("http://{}", tarn.address);
    let time = seconds(now);
    let csv = "__name__,job,value\r\nup,api,1\r\nup,\"db, \"\"old\"\"\",0.5\r\n";

    let asked = query(&["up", "--server", &url, "--time", &time]).await?;
    expect(&asked, 0, csv)?;
    let table = query(&["up", "--url", &url, "--time", &time, "--format", "table"]).await?;
    let shown = String::from_utf8_lossy(&table.stdout).into_owned();
    ensure!(shown.lines().count() == 6 && shown.contains("db, \"old\""), "{shown}");
    let range = ["up{job='api'}", "--range", "15s", "--step", "15s", "--time", &time];
    let range = query(&[&range[..], &["--url", &url, "--format", "json"]].concat()).await?;
    let json: serde_json::Value = serde_json::from_slice(&range.stdout)?;
    let values = json["data"]["result"][0]["values"].as_array().map(Vec::len);
    ensure!(values == Some(2), "{json}");

    // Beside the server only what is committed can be read: nothing yet, and it says so.
    let folder = data.to_string_lossy().into_owned();
    let beside = query(&["up", "--data", &folder, "--time", &time]).await?;
    expect(&beside, 0, "value\r\n")?;
    ensure!(text(&beside.stderr).contains("a server has"), "{}", text(&beside.stderr));

    // DUR-1, seen by this command: the log is read where no server has it.
    tarn.kill()?;
    let files = listing(&data)?;
    let alone = query(&["up", "--data", &folder, "--time", &time]).await?;
    expect(&alone, 0, csv)?;
    ensure!(listing(&data)? == files, "reading wrote to the folder");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_answered_is_told_with_an_exit_code() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let tarn = Tarn::start(TARN, &data, &[]).await?;
    let url = format!("http://{}", tarn.address);
    let wrong = query(&["up(", "--url", &url]).await?;
    expect(&wrong, 1, "")?;
    ensure!(text(&wrong.stderr).contains("unclosed left parenthesis"), "{}", text(&wrong.stderr));
    let nobody = query(&["up", "--url", "http://127.0.0.1:1"]).await?;
    ensure!(nobody.status.code() == Some(1), "{nobody:?}");
    let nowhere = temporary.path().join("nowhere");
    let absent = query(&["up", "--data", &nowhere.to_string_lossy()]).await?;
    ensure!(absent.status.code() == Some(1) && !nowhere.try_exists()?, "{absent:?}");
    let misuse = query(&["up", "--url", &url, "--step", "15s"]).await?;
    ensure!(misuse.status.code() == Some(64), "{misuse:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_is_answered_by_a_server_and_by_its_folder() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let mut tarn = Tarn::start(TARN, &data, &["--telemetry.own-metrics", "false"]).await?;
    let now = now_ms() / 1000 * 1000;
    let labels = [("__name__", "up"), ("job", "clear\u{1b}[2J")];
    let up = Series::of(&labels, vec![(now - 1000, 2.0), (now, 0.5)]);
    let sent = send_v1(&tarn.http, &[up]).await?;
    ensure!(sent.status == 204, "{}", sent.text());
    let url = format!("http://{}", tarn.address);
    let sql = "SELECT l_job, value FROM samples WHERE metric = 'up' ORDER BY ts";
    let csv = "l_job,value\r\nclear\u{1b}[2J,2.0\r\nclear\u{1b}[2J,0.5\r\n";

    expect(&query(&["--sql", sql, "--url", &url]).await?, 0, csv)?;
    let table = query(&["--sql", sql, "--url", &url, "--format", "table"]).await?;
    let shown = text(&table.stdout);
    ensure!(shown.contains("clear\\u{1b}[2J") && !shown.contains('\u{1b}'), "{shown}");
    let wrong = query(&["--sql", "SELECT value FROM samples WHERE", "--url", &url]).await?;
    expect(&wrong, 1, "")?;
    ensure!(text(&wrong.stderr).contains("(line 1, column 32)"), "{}", text(&wrong.stderr));

    tarn.kill()?;
    let folder = data.to_string_lossy().into_owned();
    expect(&query(&["--sql", sql, "--data", &folder]).await?, 0, csv)
}

async fn query(args: &[&str]) -> Result<Output> {
    Ok(tokio::process::Command::new(TARN).arg("query").args(args).output().await?)
}

fn expect(output: &Output, code: i32, stdout: &str) -> Result<()> {
    ensure!(output.status.code() == Some(code), "{output:?}");
    ensure!(text(&output.stdout) == stdout, "{:?}", text(&output.stdout));
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns every file below a folder with its length.
fn listing(folder: &Path) -> Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push((entry.path().display().to_string(), entry.metadata()?.len()));
            }
        }
    }
    files.sort();
    Ok(files)
}
