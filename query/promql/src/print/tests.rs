use super::pretty;
use crate::ast::{Expr, ParseOptions};
use crate::parse::{ParseLimits, parse};
use expect_test::expect;

fn all(text: &str) -> Expr {
    parse(text, &ParseOptions::ALL, ParseLimits::default()).expect("the query is valid")
}

#[test]
fn the_one_line_form_is_canonical() {
    for (text, expected) in [
        ("up{z='1',a!=\"2\"}", "up{a!=\"2\",z=\"1\"}"),
        ("{'up', a='\\u200b'}", "{__name__=\"up\",a=\"\\u200b\"}"),
        ("{'a b'='c'}", "{\"a b\"=\"c\"}"),
        ("sum(a)by()", "sum(a)"),
        ("sum(a)without()", "sum without () (a)"),
        ("topk(0x10,a)by(x,'y.z',)", "topk by (x, \"y.z\") (16, a)"),
        ("a+ignoring()b", "a + b"),
        ("a+on()group_right b", "a + on () group_right () b"),
        ("a==bool b", "a == bool b"),
        ("a+fill_right(2)fill_left(1e-7)b", "a + fill_left (1e-07) fill_right (2) b"),
        ("a+fill(5m)b", "a + fill (300) b"),
        ("a offset 90 @ 1.5", "a @ 1.500 offset 1m30s"),
        ("a[90] @ end() offset -1w", "a[1m30s] @ end() offset -1w"),
        ("a offset 0s", "a"),
        ("a[5m]anchored", "a[5m] anchored"),
        ("a smoothed offset 5m", "a smoothed offset 5m"),
        ("a[step()*2+1:+5m]", "a[step() * 2 + 1:5m]"),
        ("a[((1m))]", "a[(1m)]"),
        ("a[-(-1m)]", "a[-(-1m)]"),
        ("1e21 + 5m + -0 + .5", "1000000000000000000000 + 5m + -0 + 0.5"),
        ("Inf^2 - Inf", "Inf ^ 2 - +Inf"),
        ("a offset +(5m) * 2", "a offset +(5m) * 2"),
        ("'\\xff' ", "\"\\xff\""),
        ("label_join(a,'x',`\\`)", "label_join(a, \"x\", \"\\\\\")"),
    ] {
        let printed = all(text).to_string();
        assert_eq!(printed, expected, "{text}");
        assert_eq!(all(&printed).to_string(), printed);
    }
}

#[test]
fn long_expressions_are_broken() {
    let text = "histogram_quantile(0.99, sum by (le, cluster, region) \
                (rate(request_duration_seconds_bucket{code!~\"5..\",handler=\"query\",job=\"gateway\"}[5m]))) \
                / on (cluster) group_left (region) -(label_replace(cluster_info{env=\"live\"}, \"cluster\", \
                \"$1\", \"name\", \"(.*)-[0-9]+\") > bool 0 or vector(1))";
    expect![[r#"
          histogram_quantile(
            0.99,
            sum by (le, cluster, region) (
              rate(request_duration_seconds_bucket{code!~"5..",handler="query",job="gateway"}[5m])
            )
          )
        / on (cluster) group_left (region)
          -(
              label_replace(cluster_info{env="live"}, "cluster", "$1", "name", "(.*)-[0-9]+") > bool 0
            or
              vector(1)
          )"#]]
    .assert_eq(&pretty(&all(text)));
}

#[test]
fn a_line_may_be_full() {
    let full = format!("{} + b", "a".repeat(96));
    assert_eq!(pretty(&all(&full)), full);
    let over = format!("{} + b", "a".repeat(97));
    assert_eq!(pretty(&all(&over)), format!("  {}\n+\n  b", "a".repeat(97)));
}
