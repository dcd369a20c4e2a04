//! Which crate of ours may use which, read from the Cargo.toml files.

use super::Tree;

/// A crate, its folder, and what it may use. Nobody uses `tarn`; tests may use `tarn-testkit` too.
const CRATES: [(&str, &str, &[&str]); 10] = [
    (
        "tarn",
        "",
        &["tarn-alerting", "tarn-ingest", "tarn-model", "tarn-query", "tarn-storage", "tarn-ui"],
    ),
    ("tarn-alerting", "alerting/", &["tarn-model", "tarn-query", "tarn-storage", "tarn-template"]),
    ("tarn-ingest", "ingest/", &["tarn-model", "tarn-storage"]),
    ("tarn-query", "query/", &["tarn-model", "tarn-promql", "tarn-storage", "tarn-template"]),
    ("tarn-template", "query/template/", &[]),
    ("tarn-promql", "query/promql/", &["tarn-model"]),
    ("tarn-storage", "storage/", &["tarn-model"]),
    ("tarn-model", "storage/model/", &[]),
    ("tarn-ui", "ui/", &[]),
    ("tarn-testkit", "tests/testkit/", &["tarn-model", "tarn-storage"]),
];

/// Dependencies that few may name, and those few.
const HEAVY: [(&str, &[&str]); 9] = [
    ("parquet", &["tarn-storage"]),
    ("object_store", &["tarn-storage", "tarn-testkit"]),
    ("arrow-array", &["tarn-storage", "tarn-ingest", "tarn-query", "tarn-alerting"]),
    ("datafusion", &["tarn-query", "tarn"]),
    ("promql-parser", &["tarn-promql"]),
    ("reqwest", &["tarn-alerting"]),
    ("lettre", &["tarn-alerting"]),
    ("clap", &["tarn"]),
    ("tracing-subscriber", &["tarn"]),
];

/// Finds arrows that the table does not have, crates that it does not know, and lints not inherited.
pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|f| f.path.ends_with("Cargo.toml")) {
        let folder = file.path.trim_end_matches("Cargo.toml");
        let Some((name, _, allowed)) = CRATES.iter().find(|(_, f, _)| *f == folder) else {
            findings.push(format!("{}: a crate that the table of arrows does not know", file.path));
            continue;
        };
        for (section, dependency) in dependencies(&file.text) {
            let for_tests = section == "dev-dependencies";
            let fine = allowed.contains(&dependency) || (for_tests && dependency == "tarn-testkit");
            if dependency.starts_with("tarn-") && !fine {
                findings.push(format!("{}: {name} must not use {dependency}", file.path));
            }
        }
        if !file.text.contains("[lints]\nworkspace = true") {
            findings.push(format!("{}: does not inherit the lints", file.path));
        }
    }
    findings
}

/// Finds heavy dependencies where they do not belong.
pub(super) fn heavy(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, folder, _) in CRATES {
        let Some(file) = tree.get(&format!("{folder}Cargo.toml")) else {
            findings.push(format!("{folder}Cargo.toml: missing, but in the table of arrows"));
            continue;
        };
        for (_, dependency) in dependencies(&file.text) {
            let owners = HEAVY.iter().find(|(heavy, _)| *heavy == dependency).map(|(_, o)| *o);
            if owners.is_some_and(|o| !o.contains(&name)) {
                findings.push(format!("{}: {name} must not name {dependency}", file.path));
            }
        }
    }
    findings
}

/// Yields section and name of each dependency of a Cargo.toml.
fn dependencies(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            return None;
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let ours = matches!(section, "dependencies" | "dev-dependencies" | "build-dependencies");
        (ours && !name.is_empty() && !name.starts_with('#')).then_some((section, name))
    })
}
