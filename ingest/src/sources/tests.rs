use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use super::{NAME_BYTES_MAX, SOURCES_MAX, Sources, TENANTS_MAX};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

#[test]
fn rows_add_up_under_their_name_and_signal() {
    let (sources, shop) = (Sources::default(), tenant("shop"));
    let note = |signal, own, name: &str, rows, now_ms| {
        sources.note(&shop, (signal, own), &[(name.to_owned(), rows)], now_ms);
    };
    note(Signal::Logs, false, "cart", 3, 10);
    note(Signal::Logs, false, "cart", 4, 20);
    note(Signal::Traces, false, "cart", 1, 30);
    note(Signal::Traces, false, "silent", 0, 30);
    note(Signal::Metrics, true, "tarn", 5, 5);
    let found = sources.since(&shop, 0);
    let brief: Vec<_> = found
        .iter()
        .map(|s| (s.signal, &*s.name, s.first_seen_ms, s.last_seen_ms, s.rows, s.own))
        .collect();
    assert_eq!(
        brief,
        [
            (Signal::Traces, "cart", 30, 30, 1, false),
            (Signal::Logs, "cart", 10, 20, 7, false),
            (Signal::Metrics, "tarn", 5, 5, 5, true),
        ]
    );
    assert_eq!(sources.since(&shop, 20).len(), 2);
    assert!(sources.since(&tenant("other"), 0).is_empty());
}

#[test]
fn names_and_tenants_are_bounded_and_the_silent_ones_go() {
    let (sources, shop) = (Sources::default(), tenant("shop"));
    for n in 0..=SOURCES_MAX {
        let noted = [(format!("s{n}"), 1)];
        sources.note(&shop, (Signal::Logs, false), &noted, n as i64);
    }
    let found = sources.since(&shop, 0);
    assert_eq!(found.len(), SOURCES_MAX);
    assert!(!found.iter().any(|source| &*source.name == "s0"));
    let long = [("é".repeat(NAME_BYTES_MAX), 1)];
    sources.note(&shop, (Signal::Logs, false), &long, 5_000);
    assert_eq!(sources.since(&shop, 5_000)[0].name.len(), NAME_BYTES_MAX);
    for n in 0..TENANTS_MAX {
        let noted = [("x".to_owned(), 1)];
        sources.note(&tenant(&format!("t{n}")), (Signal::Logs, false), &noted, 9_000);
    }
    assert!(sources.since(&shop, 0).is_empty());
    assert_eq!(sources.since(&tenant("t0"), 0).len(), 1);
}
