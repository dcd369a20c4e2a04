//! Rules that need not wait for their slot: follows samples, and evaluates what they concern.
//!
//! [`crate::hot`] says which rules a sample concerns. A comparison that flipped is evaluated after a
//! moment in which more may come, so that a request is looked at as a whole; a rule over a window at
//! most once a second, within a share of the time, since every sample may change it and none need.
//! An alert that became pending here fires when its `for` is over, not at the slot behind that.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use tarn_model::signal::Signal;
use tarn_storage::head::follow::{FollowOptions, Followed, Follower};
use tarn_storage::view::Reader;
use tokio::sync::watch;

use super::Shared;
use super::tenant::Tenant;
use crate::evaluate::{Group, millis};
use crate::hot::{Index, Place, Touched};
use crate::state::State;

/// How long after the first flip is waited for more.
const MOMENT: Duration = Duration::from_millis(20);
/// A rule over a window is evaluated at most so often.
const WINDOW_EVERY: Duration = Duration::from_secs(1);
/// Of all time, evaluations of such rules may take one part in so many.
const SHARE: u32 = 10;
/// What they may save up.
const SAVED_MAX: Duration = Duration::from_secs(1);
/// How long nothing may happen before timers are looked at.
const IDLE: Duration = Duration::from_secs(3600);

/// Follows for as long as `stop` has a sender.
pub(super) async fn run(
    shared: Arc<Shared>,
    tenant: Arc<Tenant>,
    reader: Reader,
    stop: watch::Receiver<()>,
) {
    let groups: Vec<Arc<Group>> = tenant.groups();
    let index = Index::new(groups.iter().map(|group| (&group.rules, group.query_offset)));
    if index.is_empty() {
        return;
    }
    let follower = reader.follow(FollowOptions {
        name: None,
        tenants: Some(vec![tenant.id.clone()]),
        signals: vec![Signal::Metrics],
    });
    let now = shared.clock.monotonic();
    let arrivals = Arrivals {
        shared,
        tenant,
        groups,
        index,
        follower,
        touched: Touched::default(),
        timers: BTreeMap::new(),
        evaluated: BTreeMap::new(),
        saved: Duration::ZERO,
        counted: now,
    };
    arrivals.run(stop).await;
}

struct Arrivals {
    shared: Arc<Shared>,
    tenant: Arc<Tenant>,
    groups: Vec<Arc<Group>>,
    index: Index,
    follower: Follower,
    /// What waits to be evaluated.
    touched: Touched,
    /// When a pending alert of a rule is due to fire, ms.
    timers: BTreeMap<Place, i64>,
    /// When a rule over a window was evaluated last, monotonic.
    evaluated: BTreeMap<Place, Duration>,
    /// Time that rules over windows may take.
    saved: Duration,
    /// Up to when it was counted.
    counted: Duration,
}

impl Arrivals {
    async fn run(mut self, mut stop: watch::Receiver<()>) {
        loop {
            let sleep = self.shared.clock.sleep(self.wait());
            let happened = {
                let next = pin!(self.follower.next());
                let changed = pin!(stop.changed());
                match select(select(next, sleep), changed).await {
                    Either::Left((Either::Left((Some(followed), _)), _)) => Some(followed),
                    Either::Left((Either::Right(((), _)), _)) => None,
                    // The store was closed, or the rules are others now.
                    Either::Left((Either::Left((None, _)), _)) | Either::Right(_) => return,
                }
            };
            if let Some(followed) = happened {
                self.look(&followed);
                if !self.touched.flipped.is_empty() {
                    self.shared.clock.sleep(MOMENT).await;
                }
                while let Some(followed) = self.follower.try_next() {
                    self.look(&followed);
                }
            }
            self.evaluate().await;
        }
    }

    fn look(&mut self, followed: &Followed) {
        match followed {
            Followed::Samples(batch) => self.index.look(batch, &mut self.touched),
            // Slots see what was missed here.
            Followed::Lagged { .. } | Followed::Rows(_) | Followed::Cut(_) => {}
        }
    }

    /// Returns how long nothing needs to be done, unless something happens.
    fn wait(&self) -> Duration {
        let now_ms = self.shared.clock.now().as_millis();
        let timer = self.timers.values().min().map(|due| due.saturating_sub(now_ms).max(0));
        let timer = timer.map_or(IDLE, |ms| Duration::from_millis(ms.unsigned_abs()));
        // What waits for its second, or for its share, is looked at again soon.
        if self.touched.fed.is_empty() { timer } else { timer.min(WINDOW_EVERY / 4) }
    }

    async fn evaluate(&mut self) {
        let now_ms = self.shared.clock.now().as_millis();
        let mut due = std::mem::take(&mut self.touched.flipped);
        self.timers.retain(|place, at| {
            let is_due = *at <= now_ms;
            if is_due {
                due.insert(*place);
            }
            !is_due
        });
        self.rules(&due).await;
        self.windows().await;
    }

    /// Evaluates rules over windows as far as their share of the time goes.
    async fn windows(&mut self) {
        let now = self.shared.clock.monotonic();
        let earned = now.saturating_sub(self.counted) / SHARE;
        (self.saved, self.counted) = ((self.saved + earned).min(SAVED_MAX), now);
        let waiting: Vec<Place> = self.touched.fed.iter().copied().collect();
        for place in waiting {
            if self.saved.is_zero() {
                return;
            }
            let last = self.evaluated.get(&place);
            if last.is_some_and(|last| now.saturating_sub(*last) < WINDOW_EVERY) {
                continue;
            }
            self.touched.fed.remove(&place);
            let begun = self.shared.clock.monotonic();
            self.rules(&BTreeSet::from([place])).await;
            let took = self.shared.clock.monotonic().saturating_sub(begun);
            self.saved = self.saved.saturating_sub(took);
            self.evaluated.insert(place, begun);
        }
    }

    async fn rules(&mut self, places: &BTreeSet<Place>) {
        let mut by_group: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in places {
            by_group.entry(place.group).or_default().push(place.rule);
        }
        for (at, rules) in by_group {
            let Some(group) = self.groups.get(at).map(Arc::clone) else { continue };
            Box::pin(group.arrive(&self.shared, &self.tenant, &rules)).await;
            for rule in rules {
                let place = Place { group: at, rule };
                match next_to_fire(&group, rule) {
                    Some(due_ms) => self.timers.insert(place, due_ms),
                    None => self.timers.remove(&place),
                };
            }
        }
    }
}

/// Returns when the first of a rule's pending alerts is due to fire, ms.
fn next_to_fire(group: &Group, rule: usize) -> Option<i64> {
    let cell = group.cells.get(rule)?;
    let hold_ms = millis(cell.rule.alerting()?.hold);
    let alerts = cell.alerts();
    let pending = alerts.active().filter(|alert| alert.state == State::Pending);
    pending.map(|alert| alert.active_ms.saturating_add(hold_ms)).min()
}
