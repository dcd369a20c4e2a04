use futures::FutureExt as _;
use tarn_model::labels::LabelSet;
use tarn_model::tenant::TenantId;

use super::memory::MemoryJournal;
use super::*;
use crate::alert::Fingerprint;
use crate::state::{Active, RuleState, State, Value};

fn key() -> RuleKey {
    let (group, name, query) = ("rules.yml;shop".into(), "QueueFull".into(), "x > 1".into());
    RuleKey { group, name, labels: Vec::new(), query, number: 0 }
}

fn state(alerts: &[(&str, State)]) -> RuleState {
    let active = |(job, state): &(&str, State)| {
        let labels = LabelSet::from_pairs(&[("alertname", "QueueFull"), ("job", job)]);
        let active = Active {
            labels: labels.clone(),
            annotations: LabelSet::default(),
            value: Value::Float(f64::NAN),
            state: *state,
            active_ms: 1,
            fired_ms: None,
            resolved_ms: None,
            last_sent_ms: None,
            keep_firing_since_ms: None,
        };
        (Fingerprint::of(&labels), active)
    };
    RuleState { alerts: alerts.iter().map(active).collect() }
}

fn entries(before: &RuleState, after: &RuleState) -> Vec<Entry> {
    let changes = RuleChange::between(&key(), before, after);
    changes.iter().map(|c| entry(&TenantId::default_tenant(), Kind::Rule, c)).collect()
}

fn replayed(journal: &MemoryJournal) -> RuleState {
    let store = Store::new(Arc::new(journal.clone()));
    let entries = store.replay().now_or_never().expect("memory").expect("replays");
    let mut state = RuleState::default();
    for entry in entries {
        body_of::<RuleChange>(&entry).expect("a change").apply(&mut state);
    }
    state
}

#[test]
fn states_are_the_same_after_a_replay_with_and_without_a_snapshot() {
    let journal = MemoryJournal::default();
    let store = Arc::new(Store::new(Arc::new(journal.clone())));
    let steps = [
        state(&[("a", State::Pending)]),
        state(&[("a", State::Firing), ("b", State::Pending)]),
        state(&[("b", State::Firing)]),
    ];
    let mut before = RuleState::default();
    for (number, after) in steps.iter().enumerate() {
        store.append(entries(&before, after)).now_or_never().expect("memory").expect("written");
        assert_eq!(&replayed(&journal), after, "step {number}");
        if number == 1 {
            let all = || entries(&RuleState::default(), after);
            store.snapshot(all).now_or_never().expect("memory").expect("written");
            assert_eq!(&replayed(&journal), after, "after the snapshot");
        }
        before = after.clone();
    }
}

#[test]
fn an_append_has_its_place_before_anybody_waits_for_it() {
    let journal = MemoryJournal::default();
    let store = Arc::new(Store::new(Arc::new(journal.clone())));
    let (first, second) = (state(&[("a", State::Pending)]), state(&[("a", State::Firing)]));
    let early = store.append(entries(&RuleState::default(), &first));
    let late = store.append(entries(&first, &second));
    late.now_or_never().expect("memory").expect("written");
    early.now_or_never().expect("memory").expect("written");
    assert_eq!(replayed(&journal), second);
}

#[test]
fn a_full_disk_is_told_and_ends() {
    let journal = MemoryJournal::default();
    let store = Arc::new(Store::new(Arc::new(journal.clone())));
    let some = || entries(&RuleState::default(), &state(&[("a", State::Pending)]));
    journal.fill(true);
    assert!(store.append(some()).now_or_never().expect("memory").is_err());
    assert!(store.writable().is_err() && store.broken().is_some());
    journal.fill(false);
    assert!(store.append(some()).now_or_never().expect("memory").is_ok());
    assert!(store.writable().is_ok());
}

#[test]
fn a_snapshot_that_ends_early_is_corrupt() {
    let whole = frame::encode(&entries(&RuleState::default(), &state(&[("a", State::Firing)])));
    assert_eq!(frame::decode(&whole).expect("whole").len(), 1);
    for length in 1..whole.len() {
        let cut = whole.slice(..length);
        assert!(length == 1 || frame::decode(&cut).is_err(), "{length} of {}", whole.len());
    }
}
