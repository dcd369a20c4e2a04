use std::collections::BTreeMap;

use proptest::prelude::*;
use tarn_model::labels::LabelSet;
use tarn_testkit::sim::SimRng;

use super::super::limiter::RateLimit;
use super::super::outcome::Outcome;
use super::*;
use crate::alert::{Alert, Fingerprint};
use crate::route::{self, Flush, NEVER_MS};

/// Simulated time begins here.
const BEGIN_MS: i64 = 1_795_262_400_000;

/// A queue, its time, and the log of what was recorded.
struct World {
    queue: Queue,
    mono_ms: i64,
    log: Vec<Record>,
    seq: u64,
}

fn target(receiver: &str) -> Target {
    Target { receiver: receiver.into(), kind: "webhook".into(), index: 0 }
}

/// How a world is made.
#[derive(Clone, Default)]
struct Setup {
    options: QueueOptions,
    rate: Option<RateLimit>,
    fallback: bool,
    seed: u64,
}

fn queue(setup: &Setup, now: Now) -> Queue {
    let spec = |id: &str| EndpointSpec { id: id.into(), rate: setup.rate, parallel: 4 };
    let endpoints = ["pd", "mail"].map(|name| (target(name), spec(name))).into();
    let fallback = Fallback { after: Duration::from_secs(20), targets: vec![target("mail")] };
    let mut queue = Queue::new(setup.options.clone(), Arc::new(SimRng::new(setup.seed)));
    queue.configure(&endpoints, setup.fallback.then_some(fallback), now);
    queue
}

impl World {
    fn new(setup: &Setup) -> Self {
        let now = Now { mono_ms: 0, wall_ms: BEGIN_MS };
        Self { queue: queue(setup, now), mono_ms: 0, log: Vec::new(), seq: 0 }
    }

    fn now(&self) -> Now {
        Now { mono_ms: self.mono_ms, wall_ms: BEGIN_MS + self.mono_ms }
    }

    /// Makes an intent durable, then tells the queue.
    fn offer(&mut self, group: &str, reason: route::Reason) -> DeliveryId {
        self.seq += 1;
        let intent = Intent::new(flush("pd", group, reason, self.seq, self.now().wall_ms));
        let id = intent.id;
        self.log.push(Record::Intent(intent.clone()));
        let now = self.now();
        self.queue.offer(Arc::new(intent), now);
        self.write();
        id
    }

    fn write(&mut self) {
        self.log.extend(self.queue.take_records());
    }

    fn poll(&mut self) -> Vec<Send> {
        let sends = self.queue.poll(self.now());
        self.write();
        sends
    }

    fn finish(&mut self, send: &Send, outcome: &Outcome) {
        let now = self.now();
        self.queue.finish(send, outcome, now);
        self.write();
    }

    /// Runs until nothing is due before `until_ms`; `answer` says how each attempt ends, at once.
    fn run(&mut self, until_ms: i64, mut answer: impl FnMut(i64, &Send) -> Outcome) {
        loop {
            let sends = self.poll();
            for send in &sends {
                let outcome = answer(self.mono_ms, send);
                self.finish(send, &outcome);
            }
            if !sends.is_empty() {
                continue;
            }
            let due = self.queue.next_due_ms(self.now()).unwrap_or(i64::MAX);
            if due >= until_ms {
                self.mono_ms = until_ms;
                return;
            }
            self.mono_ms = due.max(self.mono_ms + 1);
        }
    }

    fn fate(&self, id: DeliveryId) -> &'static str {
        let mut fate = "open";
        for record in &self.log {
            match record {
                Record::Acked { id: of, .. } if *of == id => fate = "acked",
                Record::Superseded { id: of, .. } if *of == id => fate = "superseded",
                Record::Dead { id: of, .. } if *of == id => fate = "dead",
                Record::Replayed { id: of, .. } if *of == id => fate = "open",
                _ => {}
            }
        }
        fate
    }

    /// Forgets everything but the log.
    fn restart(&mut self, setup: &Setup) {
        let now = self.now();
        self.queue = queue(setup, now);
        self.queue.restore(self.log.clone(), now);
        self.write();
    }
}

