//! Which series and rows are taken.
//!
//! Every check names a [`Reason`], the `reason` label of the metric that counts it, and a message
//! with the offending value, cut short, and the limit. Limits that need the state of the series
//! (order, time ahead of the clock, number of series) are storage's.

use memchr::memchr;
use tarn_model::labels::{Label, LabelSet, METRIC_NAME, Quoted};
use tarn_model::limits::Limits;

/// First ms of the year 1, the first day that a block's folder can be named after.
pub(crate) const OLDEST_MS: i64 = -62_135_596_800_000;

/// Bytes of a name or value that a message shows.
const SHOWN_BYTES: usize = 64;

/// Why a series or row is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    MissingMetricName,
    TooManyLabels,
    EmptyLabelName,
    LabelNameTooLong,
    LabelValueTooLong,
    InvalidUtf8,
    Nul,
    DuplicateLabel,
    InvalidSymbolRef,
    NoSamples,
    TooOld,
    InvalidHistogram,
    TooManyBuckets,
    ExemplarTooLong,
    InvalidMetadata,
    InvalidName,
    InvalidTemporality,
    MissingTime,
    TooManyExemplars,
}

impl Reason {
    /// Returns the value of the `reason` label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::MissingMetricName => "missing_metric_name",
            Self::TooManyLabels => "too_many_labels",
            Self::EmptyLabelName => "empty_label_name",
            Self::LabelNameTooLong => "label_name_too_long",
            Self::LabelValueTooLong => "label_value_too_long",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Nul => "nul",
            Self::DuplicateLabel => "duplicate_label",
            Self::InvalidSymbolRef => "invalid_symbol_ref",
            Self::NoSamples => "no_samples",
            Self::TooOld => "too_old",
            Self::InvalidHistogram => "invalid_histogram",
            Self::TooManyBuckets => "too_many_buckets",
            Self::ExemplarTooLong => "exemplar_too_long",
            Self::InvalidMetadata => "invalid_metadata",
            Self::InvalidName => "invalid_name",
            Self::InvalidTemporality => "invalid_temporality",
            Self::MissingTime => "missing_time",
            Self::TooManyExemplars => "too_many_exemplars",
        }
    }
}

/// A series or row that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Invalid {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// The labels of one series as they came. Empty values are left out, because an empty label is an
/// absent one; beyond `max` labels are counted and not kept, so that memory is bounded.
#[derive(Debug)]
pub(crate) struct Pairs<'a> {
    kept: Vec<(&'a [u8], &'a [u8])>,
    total: usize,
    max: usize,
}

impl<'a> Pairs<'a> {
    /// Starts an empty list.
    pub(crate) fn new(max: usize) -> Self {
        Self { kept: Vec::with_capacity(max.min(16)), total: 0, max }
    }

    /// Adds a label.
    pub(crate) fn push(&mut self, name: &'a [u8], value: &'a [u8]) {
        if value.is_empty() {
            return;
        }
        self.total += 1;
        if self.kept.len() < self.max {
            self.kept.push((name, value));
        }
    }

    /// Checks and sorts the labels of a series.
    pub(crate) fn series_labels(&self, limits: &Limits) -> Result<LabelSet, Invalid> {
        if self.total > limits.labels_max {
            let message =
                format!("series has {} labels, limit is {}", self.total, limits.labels_max);
            return Err(Invalid::new(Reason::TooManyLabels, message));
        }
        let labels = self.labels(limits)?;
        if labels.get(METRIC_NAME).is_none() {
            let message = "label \"__name__\" is missing or empty";
            return Err(Invalid::new(Reason::MissingMetricName, message));
        }
        Ok(labels)
    }

    /// Checks and sorts the labels of an exemplar.
    pub(crate) fn exemplar_labels(&self, limits: &Limits) -> Result<LabelSet, Invalid> {
        let bytes: usize = self.kept.iter().map(|(name, value)| name.len() + value.len()).sum();
        let max = limits.exemplar_bytes_max;
        if bytes > max || self.total > self.kept.len() {
            let total = self.total;
            let message = format!("exemplar has {total} labels, limit is {max} bytes in all");
            return Err(Invalid::new(Reason::ExemplarTooLong, message));
        }
        self.labels(limits)
    }

    fn labels(&self, limits: &Limits) -> Result<LabelSet, Invalid> {
        let mut labels = Vec::with_capacity(self.kept.len());
        for (name, value) in &self.kept {
            labels.push(label(name, value, limits)?);
        }
        labels.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let twice = labels.array_windows().find(|[a, b]| a.name == b.name);
        if let Some([label, _]) = twice {
            let message =
                format!("label name is there twice (label {})", shown(label.name.as_bytes()));
            return Err(Invalid::new(Reason::DuplicateLabel, message));
        }
        Ok(LabelSet::from_sorted(labels))
    }
}

fn label(name: &[u8], value: &[u8], limits: &Limits) -> Result<Label, Invalid> {
    if name.is_empty() {
        let message = format!("label name is empty (value {})", shown(value));
        return Err(Invalid::new(Reason::EmptyLabelName, message));
    }
    let at = || format!("(label {})", shown(name));
    let (bytes, max) = (name.len(), limits.label_name_bytes_max);
    if bytes > max {
        let message = format!("label name is {bytes} bytes, limit is {max} {}", at());
        return Err(Invalid::new(Reason::LabelNameTooLong, message));
    }
    let (bytes, max) = (value.len(), limits.label_value_bytes_max);
    if bytes > max {
        let message = format!("label value is {bytes} bytes, limit is {max} {}", at());
        return Err(Invalid::new(Reason::LabelValueTooLong, message));
    }
    let name_text = text(name).map_err(|e| e.of("label name", &at()))?;
    let value_text = text(value).map_err(|e| e.of("label value", &at()))?;
    Ok(Label::new(name_text, value_text))
}

/// Checks text that is stored: UTF-8 without NUL, which ends strings in half of all readers.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, BadText> {
    if memchr(0, bytes).is_some() {
        return Err(BadText::Nul);
    }
    std::str::from_utf8(bytes).map_err(|_| BadText::Utf8)
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadText {
    Nul,
    Utf8,
}

impl BadText {
    fn of(self, what: &str, at: &str) -> Invalid {
        match self {
            Self::Nul => Invalid::new(Reason::Nul, format!("{what} contains NUL {at}")),
            Self::Utf8 => Invalid::new(Reason::InvalidUtf8, format!("{what} is not UTF-8 {at}")),
        }
    }
}

/// Returns a name or value for a message: quoted, cut, readable whatever it holds.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let cut = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let text = String::from_utf8_lossy(cut);
    let more = if cut.len() < bytes.len() { "…" } else { "" };
    format!("{}{more}", Quoted(&text))
}

#[cfg(test)]
mod tests;
