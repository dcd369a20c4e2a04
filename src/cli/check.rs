//! `tarn check`: reads the configuration, and the files it names, as the server would.

use anyhow::bail;
use tarn_model::error::Error;

use crate::cli::{Settings, print};
use crate::config::load;
use crate::rule_files;

/// Prints what is not at its default, or everything that is wrong.
///
/// # Errors
/// All problems of the configuration.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    let config = load::load(&settings.sources())?;
    for setting in &config.changed {
        print(format_args!("{}: {} ({})", setting.key, setting.text, setting.origin));
    }
    let sources = rule_files::read(&config.alerting);
    let problems = tarn_alerting::check_sources(&sources, &config.alerting);
    for problem in &problems {
        print(format_args!("{}{problem}", if problem.warning { "warning: " } else { "" }));
    }
    let errors = problems.iter().filter(|problem| !problem.warning).count();
    if errors > 0 {
        bail!(Error::invalid(format!("rules and routes have {errors} errors")));
    }
    print("configuration is valid");
    Ok(())
}
