//! Which attributes get a column of their own, and which values fit into it.
//!
//! The keys that most rows have become columns, typed by what nearly all of their values are: a
//! condition on a column costs 4 ns per row, one on the map 200, but columns for everything make
//! blocks a quarter larger. Values of another type stay in the map, and so does every value that
//! the column could not give back as the same text and kind.

use tarn_model::attributes::ValueKind;
use tarn_model::map::HashSet;

use crate::any_value::write_double_text;
use crate::schema::field_id;
use crate::schema::tables::Promoted;

/// Keys with a column of their own.
const PROMOTED_MAX: usize = 48;
/// Keys on fewer rows than one in this many stay in the map.
const ROWS_PER_KEY_MAX: u64 = 200;
/// One value in this many may be of another type.
const OTHERS_ONE_IN: u64 = 100;
/// Longer keys stay in the map: 48 columns must fit into the catalog's entry of a block.
const KEY_BYTES_MAX: usize = 128;

/// How many values of each [`ValueKind`] a key has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyUse {
    pub(crate) kinds: [u64; 8],
}

impl KeyUse {
    fn total(&self) -> u64 {
        self.kinds.iter().sum()
    }

    fn promoted(&self) -> Option<Promoted> {
        let most = |kind: &Promoted| self.kinds[value_kind(*kind) as usize];
        let kind = Promoted::ALL.into_iter().max_by_key(most)?;
        ((self.total() - most(&kind)) * OTHERS_ONE_IN <= self.total()).then_some(kind)
    }
}

/// Returns the kind of the values that a column holds.
pub(crate) fn value_kind(kind: Promoted) -> ValueKind {
    match kind {
        Promoted::Text => ValueKind::Text,
        Promoted::Int => ValueKind::Int,
        Promoted::Double => ValueKind::Double,
        Promoted::Bool => ValueKind::Bool,
    }
}

/// A key with a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PromotedKey {
    /// Number of the key among those given.
    pub(crate) key: usize,
    pub(crate) kind: Promoted,
    /// Name of the column.
    pub(crate) column: String,
}

/// Chooses the keys that get columns, sorted by key. `taken` are the field ids of other columns.
pub(crate) fn choose(
    keys: &[(&str, KeyUse)],
    rows: u64,
    mut taken: HashSet<i32>,
) -> Vec<PromotedKey> {
    let mut used: Vec<usize> = (0..keys.len()).collect();
    used.retain(|key| keys[*key].1.total() > 0 && is_promotable(keys[*key].0));
    used.sort_unstable_by_key(|key| (std::cmp::Reverse(keys[*key].1.total()), keys[*key].0));
    let mut names = HashSet::default();
    let mut chosen = Vec::new();
    for key in used {
        let (name, uses) = &keys[key];
        if chosen.len() == PROMOTED_MAX || uses.total() * ROWS_PER_KEY_MAX < rows {
            break;
        }
        // Engines that ignore case cannot tell the columns of `Key` and `key` apart.
        if !names.insert(name.to_ascii_lowercase()) {
            continue;
        }
        let Some(kind) = uses.promoted() else { continue };
        let column = format!("{}{name}", kind.prefix());
        if taken.insert(field_id(&column)) {
            chosen.push(PromotedKey { key, kind, column });
        }
    }
    chosen.sort_unstable_by_key(|promoted| keys[promoted.key].0);
    chosen
}

fn is_promotable(key: &str) -> bool {
    key.len() <= KEY_BYTES_MAX && !key.chars().any(char::is_control)
}

/// Returns the number that is written as this text, and only as this.
pub(crate) fn int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical =
        digits.bytes().all(|b| b.is_ascii_digit()) && (!digits.starts_with('0') || text == "0");
    if canonical { text.parse().ok() } else { None }
}

/// Returns the number that is written as this text, and only as this.
pub(crate) fn double(text: &str, scratch: &mut String) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    scratch.clear();
    write_double_text(scratch, value);
    (*scratch == *text).then_some(value)
}

/// Returns the truth value of a text.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
