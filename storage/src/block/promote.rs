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
/// Keys that get a column because queries ask for them, whatever their number of rows.
pub(crate) const ASKED_MAX: usize = 16;
/// Keys on fewer rows than one in this many stay in the map.
const ROWS_PER_KEY_MAX: u64 = 200;
/// A key that has a column loses it in a merge when its share is this much smaller: names of columns
/// shall not come and go.
const KEPT_FACTOR: u64 = 4;
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
    pub(crate) key: String,
    pub(crate) kind: Promoted,
    /// Name of the column.
    pub(crate) column: String,
}

/// What speaks for a column beside the number of rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes<'a> {
    /// Keys that queries ask for, most asked first.
    pub(crate) asked: &'a [String],
    /// Every key has a column already, in some block that is merged.
    pub(crate) kept: bool,
}

/// Chooses the keys that get columns, sorted by key: the most frequent ones, and then those asked
/// for. `taken` are the field ids of other columns.
pub(crate) fn choose(
    keys: &[(&str, KeyUse)],
    rows: u64,
    taken: HashSet<i32>,
    wishes: Wishes<'_>,
) -> Vec<PromotedKey> {
    let mut used: Vec<&(&str, KeyUse)> = keys.iter().collect();
    used.retain(|(name, uses)| uses.total() > 0 && is_promotable(name));
    used.sort_unstable_by_key(|(name, uses)| (std::cmp::Reverse(uses.total()), *name));
    let rows_per_key = ROWS_PER_KEY_MAX * if wishes.kept { KEPT_FACTOR } else { 1 };
    let is_frequent = |uses: &KeyUse| uses.total() * rows_per_key >= rows;
    let mut choice = Choice { taken, ..Choice::default() };
    for (name, uses) in used.iter().take_while(|(_, uses)| is_frequent(uses)) {
        if choice.chosen.len() == PROMOTED_MAX {
            break;
        }
        choice.add(name, uses);
    }
    let most = choice.chosen.len() + ASKED_MAX;
    for asked in wishes.asked {
        let Some((name, uses)) = used.iter().find(|(name, _)| name == asked) else { continue };
        if choice.chosen.len() == most {
            break;
        }
        choice.add(name, uses);
    }
    choice.chosen.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    choice.chosen
}

/// Keys that got columns, and what no other column may be like.
#[derive(Debug, Default)]
struct Choice {
    chosen: Vec<PromotedKey>,
    /// Engines that ignore case cannot tell the columns of `Key` and `key` apart.
    names: HashSet<String>,
    taken: HashSet<i32>,
}

impl Choice {
    fn add(&mut self, key: &str, uses: &KeyUse) {
        if !self.names.insert(key.to_ascii_lowercase()) {
            return;
        }
        let Some(kind) = uses.promoted() else { return };
        let column = format!("{}{key}", kind.prefix());
        if self.taken.insert(field_id(&column)) {
            self.chosen.push(PromotedKey { key: key.to_owned(), kind, column });
        }
    }
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