fn flush(receiver: &str, group: &str, reason: route::Reason, seq: u64, at_ms: i64) -> Flush {
    let fires = reason != AllResolved;
    let labels = LabelSet::from_pairs(&[("alertname", group)]);
    let fingerprint = Fingerprint::of(&labels);
    let alert = Alert {
        labels: labels.clone(),
        annotations: LabelSet::default(),
        starts_ms: at_ms,
        ends_ms: if fires { NEVER_MS } else { at_ms },
        timeout: false,
        updated_ms: at_ms,
        generator_url: String::new(),
    };
    Flush {
        group_key: format!("{{}}:{{alertname=\"{group}\"}}"),
        receiver: receiver.into(),
        integration: ("webhook".into(), 0),
        reason,
        alerts: vec![alert],
        group_labels: labels,
        route_labels: LabelSet::default(),
        firing: if fires { vec![fingerprint] } else { Vec::new() },
        resolved: if fires { Vec::new() } else { vec![fingerprint] },
        at_ms,
        flush_seq: seq,
        repeat_ms: 3_600_000,
    }
}

fn delivered() -> Outcome {
    Outcome::delivered(Some(200), "ok")
}

fn down() -> Outcome {
    Outcome::transient(None, "connection refused", None)
}

use route::Reason::{AllResolved, First, NewAlerts, Repeat, SomeResolved};

const PER_MINUTE: RateLimit = RateLimit { per_minute: 120, burst: 1 };

#[test]
fn only_the_newest_state_of_a_group_goes_out() {
    let mut world = World::new(&Setup::default());
    let first = world.offer("a", First);
    let second = world.offer("a", NewAlerts);
    let third = world.offer("a", AllResolved);
    let other = world.offer("b", First);
    let mut sent = Vec::new();
    world.run(1_000, |_, send| {
        sent.push(send.intent.id);
        delivered()
    });
    // What wakes somebody goes first.
    assert_eq!(sent, [other, third]);
    let fates = [first, second, third, other].map(|id| world.fate(id));
    assert_eq!(fates, ["superseded", "superseded", "acked", "acked"]);
    assert_eq!(world.queue.stats(), QueueStats::default());
}

#[test]
fn an_older_state_or_the_same_again_changes_nothing() {
    let mut world = World::new(&Setup::default());
    let old = Intent::new(flush("pd", "a", First, 1, BEGIN_MS));
    let new = Intent::new(flush("pd", "a", NewAlerts, 2, BEGIN_MS));
    let now = world.now();
    for intent in [&new, &old, &new] {
        world.queue.offer(Arc::new(intent.clone()), now);
    }
    let mut sent = Vec::new();
    world.run(1_000, |_, send| {
        sent.push(send.intent.id);
        delivered()
    });
    assert_eq!(sent, [new.id]);
    assert_eq!(world.fate(old.id), "superseded");
}

#[test]
fn what_comes_while_its_group_is_on_its_way_waits_for_the_answer() {
    for (outcome, fate) in [(delivered(), "acked"), (down(), "superseded")] {
        let mut world = World::new(&Setup::default());
        let first = world.offer("a", First);
        let sends = world.poll();
        let second = world.offer("a", AllResolved);
        assert!(world.poll().is_empty(), "one at a time");
        world.finish(&sends[0], &outcome);
        assert_eq!(world.fate(first), fate);
        let mut sent = Vec::new();
        world.run(60_000, |_, send| {
            sent.push(send.intent.id);
            delivered()
        });
        assert_eq!(sent, [second], "{fate}");
    }
}

#[test]
fn a_new_page_never_waits_behind_repeats_resolves_and_updates() {
    let mut world = World::new(&Setup { rate: Some(PER_MINUTE), ..Setup::default() });
    for i in 0..300 {
        let reason = [Repeat, SomeResolved, AllResolved][i % 3];
        world.offer(&format!("g{i}"), reason);
    }
    world.run(5_000, |_, _| delivered());
    let page = world.offer("page", First);
    let begin = world.mono_ms;
    let mut at = None;
    world.run(begin + 400_000, |now, send| {
        if send.intent.id == page {
            at = Some(now);
        }
        delivered()
    });
    assert!(at.expect("it went out") <= begin + 500, "one place in the rate");
    assert_eq!(world.queue.stats(), QueueStats::default(), "all of it went out");
}

