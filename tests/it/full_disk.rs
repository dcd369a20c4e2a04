//! A full disk under the way of a page: writes are refused, what must wake somebody does all the
//! same, it can be seen, and it ends when there is room again (FUL-1).
#![expect(
    clippy::disallowed_methods,
    reason = "the test fills a disk and writes an operator's files"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tarn_testkit::process::Tarn;
use tarn_testkit::receiver::{Act, Receiver};
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, now_ms};

const PATIENCE: Duration = Duration::from_secs(40);
/// Room for the logs of a start and for what is kept for the last flush.
const DISK: &str = "size=480m";

/// The shop says every second that it lives; who hears nothing for five must page.
const RULES: &str = "
groups:
- name: shop
  interval: 1s
  rules:
  - alert: ShopSilent
    expr: time() - timestamp(shop_up) > 5
";

/// A small disk of its own; gone with the test.
struct Disk(PathBuf);

impl Disk {
    /// Mounts it; `None` for who may not.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).ok()?;
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(at).output().ok()?;
        mounted.status.success().then(|| Self(at.to_owned()))
    }

    /// Fills it to the last byte.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path)?;
        let mut chunk = vec![1_u8; 1 << 20];
        while !chunk.is_empty() {
            if file.write_all(&chunk).is_err() {
                chunk.truncate(chunk.len() / 2);
            }
        }
        Ok(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The folder goes with the test, whatever umount says.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

async fn send(tarn: &Tarn) -> Result<u16> {
    let series = Series::of(&[("__name__", "shop_up"), ("job", "shop")], vec![(now_ms(), 1.0)]);
    Ok(send_v1(&tarn.http, &[series]).await?.status)
}

/// Sends until it is answered so.
async fn send_until(tarn: &Tarn, status: u16) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if send(tarn).await? == status {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("no {status} within {PATIENCE:?}; log:\n{}", tarn.log_text())
}

async fn metric(tarn: &Tarn, name: &str) -> Result<f64> {
    let text = tarn.http.get("/metrics", &[]).await?.text();
    let values = text.lines().filter(|line| line.starts_with(name));
    Ok(values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ful_1_a_full_disk_keeps_no_page_back() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(&temporary.path().join("disk")) else {
        println!("skipped: no right to mount a disk");
        return Ok(());
    };
    let receiver = Receiver::start([], Act::answer(200, "ok")).await?;
    let (rules, routes) =
        (temporary.path().join("rules.yml"), temporary.path().join("alertmanager.yml"));
    std::fs::write(&rules, RULES)?;
    let text = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}}\n\
         receivers:\n- name: hook\n  webhook_configs: [{{url: '{}'}}]\n",
        receiver.url("/hook")
    );
    std::fs::write(&routes, text)?;
    let flags = [
        "--alerting.rule-files",
        rules.to_str().context("path")?,
        "--alerting.alertmanager-config",
        routes.to_str().context("path")?,
        "--alerting.shipped-rules",
        "false",
    ];
    let tarn = Tarn::start(TARN, &disk.0.join("data"), &flags).await?;
    send_until(&tarn, 204).await?;
    ensure!(metric(&tarn, "tarn_storage_read_only").await? == 0.0);
    let filler = disk.fill()?;
    // What was taken before counts: the shop goes on, and nobody can tell.
    send_until(&tarn, 503).await?;
    ensure!(metric(&tarn, "tarn_storage_read_only").await? >= 1.0);
    let ready = tarn.http.get("/readyz", &[]).await?;
    println!("a full disk: /readyz {} {}", ready.status, ready.text());
    let told = |received: &[tarn_testkit::receiver::Received], status: &str| {
        received.iter().filter(|one| one.json()["status"] == status).count()
    };
    let paged = receiver.wait_for(1, PATIENCE).await?;
    ensure!(told(&paged, "firing") == 1, "{:?}", paged[0].json());
    let status = tarn.http.get("/api/v1/alerting/status", &[]).await?.json()?;
    ensure!(status["running"] == true, "{status}");
    println!("a full disk: the alert log says {}", status["log_broken"]);
    std::fs::remove_file(filler)?;
    send_until(&tarn, 204).await?;
    let begun = Instant::now();
    while told(&receiver.received(), "resolved") == 0 {
        ensure!(begun.elapsed() < PATIENCE, "no end is told; log:\n{}", tarn.log_text());
        send(&tarn).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    ensure!(metric(&tarn, "tarn_storage_read_only").await? == 0.0);
    ensure!(metric(&tarn, "tarn_alerting_log_broken").await? == 0.0);
    ensure!(told(&receiver.received(), "firing") == 1, "it was told once");
    Ok(())
}
