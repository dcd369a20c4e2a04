//! `tarn backup`: copies of a store in a folder or bucket of backups.
//!
//! The store is read beside its server, which is asked over HTTP to flush before; the rest is
//! [`tarn_storage::operate::backup`]. Results go to the standard output, how far it is to the
//! standard error: a bar on a terminal, a line now and then elsewhere.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use tarn_model::error::Error;
use tarn_model::units::ByteSize;
use tarn_storage::Handles;
use tarn_storage::alert_log;
use tarn_storage::catalog::Catalog;
use tarn_storage::operate::backup::{
    self as backups, CreateOptions, Created, Index, JOBS, Vault, Verified,
};
use tarn_storage::operate::inspect::{Unflushed, unflushed};
use tarn_storage::operate::stats::SignalStats;
use tarn_storage::paths::DataDir;

use self::progress::Bar;
use crate::cli::client::Server;
use crate::cli::inspect::{TASKS_WAIT, handles};
use crate::cli::place::{Access, Place, Store};
use crate::cli::print;
use crate::telemetry::registry::VERSION;

mod drill;
pub(crate) mod progress;

/// `tarn backup …`
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Copy what a store holds, beside its running server or without one; what an earlier backup has
    /// is not copied again.
    Create(Box<CreateArgs>),
    /// Print the backups of a place, oldest first, one a line.
    List {
        #[command(flatten)]
        at: At,
        /// Print JSON, one object a line.
        #[arg(long)]
        json: bool,
    },
    /// Read every byte of a backup and compare it with what was written; exit 74 where it is damaged.
    Verify {
        #[command(flatten)]
        at: At,
        /// Which one; the newest by default.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
    /// Remove all but the newest backups, and the objects that only they need.
    Prune {
        #[command(flatten)]
        at: At,
        /// How many stay, of each store.
        #[arg(long, value_name = "N")]
        keep: usize,
    },
    /// Restore a backup into an empty folder and compare what it holds and answers; exit 1 where
    /// anything differs. Prints RPO and RTO.
    Drill(Box<drill::DrillArgs>),
}

/// Where backups are.
#[derive(Debug, Clone, Args)]
pub(crate) struct At {
    /// The folder or bucket of backups, such as /mnt/backups or s3://backups/tarn.
    #[arg(long, visible_alias = "from", value_name = "DIR|URL")]
    at: String,
    #[command(flatten)]
    access: Access,
}

/// `tarn backup create`
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateArgs {
    /// The folder or bucket of backups, such as /mnt/backups or s3://backups/tarn; made if absent.
    #[arg(long, value_name = "DIR|URL")]
    to: String,
    #[command(flatten)]
    pub(crate) store: Store,
    #[command(flatten)]
    pub(crate) server: Server,
    /// Does not ask the server to flush: rows since its last flush are not in the backup.
    #[arg(long)]
    pub(crate) no_flush: bool,
    /// Reads what earlier backups have and copies again what is damaged there.
    #[arg(long)]
    recheck: bool,
    /// Objects that are copied at once.
    #[arg(long, value_name = "N", default_value_t = JOBS)]
    jobs: usize,
}

/// Runs `tarn backup`.
///
/// # Errors
/// What failed, or is damaged.
pub(crate) async fn run(command: BackupCommand) -> anyhow::Result<()> {
    let (handles, tasks) = handles();
    let done = match command {
        BackupCommand::Create(mut args) => {
            args.store = args.store.settled()?;
            Box::pin(create(&args, &handles)).await
        }
        BackupCommand::List { at, json } => list(&at.open(&handles).await?, json).await,
        BackupCommand::Verify { at, id } => verify(&at, id.as_deref(), &handles).await,
        BackupCommand::Prune { at, keep } => prune(&at, keep, &handles).await,
        BackupCommand::Drill(mut args) => {
            args.store = args.store.settled()?;
            Box::pin(drill::run(&args, &handles)).await
        }
    };
    tasks.stop(TASKS_WAIT).await;
    done
}

impl At {
    async fn open(&self, handles: &Handles) -> anyhow::Result<Vault> {
        Ok(self.access.data(&self.at)?.backups(handles).await?)
    }
}

