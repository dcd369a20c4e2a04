//! `tarn config reference`: the page of all settings.

use clap::Subcommand;

use crate::cli::print;
use crate::config::reference;

/// What can be told of the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the page of all settings, as Markdown.
    Reference,
}

/// Prints the page.
///
/// # Errors
/// None; commands have one form.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Reference => print(reference::page().trim_end()),
    }
    Ok(())
}
