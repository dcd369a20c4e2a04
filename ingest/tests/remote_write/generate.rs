//! Random requests: mostly what senders send, with everything odd that the formats allow.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::oracle::{
    BucketSpan, Count, Exemplar1, Exemplar2, Histogram, Label, Metadata2, MetricMetadata, Request,
    Sample1, Sample2, TimeSeries1, TimeSeries2, WriteRequest, ZeroCount,
};

pub(crate) fn request1() -> impl Strategy<Value = WriteRequest> {
    let metadata = (any::<i8>(), text(), text(), text()).prop_map(|(kind, family, help, unit)| {
        MetricMetadata { kind: i32::from(kind), family, help, unit }
    });
    (vec(series1(), 0..6), vec(metadata, 0..3))
        .prop_map(|(timeseries, metadata)| WriteRequest { timeseries, metadata })
}

fn series1() -> impl Strategy<Value = TimeSeries1> {
    let sample = (value(), time()).prop_map(|(value, timestamp)| Sample1 { value, timestamp });
    let exemplar = (vec(label(), 0..3), value(), time())
        .prop_map(|(labels, value, timestamp)| Exemplar1 { labels, value, timestamp });
    (labels(), vec(sample, 0..4), vec(exemplar, 0..2), vec(histogram(), 0..3)).prop_map(
        |(labels, samples, exemplars, histograms)| TimeSeries1 {
            labels,
            samples,
            exemplars,
            histograms,
        },
    )
}

pub(crate) fn request2() -> impl Strategy<Value = Request> {
    let symbols = vec(text(), 0..10);
    (symbols, any::<bool>(), vec(series2(), 0..6)).prop_map(|(more, odd, timeseries)| {
        let mut symbols: Vec<Vec<u8>> = vec![Vec::new(), b"__name__".to_vec(), b"up".to_vec()];
        if odd && more.len() == 7 {
            symbols.clear();
        }
        symbols.extend(more);
        Request { symbols, timeseries }
    })
}

fn series2() -> impl Strategy<Value = TimeSeries2> {
    let sample = (value(), time(), time()).prop_map(|(value, timestamp, start_timestamp)| {
        Sample2 { value, timestamp, start_timestamp }
    });
    let exemplar = (refs(), value(), time())
        .prop_map(|(labels_refs, value, timestamp)| Exemplar2 { labels_refs, value, timestamp });
    let metadata = (any::<i8>(), 0u32..14, 0u32..14).prop_map(|(kind, help_ref, unit_ref)| {
        Metadata2 { kind: i32::from(kind), help_ref, unit_ref }
    });
    let rows = (vec(sample, 0..4), vec(histogram(), 0..3), vec(exemplar, 0..2));
    (refs(), rows, proptest::option::of(metadata)).prop_map(
        |(mut labels_refs, (samples, histograms, exemplars), metadata)| {
            labels_refs.splice(0..0, [1, 2]);
            TimeSeries2 { labels_refs, samples, histograms, exemplars, metadata }
        },
    )
}

fn refs() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        8 => vec((3u32..10, 0u32..10), 0..3).prop_map(|p| p.into_iter().flat_map(|(a, b)| [a, b]).collect()),
        1 => vec(0u32..20, 0..5),
    ]
}

fn labels() -> impl Strategy<Value = Vec<Label>> {
    let named = vec(label(), 0..4).prop_map(|mut labels| {
        labels.insert(0, Label { name: b"__name__".to_vec(), value: b"up".to_vec() });
        labels
    });
    prop_oneof![8 => named, 1 => vec(label(), 0..8)]
}

