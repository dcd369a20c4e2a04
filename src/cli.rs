//! The command line: one struct per command, next to what it does.
//!
//! Without a command Tarn serves. What a person typed wrongly exits 64; everything else exits as
//! `src/shutdown.rs` says. Printing is allowed here and in the commands, nowhere else.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::keys::KEYS;
use crate::config::load::Sources;
use crate::shutdown::Exit;

pub(crate) mod access;
pub(crate) mod ask;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod compact;
pub(crate) mod connect;
pub(crate) mod dashboards;
pub(crate) mod erase;
pub(crate) mod healthcheck;
pub(crate) mod inspect;
pub(crate) mod logs;
pub(crate) mod manual;
pub(crate) mod node;
pub(crate) mod place;
pub(crate) mod query;
pub(crate) mod reference;
pub(crate) mod remote;
pub(crate) mod restore;
pub(crate) mod rules;
pub(crate) mod store;
pub(crate) mod support_bundle;
pub(crate) mod terminal;
pub(crate) mod trace;
pub(crate) mod traces;
pub(crate) mod trust;

/// Tarn keeps metrics as Parquet and answers PromQL.
///
/// Without a command it serves on http://127.0.0.1:4320 and keeps its data in ./tarn-data.
#[derive(Debug, Parser)]
#[command(name = "tarn", version, args_conflicts_with_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What Tarn can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve: remote write in, PromQL out (the default).
    Server(Settings),
    /// Read the configuration and print everything that is wrong with it.
    Check(Settings),
    /// Print the reference of all settings.
    #[command(subcommand)]
    Config(reference::Command),
    /// Write the samples in memory of a running server to blocks, and wait for the commit.
    Flush(client::Server),
    /// Merge the blocks of a running server as far as it goes, and wait until it is done.
    Compact(compact::CompactArgs),
    /// Delete rows by matcher, on a running server.
    Erase(erase::EraseArgs),
    /// Show who writes to the bucket of a running server, or give up a lost one.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Check what was recorded of who did what.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Collect what somebody who helps needs to see of a running server, without secrets, in one file.
    SupportBundle(support_bundle::SupportBundleArgs),
    /// Exit 0 if a running server answers, 1 if it does not.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Show who may do what on a running server, and change it.
    #[command(subcommand)]
    Access(access::AccessCommand),
    /// Look at rule files: what is wrong with them, and their unit tests.
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// Look at boards, make them of Grafana's, and move them between files and a server.
    #[command(subcommand)]
    Dashboards(dashboards::DashboardsCommand),
    /// Evaluate a PromQL expression, on a server or straight on a data folder or bucket.
    Query(query::QueryArgs),
    /// Find log records, on a server or straight in a data folder or bucket.
    Logs(logs::LogsArgs),
    /// Find traces, on a server or straight in a data folder or bucket.
    Traces(traces::TracesArgs),
    /// Show a trace as a waterfall.
    Trace(trace::TraceArgs),
    /// Send a small shop to a running server, and take the pages that it causes.
    Demo(crate::demo::DemoArgs),
    /// Measure this machine: one line per figure.
    Bench(crate::bench::BenchArgs),
    /// Print what makes a shell complete commands and flags.
    Completions(manual::CompletionsArgs),
    /// Print the page of a command for `man`, or write all of them.
    Man(manual::ManArgs),
    /// Look into the write-ahead log of a data folder.
    #[command(subcommand)]
    Wal(store::WalCommand),
    /// Look into the blocks of a data folder or bucket.
    #[command(subcommand)]
    Block(inspect::BlockCommand),
    /// Look into the catalog of a data folder or bucket.
    #[command(subcommand)]
    Catalog(inspect::CatalogCommand),
    /// Copy a store into a folder or bucket of backups; list, verify, prune and try them.
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Make a store of a backup, or of an earlier version of a store, in an empty place.
    Restore(restore::RestoreArgs),
}

/// Where settings come from, as typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    file: Option<PathBuf>,
    flags: Vec<(&'static str, String)>,
}

impl Cli {
    /// Reads the arguments of the process.
    ///
    /// # Errors
    /// The exit code, after help or the mistake was printed.
    pub(crate) fn parse_process() -> Result<Self, Exit> {
        Self::try_parse().map_err(|e| {
            // Nothing is left to do where even this cannot be printed.
            drop(e.print());
            if e.use_stderr() { Exit::Usage } else { Exit::Done }
        })
    }

    /// Returns the command; settings that stand before it count for it too.
    pub(crate) fn command(self) -> Command {
        let before = self.settings;
        match self.command {
            None => Command::Server(before),
            Some(Command::Server(own)) => Command::Server(before.then(own)),
            Some(Command::Check(own)) => Command::Check(before.then(own)),
            Some(other) => other,
        }
    }
}

