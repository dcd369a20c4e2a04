//! A request that asks more than once: PromQL first, then rows, each in its turn within one time
//! limit, and what all of it took.

use std::time::Duration;

use tarn_model::error::Error;

use super::{Call, stats};
use crate::api::reply::{Failure, Gone, Remarks, Sink};
use crate::engine::names_outcome;
use crate::govern::memory::Account;
use crate::govern::metrics::Outcome;
use crate::govern::{Report, Running};
use crate::search::scan::{Cost, End};
use crate::services::ask::Asker;
use crate::services::window::Window;

/// What is looked at where a request does not say: the last hour.
const SPAN_MS: i64 = 3_600_000;

/// Steps of a series at most: more than a chart has pixels to spare for.
const POINTS_MAX: usize = 1_000;

/// What is to be told beside an answer, collected while it is put together.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) partial: Option<String>,
    pub(super) warnings: Vec<String>,
    pub(super) cost: Cost,
    pub(super) out_of_time: bool,
}

impl Notes {
    /// Notes that rows may be missing.
    pub(super) fn partial(&mut self, why: Option<String>) {
        if self.partial.is_none() {
            self.partial = why;
        }
    }
}

impl Call {
    /// Reads `start`, `end` and `points`.
    pub(super) fn window(&self, points: usize) -> Result<Window, Failure> {
        let now_ms = self.engine.clock().now().as_millis();
        let end_ms = self.params.time_or("end", now_ms)?;
        let start_ms = self.params.time_or("start", end_ms.saturating_sub(SPAN_MS))?;
        if end_ms <= start_ms {
            return Err(Failure::parameter("end", "end timestamp must be after start time"));
        }
        let points = match self.params.get("points") {
            "" => points,
            given => {
                given.parse().ok().filter(|n| (1..=POINTS_MAX).contains(n)).ok_or_else(|| {
                    let message = format!("{given:?} is not a number from 1 to {POINTS_MAX}");
                    Failure::parameter("points", message)
                })?
            }
        };
        Ok(Window::new(start_ms, end_ms, points))
    }

    /// Begins to ask.
    pub(super) fn asker(&self) -> Result<Asker<'_>, Failure> {
        Ok(Asker {
            engine: &self.engine,
            tenant: &self.tenant,
            cancel: self.cancel.clone(),
            timeout: self.timeout()?,
            partial: None,
        })
    }

    /// Gives the slot of a read back, and notes what it took.
    pub(super) fn finished<T>(
        &self,
        running: Running,
        text: &str,
        cost: Cost,
        result: Result<(T, End), Error>,
        notes: &mut Notes,
    ) -> Result<T, Failure> {
        let outcome = match &result {
            Ok((_, End::Whole)) => Outcome::Ok,
            Ok((_, End::OutOfTime)) => Outcome::Timeout,
            Err(error) => names_outcome(error),
        };
        let (tenant, samples) = (&self.tenant, cost.rows_scanned);
        running.finish(outcome, &Report { tenant, text, series: 0, samples, bytes_peak: 0 });
        notes.cost.plus(cost);
        let (value, end) = result?;
        notes.out_of_time |= end == End::OutOfTime;
        Ok(value)
    }

    /// Sends an answer that fits in memory with ease: a page of services, a chart.
    pub(super) async fn send(
        &self,
        mut sink: Sink,
        data: &[u8],
        rows: usize,
        notes: Notes,
        begun: Duration,
    ) -> Result<(), Gone> {
        let end = if notes.out_of_time { End::OutOfTime } else { End::Whole };
        let mut remarks: Remarks = self.remarks(notes.partial, end, &mut sink);
        remarks.warnings.extend(notes.warnings);
        sink.open();
        sink.out.extend_from_slice(data);
        let elapsed = self.engine.clock().monotonic().saturating_sub(begun);
        stats(&mut sink.out, rows, notes.cost, elapsed);
        sink.close(&remarks).await
    }
}

/// What an answer holds until it is sent.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) data: Vec<u8>,
    pub(super) rows: usize,
    pub(super) notes: Notes,
    pub(super) _account: Option<Account>,
}
