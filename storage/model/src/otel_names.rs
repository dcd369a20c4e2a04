//! OpenTelemetry names → Prometheus names: metrics, units, labels.
//!
//! What OpenTelemetry calls `http.server.duration` with unit `s` dashboards know as
//! `http_server_duration_seconds`. The rules are those of Prometheus' own OTLP receiver, so that
//! queries written for one find the data in the other. A [`Translation`] chooses between four of
//! them: whether characters outside the legacy set become underscores, and whether unit and type are
//! appended. Everything here is a pure function of text; ingest calls it when it meets a series for
//! the first time, never per sample.

use std::borrow::Cow;
use std::fmt;

/// How names are translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Translation {
    /// `http_server_duration_seconds`: what dashboards expect.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// `http_server_duration`.
    UnderscoreEscapingWithoutSuffixes,
    /// `http.server.duration_seconds`.
    NoUtf8EscapingWithSuffixes,
    /// `http.server.duration`: as it came.
    NoTranslation,
}

impl Translation {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::UnderscoreEscapingWithSuffixes,
        Self::UnderscoreEscapingWithoutSuffixes,
        Self::NoUtf8EscapingWithSuffixes,
        Self::NoTranslation,
    ];

    /// Returns the name that Prometheus' configuration uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnderscoreEscapingWithSuffixes => "UnderscoreEscapingWithSuffixes",
            Self::UnderscoreEscapingWithoutSuffixes => "UnderscoreEscapingWithoutSuffixes",
            Self::NoUtf8EscapingWithSuffixes => "NoUTF8EscapingWithSuffixes",
            Self::NoTranslation => "NoTranslation",
        }
    }

    /// Parses the form of [`Translation::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == text)
    }

    /// Returns whether characters outside the legacy set become underscores.
    pub fn escapes(self) -> bool {
        matches!(
            self,
            Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes
        )
    }

    /// Returns whether unit and type are appended.
    pub fn has_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUtf8EscapingWithSuffixes)
    }
}

/// What the suffix of a metric depends on beside its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instrument {
    /// Gets `ratio` where its unit is 1.
    Gauge,
    /// A monotonic sum; gets `total`.
    Counter,
    /// Everything else.
    Other,
}

/// A name of which nothing can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    /// The name as it came.
    name: String,
    /// What it became.
    became: String,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, became } = self;
        match became.is_empty() {
            true => write!(f, "nothing is left of name {name:?} after translation"),
            false => write!(f, "only underscores are left of name {name:?} after translation"),
        }
    }
}

/// Makes the name of a metric family.
///
/// # Errors
/// Nothing, or nothing but underscores, is left of the name.
pub fn metric_name(
    name: &str,
    unit: &str,
    instrument: Instrument,
    translation: Translation,
) -> Result<String, NameError> {
    let made = match translation {
        Translation::UnderscoreEscapingWithSuffixes => tokens(name, unit, instrument),
        Translation::UnderscoreEscapingWithoutSuffixes => before_digit(&joined(name), "_"),
        Translation::NoUtf8EscapingWithSuffixes => appended(name, unit, instrument),
        Translation::NoTranslation => name.to_owned(),
    };
    let only_underscores = made != name && made.bytes().all(|b| b == b'_');
    match made.is_empty() || (translation.escapes() && only_underscores) {
        true => Err(NameError { name: name.to_owned(), became: made }),
        false => Ok(made),
    }
}

/// Makes the name of a unit: `By/s` is `bytes_per_second`. Empty where there is none to tell.
pub fn unit_name(unit: &str) -> String {
    let (main, per) = unit_parts(unit);
    let parts = [escaped_unit(main), escaped_unit(&per)];
    let parts = parts.iter().map(|part| part.trim_matches('_')).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_")
}

/// How attribute keys become label names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelRules {
    /// Characters outside `[A-Za-z0-9_]` become underscores.
    pub escape: bool,
    /// A single underscore in front becomes `key_`, because such names were once private.
    pub key_before_underscore: bool,
    /// Several underscores in a row stay several.
    pub keep_underscores: bool,
}

impl Default for LabelRules {
    fn default() -> Self {
        Self { escape: true, key_before_underscore: true, keep_underscores: true }
    }
}

impl LabelRules {
    /// Makes a label name.
    ///
    /// # Errors
    /// Nothing, or nothing but underscores, is left of the key.
    pub fn name<'k>(&self, key: &'k str) -> Result<Cow<'k, str>, NameError> {
        let made = match self.escape {
            true => self.escaped(key),
            false => Cow::Borrowed(key),
        };
        let only_underscores = self.escape && *made != *key && made.bytes().all(|b| b == b'_');
        match made.is_empty() || only_underscores {
            true => Err(NameError { name: key.to_owned(), became: made.into_owned() }),
            false => Ok(made),
        }
    }

    fn escaped<'k>(&self, key: &'k str) -> Cow<'k, str> {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut name = match key.chars().all(valid) {
            true => Cow::Borrowed(key),
            false => Cow::Owned(key.chars().map(|c| if valid(c) { c } else { '_' }).collect()),
        };
        if !self.keep_underscores && name.contains("__") {
            name = Cow::Owned(fewer_underscores(&name));
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            Cow::Owned(format!("key_{name}"))
        } else if self.key_before_underscore && name.starts_with('_') && !name.starts_with("__") {
            Cow::Owned(format!("key{name}"))
        } else {
            name
        }
    }
}

