//! SHU-1, FEN-1: how the process ends, and who may start.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tarn_testkit::process::{Tarn, free_port};
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, data_folder, now_ms, seconds};

/// SHU-1: under load SIGTERM drops no accepted request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shu_1_sigterm_drops_nothing_that_was_accepted() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let tarn = Tarn::start(TARN, &data, &[]).await?;
    let base = now_ms() - 60_000;
    let stop = Arc::new(AtomicBool::new(false));
    let (http, stopped) = (tarn.http.clone(), Arc::clone(&stop));
    let sender = tokio::spawn(async move {
        let mut acknowledged = 0;
        while !stopped.load(Ordering::Relaxed) {
            let sample = (base + acknowledged, acknowledged as f64);
            let series = [Series::of(&[("__name__", "stop_test")], vec![sample])];
            match send_v1(&http, &series).await {
                Ok(answer) if answer.status == 204 => acknowledged += 1,
                // Refused while stopping: not accepted.
                _ => break,
            }
        }
        acknowledged
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = tarn.stop().await?;
    ensure!(status.code() == Some(0), "exit {status}");
    stop.store(true, Ordering::Relaxed);
    let acknowledged = sender.await?;
    ensure!(acknowledged > 0, "nothing was acknowledged");
    let tarn = Tarn::start(TARN, &data, &[]).await?;
    let query = "count_over_time(stop_test[1h])";
    let found = tarn.http.instant(query, &seconds(base + 3_000_000)).await?;
    let found: i64 = found["result"][0]["value"][1].as_str().unwrap_or("0").parse()?;
    // One more may have been stored while its reply was cut off.
    ensure!(found == acknowledged || found == acknowledged + 1, "{found} of {acknowledged}");
    Ok(())
}

/// FEN-1: the second process on a folder gives up with a message that says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fen_1_one_process_per_folder() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let first = Tarn::start(TARN, &data, &[]).await?;
    let mut second = Tarn::spawn(TARN, &data, &[])?;
    let status = second.wait_exit(Duration::from_secs(20)).await?;
    ensure!(status.code() == Some(75), "exit {status}: {}", second.log_text());
    ensure!(second.log_text().contains("another process"), "{}", second.log_text());
    ensure!(first.http.get("/readyz", &[]).await?.status == 200, "the first goes on");
    Ok(())
}

/// A taken port is named, with what to do; so is a public address without leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_refused_with_advice() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.to_string();
    let data = data_folder(&temporary).to_string_lossy().into_owned();
    let run = |flags: &[&str]| {
        Command::new(TARN).arg("server").args(["--storage.path", &data]).args(flags).output()
    };
    let out = run(&["--listen.http", &taken])?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(text.contains(&taken) && text.contains("--listen.http"), "{text}");
    ensure!(!out.status.success(), "{text}");
    let public = format!("0.0.0.0:{}", free_port()?);
    let out = run(&["--listen.http", &public, "--auth.login", "off"])?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(text.contains("--insecure-bind"), "{text}");
    ensure!(out.status.code() == Some(78), "{:?}: {text}", out.status);
    Ok(())
}
