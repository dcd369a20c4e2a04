//! The choice of pages, with a folder of sources and a stand-in for npm.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test of a build script, which reads and writes files as it does"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

#[path = "../build/app.rs"]
mod app;

use app::{Mode, choose};

/// Stands in for npm: notes each call, and builds unless it is told to fail.
const NPM: &str = "#!/bin/sh
echo \"$1\" >> calls
test -e fail && { echo 'no network'; exit 1; }
test \"$1\" = ci && mkdir -p node_modules && touch node_modules/.package-lock.json
test \"$1\" = run && rm -rf dist && mkdir dist && cp index.html dist/
exit 0
";

struct Sources {
    folder: tempfile::TempDir,
}

impl Sources {
    fn new() -> Self {
        let sources = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["package.json", "package-lock.json", "index.html", "src/main.ts"] {
            sources.write(name, name);
        }
        sources.write("npm", NPM);
        fs::set_permissions(sources.at("npm"), fs::Permissions::from_mode(0o755)).unwrap();
        sources
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn choose(&self, mode: Mode) -> Result<app::Choice, String> {
        choose(self.folder.path(), mode, &self.at("npm"))
    }

    /// Returns what npm was asked for since the last call.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.at("calls")).unwrap_or_default();
        self.write("calls", "");
        calls.lines().map(str::to_owned).collect()
    }
}

#[test]
fn npm_runs_when_sources_changed_and_only_then() {
    let sources = Sources::new();
    let choice = sources.choose(Mode::Auto).unwrap();
    assert_eq!((choice.built, choice.warning), (true, None));
    assert_eq!(choice.folder, sources.at("dist"));
    assert_eq!(sources.calls(), ["ci", "run"]);
    sources.choose(Mode::Require).unwrap();
    sources.write("src/main.ts", "src/main.ts");
    sources.choose(Mode::Auto).unwrap();
    assert!(sources.calls().is_empty(), "written again with the same bytes");
    sources.write("src/main.ts", "changed");
    sources.choose(Mode::Auto).unwrap();
    assert_eq!(sources.calls(), ["run"]);
    fs::remove_file(sources.at("src/main.ts")).unwrap();
    sources.choose(Mode::Auto).unwrap();
    assert_eq!(sources.calls(), ["run"], "a file that is gone is a change");
}

#[test]
fn what_was_built_by_hand_counts_by_its_time() {
    let sources = Sources::new();
    sources.write("dist/index.html", "by hand");
    sources.choose(Mode::Require).unwrap();
    assert!(sources.calls().is_empty());
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    let file = fs::File::options().append(true).open(sources.at("src/main.ts")).unwrap();
    file.set_modified(later).unwrap();
    sources.choose(Mode::Auto).unwrap();
    assert_eq!(sources.calls(), ["ci", "run"]);
}

#[test]
fn without_npm_or_network_the_older_pages_stay_or_the_page_that_says_so() {
    let sources = Sources::new();
    sources.write("fail", "");
    let choice = sources.choose(Mode::Auto).unwrap();
    assert!(!choice.built && choice.folder == sources.at("dist-fallback"));
    let warning = choice.warning.unwrap();
    assert!(warning.contains("without its web UI") && warning.contains("no network"), "{warning}");
    let error = sources.choose(Mode::Require).unwrap_err();
    assert!(error.contains("npm ci failed"), "{error}");

    fs::remove_file(sources.at("fail")).unwrap();
    sources.choose(Mode::Auto).unwrap();
    sources.write("src/main.ts", "changed");
    fs::remove_file(sources.at("npm")).unwrap();
    let choice = sources.choose(Mode::Auto).unwrap();
    assert!(choice.built, "stale, and better than none");
    assert!(choice.warning.is_some_and(|w| w.contains("install Node")));
    assert!(sources.choose(Mode::Require).is_err());
}

#[test]
fn skip_never_runs_npm() {
    let sources = Sources::new();
    let choice = sources.choose(Mode::Skip).unwrap();
    assert!(!choice.built && choice.warning.is_some());
    sources.write("dist/index.html", "stale");
    let choice = sources.choose(Mode::Skip).unwrap();
    assert_eq!((choice.built, choice.warning), (true, None));
    assert!(sources.calls().is_empty());
}

#[test]
fn a_package_without_sources_uses_the_built_app() {
    let sources = Sources::new();
    fs::remove_file(sources.at("package.json")).unwrap();
    sources.write("dist/index.html", "built");
    assert!(sources.choose(Mode::Require).unwrap().built);
    assert!(sources.calls().is_empty());
}

#[test]
fn only_paths_that_exist_are_watched() {
    let sources = Sources::new();
    let watched = app::watched(sources.folder.path());
    assert!(watched.contains(&sources.at("src")) && watched.iter().all(|path| path.exists()));
    assert!(!watched.contains(&sources.at("dist/index.html")));
}

#[test]
fn a_mode_is_one_of_three() {
    assert_eq!(Mode::parse(""), Ok(Mode::Auto));
    assert_eq!(Mode::parse("require"), Ok(Mode::Require));
    assert!(Mode::parse("yes").unwrap_err().contains("want auto, require or skip"));
}
