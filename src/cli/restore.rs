//! `tarn restore`: makes a store in an empty place, of a backup or of an earlier version of a store.

use std::path::Path;

use clap::Args;
use tarn_model::units::ByteSize;
use tarn_storage::alert_log;
use tarn_storage::operate::backup::{
    self as backups, Index, Origin, Restored, Target, Vault, place,
};
use tarn_storage::paths::{self, DataDir};
use tarn_storage::{Handles, object::Objects};

use crate::cli::backup::progress::Bar;
use crate::cli::backup::{rows_of, seconds};
use crate::cli::inspect::{TASKS_WAIT, handles};
use crate::cli::place::{Place, Store};
use crate::cli::print;

/// Makes a store in an empty place. Nothing is overwritten: a data folder or bucket that holds anything
/// is refused.
#[derive(Debug, Clone, Args)]
pub(crate) struct RestoreArgs {
    /// The folder or bucket of backups; or, to bring back what a store was earlier, its data folder
    /// or bucket.
    #[arg(long, value_name = "DIR|URL")]
    from: String,
    /// Which backup; the newest by default.
    #[arg(long, value_name = "ID", conflicts_with = "manifest")]
    id: Option<String>,
    /// The version to bring back of a store that still has it: its number in `tarn catalog log`.
    /// A store keeps its history for a day by default.
    #[arg(long, value_name = "N")]
    manifest: Option<u64>,
    /// The data folder or bucket to make; without it that of --storage.path or --storage.url.
    #[arg(long, value_name = "DIR|URL")]
    to: Option<String>,
    #[command(flatten)]
    store: Store,
}

/// What is restored.
enum Source {
    Backup(Vault, Box<Index>),
    Store(Objects),
}

/// What becomes of what alerting remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alerts {
    /// The backup has none.
    Absent,
    /// There is no data folder to put it into.
    Left,
    Planted,
}

/// Runs the command.
///
/// # Errors
/// What failed, is damaged, or is not empty.
pub(crate) async fn run(mut args: RestoreArgs) -> anyhow::Result<()> {
    args.store = args.store.settled()?;
    let (handles, tasks) = handles();
    let done = Box::pin(restore(&args, &handles)).await;
    tasks.stop(TASKS_WAIT).await;
    done
}

async fn restore(args: &RestoreArgs, handles: &Handles) -> anyhow::Result<()> {
    let started = handles.clock.monotonic();
    let from = args.store.access().data(&args.from)?;
    let source = Source::open(args, &from, handles).await?;
    let to = match &args.to {
        Some(to) => args.store.access().data(to)?,
        None => args.store.place()?,
    };
    // Beside a bucket the data folder is the log of its server: it must be as new.
    let _claim = match (&to, &args.to) {
        (Place::Bucket(_), None) => Some(place::claim(args.store.folder(), handles)?),
        _ => None,
    };
    let target = to.target(handles).await?;
    let folder = match (&to, &args.to) {
        (Place::Folder(path), _) => Some(path.as_path()),
        (Place::Bucket(_), None) => Some(args.store.folder()),
        (Place::Bucket(_), Some(_)) => None,
    };
    let alerts = source.alerts(args, &from, folder, handles).await?;
    let bar = Bar::new("restored", handles);
    let origin = match &source {
        Source::Backup(vault, index) => Origin::Backup(vault, index),
        Source::Store(objects) => Origin::Store(objects, args.manifest),
    };
    let restored = backups::restore(origin, &target, handles, &bar).await;
    bar.finish();
    let taken = handles.clock.monotonic().saturating_sub(started);
    report(&restored?, &target, alerts, &seconds(taken));
    Ok(())
}

impl Source {
    /// A place with backups is one of backups; any other is a store.
    async fn open(args: &RestoreArgs, from: &Place, handles: &Handles) -> anyhow::Result<Self> {
        if args.manifest.is_some() {
            return Ok(Self::Store(from.objects(handles).await?));
        }
        let vault = from.backups(handles).await?;
        let no_backups = backups::ids(&vault).await?.is_empty();
        if no_backups && args.id.is_none() {
            let objects = from.objects(handles).await?;
            if !objects.list(paths::CATALOG_PREFIX).await?.is_empty() {
                return Ok(Self::Store(objects));
            }
        }
        let index = backups::find(&vault, args.id.as_deref()).await?;
        Ok(Self::Backup(vault, Box::new(index)))
    }

    /// Puts what alerting remembers into the new data folder, before there is a store in it.
    async fn alerts(
        &self,
        args: &RestoreArgs,
        from: &Place,
        folder: Option<&Path>,
        handles: &Handles,
    ) -> anyhow::Result<Alerts> {
        let image = match (self, from) {
            (Self::Backup(vault, index), _) => backups::alerts(vault, index).await?,
            (Self::Store(_), Place::Folder(path)) if args.manifest.is_some() => {
                alert_log::newest_image(&DataDir::new(path), &*handles.disk)?
            }
            _ => None,
        };
        let Some(image) = image else { return Ok(Alerts::Absent) };
        let Some(folder) = folder else { return Ok(Alerts::Left) };
        alert_log::plant_image(&DataDir::new(folder), &*handles.disk, &image)?;
        Ok(Alerts::Planted)
    }
}

fn report(restored: &Restored, target: &Target, alerts: Alerts, taken: &str) {
    let Restored { manifest, objects, bytes, found, lost, stored } = restored;
    let bytes = ByteSize(*bytes);
    let before = match found {
        0 => String::new(),
        found => format!(", {found} of them by an earlier run"),
    };
    print(format_args!(
        "{} holds manifest {manifest}: {objects} objects of {bytes}{before}, in {taken}",
        target.name()
    ));
    for stored in stored {
        print(rows_of(stored));
    }
    if alerts == Alerts::Left {
        print(
            "what alerting remembers (silences, what was sent) is left out: it belongs to a data \
             folder; with --storage.url instead of --to, and --storage.path, both are made",
        );
    }
    if alerts == Alerts::Planted {
        print("with what alerting remembers: silences and what was sent");
    }
    for writer in lost {
        print(format_args!("writer {writer} is given up: rows that only its log had are not here"));
    }
}
