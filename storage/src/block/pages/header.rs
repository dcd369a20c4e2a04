//! The header of a data page, in the compact protocol of Thrift.
//!
//! Only what decoding needs is kept; unknown fields are stepped over, so that headers with
//! statistics or checksums are read too.

use crate::block::pages::delta::Input;

/// Header of a data page of version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PageHeader {
    /// Bytes of levels and values before compression.
    pub(crate) unpacked: usize,
    /// Bytes of levels and values behind the header.
    pub(crate) packed: usize,
    /// Items and NULL rows.
    pub(crate) levels: usize,
    pub(crate) nulls: usize,
    pub(crate) rows: usize,
    /// Number of the encoding.
    pub(crate) encoding: i64,
    pub(crate) definition: usize,
    pub(crate) repetition: usize,
    /// The values are compressed.
    pub(crate) compressed: bool,
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const STRUCT: u8 = 12;
/// Number of a data page of version 2 among the types of pages.
const DATA_PAGE_V2: i64 = 3;
/// Structs in structs that are followed: statistics have none.
const DEPTH_MAX: usize = 8;

/// Reads a header; returns what lies behind it.
///
/// # Errors
/// What is wrong.
pub(crate) fn parse(bytes: &[u8]) -> Result<(PageHeader, &[u8]), &'static str> {
    let mut input = Input(bytes);
    let mut header = PageHeader { compressed: true, ..PageHeader::default() };
    let (mut page_type, mut known) = (-1, false);
    let mut field = 0;
    while let Some(kind) = next_field(&mut input, &mut field)? {
        match (field, kind) {
            (1, 5) => page_type = input.zigzag()?,
            (2, 5) => header.unpacked = size(&mut input)?,
            (3, 5) => header.packed = size(&mut input)?,
            (8, STRUCT) => {
                data_page(&mut input, &mut header)?;
                known = true;
            }
            _ => skip(&mut input, kind, DEPTH_MAX)?,
        }
    }
    if !known || page_type != DATA_PAGE_V2 {
        return Err("page is no data page of version 2");
    }
    Ok((header, input.0))
}

fn data_page(input: &mut Input<'_>, header: &mut PageHeader) -> Result<(), &'static str> {
    let mut field = 0;
    while let Some(kind) = next_field(input, &mut field)? {
        match (field, kind) {
            (1, 5) => header.levels = size(input)?,
            (2, 5) => header.nulls = size(input)?,
            (3, 5) => header.rows = size(input)?,
            (4, 5) => header.encoding = input.zigzag()?,
            (5, 5) => header.definition = size(input)?,
            (6, 5) => header.repetition = size(input)?,
            (7, TRUE | FALSE) => header.compressed = kind == TRUE,
            _ => skip(input, kind, DEPTH_MAX)?,
        }
    }
    Ok(())
}

fn size(input: &mut Input<'_>) -> Result<usize, &'static str> {
    let number = i32::try_from(input.zigzag()?).ok();
    number.and_then(|n| usize::try_from(n).ok()).ok_or("page header has a size below 0")
}

/// Reads the number and type of the next field of a struct; `None` at its end.
fn next_field(input: &mut Input<'_>, field: &mut i64) -> Result<Option<u8>, &'static str> {
    let byte = input.byte()?;
    if byte == 0 {
        return Ok(None);
    }
    *field = match byte >> 4 {
        0 => input.zigzag()?,
        step => field.saturating_add(i64::from(step)),
    };
    Ok(Some(byte & 15))
}

fn skip(input: &mut Input<'_>, kind: u8, depth: usize) -> Result<(), &'static str> {
    let depth = depth.checked_sub(1).ok_or("page header is nested too deep")?;
    match kind {
        TRUE | FALSE => {}
        3 => drop(input.byte()?),
        4..=6 => drop(input.varint()?),
        7 => drop(input.take(8)?),
        8 => {
            let length = usize::try_from(input.varint()?).map_err(|_| "page ends early")?;
            input.take(length)?;
        }
        9 | 10 => {
            let byte = input.byte()?;
            let length = if byte >> 4 == 15 { input.varint()? } else { u64::from(byte >> 4) };
            for _ in 0..length {
                // Booleans in lists have a byte of their own.
                match byte & 15 {
                    TRUE | FALSE => drop(input.byte()?),
                    kind => skip(input, kind, depth)?,
                }
            }
        }
        STRUCT => {
            let mut field = 0;
            while let Some(kind) = next_field(input, &mut field)? {
                skip(input, kind, depth)?;
            }
        }
        _ => return Err("page header has a field of unknown type"),
    }
    Ok(())
}
