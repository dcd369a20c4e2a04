use proptest::prelude::*;

use super::super::flush::Reason;
use super::*;

const MINUTE: i64 = 60_000;

fn config(text: &str) -> Arc<Config> {
    let (config, problems) = Config::parse("am.yml", text, false);
    Arc::new(config.unwrap_or_else(|| panic!("{problems:?}")))
}

const PLAIN: &str = "
route: {receiver: hook, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]
inhibit_rules: [{source_matchers: [s=critical], target_matchers: [s=warning], equal: [alertname]}]
";

fn alert(pairs: &[(&str, &str)], starts_ms: i64, ends_ms: i64) -> Alert {
    Alert {
        labels: LabelSet::from_pairs(pairs),
        annotations: LabelSet::default(),
        starts_ms,
        ends_ms,
        timeout: false,
        updated_ms: starts_ms,
        generator_url: String::new(),
    }
}

fn dispatcher(text: &str, compat: bool) -> Dispatcher {
    Dispatcher::new(config(text), DispatchOptions { compat, ..DispatchOptions::default() }, 0)
}

/// Lets time pass and returns what was flushed: time, reason, numbers of firing and resolved.
fn run(dispatcher: &mut Dispatcher, until_ms: i64) -> Vec<(i64, Reason, usize, usize)> {
    let mut seen = Vec::new();
    while let Some(due_ms) = dispatcher.next_due_ms().filter(|due_ms| *due_ms <= until_ms) {
        for flush in dispatcher.advance(due_ms).flushes {
            seen.push((flush.at_ms, flush.reason, flush.firing.len(), flush.resolved.len()));
        }
    }
    seen
}

const FOREVER: i64 = 1 << 50;

#[test]
fn a_group_waits_then_tells_then_repeats_then_resolves() {
    for compat in [false, true] {
        let mut d = dispatcher(PLAIN, compat);
        d.receive(vec![alert(&[("alertname", "A"), ("i", "1")], 0, FOREVER)], 0);
        assert_eq!(run(&mut d, 4 * MINUTE), [(30_000, Reason::First, 1, 0)]);
        d.receive(vec![alert(&[("alertname", "A"), ("i", "2")], 4 * MINUTE, FOREVER)], 4 * MINUTE);
        assert_eq!(run(&mut d, 6 * MINUTE), [(330_000, Reason::NewAlerts, 2, 0)]);
        d.receive(
            vec![alert(&[("alertname", "A"), ("i", "2")], 4 * MINUTE, 7 * MINUTE)],
            7 * MINUTE,
        );
        assert_eq!(run(&mut d, 11 * MINUTE), [(630_000, Reason::SomeResolved, 1, 1)]);
        // One clock per alert: that of the first runs since its first message; upstream's since
        // the last message.
        let repeat = if compat { 75 * MINUTE + 30_000 } else { 60 * MINUTE + 30_000 };
        assert_eq!(run(&mut d, 80 * MINUTE), [(repeat, Reason::Repeat, 1, 0)], "compat {compat}");
        d.receive(vec![alert(&[("alertname", "A"), ("i", "1")], 0, 81 * MINUTE)], 81 * MINUTE);
        let last = run(&mut d, 200 * MINUTE);
        assert_eq!(last.len(), 1);
        assert_eq!((last[0].1, last[0].2, last[0].3), (Reason::AllResolved, 0, 1));
        assert!(d.is_empty() && d.next_due_ms().is_none(), "nothing is held any more");
    }
}

#[test]
fn an_alert_that_has_waited_elsewhere_waits_no_more() {
    let mut d = dispatcher(PLAIN, false);
    d.receive(vec![alert(&[("alertname", "A")], 0, FOREVER)], 31_000);
    assert_eq!(d.next_due_ms(), Some(31_000));
}

#[test]
fn who_edits_in_place_is_told_at_once_unless_the_file_says_otherwise() {
    let pager = |wait: &str| {
        format!(
            "route: {{receiver: pd{wait}}}\nreceivers: [{{name: pd, pagerduty_configs: \
             [{{routing_key: k}}]}}]\n"
        )
    };
    for (wait, compat, due_ms) in
        [("", false, 0), ("", true, 30_000), (", group_wait: 10s", false, 10_000)]
    {
        let mut d = dispatcher(&pager(wait), compat);
        d.receive(vec![alert(&[("alertname", "A")], 0, FOREVER)], 0);
        assert_eq!(d.next_due_ms(), Some(due_ms), "{wait} {compat}");
    }
}

