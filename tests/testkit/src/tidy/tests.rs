//! Each check on a small tree that breaks its rule, and on one that keeps it.

use super::{Source, Tree, arrows, modules, sizes, words};

fn tree(files: &[(&str, &str)]) -> Tree {
    let source =
        |(path, text): &(&str, &str)| Source { path: (*path).into(), text: (*text).into() };
    Tree { files: files.iter().map(source).collect() }
}

#[test]
fn arrows_outside_the_table_are_found() {
    let lints = "[lints]\nworkspace = true\n";
    let good = format!("[dependencies]\ntarn-model.workspace = true\n{lints}");
    assert_eq!(arrows::check(&tree(&[("storage/Cargo.toml", &good)])), Vec::<String>::new());
    let bad = format!("[dependencies]\ntarn-query.workspace = true\n{lints}");
    let findings = arrows::check(&tree(&[("ingest/Cargo.toml", &bad)]));
    assert_eq!(findings, ["ingest/Cargo.toml: tarn-ingest must not use tarn-query"]);
    let test_only = format!("[dev-dependencies]\ntarn-testkit.workspace = true\n{lints}");
    assert_eq!(arrows::check(&tree(&[("ingest/Cargo.toml", &test_only)])).len(), 0);
    assert_eq!(arrows::check(&tree(&[("new/Cargo.toml", lints)])).len(), 1);
    let heavy = arrows::heavy(&tree(&[("query/Cargo.toml", "[dependencies]\nparquet = \"59\"\n")]));
    assert!(heavy.iter().any(|f| f.contains("tarn-query must not name parquet")), "{heavy:?}");
}

#[test]
fn the_map_must_be_true() {
    let lib = ("storage/src/lib.rs", "//! x\npub mod wal;\nmod hidden;\n");
    let wal = ("storage/src/wal.rs", "//! x\n");
    let page = "## Map\n[wal](storage/src/wal.rs)\n## Later\n[folder](storage/src)\n";
    let none: Vec<String> = Vec::new();
    assert_eq!(modules::map(&tree(&[("ARCHITECTURE.md", page), lib, wal])), none);
    let page = "## Map\n[gone](storage/src/gone.rs)\n";
    let findings = modules::map(&tree(&[("ARCHITECTURE.md", page), lib, wal]));
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert_eq!(modules::headers(&tree(&[("a.rs", "use x;\n")])).len(), 1);
}

#[test]
fn debts_are_found() {
    for (line, found) in [
        ("// TODO later", true),
        ("// TODO(#12) later", false),
        ("let todos = 1;", false),
        ("#[ignore]", true),
        ("#[allow(dead_code)]", true),
        ("#[expect(dead_code, reason = \"x\")]", false),
    ] {
        assert_eq!(words::debts(&tree(&[("a.rs", line)])).len(), usize::from(found), "{line}");
    }
    let lists = tree(&[
        ("clippy.toml", "a = 1\nb = 2\n"),
        ("storage/clippy.toml", "a = 1\n"),
        ("alerting/clippy.toml", "b = 2\na = 1\n"),
    ]);
    assert_eq!(words::banned_lists(&lists).len(), 1);
}

#[test]
fn repeated_blocks_are_told_once() {
    let block: String = (0..14).map(|i| format!("call_number({i});\n")).collect();
    let findings = sizes::repeated(&tree(&[("a.rs", &block), ("b.rs", &block)]));
    assert_eq!(findings, ["b.rs:1: repeats a.rs:1"]);
    assert_eq!(sizes::names(&tree(&[("a/utils.rs", "")])).len(), 1);
}
