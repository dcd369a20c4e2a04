//! The shell of the queue: makes the attempts that are due, and writes down how they went.
//!
//! One task looks at the queue whenever something has changed or is due; each attempt is a task of
//! its own. What is on its way when the process stops is not acknowledged, so it goes out again at
//! the next start, under the same identity.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::select;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::rng::Rng;
use tarn_model::tasks::Tasks;
use tarn_model::time::Clock;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::delivery::{DeadLetter, Delivery};
use super::intent::{DeliveryId, Intent, Target};
use super::metrics::Metrics;
use super::outcome::{Outcome, Verdict};
use super::queue::{Fallback, Now, Queue, QueueOptions, QueueStats, Send};
use super::record::{Ledger, Reason, Record};
use super::render::Render;
use super::sender::{self, Context, Sender};
use crate::egress::{Egress, NamedBy};
use crate::route::Config;

/// What an operator decides about delivery.
#[derive(Debug, Clone)]
pub struct OutboxOptions {
    /// Bounds of the queue.
    pub queue: QueueOptions,
    /// Receiver to use when a delivery is not acknowledged in time; empty: none.
    pub fallback_receiver: String,
    /// What in time means.
    pub fallback_after: Duration,
    /// Where people reach this server.
    pub external_url: String,
}

impl OutboxOptions {
    /// Takes what matters from the settings.
    pub fn of(options: &crate::Options) -> Self {
        let queue = QueueOptions { give_up: options.dead_letter_after, ..QueueOptions::default() };
        Self {
            queue,
            fallback_receiver: options.fallback_receiver.clone(),
            fallback_after: options.fallback_after,
            external_url: options.external_url.clone(),
        }
    }
}

/// What the outbox works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Makes clients.
    pub egress: Egress,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries.
    pub rng: Arc<dyn Rng>,
    /// Runs attempts.
    pub tasks: Arc<dyn Tasks>,
    /// Remembers outcomes.
    pub ledger: Arc<dyn Ledger>,
}

type Senders = BTreeMap<Target, Arc<dyn Sender>>;

/// Delivers intents. Cheap to clone.
///
/// The order at a start is [`Outbox::new`], [`Outbox::configure`], [`Outbox::restore`],
/// [`Outbox::start`]. Who takes a [`Outbox::snapshot`] of it must have told it of every intent that
/// is durable.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: OutboxOptions,
    parts: Parts,
    queue: Mutex<Queue>,
    senders: ArcSwap<Senders>,
    wake: Notify,
    metrics: Metrics,
}

impl Outbox {
    /// Makes one that knows no receiver yet.
    pub fn new(options: OutboxOptions, parts: Parts, registry: &mut Registry) -> Self {
        let queue = Queue::new(options.queue.clone(), Arc::clone(&parts.rng));
        Self(Arc::new(Inner {
            options,
            parts,
            queue: Mutex::new(queue),
            senders: ArcSwap::default(),
            wake: Notify::new(),
            metrics: Metrics::register(registry),
        }))
    }

    /// Takes the receivers of a configuration, and how their templates are written.
    pub fn configure(&self, config: &Config, render: Arc<dyn Render>, named_by: NamedBy) {
        let Inner { options, parts, .. } = &*self.0;
        let context = Context {
            egress: parts.egress.clone(),
            render,
            clock: Arc::clone(&parts.clock),
            external_url: options.external_url.as_str().into(),
            named_by,
        };
        self.configure_senders(sender::senders(config, &context));
    }

    /// Takes ways to tell receivers.
    pub fn configure_senders(&self, senders: Senders) {
        let endpoints = senders.iter().map(|(t, sender)| (t.clone(), sender.endpoint())).collect();
        let OutboxOptions { fallback_receiver, fallback_after: after, .. } = &self.0.options;
        let targets = senders.keys().filter(|target| *target.receiver == **fallback_receiver);
        let fallback = Fallback { after: *after, targets: targets.cloned().collect() };
        if !fallback_receiver.is_empty() && fallback.targets.is_empty() {
            warn!(receiver = fallback_receiver, "the fallback receiver is not configured");
        }
        self.0.senders.store(Arc::new(senders));
        self.0.change(|queue, now| queue.configure(&endpoints, Some(fallback), now));
    }

    /// Takes what was recorded before, in order; what was not acknowledged goes out again.
    pub fn restore(&self, records: Vec<Record>) {
        self.0.change(|queue, now| queue.restore(records, now));
    }

    /// Begins to deliver.
    pub fn start(&self) {
        let inner = Arc::clone(&self.0);
        self.0.parts.tasks.spawn("notify", Box::pin(async move { inner.run().await }));
    }

