//! The task around the ledger: follows rows, counts them, stores the totals each second.
//!
//! The totals and the position up to which they count are stored in one record under the name of
//! the follower, so after a crash counting goes on exactly behind them. A start reads the totals
//! back, and writes them again over the time in which nothing was counted: a window that begins in
//! there would else begin at nothing. What cannot be asked or stored at the moment is tried again,
//! step by step, and nothing that was told meanwhile is forgotten.
//!
//! - [`source`]: what is asked
//! - `rows`: rows that wait to be counted

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use prometheus_client::metrics::counter::Counter;
use tarn_model::error::Result;
use tarn_model::labels::{LabelSet, METRIC_NAME};
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::append::{Appender, Writer};
use tarn_storage::head::follow::{FollowOptions, Followed, Follower, RowBatch};
use tarn_storage::view::Reader;
use tarn_storage::wal::Lsn;
use tokio::sync::watch;

use self::rows::{After, Waiting};
use self::source::Source;
use super::super::compile::{GOOD, VALID};
use super::super::spec::Objective;
use super::{Entry, Ledger, Stored};

mod rows;
pub mod source;

/// The name under which positions are kept.
pub const FOLLOWER: &str = "slo_ledger";
/// Totals are stored so often: the shortest window of the outage tier is half a minute.
const TICK: Duration = Duration::from_secs(1);
/// How long is waited for rows before the position is looked at again.
const LOOK: Duration = Duration::from_millis(50);
/// Rows that wait to be counted, in bytes; beyond, they are counted at once, and no more are taken
/// until they are: the log keeps the rest.
const ROWS_BYTES_MAX: usize = 16 << 20;
/// A gap is written over at steps below the lookback of queries.
const FILL_MS: i64 = 240_000;
/// Of a longer gap only the last part is: rules look back no further than a quarter.
const FILL_MAX: i64 = 32_000;

/// What the task works with.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Answers what was stored before, and conditions on rows.
    pub source: Arc<dyn Source>,
    /// Follows rows.
    pub reader: Reader,
    /// Stores totals.
    pub writer: Writer,
    /// Whose objectives they are.
    pub tenant: TenantId,
    /// Held by the one that counts: the next one goes on from what it has stored.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    /// Requests whose rows an objective could not count.
    pub lost: Counter,
}

/// Counts until the store is closed, or nobody holds the other end of `stop`.
pub async fn run(objectives: Vec<Arc<Objective>>, handles: Handles, mut stop: watch::Receiver<()>) {
    let counting = std::pin::pin!(follow(&objectives, handles));
    // Either there is nothing more to count, or nobody wants it counted.
    match select(counting, std::pin::pin!(stop.changed())).await {
        Either::Left(((), _)) | Either::Right(_) => {}
    }
}

async fn follow(objectives: &[Arc<Objective>], handles: Handles) {
    let turn = Arc::clone(&handles.turn);
    let _turn = turn.lock().await;
    let options = FollowOptions {
        name: Some(FOLLOWER),
        tenants: Some(vec![handles.tenant.clone()]),
        ..FollowOptions::default()
    };
    let follower = handles.reader.follow(options);
    let waiting = Waiting::default();
    let mut task = Task { ledger: Ledger::default(), follower, waiting, handles };
    if task.begin(objectives).await {
        task.count().await;
    }
}

/// Totals that were stored before, and since when they are missing.
struct Gap {
    since_ms: i64,
    labels: LabelSet,
    good: f64,
    valid: f64,
}

