//! What reviewers may want to look at: long files, repeated blocks, names without a subject.

use std::hash::{BuildHasher as _, RandomState};

use tarn_model::map::HashMap;

use super::{Source, Tree};

/// Non-test files beyond this are looked at again.
const LINES_LONG: usize = 400;
/// Lines that must be equal to count as a repetition.
const BLOCK_LINES: usize = 12;
/// Names that say nothing of what is inside.
const BANNED_NAMES: [&str; 6] = ["utils", "util", "common", "misc", "types", "helpers"];

/// Lists long files.
pub(super) fn long(tree: &Tree) -> Vec<String> {
    let code = tree.rust().filter(|f| !f.is_test());
    let sized = code.map(|f| (f, f.text.lines().count())).filter(|(_, n)| *n > LINES_LONG);
    sized.map(|(f, n)| format!("{}: {n} lines", f.path)).collect()
}

/// Lists blocks that stand in two places. Only the first of overlapping blocks is told.
pub(super) fn repeated(tree: &Tree) -> Vec<String> {
    let hasher = RandomState::new();
    let mut seen: HashMap<u64, (&str, usize)> = HashMap::default();
    let mut findings = Vec::new();
    for file in tree.rust().filter(|f| !f.is_test()) {
        let lines = code_lines(file);
        let mut free_from = 0;
        for (start, block) in lines.windows(BLOCK_LINES).enumerate() {
            let texts: Vec<&str> = block.iter().map(|(_, text)| *text).collect();
            let first = block.first().map_or(0, |(number, _)| *number);
            let place = (file.path.as_str(), first);
            let (path, line) = *seen.entry(hasher.hash_one(&texts)).or_insert(place);
            if (path, line) != place && start >= free_from {
                findings.push(format!("{}:{first}: repeats {path}:{line}", file.path));
                free_from = start + BLOCK_LINES;
            }
        }
    }
    findings
}

/// Returns the lines that say something, with their numbers.
fn code_lines(file: &Source) -> Vec<(usize, &str)> {
    let lines = file.text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines.filter(|(_, l)| l.len() > 3 && !l.starts_with("//") && !l.starts_with("use ")).collect()
}

/// Lists files with names that say nothing.
pub(super) fn names(tree: &Tree) -> Vec<String> {
    let stem = |f: &Source| {
        let name = f.path.rsplit('/').next().unwrap_or_default();
        name.trim_end_matches(".rs").to_owned()
    };
    let banned = tree.rust().filter(|f| BANNED_NAMES.contains(&stem(f).as_str()));
    banned.map(|f| format!("{}: the name says nothing of what is inside", f.path)).collect()
}
