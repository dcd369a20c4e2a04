//! Test scripts: our own in `tests/promql`, and Prometheus' from the corpus.
//!
//! Each file must reach exactly what is stated for it: an evaluation that passes today must not fail
//! tomorrow. `later` counts evaluations that meet something that is not answered yet. What scripts
//! say about annotations is not checked yet.

#![expect(clippy::print_stdout, reason = "results of each file are the report of this test")]

use std::fs;
use std::path::{Path, PathBuf};

use tarn_promql::query::QueryOptions;
use tarn_promql::script::{Report, RunOptions, run_script};

/// Asked at run time: the program may be run in another clone than the one it was compiled in.
fn own_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests").into()
}

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("TARN_CORPUS")
        .map_or_else(|| own_folder().join("../../../shared/corpus"), PathBuf::from);
    let folder = root.join("promql/promqltest");
    folder.is_dir().then_some(folder)
}

/// How scripts are run: as upstream does, and with slices so short that every window crosses their
/// borders, which must not show.
fn ways() -> [RunOptions; 2] {
    let usual = RunOptions::default();
    [usual, RunOptions { slice_samples: 3, ..usual }]
}

fn run(path: &Path, options: &RunOptions) -> Report {
    let text = fs::read_to_string(path).expect("script is readable");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let report = run_script(&text, options).map_err(|e| format!("{name}: {e}"));
    let report = report.expect("is a script");
    println!("{name}: {report}");
    for failure in &report.failed {
        println!("    {}", failure.chars().take(700).collect::<String>());
    }
    for message in &report.unsupported {
        println!("    later: {message}");
    }
    report
}

#[test]
fn corpus_scripts_reach_their_floors() {
    let Some(folder) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    // File, evaluations that pass, that meet histograms, that meet something else not answered. None
    // may fail.
    let floors: [(&str, usize, usize, usize); 16] = [
        ("literals", 21, 0, 0),
        ("operators", 165, 0, 0),
        ("aggregators", 130, 0, 0),
        ("selectors", 21, 0, 0),
        ("trig_functions", 14, 0, 0),
        ("functions", 351, 0, 0),
        ("at_modifier", 65, 0, 0),
        ("histograms", 143, 0, 0),
        ("duration_expression", 47, 0, 0),
        ("type_and_unit", 39, 0, 0),
        ("extended_vectors", 32, 0, 111),
        ("fill-modifier", 33, 0, 0),
        ("info", 0, 0, 45),
        ("limit", 27, 0, 0),
        ("native_histograms", 413, 0, 0),
        ("start_timestamps", 19, 0, 0),
    ];
    for options in ways() {
        let mut totals = (0, 0);
        let mut wrong = Vec::new();
        for (name, passed, histograms, unsupported) in floors {
            let report = run(&folder.join(format!("{name}.test")), &options);
            totals.0 += report.passed;
            totals.1 += report.total();
            let got = (report.passed, report.histograms, report.unsupported.len());
            if got != (passed, histograms, unsupported) || !report.failed.is_empty() {
                let failed = report.failed.len();
                let (passed, histograms, unsupported) = got;
                let row = format!("(\"{name}\", {passed}, {histograms}, {unsupported})");
                wrong.push(format!("{row}, {failed} failed"));
            }
        }
        println!("all files: {} of {} passed", totals.0, totals.1);
        assert!(wrong.is_empty(), "not as stated:\n{}", wrong.join("\n"));
    }
}

#[test]
fn own_scripts_pass() {
    let folder = own_folder().join("../../tests/promql");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of scripts exists")
        .map(|entry| entry.expect("folder is readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "test"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut failed = 0;
    for options in ways() {
        for delayed_name_removal in [true, false] {
            let query = QueryOptions { delayed_name_removal, ..options.query };
            let options = RunOptions { query, ..options };
            for file in &files {
                // What differs between the two ways to drop names has a file of its own for each.
                let stem = file.file_stem().unwrap_or_default().to_string_lossy();
                let only_late = stem.ends_with("_late_names");
                let only_early = stem.ends_with("_early_names");
                if (only_late && !delayed_name_removal) || (only_early && delayed_name_removal) {
                    continue;
                }
                let report = run(file, &options);
                failed += report.total() - report.passed;
            }
        }
    }
    assert_eq!(failed, 0);
}
