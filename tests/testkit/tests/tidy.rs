//! The house rules: `cargo test --workspace --test tidy`.

use std::path::Path;

use tarn_testkit::tidy::{Tree, failures, remarks};

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = Tree::load(&root).expect("the tree is readable");
    for remark in remarks(&tree) {
        println!("look at {remark}");
    }
    let failures = failures(&tree);
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
