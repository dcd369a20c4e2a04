//! One batch ↔ one Arrow IPC message whose schema is known from elsewhere, hence not written:
//! `{u32 length of the message's head, head, body}`.
//!
//! The Arrow reader believes the counts and lengths of a message and panics where they are wrong.
//! So a message is walked through with its schema first ([`Check`]): buffers inside the body, bitmaps
//! as long as their rows, and nothing that promises to unpack into more than lz4 can.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_ipc::{CompressionType, FieldNode, MetadataVersion};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use bytes::Bytes;
use tarn_model::error::{Error, Result};

/// No message has more rows, or entries in lists; sums of a few such numbers do not overflow.
const LEN_MAX: usize = i32::MAX as usize;
/// A byte of lz4 stands for at most this many.
const LZ4_RATIO_MAX: usize = 255;
/// What stands before the bytes of a packed buffer: its length when unpacked, −1 where it is not
/// packed.
const PACKED_PREFIX: usize = 8;
/// Where buffers begin: no value of ours is wider.
const ALIGNMENT: usize = 8;

/// Whether the buffers of a message are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// As they are, for small messages: setting up lz4 costs microseconds per buffer.
    None,
    /// With lz4, except where that makes them longer.
    Lz4,
}

/// Writes columns as one message.
///
/// # Errors
/// Where the columns do not fit the schema, or are of a type that cannot be written.
pub(crate) fn write(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    packing: Packing,
) -> std::result::Result<Bytes, ArrowError> {
    let batch = RecordBatch::try_new(Arc::clone(schema), columns)?;
    let options = match packing {
        Packing::None => IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?,
        Packing::Lz4 => {
            let lz4 = Some(CompressionType::LZ4_FRAME);
            IpcWriteOptions::default().try_with_compression(lz4)?
        }
    };
    let mut dictionaries = DictionaryTracker::new(false);
    let mut context = IpcWriteContext::default();
    let (_, data) =
        IpcDataGenerator::default().encode(&batch, &mut dictionaries, &options, &mut context)?;
    let mut bytes = Vec::with_capacity(4 + data.ipc_message.len() + data.arrow_data.len());
    bytes.extend_from_slice(&(data.ipc_message.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&data.ipc_message);
    bytes.extend_from_slice(&data.arrow_data);
    Ok(bytes.into())
}

/// Returns the error of a payload that is not what it should be.
pub(crate) fn damaged(what: &str) -> Error {
    Error::corrupt(format!("log payload of {what} cannot be decoded"))
}

/// Reads a message. `what` names its rows in errors.
///
/// # Errors
/// `Corrupt` where it is no such message.
pub(crate) fn read(bytes: &[u8], schema: &SchemaRef, what: &str) -> Result<RecordBatch> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged(what))?;
    let length = u32::from_le_bytes(*length) as usize;
    let (head, body) = rest.split_at_checked(length).ok_or_else(|| damaged(what))?;
    let message =
        arrow_ipc::root_as_message(head).map_err(|e| damaged(what).with_source(e.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| damaged(what))?;
    let packed = batch.compression().is_some();
    let (nodes, buffers) = batch.nodes().zip(batch.buffers()).ok_or_else(|| damaged(what))?;
    let mut check = Check { nodes: nodes.iter(), buffers: buffers.iter(), body, packed };
    let columns = schema.fields().iter().map(|field| check.column(field.data_type()));
    let lengths: Option<Vec<usize>> = columns.collect();
    let rows = usize::try_from(batch.length()).ok();
    let sound = lengths.is_some_and(|lengths| lengths.iter().all(|n| Some(*n) == rows))
        && check.ended()
        && batch.variadicBufferCounts().is_none_or(|counts| counts.is_empty());
    if !sound {
        return Err(damaged(what));
    }
    let body = Buffer::from_slice_ref(body);
    #[expect(clippy::disallowed_types, reason = "the Arrow reader asks for one; it stays empty")]
    let none = std::collections::HashMap::new();
    read_record_batch(&body, batch, Arc::clone(schema), &none, None, &message.version())
        .map_err(|e| damaged(what).with_source(e))
}

/// Walks through nodes and buffers as the reader will.
struct Check<'a, N, B> {
    nodes: N,
    buffers: B,
    body: &'a [u8],
    packed: bool,
}

impl<'a, N, B> Check<'a, N, B>
where
    N: Iterator<Item = &'a FieldNode>,
    B: Iterator<Item = &'a arrow_ipc::Buffer>,
{
    /// Returns how long a column is.
    fn column(&mut self, kind: &DataType) -> Option<usize> {
        let node = self.nodes.next()?;
        let length = usize::try_from(node.length()).ok().filter(|n| *n <= LEN_MAX)?;
        let nulls = usize::try_from(node.null_count()).ok().filter(|n| *n <= length)?;
        let bitmap = self.buffer()?;
        if nulls > 0 && bitmap < length.div_ceil(8) {
            return None;
        }
        match kind {
            DataType::Utf8 | DataType::Binary => {
                self.offsets(length)?;
                self.buffer()?;
            }
            DataType::List(item) | DataType::Map(item, _) => {
                self.offsets(length)?;
                self.column(item.data_type())?;
            }
            DataType::Struct(fields) => {
                for field in fields {
                    let inner = self.column(field.data_type())?;
                    (inner == length).then_some(())?;
                }
            }
            DataType::FixedSizeBinary(width) => {
                self.values(length, usize::try_from(*width).ok()?)?
            }
            other => self.values(length, other.primitive_width()?)?,
        }
        Some(length)
    }

    /// Where the entries of each row end, with the 0 at the beginning; an empty column may lack it.
    fn offsets(&mut self, length: usize) -> Option<()> {
        let bytes = self.buffer()?;
        let whole = bytes.is_multiple_of(4) && bytes / 4 > length;
        (whole || bytes == 0 && length == 0).then_some(())
    }

    /// A value of so many bytes for each row.
    fn values(&mut self, length: usize, width: usize) -> Option<()> {
        let bytes = self.buffer()?;
        (bytes.is_multiple_of(width) && bytes / width >= length).then_some(())
    }

    /// Returns how long a buffer is when unpacked.
    fn buffer(&mut self) -> Option<usize> {
        let buffer = self.buffers.next()?;
        let start = usize::try_from(buffer.offset()).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        let bytes = self.body.get(start..)?.get(..length)?;
        if !self.packed || bytes.is_empty() {
            return Some(length);
        }
        let (prefix, rest) = bytes.split_first_chunk::<PACKED_PREFIX>()?;
        match i64::from_le_bytes(*prefix) {
            -1 => Some(rest.len()),
            unpacked => usize::try_from(unpacked)
                .ok()
                .filter(|n| *n <= rest.len().saturating_mul(LZ4_RATIO_MAX)),
        }
    }

    fn ended(&mut self) -> bool {
        self.nodes.next().is_none() && self.buffers.next().is_none()
    }
}
