//! Commands that look into a bucket, that of a data folder or one elsewhere: `tarn block`, `tarn
//! catalog`. They work beside a running server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use tarn_model::limits::Limits;
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_storage::Handles;
use tarn_storage::file::RealDisk;
use tarn_storage::operate::inspect::Inspection;
use tarn_storage::operate::verify::{Verified, verify};
use tarn_storage::operate::{block_list, block_show, catalog_log};
use tokio::runtime::Handle;

use crate::cli::client::Server;
use crate::cli::place::Store;
use crate::cli::{print, remote, terminal};
use crate::clock::{SystemClock, SystemRng};
use crate::runtime::ProcessTasks;

/// How long tasks may take to end once the command is done.
pub(crate) const TASKS_WAIT: Duration = Duration::from_secs(5);

/// `tarn block …`
#[derive(Debug, Subcommand)]
pub(crate) enum BlockCommand {
    /// Print the live blocks, one a line.
    List {
        #[command(flatten)]
        store: Store,
        /// Print the blocks of this tenant only.
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
    },
    /// Read every byte of the live blocks and compare them with what was written; exit 1 where one
    /// is damaged.
    Verify {
        #[command(flatten)]
        store: Store,
    },
    /// Build blocks of the rows that a running server set aside because it could not write them.
    Repair {
        #[command(flatten)]
        server: Server,
    },
    /// Print what a block holds, and what each column costs.
    Show {
        #[command(flatten)]
        store: Store,
        /// Object key of the block, as `tarn block list` prints it.
        object: String,
    },
}

/// `tarn catalog …`
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Print the manifests, oldest first, one a line.
    Log {
        #[command(flatten)]
        store: Store,
    },
}

/// Runs `tarn block`.
///
/// # Errors
/// Where the folder or the block cannot be read.
pub(crate) async fn block(command: BlockCommand) -> anyhow::Result<()> {
    let (handles, tasks) = handles();
    let mut out = io::stdout();
    match command {
        BlockCommand::List { store, tenant } => {
            let tenant = tenant.map(|id| TenantId::parse(&id)).transpose()?;
            let found = store.place()?.look(Limits::default(), handles).await?;
            block_list::print(&found.catalog, tenant.as_ref(), &mut out)?;
        }
        BlockCommand::Verify { store } => {
            let found = store.place()?.look(Limits::default(), handles).await?;
            check_blocks(&found).await?;
        }
        BlockCommand::Repair { server } => remote::repair(&server).await?,
        BlockCommand::Show { store, object } => {
            let object = store.place()?.objects(&handles).await?.get(&object).await?;
            block_show::show(&object.bytes, &mut out)?;
        }
    }
    tasks.stop(TASKS_WAIT).await;
    Ok(())
}

/// Reads all live blocks whole, with a bar where somebody looks on.
async fn check_blocks(found: &Inspection) -> anyhow::Result<()> {
    let bytes = found.catalog.all_blocks().map(|block| block.bytes).sum();
    let bar = terminal::byte_bar(bytes);
    let verified = verify(&found.objects, &found.catalog, |bytes| bar.inc(bytes)).await?;
    bar.finish_and_clear();
    for (object, what) in &verified.damaged {
        print(format_args!("{object} is damaged: {what}"));
    }
    let Verified { blocks, bytes, damaged } = verified;
    if !damaged.is_empty() {
        bail!("{} of {blocks} blocks are damaged", damaged.len());
    }
    print(format_args!("{blocks} blocks of {bytes} bytes are as they were written"));
    Ok(())
}

/// Runs `tarn catalog`.
///
/// # Errors
/// Where the catalog cannot be read, or is damaged.
pub(crate) async fn catalog(command: CatalogCommand) -> anyhow::Result<()> {
    let CatalogCommand::Log { store } = command;
    let (handles, tasks) = handles();
    let objects = store.place()?.objects(&handles).await?;
    let summary = catalog_log::print(&objects, &mut io::stdout()).await?;
    tasks.stop(TASKS_WAIT).await;
    if summary.problems > 0 {
        bail!("{} manifests are damaged or missing", summary.problems);
    }
    Ok(())
}

/// Makes what commands on a store work with.
pub(crate) fn handles() -> (Handles, Arc<ProcessTasks>) {
    let tasks = ProcessTasks::new(Handle::current());
    let handles = Handles {
        clock: Arc::new(SystemClock::new()),
        rng: Arc::new(SystemRng::new()),
        tasks: Arc::<ProcessTasks>::clone(&tasks) as Arc<dyn Tasks>,
        disk: Arc::new(RealDisk),
    };
    (handles, tasks)
}
