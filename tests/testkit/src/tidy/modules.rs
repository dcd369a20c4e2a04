//! Every module says what it is for, and the map in ARCHITECTURE.md is true.

use super::Tree;

/// Where the map is, and the heading that it stands under.
const MAP_FILE: &str = "ARCHITECTURE.md";
const MAP_HEADING: &str = "## Map";

/// Crate roots whose modules the map lists: file, folder, and how a listed module is declared.
const ROOTS: [(&str, &str, &str); 9] = [
    ("src/main.rs", "src/", "mod "),
    ("ingest/src/lib.rs", "ingest/src/", "pub mod "),
    ("storage/src/lib.rs", "storage/src/", "pub mod "),
    ("storage/model/src/lib.rs", "storage/model/src/", "pub mod "),
    ("query/src/lib.rs", "query/src/", "pub mod "),
    ("alerting/src/lib.rs", "alerting/src/", "pub mod "),
    ("query/promql/src/lib.rs", "query/promql/src/", "pub mod "),
    ("query/template/src/lib.rs", "query/template/src/", "pub mod "),
    ("ui/src/lib.rs", "ui/src/", "pub mod "),
];

/// Finds modules without a header. `foo/tests.rs` is about what `foo.rs` is about.
pub(super) fn headers(tree: &Tree) -> Vec<String> {
    let own = tree.rust().filter(|f| !f.path.ends_with("/tests.rs"));
    let without = own.filter(|f| !f.text.starts_with("//! "));
    without.map(|f| format!("{}: begins without a `//!` header", f.path)).collect()
}

/// Finds public modules that the map lacks, entries of the map that are no module, and links of the
/// page that lead nowhere.
pub(super) fn map(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.get(MAP_FILE) else {
        return vec![format!("{MAP_FILE}: missing")];
    };
    let mut findings = Vec::new();
    for link in links(&page.text) {
        let folder = format!("{}/", link.trim_end_matches('/'));
        let leads = tree.files.iter().any(|f| f.path == link || f.path.starts_with(&folder));
        if !leads {
            findings.push(format!("{MAP_FILE}: {link} leads nowhere"));
        }
    }
    let mapped: Vec<&str> = links(section(&page.text)).filter(|l| l.ends_with(".rs")).collect();
    let declared: Vec<String> = ROOTS.iter().flat_map(|root| modules(tree, *root)).collect();
    for path in declared.iter().filter(|p| !mapped.contains(&p.as_str())) {
        findings.push(format!("{MAP_FILE}: the map lacks {path}"));
    }
    let is_root = |path: &str| ROOTS.iter().any(|(file, _, _)| *file == path);
    for path in mapped.iter().filter(|p| !is_root(p) && !declared.iter().any(|d| d == *p)) {
        findings.push(format!("{MAP_FILE}: {path} is in the map but no public module"));
    }
    findings
}

/// Returns the files of the modules that a crate root declares.
fn modules(tree: &Tree, (root, folder, keyword): (&str, &str, &str)) -> Vec<String> {
    let text = tree.get(root).map_or("", |f| f.text.as_str());
    let names = text.lines().filter_map(|l| l.strip_prefix(keyword)?.strip_suffix(';'));
    names.filter(|n| *n != "tests").map(|name| format!("{folder}{name}.rs")).collect()
}

/// Returns the part of the page under the heading of the map.
fn section(page: &str) -> &str {
    let after = page.split_once(MAP_HEADING).map_or("", |(_, after)| after);
    after.split("\n## ").next().unwrap_or_default()
}

/// Yields the targets of links into the tree.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|t| !t.starts_with("http") && !t.starts_with('#'))
}
