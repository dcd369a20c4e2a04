//! Sorted rows → the batches that the writer is given.
//!
//! Columns without dictionary are interleaved from the batches that a chunk touches; texts are
//! looked up by their number; attributes are split into promoted columns and the map of the rest.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, Int32Array, MapArray, RecordBatch,
};
use arrow_select::interleave::interleave;
use tarn_model::error::{Error, Result};

use super::layout::{Content, Layout};
use super::order::{Order, Tree};
use super::source::{RowRef, Source, Texts};
use super::split::Splitter;
use crate::schema::tables::{column, problem};

/// Makes batches of ranges of sorted rows.
pub(crate) struct Gather<'a> {
    source: &'a Source<'a>,
    order: &'a Order,
    layout: &'a Layout,
    maps: Vec<&'a MapArray>,
    kinds: Vec<&'a BinaryArray>,
    problems: Vec<&'a Int32Array>,
    columns: Vec<Input<'a>>,
    /// For each batch its number among those of the chunk.
    places: Vec<u32>,
}

/// Where a column comes from.
enum Input<'a> {
    Arrays(Vec<&'a ArrayRef>),
    Texts(&'a Texts),
    Made(Content),
}

/// The rows of a chunk.
struct Chunk<'a> {
    rows: &'a [RowRef],
    /// The batches they are of, each once.
    batches: Vec<u32>,
    /// The rows with the numbers of their batches among those.
    indices: Vec<(usize, usize)>,
}

impl<'a> Gather<'a> {
    /// Prepares for the columns of a layout.
    ///
    /// # Errors
    /// `Internal` where a batch has another schema.
    pub(crate) fn new(
        source: &'a Source<'a>,
        order: &'a Order,
        layout: &'a Layout,
    ) -> Result<Self> {
        let schema = source.table.schema();
        let columns = layout.contents.iter().map(|content| match content {
            Content::Stored(index) => {
                Ok(Input::Arrays(source.arrays(schema.field(*index).name())?))
            }
            Content::Text(index) => Ok(Input::Texts(source.texts(schema.field(*index).name())?)),
            made => Ok(Input::Made(*made)),
        });
        let problems = match order.tree {
            Some(_) => source.ints(column::PROBLEMS)?,
            None => Vec::new(),
        };
        Ok(Self {
            source,
            order,
            layout,
            maps: source.maps()?,
            kinds: source.kinds()?,
            problems,
            columns: columns.collect::<Result<_>>()?,
            places: vec![u32::MAX; source.batches.len()],
        })
    }

    /// Makes the batch of a range of rows.
    ///
    /// # Errors
    /// `Internal` where the columns do not fit together: a bug.
    pub(crate) fn batch(
        &mut self,
        range: Range<usize>,
        splitter: &mut Splitter,
    ) -> Result<RecordBatch> {
        let chunk = self.chunk(range.clone());
        let (keys, maps, kinds) = (&self.source.keys, &self.maps, &self.kinds);
        for at in chunk.rows {
            let batch = at.batch as usize;
            splitter.add(maps[batch], kinds[batch], at.row as usize, |i| keys.entry(batch, i));
        }
        let mut split = splitter.finish(&keys.values)?;
        let columns = self.columns.iter().map(|input| match input {
            Input::Arrays(arrays) => chunk.interleave(arrays),
            Input::Texts(texts) => chunk.texts(texts),
            Input::Made(content) => match content {
                Content::Promoted(i) => Ok(Arc::clone(&split.promoted[*i])),
                Content::Attributes => Ok(Arc::clone(&split.attributes)),
                Content::Kinds => Ok(Arc::clone(&split.kinds)),
                made => Ok(self.tree(*made, range.clone())),
            },
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        split.promoted.clear();
        RecordBatch::try_new(Arc::clone(&self.layout.schema), columns)
            .map_err(|e| Error::internal("lay out block columns").with_source(e))
    }

    fn chunk(&mut self, range: Range<usize>) -> Chunk<'a> {
        let rows = &self.order.rows[range];
        let mut batches = Vec::new();
        let mut indices = Vec::with_capacity(rows.len());
        for at in rows {
            let place = &mut self.places[at.batch as usize];
            if *place == u32::MAX {
                *place = batches.len() as u32;
                batches.push(at.batch);
            }
            indices.push((*place as usize, at.row as usize));
        }
        batches.iter().for_each(|batch| self.places[*batch as usize] = u32::MAX);
        Chunk { rows, batches, indices }
    }

    /// Makes a column of the tree.
    fn tree(&self, content: Content, range: Range<usize>) -> ArrayRef {
        let none = Tree::default();
        let tree = self.order.tree.as_ref().unwrap_or(&none);
        let int = |number: &u32| i32::try_from(*number).unwrap_or(i32::MAX);
        match content {
            Content::ParentBack => {
                let back = tree.parent_back[range].iter();
                Arc::new(back.map(|back| back.as_ref().map(int)).collect::<Int32Array>())
            }
            Content::Subtree => {
                Arc::new(Int32Array::from_iter_values(tree.subtree[range].iter().map(int)))
            }
            _ => {
                let rows = self.order.rows[range.clone()].iter();
                let bits = rows.zip(&tree.problems[range]).map(|(at, found)| {
                    let sent = self.problems[at.batch as usize];
                    let row = at.row as usize;
                    let sent = if sent.is_null(row) { 0 } else { sent.value(row) };
                    // What a merge finds replaces what was found over parts of the trace.
                    let bits = found | (sent & !problem::FOUND);
                    (bits != 0).then_some(bits)
                });
                Arc::new(bits.collect::<Int32Array>())
            }
        }
    }
}

impl Chunk<'_> {
    fn interleave(&self, arrays: &[&ArrayRef]) -> Result<ArrayRef> {
        let used: Vec<&dyn Array> =
            self.batches.iter().map(|batch| &**arrays[*batch as usize]).collect();
        interleave(&used, &self.indices)
            .map_err(|e| Error::internal("gather rows of a block").with_source(e))
    }

    fn texts(&self, texts: &Texts) -> Result<ArrayRef> {
        let numbers = self.rows.iter().map(|at| texts.number(*at));
        dictionary(numbers, &texts.values)
    }
}

/// Makes a dictionary column of numbers, −1 = NULL.
pub(super) fn dictionary(
    numbers: impl Iterator<Item = i32>,
    values: &ArrayRef,
) -> Result<ArrayRef> {
    let keys: Int32Array = numbers.map(|number| (number >= 0).then_some(number)).collect();
    let array = DictionaryArray::try_new(keys, Arc::clone(values));
    let array = array.map_err(|e| Error::internal("number texts of a block").with_source(e))?;
    Ok(Arc::new(array))
}
