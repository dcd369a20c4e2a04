//! Folders of boards: what is read, what is told.

use std::path::Path;

use super::*;

#[expect(clippy::disallowed_methods, reason = "files of a test")]
fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

const BOARD: &str = "kind: Dashboard\nmetadata: {name: NAME}\nspec: {}\n";

#[test]
fn good_boards_are_read_beside_bad_ones() {
    let folder = std::env::temp_dir().join(format!("tarn-ui-load-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    put(&folder, "b.yaml", &BOARD.replace("NAME", "two"));
    put(
        &folder,
        "a.json",
        "{\"kind\": \"Dashboard\", \"metadata\": {\"name\": \"one\"}, \"spec\": {}}",
    );
    put(&folder, "c.yml", &BOARD.replace("NAME", "one"));
    put(&folder, "bad.yaml", "kind: Folder\n");
    put(&folder, ".hidden.yaml", "kind: Folder\n");
    put(&folder, "readme.md", "no board");
    let none = folder.join("none").display().to_string();
    let folders = [folder.display().to_string(), none.clone()];
    let loaded = load(&folders);
    let names: Vec<&str> = loaded.boards.iter().map(|found| found.board.name()).collect();
    assert_eq!(names, ["one", "two"]);
    let told: Vec<(&str, &str)> = loaded
        .problems
        .iter()
        .map(|p| (p.file.rsplit('/').next().unwrap(), p.problems[0].path.as_str()))
        .collect();
    assert_eq!(told, [("none", ""), ("bad.yaml", "kind"), ("c.yml", "metadata.name")]);
    assert_eq!(load(&folders), loaded, "nothing changed");
    let before = loaded.boards[1].revision;
    put(&folder, "b.yaml", &(BOARD.replace("NAME", "two") + "# more\n"));
    assert_ne!(load(&folders).boards[1].revision, before);
    fs::remove_dir_all(&folder).unwrap();
}
