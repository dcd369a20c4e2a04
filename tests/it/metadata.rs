//! A webhook that points at the metadata service of a cloud, in whatever spelling, is not called, and
//! whoever looks is told: also where the operator's own file names it.
#![expect(clippy::disallowed_methods, reason = "the test writes the files of an operator")]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder};

const PATIENCE: Duration = Duration::from_secs(20);

const RULES: &str =
    "groups:\n- name: always\n  interval: 1s\n  rules:\n  - alert: Always\n    expr: vector(1)\n";

/// Spellings of 169.254.169.254 and its IPv6 twin; a URL parser turns most of them into the same.
const ADDRESSES: [&str; 7] = [
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://0251.0376.0251.0376/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "http://[64:ff9b::a9fe:a9fe]/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_at_the_metadata_address_is_refused_and_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (rules, routes) = (folder.path().join("rules.yml"), folder.path().join("alertmanager.yml"));
    std::fs::write(&rules, RULES)?;
    let mut config =
        "route: {receiver: r0, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, routes: ["
            .to_owned();
    for number in 0..ADDRESSES.len() {
        config +=
            &format!("{{receiver: r{number}, continue: true, matchers: ['alertname=Always']}},");
    }
    config += "]}\nreceivers:\n";
    for (number, address) in ADDRESSES.iter().enumerate() {
        config += &format!("- {{name: r{number}, webhook_configs: [{{url: '{address}'}}]}}\n");
    }
    std::fs::write(&routes, config)?;
    let (rules, routes) = (rules.display().to_string(), routes.display().to_string());
    let flags = ["--alerting.rule-files", &rules, "--alerting.alertmanager-config", &routes];
    let tarn = Tarn::start(TARN, &data_folder(&folder), &flags).await?;
    let begin = Instant::now();
    loop {
        let told = tarn.http.get("/api/v1/alerting/deliveries", &[("limit", "1000")]).await?.text();
        let missing: Vec<usize> = (0..ADDRESSES.len())
            .filter(|number| !told.contains(&format!("\"r{number}\"")))
            .collect();
        if missing.is_empty() && told.matches("metadata service").count() >= ADDRESSES.len() {
            println!("{} spellings refused", ADDRESSES.len());
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "receivers {missing:?} are not told: {told}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
