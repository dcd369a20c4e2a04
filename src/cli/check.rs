//! `tarn check`: reads the configuration as the server would.

use crate::cli::{Settings, print};
use crate::config::load;

/// Prints what is not at its default, or everything that is wrong.
///
/// # Errors
/// All problems of the configuration.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    let config = load::load(&settings.sources())?;
    for setting in &config.changed {
        print(format_args!("{}: {} ({})", setting.key, setting.text, setting.origin));
    }
    print("configuration is valid");
    Ok(())
}