impl Handles {
    /// Tries until it succeeds.
    async fn persist<'a, T: Send>(
        &'a self,
        what: &str,
        mut attempt: impl FnMut() -> BoxFuture<'a, Result<T>> + Send,
    ) -> T {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(error) => {
                    tracing::warn!(%error, what, "the ledger of objectives cannot begin yet");
                    self.clock.sleep(TICK).await;
                }
            }
        }
    }

    /// Makes a ledger that goes on from the totals that are stored.
    async fn resume(&self, objectives: &[Arc<Objective>]) -> Result<(Ledger, Vec<Gap>)> {
        let now_ms = self.clock.now().as_millis();
        let mut ledger = Ledger::new(objectives.to_vec());
        let mut gaps = Vec::new();
        for (at, objective) in objectives.iter().enumerate() {
            let good = self.source.totals(objective, GOOD, now_ms).await?;
            let mut valid = self.source.totals(objective, VALID, now_ms).await?;
            for (labels, (since_ms, good)) in good {
                if let Some((_, valid)) = valid.remove(&labels) {
                    ledger.resume(at, &labels, (good, valid));
                    gaps.push(Gap { since_ms, labels, good, valid });
                }
            }
        }
        Ok((ledger, gaps))
    }

    /// Writes totals over the time in which nothing was counted.
    async fn fill(&self, gap: &Gap) -> Result<()> {
        let now_ms = self.clock.now().as_millis();
        let mut appender = self.writer.appender(&self.tenant)?;
        let steps = ((now_ms - gap.since_ms) / FILL_MS).min(FILL_MAX);
        for step in (0..steps).rev() {
            let time_ms = now_ms - (step + 1) * FILL_MS;
            for (metric, value) in [(GOOD, gap.good), (VALID, gap.valid)] {
                let entry = Entry { labels: gap.labels.with(METRIC_NAME, metric), value };
                put(&mut appender, &entry, time_ms);
            }
        }
        appender.commit().await.map(drop)
    }

    /// Stores a record that says nothing new. Everything that was on its way is stored before it.
    async fn mark(&self, position: Lsn) -> Result<Lsn> {
        let mut appender = self.writer.appender(&self.tenant)?;
        appender.acknowledge(FOLLOWER, position);
        appender.commit().await
    }

    /// Reads what the counters of all objectives were before.
    async fn counters(&self, objectives: &[Arc<Objective>]) -> Result<HashMap<LabelSet, Stored>> {
        let (now_ms, mut stored) = (self.clock.now().as_millis(), HashMap::default());
        for objective in objectives {
            self.source.counters(objective, now_ms, &mut stored).await?;
        }
        Ok(stored)
    }
}

struct Task {
    ledger: Ledger,
    follower: Follower,
    waiting: Waiting<Arc<RowBatch>>,
    handles: Handles,
}

impl Task {
    /// Takes up what was stored before, and counts what was told since then and not counted. Returns
    /// whether the store is open.
    async fn begin(&mut self, objectives: &[Arc<Objective>]) -> bool {
        let handles = self.handles.clone();
        // Where it goes on is known from here; what it is told already is not counted yet.
        let first = self.follower.try_next();
        let position = if first.is_none() { self.follower.position() } else { Lsn::default() };
        // Of who counted before, a last record may be on its way.
        handles.persist("waiting for the log", || Box::pin(handles.mark(position))).await;
        let totals = || -> BoxFuture<'_, _> { Box::pin(handles.resume(objectives)) };
        let (ledger, gaps) = handles.persist("reading totals", totals).await;
        self.ledger = ledger;
        for gap in &gaps {
            // One record each: all together are as large as there are groups.
            handles.persist("filling gaps", || Box::pin(handles.fill(gap))).await;
        }
        let mark = || -> BoxFuture<'_, _> { Box::pin(handles.mark(position)) };
        let reached = handles.persist("filling gaps", mark).await;
        if let Some(followed) = first {
            self.take(followed).await;
        }
        // Whatever was stored before this record is told before it, too.
        while self.follower.position() < reached {
            let look = handles.clock.sleep(LOOK);
            let followed = match select(std::pin::pin!(self.follower.next()), look).await {
                Either::Left((None, _)) => return false,
                Either::Left((Some(followed), _)) => Some(followed),
                // Records without rows move the position and tell nothing.
                Either::Right(_) => None,
            };
            if let Some(followed) = followed {
                self.take(followed).await;
            }
        }
        let counters = || -> BoxFuture<'_, _> { Box::pin(handles.counters(objectives)) };
        self.ledger.learn(handles.persist("reading counters", counters).await);
        true
    }

