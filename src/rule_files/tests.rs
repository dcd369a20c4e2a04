use super::*;

fn options(folder: &Path, patterns: &[&str]) -> Options {
    let rule_files = patterns.iter().map(|p| folder.join(p).display().to_string()).collect();
    Options { rule_files, ..Options::default() }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "files of a test, nothing is lost with them")]
fn patterns_find_files_once_and_what_is_missing_is_told() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    for (name, text) in [("a.yml", "groups: []"), ("b.yml", "b"), ("c.txt", "c")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let sources = read(&options(folder, &["*.yml", "b.yml", "gone/*.yml", "missing.yml"]));
    let names: Vec<&str> = sources.rules.iter().filter_map(|f| f.name.rsplit('/').next()).collect();
    assert_eq!(names, ["a.yml", "b.yml"]);
    assert_eq!(sources.unreadable.len(), 1, "{:?}", sources.unreadable);
    assert!(sources.unreadable[0].file.ends_with("missing.yml"), "{:?}", sources.unreadable);
}