fn silence_all() -> Silence {
    let matcher = tarn_model::matcher::Matcher::equal("alertname", "A");
    Silence {
        id: String::new(),
        matcher_sets: vec![vec![matcher]],
        starts_ms: 0,
        ends_ms: FOREVER,
        updated_ms: 0,
        created_by: String::new(),
        comment: String::new(),
        annotations: std::collections::BTreeMap::new(),
    }
}

#[test]
fn a_resolve_reaches_whoever_got_the_firing() {
    for (compat, wanted) in [(false, 1), (true, 0)] {
        let mut d = dispatcher(PLAIN, compat);
        d.receive(vec![alert(&[("alertname", "A")], 0, FOREVER)], 0);
        assert_eq!(run(&mut d, MINUTE).len(), 1);
        d.set_silence(silence_all(), "s", 2 * MINUTE).expect("silence");
        d.receive(vec![alert(&[("alertname", "A")], 0, 3 * MINUTE)], 3 * MINUTE);
        assert_eq!(run(&mut d, 20 * MINUTE).len(), wanted, "compat {compat}");
    }
    // Who was never told hears nothing.
    let mut d = dispatcher(PLAIN, false);
    d.set_silence(silence_all(), "s", 0).expect("silence");
    d.receive(vec![alert(&[("alertname", "A")], 0, FOREVER)], 0);
    assert_eq!(run(&mut d, MINUTE), []);
    d.receive(vec![alert(&[("alertname", "A")], 0, 3 * MINUTE)], 3 * MINUTE);
    assert_eq!(run(&mut d, 20 * MINUTE), []);
}

#[test]
fn a_restart_does_not_end_alerts_and_a_reload_keeps_times() {
    let mut d = dispatcher(PLAIN, false);
    let mut log = d.receive(vec![alert(&[("alertname", "A")], 0, 4 * MINUTE)], 0);
    log.extend(d.advance(30_000).records);
    let mut again = dispatcher(PLAIN, false);
    log.into_iter().for_each(|record| again.apply(record));
    again.resume(40 * MINUTE, 5 * MINUTE);
    let (now_ms, told) = (40 * MINUTE, "it had told, and the alert may still fire");
    assert_eq!(again.advance(now_ms).flushes, [], "{told}");
    assert_eq!(again.len(), 1);
    let due_ms = d.next_due_ms();
    d.reload(config(&PLAIN.replace("1h", "2h")), MINUTE);
    assert_eq!(d.next_due_ms(), due_ms);
}

#[test]
fn a_clock_that_is_set_back_does_not_hold_groups() {
    let mut d = dispatcher(PLAIN, false);
    d.advance(100 * MINUTE);
    d.receive(vec![alert(&[("alertname", "A")], 100 * MINUTE, FOREVER)], 100 * MINUTE);
    d.advance(MINUTE);
    assert_eq!(d.next_due_ms(), Some(MINUTE + 30_000));
}

#[test]
fn a_hundred_thousand_alerts_cost_what_is_due() {
    let mut d = dispatcher(&PLAIN.replace("[alertname]", "[alertname, g]"), false);
    let make = |i: i64| {
        let (i, g) = (i.to_string(), (i / 10).to_string());
        alert(&[("alertname", "A"), ("instance", &i), ("g", &g)], 0, FOREVER)
    };
    let count = 20_000;
    d.receive((0..count).map(make).collect(), 0);
    assert_eq!((d.len(), d.groups.len()), (count as usize, count as usize / 10));
    let advanced = d.advance(30_000);
    assert_eq!(advanced.flushes.len(), count as usize / 10);
    assert!(d.receive((0..count).map(make).collect(), 31_000).is_empty(), "nothing new, no record");
    assert!(d.advance(31_000).records.is_empty());
}

/// What happens in a random run.
#[derive(Debug, Clone)]
enum Event {
    Fire(u8),
    End(u8),
    Wait(u16),
    Silence(u8),
    Unsilence(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..8u8).prop_map(Event::Fire),
        3 => (0..8u8).prop_map(Event::End),
        5 => (1..900u16).prop_map(Event::Wait),
        1 => (0..8u8).prop_map(Event::Silence),
        1 => (0..8u8).prop_map(Event::Unsilence),
    ]
}

