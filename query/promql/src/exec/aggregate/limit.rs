//! `limitk` and `limit_ratio`: some series of each group, whatever their values.
//!
//! Both stream: `limitk` counts what it let pass per group and step, and `limit_ratio` decides by a
//! hash of the labels alone, so that the same series pass at every step, in every query and on every
//! server, and `limit_ratio(r)` and `limit_ratio(r - 1)` are each other's complement.

use xxhash_rust::xxh64::xxh64;

use super::Grouping;
use super::top::check_limits;
use crate::exec::context::{Context, Reservation};
use crate::exec::operator::{Operator, Pull, Series};
use crate::exec::scalar::ScalarOperator;
use crate::exec::steps::{Bits, Steps};
use crate::functions::range::Numbers;
use crate::query::{QueryError, Result};

/// `limitk` or `limit_ratio`.
pub(crate) struct Limit {
    child: Box<dyn Operator>,
    grouping: Grouping,
    param: ScalarOperator,
    ratio: bool,
    steps: usize,
    limits: Numbers,
    groups: Vec<u32>,
    /// How many passed, groups first; only for `limitk`.
    passed: Vec<u32>,
    /// Where each series lies between 0 and 1; only for `limit_ratio`.
    offsets: Vec<f64>,
    pulled: usize,
    held: Option<Reservation>,
}

impl Limit {
    pub(crate) fn new(
        child: Box<dyn Operator>,
        grouping: Grouping,
        param: ScalarOperator,
        ratio: bool,
        steps: usize,
    ) -> Self {
        Self {
            child,
            grouping,
            param,
            ratio,
            steps,
            limits: Numbers::Const(0.0),
            groups: Vec::new(),
            passed: Vec::new(),
            offsets: Vec::new(),
            pulled: 0,
            held: None,
        }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        self.limits = self.param.evaluate(cx).await?;
        if self.ratio {
            check_ratios(&self.limits, cx)?;
        } else {
            check_limits(&self.limits)?;
        }
        let series = self.child.open(cx).await?;
        if self.ratio {
            self.offsets = series.iter().map(offset).collect();
        } else {
            let (groups, labels) = self.grouping.groups(&series, cx)?;
            let counters = labels.len() * self.steps;
            self.held = Some(cx.reserve_bytes(counters * size_of::<u32>())?);
            self.groups = groups;
            self.passed = vec![0; counters];
        }
        Ok(series)
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if !self.child.next(cx, out).await? {
            return Ok(false);
        }
        cx.work(self.steps)?;
        let mut kept = Bits::new(self.steps);
        for step in out.present().iter() {
            let limit = self.limits.get(step);
            let passes = if self.ratio {
                let at = self.offsets[self.pulled];
                if limit >= 0.0 { at < limit } else { at >= 1.0 + limit }
            } else {
                let passed =
                    &mut self.passed[self.groups[self.pulled] as usize * self.steps + step];
                let room = f64::from(*passed) < limit.trunc();
                *passed += u32::from(room);
                room
            };
            if passes {
                kept.set(step);
            }
        }
        out.keep(&kept);
        self.pulled += 1;
        Ok(true)
    }
}

fn check_ratios(ratios: &Numbers, cx: &Context) -> Result<()> {
    for ratio in ratios.values() {
        if ratio.is_nan() {
            return Err(QueryError::execution("Ratio value is NaN"));
        }
        if !(-1.0..=1.0).contains(ratio) {
            let cap = ratio.signum();
            cx.warn(&format!(
                "ratio value should be between -1 and 1, got {ratio}, capping to {cap}"
            ));
        }
    }
    Ok(())
}

/// Returns where a series lies between 0 and 1: XXH64 of its labels over 2^64. Each string is
/// preceded by its length, in one byte where that is below 255, else as 0xff and three bytes.
fn offset(series: &Series) -> f64 {
    let mut bytes = Vec::new();
    for label in series.iter() {
        for part in [&label.name, &label.value] {
            match u8::try_from(part.len()) {
                Ok(short) if short < u8::MAX => bytes.push(short),
                _ => {
                    bytes.push(u8::MAX);
                    bytes.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
                }
            }
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    xxh64(&bytes, 0) as f64 / u64::MAX as f64
}

impl Operator for Limit {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
