//! Remote write 1.0: `WriteRequest { 1 timeseries, 3 metadata }`.
//!
//! Labels are messages `{ 1 name, 2 value }` inside the series. Senders write them first and in one
//! run; that run of bytes is the key. Labels that stand elsewhere are gathered into such a run, so
//! that one series has one key however it is written.

use tarn_model::error::{Error, Result};

use super::histogram::RawHistogram;
use super::{
    IN_REQUEST, IN_ROW, IN_SERIES, RawExemplar, family_metadata, metric_type, push_exemplar,
    push_histogram, sample,
};
use crate::batch::{Batch, RawLabels, RowSink};
use crate::decode::key_cache::KeySpace;
use crate::decode::wire::{Reader, Wire, WireError};
use crate::validate::Pairs;

/// Tag of a label: field 1, a message.
const LABEL_TAG: u8 = 0x0a;

/// Decodes a request into a batch.
///
/// # Errors
/// `Invalid` with the byte offset where the bytes are not a `WriteRequest`; others as
/// [`Batch::float`].
pub(crate) fn decode<S: RowSink>(body: &[u8], batch: &mut Batch<'_, S>) -> Result<()> {
    let mut request = Reader::new(body);
    let mut histogram = RawHistogram::new(batch.limits.histogram_buckets_max);
    let (mut series_count, mut foreign) = (0, false);
    while !request.is_empty() {
        let (number, wire) = request.tag()?;
        match number {
            1 => {
                series(request.message(wire)?, series_count, batch, &mut histogram)?;
                series_count += 1;
            }
            3 => metadata(request.message(wire)?, batch)?,
            _ => {
                foreign |= matches!(number, 4 | 5);
                request.skip(number, wire, IN_REQUEST)?;
            }
        }
    }
    if foreign && series_count == 0 {
        // To acknowledge it would be to lose it.
        let message = "body is a remote write 2.0 request, the content type says 1.0";
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// What a series holds, and where.
struct Survey<'a> {
    /// The labels at its beginning.
    run: Reader<'a>,
    /// What follows them.
    rest: Reader<'a>,
    /// Whether more labels follow elsewhere.
    scattered: bool,
    /// Samples and histograms.
    rows: u64,
    /// Samples, histograms and exemplars.
    fields: u64,
}

/// Walks over the fields of a series without looking into them.
fn survey(series: Reader<'_>) -> Result<Survey<'_>, WireError> {
    let mut at = series;
    while at.peek() == Some(LABEL_TAG) {
        at.advance(1)?;
        at.bytes(Wire::Len)?;
    }
    let mut survey =
        Survey { run: series.until(&at), rest: at, scattered: false, rows: 0, fields: 0 };
    while !at.is_empty() {
        let (number, wire) = at.tag()?;
        match number {
            1 => survey.scattered = true,
            2 | 4 => survey.rows += 1,
            3 => {}
            _ => {
                at.skip(number, wire, IN_SERIES)?;
                continue;
            }
        }
        survey.fields += u64::from(number != 1);
        at.message(wire)?;
    }
    Ok(survey)
}

fn series<S: RowSink>(
    message: Reader<'_>,
    number: usize,
    batch: &mut Batch<'_, S>,
    histogram: &mut RawHistogram,
) -> Result<()> {
    let survey = survey(message)?;
    let labels = Labels::find(message, &survey)?;
    if survey.fields == 0 {
        // Nothing to store: only whether the labels can be decoded is of interest.
        return labels.each(&mut |_, _| {});
    }
    let mut open = batch.open(&labels, number, survey.rows)?;
    let mut rest = survey.rest;
    while !rest.is_empty() {
        let (number, wire) = rest.tag()?;
        match number {
            1 => drop(rest.message(wire)?),
            2 => batch.float(&mut open, sample(rest.message(wire)?, false)?)?,
            3 => {
                let mut pairs = Pairs::new(batch.limits.labels_max);
                let raw = exemplar(rest.message(wire)?, &mut pairs)?;
                push_exemplar(batch, &mut open, pairs.exemplar_labels(batch.limits), raw)?;
            }
            4 => {
                histogram.decode(rest.message(wire)?)?;
                push_histogram(batch, &mut open, histogram)?;
            }
            _ => rest.skip(number, wire, IN_SERIES)?,
        }
    }
    Ok(())
}

/// The labels of a series, as the run of fields that they are or should have been.
struct Labels<'a> {
    run: Run<'a>,
}

/// In place, errors can name the offset; gathered, the labels have been decoded once already.
enum Run<'a> {
    InPlace(Reader<'a>),
    Gathered(Vec<u8>),
}

impl<'a> Labels<'a> {
    fn find(series: Reader<'a>, survey: &Survey<'a>) -> Result<Self, WireError> {
        if !survey.scattered {
            return Ok(Self { run: Run::InPlace(survey.run) });
        }
        let mut gathered = Vec::new();
        let mut at = series;
        while !at.is_empty() {
            let (number, wire) = at.tag()?;
            if number != 1 {
                at.skip(number, wire, IN_SERIES)?;
                continue;
            }
            let message = at.message(wire)?;
            label(message)?;
            let bytes = message.rest();
            gathered.push(LABEL_TAG);
            push_varint(bytes.len() as u64, &mut gathered);
            gathered.extend_from_slice(bytes);
        }
        Ok(Self { run: Run::Gathered(gathered) })
    }

    fn reader(&self) -> Reader<'_> {
        match &self.run {
            Run::InPlace(reader) => *reader,
            Run::Gathered(bytes) => Reader::new(bytes),
        }
    }
}

