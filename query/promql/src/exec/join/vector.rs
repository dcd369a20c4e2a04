//! Arithmetic and comparisons between two vectors.
//!
//! The "one" side is read first and held; the "many" side (the left one where both are one) streams
//! by. A series of the many side and one of the one side with the same signature make an output
//! series. Usually a signature has one series on the one side; if there are several, they must not
//! have samples at the same step, and all of them become partners.

use std::sync::Arc;

use super::{Matching, Signatures, braces};
use crate::ast::{Cardinality, VectorMatching};
use crate::exec::arithmetic::{Operation, histograms_with_steps, with_steps};
use crate::exec::context::{Context, Reservation};
use crate::exec::operator::{Operator, Pull, Series, without_names};
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
    /// The series of the many side in `current`, and its next partner.
    pulled: usize,
    partner: usize,
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
        self.many_signatures = signatures.of_all(&self.matching, &many);
        self.one_signatures = signatures.of_all(&self.matching, &self.one_series);
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
                output.push(self.result(series, &self.one_series[*partner as usize], cx));
            }
        }
        Ok(output)
    }

    /// Returns the identity of the join of two series.
    fn result(&self, many: &Series, one: &Series, cx: &Context) -> Series {
        let mut labels = many.shown();
        if !self.operation.op.is_comparison() {
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
            let signature = self.one_signatures[at] as usize;
            if self.partners[signature].len() > 1 {
                self.note_duplicates(&mut seen[signature], &steps, at);
            }
            if self.many_counts[signature] > 0 {
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
            self.pulled += 1;
            self.partner = 0;
            if let Some(duplicate) = &self.duplicate
                && self.current.present().overlaps(&duplicate.steps)
            {
                return Err(QueryError::execution(duplicate.message.clone()));
            }
            let signature = self.many_signatures[self.pulled - 1] as usize;
            if !self.partners[signature].is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if !std::mem::replace(&mut self.read_one, true) {
            self.read_one_side(cx).await?;
        }
        let exhausted = self.pulled == 0 || {
            let signature = self.many_signatures[self.pulled - 1] as usize;
            self.partner == self.partners[signature].len()
        };
        if exhausted && !self.advance(cx).await? {
            return Ok(false);
        }
        let signature = self.many_signatures[self.pulled - 1] as usize;
        let one = &self.one_steps[self.partners[signature][self.partner] as usize];
        self.partner += 1;
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
        self.combine(one, out, cx);
        Ok(true)
    }

    fn combine(&self, one: &Steps, out: &mut Steps, cx: &Context) {
        out.reset(self.steps);
        out.values.copy_from_slice(&self.current.values);
        out.valid.clone_from(&self.current.valid);
        with_steps(self.operation, out, one, self.swapped);
        if !self.current.histograms.is_empty() || !one.histograms.is_empty() {
            let sides = (&self.current, one);
            histograms_with_steps(self.operation, sides, self.swapped, out, cx);
        }
    }
}

impl Operator for VectorJoin {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
