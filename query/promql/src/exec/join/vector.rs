//! Arithmetic and comparisons between two vectors.
//!
//! The "one" side is read first and held; the "many" side (the left one where both are one) streams
//! by. A series of the many side and one of the one side with the same signature make an output
//! series. Usually a signature has one series on the one side; if there are several, they must not
//! have samples at the same step, and all of them become partners.

use std::sync::Arc;

use tarn_model::labels::LabelSet;

use super::{Matching, Signatures, braces};
use crate::ast::{Cardinality, VectorMatching};
use crate::exec::arithmetic::{Operation, drop_untrimmed, histograms_with_steps, with_steps};
use crate::exec::context::{Context, LABELS_WORK, Reservation};
use crate::exec::operator::{Operator, Pull, Series, is_metadata, without_names};
use crate::exec::steps::{Bits, Steps};
use crate::query::{QueryError, Result};

const EXPLICIT: &str =
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
/// Error of two output series with the same labels at the same step.
const GROUPING: &str = "multiple matches for labels: grouping labels must ensure unique matches";

/// A join of two vectors with an arithmetic operator or a comparison.
pub(crate) struct VectorJoin {
    many: Box<dyn Operator>,
    one: Box<dyn Operator>,
    /// The many side is the right-hand side of the operator.
    swapped: bool,
    operation: Operation,
    matching: Matching,
    include: Vec<Arc<str>>,
    one_to_one: bool,
    steps: usize,
    one_series: Vec<Series>,
    /// Signature of each series of the one side.
    one_signatures: Vec<u32>,
    /// Series of the one side by signature.
    partners: Vec<Vec<u32>>,
    /// Signature of each series of the many side.
    many_signatures: Vec<u32>,
    /// How many series of the many side have the signature.
    many_counts: Vec<u32>,
    one_steps: Vec<Steps>,
    /// Steps of a signature that have matched, where several series of the many side might.
    matched: Vec<Bits>,
    duplicate: Option<Duplicate>,
    held: Vec<Reservation>,
    read_one: bool,
    current: Steps,
    /// The series of the many side in `current`, and its next partner; after the last one comes the
    /// value that fills in for a missing one.
    pulled: usize,
    partner: usize,
    fill: Fill,
    /// Where each signature has samples on the many side, if missing ones are filled in.
    many_present: Vec<Bits>,
    /// The series of the one side whose missing partners are filled in next.
    filled: usize,
}

/// Values that stand in for a missing side.
#[derive(Debug, Clone, Copy, Default)]
struct Fill {
    many: Option<f64>,
    one: Option<f64>,
}

/// Two series of the one side with samples at the same step.
struct Duplicate {
    steps: Bits,
    message: String,
}

impl VectorJoin {
    pub(crate) fn new(
        lhs: Box<dyn Operator>,
        rhs: Box<dyn Operator>,
        operation: Operation,
        matching: &VectorMatching,
        steps: usize,
    ) -> Self {
        let swapped = matching.cardinality == Cardinality::OneToMany;
        let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
        Self {
            many,
            one,
            swapped,
            operation,
            matching: Matching::new(matching),
            include: matching.include.clone(),
            one_to_one: matching.cardinality == Cardinality::OneToOne,
            steps,
            one_series: Vec::new(),
            one_signatures: Vec::new(),
            partners: Vec::new(),
            many_signatures: Vec::new(),
            many_counts: Vec::new(),
            one_steps: Vec::new(),
            matched: Vec::new(),
            duplicate: None,
            held: Vec::new(),
            read_one: false,
            current: Steps::default(),
            pulled: 0,
            partner: 0,
            // Upstream swaps the sides of `group_right` before it looks at these, so `fill_left`
            // fills in the many side in both cases.
            fill: Fill { many: matching.fill.left, one: matching.fill.right },
            many_present: Vec::new(),
            filled: 0,
        }
    }