fn label() -> impl Strategy<Value = Label> {
    (text(), text()).prop_map(|(name, value)| Label { name, value })
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let usual = ["job", "instance", "a.b c", "le", "x\ny", "é", "__name__"].map(str::as_bytes);
    let odd: [&[u8]; 4] = [b"", b"\0", b"\xff\xfe", b"a\0b"];
    prop_oneof![
        20 => "[a-z]{1,6}".prop_map(String::into_bytes),
        20 => select(usual.to_vec()).prop_map(<[u8]>::to_vec),
        2 => select(odd.to_vec()).prop_map(<[u8]>::to_vec),
        1 => (0usize..400).prop_map(|n| vec![b'v'; n]),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = f64> {
    let odd = [
        0x7ff0_0000_0000_0002, // the staleness marker
        0x7ff8_0000_0000_0001, // NaN as Go has it
        0xfff8_0000_dead_beef, // NaN with a payload
        0x7ff0_0000_0000_0000, // +Inf
        0xfff0_0000_0000_0000, // -Inf
        0x8000_0000_0000_0000, // -0.0
        0,
        1,
    ];
    prop_oneof![
        4 => (0u32..1000).prop_map(f64::from),
        2 => select(odd.to_vec()).prop_map(f64::from_bits),
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 1_790_000_000_000i64..1_790_000_100_000,
        1 => -5i64..5,
        1 => any::<i64>(),
    ]
}

pub(crate) fn histogram() -> impl Strategy<Value = Histogram> {
    prop_oneof![6 => sound_histogram(), 1 => odd_histogram()]
}

/// Histograms whose counts add up.
fn sound_histogram() -> impl Strategy<Value = Histogram> {
    let side = || vec((0i32..4, vec(0i64..50, 0..4)), 0..3);
    let kind = (prop_oneof![4 => -4i32..=8, 1 => 9i32..=52, 1 => Just(-53)], any::<bool>());
    (kind, side(), side(), 0u64..9, value(), 0i32..5, time()).prop_map(
        |((schema, float), positive, negative, zero, sum, reset_hint, timestamp)| {
            let custom = schema == -53;
            let (zero, negative) = if custom { (0, Vec::new()) } else { (zero, negative) };
            let (positive_spans, positive_counts) = spans(&positive);
            let (negative_spans, negative_counts) = spans(&negative);
            let counts = positive_counts.iter().chain(&negative_counts);
            let count = zero + counts.map(|c| c.unsigned_abs()).sum::<u64>();
            let reach: i32 = positive.iter().map(|(gap, run)| gap + run.len() as i32).sum();
            let bounds = if custom { reach.max(1) - 1 } else { 0 };
            let floats = |counts: &[i64]| match float {
                true => counts.iter().map(|c| *c as f64).collect(),
                false => Vec::new(),
            };
            let ints = |counts: &[i64]| if float { Vec::new() } else { deltas(counts) };
            Histogram {
                count: Some(if float { Count::Float(count as f64) } else { Count::Int(count) }),
                sum,
                schema,
                zero_threshold: if custom { 0.0 } else { 1e-128 },
                zero_count: Some(match float {
                    true => ZeroCount::Float(zero as f64),
                    false => ZeroCount::Int(zero),
                }),
                negative_deltas: ints(&negative_counts),
                negative_counts: floats(&negative_counts),
                positive_deltas: ints(&positive_counts),
                positive_counts: floats(&positive_counts),
                negative_spans,
                positive_spans,
                reset_hint,
                timestamp,
                custom_values: (0..bounds).map(f64::from).collect(),
                start_timestamp: timestamp.wrapping_sub(5),
            }
        },
    )
}

fn spans(side: &[(i32, Vec<i64>)]) -> (Vec<BucketSpan>, Vec<i64>) {
    let span =
        |(offset, run): &(i32, Vec<i64>)| BucketSpan { offset: *offset, length: run.len() as u32 };
    (side.iter().map(span).collect(), side.iter().flat_map(|(_, run)| run.clone()).collect())
}

fn deltas(counts: &[i64]) -> Vec<i64> {
    let mut last = 0;
    let step = |count: &i64| {
        let delta = count - last;
        last = *count;
        delta
    };
    counts.iter().map(step).collect()
}

/// Anything that has the form of one.
fn odd_histogram() -> impl Strategy<Value = Histogram> {
    let span = (any::<i32>(), 0u32..5).prop_map(|(offset, length)| BucketSpan { offset, length });
    let count = prop_oneof![
        (0u64..5).prop_map(|n| Some(Count::Int(n))),
        value().prop_map(|n| Some(Count::Float(n))),
        Just(None),
    ];
    let zero = prop_oneof![
        (0u64..2).prop_map(|n| Some(ZeroCount::Int(n))),
        value().prop_map(|n| Some(ZeroCount::Float(n))),
        Just(None),
    ];
    let buckets = (vec(span, 0..3), vec(-2i64..3, 0..4), vec(value(), 0..3));
    let schema = select(vec![-60, -53, -5, -4, 0, 8, 9, 40, 52, 53, i32::MAX, i32::MIN]);
    (count, zero, buckets, schema, value(), value(), vec(value(), 0..3)).prop_map(
        |(count, zero_count, (spans, deltas, counts), schema, sum, threshold, bounds)| Histogram {
            count,
            sum,
            schema,
            zero_threshold: threshold,
            zero_count,
            positive_spans: spans,
            positive_deltas: deltas,
            positive_counts: counts,
            timestamp: 1_790_000_000_000,
            custom_values: bounds,
            ..Histogram::default()
        },
    )
}

/// A way to damage bytes.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Flip { at: u32, bit: u8 },
    Put { at: u32, byte: u8 },
    Insert { at: u32, bytes: Vec<u8> },
    Remove { at: u32, bytes: u8 },
    Cut { at: u32 },
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<u32>(), 0u8..8).prop_map(|(at, bit)| Damage::Flip { at, bit }),
        (any::<u32>(), any::<u8>()).prop_map(|(at, byte)| Damage::Put { at, byte }),
        (any::<u32>(), vec(any::<u8>(), 1..12))
            .prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        (any::<u32>(), 1u8..12).prop_map(|(at, bytes)| Damage::Remove { at, bytes }),
        any::<u32>().prop_map(|at| Damage::Cut { at }),
    ]
}

impl Damage {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: u32| at as usize % (bytes.len() + 1);
        match self {
            Self::Flip { at, bit } => {
                let at = place(*at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Put { at, byte } => {
                let at = place(*at);
                if let Some(place) = bytes.get_mut(at) {
                    *place = *byte;
                }
            }
            Self::Insert { at, bytes: more } => {
                let at = place(*at);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove { at, bytes: count } => {
                let start = place(*at);
                let end = (start + usize::from(*count)).min(bytes.len());
                bytes.drain(start..end);
            }
            Self::Cut { at } => bytes.truncate(place(*at)),
        }
    }
}