#[test]
fn a_trigger_that_was_never_delivered_stays_as_pressing_when_it_changes() {
    let mut world = World::new(&Setup { rate: Some(PER_MINUTE), ..Setup::default() });
    for i in 0..50 {
        world.offer(&format!("r{i}"), AllResolved);
    }
    world.poll();
    world.offer("a", First);
    let changed = world.offer("a", NewAlerts);
    world.mono_ms += 500;
    assert_eq!(world.poll()[0].intent.id, changed);
}

/// 10,000 groups against 120 a minute: the first page goes at once, later ones keep the rate, a
/// page that comes in the middle of a storm of repeats goes first, and memory is bounded.
#[test]
fn a_storm_of_groups_against_a_slow_receiver() {
    let mut world = World::new(&Setup { rate: Some(PER_MINUTE), ..Setup::default() });
    for i in 0..10_000 {
        world.offer(&format!("g{i}"), First);
    }
    let bytes = world.queue.stats().bytes;
    assert!(bytes < 32 << 20, "{bytes}");
    let mut times = Vec::new();
    world.run(120_000, |now, _| {
        times.push(now);
        delivered()
    });
    assert!(times[0] < 2_000, "the first page went at {}", times[0]);
    assert!((238..=241).contains(&times.len()), "{} in two minutes", times.len());
    for i in 0..10_000 {
        world.offer(&format!("g{i}"), NewAlerts);
    }
    let stats = world.queue.stats();
    assert_eq!(stats.queued.iter().sum::<usize>(), 10_000, "one state of each group");
    world.run(7_000_000, |_, _| delivered());
    assert_eq!(world.queue.stats(), QueueStats::default());
}

#[test]
fn a_receiver_that_is_away_for_four_seconds_has_the_page_before_five() {
    for seed in 0..200 {
        let mut world = World::new(&Setup { seed, ..Setup::default() });
        let page = world.offer("a", First);
        let mut at = None;
        world.run(60_000, |now, _| match now < 4_000 {
            true => down(),
            false => {
                at.get_or_insert(now);
                delivered()
            }
        });
        assert!(at.is_some_and(|at| at < 5_000), "seed {seed}: {at:?}");
        assert_eq!(world.fate(page), "acked");
    }
}

#[test]
fn a_new_page_is_tried_soon_although_the_receiver_was_away_for_long() {
    let mut world = World::new(&Setup::default());
    world.offer("old", First);
    world.run(600_000, |_, _| down());
    assert_eq!(world.queue.stats().open_breakers, 1);
    let page = world.offer("new", First);
    let begin = world.mono_ms;
    let mut at = None;
    world.run(begin + 60_000, |now, send| {
        if send.intent.id == page {
            at.get_or_insert(now);
        }
        delivered()
    });
    assert!(at.is_some_and(|at| at <= begin + 800), "{at:?} after {begin}");
}

#[test]
fn an_endpoint_that_fails_is_probed_with_one_at_a_time_and_nothing_is_lost() {
    let mut world = World::new(&Setup::default());
    let ids: Vec<DeliveryId> = (0..50).map(|i| world.offer(&format!("g{i}"), First)).collect();
    let mut attempts = 0;
    world.run(60_000, |_, _| {
        attempts += 1;
        down()
    });
    // Unprotected it would be some 50 × 80 attempts.
    assert!(attempts < 150, "{attempts} attempts");
    assert_eq!(world.queue.stats().open_breakers, 1);
    world.mono_ms += 30_000;
    assert_eq!(world.poll().len(), 1, "one probe");
    let now = world.now();
    assert!(world.queue.next_due_ms(now).is_some_and(|due| due > world.mono_ms));
    world.run(200_000, |_, _| delivered());
    // The probe was never answered: it was given up as an attempt, not as a delivery.
    assert!(ids.iter().all(|id| world.fate(*id) == "acked"));
}

/// One message that always fails must not keep the others of an open endpoint waiting.
#[test]
fn a_poisonous_message_does_not_keep_an_endpoint_closed() {
    let mut world = World::new(&Setup::default());
    let poison = world.offer("poison", First);
    world.run(60_000, |_, _| down());
    let others: Vec<DeliveryId> = (0..20).map(|i| world.offer(&format!("g{i}"), Repeat)).collect();
    world.run(400_000, |_, send| if send.intent.id == poison { down() } else { delivered() });
    assert!(others.iter().all(|id| world.fate(*id) == "acked"));
    assert_eq!(world.fate(poison), "open");
}

