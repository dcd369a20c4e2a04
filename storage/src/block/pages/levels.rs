//! Repetition and definition levels of a page of lists.
//!
//! A list is NULL or has items, none of them NULL. So a NULL row is one level (0, 0), a row of n
//! items is (0, 2) and n − 1 times (1, 2): runs, and never more than a few bytes a row. They are
//! written as runs only; other writers mix runs with packed bits, which are read as well.

use crate::block::pages::delta::{Input, varint};

/// Definition level of items.
const ITEM: u8 = 2;
/// Definition level of an empty list: not written by anybody of us.
const EMPTY: u8 = 1;

/// The levels of a page under construction.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    repetition: Runs,
    definition: Runs,
    rows: usize,
    nulls: usize,
    items: usize,
}

#[derive(Debug, Default)]
struct Runs {
    bytes: Vec<u8>,
    value: u8,
    length: usize,
}

impl Runs {
    fn push(&mut self, value: u8, length: usize) {
        if value != self.value {
            self.end();
            self.value = value;
        }
        self.length += length;
    }

    fn end(&mut self) {
        if self.length > 0 {
            varint((self.length as u64) << 1, &mut self.bytes);
            self.bytes.push(self.value);
            self.length = 0;
        }
    }
}

impl Levels {
    /// Adds rows without a list.
    pub(crate) fn nulls(&mut self, rows: usize) {
        self.repetition.push(0, rows);
        self.definition.push(0, rows);
        self.rows += rows;
        self.nulls += rows;
    }

    /// Adds a row of `n` items, of which there is at least one.
    pub(crate) fn list(&mut self, n: usize) {
        self.repetition.push(0, 1);
        self.repetition.push(1, n - 1);
        self.definition.push(ITEM, n);
        self.rows += 1;
        self.items += n;
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn null_rows(&self) -> usize {
        self.nulls
    }

    pub(crate) fn items(&self) -> usize {
        self.items
    }

    /// Ends the page: repetition levels, definition levels.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        self.repetition.end();
        self.definition.end();
        (self.repetition.bytes, self.definition.bytes)
    }
}

/// The items of a row: those of a NULL row are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) first: u32,
    pub(crate) n: u32,
}

/// What a page says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    /// Levels: items and NULL rows.
    pub(crate) levels: usize,
    pub(crate) rows: usize,
    pub(crate) nulls: usize,
}

/// Finds the items of every row of a page.
///
/// # Errors
/// What is wrong, where the levels contradict themselves or the counts.
pub(crate) fn rows(
    repetition: &[u8],
    definition: &[u8],
    counts: Counts,
) -> Result<Vec<Row>, &'static str> {
    let Counts { levels, rows, nulls } = counts;
    if nulls > rows || rows > levels {
        return Err("page has fewer values than rows");
    }
    if nulls == levels {
        return Ok(vec![Row { first: 0, n: 0 }; rows]);
    }
    let mut starts = Vec::with_capacity(rows + 1);
    each(repetition, 1, levels, |at, length, level| {
        if level == 0 {
            starts.extend(at as u32..(at + length) as u32);
        }
        Ok(())
    })?;
    if starts.len() != rows || starts.first() != Some(&0) {
        return Err("repetition levels contradict the number of rows");
    }
    starts.push(levels as u32);
    let null_at = if nulls == 0 { Vec::new() } else { null_levels(definition, levels)? };
    if null_at.len() != nulls {
        return Err("definition levels contradict the number of nulls");
    }
    let mut null_at = null_at.into_iter().peekable();
    let (mut before, mut mixed) = (0, false);
    let rows = starts.windows(2).map(|bounds| {
        let first = bounds[0] - before;
        let mut n = bounds[1] - bounds[0];
        if null_at.next_if_eq(&bounds[0]).is_some() {
            before += 1;
            n -= 1;
            mixed |= n > 0;
        }
        Row { first, n }
    });
    let rows = rows.collect();
    // A null that begins no row is left over.
    if mixed || null_at.next().is_some() { Err("nulls are inside of lists") } else { Ok(rows) }
}

fn null_levels(definition: &[u8], levels: usize) -> Result<Vec<u32>, &'static str> {
    let mut nulls = Vec::new();
    each(definition, 2, levels, |at, length, level| {
        match level {
            0 => nulls.extend(at as u32..(at + length) as u32),
            EMPTY => return Err("a list is empty"),
            ITEM => {}
            _ => return Err("definition level is not known"),
        }
        Ok(())
    })?;
    Ok(nulls)
}

/// Calls `run` with place, length and value of runs of levels, whole bytes of equal ones at once.
fn each(
    bytes: &[u8],
    bits: usize,
    levels: usize,
    mut run: impl FnMut(usize, usize, u8) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let mask = (1_u8 << bits) - 1;
    let mut input = Input(bytes);
    let mut at = 0;
    while at < levels {
        let header = input.varint()?;
        let length = usize::try_from(header >> 1).unwrap_or(usize::MAX);
        if header & 1 == 0 {
            let value = input.byte()? & mask;
            if length == 0 || length > levels - at {
                return Err("levels contradict the number of values");
            }
            run(at, length, value)?;
            at += length;
            continue;
        }
        // Groups of 8; the last one may reach beyond the end.
        if length == 0 || length > levels.div_ceil(8) {
            return Err("levels contradict the number of values");
        }
        for byte in input.take(length * bits)? {
            let value = byte & mask;
            if value * (u8::MAX / mask) == *byte {
                let length = (8 / bits).min(levels - at);
                run(at, length, value)?;
                at += length;
                continue;
            }
            for place in 0..8 / bits {
                if at < levels {
                    run(at, 1, (byte >> (place * bits)) & mask)?;
                    at += 1;
                }
            }
        }
    }
    if input.0.is_empty() { Ok(()) } else { Err("levels go on behind the last value") }
}