async fn create(args: &CreateArgs, handles: &Handles) -> anyhow::Result<()> {
    let vault = args.store.access().data(&args.to)?.vault(handles).await?;
    let started = handles.clock.monotonic();
    let created = make(args, &vault, handles).await?;
    let seconds = handles.clock.monotonic().saturating_sub(started).as_secs_f64();
    let Created { index, copied, copied_bytes, .. } = &created;
    let (objects, bytes) = (index.objects.len(), ByteSize(index.bytes()));
    let copied_bytes = ByteSize(*copied_bytes);
    print(format_args!(
        "backup {} of manifest {}: {objects} objects of {bytes}; {copied} objects of \
         {copied_bytes} were copied, in {seconds:.1} s",
        index.id, index.manifest
    ));
    describe(index);
    Ok(())
}

/// Makes a backup: asks the server to flush, copies, and says what is not in it.
pub(super) async fn make(
    args: &CreateArgs,
    vault: &Vault,
    handles: &Handles,
) -> anyhow::Result<Created> {
    let place = args.store.place()?;
    let from = place.objects(handles).await?;
    let flush = Flush::ask(args, &place, handles).await?;
    let dir = DataDir::new(args.store.folder());
    let options = CreateOptions {
        jobs: args.jobs,
        recheck: args.recheck,
        tarn: VERSION.to_owned(),
        begun_ms: Some(flush.at_ms),
        flushed: flush.flushed,
        lacks: flush.lacks,
        // A data folder that cannot be read, or has none, has no state of alerting for us.
        alerts: alert_log::newest_image(&dir, &*handles.disk).unwrap_or_else(|error| {
            tracing::warn!(%error, "state of alerting is not in the backup");
            None
        }),
        ..CreateOptions::default()
    };
    let bar = Bar::new("copied", handles);
    let created = backups::create(&from, vault, &options, handles, &bar).await;
    bar.finish();
    Ok(created?)
}

/// What a flush came to.
#[derive(Debug, Default)]
struct Flush {
    at_ms: i64,
    flushed: Option<(String, u64)>,
    lacks: Vec<String>,
}

/// What is read of the answer.
#[derive(Debug, Deserialize)]
struct Flushed {
    manifest: u64,
    #[serde(default)]
    writer: Option<String>,
}

impl Flush {
    /// Asks the server of the store to flush. Without a server the log of a data folder is looked
    /// into: after a clean stop there is nothing in it.
    async fn ask(args: &CreateArgs, place: &Place, handles: &Handles) -> anyhow::Result<Self> {
        let at_ms = handles.clock.now().as_millis();
        let nobody = Self { at_ms, ..Self::default() };
        let url = &args.server.url;
        let why = if args.no_flush {
            "nobody was asked to flush".to_owned()
        } else {
            match args.server.send(Method::POST, "/-/flush", None, "").await {
                Ok(answer) if answer.status.is_success() => {
                    let Flushed { manifest, writer } = serde_json::from_slice(&answer.body)
                        .with_context(|| format!("read the answer of {url}"))?;
                    let flushed = writer.map(|writer| (writer, manifest));
                    return Ok(Self { flushed, ..nobody });
                }
                Ok(answer) => bail!(
                    "the server at {url} did not flush, it answered {}: {}; --no-flush makes a \
                     backup without",
                    answer.status,
                    String::from_utf8_lossy(&answer.body).trim()
                ),
                Err(error) => {
                    tracing::debug!(%error, "nobody flushes");
                    format!("no server answers at {url}")
                }
            }
        };
        let Place::Folder(path) = place else { return Ok(nobody) };
        let objects = place.objects(handles).await?;
        let (clock, rng) = (Arc::clone(&handles.clock), Arc::clone(&handles.rng));
        let mut registry = prometheus_client::registry::Registry::default();
        let state = Catalog::load(objects, clock, rng, &mut registry).await?.state();
        match unflushed(path, &state, handles).await? {
            None if args.no_flush => Ok(nobody),
            None => Err(Error::invalid(format!(
                "a server has {} open, and {why}: name it with --url, or --no-flush makes a backup \
                 without the newest rows",
                path.display()
            ))
            .into()),
            Some(Unflushed { records: 0, .. }) => Ok(nobody),
            Some(Unflushed { records, bytes }) => {
                let bytes = ByteSize(bytes);
                let lacks = vec![format!(
                    "{records} requests of {bytes} in the log of {}: start a server on it, which \
                     flushes them",
                    path.display()
                )];
                Ok(Self { lacks, ..nobody })
            }
        }
    }
}