#[test]
fn retry_after_is_a_pause_for_the_whole_endpoint() {
    for busy in [true, false] {
        let mut world = World::new(&Setup::default());
        world.offer("a", First);
        let sends = world.poll();
        let pause = Some(Duration::from_secs(7));
        let said = if busy { Outcome::busy } else { Outcome::transient };
        world.finish(&sends[0], &said(Some(429), "slow down", pause));
        world.offer("b", First);
        let mut times = Vec::new();
        world.run(60_000, |now, _| {
            times.push(now);
            delivered()
        });
        assert_eq!(times, [7_000, 7_000], "busy {busy}");
    }
}

#[test]
fn what_is_refused_for_good_is_a_dead_letter_at_once_and_can_be_sent_again() {
    let mut world = World::new(&Setup::default());
    let id = world.offer("a", First);
    world.run(1_000, |_, _| Outcome::permanent(Some(403), "no such key"));
    assert_eq!(world.fate(id), "dead");
    let letters = world.queue.dead_letters();
    assert_eq!((letters.len(), letters[0].reason), (1, Reason::Permanent));
    assert_eq!(world.queue.broken()[&target("pd")], "no such key");
    assert!(!world.queue.replay(DeliveryId([7; 16]), world.now()));
    let now = world.now();
    assert!(world.queue.replay(id, now));
    world.run(2_000, |_, _| delivered());
    assert_eq!(world.fate(id), "acked");
    assert!(world.queue.broken().is_empty() && world.queue.dead_letters().is_empty());
    let delivery = &world.queue.deliveries(10)[0];
    assert_eq!((delivery.id, delivery.state), (id, DeliveryState::Acked));
}

#[test]
fn what_grows_too_old_is_given_up() {
    let mut world = World::new(&Setup::default());
    let id = world.offer("a", First);
    world.run(24 * 3_600_000 - 1, |_, _| down());
    assert_eq!(world.fate(id), "open");
    world.run(24 * 3_600_000 + 31_000, |_, _| down());
    assert_eq!(world.fate(id), "dead");
    assert_eq!(world.queue.dead_letters()[0].reason, Reason::Expired);
}

#[test]
fn the_fallback_receiver_is_told_of_what_fires_and_of_its_end() {
    let mut world = World::new(&Setup { fallback: true, ..Setup::default() });
    world.offer("a", First);
    let mut told = Vec::new();
    let mut answer = |now: i64, send: &Send| match &*send.intent.flush.receiver {
        "mail" => {
            told.push((now, send.intent.flush.is_firing()));
            delivered()
        }
        _ => down(),
    };
    world.run(90_000, &mut answer);
    world.offer("a", AllResolved);
    world.run(200_000, &mut answer);
    assert_eq!(told, [(20_000, true), (90_000, false)]);
}

#[test]
fn the_fallback_receiver_is_told_at_once_of_what_is_refused() {
    let mut world = World::new(&Setup { fallback: true, ..Setup::default() });
    world.offer("a", First);
    let mut told = Vec::new();
    world.run(90_000, |now, send| match &*send.intent.flush.receiver {
        "mail" => {
            told.push(now);
            delivered()
        }
        _ => Outcome::permanent(Some(404), "gone"),
    });
    assert_eq!(told, [0]);
}

#[test]
fn the_fallback_receiver_is_not_told_twice_over_a_restart() {
    let setup = Setup { fallback: true, ..Setup::default() };
    let mut world = World::new(&setup);
    world.offer("a", First);
    let mut told = 0;
    let mut answer = |_: i64, send: &Send| match &*send.intent.flush.receiver {
        "mail" => {
            told += 1;
            delivered()
        }
        _ => down(),
    };
    world.run(30_000, &mut answer);
    world.restart(&setup);
    world.run(90_000, &mut answer);
    assert_eq!(told, 1);
}

#[test]
fn after_a_restart_only_what_was_not_acknowledged_goes_out() {
    let setup = Setup::default();
    let mut world = World::new(&setup);
    world.offer("done", First);
    world.run(1_000, |_, _| delivered());
    let open = world.offer("open", First);
    let stale = world.offer("changed", First);
    let dead = world.offer("refused", First);
    let sends = world.poll();
    let refused = sends.iter().find(|send| send.intent.id == dead).expect("it went out");
    world.finish(refused, &Outcome::permanent(None, "no"));
    let changed = world.offer("changed", AllResolved);
    world.restart(&setup);
    let mut sent = Vec::new();
    world.run(60_000, |_, send| {
        sent.push(send.intent.id);
        delivered()
    });
    sent.sort_unstable();
    let mut wants = [open, changed];
    wants.sort_unstable();
    assert_eq!(sent, wants);
    assert_eq!(world.fate(stale), "superseded");
    assert_eq!(world.queue.dead_letters()[0].intent.id, dead);
}

