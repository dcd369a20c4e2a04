//! The house rules that a compiler does not know, checked over the source tree.
//!
//! [`Tree::load`] reads every tracked kind of text once; each check is a function from the tree to a
//! list of findings. What [`failures`] returns fails the test `tidy`; what [`remarks`] returns is
//! printed for reviewers.
//!
//! - `arrows`: which crate may use which, and who alone may name a heavy dependency
//! - `modules`: a header per module, the map in ARCHITECTURE.md
//! - `words`: unsafe, TODO, ignored tests, lists of banned calls, settings, metric names
//! - `sizes`: long files, repeated blocks, banned file names

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

mod arrows;
mod modules;
mod sizes;
#[cfg(test)]
mod tests;
mod words;

/// Folders that hold no source of ours.
const SKIPPED: [&str; 6] = [".git", "target", "tarn-data", "node_modules", "dist", "fuzz"];
/// Kinds of text that are looked at.
const KINDS: [&str; 4] = ["rs", "toml", "md", "py"];

/// One file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path from the root of the repository, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// All files that are looked at, sorted by path.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The files.
    pub files: Vec<Source>,
}

impl Tree {
    /// Reads the tree below `root`.
    ///
    /// # Errors
    /// Where a file or folder cannot be read.
    pub fn load(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            tree.folder(root, &folder, &mut folders)?;
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn folder(&mut self, root: &Path, folder: &Path, folders: &mut Vec<PathBuf>) -> Result<()> {
        let listed = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        for entry in listed {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if KINDS.iter().any(|k| path.extension().is_some_and(|e| e == *k)) {
                let text =
                    std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                let path = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                self.files.push(Source { path, text });
            }
        }
        Ok(())
    }

    /// Returns the file at a path.
    pub(crate) fn get(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|f| f.path == path)
    }

    /// Yields the Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|f| f.path.ends_with(".rs"))
    }
}

impl Source {
    /// Returns whether the file is a test: it may do what code may not.
    pub(crate) fn is_test(&self) -> bool {
        let inside = |folder: &str| self.path.contains(folder);
        self.path.ends_with("/tests.rs")
            || inside("/tests/")
            || self.path.starts_with("tests/")
            || inside("/benches/")
    }
}

/// Returns what fails the test.
pub fn failures(tree: &Tree) -> Vec<String> {
    let checks: [fn(&Tree) -> Vec<String>; 9] = [
        arrows::check,
        arrows::heavy,
        modules::headers,
        modules::map,
        words::unsafe_files,
        words::debts,
        words::banned_lists,
        words::settings,
        words::metrics,
    ];
    checks.iter().flat_map(|check| check(tree)).collect()
}

/// Returns what reviewers may want to look at.
pub fn remarks(tree: &Tree) -> Vec<String> {
    let checks: [fn(&Tree) -> Vec<String>; 3] = [sizes::long, sizes::repeated, sizes::names];
    checks.iter().flat_map(|check| check(tree)).collect()
}
