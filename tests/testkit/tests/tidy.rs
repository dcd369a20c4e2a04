//! The house rules: `cargo test --workspace --test tidy`.

use std::path::Path;

use tarn_testkit::tidy::{Tree, failures, remarks};

#[test]
fn the_tree_is_tidy() {
    // Read when it runs: a target folder may be shared by several checkouts.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let root = Path::new(&here).join("../..");
    let tree = Tree::load(&root).expect("the tree is readable");
    for remark in remarks(&tree) {
        println!("look at {remark}");
    }
    let failures = failures(&tree);
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