impl RawLabels for Labels<'_> {
    fn key(&self, space: &KeySpace) -> u128 {
        space.key(self.reader().rest())
    }

    fn each<'b>(&'b self, pair: &mut dyn FnMut(&'b [u8], &'b [u8])) -> Result<()> {
        let mut run = self.reader();
        while !run.is_empty() {
            let (_, wire) = run.tag()?;
            let (name, value) = label(run.message(wire)?)?;
            pair(name, value);
        }
        Ok(())
    }
}

fn push_varint(mut n: u64, out: &mut Vec<u8>) {
    loop {
        let [byte, ..] = n.to_le_bytes();
        n >>= 7;
        if n == 0 {
            out.push(byte & 0x7f);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Decodes a label of a series or an exemplar: 1 name, 2 value.
fn label(mut message: Reader<'_>) -> Result<(&[u8], &[u8]), WireError> {
    let (mut name, mut value) = (&[][..], &[][..]);
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => name = message.bytes(wire)?,
            2 => value = message.bytes(wire)?,
            _ => message.skip(number, wire, IN_ROW)?,
        }
    }
    Ok((name, value))
}

/// Decodes an exemplar: 1 labels, 2 value, 3 time.
fn exemplar<'a>(mut message: Reader<'a>, labels: &mut Pairs<'a>) -> Result<RawExemplar, WireError> {
    let mut raw = RawExemplar::default();
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => {
                let (name, value) = label(message.message(wire)?)?;
                labels.push(name, value);
            }
            2 => raw.value = message.double(wire)?,
            3 => raw.time_ms = message.int64(wire)?,
            _ => message.skip(number, wire, IN_ROW)?,
        }
    }
    Ok(raw)
}

/// Decodes the metadata of a family: 1 type, 2 name, 4 help, 5 unit.
fn metadata<S: RowSink>(mut message: Reader<'_>, batch: &mut Batch<'_, S>) -> Result<()> {
    let whole = message.rest();
    let (mut kind, mut family, mut help, mut unit) = (0, &[][..], &[][..], &[][..]);
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => kind = message.uint32(wire)?,
            2 => family = message.bytes(wire)?,
            4 => help = message.bytes(wire)?,
            5 => unit = message.bytes(wire)?,
            _ => message.skip(number, wire, IN_SERIES)?,
        }
    }
    batch.metadata(family, batch.space.part(whole), |limits| {
        family_metadata(family, metric_type(kind), help, unit, limits)
    })
}
