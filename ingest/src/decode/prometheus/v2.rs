//! Remote write 2.0: `Request { 4 symbols, 5 timeseries }`.
//!
//! Every string is a reference into the symbols of the request, so the references of a series mean
//! nothing to the next request and cannot be its key. Each symbol is hashed once per request; the
//! key of a series is the hash of the hashes its references point to. Fields come in any order, so
//! the request is walked twice: for the symbols, then for the series.

use tarn_model::error::{Error, Result};
use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::sample::MetricType;

use super::histogram::RawHistogram;
use super::{
    IN_REQUEST, IN_ROW, IN_SERIES, RawExemplar, family_metadata, metric_type, push_exemplar,
    push_histogram, sample,
};
use crate::batch::{Batch, Open, RawLabels, RowSink};
use crate::decode::key_cache::KeySpace;
use crate::decode::wire::{Reader, WireError, low_half};
use crate::validate::{Invalid, Pairs, Reason};

/// References that are kept of one series or exemplar; more than any limit of labels lets through.
const REFS_MAX: usize = 16 << 10;

/// Decodes a request into a batch.
///
/// # Errors
/// `Invalid` with the byte offset where the bytes are not a `Request`, and where the first symbol is
/// not empty; others as [`Batch::float`].
pub(crate) fn decode<S: RowSink>(body: &[u8], batch: &mut Batch<'_, S>) -> Result<()> {
    let (symbols, series_count) = symbols(body, batch)?;
    if series_count > 0 && !symbols.first_is_empty() {
        return Err(Error::invalid(
            "symbols of a remote write 2.0 request must begin with an empty one",
        ));
    }
    let mut scratch = Scratch {
        refs: Vec::new(),
        hashes: Vec::new(),
        histogram: RawHistogram::new(batch.limits.histogram_buckets_max),
    };
    let mut request = Reader::new(body);
    let mut at = 0;
    while !request.is_empty() {
        let (number, wire) = request.tag()?;
        if number == 5 {
            series(request.message(wire)?, at, &symbols, batch, &mut scratch)?;
            at += 1;
        } else {
            request.skip(number, wire, IN_REQUEST)?;
        }
    }
    Ok(())
}

/// Collects the symbols and counts the series.
fn symbols<'a, S: RowSink>(
    body: &'a [u8],
    batch: &mut Batch<'_, S>,
) -> Result<(Symbols<'a>, usize)> {
    let mut symbols = Symbols { texts: Vec::new(), hashes: Vec::new() };
    let (mut series_count, mut foreign) = (0, false);
    let mut request = Reader::new(body);
    while !request.is_empty() {
        let (number, wire) = request.tag()?;
        match number {
            4 => {
                let text = request.bytes(wire)?;
                batch.charge(size_of::<&[u8]>() + size_of::<u64>())?;
                symbols.texts.push(text);
                symbols.hashes.push(batch.space.part(text));
            }
            5 => {
                request.message(wire)?;
                series_count += 1;
            }
            _ => {
                foreign |= matches!(number, 1 | 3);
                request.skip(number, wire, IN_REQUEST)?;
            }
        }
    }
    if foreign && series_count == 0 {
        // To acknowledge it would be to lose it.
        let message = "body is a remote write 1.0 request, the content type says 2.0";
        return Err(Error::invalid(message));
    }
    Ok((symbols, series_count))
}

/// The strings of a request.
struct Symbols<'a> {
    texts: Vec<&'a [u8]>,
    hashes: Vec<u64>,
}

impl<'a> Symbols<'a> {
    fn first_is_empty(&self) -> bool {
        self.texts.first().is_some_and(|text| text.is_empty())
    }

    fn get(&self, reference: u32) -> Option<&'a [u8]> {
        self.texts.get(usize::try_from(reference).ok()?).copied()
    }

    fn hash(&self, reference: u32) -> Option<u64> {
        self.hashes.get(usize::try_from(reference).ok()?).copied()
    }

    /// Checks that references come in pairs and point at symbols.
    fn check(&self, refs: &Refs) -> Result<(), Invalid> {
        let bad = |message: String| Err(Invalid::new(Reason::InvalidSymbolRef, message));
        if refs.total > refs.kept.len() {
            let message = format!("{} label references, limit is {REFS_MAX}", refs.total);
            return Err(Invalid::new(Reason::TooManyLabels, message));
        }
        if !refs.total.is_multiple_of(2) {
            return bad(format!("{} label references are not pairs", refs.total));
        }
        match refs.kept.iter().find(|r| self.get(**r).is_none()) {
            Some(r) => bad(format!("label reference {r} is beyond {} symbols", self.texts.len())),
            None => Ok(()),
        }
    }
}

