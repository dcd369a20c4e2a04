//! Second opinions: servers of other people that speak the protocols of S3 and of Azure, each under
//! the contract that the catalog rests on. A server that `make tools` has not installed is skipped,
//! and the test says so. (The emulators of Google's storage at hand do not speak its XML interface
//! with preconditions, so there is none here.)
#![expect(clippy::disallowed_methods, reason = "real time and real tasks: the parts are real")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http::Method;
use prometheus_client::registry::Registry;
use tarn_model::secret::Secret;
use tarn_storage::Handles;
use tarn_storage::object::bucket::{self, BucketOptions, BucketUrl};
use tarn_storage::object::{CreateError, Objects, check};
use tarn_testkit::clock::RealClock;
use tarn_testkit::http::Http;
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::RealTasks;

const RACERS: usize = 8;
const ROUNDS: usize = 5;
/// Account and key that Azurite lets in; both are printed in its manual.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Makes a container: that needs a signature, for which Python has what it takes.
const CONTAINER: &str = include_str!("emulators/container.py");

/// A server under test; killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails only where it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Returns the first of some files that exists below the folder of tools or that of Node.
fn tool(candidates: &[&str]) -> Result<PathBuf> {
    let roots = ["TARN_TOOLS", "TARN_NODE"];
    let roots: Vec<PathBuf> = roots.iter().filter_map(std::env::var_os).map(Into::into).collect();
    for (root, candidate) in roots.iter().flat_map(|r| candidates.iter().map(move |c| (r, c))) {
        if root.join(candidate).is_file() {
            return Ok(root.join(candidate));
        }
    }
    bail!("no {candidates:?} below {roots:?}")
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts a server and waits until it answers anything.
async fn serve(command: &mut Command, address: &str) -> Result<Server> {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Server(quiet.spawn().with_context(|| format!("{command:?}"))?);
    let http = Http::new(address);
    for _ in 0..600 {
        if http.get("/", &[]).await.is_ok() {
            return Ok(server);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("{address} does not answer")
}

fn handles(seed: u64) -> Handles {
    Handles {
        clock: Arc::new(RealClock::default()),
        rng: Arc::new(SimRng::new(seed)),
        tasks: Arc::new(RealTasks::current()),
        disk: Arc::new(SimDisk::new(seed)),
    }
}

/// What the catalog needs of a bucket.
async fn contract(options: &BucketOptions) -> Result<()> {
    let url = options.url.as_ref().context("is set")?;
    let at = handles(1);
    let opened = bucket::open(url, options, &at)?;
    check::readable(&opened, &*at.clock).await?;
    check::writable(&opened, &*at.clock, &*at.rng).await?;
    let mut racers = Vec::new();
    for seed in 0..RACERS {
        let Handles { clock, rng, .. } = handles(seed as u64);
        let store = bucket::open(url, options, &at)?.store;
        racers.push(Objects::new(store, clock, rng, &mut Registry::default()));
    }
    for round in 0..ROUNDS {
        let key = format!("catalog/{round:020}.manifest");
        let creates: Vec<_> = (0..RACERS)
            .map(|n| {
                let (key, objects) = (key.clone(), racers[n].clone());
                let body = Bytes::from(format!("racer {n}"));
                tokio::spawn(async move { objects.create(&key, &body).await })
            })
            .collect();
        let mut winners = 0;
        for create in creates {
            match create.await? {
                Ok(_) => winners += 1,
                Err(CreateError::Conflict(found)) => ensure!(found.bytes.starts_with(b"racer ")),
                Err(CreateError::Unknown(error)) => return Err(error.into()),
            }
        }
        ensure!(winners == 1, "round {round}: {winners} winners");
    }
    let objects = &racers[0];
    let keys = ["blocks/tenant=a/x-1.parquet", "blocks/tenant=a/x-2.parquet", "blocks/b"];
    let body: Bytes = (0..50_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into();
    for key in keys {
        objects.create(key, &body).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    let listed = objects.list("blocks").await?;
    let found: Vec<&str> = listed.iter().map(|head| head.key.as_str()).collect();
    ensure!(found == ["blocks/b", keys[0], keys[1]], "{found:?}");
    ensure!(objects.get_range(keys[0], 4_000..4_400).await? == body.slice(4_000..4_400));
    let parts = objects.get_ranges(keys[0], &[0..8, 199_000..200_000]).await?;
    ensure!(parts == [body.slice(0..8), body.slice(199_000..200_000)]);
    let head = objects.head(keys[1]).await?.context("is there")?;
    ensure!(head.bytes == body.len() as u64 && head.etag.is_some(), "{head:?}");
    objects.delete(keys[1]).await?;
    objects.delete(keys[1]).await?;
    ensure!(objects.head(keys[1]).await?.is_none());
    let strangers = check::readable(&opened, &*at.clock).await?;
    ensure!(strangers.count == 0, "{strangers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moto_keeps_the_contract_of_s3() -> Result<()> {
    let program = match tool(&["venv/bin/moto_server"]) {
        Ok(program) => program,
        Err(why) => {
            println!("skipped: {why}");
            return Ok(());
        }
    };
    let port = free_port()?;
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(program);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let _server = serve(&mut command, &address).await?;
    let made = Http::new(&address).send(Method::PUT, "/second", &[], "").await?;
    ensure!(made.status == 200, "{}", made.text());
    let options = |name: &str| -> Result<BucketOptions> {
        Ok(BucketOptions {
            url: Some(BucketUrl::parse(&format!("http://{address}/{name}/a/b"))?),
            access_key_id: Some(Secret::fixed("inline", "any")),
            secret_access_key: Some(Secret::fixed("inline", "any")),
            ..BucketOptions::default()
        })
    };
    contract(&options("second")?).await?;
    let absent = contract(&options("absent")?).await.expect_err("there is no such bucket");
    ensure!(format!("{absent:#}").contains("does not exist"), "{absent:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azurite_keeps_the_contract_of_azure() -> Result<()> {
    let found = tool(&["node_modules/.bin/azurite-blob", "azurite/node_modules/.bin/azurite-blob"]);
    let program = match found {
        Ok(program) => program,
        Err(why) => {
            println!("skipped: {why}");
            return Ok(());
        }
    };
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(program);
    command.args(["--silent", "--skipApiVersionCheck", "--blobPort", &port.to_string()]);
    command.args(["--disableTelemetry", "--location"]).arg(folder.path());
    let _server = serve(&mut command, &address).await?;
    let base = format!("http://{address}/{AZURITE_ACCOUNT}");
    let mut script = Command::new("python3");
    script.args(["-c", CONTAINER, &base, AZURITE_ACCOUNT, AZURITE_KEY, "logs"]);
    let made = script.output().context("python3")?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let options = |name: &str, key: &str| -> Result<BucketOptions> {
        Ok(BucketOptions {
            url: Some(BucketUrl::parse(&format!("az://{name}/a/b"))?),
            endpoint: Some(base.clone()),
            azure_account: Some(AZURITE_ACCOUNT.to_owned()),
            azure_access_key: Some(Secret::fixed("inline", key)),
            ..BucketOptions::default()
        })
    };
    contract(&options("logs", AZURITE_KEY)?).await?;
    for (name, key, says) in
        [("absent", AZURITE_KEY, "does not exist"), ("logs", "d3Jvbmc=", "credentials")]
    {
        let refused = contract(&options(name, key)?).await.expect_err(says);
        ensure!(format!("{refused:#}").contains(says), "{refused:#}");
    }
    Ok(())
}
