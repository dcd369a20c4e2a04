//! `tarn completions`, `tarn man`: what shells and `man` show, made of the same table as `--help`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

/// Which shell.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
For one user, with bash:  tarn completions bash > ~/.local/share/bash-completion/completions/tarn")]
pub(crate) struct CompletionsArgs {
    /// The shell that completes.
    shell: Shell,
}

/// Which page.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManArgs {
    /// The command, such as `query` or `block repair`; none: tarn itself.
    command: Vec<String>,
    /// Write the pages of all commands into this folder instead.
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// `tarn completions`.
///
/// # Errors
/// Where nobody reads on.
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut <Cli as CommandFactory>::command(),
        "tarn",
        &mut script,
    );
    io::stdout().write_all(&script).context("write the completions")
}

/// `tarn man`.
///
/// # Errors
/// Where there is no such command, or the pages cannot be written.
pub(crate) fn man(args: &ManArgs) -> anyhow::Result<()> {
    let mut tarn = <Cli as CommandFactory>::command();
    tarn.build();
    if let Some(dir) = &args.dir {
        let written = clap_mangen::generate_to(tarn, dir);
        return written.with_context(|| format!("write the pages into {}", dir.display()));
    }
    let mut command = &tarn;
    for name in &args.command {
        match command.find_subcommand(name) {
            Some(found) => command = found,
            None => bail!("there is no command `{} {name}`", command.get_name()),
        }
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).context("write the page")?;
    io::stdout().write_all(&page).context("write the page")
}
