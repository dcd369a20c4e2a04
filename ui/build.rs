//! Puts the pages into the crate: the app of `web/`, built with npm where it changed, or the page that
//! says that there are none. `TARN_UI` decides: `auto`, `require` (fail without real, fresh pages; for
//! releases) or `skip` (never run npm).

use std::env::{var, var_os};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "build/app.rs"]
mod app;
#[path = "build/table.rs"]
mod table;

fn main() -> ExitCode {
    // Cargo reads what this program prints.
    println!("cargo::rerun-if-env-changed=TARN_UI");
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a build is told by its environment")]
fn embed() -> Result<(), String> {
    let folder = |name: &str| {
        let path = var_os(name).ok_or_else(|| format!("cargo did not set {name}"))?;
        Ok::<_, String>(PathBuf::from(path))
    };
    let web = folder("CARGO_MANIFEST_DIR")?.join("web");
    let mode = app::Mode::parse(&var("TARN_UI").unwrap_or_default())?;
    let choice = app::choose(&web, mode, Path::new("npm"))?;
    if let Some(warning) = &choice.warning {
        println!("cargo::warning={warning}");
    }
    for path in app::watched(&web) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    table::write(&choice.folder, &folder("OUT_DIR")?, choice.built)
}