/// The label references of a series or exemplar.
struct Refs {
    kept: Vec<u32>,
    total: usize,
}

impl Refs {
    fn push(&mut self, reference: u64) {
        self.total += 1;
        if self.kept.len() < REFS_MAX {
            self.kept.push(low_half(reference));
        }
    }
}

/// Buffers that go from series to series.
struct Scratch {
    refs: Vec<u32>,
    hashes: Vec<u8>,
    histogram: RawHistogram,
}

/// The labels of a series: references, and the hashes of what they point to.
struct Labels<'a> {
    symbols: &'a Symbols<'a>,
    refs: &'a [u32],
    hashes: &'a [u8],
}

impl RawLabels for Labels<'_> {
    fn key(&self, space: &KeySpace) -> u128 {
        space.key(self.hashes)
    }

    fn each<'b>(&'b self, pair: &mut dyn FnMut(&'b [u8], &'b [u8])) -> Result<()> {
        for [name, value] in self.refs.as_chunks::<2>().0 {
            if let (Some(name), Some(value)) = (self.symbols.get(*name), self.symbols.get(*value)) {
                pair(name, value);
            }
        }
        Ok(())
    }
}

/// What a series holds beside its rows.
struct Survey {
    refs: Refs,
    samples: u64,
    histograms: u64,
    metadata: Option<RawMetadata>,
}

#[derive(Default)]
struct RawMetadata {
    kind: u32,
    help: u32,
    unit: u32,
}

/// Walks over a series: 1 label references, 2 samples, 3 histograms, 4 exemplars, 5 metadata.
fn survey(mut message: Reader<'_>, refs: Vec<u32>) -> Result<Survey, WireError> {
    let refs = Refs { kept: refs, total: 0 };
    let mut survey = Survey { refs, samples: 0, histograms: 0, metadata: None };
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => message.each_varint(wire, |r| survey.refs.push(r))?,
            2 => {
                message.message(wire)?;
                survey.samples += 1;
            }
            3 => {
                message.message(wire)?;
                survey.histograms += 1;
            }
            4 => drop(message.message(wire)?),
            5 => metadata(message.message(wire)?, survey.metadata.get_or_insert_default())?,
            _ => message.skip(number, wire, IN_SERIES)?,
        }
    }
    Ok(survey)
}

/// Decodes metadata: 1 type, 3 reference of the help, 4 of the unit. A repeated message adds to the
/// one before.
fn metadata(mut message: Reader<'_>, raw: &mut RawMetadata) -> Result<(), WireError> {
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => raw.kind = message.uint32(wire)?,
            3 => raw.help = message.uint32(wire)?,
            4 => raw.unit = message.uint32(wire)?,
            _ => message.skip(number, wire, IN_ROW)?,
        }
    }
    Ok(())
}

fn series<S: RowSink>(
    message: Reader<'_>,
    number: usize,
    symbols: &Symbols<'_>,
    batch: &mut Batch<'_, S>,
    scratch: &mut Scratch,
) -> Result<()> {
    let mut refs = std::mem::take(&mut scratch.refs);
    refs.clear();
    let survey = survey(message, refs)?;
    let rows = survey.samples + survey.histograms;
    let checked = symbols.check(&survey.refs).and_then(|()| match rows {
        0 => Err(Invalid::new(Reason::NoSamples, "neither a sample nor a histogram")),
        _ => Ok(()),
    });
    let mut hashes = std::mem::take(&mut scratch.hashes);
    hashes.clear();
    for hash in survey.refs.kept.iter().filter_map(|r| symbols.hash(*r)) {
        hashes.extend_from_slice(&hash.to_le_bytes());
    }
    let labels = Labels { symbols, refs: &survey.refs.kept, hashes: &hashes };
    let open = match checked {
        Ok(()) => Some(batch.open(&labels, number, rows)?),
        Err(invalid) => {
            batch.reject_series(&labels, number, rows.max(1), &invalid);
            None
        }
    };
    let is_open = open.is_some();
    rows_of(message, symbols, batch, open, scratch)?;
    if let Some(raw) = survey.metadata.filter(|_| is_open) {
        push_metadata(&raw, &labels, survey.samples > 0, symbols, batch)?;
    }
    (scratch.refs, scratch.hashes) = (survey.refs.kept, hashes);
    Ok(())
}

