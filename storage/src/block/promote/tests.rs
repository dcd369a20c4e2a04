use super::*;

fn uses(kind: ValueKind, count: u64) -> KeyUse {
    let mut uses = KeyUse::default();
    uses.kinds[kind as usize] = count;
    uses
}

fn columns(keys: &[(&str, KeyUse)], rows: u64) -> Vec<String> {
    wished(keys, rows, Wishes::default())
}

fn wished(keys: &[(&str, KeyUse)], rows: u64, wishes: Wishes<'_>) -> Vec<String> {
    choose(keys, rows, HashSet::default(), wishes).into_iter().map(|key| key.column).collect()
}

#[test]
fn frequent_keys_get_columns_of_their_type() {
    let mut mostly = uses(ValueKind::Int, 990);
    mostly.kinds[ValueKind::Text as usize] = 10;
    let mut mixed = uses(ValueKind::Int, 989);
    mixed.kinds[ValueKind::Text as usize] = 11;
    let keys = [
        ("text", uses(ValueKind::Text, 1000)),
        ("double", uses(ValueKind::Double, 5)),
        ("rare", uses(ValueKind::Double, 4)),
        ("bool", uses(ValueKind::Bool, 7)),
        ("mostly", mostly),
        ("mixed", mixed),
        ("list", uses(ValueKind::Array, 1000)),
        ("nothing", KeyUse::default()),
        ("line\nbreak", uses(ValueKind::Text, 1000)),
    ];
    assert_eq!(columns(&keys, 1000), ["ab_bool", "ad_double", "ai_mostly", "a_text"]);
}

#[test]
fn of_keys_that_differ_in_case_the_more_frequent_one_gets_the_column() {
    let keys = [("Job", uses(ValueKind::Text, 9)), ("job", uses(ValueKind::Int, 10))];
    assert_eq!(columns(&keys, 20), ["ai_job"]);
}

#[test]
fn the_most_frequent_keys_win() {
    let names: Vec<String> = (0..100).map(|i| format!("k{i:03}")).collect();
    let keys: Vec<(&str, KeyUse)> = names
        .iter()
        .enumerate()
        .map(|(i, n)| (&**n, uses(ValueKind::Text, 10 + i as u64)))
        .collect();
    let chosen = columns(&keys, 100);
    assert_eq!(chosen.len(), PROMOTED_MAX);
    assert_eq!(chosen.first().unwrap(), "a_k052");
    assert!(chosen.is_sorted());
}

#[test]
fn keys_that_are_asked_for_get_columns_however_rare_they_are() {
    let names: Vec<String> = (0..100).map(|i| format!("k{i:03}")).collect();
    let keys: Vec<(&str, KeyUse)> =
        names.iter().map(|name| (&**name, uses(ValueKind::Text, 1))).collect();
    let asked: Vec<String> = names.iter().rev().cloned().chain(["gone".to_owned()]).collect();
    let wishes = Wishes { asked: &asked, kept: false };
    let chosen = wished(&keys, 1_000_000, wishes);
    assert_eq!(chosen.len(), ASKED_MAX);
    assert_eq!(chosen.last().unwrap(), "a_k099");
    // They come on top of the frequent ones.
    assert_eq!(wished(&keys, 100, wishes).len(), PROMOTED_MAX + ASKED_MAX);
}

#[test]
fn a_column_is_kept_until_its_key_is_four_times_rarer() {
    let keys = [("five", uses(ValueKind::Int, 5)), ("four", uses(ValueKind::Int, 4))];
    let kept = Wishes { asked: &[], kept: true };
    assert_eq!(wished(&keys, 1000, Wishes::default()), ["ai_five"]);
    assert_eq!(wished(&keys, 3200, kept), ["ai_five", "ai_four"]);
    assert_eq!(wished(&keys, 3201, kept), ["ai_five"]);
    assert!(wished(&keys, 4001, kept).is_empty());
}

#[test]
fn field_ids_are_not_used_twice() {
    let keys = [("a", uses(ValueKind::Text, 9)), ("b", uses(ValueKind::Text, 9))];
    let taken: HashSet<i32> = [field_id("a_a")].into_iter().collect();
    let chosen = choose(&keys, 9, taken, Wishes::default());
    assert_eq!(chosen.iter().map(|key| &*key.key).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn only_values_that_come_back_as_the_same_text_fit() {
    for text in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
        assert_eq!(int(text).unwrap().to_string(), text);
    }
    for text in ["", "-", "-0", "+1", "01", "-01", "1.0", " 1", "1e3", "9223372036854775808", "٣"]
    {
        assert_eq!(int(text), None, "{text}");
    }
    let mut scratch = String::new();
    for text in ["0.0", "-0.0", "0.1", "1e300", "NaN", "Infinity", "-Infinity", "5e-324"] {
        assert!(double(text, &mut scratch).is_some(), "{text}");
    }
    for text in ["", "1", "0.10", "1E300", "nan", "inf", "+0.1", "1e999", " 0.1"] {
        assert!(double(text, &mut scratch).is_none(), "{text}");
    }
    assert_eq!(["true", "false", "True", ""].map(boolean), [Some(true), Some(false), None, None]);
}
