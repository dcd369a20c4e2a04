//! What a fuzzer calls with arbitrary bytes: plain functions that panic where a promise is broken.

use crate::exec::{Limits, MissingKey, Options};
use crate::parse::Set;
use crate::value::{Map, Value};

/// Parses a text and executes it, as text and as HTML, over a map of strings and a list. Whatever the
/// text: no panic, an end soon, and a result within its limit.
pub fn template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut set = Set::new();
    if set.parse("fuzz", text, &|_| false).is_err() {
        return;
    }
    let limits = Limits { steps: 10_000, output: 1 << 16 };
    for (html, missing_key) in [(false, MissingKey::Zero), (true, MissingKey::Default)] {
        let labels = Value::Map(Map::of_texts([("a", "1"), ("b", "<'\">")]));
        let items = vec![labels, Value::Int(3), Value::Float(1.5), Value::texts(["x", "y"])];
        let data = Value::list("[]interface {}", items);
        let options = Options { missing_key, limits, html };
        if let Ok(text) = set.execute("fuzz", &data, &mut (), options) {
            assert!(text.len() <= limits.output, "{} bytes of output", text.len());
        }
    }
}