    /// Takes intents that are durable.
    pub fn deliver(&self, intents: Vec<Intent>) {
        self.0.change(|queue, now| {
            for intent in intents {
                queue.offer(Arc::new(intent), now);
            }
        });
    }

    /// Returns records that give this state again.
    pub fn snapshot(&self) -> Vec<Record> {
        self.0.queue.lock().snapshot()
    }

    /// Returns the last deliveries, the newest first.
    pub fn deliveries(&self, limit: usize) -> Vec<Delivery> {
        self.0.queue.lock().deliveries(limit)
    }

    /// Returns what was given up, the newest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.0.queue.lock().dead_letters()
    }

    /// Sends a dead letter again. Returns whether there is such a one.
    pub fn replay(&self, id: DeliveryId) -> bool {
        self.0.change(|queue, now| queue.replay(id, now))
    }

    /// Returns how full the queue is.
    pub fn stats(&self) -> QueueStats {
        self.0.queue.lock().stats()
    }

    /// Returns targets whose last delivery failed for good, and what they said.
    pub fn broken(&self) -> BTreeMap<Target, String> {
        self.0.queue.lock().broken().clone()
    }
}

impl Inner {
    fn now(&self) -> Now {
        let mono_ms = i64::try_from(self.parts.clock.monotonic().as_millis()).unwrap_or(i64::MAX);
        Now { mono_ms, wall_ms: self.parts.clock.now().as_millis() }
    }

    /// Changes the queue, writes down what follows, and has it looked at.
    fn change<T>(&self, change: impl FnOnce(&mut Queue, Now) -> T) -> T {
        let now = self.now();
        let (result, records) = {
            let mut queue = self.queue.lock();
            let result = change(&mut queue, now);
            (result, queue.take_records())
        };
        self.write(records);
        self.wake.notify_one();
        result
    }

    fn write(&self, records: Vec<Record>) {
        for record in &records {
            if let Record::Dead { id, reason, message, .. } = record {
                let reason = reason.as_str();
                warn!(%id, reason, message, "a notification was given up and is a dead letter");
            }
        }
        if !records.is_empty() {
            self.parts.ledger.record(records);
        }
    }

    async fn run(self: Arc<Self>) {
        loop {
            let due = Self::turn(&self);
            let woken = Box::pin(self.wake.notified());
            match due {
                None => woken.await,
                Some(wait) => drop(select(woken, self.parts.clock.sleep(wait)).await),
            }
        }
    }

    /// Makes the attempts that are due; returns how long nothing else will be.
    fn turn(self: &Arc<Self>) -> Option<Duration> {
        let now = self.now();
        let (sends, due, records, stats) = {
            let mut queue = self.queue.lock();
            let sends = queue.poll(now);
            (sends, queue.next_due_ms(now), queue.take_records(), queue.stats())
        };
        self.write(records);
        self.metrics.queue(&stats);
        for send in sends {
            let inner = Arc::clone(self);
            self.parts.tasks.spawn("notify-send", Box::pin(inner.attempt(send)));
        }
        // A due time that has passed is a moment ago: never a busy loop.
        due.map(|due| Duration::from_millis(u64::try_from(due - now.mono_ms).unwrap_or(0).max(1)))
    }

    async fn attempt(self: Arc<Self>, send: Send) {
        let target = send.intent.target();
        let sender = self.senders.load().get(&target).map(Arc::clone);
        let outcome = match sender {
            Some(sender) => sender.send(&send.intent, send.message.as_ref()).await,
            None => Outcome::transient(None, "the receiver was just taken away", None),
        };
        self.tell(&send, &target, &outcome);
        self.change(|queue, now| queue.finish(&send, &outcome, now));
    }

    fn tell(&self, send: &Send, target: &Target, outcome: &Outcome) {
        let (id, said, status) = (send.intent.id, &outcome.said, outcome.status);
        match &outcome.verdict {
            Verdict::Delivered { .. } => {
                let waited = (self.now().mono_ms - send.born_ms).max(0);
                self.metrics
                    .sent(target, Duration::from_millis(waited.unsigned_abs()).as_secs_f64());
            }
            Verdict::Transient { .. } => {
                self.metrics.failed(target, Reason::Transient);
                info!(%id, %target, status, said, "a notification will be tried again");
            }
            Verdict::Permanent => self.metrics.failed(target, Reason::Permanent),
        }
        for error in &outcome.template_errors {
            self.metrics.failed(target, Reason::Template);
            warn!(%id, %target, error, "a template could not be written out");
        }
    }
}
