//! `and`, `or`, `unless`: presence decides, values pass through.

use super::{Matching, Signatures};
use crate::ast::BinaryOp;
use crate::exec::context::{Context, Reservation};
use crate::exec::operator::{Operator, Pull, Series};
use crate::exec::steps::{Bits, Steps};
use crate::query::Result;

/// A set operator. `and` and `unless` read the right side first and stream the left; `or` yields the
/// left side while noting where it has samples, then what the right side adds.
pub(crate) struct SetJoin {
    lhs: Box<dyn Operator>,
    rhs: Box<dyn Operator>,
    op: BinaryOp,
    matching: Matching,
    steps: usize,
    left: Vec<u32>,
    right: Vec<u32>,
    /// Where the side that was read first has samples, by signature.
    present: Vec<Bits>,
    held: Option<Reservation>,
    pulled: usize,
    right_turn: bool,
}

impl SetJoin {
    pub(crate) fn new(
        lhs: Box<dyn Operator>,
        rhs: Box<dyn Operator>,
        op: BinaryOp,
        matching: Matching,
        steps: usize,
    ) -> Self {
        Self {
            lhs,
            rhs,
            op,
            matching,
            steps,
            left: Vec::new(),
            right: Vec::new(),
            present: Vec::new(),
            held: None,
            pulled: 0,
            right_turn: false,
        }
    }

    async fn begin(&mut self, cx: &Context) -> Result<Vec<Series>> {
        let mut left = self.lhs.open(cx).await?;
        let right = self.rhs.open(cx).await?;
        let mut signatures = Signatures::default();
        self.left = signatures.of_all(&self.matching, &left, cx)?;
        self.right = signatures.of_all(&self.matching, &right, cx)?;
        self.held = Some(cx.reserve_bytes(signatures.len() * self.steps / 8)?);
        self.present = vec![Bits::new(self.steps); signatures.len()];
        if self.op == BinaryOp::Or {
            left.extend(right);
        }
        Ok(left)
    }

    async fn pull(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if self.op == BinaryOp::Or {
            return self.pull_or(cx, out).await;
        }
        if self.pulled == 0 {
            let mut at = 0;
            while self.rhs.next(cx, out).await? {
                cx.work(self.steps)?;
                self.present[self.right[at] as usize].union(&out.present());
                at += 1;
            }
        }
        if !self.lhs.next(cx, out).await? {
            return Ok(false);
        }
        let partner = &self.present[self.left[self.pulled] as usize];
        if self.op == BinaryOp::And {
            out.keep(partner);
        } else {
            drop_steps(out, partner);
        }
        self.pulled += 1;
        Ok(true)
    }

    async fn pull_or(&mut self, cx: &Context, out: &mut Steps) -> Result<bool> {
        if !self.right_turn {
            if self.lhs.next(cx, out).await? {
                self.present[self.left[self.pulled] as usize].union(&out.present());
                self.pulled += 1;
                return Ok(true);
            }
            self.right_turn = true;
            self.pulled = 0;
        }
        if !self.rhs.next(cx, out).await? {
            return Ok(false);
        }
        drop_steps(out, &self.present[self.right[self.pulled] as usize]);
        self.pulled += 1;
        Ok(true)
    }
}

fn drop_steps(out: &mut Steps, steps: &Bits) {
    out.valid.subtract(steps);
    out.histograms.retain(|(step, _)| !steps.get(*step as usize));
}

impl Operator for SetJoin {
    fn open<'a>(&'a mut self, cx: &'a Context) -> Pull<'a, Vec<Series>> {
        Box::pin(self.begin(cx))
    }

    fn next<'a>(&'a mut self, cx: &'a Context, out: &'a mut Steps) -> Pull<'a, bool> {
        Box::pin(self.pull(cx, out))
    }
}
