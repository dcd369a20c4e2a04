//! An outbox with real clock and sockets, whose records are kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_alerting::alert::{Alert, Fingerprint};
use tarn_alerting::egress::{Egress, EgressOptions, NamedBy};
use tarn_alerting::notify::outbox::{Outbox, OutboxOptions, Parts};
use tarn_alerting::notify::queue::QueueOptions;
use tarn_alerting::notify::sender::{Context, Sender};
use tarn_alerting::notify::{DeliveryState, Intent, Ledger, Record, Render, Target};
use tarn_alerting::route::{Flush, NEVER_MS, Reason};
use tarn_model::error::{Error, Result as OurResult};
use tarn_model::labels::LabelSet;
use tarn_model::time::Clock as _;
use tarn_testkit::clock::RealClock;
use tarn_testkit::receiver::eventually;
use tarn_testkit::sim::SimRng;
use tarn_testkit::tasks::RealTasks;

/// Longer than anything takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Replaces a few words; fails where a template says `bad`.
#[derive(Debug)]
struct Words;

impl Render for Words {
    fn text(&self, template: &str, flush: &Flush) -> OurResult<String> {
        if template.contains("bad") {
            return Err(Error::invalid("template: no such function"));
        }
        let status = if flush.is_firing() { "firing" } else { "resolved" };
        let group = flush.group_labels.value("alertname");
        Ok(template
            .replace("{{summary}}", &format!("{group} is {status}"))
            .replace("{{status}}", status)
            .replace("{{group}}", group)
            .replace("{{color}}", if flush.is_firing() { "danger" } else { "good" }))
    }

    fn html(&self, template: &str, flush: &Flush) -> OurResult<String> {
        self.text(template, flush)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Vec<Record>>);

impl Ledger for Kept {
    fn record(&self, records: Vec<Record>) {
        self.0.lock().extend(records);
    }
}

/// Where notifications are written.
pub(crate) struct Desk {
    pub(crate) outbox: Outbox,
    pub(crate) log: Arc<Kept>,
    tasks: RealTasks,
    kind: &'static str,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

pub(crate) fn egress() -> Egress {
    Egress::new(EgressOptions::default(), Arc::new(RealClock::default()))
}

pub(crate) fn context(named_by: NamedBy) -> Context {
    Context {
        egress: egress(),
        render: Arc::new(Words),
        clock: Arc::new(RealClock::default()),
        external_url: "http://tarn".into(),
        named_by,
    }
}

impl Desk {
    /// Makes one with a single receiver, `team`, and delivers what `records` leave open.
    pub(crate) fn new(kind: &'static str, sender: Arc<dyn Sender>, records: Vec<Record>) -> Self {
        let log = Arc::new(Kept(Mutex::new(records.clone())));
        let tasks = RealTasks::current();
        let clock = Arc::new(RealClock::default());
        let parts = Parts {
            egress: egress(),
            clock,
            rng: Arc::new(SimRng::new(7)),
            tasks: Arc::new(tasks.clone()),
            ledger: Arc::<Kept>::clone(&log),
        };
        let options = OutboxOptions {
            queue: QueueOptions::default(),
            fallback_receiver: String::new(),
            fallback_after: Duration::from_secs(20),
            external_url: "http://tarn".to_owned(),
        };
        let outbox = Outbox::new(options, parts, &mut Registry::default());
        outbox.configure_senders(BTreeMap::from([(target(kind), sender)]));
        outbox.restore(records);
        outbox.start();
        Self { outbox, log, tasks, kind }
    }

    /// Makes an intent durable and hands it over.
    pub(crate) fn page(&self, group: &str, reason: Reason, seq: u64) -> Intent {
        let intent = Intent::new(flush(self.kind, group, reason, seq));
        self.log.0.lock().push(Record::Intent(intent.clone()));
        self.outbox.deliver(vec![intent.clone()]);
        intent
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.log.0.lock().clone()
    }

    /// Waits until a delivery is where it should come to.
    pub(crate) async fn until(&self, intent: &Intent, state: DeliveryState) -> Result<()> {
        let what = format!("{:?} is {state:?}", intent.flush.group_key);
        let at = || self.outbox.deliveries(100).into_iter().find(|d| d.id == intent.id);
        let reached = eventually(SOON, &what, || at().is_some_and(|d| d.state == state)).await;
        reached.map_err(|error| error.context(format!("{:?}", at())))
    }

    /// Sends a page and waits until it is acknowledged.
    pub(crate) async fn acked(&self, group: &str, reason: Reason, seq: u64) -> Result<Intent> {
        let intent = self.page(group, reason, seq);
        self.until(&intent, DeliveryState::Acked).await?;
        Ok(intent)
    }
}

fn target(kind: &str) -> Target {
    Target { receiver: "team".into(), kind: kind.into(), index: 0 }
}

pub(crate) fn flush(kind: &str, group: &str, reason: Reason, seq: u64) -> Flush {
    let fires = reason != Reason::AllResolved;
    let at_ms = RealClock::default().now().as_millis();
    let labels = LabelSet::from_pairs(&[("alertname", group), ("job", "api")]);
    let fingerprint = vec![Fingerprint::of(&labels)];
    let (firing, resolved) =
        if fires { (fingerprint, Vec::new()) } else { (Vec::new(), fingerprint) };
    Flush {
        group_key: format!("{{}}:{{alertname=\"{group}\"}}"),
        receiver: "team".into(),
        integration: (kind.into(), 0),
        reason,
        alerts: vec![Alert {
            labels,
            annotations: LabelSet::from_pairs(&[("summary", "so <b>bold</b>")]),
            starts_ms: at_ms - 60_000,
            ends_ms: if fires { NEVER_MS } else { at_ms },
            timeout: false,
            updated_ms: at_ms,
            generator_url: String::new(),
        }],
        group_labels: LabelSet::from_pairs(&[("alertname", group)]),
        route_labels: LabelSet::default(),
        firing,
        resolved,
        at_ms,
        flush_seq: seq,
        repeat_ms: 3_600_000,
    }
}
