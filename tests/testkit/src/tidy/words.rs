//! Words that must not stand, or must stand twice: unsafe, debts, banned calls, settings, metrics.

use super::{Source, Tree};

/// Files that may hold `unsafe`, each with its reason beside the code.
const UNSAFE_FILES: [&str; 0] = [];

/// Finds unsafe code outside the list.
pub(super) fn unsafe_files(tree: &Tree) -> Vec<String> {
    let marks = ["unsafe {", "unsafe fn", "unsafe impl", "expect(unsafe_code", "allow(unsafe_code"];
    let own = |f: &&Source| !f.path.contains("/tidy") && !UNSAFE_FILES.contains(&f.path.as_str());
    let hits = tree.rust().filter(own).filter(|f| marks.iter().any(|m| f.text.contains(m)));
    hits.map(|f| format!("{}: unsafe code, but not in the list of tidy", f.path)).collect()
}

/// Finds notes to oneself without an issue number, tests that are switched off, and lints that are
/// allowed without a reason.
pub(super) fn debts(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|f| !f.path.contains("/tidy")) {
        for (at, line) in file.text.lines().enumerate() {
            let debt = ["TODO", "FIXME", "XXX", "HACK"].iter().find(|w| has_word(line, w));
            let place = format!("{}:{}", file.path, at + 1);
            if debt.is_some_and(|w| !line.contains(&format!("{w}(#"))) {
                findings.push(format!("{place}: a TODO names an issue: TODO(#12)"));
            }
            let code = line.trim_start();
            if code.starts_with("#[ignore") || code.starts_with("#[should_panic") {
                findings.push(format!("{place}: tests run; long ones ask for TARN_TEST_SLOW"));
            }
            if code.starts_with("#[allow(") || code.starts_with("#![allow(") {
                findings.push(format!("{place}: exceptions are #[expect(.., reason = \"..\")]"));
            }
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = line.split_at(at);
        let after = after.strip_prefix(word).unwrap_or_default();
        !letter(before.chars().next_back()) && !letter(after.chars().next())
    })
}

/// Finds bans of the root's clippy.toml that the files which replace it have lost.
pub(super) fn banned_lists(tree: &Tree) -> Vec<String> {
    ["storage/clippy.toml", "alerting/clippy.toml"]
        .into_iter()
        .flat_map(|own| lost_bans(tree, own))
        .collect()
}

fn lost_bans(tree: &Tree, own: &str) -> Vec<String> {
    let root = "clippy.toml";
    let (Some(root), Some(own)) = (tree.get(root), tree.get(own)) else {
        return vec![format!("{root} or {own}: missing")];
    };
    let lines = root.text.lines().map(str::trim);
    let lines = lines.filter(|l| !l.is_empty() && !l.starts_with('#'));
    let lost = lines.filter(|l| !own.text.lines().any(|o| o.trim() == *l));
    lost.map(|l| format!("{}: lacks the root's line {l}", own.path)).collect()
}

/// Finds settings that the reference page lacks.
pub(super) fn settings(tree: &Tree) -> Vec<String> {
    let (keys, page) = ("src/config/keys.rs", "src/config/reference.md");
    let (Some(keys), Some(page)) = (tree.get(keys), tree.get(page)) else {
        return vec![format!("{keys} or {page}: missing")];
    };
    let rows = keys.text.split("key!(").skip(1).map(str::trim_start);
    let names = rows.filter_map(|row| row.strip_prefix('"')?.split('"').next());
    let lost = names.filter(|name| !page.text.contains(&format!("### `{name}`\n")));
    lost.map(|name| format!("{}: lacks the setting {name}", page.path)).collect()
}

/// Finds names of own metrics that no code registers.
pub(super) fn metrics(tree: &Tree) -> Vec<String> {
    let table = "storage/model/src/metrics.rs";
    let Some(file) = tree.get(table) else { return vec![format!("{table}: missing")] };
    let names = file.text.lines().filter_map(|l| l.trim().split_once(" = \"").map(|(id, _)| id));
    let ids = names.filter(|id| id.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    let used = |id: &str| {
        tree.rust().filter(|f| f.path != table && !f.is_test()).any(|f| has_word(&f.text, id))
    };
    ids.filter(|id| !used(id)).map(|id| format!("{table}: nobody registers {id}")).collect()
}
