//! The rules that come with Tarn: files like any other, part of the program.
//!
//! They look at what Tarn itself writes (metrics of spans, of its machine, of itself) and at a few
//! names that others agree on. `runbooks.md` says what to do about each, and each has a unit test.

/// Names and texts of the files, in the order in which they are listed.
pub const FILES: [(&str, &str); 4] = [
    ("shipped/services.yaml", include_str!("../../rules/services.yaml")),
    ("shipped/hosts.yaml", include_str!("../../rules/hosts.yaml")),
    ("shipped/dependencies.yaml", include_str!("../../rules/dependencies.yaml")),
    ("shipped/tarn.yaml", include_str!("../../rules/tarn.yaml")),
];