/// A clock that jumps a year ahead while the process is down must not turn pages into dead letters.
#[test]
fn what_seems_very_old_at_a_start_is_tried_all_the_same() {
    let setup = Setup::default();
    let mut world = World::new(&setup);
    let id = world.offer("a", First);
    let now = Now { mono_ms: 0, wall_ms: BEGIN_MS + 365 * 24 * 3_600_000 };
    world.queue = queue(&setup, now);
    world.queue.restore(world.log.clone(), now);
    world.run(1_800_000, |now, _| if now < 1_700_000 { down() } else { delivered() });
    assert_eq!(world.fate(id), "acked");
}

#[test]
fn without_room_the_least_pressing_become_dead_letters() {
    let one = Intent::new(flush("pd", "g00", First, 1, 0)).bytes();
    let options = QueueOptions { bytes_max: one * 10, ..QueueOptions::default() };
    let mut world = World::new(&Setup { options, ..Setup::default() });
    for i in 0..10 {
        world.offer(&format!("g{i:02}"), if i < 5 { First } else { Repeat });
    }
    let pages: Vec<DeliveryId> = (10..15).map(|i| world.offer(&format!("g{i}"), First)).collect();
    assert!(world.queue.stats().bytes <= one * 10);
    assert!(pages.iter().all(|id| world.fate(*id) == "open"));
    let letters = world.queue.dead_letters();
    assert!(
        letters.iter().all(|l| l.reason == Reason::Full && l.intent.urgency() == Urgency::Repeat)
    );
    assert_eq!(letters.len(), 5);
}

#[test]
fn dead_letters_are_bounded() {
    let options = QueueOptions { dead_letters_max: (3, usize::MAX), ..QueueOptions::default() };
    let mut world = World::new(&Setup { options, ..Setup::default() });
    for i in 0..10 {
        world.offer(&format!("g{i}"), First);
    }
    world.run(1_000, |_, _| Outcome::permanent(None, "no"));
    assert_eq!(world.queue.dead_letters().len(), 3);
    let forgotten = world.log.iter().filter(|r| matches!(r, Record::Forgotten { .. })).count();
    assert_eq!(forgotten, 7);
}

#[test]
fn a_receiver_that_is_gone_leaves_dead_letters() {
    let mut world = World::new(&Setup::default());
    let id = world.offer("a", First);
    let on_its_way = world.poll();
    let waits = world.offer("b", First);
    let now = world.now();
    world.queue.configure(&BTreeMap::new(), None, now);
    world.write();
    assert_eq!(world.fate(waits), "dead");
    world.finish(&on_its_way[0], &down());
    assert_eq!(world.fate(id), "dead");
    let late = world.offer("c", First);
    assert_eq!(world.fate(late), "dead");
    assert_eq!(world.queue.stats().queued, [0; 4]);
}

#[test]
fn a_message_is_known_until_its_group_ends_and_over_a_restart() {
    let setup = Setup::default();
    let mut world = World::new(&setup);
    let message = MessageRef { channel: "C1".to_owned(), ts: "1.2".to_owned() };
    let mut seen = Vec::new();
    let mut answer = |_: i64, send: &Send| {
        seen.push(send.message.clone().map(|message| message.ts));
        let mut outcome = delivered();
        let message = Some(message.clone());
        outcome.verdict = super::super::outcome::Verdict::Delivered { message };
        outcome
    };
    for (reason, restart) in
        [(First, false), (NewAlerts, true), (AllResolved, false), (First, true)]
    {
        world.offer("a", reason);
        world.run(world.mono_ms + 1_000, &mut answer);
        if restart {
            world.restart(&setup);
        }
    }
    let known = Some("1.2".to_owned());
    assert_eq!(seen, [None, known.clone(), known, None]);
}

