//! A run over fetched boards, which are never in the repository: how much of them comes over.
//!
//! They are looked for in `grafana-boards` below the folder of `TARN_CORPUS`, or beside the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::dashboards::check::Mistake;
use crate::dashboards::model::{Format, parse};

struct Any;

impl CheckQuery for Any {
    fn check(&self, _: Language, _: &str) -> Result<(), Mistake> {
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "where test data is")]
fn folder() -> Option<PathBuf> {
    let named = std::env::var("TARN_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = named.unwrap_or(beside).join("grafana-boards");
    folder.is_dir().then_some(folder)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "json") {
            found.push(path);
        }
    }
}

#[test]
fn coverage_of_fetched_boards() {
    let Some(folder) = folder() else {
        println!("skipped: no corpus");
        return;
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    let (mut boards, mut whole) = (0, 0);
    let (mut panels, mut variables) = ((0, 0), (0, 0));
    let mut kinds: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut lost: BTreeMap<String, usize> = BTreeMap::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        let imported = parse(&text, Format::Json).and_then(|tree| import(&tree, &Any));
        let Ok((_, report)) = imported.inspect_err(|e| println!("{}: {e}", path.display())) else {
            continue;
        };
        boards += 1;
        whole += usize::from(report.whole);
        for (sum, lines) in [(&mut panels, &report.panels), (&mut variables, &report.variables)] {
            let (kept, count) = Report::coverage(lines);
            *sum = (sum.0 + kept, sum.1 + count);
        }
        for line in report.panels.iter().chain(&report.variables) {
            *kinds.entry((line.from.clone(), line.becomes.clone())).or_default() += 1;
            if line.outcome == Outcome::Placeholder {
                let why = line.reasons.first().cloned().unwrap_or_default();
                *lost.entry(format!("{}: {why}", line.from)).or_default() += 1;
            }
            for what in &line.lost {
                *lost.entry(what.clone()).or_default() += 1;
            }
        }
    }
    for ((from, becomes), count) in &kinds {
        println!("{count:6} {from} becomes {becomes}");
    }
    for (what, count) in &lost {
        println!("{count:6} lost: {what}");
    }
    let share = |(kept, count): (usize, usize)| 100.0 * kept as f64 / (count.max(1)) as f64;
    println!("panels {panels:?} {:.1} %", share(panels));
    println!("variables {variables:?} {:.1} %", share(variables));
    println!("boards without loss ({whole}, {boards}) {:.1} %", share((whole, boards)));
    assert!(boards > 0, "the folder has no board");
    assert!(share(panels) >= 97.6, "panels");
    assert!(share(variables) >= 96.6, "variables");
    assert!(share((whole, boards)) >= 88.0, "boards without loss");
}
