//! Pages apart from files, for `tarn bench`: what a value takes in the pages of a merge, and what
//! encoding and decoding them costs one core.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ListArray, PrimitiveArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use tarn_model::error::{Error, Result};
use tarn_model::slice::Samples;

use crate::block::columns::list;
use crate::block::pages::pack::Packer;
use crate::block::pages::page::{Page, Unpacker};
use crate::block::pages::{Kind, PageColumn};
use crate::block::seal::refused;
use crate::block::writer::Encoding;
use crate::schema::column;
use crate::slice::decode;
use crate::slice::encode::{mantissas, scale_of};

/// Samples of a slice: what a merge makes of long series.
const SLICE_SAMPLES: usize = 8192;

/// Slices of floats that are laid out, not encoded yet.
#[derive(Debug)]
pub struct Slices {
    ints: ListArray,
    doubles: ListArray,
    scales: Vec<usize>,
    samples: u64,
}

/// Slices in pages.
#[derive(Debug)]
pub struct Pages {
    ints: Chunk,
    doubles: Chunk,
    scales: Vec<usize>,
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    /// Offset and length of every page.
    pages: Vec<(usize, usize)>,
}

impl Slices {
    /// Lays out series; each is cut into slices.
    ///
    /// # Errors
    /// `Internal` where the columns contradict themselves: a bug.
    pub fn of(series: impl Iterator<Item = Vec<f64>>) -> Result<Self> {
        let (mut ints, mut doubles) = (Vec::new(), Vec::new());
        let (mut int_lengths, mut double_lengths) = (Vec::new(), Vec::new());
        let (mut scales, mut samples) = (Vec::new(), 0);
        for values in series {
            samples += values.len() as u64;
            let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
            let scale = scale_of(&bits);
            for bits in bits.chunks(SLICE_SAMPLES) {
                if let Some(scale) = scale {
                    mantissas(bits, scale, &mut ints);
                    scales.push(scale);
                } else {
                    doubles.extend(bits.iter().map(|bits| f64::from_bits(*bits)));
                }
                int_lengths.push(scale.map_or(0, |_| bits.len()));
                double_lengths.push(scale.map_or(bits.len(), |_| 0));
            }
        }
        let ints = PrimitiveArray::<Int64Type>::from(ints);
        let doubles = PrimitiveArray::<Float64Type>::from(doubles);
        Ok(Self {
            ints: lists(DataType::Int64, Arc::new(ints), &int_lengths)?,
            doubles: lists(DataType::Float64, Arc::new(doubles), &double_lengths)?,
            scales,
            samples,
        })
    }

    /// Returns how many samples there are.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Encodes all of them.
    ///
    /// # Errors
    /// `Internal` where the page writer refuses what it is given: a bug.
    pub fn encode(&self) -> Result<Pages> {
        let mut packer = Packer::new()?;
        Ok(Pages {
            ints: chunk(&self.ints, column::VI, Kind::Int, &mut packer)?,
            doubles: chunk(&self.doubles, column::VF, Kind::Double, &mut packer)?,
            scales: self.scales.clone(),
        })
    }
}

fn lists(item: DataType, items: arrow_array::ArrayRef, lengths: &[usize]) -> Result<ListArray> {
    let DataType::List(item) = list(column::VI, item).data_type().clone() else {
        return Err(Error::internal("a list is no list"));
    };
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    let nulls = NullBuffer::from_iter(lengths.iter().map(|n| *n > 0));
    ListArray::try_new(item, offsets, items, Some(nulls))
        .map_err(|e| Error::internal("lay out slices").with_source(e))
}

fn chunk(lists: &ListArray, name: &str, kind: Kind, packer: &mut Packer) -> Result<Chunk> {
    let schema = Schema::new(vec![list(name, lists.value_type())]);
    let schema = ArrowSchemaConverter::new().convert(&schema).map_err(refused)?;
    let mut column = PageColumn::new(schema.column(0), kind, Encoding::Best);
    column.write(lists, packer)?;
    let (bytes, closed) = column.close(packer)?;
    let index = closed.offset_index.ok_or_else(|| Error::internal("a chunk has no pages"))?;
    let place = |page: &parquet::file::page_index::offset_index::PageLocation| {
        (page.offset as usize, page.compressed_page_size as usize)
    };
    Ok(Chunk { bytes, pages: index.page_locations().iter().map(place).collect() })
}

impl Pages {
    /// Returns what the pages take.
    pub fn bytes(&self) -> u64 {
        (self.ints.bytes.len() + self.doubles.bytes.len()) as u64
    }

    /// Decodes all samples as a query does; returns how many there are.
    ///
    /// # Errors
    /// `Corrupt` where they cannot be decoded: a bug.
    pub fn decode(&self) -> Result<u64> {
        let mut unpacker = Unpacker::new()?;
        let mut scales = self.scales.iter();
        let mut samples = 0;
        for (chunk, kind) in [(&self.ints, Kind::Int), (&self.doubles, Kind::Double)] {
            for (offset, length) in &chunk.pages {
                let page = Page::parse(&chunk.bytes[*offset..offset + length]);
                let page = page.map_err(Error::corrupt)?;
                let rows = page.rows().map_err(Error::corrupt)?;
                let values = unpacker.words(&page, kind, page.items()).map_err(Error::corrupt)?;
                for row in rows.iter().filter(|row| row.n > 0) {
                    let values = &values[row.first as usize..(row.first + row.n) as usize];
                    let decoded = match kind {
                        Kind::Int => decode::floats(values, scales.next().copied().unwrap_or(0)),
                        Kind::Double => decode::doubles(values),
                    };
                    let Samples::Floats(decoded) = std::hint::black_box(decoded) else { continue };
                    samples += decoded.len() as u64;
                }
            }
        }
        Ok(samples)
    }
}