#[derive(Debug, Clone)]
enum Step {
    Offer(u8, u8),
    Poll,
    Finish(u8, u8),
    Wait(u16),
    Crash,
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u8, 0..5u8).prop_map(|(group, reason)| Step::Offer(group, reason)),
        4 => Just(Step::Poll),
        4 => (any::<u8>(), 0..5u8).prop_map(|(which, how)| Step::Finish(which, how)),
        2 => (0..40_000u16).prop_map(Step::Wait),
        1 => Just(Step::Crash),
        1 => Just(Step::Snapshot),
    ]
}

fn open_ids(queue: &Queue) -> Vec<DeliveryId> {
    let mut dead: Vec<DeliveryId> = queue.dead_letters().iter().map(|l| l.intent.id).collect();
    let mut open: Vec<DeliveryId> = queue
        .snapshot()
        .iter()
        .filter_map(|record| match record {
            Record::Intent(intent) if !dead.contains(&intent.id) => Some(intent.id),
            _ => None,
        })
        .collect();
    open.sort_unstable();
    open.append(&mut dead);
    open
}

proptest! {
    /// Whatever happens and wherever it crashes: nothing is sent that was not durable, never two of
    /// a group at once, and in the end the newest state of every group has been delivered or is a
    /// dead letter, and every earlier one is accounted for.
    #[test]
    fn nothing_is_lost(steps in prop::collection::vec(step(), 1..120), seed in any::<u64>()) {
        let setup = Setup { seed, ..Setup::default() };
        let mut world = World::new(&setup);
        let mut flying: Vec<(i64, Send)> = Vec::new();
        let mut offered: BTreeMap<DeliveryId, u8> = BTreeMap::new();
        let mut newest: BTreeMap<u8, DeliveryId> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Offer(group, reason) => {
                    let reason = [First, NewAlerts, AllResolved, SomeResolved, Repeat][usize::from(reason)];
                    let id = world.offer(&format!("g{group}"), reason);
                    offered.insert(id, group);
                    newest.insert(group, id);
                }
                Step::Poll => {
                    let at = world.mono_ms;
                    flying.extend(world.poll().into_iter().map(|send| (at, send)));
                }
                Step::Finish(which, how) if !flying.is_empty() => {
                    let (_, send) = flying.swap_remove(usize::from(which) % flying.len());
                    let outcome = match how {
                        0 | 1 => delivered(),
                        2 => down(),
                        3 => Outcome::busy(Some(429), "", Some(Duration::from_secs(3))),
                        _ => Outcome::permanent(Some(400), "no"),
                    };
                    world.finish(&send, &outcome);
                }
                Step::Finish(..) => {}
                Step::Wait(ms) => world.mono_ms += i64::from(ms),
                Step::Crash => {
                    flying.clear();
                    let before = open_ids(&world.queue);
                    world.restart(&setup);
                    // What was on its way while something newer waited is superseded by that.
                    prop_assert!(open_ids(&world.queue).iter().all(|id| before.contains(id)));
                }
                Step::Snapshot => {
                    let snapshot = world.queue.snapshot();
                    let now = world.now();
                    let mut other = queue(&setup, now);
                    other.restore(snapshot, now);
                    let before = open_ids(&world.queue);
                    prop_assert!(open_ids(&other).iter().all(|id| before.contains(id)));
                }
            }
            for (at, (started_ms, send)) in flying.iter().enumerate() {
                prop_assert!(offered.contains_key(&send.intent.id), "sent what nobody decided");
                for (other_ms, other) in flying.iter().skip(at + 1) {
                    // An attempt without an answer for 90 s is over, for the queue.
                    let over = world.mono_ms - started_ms.min(other_ms) >= 90_000;
                    let twice = other.intent.key() == send.intent.key();
                    prop_assert!(!twice || over, "two of one group at once");
                }
            }
        }
        for (_, send) in std::mem::take(&mut flying) {
            world.finish(&send, &down());
        }
        world.run(world.mono_ms + 600_000, |_, _| delivered());
        for id in newest.values() {
            prop_assert!(["acked", "dead"].contains(&world.fate(*id)), "{}", world.fate(*id));
        }
        for id in offered.keys() {
            prop_assert!(world.fate(*id) != "open");
        }
        let stats = world.queue.stats();
        prop_assert_eq!((stats.queued, stats.in_flight, stats.bytes), ([0; 4], 0, 0));
    }
}
