//! Boards from folders: their files are the owners.
//!
//! Every `.json`, `.yaml` and `.yml` file directly in a folder is one board, in the Perses format.
//! A file that cannot be read is a problem beside the boards that can; a name that is there twice
//! belongs to the file that comes first. Whoever watches calls [`load`] again and compares.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::model::{self, BYTES_MAX, Dashboard, Format, Problem};

#[cfg(test)]
mod tests;

/// Most files of all folders together.
const FILES_MAX: usize = 2_000;
/// Most bytes of all files together; what comes behind is not read.
const TOTAL_BYTES_MAX: usize = 64 << 20;

/// A board and its file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileBoard {
    /// The file.
    pub path: PathBuf,
    /// Changes with what the file says, and fits a number of JSON.
    pub revision: u64,
    /// What it says.
    pub board: Dashboard,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    /// The file or folder.
    pub file: String,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// What folders hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The boards, by name.
    pub boards: Vec<FileBoard>,
    /// What could not be read.
    pub problems: Vec<FileProblem>,
}

/// Reads all boards of some folders. Blocks on the disk.
pub fn load(folders: &[String]) -> Loaded {
    let mut loaded = Loaded::default();
    let mut left = TOTAL_BYTES_MAX;
    for path in files(folders, &mut loaded) {
        match file(&path, left) {
            Ok((found, bytes)) => {
                left = left.saturating_sub(bytes);
                loaded.add(found);
            }
            Err(problems) => loaded.wrong(&path, problems),
        }
    }
    loaded.boards.sort_by(|a, b| a.board.name().cmp(b.board.name()));
    loaded
}

impl Loaded {
    fn wrong(&mut self, path: &Path, problems: Vec<Problem>) {
        self.problems.push(FileProblem { file: path.display().to_string(), problems });
    }

    fn add(&mut self, found: FileBoard) {
        let name = found.board.name();
        match self.boards.iter().find(|known| known.board.name() == name) {
            None => self.boards.push(found),
            Some(known) => {
                let message = format!("{name:?} is the name of {}, too", known.path.display());
                self.wrong(&found.path, vec![Problem::error("metadata.name", message)]);
            }
        }
    }
}

fn files(folders: &[String], loaded: &mut Loaded) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for folder in folders {
        let path = Path::new(folder);
        match names(path) {
            Ok(found) => paths.extend(found),
            Err(e) => {
                let message = format!("the folder cannot be read: {e}");
                loaded.wrong(path, vec![Problem::error("", message)]);
            }
        }
    }
    if paths.len() > FILES_MAX {
        let message = format!("{} files, limit is {FILES_MAX}", paths.len());
        loaded.wrong(Path::new(&folders.join(", ")), vec![Problem::error("", message)]);
        paths.truncate(FILES_MAX);
    }
    paths
}

fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        // Mounted folders of Kubernetes hold their files a second time below names with a dot.
        if !name.starts_with('.') && Format::of_file(name).is_some() {
            paths.push(folder.join(name));
        }
    }
    paths.sort();
    Ok(paths)
}

fn file(path: &Path, left: usize) -> Result<(FileBoard, usize), Vec<Problem>> {
    let failed = |message: String| vec![Problem::error("", message)];
    let text = text(path, left).map_err(|e| failed(format!("cannot be read: {e}")))?;
    let format = Format::of_file(&path.to_string_lossy()).unwrap_or(Format::Json);
    let board = model::read(&text, format)?;
    let found = FileBoard { path: path.to_owned(), revision: revision(text.as_bytes()), board };
    Ok((found, text.len()))
}

#[expect(clippy::disallowed_methods, reason = "files of the operator, which are only read")]
fn text(path: &Path, left: usize) -> io::Result<String> {
    let max = left.min(BYTES_MAX);
    let mut text = String::new();
    let bound = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)?.take(bound).read_to_string(&mut text)?;
    if text.len() > max {
        return Err(io::Error::other(format!("longer than {max} bytes")));
    }
    Ok(text)
}

/// Hashes what a file says (FNV-1a), cut to what JSON's numbers hold. Tells changes apart, nothing else.
pub fn revision(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash >> 11
}
