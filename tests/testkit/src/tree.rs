//! Where the source tree is while tests run.

use std::path::PathBuf;

/// Returns the folder of the crate whose test runs. Asked at run time: a test program may be run in
/// another clone than the one it was compiled in.
///
/// # Panics
/// Where the test is not run by cargo.
pub fn own_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests").into()
}
