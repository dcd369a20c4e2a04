//! Names of files with wildcards, as rule files are named in settings and on the command line.
//!
//! A path is cut into its parts; a part with a wildcard (`*`, `?`, `[a-z]`) is matched against the
//! names in the folders found so far, and never crosses a `/`. Hidden names must be asked for with
//! their dot: a mounted folder of Kubernetes holds its files a second time below `..data`. Names come
//! back sorted, so that what depends on the order of files is the same at every start.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Files and folders that one pattern may stand for.
const MATCHES_MAX: usize = 100_000;

/// Returns the files that a pattern stands for, which may be none; a path without wildcards stands
/// for itself, whether it is there or not.
///
/// # Errors
/// A folder cannot be read, or the pattern stands for too many files.
pub(crate) fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    let mut is_pattern = false;
    for part in pattern.components() {
        let wild = match part {
            Component::Normal(name) => name.to_str().filter(|name| is_wild(name)),
            _ => None,
        };
        let Some(wild) = wild else {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        is_pattern = true;
        let mut deeper = Vec::new();
        for folder in &found {
            deeper.extend(matching(folder, wild)?);
            if deeper.len() > MATCHES_MAX {
                let message = format!("{} stands for too many files", pattern.display());
                return Err(io::Error::other(message));
            }
        }
        found = deeper;
    }
    if is_pattern {
        found.retain(|path| path.is_file());
    }
    found.sort();
    Ok(found)
}

/// Returns the entries of a folder whose names match.
fn matching(folder: &Path, wild: &str) -> io::Result<Vec<PathBuf>> {
    let read = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match std::fs::read_dir(read) {
        Ok(entries) => entries,
        // What a wildcard found need not be a folder.
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(e),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| fits(wild, name)) {
            paths.push(folder.join(name));
        }
    }
    Ok(paths)
}

fn is_wild(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// Returns whether a name matches a pattern, and is shown by it if it is hidden.
fn fits(pattern: &str, name: &str) -> bool {
    (!name.starts_with('.') || pattern.starts_with('.')) && fits_all(pattern, name)
}

/// Returns whether a name matches a pattern. The last `*` that was passed is the only point to go
/// back to, so the work is at most the product of the lengths.
fn fits_all(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            back = Some((p, n));
            p += 1;
            continue;
        }
        if let Some(next) = one(&pattern, p, name[n]) {
            (p, n) = (next, n + 1);
            continue;
        }
        let Some((star, from)) = back else { return false };
        back = Some((star, from + 1));
        (p, n) = (star + 1, from + 1);
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Matches one character; returns where the pattern goes on.
fn one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => class(pattern, at + 1, c),
        '\\' => (*pattern.get(at + 1)? == c).then_some(at + 2),
        exact => (*exact == c).then_some(at + 1),
    }
}

/// Matches a character against `a-z]` or `^a-z]`.
fn class(pattern: &[char], mut at: usize, c: char) -> Option<usize> {
    let negated = matches!(pattern.get(at), Some('^' | '!'));
    at += usize::from(negated);
    let (mut inside, first) = (false, at);
    while *pattern.get(at)? != ']' || at == first {
        let low = *pattern.get(at)?;
        if pattern.get(at + 1) == Some(&'-') && pattern.get(at + 2).is_some_and(|c| *c != ']') {
            inside |= (low..=*pattern.get(at + 2)?).contains(&c);
            at += 3;
        } else {
            inside |= low == c;
            at += 1;
        }
    }
    (inside != negated).then_some(at + 1)
}

#[cfg(test)]
mod tests;
