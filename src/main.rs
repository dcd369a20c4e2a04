//! Tarn: metrics in your own bucket as Parquet, answered in PromQL.
//!
//! This crate is the process: the only one that reads the command line, the environment, signals and
//! `tarn.yaml`. `main` is the table of contents; the way of a row begins in [`routes`].
//!
//! - [`cli`]: the commands; [`config`]: the one table of settings
//! - [`app`]: builds and wires the crates, starts and stops them in order
//! - [`listen`] → [`auth`] → [`routes`]: from a socket to the crate that answers; [`tenant`], [`health`]
//! - [`tls`]: certificates of the ports, and their renewal
//! - [`rule_files`]: the files that alerting is told by; [`boards`]: dashboards, their folders and documents
//! - [`telemetry`], [`host`]: what Tarn says about itself and the machine, also into itself
//! - [`bench`], [`demo`], [`generate`]: figures of this machine, a shop to look at, and their data
//! - [`glob`]: names of files with wildcards
//! - [`runtime`], [`clock`], [`shutdown`]: threads, time and the end

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

mod app;
mod auth;
mod bench;
mod boards;
mod cli;
mod clock;
mod config;
mod demo;
mod generate;
mod glob;
mod health;
mod host;
mod listen;
mod memory;
mod routes;
mod rule_files;
mod runtime;
mod shutdown;
mod telemetry;
mod tenant;
mod tls;

use tracing::Instrument as _;

use crate::cli::client::block_on;
use crate::cli::{Cli, Command, Settings};
use crate::shutdown::Exit;

/// jemalloc returns memory to the system and can tell who holds it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = match Cli::parse_process() {
        Ok(args) => args,
        Err(exit) => return exit.into(), // misuse: 64
    };
    let done = match args.command() {
        Command::Server(settings) => server(settings), // no command = server, zero configuration
        Command::Check(settings) => cli::check::run(settings),
        Command::Config(command) => cli::reference::run(&command),
        Command::Query(args) => return ended(block_on(cli::query::run(args))),
        Command::Logs(args) => return ended(block_on(cli::logs::run(args))),
        Command::Traces(args) => return ended(block_on(cli::traces::run(args))),
        Command::Trace(args) => return ended(block_on(cli::trace::run(args))),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Rules(command) => return ended(cli::rules::run(&command)),
        Command::Dashboards(command) => return ended(block_on(cli::dashboards::run(&command))),
        Command::Flush(server) => cli::remote::flush(&server),
        Command::Compact(args) => block_on(cli::compact::run(args)),
        Command::Erase(args) => cli::erase::run(&args),
        Command::Audit(command) => cli::audit::run(&command),
        Command::SupportBundle(args) => cli::support_bundle::run(&args),
        Command::Node(command) => cli::node::run(&command),
        Command::Healthcheck(args) => block_on(cli::healthcheck::run(args)),
        Command::Access(command) => cli::access::run(&command),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => cli::manual::completions(&args),
        Command::Man(args) => cli::manual::man(&args),
        Command::Wal(command) => cli::store::wal(&command),
        Command::Block(command) => block_on(cli::inspect::block(command)),
        Command::Catalog(command) => block_on(cli::inspect::catalog(command)),
        Command::Backup(command) => block_on(cli::backup::run(command)),
        Command::Restore(args) => block_on(cli::restore::run(args)),
    };
    ended(done.map(|()| Exit::Done.into()))
}

fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|e| {
        cli::complain(&e);
        Exit::of(&e).into()
    })
}

/// Serves until a signal, or until the log turns out to be damaged.
fn server(settings: Settings) -> anyhow::Result<()> {
    let config = config::load::load(&settings.sources())?; // all errors at once, with key and origin
    let wants = config.telemetry.wants();
    let caught = telemetry::logs::install(&config.log, wants)?;
    memory::set_up();
    let runtimes = runtime::Runtimes::start()?;
    let served = runtimes.io.block_on(serve(config, caught, runtimes.query()));
    runtimes.stop();
    served
}

async fn serve(
    config: config::Config,
    caught: Arc<telemetry::capture::Caught>,
    query: tokio::runtime::Handle,
) -> anyhow::Result<()> {
    let signals = shutdown::Signals::install()?;
    let data = config.storage.path.display();
    let data = match &config.storage.bucket.url {
        Some(bucket) => format!("{bucket}, its log in {data}"),
        None => data.to_string(),
    };
    let is_tls = config.listen.tls.is_on();
    let start = app::start(config, caught, query).instrument(tracing::info_span!("start"));
    let running = Box::pin(start).await?;
    let addresses = running.addresses();
    cli::welcome(addresses, is_tls, &data);
    let app::Addresses { http, otlp_grpc, otlp_http } = addresses;
    let or_off = |address: Option<SocketAddr>| address.map_or("off".into(), |a| a.to_string());
    let (otlp_grpc, otlp_http) = (or_off(otlp_grpc), or_off(otlp_http));
    tracing::info!(%http, otlp_grpc, otlp_http, data, "tarn is ready");

    let broken = tokio::select! {
        reason = signals.first() => {
            tracing::info!(%reason, "tarn is stopping");
            None
        }
        error = running.broken() => Some(error),
    };
    let stopped = Box::pin(running.stop()).await; // drain, then each in reverse
    match broken {
        Some(error) => Err(error.into()),
        None => stopped.inspect(|()| tracing::info!("tarn has stopped")),
    }
}
