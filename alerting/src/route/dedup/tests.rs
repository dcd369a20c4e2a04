use super::*;

fn alerts(ids: &[u64]) -> Vec<Fingerprint> {
    ids.iter().map(|id| Fingerprint(*id)).collect()
}

fn entry(firing: &[u64], resolved: &[u64], at_ms: i64) -> Entry {
    let text = |text: &str| Arc::<str>::from(text);
    Entry {
        key: EntryKey {
            group_key: text("{}:{}"),
            receiver: text("r"),
            kind: text("webhook"),
            index: 0,
        },
        at_ms,
        expires_ms: i64::MAX,
        firing: alerts(firing),
        resolved: alerts(resolved),
        open: firing.iter().map(|id| (Fingerprint(*id), at_ms)).collect(),
        flush_seq: 1,
    }
}

/// What was told (firing, resolved, when), what is (firing, resolved, now), whether ends are wanted,
/// and the reasons: with upstream's rules, and with ours.
type Case = (
    Option<(&'static [u64], &'static [u64], i64)>,
    &'static [u64],
    &'static [u64],
    i64,
    bool,
    Option<Reason>,
    Option<Reason>,
);

#[test]
fn the_questions_come_in_order() {
    use Reason::{AllResolved, First, NewAlerts, Repeat, SomeResolved};
    let cases: &[Case] = &[
        (None, &[1], &[], 0, true, Some(First), Some(First)),
        (None, &[], &[1], 0, true, None, None),
        (Some((&[], &[], 0)), &[1], &[], 1, true, Some(First), Some(First)),
        (Some((&[1], &[], 0)), &[1, 2], &[], 1, true, Some(NewAlerts), Some(NewAlerts)),
        (Some((&[1], &[], 0)), &[], &[1], 1, true, Some(AllResolved), Some(AllResolved)),
        (Some((&[1], &[], 0)), &[], &[1], 1, false, Some(AllResolved), Some(AllResolved)),
        (Some((&[], &[1], 0)), &[], &[1], 1, true, None, None),
        (Some((&[1, 2], &[], 0)), &[1], &[2], 1, true, Some(SomeResolved), Some(SomeResolved)),
        (Some((&[1, 2], &[], 0)), &[1], &[2], 1, false, None, None),
        // The end of an alert nobody was told of is news to upstream only.
        (Some((&[1], &[], 0)), &[1], &[3], 1, true, Some(SomeResolved), None),
        (Some((&[1], &[], 0)), &[1], &[], 99, true, None, None),
        (Some((&[1], &[], 0)), &[1], &[], 101, true, Some(Repeat), Some(Repeat)),
    ];
    for (at, (told, firing, resolved, now_ms, send_resolved, upstream, ours)) in
        cases.iter().enumerate()
    {
        let entry = told.map(|(firing, resolved, at_ms)| entry(firing, resolved, at_ms));
        let (firing, resolved) = (alerts(firing), alerts(resolved));
        for (compat, wanted) in [(true, upstream), (false, ours)] {
            let reason = decide(&Question {
                entry: entry.as_ref(),
                firing: &firing,
                resolved: &resolved,
                send_resolved: *send_resolved,
                repeat_ms: 100,
                compat,
                now_ms: *now_ms,
            });
            assert_eq!(reason, *wanted, "case {at}, compat {compat}");
        }
    }
}

#[test]
fn the_clock_of_an_alert_is_not_put_off_by_its_siblings() {
    let mut entry = entry(&[1, 2], &[], 60);
    entry.open.insert(Fingerprint(1), 0);
    let firing = alerts(&[1, 2]);
    let question = |compat| Question {
        entry: Some(&entry),
        firing: &firing,
        resolved: &[],
        send_resolved: true,
        repeat_ms: 100,
        compat,
        now_ms: 100,
    };
    assert_eq!(decide(&question(false)), Some(Reason::Repeat));
    assert_eq!(decide(&question(true)), None);
}
