//! Every encoding gives back what went in; damage is an error, never a panic.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::writer::SerializedFileWriter;
use proptest::prelude::*;

use super::levels::{Counts, Row, rows};
use super::pack::{Candidate, DOUBLES, INTS};
use super::page::{Page, Unpacker};
use super::*;
use crate::block::columns;

type Rows = Vec<Option<Vec<i64>>>;

/// Values of the shapes that series have, and of none.
fn values() -> impl Strategy<Value = Vec<i64>> {
    let steps = prop_oneof![
        Just((0, 0)),
        Just((7, 7)),
        Just((-3, 3)),
        Just((-128, 127)),
        Just((-1000, 1_000_000)),
        Just((i64::MIN, i64::MAX)),
    ];
    let run = (any::<i64>(), steps, 0..700_usize).prop_flat_map(|(from, (low, high), n)| {
        prop::collection::vec(low..=high, n).prop_map(move |steps| {
            let mut value = from;
            let step = |step: i64| {
                value = value.wrapping_add(step);
                value
            };
            steps.into_iter().map(step).collect::<Vec<i64>>()
        })
    });
    prop::collection::vec(run, 1..4).prop_map(|runs| runs.concat())
}

/// Cuts values into rows of lists and NULLs.
fn cut(values: &[i64], lengths: &[usize]) -> Rows {
    let mut rows = Vec::new();
    let mut rest = values;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (row, later) = rest.split_at((*length).min(rest.len()));
        rows.push((!row.is_empty()).then(|| row.to_vec()));
        rest = later;
    }
    rows
}

fn lists() -> impl Strategy<Value = Rows> {
    let lengths = prop::collection::vec(0..300_usize, 1..9);
    (values(), lengths).prop_map(|(values, mut lengths)| {
        lengths.push(1);
        cut(&values, &lengths)
    })
}

/// A file of one column, and where its pages are.
fn file(
    all: &Rows,
    kind: Kind,
    candidates: &[Candidate],
    page_rows: usize,
) -> (Bytes, Vec<Range<usize>>) {
    let item = if kind == Kind::Int { DataType::Int64 } else { DataType::Float64 };
    let schema = Schema::new(vec![columns::list("values", item)]);
    let parquet = ArrowSchemaConverter::new().convert(&schema).unwrap();
    let mut file =
        SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), Arc::default()).unwrap();
    let mut packer = Packer::new().unwrap();
    let mut column = PageColumn::new(parquet.column(0), kind, Encoding::Best);
    for (rows, candidate) in all.chunks(page_rows).zip(candidates.iter().cycle()) {
        let mut levels = Levels::default();
        let mut values = Vec::new();
        for row in rows {
            match row {
                Some(items) => {
                    levels.list(items.len());
                    values.extend_from_slice(items);
                }
                None => levels.nulls(1),
            }
        }
        let packed = packer.smallest(&values, &[*candidate]).unwrap();
        column.put(levels, &packed).unwrap();
    }
    let (bytes, closed) = column.close(&mut packer).unwrap();
    let mut group = file.next_row_group().unwrap();
    group.append_column(&bytes, closed).unwrap();
    group.close().unwrap();
    let bytes = Bytes::from(file.into_inner().unwrap());
    let options = parquet::arrow::arrow_reader::ArrowReaderOptions::new()
        .with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&bytes, options).unwrap();
    let index = &metadata.metadata().offset_index().unwrap()[0][0];
    let place = |at: usize| {
        let location = &index.page_locations()[at];
        let from = location.offset as usize;
        from..from + location.compressed_page_size as usize
    };
    (bytes, (0..index.page_locations().len()).map(place).collect())
}

/// What our decoder makes of pages.
fn decode(pages: &[&[u8]], kind: Kind) -> std::result::Result<Rows, &'static str> {
    let mut unpacker = Unpacker::new().unwrap();
    let mut all = Rows::new();
    for bytes in pages {
        let page = Page::parse(bytes)?;
        let rows = page.rows()?;
        let values = unpacker.words(&page, kind, page.items())?;
        for Row { first, n } in rows {
            let items = values.get(first as usize..(first + n) as usize).ok_or("short")?;
            all.push((n > 0).then(|| items.to_vec()));
        }
    }
    Ok(all)
}

/// What the stock reader makes of a file.
fn read_stock(bytes: Bytes, kind: Kind) -> Rows {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let mut rows = Rows::new();
    for batch in reader {
        let batch = batch.unwrap();
        let lists = batch.column(0).as_list::<i32>();
        for row in 0..lists.len() {
            let items: ArrayRef = lists.value(row);
            rows.push((!lists.is_null(row)).then(|| match kind {
                Kind::Int => items.as_primitive::<Int64Type>().values().to_vec(),
                Kind::Double => {
                    let values = items.as_primitive::<Float64Type>().values();
                    values.iter().map(|value| value.to_bits() as i64).collect()
                }
            }));
        }
    }
    rows
}

