//! One call's scans: begun with a slot, an account and a view, ended with what they took.

use std::sync::Arc;
use std::time::Duration;

use tarn_model::error::Error;
use tarn_model::limits::Limit;
use tarn_promql::query::Hooks as _;
use tarn_storage::view::View;

use super::{Call, stats, stats_into};
use crate::api::json::object::Object;
use crate::api::reply::{Failure, Remarks, Sink};
use crate::govern::Running;
use crate::govern::memory::Account;
use crate::search::scan::{Cost, End, Scanner};

/// A call that was admitted.
pub(super) struct Run<'c> {
    call: &'c Call,
    running: Running,
    account: Account,
    view: Arc<View>,
}

/// What was found, what it took, and the memory that it holds until it is sent.
pub(super) struct Answer<T> {
    pub(super) value: T,
    end: End,
    cost: Cost,
    partial: Option<String>,
    elapsed: Duration,
    account: Account,
}

impl Call {
    /// Waits for a slot, and takes the newest view.
    pub(super) async fn begin(&self) -> Result<Run<'_>, Failure> {
        let running = self.admit().await?;
        let account = running.account();
        Ok(Run { call: self, running, account, view: self.engine.view() })
    }
}

impl Run<'_> {
    /// Makes what reads. All scans of it see the same rows (VIS-2).
    pub(super) fn scanner(&self) -> Scanner<'_> {
        Scanner::new(&self.view, &self.call.tenant, &self.running, &self.account)
    }

    /// Returns what is read.
    pub(super) fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Waits for work, `None` where its time is over before.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.running.expired() => None,
            done = work => Some(done),
        }
    }

    /// Gives the slot back.
    pub(super) fn end<T>(
        self,
        text: &str,
        cost: Cost,
        result: Result<(T, End), Error>,
    ) -> Result<Answer<T>, Failure> {
        let Self { call, running, account, view } = self;
        // What could not be read turned up on the way.
        let partial = view.partial();
        let (elapsed, _) = running.elapsed();
        call.finish(running, text, cost, &result);
        let (value, end) = result?;
        Ok(Answer { value, end, cost, partial, elapsed, account })
    }
}

impl<T> Answer<T> {
    /// Takes out what was found.
    pub(super) fn split(self) -> (T, Answer<()>) {
        let Self { value, end, cost, partial, elapsed, account } = self;
        (value, Answer { value: (), end, cost, partial, elapsed, account })
    }

    /// Returns whether everything that there is was read.
    pub(super) fn is_whole(&self) -> bool {
        self.end == End::Whole && self.partial.is_none()
    }

    /// Collects what there is to say, before anything is written.
    pub(super) fn remarks(&mut self, call: &Call, sink: &mut Sink) -> Remarks {
        call.remarks(self.partial.take(), self.end, sink)
    }

    /// Takes memory that the answer needs besides, until it is sent.
    pub(super) fn hold(&self, bytes: u64) -> Result<(), Failure> {
        if self.account.reserve(bytes) {
            return Ok(());
        }
        let message = format!("memory of all queries is used up: the answer needs {bytes} bytes");
        Err(Error::over(Limit::QueriesMemory, message).into())
    }

    /// Writes what it took into an object of its own form.
    pub(super) fn stats_member(&self, object: &mut Object<'_>, rows: usize) {
        stats_into(object, rows, self.cost, self.elapsed);
    }

    /// Writes what it took, behind `data`.
    pub(super) fn stats(&self, sink: &mut Sink, rows: usize) {
        stats(&mut sink.out, rows, self.cost, self.elapsed);
    }
}
