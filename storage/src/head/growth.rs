//! Which labels explode: distinct values per label name among the new series of the last minutes.
//!
//! Where a tenant reaches its limit of series, somebody has put a request id or a mail address into
//! a label; the rejection must name that label, not the limit alone. Only new series are looked at,
//! rejected ones among them, so the cost lies where nothing else is cheap either. A name has a
//! HyperLogLog of 128 bytes (9 % off, which is enough to tell a thousand values from ten), for the
//! current five minutes and for those before.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// How long a window of new series is; what is told looks at one to two of them.
const WINDOW: Duration = Duration::from_secs(300);
/// Label names of one window; those that come later are not counted.
const NAMES_MAX: usize = 128;
/// Names told in a message.
const TOLD_MAX: usize = 3;
/// A message is made at most this often: rejections come in floods.
const TOLD_FOR: Duration = Duration::from_secs(1);
/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = 7;
const REGISTERS: usize = 1 << INDEX_BITS;

/// Counts the new series of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Growth(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    begun: Duration,
    now: Window,
    before: Window,
    told: Option<(Duration, Arc<str>)>,
    /// Room for new series under a rate, and when it was looked at.
    tokens: Option<(f64, Duration)>,
}

#[derive(Debug, Default)]
struct Window {
    names: HashMap<Arc<str>, Sketch>,
}

impl Growth {
    /// Notes a series that is new, whether it is taken or not. `now` is on the monotonic axis.
    pub(crate) fn note(&self, labels: &LabelSet, now: Duration) {
        let mut inner = self.0.lock();
        inner.turn(now);
        for label in labels.iter() {
            let hash = xxh3_64(label.value.as_bytes());
            if let Some(sketch) = inner.now.names.get_mut(&label.name) {
                sketch.add(hash);
            } else if inner.now.names.len() < NAMES_MAX {
                let mut sketch = Sketch::default();
                sketch.add(hash);
                inner.now.names.insert(Arc::clone(&label.name), sketch);
            }
        }
    }

    /// Takes room for one new series where `per_minute` are allowed, that many at once.
    ///
    /// # Errors
    /// When there will be room for as many again.
    pub(crate) fn take(&self, per_minute: u64, now: Duration) -> Result<(), Duration> {
        let rate = per_minute as f64 / 60.0;
        let mut inner = self.0.lock();
        let (tokens, at) = inner.tokens.unwrap_or((per_minute as f64, now));
        let gained = now.saturating_sub(at).as_secs_f64() * rate;
        let tokens = (tokens + gained).min(per_minute as f64);
        let enough = tokens >= 1.0;
        inner.tokens = Some((if enough { tokens - 1.0 } else { tokens }, now));
        // Who comes back for a single series would be turned away at the next.
        if enough { Ok(()) } else { Err(Duration::from_secs_f64((1.0 / rate).max(15.0))) }
    }

    /// Returns the label names with the most distinct values among new series, most first.
    pub(crate) fn exploding(&self, now: Duration, most: usize) -> Vec<(Arc<str>, u64)> {
        let mut inner = self.0.lock();
        inner.turn(now);
        inner.exploding(most)
    }

    /// Returns a sentence about them, made at most once a second.
    pub(crate) fn told(&self, now: Duration) -> Arc<str> {
        let mut inner = self.0.lock();
        inner.turn(now);
        if let Some((at, text)) = &inner.told
            && now.saturating_sub(*at) < TOLD_FOR
        {
            return Arc::clone(text);
        }
        let names: Vec<String> = inner
            .exploding(TOLD_MAX)
            .into_iter()
            .map(|(name, values)| format!("{name:?} (about {values} values)"))
            .collect();
        let text: Arc<str> = match names.as_slice() {
            [] => "".into(),
            _ => format!("; new series differ most in {}", names.join(", ")).into(),
        };
        inner.told = Some((now, Arc::clone(&text)));
        text
    }
}

impl Inner {
    /// Begins a new window where it is time.
    fn turn(&mut self, now: Duration) {
        let age = now.saturating_sub(self.begun);
        if age < WINDOW {
            return;
        }
        let last = std::mem::take(&mut self.now);
        self.before = if age < 2 * WINDOW { last } else { Window::default() };
        self.begun = now;
    }

    fn exploding(&self, most: usize) -> Vec<(Arc<str>, u64)> {
        let mut names: HashMap<&Arc<str>, Sketch> = HashMap::default();
        for (name, sketch) in self.now.names.iter().chain(&self.before.names) {
            names.entry(name).or_default().merge(sketch);
        }
        let mut found: Vec<(Arc<str>, u64)> = names
            .into_iter()
            .map(|(name, sketch)| (Arc::clone(name), sketch.estimate()))
            .filter(|(_, values)| *values > 1)
            .collect();
        found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found.truncate(most);
        found
    }
}

/// Estimates how many different hashes were added.
#[derive(Debug, Clone)]
struct Sketch([u8; REGISTERS]);

impl Default for Sketch {
    fn default() -> Self {
        Self([0; REGISTERS])
    }
}

impl Sketch {
    fn add(&mut self, hash: u64) {
        let register = &mut self.0[(hash >> (64 - INDEX_BITS)) as usize];
        // The length of the run of zeros in what is left, plus one; the bit below ends it.
        let rest = hash << INDEX_BITS | 1 << (INDEX_BITS - 1);
        *register = (*register).max(rest.leading_zeros() as u8 + 1);
    }

    fn merge(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own = (*own).max(other);
        }
    }

    fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|run| 0.5f64.powi(i32::from(*run))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let empty = self.0.iter().filter(|run| **run == 0).count();
        // Below two and a half times the registers counting the empty ones is more exact.
        let exact = if raw <= 2.5 * registers && empty > 0 {
            registers * (registers / empty as f64).ln()
        } else {
            raw
        };
        exact.round() as u64
    }
}

#[cfg(test)]
mod tests;
