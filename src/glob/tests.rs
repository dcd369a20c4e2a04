use super::*;

#[test]
fn names_match_patterns() {
    for (pattern, name, expected) in [
        ("*.yaml", "a.yaml", true),
        ("*.yaml", "a.yml", false),
        ("*.yaml", ".a.yaml", false),
        (".*.yaml", ".a.yaml", true),
        ("**", "x", true),
        ("*", "", true),
        ("a*b*c", "aXbXbc", true),
        ("a*b*c", "aXbXb", false),
        ("?.y[a-m]ml", "ä.yaml", true),
        ("[^a-c]x", "dx", true),
        ("[^a-c]x", "ax", false),
        ("[]a]x", "]x", true),
        ("[a", "a", false),
        ("\\*", "*", true),
        ("\\*", "a", false),
    ] {
        assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
    }
    assert!(!fits(&"*a".repeat(50), &"b".repeat(5_000)));
}

#[test]
fn patterns_stand_for_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b/2.yaml", "a/1.yaml", "a/1.txt", "c.yaml", "f.yaml/x"] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path);
    }
    let names = |pattern: &str| -> Vec<String> {
        let paths = expand(&folder.path().join(pattern)).unwrap();
        let shown = paths.iter().map(|path| path.strip_prefix(folder.path()).unwrap());
        shown.map(|path| path.display().to_string()).collect()
    };
    assert_eq!(names("*/*.yaml"), ["a/1.yaml", "b/2.yaml"]);
    assert_eq!(names("*.yaml"), ["c.yaml"]);
    assert_eq!(names("no*/x"), [""; 0]);
    assert_eq!(names("none.yaml"), ["none.yaml"]);
}

#[expect(clippy::disallowed_methods, reason = "a file of a test, nothing is lost with it")]
fn write(path: &Path) {
    std::fs::write(path, "").unwrap();
}
