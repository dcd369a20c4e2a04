//! A real Prometheus (Debian's) that scrapes, and writes what it scraped to a Tarn under test.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::http::Http;
use crate::process::free_port;

/// A running Prometheus. Killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    /// Talks to it.
    pub http: Http,
    /// `127.0.0.1:port`.
    pub address: String,
}

impl Prometheus {
    /// Returns why there is no Prometheus to test with, if there is none.
    pub fn absent() -> Option<String> {
        match Command::new("prometheus").arg("--version").output() {
            Ok(_) => None,
            Err(e) => Some(format!("prometheus: {e}; Debian has it as package `prometheus`")),
        }
    }

    /// Starts it in `folder`. It scrapes itself and `tarn` every second and writes to `tarn`.
    ///
    /// # Errors
    /// Where it does not come up.
    #[expect(clippy::disallowed_methods, reason = "configuration and log of a child process")]
    pub async fn start(folder: &Path, tarn: &str) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, configuration(&address, tarn))?;
        let log = File::create(folder.join("prometheus.log"))?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("start prometheus")?;
        let prometheus = Self { child, http: Http::new(&address), address };
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            if let Ok(answer) = prometheus.http.get("/-/ready", &[]).await
                && answer.status == 200
            {
                return Ok(prometheus);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(folder.join("prometheus.log")).unwrap_or_default();
        bail!("prometheus is not ready; its log:\n{log}")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Either fails only where the process has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn configuration(own: &str, tarn: &str) -> String {
    format!(
        "global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ['{own}']}}]
  - job_name: tarn
    static_configs: [{{targets: ['{tarn}']}}]
  - job_name: nobody
    static_configs: [{{targets: ['127.0.0.1:1']}}]
remote_write:
  - url: http://{tarn}/api/v1/write
    queue_config: {{batch_send_deadline: 200ms}}
    metadata_config: {{send_interval: 1s}}
"
    )
}
