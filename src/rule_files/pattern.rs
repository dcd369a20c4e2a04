//! File names with stars: `*` and `?` within one part of a path, as in Prometheus' `rule_files`.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Returns whether a name stands for several.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Returns the files that a path stands for, sorted. A folder that is not there has none.
///
/// # Errors
/// A folder that cannot be listed.
pub(super) fn expand(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let text = component.as_os_str().to_str().filter(|text| is_pattern(text));
        found = match (component, text) {
            (Component::Normal(_), Some(pattern)) => {
                let mut next = Vec::new();
                for folder in &found {
                    next.extend(matching(folder, pattern)?);
                }
                next
            }
            _ => found.into_iter().map(|folder| folder.join(component)).collect(),
        };
    }
    found.retain(|path| path.is_file());
    found.sort();
    Ok(found)
}

fn matching(folder: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match std::fs::read_dir(listed) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| matches(pattern.as_bytes(), name.as_bytes())) {
            found.push(folder.join(name));
        }
    }
    Ok(found)
}

/// Returns whether a name is what a pattern stands for. Hidden files must be asked for.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    // Where the last star stands, and how far it reaches at the moment.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, reached)) => {
                    star = Some((at, reached + 1));
                    p = at + 1;
                    n = reached + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_parts_of_names() {
        for (pattern, name, expected) in [
            ("*.yml", "a.yml", true),
            ("*.yml", ".hidden.yml", false),
            ("*.yml", "a.yaml", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("rule?.yml", "rule1.yml", true),
            ("rule?.yml", "rule.yml", false),
            ("*", "x", true),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
