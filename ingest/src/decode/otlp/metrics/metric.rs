//! A metric but for its points: what it is called, what it measures and how it counts.

use std::fmt;

use tarn_model::otel_names::Instrument;
use tarn_model::sample::MetricType;

use crate::decode::wire::{DEPTH_MAX, Reader, WireError};

/// What kind of points a metric has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

impl Kind {
    fn of(field: u32) -> Option<Self> {
        let all = [Self::Gauge, Self::Sum, Self::Histogram, Self::Exponential, Self::Summary];
        all.into_iter().find(|kind| kind.field() == field)
    }

    /// Returns the number of the field with the points.
    pub(super) fn field(self) -> u32 {
        match self {
            Self::Gauge => 5,
            Self::Sum => 7,
            Self::Histogram => 9,
            Self::Exponential => 10,
            Self::Summary => 11,
        }
    }
}

/// Whether points count since the one before or since the start, as the sender numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Temporality(u32);

impl Temporality {
    const DELTA: Self = Self(1);
    const CUMULATIVE: Self = Self(2);
}

impl fmt::Display for Temporality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self(0) => f.write_str("not set"),
            Self::DELTA => f.write_str("delta"),
            Self::CUMULATIVE => f.write_str("cumulative"),
            Self(number) => write!(f, "{number}, expected delta (1) or cumulative (2)"),
        }
    }
}

/// A metric. Texts are not yet known to be UTF-8.
#[derive(Debug)]
pub(super) struct Metric<'a> {
    pub(super) name: &'a [u8],
    pub(super) description: &'a [u8],
    pub(super) unit: &'a [u8],
    pub(super) kind: Kind,
    pub(super) temporality: Temporality,
    monotonic: bool,
}

impl<'a> Metric<'a> {
    /// Walks over a `Metric`: 1 name, 2 description, 3 unit, 5 to 11 data, of which the last one
    /// counts. `None`: it has no data that we know.
    pub(super) fn of(mut message: Reader<'a>) -> Result<Option<Self>, WireError> {
        let mut metric = Self {
            name: &[],
            description: &[],
            unit: &[],
            kind: Kind::Gauge,
            temporality: Temporality::default(),
            monotonic: false,
        };
        let mut known = None;
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                1 => metric.name = message.bytes(wire)?,
                2 => metric.description = message.bytes(wire)?,
                3 => metric.unit = message.bytes(wire)?,
                _ => match Kind::of(number) {
                    Some(kind) => {
                        if known != Some(kind) {
                            (metric.temporality, metric.monotonic) = Default::default();
                        }
                        known = Some(kind);
                        metric.data(message.message(wire)?)?;
                    }
                    None => message.skip(number, wire, DEPTH_MAX)?,
                },
            }
        }
        Ok(known.map(|kind| Self { kind, ..metric }))
    }

    /// Walks over the data: 1 points, 2 temporality, 3 whether a sum is monotonic.
    fn data(&mut self, mut data: Reader<'_>) -> Result<(), WireError> {
        while !data.is_empty() {
            let (number, wire) = data.tag()?;
            match number {
                1 => drop(data.message(wire)?),
                2 => self.temporality = Temporality(data.uint32(wire)?),
                3 => self.monotonic = data.uint64(wire)? != 0,
                _ => data.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(())
    }

    /// Appends what tells the metric from others of the same resource and scope.
    pub(super) fn write_identity(&self, out: &mut Vec<u8>) {
        let [kind, ..] = self.kind.field().to_le_bytes();
        out.extend_from_slice(&[kind, u8::from(self.is_delta()), u8::from(self.monotonic)]);
        out.extend_from_slice(&(self.name.len() as u64).to_le_bytes());
        out.extend_from_slice(self.name);
        out.extend_from_slice(self.unit);
    }

    /// Returns whether it is said how points count, where that makes a difference.
    pub(super) fn has_known_temporality(&self) -> bool {
        match self.kind {
            Kind::Gauge | Kind::Summary => true,
            Kind::Sum | Kind::Histogram | Kind::Exponential => {
                matches!(self.temporality, Temporality::DELTA | Temporality::CUMULATIVE)
            }
        }
    }

    /// Returns whether points count since the one before.
    pub(super) fn is_delta(&self) -> bool {
        let counts = !matches!(self.kind, Kind::Gauge | Kind::Summary);
        counts && self.temporality == Temporality::DELTA
    }

    /// Returns what the name's suffix depends on.
    pub(super) fn instrument(&self) -> Instrument {
        match self.kind {
            Kind::Gauge => Instrument::Gauge,
            Kind::Sum if self.monotonic => Instrument::Counter,
            Kind::Sum | Kind::Histogram | Kind::Exponential | Kind::Summary => Instrument::Other,
        }
    }

    /// Returns the type in Prometheus' words.
    pub(super) fn metric_type(&self) -> MetricType {
        match self.kind {
            Kind::Sum if self.monotonic => MetricType::Counter,
            Kind::Gauge | Kind::Sum => MetricType::Gauge,
            Kind::Histogram | Kind::Exponential => MetricType::Histogram,
            Kind::Summary => MetricType::Summary,
        }
    }
}
