//! Times and durations as Go's templates see them: methods, and how they print.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use tarn_template::{Function, Kind, Object, Underlying, Value};

pub(super) mod layout;

/// Go's name of a time.
pub(super) const TIME: Kind = Kind::Type("time.Time");
const DURATION: Kind = Kind::Type("time.Duration");

/// A moment in a zone (`time.Time`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Time(pub(super) Zoned);

/// A duration in nanoseconds (`time.Duration`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Duration(pub(super) i64);

impl Time {
    /// Returns a moment in UTC; one that no calendar has is the nearest that one has.
    pub(super) fn of_ms(ms: i64) -> Self {
        let nearest = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let moment = Timestamp::from_millisecond(ms).unwrap_or(nearest);
        Self(moment.to_zoned(TimeZone::UTC))
    }

    /// Returns Go's zero time: the first second of the year 1.
    pub(super) fn zero() -> Self {
        Self::of_ms(ZERO_MS)
    }

    /// Returns the same moment in another zone.
    pub(super) fn with_zone(&self, name: &str) -> Result<Self, String> {
        let zone = match name {
            "" | "UTC" => TimeZone::UTC,
            "Local" => TimeZone::system(),
            name => TimeZone::get(name).map_err(|_| format!("unknown time zone {name}"))?,
        };
        Ok(Self(self.0.with_time_zone(zone)))
    }

    pub(super) fn since(&self, earlier: &Self) -> Duration {
        let nanos = self.0.timestamp().as_nanosecond() - earlier.0.timestamp().as_nanosecond();
        let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
        Duration(i64::try_from(nanos).unwrap_or(nearest))
    }

    fn plus(&self, duration: Duration) -> Result<Self, String> {
        let sum = self.0.checked_add(SignedDuration::from_nanos(duration.0));
        sum.map(Self).map_err(|_| "time out of range".to_owned())
    }

    pub(super) fn value(self) -> Value {
        Value::object(self)
    }
}

/// `0001-01-01T00:00:00Z`.
const ZERO_MS: i64 = -62_135_596_800_000;

/// A function without parameters over a copy of the object.
fn getter<T: Clone + Send + Sync + 'static>(of: &T, get: fn(&T) -> Value) -> Function {
    Function::constant(get(of))
}

impl Object for Time {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn method(&self, name: &str) -> Option<Function> {
        let time = self.clone();
        Some(match name {
            "Format" => Function::new(&[Kind::Text], move |arguments| {
                let layout = arguments.first().and_then(Value::as_text).unwrap_or_default();
                Ok(Value::from(layout::format(&time.0, layout)))
            }),
            "Add" => Function::new(&[DURATION], move |arguments| {
                let duration = arguments.first().and_then(Value::downcast::<Duration>);
                time.plus(*duration.unwrap_or(&Duration(0))).map(Self::value)
            }),
            "AddDate" => Function::new(&[Kind::Int, Kind::Int, Kind::Int], move |arguments| {
                add_date(&time, arguments)
            }),
            "Sub" => with_time(move |other| Value::object(time.since(other))),
            "After" => with_time(move |other| Value::Bool(time.0 > other.0)),
            "Before" => with_time(move |other| Value::Bool(time.0 < other.0)),
            "Equal" => with_time(move |other| Value::Bool(time.0 == other.0)),
            "UTC" => Function::constant(Self(time.0.with_time_zone(TimeZone::UTC)).value()),
            "Local" => Function::constant(Self(time.0.with_time_zone(TimeZone::system())).value()),
            "String" => getter(self, |time| Value::from(layout::string(&time.0))),
            "IsZero" => {
                getter(self, |time| Value::Bool(time.0.timestamp().as_millisecond() == ZERO_MS))
            }
            name => Function::constant(number_of(&self.0, name)?),
        })
    }

