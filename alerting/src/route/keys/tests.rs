use tarn_model::matcher::MatchOp;

use super::*;
use crate::alert::Fingerprint;

#[test]
fn keys_are_those_that_were_measured() {
    let labels = LabelSet::from_pairs(&[("alertname", "lat0"), ("instance", "i")]);
    assert_eq!(Fingerprint::of(&labels).to_string(), "9d2ebe1a40ea39e3");
    let group = LabelSet::from_pairs(&[("alertname", "P"), ("instance", "i")]);
    let route = format!("{{}}/{}", matchers_key(&[Matcher::equal("r", "pd")]));
    let key = group_key(&route, &group);
    assert_eq!(key, r#"{}/{r="pd"}:{alertname="P", instance="i"}"#);
    let hash = "a3cff56bb4e330999adda6d9cd833c950d6fc1b5ee66a09347168eedd2dfa2bc";
    assert_eq!(short_key(&key), hash);
}

#[test]
fn matchers_are_sorted_and_quoted() {
    let matcher = |name, op, value| Matcher::new(name, op, value).expect("matcher");
    let some = [
        matcher("b", MatchOp::NotEqual, "2"),
        matcher("c", MatchOp::Regex, r"x\d"),
        matcher("a", MatchOp::Equal, "a\"b"),
    ];
    assert_eq!(matchers_key(&some), r#"{a="a\"b",b!="2",c=~"x\\d"}"#);
    assert_eq!(matchers_key(&[]), "{}");
    assert_eq!(group_key("{}", &LabelSet::default()), "{}:{}");
}
