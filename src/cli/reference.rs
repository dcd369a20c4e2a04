//! `tarn config reference` and `tarn config schema`: all settings, for people and for programs.

use clap::Subcommand;

use crate::cli::print;
use crate::config::{reference, schema};

/// What can be told of the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the page of all settings, as Markdown.
    Reference,
    /// Print the JSON schema of `tarn.yaml`, for editors and programs.
    Schema,
}

/// Prints the page, or the schema.
///
/// # Errors
/// None that happens: the schema is JSON.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Reference => print(reference::page().trim_end()),
        Command::Schema => print(serde_json::to_string_pretty(&schema::schema(|_| false))?),
    }
    Ok(())
}
