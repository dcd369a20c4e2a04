//! Every built-in board is one, says what it needs, and stands in its grid.

use super::*;

#[test]
fn every_file_is_a_board_of_its_name() {
    for (name, text) in FILES {
        let board = read(text).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        assert_eq!(board.name(), *name);
        assert!(!board.title().is_empty() && !board.description().is_empty(), "{name}");
        assert!(!board.needs().is_empty() && !board.tags().is_empty(), "{name}");
        assert!(board.panels() >= 4, "{name}");
    }
    assert_eq!(boards().len(), FILES.len());
}

#[test]
fn every_file_of_the_folder_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/dashboards");
    let files = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".yaml", ""))
        .collect();
    let mut known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
    names.sort();
    known.sort_unstable();
    assert_eq!(names, known);
}

#[test]
fn panels_stand_beside_each_other() {
    for board in boards() {
        let layouts = board.tree()["spec"]["layouts"].as_array().unwrap();
        for layout in layouts {
            let mut taken = std::collections::BTreeSet::new();
            for item in layout["spec"]["items"].as_array().unwrap() {
                let at = |key: &str| item[key].as_u64().unwrap();
                assert!(at("x") + at("width") <= 24, "{}: {item}", board.name());
                for x in at("x")..at("x") + at("width") {
                    for y in at("y")..at("y") + at("height") {
                        assert!(taken.insert((x, y)), "{}: {item}", board.name());
                    }
                }
            }
        }
    }
}
