//! A Tarn process under test: started on a free port of the loopback, watched, killed.
//!
//! Its log is kept: a test fails on a WARN or ERROR line that it did not expect.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::http::Http;

/// How long a start may take on a busy machine before the test gives up.
const START_MAX: Duration = Duration::from_secs(60);

/// A running `tarn server`. Killed when dropped.
#[derive(Debug)]
pub struct Tarn {
    child: Child,
    /// What it was started with, for another start on the same ports.
    command: Command,
    log: PathBuf,
    /// Talks to it.
    pub http: Http,
    /// `127.0.0.1:port`.
    pub address: String,
    otlp_grpc: String,
    otlp_http: String,
}

impl Tarn {
    /// Starts the binary on a data folder and waits until it takes writes.
    ///
    /// # Errors
    /// Where it ends or is not ready in time; the message holds its log.
    pub async fn start(binary: &str, data: &Path, flags: &[&str]) -> Result<Self> {
        let mut tarn = Self::spawn(binary, data, flags)?;
        tarn.wait_ready().await?;
        Ok(tarn)
    }

    /// As [`Tarn::start`], with variables in its environment.
    ///
    /// # Errors
    /// As [`Tarn::start`].
    pub async fn start_with(
        binary: &str,
        data: &Path,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let mut tarn = Self::spawn_with(binary, data, flags, variables)?;
        tarn.wait_ready().await?;
        Ok(tarn)
    }

    /// Starts the binary without waiting.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn(binary: &str, data: &Path, flags: &[&str]) -> Result<Self> {
        Self::spawn_with(binary, data, flags, &[])
    }

    /// As [`Tarn::spawn`], with variables in its environment.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn_with(
        binary: &str,
        data: &Path,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let [address, otlp_grpc, otlp_http] = free_addresses()?;
        let log = data.with_extension("log");
        let out = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(binary);
        command
            .arg("server")
            .args(["--storage.path", &data.to_string_lossy(), "--listen.http", &address])
            .args(["--listen.otlp-grpc", &otlp_grpc, "--listen.otlp-http", &otlp_http])
            .args(["--log.format", "logfmt"])
            .args(flags)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let child = command.spawn().with_context(|| format!("start {binary}"))?;
        Ok(Self { child, command, log, http: Http::new(&address), address, otlp_grpc, otlp_http })
    }

    /// Returns `127.0.0.1:port` of OTLP over gRPC.
    pub fn otlp_grpc(&self) -> &str {
        &self.otlp_grpc
    }

    /// Returns `127.0.0.1:port` of OTLP over HTTP.
    pub fn otlp_http(&self) -> &str {
        &self.otlp_http
    }

    /// Waits until `/readyz` says yes.
    ///
    /// # Errors
    /// As [`Tarn::start`].
    pub async fn wait_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("tarn ended with {status}; its log:\n{}", self.log_text());
            }
            match self.http.get("/readyz", &[]).await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                _ if begin.elapsed() > START_MAX => {
                    bail!("tarn is not ready after {START_MAX:?}; its log:\n{}", self.log_text())
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process as `kill -9` does.
    ///
    /// # Errors
    /// Where it had ended by itself.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("tarn had already ended with {status}; its log:\n{}", self.log_text());
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the process again after its end, on the same folder and the same ports, and waits until
    /// it takes writes.
    ///
    /// # Errors
    /// As [`Tarn::start`].
    pub async fn start_again(&mut self) -> Result<()> {
        self.child = self.command.spawn().context("start again")?;
        self.wait_ready().await
    }

    /// Sends a signal by name (`TERM`, `INT`).
    ///
    /// # Errors
    /// Where `kill` fails.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status()?;
        anyhow::ensure!(status.success(), "kill -{name} {pid}: {status}");
        Ok(())
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// Where it does not end within 40 seconds.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(40) {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("tarn does not stop; its log:\n{}", self.log_text())
    }

    /// Waits for an end that the test expects.
    ///
    /// # Errors
    /// Where it goes on for longer than `limit`.
    pub async fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("tarn goes on after {limit:?}; its log:\n{}", self.log_text())
    }

    /// Returns what the process has logged, earlier runs on the same folder included.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|e| format!("(no log: {e})"))
    }

    /// Returns the WARN and ERROR lines that hold none of the `expected` texts.
    pub fn unexpected_lines(&self, expected: &[&str]) -> Vec<String> {
        self.log_text()
            .lines()
            .filter(|l| l.contains("WARN") || l.contains("ERROR") || l.contains("panicked"))
            .filter(|l| !expected.iter().any(|e| l.contains(e)))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Tarn {
    fn drop(&mut self) {
        // Either fails only where the process has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns a port that was free a moment ago.
///
/// # Errors
/// Where the loopback has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Returns addresses of as many different ports that were free a moment ago.
fn free_addresses<const N: usize>() -> Result<[String; N]> {
    let mut addresses = [const { String::new() }; N];
    // Held until all are found: a port that was let go may be the next one that is found.
    let mut held = Vec::new();
    for address in &mut addresses {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *address = listener.local_addr()?.to_string();
        held.push(listener);
    }
    Ok(addresses)
}