async fn list(vault: &Vault, json: bool) -> anyhow::Result<()> {
    let mut damaged = 0;
    let line = |id: String, index: tarn_model::error::Result<Index>| {
        match index {
            Ok(index) if json => print(summary(&index)),
            Ok(index) => {
                let (objects, bytes) = (index.objects.len(), ByteSize(index.bytes()));
                let store = index.store.get(..8).unwrap_or(&index.store);
                let lacks = if index.lacks.is_empty() { "" } else { "  (not everything is in it)" };
                print(format_args!(
                    "{id}  store {store}  manifest {}  {objects} objects of {bytes}{lacks}",
                    index.manifest
                ));
            }
            Err(error) => {
                damaged += 1;
                print(format_args!("{id}  DAMAGED: {}", error.message()));
            }
        }
        Ok(())
    };
    backups::each(vault, backups::ids(vault).await?, line).await?;
    if damaged > 0 {
        return Err(Error::corrupt(format!("{damaged} indexes cannot be read")).into());
    }
    Ok(())
}

/// What a script wants to know of a backup: all but its objects.
fn summary(index: &Index) -> serde_json::Value {
    serde_json::json!({
        "id": index.id,
        "tarn": index.tarn,
        "store": index.store,
        "begun_ms": index.begun_ms,
        "created_ms": index.created_ms,
        "manifest": index.manifest,
        "objects": index.objects.len(),
        "bytes": index.bytes(),
        "lacks": index.lacks,
        "stored": index.stored,
    })
}

async fn verify(at: &At, id: Option<&str>, handles: &Handles) -> anyhow::Result<()> {
    let vault = at.open(handles).await?;
    let bar = Bar::new("read", handles);
    let verified = backups::verify(&vault, id, &bar).await;
    bar.finish();
    let (index, Verified { objects, bytes, damaged, unnamed }) = verified?;
    for (object, what) in &damaged {
        print(format_args!("{object} is damaged: {what}"));
    }
    let name =
        index.map_or_else(|| "this backup".to_owned(), |index| format!("backup {}", index.id));
    if !damaged.is_empty() {
        let count = damaged.len();
        return Err(Error::corrupt(format!(
            "{count} objects of {name} are damaged; `tarn backup create --recheck` copies them again \
             while the store has them"
        ))
        .into());
    }
    let bytes = ByteSize(bytes);
    print(format_args!("{name}: {objects} objects of {bytes} are as they were written"));
    if unnamed > 0 {
        print(format_args!(
            "{unnamed} objects belong to no backup: what was interrupted left them, the next prune \
             removes them"
        ));
    }
    Ok(())
}

async fn prune(at: &At, keep: usize, handles: &Handles) -> anyhow::Result<()> {
    let vault = at.access.data(&at.at)?.vault(handles).await?;
    let bar = Bar::new("removed", handles);
    let pruned = backups::prune(&vault, keep, handles, &bar).await;
    bar.finish();
    let backups::Pruned { backups, objects, bytes, kept } = pruned?;
    let (gone, bytes) = (backups.len(), ByteSize(bytes));
    print(format_args!(
        "{gone} backups and {objects} objects of {bytes} are removed, {kept} backups are left"
    ));
    Ok(())
}

/// Prints what is in a backup, and what is known not to be.
fn describe(index: &Index) {
    for stored in &index.stored {
        print(rows_of(stored));
    }
    if index.alerts.is_some() {
        print("with what alerting remembers: silences and what was sent");
    }
    for lacks in &index.lacks {
        print(format_args!("not in it: {lacks}"));
    }
}

/// Returns a line for what one tenant has of a signal.
pub(crate) fn rows_of(stored: &SignalStats) -> String {
    let SignalStats { tenant, signal, blocks, rows, samples, latest_ms, .. } = stored;
    let count = if *samples > 0 { format!("{samples} samples") } else { format!("{rows} rows") };
    let latest = latest_ms.map(|ms| format!(", the newest of {}", time(ms))).unwrap_or_default();
    format!("{tenant} {signal}: {count} in {blocks} blocks{latest}")
}

/// Prints a time as RFC 3339 to the second.
pub(crate) fn time(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1000))
        .map_or_else(|_| ms.to_string(), |t| t.to_string())
}

/// Prints a span of time in seconds.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}