    fn underlying(&self) -> Underlying<'_> {
        Underlying::Struct(&[])
    }

    fn text(&self) -> Option<String> {
        Some(layout::string(&self.0))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn with_time(call: impl Fn(&Time) -> Value + Send + Sync + 'static) -> Function {
    Function::new(&[TIME], move |arguments| {
        let time = arguments.first().and_then(Value::downcast::<Time>);
        time.map(&call).ok_or_else(|| "not a time".to_owned())
    })
}

fn add_date(time: &Time, arguments: &[Value]) -> Result<Value, String> {
    let count = |at: usize| match arguments.get(at) {
        Some(Value::Int(count)) => *count,
        _ => 0,
    };
    let span = jiff::Span::new().try_years(count(0)).and_then(|span| span.try_months(count(1)));
    let sum =
        span.and_then(|span| span.try_days(count(2))).and_then(|span| time.0.checked_add(span));
    sum.map(|sum| Time(sum).value()).map_err(|_| "time out of range".to_owned())
}

/// The numbers and names of a moment.
fn number_of(time: &Zoned, name: &str) -> Option<Value> {
    // Towards the past, as in Go: half a second before the epoch is second -1.
    let nanos = time.timestamp().as_nanosecond();
    let unix = |unit: i128| Value::Int(i64::try_from(nanos.div_euclid(unit)).unwrap_or(i64::MAX));
    Some(match name {
        "Unix" => unix(1_000_000_000),
        "UnixMilli" => unix(1_000_000),
        "UnixMicro" => unix(1_000),
        "UnixNano" => unix(1),
        "Year" => Value::Int(i64::from(time.year())),
        "Month" => Value::object(Named {
            type_name: "time.Month",
            number: i64::from(time.month()),
            text: layout::MONTHS[usize::try_from(time.month() - 1).unwrap_or(0) % 12],
        }),
        "Weekday" => Value::object(Named {
            type_name: "time.Weekday",
            number: i64::from(time.weekday().to_sunday_zero_offset()),
            text: layout::weekday(time),
        }),
        "Day" => Value::Int(i64::from(time.day())),
        "YearDay" => Value::Int(i64::from(time.day_of_year())),
        "Hour" => Value::Int(i64::from(time.hour())),
        "Minute" => Value::Int(i64::from(time.minute())),
        "Second" => Value::Int(i64::from(time.second())),
        "Nanosecond" => Value::Int(i64::from(time.subsec_nanosecond())),
        _ => return None,
    })
}

/// A number that prints as a name: month and weekday.
#[derive(Debug)]
struct Named {
    type_name: &'static str,
    number: i64,
    text: &'static str,
}

impl Object for Named {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn method(&self, name: &str) -> Option<Function> {
        (name == "String").then(|| Function::constant(Value::text(self.text)))
    }

    fn underlying(&self) -> Underlying<'_> {
        Underlying::Plain(Value::Int(self.number))
    }

    fn text(&self) -> Option<String> {
        Some(self.text.to_owned())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Duration {
    pub(super) fn seconds(self) -> f64 {
        // Whole seconds and the rest apart, as Go does: no digit is lost for long durations.
        (self.0 / 1_000_000_000) as f64 + (self.0 % 1_000_000_000) as f64 / 1e9
    }

    /// Writes `1h2m3.5s`.
    fn string(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let (scale, unit) = match nanos {
            0 => return "0s".to_owned(),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "\u{b5}s"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        let width = scale.to_string().len() - 1;
        let whole = nanos / scale;
        let fraction = match nanos % scale {
            0 => String::new(),
            rest => format!(".{}", format!("{rest:0width$}").trim_end_matches('0')),
        };
        let clock = match (unit, whole / 3_600, whole / 60 % 60) {
            ("s", 0, 0) => String::new(),
            ("s", 0, minutes) => format!("{minutes}m"),
            ("s", hours, minutes) => format!("{hours}h{minutes}m"),
            _ => return format!("{sign}{whole}{fraction}{unit}"),
        };
        format!("{sign}{clock}{}{fraction}s", whole % 60)
    }

    fn rounded(self, to: i64, half_up: bool) -> Self {
        if to <= 0 {
            return self;
        }
        let rest = self.0 % to;
        let cut = self.0 - rest;
        match half_up && rest.unsigned_abs() >= to.unsigned_abs() - rest.unsigned_abs() {
            true => Self(cut.saturating_add(to * rest.signum())),
            false => Self(cut),
        }
    }
}

impl Object for Duration {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }

    fn method(&self, name: &str) -> Option<Function> {
        let duration = *self;
        let round = |half_up| {
            Function::new(&[DURATION], move |arguments| {
                let to = arguments.first().and_then(Value::downcast::<Self>);
                Ok(Value::object(duration.rounded(to.map_or(0, |to| to.0), half_up)))
            })
        };
        Some(match name {
            "String" => Function::constant(Value::from(self.string())),
            "Hours" => Function::constant(Value::Float(self.seconds() / 3_600.0)),
            "Minutes" => Function::constant(Value::Float(self.seconds() / 60.0)),
            "Seconds" => Function::constant(Value::Float(self.seconds())),
            "Milliseconds" => Function::constant(Value::Int(self.0 / 1_000_000)),
            "Microseconds" => Function::constant(Value::Int(self.0 / 1_000)),
            "Nanoseconds" => Function::constant(Value::Int(self.0)),
            "Abs" => Function::constant(Value::object(Self(self.0.saturating_abs()))),
            "Round" => round(true),
            "Truncate" => round(false),
            _ => return None,
        })
    }

    fn underlying(&self) -> Underlying<'_> {
        Underlying::Plain(Value::Int(self.0))
    }

    fn text(&self) -> Option<String> {
        Some(self.string())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[cfg(test)]
mod tests;
