//! Rules against other people's tools and texts: Debian's promtool as twin, and the cases of the
//! specification for alert generators on a simulated clock.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![expect(clippy::print_stdout, reason = "says what was skipped")]

use std::path::Path;
use std::process::Command;

mod alert_generator;
mod check_twin;
mod shipped;
mod simulation;
mod test_twin;

/// Returns whether promtool is there; says so if not.
fn has_promtool() -> bool {
    let there =
        Command::new("promtool").arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        println!("skipped: no promtool");
    }
    there
}

/// Runs promtool; returns whether it is content, and what it says.
fn promtool(arguments: &[&str], file: &Path) -> (bool, String) {
    let output = Command::new("promtool").args(arguments).arg(file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[expect(clippy::disallowed_methods, reason = "a file of a test, nothing is lost with it")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
