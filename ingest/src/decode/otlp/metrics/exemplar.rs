//! Exemplars: trace and span as labels, the other attributes while they are short.

use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::sample::Exemplar;

use super::Walk;
use super::labels::{PointLabels, lossy};
use super::point::{Run, millis};
use crate::batch::{Batch, Float, Open, RawLabels, RowSink};
use crate::decode::otlp::value::{Caps, Changes, RawValue};
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};
use crate::validate::{Invalid, Pairs};

/// Characters of names and values beyond which only trace and span are kept: OpenMetrics' limit.
const CHARS_MAX: usize = 128;
/// Bytes of an id that are looked at; real ones have 16 and 8.
const ID_BYTES_MAX: usize = 64;

const TRACE_ID: &str = "trace_id";
const SPAN_ID: &str = "span_id";

/// An exemplar as it came.
#[derive(Debug, Default)]
pub(super) struct RawExemplar<'a> {
    /// Which bucket it falls in.
    pub(super) bucket: usize,
    time_ms: i64,
    value: f64,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    attributes: Run<'a>,
}

/// Decodes the exemplars of a point, ordered by the bucket they fall in, then by time. One without a
/// time has that of the point; those without a value are left out.
pub(super) fn collect<'a>(
    messages: &[Reader<'a>],
    time_ms: i64,
    bounds: &[f64],
) -> Result<Vec<RawExemplar<'a>>, WireError> {
    let mut exemplars = Vec::new();
    for message in messages {
        if let Some(mut exemplar) = decode(*message)? {
            exemplar.bucket = bounds.partition_point(|bound| *bound < exemplar.value);
            if exemplar.time_ms == 0 {
                exemplar.time_ms = time_ms;
            }
            exemplars.push(exemplar);
        }
    }
    exemplars.sort_by_key(|exemplar| (exemplar.bucket, exemplar.time_ms));
    Ok(exemplars)
}

/// Walks over an exemplar: 2 time, 3 double, 4 span, 5 trace, 6 integer, 7 filtered attributes.
fn decode(mut message: Reader<'_>) -> Result<Option<RawExemplar<'_>>, WireError> {
    let (mut exemplar, mut value) = (RawExemplar::default(), None);
    while !message.is_empty() {
        let before = message;
        let (number, wire) = message.tag()?;
        match number {
            2 => exemplar.time_ms = millis(message.fixed64(wire)?),
            3 => value = Some(message.double(wire)?),
            4 => exemplar.span_id = message.bytes(wire)?,
            5 => exemplar.trace_id = message.bytes(wire)?,
            6 => value = Some(message.fixed64(wire)?.cast_signed() as f64),
            7 => exemplar.attributes.add(before, wire, &mut message)?,
            _ => message.skip(number, wire, DEPTH_MAX)?,
        }
    }
    Ok(value.map(|value| RawExemplar { value, ..exemplar }))
}

impl RawExemplar<'_> {
    fn labels(&self, limits: &Limits) -> Result<Result<LabelSet, Invalid>, WireError> {
        let mut labels: Vec<(String, String)> = Vec::new();
        for (name, id) in [(TRACE_ID, self.trace_id), (SPAN_ID, self.span_id)] {
            // An id of zeros is none.
            if id.iter().any(|byte| *byte != 0) {
                labels.push((name.to_owned(), hex(id)));
            }
        }
        let ids = labels.len();
        let caps = Caps { bytes: CHARS_MAX * 8, ..Caps::attribute(limits) };
        let (mut scratch, mut fault) = (String::new(), None);
        self.attributes.each(|key, value| {
            let key = lossy(key, CHARS_MAX * 4);
            let known = labels.iter().any(|(name, _)| *name == key);
            if known || key.is_empty() || labels.len() > CHARS_MAX {
                return;
            }
            match value_text(&value, caps, &mut scratch) {
                Ok(value) => labels.push((key, value.to_owned())),
                Err(error) => fault = Some(error),
            }
        })?;
        if let Some(error) = fault {
            return Err(error);
        }
        let chars = labels.iter().map(|(n, v)| n.chars().count() + v.chars().count());
        if chars.sum::<usize>() > CHARS_MAX {
            labels.truncate(ids);
        }
        let mut pairs = Pairs::new(limits.labels_max);
        labels.iter().for_each(|(name, value)| pairs.push(name.as_bytes(), value.as_bytes()));
        Ok(pairs.exemplar_labels(limits))
    }
}

fn value_text<'s>(
    value: &RawValue<'s>,
    caps: Caps,
    scratch: &'s mut String,
) -> Result<&'s str, WireError> {
    match value {
        RawValue::Empty => Ok(""),
        _ => value.text(caps, scratch, &mut Changes::default()),
    }
}

fn hex(id: &[u8]) -> String {
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 });
    id.iter().take(ID_BYTES_MAX).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Pushes exemplars of an open series, or counts why not: they fail no point.
pub(super) fn push<S: RowSink, R: RawLabels>(
    batch: &mut Batch<'_, S>,
    open: &mut Open<'_, R>,
    exemplars: &[RawExemplar<'_>],
) -> Result<()> {
    for raw in exemplars {
        match raw.labels(batch.limits)? {
            Ok(labels) => {
                let exemplar = Exemplar { labels, value: raw.value, time_ms: raw.time_ms };
                batch.exemplar(open, &exemplar)?;
            }
            Err(invalid) => batch.reject_exemplar(open, &invalid),
        }
    }
    Ok(())
}

impl<S: RowSink> Walk<'_, '_, S> {
    /// Pushes a float and exemplars into one of the series of a point.
    pub(super) fn float_with_exemplars(
        &mut self,
        labels: &PointLabels<'_>,
        row: Float,
        exemplars: &[RawExemplar<'_>],
    ) -> Result<()> {
        let number = usize::try_from(self.points).unwrap_or(usize::MAX);
        let mut open = self.batch.open(labels, number, 1)?;
        self.batch.float(&mut open, row)?;
        push(self.batch, &mut open, exemplars)
    }
}
