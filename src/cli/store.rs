//! Commands on a data folder, with no server: `tarn wal`, `tarn block`, `tarn catalog`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Subcommand};
use tarn_storage::file::RealDisk;
use tarn_storage::operate::quarantine::{Quarantined, quarantine};
use tarn_storage::operate::wal_dump;
use tarn_storage::paths::DataDir;

/// Which data folder.
#[derive(Debug, Clone, Args)]
pub(crate) struct Folder {
    /// Data folder; ./tarn-data by default.
    #[arg(
        id = "storage_path",
        long = "storage.path",
        env = "TARN_STORAGE__PATH",
        value_name = "PATH"
    )]
    pub(crate) path: Option<PathBuf>,
}

impl Folder {
    /// Returns the folder.
    pub(crate) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or_else(|| Path::new("./tarn-data"))
    }
}

/// `tarn wal …`
#[derive(Debug, Subcommand)]
pub(crate) enum WalCommand {
    /// Print the records of the write-ahead log, one a line.
    Dump {
        #[command(flatten)]
        folder: Folder,
    },
    /// Set a damaged segment aside, so that the server starts again; rows in it are lost.
    Quarantine {
        #[command(flatten)]
        folder: Folder,
    },
}

/// `tarn wal …`
///
/// # Errors
/// Where the log cannot be read, or is damaged.
pub(crate) fn wal(command: &WalCommand) -> anyhow::Result<()> {
    match command {
        WalCommand::Dump { folder } => dump(folder),
        WalCommand::Quarantine { folder } => set_aside(folder),
    }
}

fn dump(folder: &Folder) -> anyhow::Result<()> {
    let dir = DataDir::new(folder.path()).wal();
    let summary = wal_dump::dump(&RealDisk, &dir, &mut io::stdout().lock())?;
    if summary.problems > 0 {
        bail!("{} places of the log are damaged", summary.problems);
    }
    Ok(())
}

fn set_aside(folder: &Folder) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let Some(done) = quarantine(&RealDisk, &DataDir::new(folder.path()))? else {
        writeln!(out, "no segment of the log is damaged")?;
        return Ok(());
    };
    for path in &done.moved_to {
        writeln!(out, "moved to {}", path.display())?;
    }
    let Quarantined { first_lost, last_lost, .. } = done;
    writeln!(out, "lost: records {} to {}", first_lost.0, last_lost.0)?;
    Ok(())
}
