//! Which folder becomes the pages in the binary, and npm where that folder is older than its sources.
//!
//! A build notes in `dist/.inputs` the hash of what it was made of, so that a checkout of another
//! branch and back, or a clone, runs npm only when the sources differ. A `dist` without that note was
//! built by hand: there the times of the files decide. A lock file keeps builds of two target folders
//! out of each other's way.

#![expect(clippy::disallowed_methods, reason = "files of the build, in folders of cargo and npm")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// What a build of the app reads, below `web/`.
const INPUTS: [&str; 8] = [
    "index.html",
    "package-lock.json",
    "package.json",
    "public",
    "scripts",
    "src",
    "tsconfig.json",
    "vite.config.ts",
];

/// The note of a build, in `dist/`.
const NOTE: &str = ".inputs";

/// How many of the last lines of a failed npm are told.
const LINES_TOLD: usize = 6;

/// How much older than the start of cargo's step a finished `dist` is made to look, so that cargo does
/// not take what this step wrote for a change that came after it.
const BEFORE_THIS_STEP: Duration = Duration::from_secs(5);

/// What `TARN_UI` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Build what is stale; do with less where that cannot be.
    Auto,
    /// Real and fresh pages, or no build.
    Require,
    /// Never run npm.
    Skip,
}

/// The pages to embed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Where they are.
    pub(crate) folder: PathBuf,
    /// Whether they are the app, or the page that says that it is missing.
    pub(crate) built: bool,
    /// What whoever builds should know.
    pub(crate) warning: Option<String>,
}

impl Mode {
    /// Reads the value of `TARN_UI`; nothing is `auto`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "auto" => Ok(Self::Auto),
            "require" => Ok(Self::Require),
            "skip" => Ok(Self::Skip),
            _ => Err(format!("TARN_UI is {text:?}, want auto, require or skip")),
        }
    }
}

/// Decides for a folder, and builds `dist` in it where that is needed and can be.
pub(crate) fn choose(web: &Path, mode: Mode, npm: &Path) -> Result<Choice, String> {
    let began = SystemTime::now();
    let dist = web.join("dist");
    // A package of this crate has the built app and no sources.
    let has_sources = web.join("package.json").exists();
    let mut warning = None;
    if mode != Mode::Skip && has_sources {
        let lock = lock(web)?;
        if !is_fresh(web)? {
            warning = build(web, npm, began).err();
        }
        drop(lock);
    }
    let built = dist.join("index.html").exists();
    let folder = if built { dist } else { web.join("dist-fallback") };
    let warning = match (warning, built) {
        (Some(reason), true) => Some(format!("the web UI is embedded as it was before: {reason}")),
        (Some(reason), false) => Some(format!("Tarn is built without its web UI: {reason}")),
        (None, true) => None,
        (None, false) => {
            Some("Tarn is built without its web UI: ui/web/dist is missing".to_owned())
        }
    };
    match warning {
        Some(warning) if mode == Mode::Require => Err(format!("{warning} (TARN_UI=require)")),
        warning => Ok(Choice { folder, built, warning }),
    }
}

/// Returns what must make cargo ask again. A path that is missing would make it ask every time.
pub(crate) fn watched(web: &Path) -> Vec<PathBuf> {
    let more = ["dist/index.html", "dist-fallback"];
    let all = INPUTS.iter().chain(&more).map(|name| web.join(name));
    all.filter(|path| path.exists()).collect()
}

/// Lists the files below a folder, sorted; a file is its own list.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(if path.exists() { vec![path.to_owned()] } else { Vec::new() });
    }
    let failed = |e: std::io::Error| format!("list {}: {e}", path.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    let below = entries.iter().map(|entry| files(entry)).collect::<Result<Vec<_>, _>>()?;
    Ok(below.concat())
}

/// The FNV-1a hash: no secret, no crate, and a change of a file changes it.
pub(crate) fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Where a hash begins.
pub(crate) const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("read {}: {e}", path.display()))
}

fn lock(web: &Path) -> Result<File, String> {
    let path = web.join(".build-lock");
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let taken = open.and_then(|file| file.lock().map(|()| file));
    taken.map_err(|e| format!("lock {}: {e}", path.display()))
}

fn is_fresh(web: &Path) -> Result<bool, String> {
    let index = web.join("dist/index.html");
    if !index.exists() {
        return Ok(false);
    }
    if let Ok(note) = fs::read_to_string(web.join("dist").join(NOTE)) {
        return Ok(note == hash(web)?);
    }
    let built = changed(&index)?;
    for input in INPUTS {
        for file in files(&web.join(input))? {
            if changed(&file)? > built {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn changed(path: &Path) -> Result<SystemTime, String> {
    let time = fs::metadata(path).and_then(|meta| meta.modified());
    time.map_err(|e| format!("look at {}: {e}", path.display()))
}

/// Returns the hash of the names and bytes of all inputs.
fn hash(web: &Path) -> Result<String, String> {
    let mut hash = FNV_START;
    for input in INPUTS {
        for file in files(&web.join(input))? {
            let name = file.strip_prefix(web).unwrap_or(&file).to_string_lossy().into_owned();
            hash = fnv1a(fnv1a(hash, name.as_bytes()), &[0]);
            hash = fnv1a(hash, &read(&file)?);
        }
    }
    Ok(format!("{hash:016x}"))
}

fn build(web: &Path, npm: &Path, began: SystemTime) -> Result<(), String> {
    let of_inputs = hash(web)?;
    if !is_installed(web)? {
        let quick = ["--fetch-retries=1", "--fetch-retry-maxtimeout=5000", "--prefer-offline"];
        run(web, npm, &[&["ci", "--no-audit", "--no-fund"][..], &quick].concat())?;
    }
    run(web, npm, &["run", "build"])?;
    let dist = web.join("dist");
    let failed = |e: std::io::Error| format!("finish {}: {e}", dist.display());
    fs::write(dist.join(NOTE), of_inputs).map_err(failed)?;
    let index = File::options().append(true).open(dist.join("index.html")).map_err(failed)?;
    index.set_modified(began - BEFORE_THIS_STEP).map_err(failed)
}

/// Returns whether `node_modules` are those of the lock file.
fn is_installed(web: &Path) -> Result<bool, String> {
    let installed = web.join("node_modules/.package-lock.json");
    Ok(installed.exists() && changed(&installed)? >= changed(&web.join("package-lock.json"))?)
}

fn run(web: &Path, npm: &Path, arguments: &[&str]) -> Result<(), String> {
    let what = format!("npm {}", arguments.first().copied().unwrap_or_default());
    // Cargo's DEBUG would make packages of npm talk.
    let output = Command::new(npm).args(arguments).current_dir(web).env_remove("DEBUG").output();
    let output = output.map_err(|e| {
        format!("{what}: {e}; install Node 20.19 or newer with npm, touch ui/build.rs, build again")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.iter().rev().take(LINES_TOLD).rev().copied().collect::<Vec<_>>().join(" | ");
    Err(format!("{what} failed ({}): {last}", output.status))
}