fn labels_of(i: u8) -> Vec<(&'static str, String)> {
    let severity = if i.is_multiple_of(4) { "critical" } else { "warning" };
    vec![("alertname", format!("A{}", i / 4)), ("i", i.to_string()), ("s", severity.to_owned())]
}

/// The state, without when each alert was told last: that it still fires is not recorded each time.
fn known(dispatcher: &Dispatcher) -> Vec<Record> {
    let mut records = dispatcher.snapshot();
    for record in &mut records {
        if let Record::Alert(alert) = record {
            alert.updated_ms = 0;
        }
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Over any course of events: replayed records are the live state; the end of an alert is told
    /// exactly to those who were told that it fires, once; what is kept quiet is not told.
    #[test]
    fn whatever_happens(events in proptest::collection::vec(event(), 1..60)) {
        let mut live = dispatcher(PLAIN, false);
        let mut log = Vec::new();
        let mut now_ms = 0;
        let mut told: std::collections::BTreeSet<Fingerprint> = std::collections::BTreeSet::new();
        for event in events {
            match event {
                Event::Fire(i) | Event::End(i) => {
                    let labels = labels_of(i);
                    let pairs: Vec<_> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
                    let ends_ms = if matches!(event, Event::Fire(_)) { FOREVER } else { now_ms };
                    let mut one = alert(&pairs, now_ms, ends_ms);
                    one.updated_ms = now_ms;
                    log.extend(live.receive(vec![one], now_ms));
                }
                Event::Wait(seconds) => {
                    let until_ms = now_ms + i64::from(seconds) * 1000;
                    while let Some(due_ms) = live.next_due_ms().filter(|due| *due <= until_ms) {
                        let due_ms = due_ms.max(now_ms);
                        let Advanced { flushes, records } = live.advance(due_ms);
                        for flush in &flushes {
                            for one in &flush.alerts {
                                let alert = one.fingerprint();
                                if one.ends_ms == super::super::flush::NEVER_MS {
                                    told.insert(alert);
                                    if let Some(status) = live.status(alert, due_ms) {
                                        prop_assert!(status.state == AlertState::Active);
                                    }
                                } else {
                                    prop_assert!(told.remove(&alert), "an end nobody waits for");
                                }
                            }
                        }
                        log.extend(records);
                    }
                    now_ms = until_ms;
                }
                Event::Silence(i) => {
                    let mut silence = silence_all();
                    silence.matcher_sets =
                        vec![vec![tarn_model::matcher::Matcher::equal("i", &i.to_string())]];
                    let id = format!("{i}-{now_ms}");
                    if let Ok((_, records)) = live.set_silence(silence, &id, now_ms) {
                        log.extend(records);
                    }
                }
                Event::Unsilence(i) => {
                    let ids: Vec<String> = live.silences().iter().map(|s| s.id.clone()).collect();
                    for id in ids.iter().filter(|id| id.starts_with(&format!("{i}-"))) {
                        log.extend(live.expire_silence(id, now_ms).unwrap_or_default());
                    }
                }
            }
        }
        let text = serde_json::to_string(&log).expect("records are JSON");
        let log: Vec<Record> = serde_json::from_str(&text).expect("JSON is records");
        let mut replayed = dispatcher(PLAIN, false);
        log.into_iter().for_each(|record| replayed.apply(record));
        prop_assert_eq!(known(&replayed), known(&live));
        let mut copied = dispatcher(PLAIN, false);
        live.snapshot().into_iter().for_each(|record| copied.apply(record));
        prop_assert_eq!(copied.snapshot(), live.snapshot());
        prop_assert_eq!(run(&mut copied, now_ms + 90 * MINUTE), run(&mut live, now_ms + 90 * MINUTE));
    }
}

#[test]
fn an_alert_that_finds_no_room_is_counted() {
    let options = DispatchOptions { alerts_max: 1, ..DispatchOptions::default() };
    let mut d = Dispatcher::new(config(PLAIN), options, 0);
    let of = |i: &str, ends_ms| alert(&[("alertname", "A"), ("i", i)], 0, ends_ms);
    d.receive(vec![of("1", FOREVER), of("2", FOREVER), of("1", FOREVER)], 0);
    assert_eq!((d.len(), d.refused()), (1, 1));
    // One that is over already is none that anybody misses.
    d.receive(vec![of("3", 10)], 20);
    assert_eq!(d.refused(), 1);
}