    async fn count(mut self) {
        let clock = Arc::clone(&self.handles.clock);
        let mut tick = clock.sleep(TICK);
        loop {
            // The tick is looked at first: rows that come without end would never let it through.
            let woken = match select(tick, std::pin::pin!(self.follower.next())).await {
                Either::Left(((), _)) => {
                    tick = clock.sleep(TICK);
                    None
                }
                Either::Right((None, _)) => return,
                Either::Right((Some(followed), rest)) => {
                    tick = rest;
                    Some(followed)
                }
            };
            match woken {
                Some(followed) => self.take(followed).await,
                None => {
                    // Totals go with the position, which stands behind the rows that wait.
                    if self.count_rows().await {
                        self.store().await;
                    }
                }
            }
        }
    }

    async fn take(&mut self, followed: Followed) {
        match followed {
            Followed::Samples(batch) => self.ledger.samples(&batch),
            Followed::Rows(rows) => {
                let bytes = rows.rows().get_array_memory_size();
                self.waiting.push(rows, bytes);
                while self.waiting.bytes() > ROWS_BYTES_MAX && !self.count_rows().await {
                    self.handles.clock.sleep(TICK).await;
                }
            }
            Followed::Lagged { from, to } => {
                self.handles.lost.inc_by(to.0.saturating_sub(from.0) + 1);
                tracing::error!(
                    from = from.0,
                    to = to.0,
                    "the ledger of objectives was too slow: events of these records do not count"
                );
            }
            Followed::Cut(_) => {}
        }
    }

    /// Counts the rows that wait, with one query per objective over nothing but them. Returns
    /// whether none waits any more.
    async fn count_rows(&mut self) -> bool {
        let objectives = self.ledger.objectives().to_vec();
        while let Some((rows, at)) = self.waiting.next(objectives.len()) {
            let Some(objective) = objectives.get(at) else { break };
            match self.handles.source.count(objective, rows).await {
                Ok(counted) => {
                    for of in counted {
                        self.ledger.events(at, &of.group, of.good, of.valid);
                    }
                    self.waiting.counted();
                }
                Err(error) => {
                    let (slo, requests) = (&*objective.name, rows.len());
                    match self.waiting.failed(&error, self.handles.clock.monotonic()) {
                        After::Kept { first } => {
                            if first {
                                tracing::warn!(slo, requests, %error, "events wait to be counted");
                            }
                            return false;
                        }
                        After::GivenUp => {
                            self.handles.lost.inc_by(requests as u64);
                            tracing::error!(slo, requests, %error, "events cannot be counted");
                        }
                    }
                }
            }
        }
        true
    }

    /// Stores what changed. What cannot be stored now is stored with the next tick.
    async fn store(&mut self) {
        let now_ms = self.handles.clock.now().as_millis();
        let due = self.ledger.due(now_ms);
        if due.is_empty() {
            return;
        }
        let (position, handles) = (self.follower.position(), &self.handles);
        let stored = async {
            let mut appender = handles.writer.appender(&handles.tenant)?;
            for entry in &due {
                put(&mut appender, entry, now_ms);
            }
            appender.acknowledge(FOLLOWER, position);
            appender.commit().await
        };
        match stored.await {
            Ok(_) => self.ledger.stored(now_ms),
            Err(error) => tracing::debug!(%error, "totals of objectives wait for the log"),
        }
    }
}

/// Adds one total; what the store rejects (a limit of series) is told, and counted there.
fn put(appender: &mut Appender, entry: &Entry, time_ms: i64) {
    let put = appender
        .series(&entry.labels)
        .and_then(|series| appender.float(series, time_ms, entry.value, 0));
    if let Err(rejection) = put {
        tracing::warn!(series = %entry.labels, ?rejection, "a total of an objective is rejected");
    }
}
