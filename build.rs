//! Tells the binary how it was built, for `tarn bench` and `status/buildinfo`.

use std::env::var_os;
use std::path::Path;
use std::process::Command;

fn main() {
    // Cargo reads what this program prints.
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    println!("cargo::rustc-env=TARN_BUILD_PROFILE={}", profile());
    println!(
        "cargo::rustc-env=TARN_BUILD_REVISION={}",
        output("git", &["rev-parse", "--short", "HEAD"])
    );
    let rustc = var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    println!(
        "cargo::rustc-env=TARN_BUILD_RUSTC={}",
        output(&rustc.to_string_lossy(), &["--version"])
    );
}

/// Returns the name of the profile: `PROFILE` has only its base, so it is read from the path
/// `…/<profile>/build/tarn-<hash>/out`.
fn profile() -> String {
    let out = var_os("OUT_DIR").unwrap_or_default();
    let folder = Path::new(&out).ancestors().nth(3).and_then(Path::file_name);
    folder.map_or_else(|| "unknown".to_owned(), |f| f.to_string_lossy().into_owned())
}

/// Returns what a program prints, or `unknown`: a source archive has no revision.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.ok().filter(|o| o.status.success()).map(|o| o.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    if text.is_empty() { "unknown".to_owned() } else { text }
}
