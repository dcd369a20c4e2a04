//! Writes blocks of logs and spans.
//!
//! Batches are united into one table ([`source`]), the attributes that most rows have promoted to
//! columns ([`promote`](crate::block::promote), [`split`]), and chunk after chunk of sorted rows
//! handed to the stock writer ([`writer`], [`gather`], [`layout`]). A flush sorts all its rows at
//! once ([`order`]); a merge hands over rows that come in order, some at a time. Nothing but numbers
//! is made per row.

use arrow_array::{Array, BinaryArray};
use tarn_model::error::Result;
use tarn_model::map::HashSet;

use crate::block::promote::{self, KeyUse, PromotedKey, Wishes};
use crate::block::seal::{NewBlock, Origin};
use crate::schema::tables::{Table, column};

mod content;
mod gather;
mod layout;
mod order;
mod source;
mod split;
mod writer;

pub(crate) use order::Order;
pub(crate) use source::{RowRef, Source, row_bytes};
pub(crate) use writer::{Form, RowWriter};

/// Writes the block of some rows, which are given in the order of their arrival. `asked` are keys of
/// attributes that queries ask for.
///
/// # Errors
/// `Internal` where the batches have another schema, or the writer refuses them: a bug.
pub(crate) fn write(
    source: &Source<'_>,
    rows: Vec<RowRef>,
    asked: &[String],
    origin: &Origin<'_>,
) -> Result<NewBlock> {
    let order = Order::of(source, rows)?;
    let fields = source.table.schema();
    let present = fields.fields().iter().enumerate();
    let form = Form {
        table: source.table,
        promoted: promoted(source, &order, asked)?,
        present: present.map(|(i, f)| is_present(source, &order, i, f.name())).collect(),
        level: origin.level,
        bytes: 0,
    };
    let mut writer = RowWriter::new(&form)?;
    writer.write(source, &order)?;
    writer.finish(origin)
}

/// Returns the field ids that columns of a table have: no promoted attribute may get one of these.
pub(crate) fn field_ids(table: Table) -> HashSet<i32> {
    layout::ids(table)
}

/// Counts the keys of all rows and chooses those that get columns.
fn promoted(source: &Source<'_>, order: &Order, asked: &[String]) -> Result<Vec<PromotedKey>> {
    let texts = source.keys.texts();
    let mut uses: Vec<KeyUse> = vec![KeyUse::default(); texts.len()];
    let (maps, kinds) = (source.maps()?, source.kinds()?);
    for at in &order.rows {
        let (batch, row) = (at.batch as usize, at.row as usize);
        let offsets = maps[batch].value_offsets();
        let own = row_kinds(kinds[batch], row);
        for (i, entry) in (offsets[row]..offsets[row + 1]).enumerate() {
            let key = source.keys.entry(batch, entry as usize);
            let kind = own.get(i).copied().unwrap_or(1);
            let count = uses.get_mut(key as usize).and_then(|u| u.kinds.get_mut(kind as usize));
            if let Some(count) = count {
                *count += 1;
            }
        }
    }
    let keys: Vec<(&str, KeyUse)> = texts.iter().flatten().zip(uses).collect();
    let wishes = Wishes { asked, kept: false };
    Ok(promote::choose(&keys, order.rows.len() as u64, layout::ids(source.table), wishes))
}

fn row_kinds(kinds: &BinaryArray, row: usize) -> &[u8] {
    if kinds.is_null(row) { &[] } else { kinds.value(row) }
}

/// Returns whether some row has a value in a column of the table.
fn is_present(source: &Source<'_>, order: &Order, index: usize, name: &str) -> bool {
    if name == column::PROBLEMS
        && let Some(tree) = &order.tree
        && tree.problems.iter().any(|bits| *bits != 0)
    {
        return true;
    }
    let some = |batch: u32| {
        let array = source.batches[batch as usize].column(index);
        array.null_count() < array.len()
    };
    // Batches mostly agree, so the first row that has a value comes soon, or there is none in any.
    (0..source.batches.len() as u32).any(some)
        && order
            .rows
            .iter()
            .any(|at| source.batches[at.batch as usize].column(index).is_valid(at.row as usize))
}