    /// Returns the error text for output series with the same labels that meet.
    pub(crate) fn overlap_error(one_to_one: bool) -> &'static str {
        if one_to_one { EXPLICIT } else { GROUPING }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        let many = self.many.open(cx).await?;
        self.one_series = self.one.open(cx).await?;
        let mut signatures = Signatures::default();
        self.many_signatures = signatures.of_all(&self.matching, &many, cx)?;
        self.one_signatures = signatures.of_all(&self.matching, &self.one_series, cx)?;
        self.partners = vec![Vec::new(); signatures.len()];
        for (at, signature) in self.one_signatures.iter().enumerate() {
            self.partners[*signature as usize].push(at as u32);
        }
        self.many_counts = vec![0; signatures.len()];
        self.many_signatures.iter().for_each(|s| self.many_counts[*s as usize] += 1);
        self.matched = vec![Bits::default(); signatures.len()];
        let mut output = Vec::new();
        for (at, series) in many.iter().enumerate() {
            for partner in &self.partners[self.many_signatures[at] as usize] {
                cx.work(LABELS_WORK)?;
                output.push(self.result(series, &self.one_series[*partner as usize], cx));
            }
            if self.fill.one.is_some() {
                output.push(self.result(series, &Series::new(LabelSet::default()), cx));
            }
        }
        if self.fill.many.is_some() {
            self.held.push(cx.reserve_bytes(signatures.len() * self.steps / 8)?);
            self.many_present = vec![Bits::new(self.steps); signatures.len()];
            for one in &self.one_series {
                output.push(self.result(&self.matched_labels(one), one, cx));
            }
        }
        Ok(output)
    }

    /// Returns the identity of a missing series of the many side: the labels that must match.
    fn matched_labels(&self, one: &Series) -> Series {
        let labels = one.shown();
        Series::new(labels.filtered(|l| {
            let named = self.matching.names(&l.name);
            if self.matching.on { named } else { !named && !is_metadata(&l.name) }
        }))
    }

    /// Returns the identity of the join of two series.
    fn result(&self, many: &Series, one: &Series, cx: &Context) -> Series {
        let mut labels = many.shown();
        if self.operation.makes_quantity() {
            labels = without_names(&labels);
        }
        if self.one_to_one {
            let on = self.matching.on;
            labels = labels.filtered(|l| self.matching.names(&l.name) == on);
        }
        for name in &self.include {
            labels = labels.with(name, one.value(name));
        }
        let mut series = many.relabelled(labels);
        if self.operation.return_bool {
            series.drop_name(cx.delayed_names());
        }
        series
    }

    async fn read_one_side(&mut self, cx: &Context) -> Result<()> {
        let mut steps = Steps::default();
        let mut at = 0;
        // Where each signature with several series has samples so far.
        let mut seen: Vec<Bits> = vec![Bits::default(); self.partners.len()];
        while self.one.next(cx, &mut steps).await? {
            cx.work(self.steps)?;
            let signature = self.one_signatures[at] as usize;
            if self.partners[signature].len() > 1 {
                self.note_duplicates(&mut seen[signature], &steps, at);
            }
            if self.many_counts[signature] > 0 || self.fill.many.is_some() {
                self.held.push(cx.reserve_samples(self.steps)?);
                self.one_steps.push(steps.clone());
            } else {
                self.one_steps.push(Steps::default());
            }
            at += 1;
        }
        Ok(())
    }

    fn note_duplicates(&mut self, seen: &mut Bits, steps: &Steps, at: usize) {
        let present = steps.present();
        if *seen == Bits::default() {
            *seen = present;
            return;
        }
        let mut both = seen.clone();
        both.intersect(&present);
        seen.union(&present);
        let Some(step) = both.iter().next() else { return };
        if self.duplicate.as_ref().is_none_or(|d| !d.steps.any()) {
            let message = self.duplicate_text(at, step);
            self.duplicate = Some(Duplicate { steps: Bits::new(self.steps), message });
        }
        if let Some(duplicate) = &mut self.duplicate {
            duplicate.steps.union(&both);
        }
    }

    fn duplicate_text(&self, at: usize, step: usize) -> String {
        let signature = self.one_signatures[at] as usize;
        let has = |other: &&u32| {
            let steps = &self.one_steps[**other as usize];
            !steps.values.is_empty() && steps.present().get(step)
        };
        let earlier = self.partners[signature].iter().take_while(|p| (**p as usize) < at);
        let other = earlier.clone().find(has).or_else(|| self.partners[signature].first());
        let other = other.map_or(at, |p| *p as usize);
        let text = |at: usize| {
            let labels = self.one_series[at].shown();
            braces(labels.iter().map(|l| (&*l.name, &*l.value)))
        };
        let mut pair = [text(other), text(at)];
        pair.sort();
        let side = if self.swapped { "left" } else { "right" };
        format!(
            "found duplicate series for the match group {} on the {side} hand-side of the \
             operation: [{}, {}];many-to-many matching not allowed: matching labels must be \
             unique on one side",
            self.matching.group_text(&self.one_series[at]),
            pair[0],
            pair[1],
        )
    }

    /// Reads the next series of the many side that has partners; `false` after the last one.
    async fn advance(&mut self, cx: &Context) -> Result<bool> {
        while self.many.next(cx, &mut self.current).await? {
            cx.work(self.steps)?;
            self.pulled += 1;
            self.partner = 0;
            let present = self.current.present();
            if let Some(duplicate) = &self.duplicate
                && present.overlaps(&duplicate.steps)
            {
                return Err(QueryError::execution(duplicate.message.clone()));
            }
            let signature = self.many_signatures[self.pulled - 1] as usize;
            if let Some(many_present) = self.many_present.get_mut(signature) {
                many_present.union(&present);
            }
            if self.partner_count(signature) > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if !std::mem::replace(&mut self.read_one, true) {
            self.read_one_side(cx).await?;
        }
        cx.work(self.steps)?;
        let exhausted = self.pulled == 0 || {
            let signature = self.many_signatures[self.pulled - 1] as usize;
            self.partner == self.partner_count(signature)
        };
        if exhausted && !self.advance(cx).await? {
            return Ok(self.fill_many(out, cx));
        }
        let signature = self.many_signatures[self.pulled - 1] as usize;
        self.partner += 1;
        let Some(one) = self.partners[signature].get(self.partner - 1) else {
            self.fill_one(signature, out, cx);
            return Ok(true);
        };
        let one = &self.one_steps[*one as usize];
        if self.one_to_one && self.many_counts[signature] > 1 {
            // What a comparison will filter away has matched all the same.
            let mut both = self.current.present();
            both.intersect(&one.present());
            let matched = &mut self.matched[signature];
            if *matched == Bits::default() {
                *matched = Bits::new(self.steps);
            }
            if matched.overlaps(&both) {
                return Err(QueryError::execution(EXPLICIT));
            }
            matched.union(&both);
        }
        self.combine(&self.current, one, out, cx);
        Ok(true)
    }

    /// Returns how many output series one of the many side makes.
    fn partner_count(&self, signature: usize) -> usize {
        self.partners[signature].len() + usize::from(self.fill.one.is_some())
    }

    /// Computes the steps of the current series at which it has no partner.
    fn fill_one(&self, signature: usize, out: &mut Steps, cx: &Context) {
        let mut one = constant(self.fill.one, self.steps);
        for partner in &self.partners[signature] {
            one.valid.subtract(&self.one_steps[*partner as usize].present());
        }
        self.combine(&self.current, &one, out, cx);
    }

    /// Computes the steps of the next series of the one side at which nothing matched it; `false`
    /// after the last one, or where missing series are not filled in.
    fn fill_many(&mut self, out: &mut Steps, cx: &Context) -> bool {
        let Some(one) = self.one_steps.get(self.filled).filter(|_| self.fill.many.is_some()) else {
            return false;
        };
        let mut many = constant(self.fill.many, self.steps);
        many.valid.subtract(&self.many_present[self.one_signatures[self.filled] as usize]);
        self.combine(&many, one, out, cx);
        self.filled += 1;
        true
    }

    fn combine(&self, many: &Steps, one: &Steps, out: &mut Steps, cx: &Context) {
        out.reset(self.steps);
        out.values.copy_from_slice(&many.values);
        out.valid.clone_from(&many.valid);
        with_steps(self.operation, out, one, self.swapped);
        drop_untrimmed(self.operation.op, out, cx);
        if !many.histograms.is_empty() || !one.histograms.is_empty() {
            histograms_with_steps(self.operation, (many, one), self.swapped, out, cx);
        }
    }
}

/// Returns a series that has the value at every step.
fn constant(value: Option<f64>, steps: usize) -> Steps {
    let mut constant = Steps::default();
    constant.reset(steps);
    constant.values.fill(value.unwrap_or(f64::NAN));
    constant.valid.fill();
    constant
}

impl Operator for VectorJoin {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
