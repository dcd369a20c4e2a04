//! Takes things out of trees whose shape nobody promises.

use serde_json::{Map, Value};

pub(super) type Tree = Map<String, Value>;

/// Returns the text at a key.
pub(super) fn text<'a>(tree: &'a Tree, key: &str) -> Option<&'a str> {
    tree.get(key)?.as_str()
}

/// Returns whether a key says true.
pub(super) fn flag(tree: &Tree, key: &str) -> bool {
    tree.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// Returns the list at a key; empty where there is none.
pub(super) fn list<'a>(tree: &'a Tree, key: &str) -> &'a [Value] {
    tree.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns what stands at a path with dots.
pub(super) fn at<'a>(tree: &'a Tree, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let first = tree.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))
}

/// Returns the text at a path with dots.
pub(super) fn text_at<'a>(tree: &'a Tree, path: &str) -> Option<&'a str> {
    at(tree, path)?.as_str()
}

/// Returns the number at a path with dots; old boards write numbers as texts.
pub(super) fn number_at(tree: &Tree, path: &str) -> Option<f64> {
    match at(tree, path)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

/// Writes a number without a fraction where it has none.
pub(super) fn plain(number: f64) -> Value {
    let whole = number as i64;
    if (whole as f64 - number).abs() < f64::EPSILON { whole.into() } else { number.into() }
}
