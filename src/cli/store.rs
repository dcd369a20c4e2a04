//! Commands on a data folder, with no server: `tarn wal`, `tarn block`, `tarn catalog`.

use std::io;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use tarn_storage::file::RealDisk;
use tarn_storage::operate::wal_dump;
use tarn_storage::paths::DataDir;

/// Which data folder.
#[derive(Debug, Clone, Args)]
pub(crate) struct Folder {
    /// Data folder.
    #[arg(long = "storage.path", env = "TARN_STORAGE__PATH", default_value = "./tarn-data")]
    pub(crate) path: PathBuf,
}

/// `tarn wal …`
#[derive(Debug, Subcommand)]
pub(crate) enum WalCommand {
    /// Print the records of the write-ahead log, one a line.
    Dump {
        #[command(flatten)]
        folder: Folder,
    },
}

/// `tarn wal …`
///
/// # Errors
/// Where the log cannot be read, or is damaged.
pub(crate) fn wal(command: &WalCommand) -> anyhow::Result<()> {
    let WalCommand::Dump { folder } = command;
    let dir = DataDir::new(&folder.path).wal();
    let summary = wal_dump::dump(&RealDisk, &dir, &mut io::stdout().lock())?;
    if summary.problems > 0 {
        bail!("{} places of the log are damaged", summary.problems);
    }
    Ok(())
}
