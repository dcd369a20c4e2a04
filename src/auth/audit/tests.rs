use std::time::Duration;

use super::chain::{Head, Verdict, hash, verify};
use super::*;

fn noted(number: i64) -> Noted {
    let mut event = Event::new("key.create", format!("key {number} \"x\""), Outcome::Done);
    event.principal = "ada".to_owned();
    event.how = "password";
    event.from = Some(IpAddr::from([192, 0, 2, 7]));
    Noted { time_ns: 1_795_262_400_000_000_000 + number, dropped_before: 0, event }
}

fn chain(events: i64) -> (Vec<(String, String)>, Head) {
    let mut head = Head::new("0a0b");
    let sealed = (1..=events).map(|n| head.seal(&noted(n))).map(|s| (s.text, s.hash)).collect();
    (sealed, head)
}

/// Changes what is stored: texts with their hashes.
type Damage = fn(&mut Vec<(String, String)>);

fn problems(events: Vec<(String, String)>, end: &Head) -> Vec<String> {
    verify(events, std::slice::from_ref(end)).problems
}

#[test]
fn a_chain_is_whole_in_any_order_and_with_events_that_were_sent_twice() {
    let (mut events, end) = chain(9);
    events.reverse();
    events.push(events[3].clone());
    let Verdict { events, chains, problems } = verify(events, std::slice::from_ref(&end));
    assert_eq!((events, chains, problems), (10, vec![(1, end)], Vec::new()));
}

#[test]
fn what_was_changed_or_taken_out_or_forged_is_named() {
    let cases: [(&str, Damage); 6] = [
        ("event 4 of chain 0a0b was changed", |e| e[3].0 = e[3].0.replace("ada", "eve")),
        ("event 5 of chain 0a0b does not follow event 4", |e| {
            e[3].0 = e[3].0.replace("ada", "eve");
            e[3].1 = hash(&e[3].0);
        }),
        ("events 4 to 5 of chain 0a0b are missing", |e| drop(e.drain(3..5))),
        ("ends with event 7; its server has stored 9", |e| e.truncate(7)),
        ("event 2 of chain 0a0b is there twice", |e| {
            let text = e[1].0.replace("ada", "eve");
            e.push((text.clone(), hash(&text)));
        }),
        ("a row is no event: nothing", |e| e.push(("nothing".to_owned(), hash("nothing")))),
    ];
    for (expected, damage) in cases {
        let (mut events, end) = chain(9);
        damage(&mut events);
        let found = problems(events, &end);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn refusals_of_one_address_are_events_first_and_a_number_then() {
    let mut refusals = Refusals::default();
    let (one, other) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
    let at = Duration::from_secs;
    assert_eq!((0..100).filter(|_| refusals.is_told(one, at(5))).count(), 20);
    assert!(refusals.is_told(other, at(5)), "another address is told on its own");
    assert_eq!(refusals.take_over(at(64)), []);
    assert_eq!(refusals.take_over(at(65)), [(one, 80)]);
    assert!(refusals.is_told(one, at(66)), "a new minute");
    // Whoever has many addresses is counted as one beyond the bound.
    let told =
        (0..100_000_u32).filter(|n| refusals.is_told(Some(IpAddr::from(n.to_be_bytes())), at(70)));
    assert!(told.count() < 5_000);
}

#[test]
fn what_waits_is_bounded_and_what_was_dropped_is_told() {
    let clock = Arc::new(crate::clock::SystemClock::new());
    let audit = Audit::register(true, clock, &mut Registry::default());
    for _ in 0..WAITING_MAX + 5 {
        audit.record(noted(1).event);
    }
    assert_eq!(audit.take().len(), WAITING_MAX);
    let mut long = noted(2).event;
    long.target = "é".repeat(TEXT_BYTES_MAX);
    audit.record(long);
    let [noted] = &audit.take()[..] else { panic!("one event") };
    assert_eq!((noted.dropped_before, noted.event.target.len()), (5, TEXT_BYTES_MAX));
    let off = Audit::register(
        false,
        Arc::new(crate::clock::SystemClock::new()),
        &mut Registry::default(),
    );
    off.record(Event::new("login", "ada", Outcome::Done));
    assert!(off.take().is_empty());
}