fn kinds() -> [(Kind, &'static [Candidate]); 2] {
    [(Kind::Int, INTS), (Kind::Double, DOUBLES)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_encoding_gives_back_what_went_in(all in lists(), page_rows in 1..20_usize) {
        for (kind, candidates) in kinds() {
            for candidate in candidates {
                let (bytes, places) = file(&all, kind, &[*candidate], page_rows);
                let pages: Vec<&[u8]> = places.iter().map(|place| &bytes[place.clone()]).collect();
                prop_assert_eq!(&decode(&pages, kind).unwrap(), &all, "{:?}", candidate);
                prop_assert_eq!(&read_stock(bytes.clone(), kind), &all, "{:?}", candidate);
            }
            let (bytes, _) = file(&all, kind, candidates, page_rows);
            prop_assert_eq!(&read_stock(bytes, kind), &all, "mixed");
        }
    }

    #[test]
    fn only_the_first_values_are_decoded_when_more_are_not_wanted(
        values in values(),
        share in 0.0..=1.0_f64,
    ) {
        prop_assume!(!values.is_empty());
        let wanted = (values.len() as f64 * share) as usize;
        for (kind, candidates) in kinds() {
            for candidate in candidates {
                let (bytes, places) = file(&vec![Some(values.clone())], kind, &[*candidate], 1);
                let page = Page::parse(&bytes[places[0].clone()]).unwrap();
                let mut unpacker = Unpacker::new().unwrap();
                prop_assert_eq!(unpacker.words(&page, kind, wanted).unwrap(), &values[..wanted]);
            }
        }
    }

    /// Checksums catch damage before decoders see it; what comes through must still never panic,
    /// and a page must never give another number of rows than the header says.
    #[test]
    fn damaged_pages_are_errors_and_never_panic(
        all in lists(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        cut in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!all.is_empty());
        for (kind, candidates) in kinds() {
            for candidate in candidates {
                let (bytes, places) = file(&all, kind, &[*candidate], all.len());
                let mut page = bytes[places[0].clone()].to_vec();
                prop_assert!(decode(&[&page[..cut.index(page.len())]], kind).is_err());
                let flipped = at.index(page.len());
                page[flipped] ^= 1_u8 << bit;
                drop(decode(&[&page], kind));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_pages(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for kind in [Kind::Int, Kind::Double] {
            drop(decode(&[&bytes], kind));
        }
        let mut values = [0; 300];
        let _refused_or_not = delta::decode(&bytes, 300, &mut values);
    }

    #[test]
    fn the_smallest_encoding_is_chosen_within_a_percent(values in values(), double in any::<bool>()) {
        prop_assume!(!values.is_empty());
        let mut packer = Packer::new().unwrap();
        let (kind, candidates) = kinds()[usize::from(double)];
        let chosen = packer.pack(&values, kind, Encoding::Best).unwrap();
        let least = packer.smallest(&values, candidates).unwrap();
        // Trivial pages are below a 40th of a byte per value, and then no more is tried.
        let most = (least.bytes.len() * 101 / 100).max(values.len() / 40 + 1);
        prop_assert!(chosen.bytes.len() <= most);
    }
}

#[test]
fn impossible_levels_are_found() {
    let counts = |levels, rows, nulls| Counts { levels, rows, nulls };
    let list = |n: u8| [1 << 1, 0, (n - 1) << 1, 1];
    let items = |n: u8| [n << 1, 2];
    assert_eq!(rows(&list(3), &items(3), counts(3, 1, 0)).unwrap(), [Row { first: 0, n: 3 }]);
    for (repetition, definition, counts, expected) in [
        (&list(3)[..], &items(3)[..], counts(3, 2, 0), "number of rows"),
        (&list(3), &items(3), counts(4, 1, 0), "page ends early"),
        (&list(3), &items(3), counts(2, 1, 0), "number of values"),
        (&[3 << 1, 1], &items(3), counts(3, 0, 0), "number of rows"),
        (&[2 << 1, 0, 1 << 1, 1], &[1 << 1, 2, 1 << 1, 0, 1 << 1, 2], counts(3, 2, 1), "inside"),
        (&[1 << 1, 0, 2 << 1, 1], &[2 << 1, 2, 1 << 1, 0], counts(3, 1, 1), "inside"),
        (&[2 << 1, 0], &[1 << 1, 1, 1 << 1, 2], counts(2, 2, 1), "empty"),
        (&[2 << 1, 0], &[1 << 1, 3, 1 << 1, 2], counts(2, 2, 1), "not known"),
        (&[2 << 1, 0], &[2 << 1, 2], counts(2, 2, 1), "number of nulls"),
        (&[2 << 1, 0], &[2 << 1, 2], counts(2, 3, 0), "fewer values"),
    ] {
        let error = rows(repetition, definition, counts).unwrap_err();
        assert!(error.contains(expected), "{error} for {repetition:?} {definition:?}");
    }
}

#[test]
fn packed_levels_of_other_writers_are_read() {
    // NULL, 3 items, NULL, 2 items, and one bit that is too much.
    let repetition = [(1 << 1) | 1, 0b1100_1100];
    let definition = [(1 << 1) | 1, 0b1010_1000, 0b0010_1000];
    let counts = Counts { levels: 7, rows: 4, nulls: 2 };
    let row = |first, n| Row { first, n };
    let expected = [row(0, 0), row(0, 3), row(3, 0), row(3, 2)];
    assert_eq!(rows(&repetition, &definition, counts).unwrap(), expected);
}