/// Makes one underscore of several in a row, but for those around a reserved name like `__name__`.
fn fewer_underscores(name: &str) -> String {
    let reserved = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    match reserved.filter(|inner| !inner.is_empty()) {
        Some(inner) => format!("__{}__", single_underscores(inner)),
        None => single_underscores(name),
    }
}

fn single_underscores(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    out
}

/// Returns whether a metric name may contain the character, underscores aside.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// Escapes without suffixes: underscores stay, other separators become one.
fn joined(name: &str) -> String {
    let parts = name.split(|c| !is_name_char(c) && c != '_').filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_")
}

/// Puts something in front of a digit, with which no legacy name begins.
fn before_digit(name: &str, front: &str) -> String {
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    format!("{}{name}", if digit { front } else { "" })
}

/// Escapes with suffixes. A suffix that is among the words of the name already is not repeated.
fn tokens(name: &str, unit: &str, instrument: Instrument) -> String {
    let mut words: Vec<&str> =
        name.split(|c| !is_name_char(c)).filter(|word| !word.is_empty()).collect();
    let (main, per) = unit_parts(unit);
    let (main, per) = (escaped_unit(main), escaped_unit(&per));
    let per = if per == "per_" { "" } else { per.strip_suffix('_').unwrap_or(&per) };
    let per = if words.contains(&per) { "" } else { per };
    let mut main = if words.contains(&&*main) { "" } else { main.as_str() };
    if !per.is_empty() {
        main = main.strip_suffix('_').unwrap_or(main);
    }
    words.extend([main, per].into_iter().filter(|word| !word.is_empty()));
    if let Some(suffix) = type_suffix(unit, instrument) {
        words.retain(|word| *word != suffix);
        words.push(suffix);
    }
    before_digit(&words.join("_"), "_")
}

/// Appends suffixes and leaves the name as it is. One that ends the name already is moved behind the
/// others, with the character before it, whichever separator that is.
fn appended(name: &str, unit: &str, instrument: Instrument) -> String {
    let (main, per) = unit_parts(unit);
    let last = type_suffix(unit, instrument).unwrap_or_default();
    let mut made = without_suffix(without_suffix(name, last), &per).to_owned();
    let main = if made.ends_with(main) { "" } else { main };
    for suffix in [main, per.as_str(), last].into_iter().filter(|suffix| !suffix.is_empty()) {
        made.push('_');
        made.push_str(suffix);
    }
    made
}

fn without_suffix<'n>(name: &'n str, suffix: &str) -> &'n str {
    if suffix.is_empty() {
        return name;
    }
    let Some(rest) = name.strip_suffix(suffix) else { return name };
    let mut before = rest.chars();
    match before.next_back() {
        Some(_) if !before.as_str().is_empty() => before.as_str(),
        _ => name,
    }
}

fn type_suffix(unit: &str, instrument: Instrument) -> Option<&'static str> {
    match instrument {
        Instrument::Counter => Some("total"),
        // Counters of things have unit 1 too, often by mistake; a ratio they are not.
        Instrument::Gauge if unit == "1" => Some("ratio"),
        Instrument::Gauge | Instrument::Other => None,
    }
}

/// Splits a unit at its first slash and translates both sides. Annotations in braces say what is
/// counted, not in what unit, and are dropped.
fn unit_parts(unit: &str) -> (&str, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let named = |text: &str| !text.is_empty() && !text.contains(['{', '}']);
    let main = Some(main.trim()).filter(|text| named(text)).unwrap_or_default();
    let per = Some(per.trim()).filter(|text| named(text));
    let per = per.map(|text| format!("per_{}", per_unit(text).unwrap_or(text)));
    (main_unit(main).unwrap_or(main), per.unwrap_or_default())
}

/// Brings a unit into the characters of metric names.
fn escaped_unit(unit: &str) -> String {
    let escaped: String = unit.chars().map(|c| if is_name_char(c) { c } else { '_' }).collect();
    let single = single_underscores(&escaped);
    single.strip_prefix('_').map_or(single.clone(), str::to_owned)
}

/// Units with a word of their own.
fn main_unit(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        // So misspelled everywhere that the right word would find no dashboard.
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        _ => return None,
    })
}

/// Units behind a slash, in the singular.
fn per_unit(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