/// Decodes and pushes the rows of a series. Those of a rejected one are decoded only.
fn rows_of<S: RowSink>(
    mut message: Reader<'_>,
    symbols: &Symbols<'_>,
    batch: &mut Batch<'_, S>,
    mut open: Option<Open<'_, Labels<'_>>>,
    scratch: &mut Scratch,
) -> Result<()> {
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            2 => {
                let row = sample(message.message(wire)?, true)?;
                if let Some(open) = &mut open {
                    batch.float(open, row)?;
                }
            }
            3 => {
                scratch.histogram.decode(message.message(wire)?)?;
                if let Some(open) = &mut open {
                    push_histogram(batch, open, &scratch.histogram)?;
                }
            }
            4 => {
                let (refs, raw) = exemplar(message.message(wire)?)?;
                if let Some(open) = &mut open {
                    let labels = exemplar_labels(&refs, symbols, batch);
                    push_exemplar(batch, open, labels, raw)?;
                }
            }
            _ => message.skip(number, wire, IN_SERIES)?,
        }
    }
    Ok(())
}

/// Decodes an exemplar: 1 label references, 2 value, 3 time.
fn exemplar(mut message: Reader<'_>) -> Result<(Refs, RawExemplar), WireError> {
    let mut refs = Refs { kept: Vec::new(), total: 0 };
    let mut raw = RawExemplar::default();
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => message.each_varint(wire, |r| refs.push(r))?,
            2 => raw.value = message.double(wire)?,
            3 => raw.time_ms = message.int64(wire)?,
            _ => message.skip(number, wire, IN_ROW)?,
        }
    }
    Ok((refs, raw))
}

fn exemplar_labels<S: RowSink>(
    refs: &Refs,
    symbols: &Symbols<'_>,
    batch: &Batch<'_, S>,
) -> Result<LabelSet, Invalid> {
    symbols.check(refs)?;
    let mut pairs = Pairs::new(batch.limits.labels_max);
    for [name, value] in refs.kept.as_chunks::<2>().0 {
        if let (Some(name), Some(value)) = (symbols.get(*name), symbols.get(*value)) {
            pairs.push(name, value);
        }
    }
    pairs.exemplar_labels(batch.limits)
}

/// Pushes the metadata that came with a series, under the name of its family.
fn push_metadata<S: RowSink>(
    raw: &RawMetadata,
    labels: &Labels<'_>,
    has_floats: bool,
    symbols: &Symbols<'_>,
    batch: &mut Batch<'_, S>,
) -> Result<()> {
    let mut metric = &[][..];
    labels.each(&mut |name, value| {
        if name == METRIC_NAME.as_bytes() {
            metric = value;
        }
    })?;
    let kind = metric_type(raw.kind);
    let family = family(metric, kind, has_floats);
    let (Some(help), Some(unit)) = (symbols.get(raw.help), symbols.get(raw.unit)) else {
        batch.problems.count(Reason::InvalidMetadata.as_str(), 1);
        return Ok(());
    };
    if kind == MetricType::Unknown && help.is_empty() && unit.is_empty() {
        return Ok(());
    }
    let (Some(help_hash), Some(unit_hash)) = (symbols.hash(raw.help), symbols.hash(raw.unit))
    else {
        return Ok(());
    };
    let content = help_hash ^ unit_hash.rotate_left(21) ^ u64::from(raw.kind).rotate_left(42);
    batch.metadata(family, content, |limits| family_metadata(family, kind, help, unit, limits))
}

/// Returns the name of the family that a series belongs to: classic histograms and summaries have
/// several series each.
fn family(metric: &[u8], kind: MetricType, has_floats: bool) -> &[u8] {
    let suffixes: &[&[u8]] = match kind {
        MetricType::Histogram | MetricType::GaugeHistogram if has_floats => {
            &[b"_bucket", b"_count", b"_sum"]
        }
        MetricType::Summary => &[b"_count", b"_sum"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| metric.strip_suffix(*suffix)).unwrap_or(metric)
}