impl Settings {
    /// Returns all sources, the environment of the process included.
    pub(crate) fn sources(self) -> Sources {
        let env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        Sources { file: self.file, env, flags: self.flags }
    }

    fn then(mut self, later: Self) -> Self {
        self.file = later.file.or(self.file);
        self.flags.extend(later.flags);
        self
    }
}

impl Args for Settings {
    fn augment_args(mut command: clap::Command) -> clap::Command {
        let file = clap::Arg::new("config")
            .long("config")
            .short('c')
            .env("TARN_CONFIG")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Reads this file instead of ./tarn.yaml");
        command = command.arg(file);
        for key in KEYS {
            let section = key.name.split('.').next().unwrap_or_default();
            let mut flag = clap::Arg::new(key.name)
                .long(key.flag())
                .value_name(key.takes)
                .help(key.help)
                .help_heading(format!("Settings of {section}"));
            if key.flag() != key.name {
                flag = flag.alias(key.name);
            }
            command = command.arg(flag);
            if let Some(short) = key.short {
                let switch = clap::Arg::new(short)
                    .long(short)
                    .action(clap::ArgAction::SetTrue)
                    .help(format!("Short for --{} true", key.flag()))
                    .help_heading(format!("Settings of {section}"));
                command = command.arg(switch);
            }
        }
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Settings {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Vec::new();
        for key in KEYS {
            if let Some(text) = matches.get_one::<String>(key.name) {
                flags.push((key.name, text.clone()));
            }
            if key.short.is_some_and(|short| matches.get_flag(short)) {
                flags.push((key.name, "true".to_owned()));
            }
        }
        Ok(Self { file: matches.get_one("config").cloned(), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Prints a line for the person at the keyboard, or for the next program in the pipe.
#[expect(clippy::print_stdout, reason = "commands print their result")]
pub(crate) fn print(line: impl Display) {
    println!("{line}");
}

/// Tells whoever watches a start something that must not stand in a log which is stored.
#[expect(clippy::print_stderr, reason = "own log lines can be read by others")]
pub(crate) fn tell(line: impl Display) {
    eprintln!("tarn: {line}");
}

/// Prints why a command failed.
#[expect(clippy::print_stderr, reason = "commands print their failure")]
pub(crate) fn complain(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Our own errors print their causes themselves, inside their message.
        if !text.is_empty() && !text.contains(&cause) {
            text.push_str(": ");
        }
        if !text.contains(&cause) {
            text.push_str(&cause);
        }
    }
    eprintln!("tarn: {text}");
}

/// Prints where the server listens and what to type next.
pub(crate) fn welcome(addresses: crate::app::Addresses, is_tls: bool, data: &str) {
    let scheme = if is_tls { "https" } else { "http" };
    let address = addresses.http;
    let version = crate::telemetry::registry::VERSION;
    let own = std::env::args().next().unwrap_or_else(|| "tarn".to_owned());
    let at = match address.port() {
        4320 if !is_tls => String::new(),
        _ => format!(" --url {scheme}://{address}"),
    };
    let endpoint = addresses.otlp_http.unwrap_or(address);
    let grpc = match addresses.otlp_grpc {
        Some(grpc) => format!("   (gRPC: {scheme}://{grpc})"),
        None => String::new(),
    };
    print(format_args!(
        "\nTarn {version} listens on {scheme}://{address} and keeps its data in {data}\n\
         \n  send   any OpenTelemetry SDK:  OTEL_EXPORTER_OTLP_ENDPOINT={scheme}://{endpoint}{grpc}\
         \n         add to prometheus.yml:  remote_write: [{{url: \"{scheme}://{address}/api/v1/write\"}}]\
         \n  ask    {own} query{at} 'up'\
         \n         curl '{scheme}://{address}/api/v1/query?query=up'\
         \n  stop   Ctrl-C\n"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(line: &[&str]) -> Vec<(&'static str, String)> {
        match Cli::try_parse_from(line).unwrap().command() {
            Command::Server(settings) | Command::Check(settings) => settings.flags,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_commands_are_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn settings_are_flags_of_the_server() {
        let bind = ("listen.insecure_bind", "true".to_owned());
        let age = ("flush.age", "1m".to_owned());
        let uri = ("http.uri_bytes_max", "9KiB".to_owned());
        assert_eq!(flags(&["tarn"]), []);
        assert_eq!(flags(&["tarn", "--insecure-bind"]), std::slice::from_ref(&bind));
        assert_eq!(flags(&["tarn", "--flush.age", "1m", "server", "--insecure-bind"]), [age, bind]);
        assert_eq!(
            flags(&["tarn", "check", "--http.uri-bytes-max=9KiB"]),
            std::slice::from_ref(&uri)
        );
        assert_eq!(flags(&["tarn", "check", "--http.uri_bytes_max=9KiB"]), [uri]);
    }
}
