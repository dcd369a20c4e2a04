use super::*;

fn silence(pairs: &[(&str, &str)], starts_ms: i64, ends_ms: i64) -> Silence {
    Silence {
        id: String::new(),
        matcher_sets: vec![pairs.iter().map(|(n, v)| Matcher::equal(n, v)).collect()],
        starts_ms,
        ends_ms,
        updated_ms: 0,
        created_by: "me".to_owned(),
        comment: "because".to_owned(),
        annotations: BTreeMap::new(),
    }
}

fn labels() -> LabelSet {
    LabelSet::from_pairs(&[("alertname", "Down"), ("job", "api")])
}

#[test]
fn a_silence_lives() {
    let mut silences = Silences::default();
    let (id, _) = silences.set(silence(&[("job", "api")], 50_000, 90_000), "a", 9, 0).expect("set");
    let state = |silences: &Silences, now_ms| silences.get("a").expect("there").state(now_ms);
    assert_eq!(state(&silences, 49_999), SilenceState::Pending);
    assert_eq!(state(&silences, 50_000), SilenceState::Active);
    assert_eq!(state(&silences, 90_000), SilenceState::Expired);
    assert!(silences.matching(&labels(), 49_999).is_empty());
    assert_eq!(silences.matching(&labels(), 50_000), std::slice::from_ref(&id));
    let ended = silences.expire(&id, 60_000).expect("ends");
    assert_eq!((ended.starts_ms, ended.ends_ms), (50_000, 60_000));
    assert!(silences.matching(&labels(), 60_000).is_empty());
    assert!(matches!(silences.expire(&id, 61_000), Err(Refused::Invalid(_))));
    assert!(matches!(silences.expire("b", 61_000), Err(Refused::Unknown(_))));
    assert_eq!(silences.collect(60_000), Vec::<String>::new());
    assert_eq!(silences.collect(60_001), ["a"]);
    assert!(silences.is_empty());
}

#[test]
fn a_change_is_made_in_place_where_nothing_past_changes() {
    let mut silences = Silences::default();
    silences.set(silence(&[("job", "api")], 0, 90_000), "a", 9, 0).expect("set");
    let longer = Silence { id: "a".to_owned(), ..silence(&[("job", "api")], 0, 120_000) };
    assert_eq!(silences.set(longer, "b", 9, 10_000).expect("set").0, "a");
    let other = Silence { id: "a".to_owned(), ..silence(&[("job", "db")], 0, 120_000) };
    let (id, changed) = silences.set(other, "b", 9, 20_000).expect("set");
    assert_eq!(id, "b");
    assert_eq!(changed.len(), 2, "the old one ended, the new one is there");
    assert_eq!(silences.get("a").expect("there").state(20_000), SilenceState::Expired);
    assert_eq!(silences.get("b").expect("there").starts_ms, 20_000);
    let unknown = Silence { id: "x".to_owned(), ..silence(&[("job", "db")], 0, 120_000) };
    assert!(matches!(silences.set(unknown, "c", 9, 0), Err(Refused::Unknown(_))));
    let third = silence(&[("job", "db")], 0, 120_000);
    assert!(matches!(silences.set(third, "c", 2, 0), Err(Refused::Full(_))));
}

#[test]
fn what_cannot_be_is_refused_and_why() {
    let mistake = |silence: Silence| silence.mistake(1_000).expect("a mistake");
    assert_eq!(mistake(silence(&[], 0, 2_000)), "at least one matcher is required in each set");
    let empty = "at least one matcher must not match the empty string";
    assert_eq!(mistake(silence(&[("a", "")], 0, 2_000)), empty);
    let order = "start time must be before end time";
    assert_eq!(mistake(silence(&[("a", "b")], 2_000, 2_000)), order);
    assert_eq!(mistake(silence(&[("a", "b")], 0, 999)), "end time can't be in the past");
}

#[test]
fn one_set_of_conditions_is_enough() {
    let mut silences = Silences::default();
    let mut either = silence(&[("job", "db")], 0, 9_000);
    let regex = Matcher::new("alertname", MatchOp::Regex, "Do.*").expect("matcher");
    either.matcher_sets.push(vec![regex]);
    silences.set(either, "a", 9, 0).expect("set");
    assert_eq!(silences.matching(&labels(), 1), ["a"]);
    let text = serde_json::to_string(&**silences.get("a").expect("there")).expect("json");
    let back: Silence = serde_json::from_str(&text).expect("reads");
    assert_eq!(back, **silences.get("a").expect("there"));
}
