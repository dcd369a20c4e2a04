//! `tarn block show`: what one block holds and what each column costs.
//!
//! Works on the bytes of the object alone, without a catalog: the footer leads to the directory,
//! whose checksums are all tested.

use std::io::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use tarn_model::error::{Error, Result};

use crate::block::directory::{Directory, INDEX_KEY, REGION};
use crate::flush::aside;
use crate::schema::column;

/// Prints a block.
///
/// # Errors
/// `Corrupt` where the bytes are not a block; `Internal` where `out` cannot be written. A region
/// that fails its checksum is printed, and is no error.
pub fn show(bytes: &Bytes, out: &mut impl Write) -> Result<()> {
    if let Some(text) = aside::describe(bytes)? {
        return out.write_all(text.as_bytes()).map_err(not_printed);
    }
    let mut reader = ParquetMetaDataReader::new();
    reader.try_parse(bytes).map_err(damaged)?;
    let metadata = reader.finish().map_err(damaged)?;
    let text = describe(bytes, &metadata)?;
    out.write_all(text.as_bytes()).map_err(not_printed)
}

fn not_printed(error: std::io::Error) -> Error {
    Error::internal("print block").with_source(error)
}

fn damaged(error: parquet::errors::ParquetError) -> Error {
    Error::corrupt("object is not a block").with_source(error)
}

fn describe(bytes: &Bytes, metadata: &ParquetMetaData) -> Result<String> {
    let mut lines = Vec::new();
    let file = metadata.file_metadata();
    for pair in file.key_value_metadata().into_iter().flatten() {
        lines.push(format!("{:<14} {}", pair.key, pair.value.as_deref().unwrap_or("")));
    }
    let directory = directory(bytes, metadata)?;
    let failing: Vec<usize> = bytes
        .slice(..directory.offset as usize)
        .chunks(REGION as usize)
        .enumerate()
        .filter(|(i, region)| directory.regions.get(*i) != Some(&crc32c::crc32c(region)))
        .map(|(i, _)| i)
        .collect();
    let tail = bytes.len() as u64 - directory.offset;
    lines.push(format!("{:<14} {} bytes, tail {tail} bytes", "object", bytes.len()));
    let verdict =
        if failing.is_empty() { "all sound".to_owned() } else { format!("damaged: {failing:?}") };
    lines.push(format!("{:<14} {}, {verdict}", "regions", directory.regions.len()));
    for part in &directory.parts {
        let length = part.range.end - part.range.start;
        lines.push(format!("{:<14} {}/{} {length} bytes", "index part", part.name, part.version));
    }
    let rows: i64 = metadata.row_groups().iter().map(|g| g.num_rows()).sum();
    let samples = if failing.is_empty() { samples(bytes)? } else { None };
    lines.push(format!("{:<14} {} in {} row groups", "rows", rows, metadata.num_row_groups()));
    let each = |count: u64| bytes.len() as f64 / count.max(1) as f64;
    let unit = match samples {
        Some(samples) => {
            lines.push(format!("{:<14} {samples}, {:.4} bytes each", "samples", each(samples)));
            Unit { name: "per sample", count: samples }
        }
        None => {
            lines.push(format!("{:<14} {:.4}", "bytes per row", each(rows as u64)));
            Unit { name: "per row", count: rows as u64 }
        }
    };
    lines.push(String::new());
    columns(metadata, &unit, &mut lines);
    lines.push(String::new());
    Ok(lines.join("\n"))
}

fn directory(bytes: &Bytes, metadata: &ParquetMetaData) -> Result<Directory> {
    let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let place = pairs.filter(|pair| pair.key == INDEX_KEY).find_map(|pair| pair.value.as_deref());
    let (offset, length) =
        place.and_then(|p| p.split_once(',')).ok_or_else(|| Error::corrupt("no directory"))?;
    let parse = |number: &str| number.parse::<usize>().ok();
    let range = parse(offset).zip(parse(length)).and_then(|(o, l)| Some(o..o.checked_add(l)?));
    let found = range.and_then(|range| bytes.get(range));
    Directory::decode(found.ok_or_else(|| Error::corrupt("directory lies outside the object"))?)
}

/// Counts the samples of slices; `None` for other kinds of blocks.
fn samples(bytes: &Bytes) -> Result<Option<u64>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(damaged)?;
    let names = [column::TIMELINE, column::N];
    if names.iter().any(|name| builder.schema().field_with_name(name).is_err()) {
        return Ok(None);
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let reader = builder.with_projection(mask).build().map_err(damaged)?;
    let mut samples = 0;
    for batch in reader {
        let batch = batch.map_err(|e| Error::corrupt("read block").with_source(e))?;
        let (timeline, n) = (batch.column(0), batch.column(1).as_primitive::<Int32Type>());
        let slices = (0..batch.num_rows()).filter(|row| timeline.is_valid(*row));
        samples += slices.map(|row| n.value(row) as u64).sum::<u64>();
    }
    Ok(Some(samples))
}

/// What the bytes of a column are shared out over.
struct Unit {
    name: &'static str,
    count: u64,
}

fn columns(metadata: &ParquetMetaData, unit: &Unit, lines: &mut Vec<String>) {
    let schema = metadata.file_metadata().schema_descr();
    let mut rows: Vec<(i64, String)> = Vec::new();
    for (i, described) in schema.columns().iter().enumerate() {
        let chunks = || metadata.row_groups().iter().filter_map(|g| g.columns().get(i));
        let stored: i64 = chunks().map(|c| c.compressed_size()).sum();
        let plain: i64 = chunks().map(|c| c.uncompressed_size()).sum();
        let mut encodings: Vec<String> =
            chunks().flat_map(|c| c.encodings()).map(|e| e.to_string()).collect();
        encodings.sort();
        encodings.dedup();
        let share = format!("{:>10.4}", stored as f64 / unit.count.max(1) as f64);
        let (path, kind) = (described.path().string(), described.physical_type().to_string());
        let encodings = encodings.join(" ");
        let line = format!("{path:<32} {kind:<22} {stored:>12} {plain:>12} {share}  {encodings}");
        rows.push((stored, line));
    }
    rows.sort_by_key(|(stored, _)| std::cmp::Reverse(*stored));
    let (column, kind, each) = ("column", "type", unit.name);
    lines.push(format!("{column:<32} {kind:<22} {:>12} {:>12} {each:>10}", "bytes", "unpacked"));
    lines.extend(rows.into_iter().map(|(_, line)| line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_block_is_corrupt() {
        for bytes in [&b""[..], b"PAR1", b"nonsense that is longer than a footer"] {
            let error = show(&Bytes::from_static(bytes), &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), tarn_model::error::ErrorKind::Corrupt);
        }
    }
}
