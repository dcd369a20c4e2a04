use proptest::prelude::*;

use super::*;

fn re(text: &str) -> Matcher {
    Matcher::new("l", MatchOp::Regex, text).expect("valid regex")
}

#[test]
fn regexes_are_anchored_and_dot_matches_newline() {
    assert!(re("a.c").matches("a\nc"));
    assert!(!re("a").matches("ab"));
    assert!(re("a|b").matches("b"));
    assert!(!re("a|b").matches("ab"));
    assert!(re("").matches(""));
}

#[test]
fn bombs_and_nonsense_are_refused() {
    assert!(Matcher::new("l", MatchOp::Regex, "((a{100}){100}){100}").is_err());
    assert!(Matcher::new("l", MatchOp::NotRegex, "(").is_err());
    assert!(Matcher::new("l", MatchOp::Regex, "a)|(b").is_err());
}

#[test]
fn long_lists_need_no_compiled_program() {
    let pods: Vec<String> = (0..20_000).map(|i| format!("checkout-7d9f-{i:05}")).collect();
    let list = re(&pods.join("|"));
    assert!(!list.is_compiled() && list.matches("checkout-7d9f-19999") && !list.matches("x"));
    assert!(re("a.b|c").is_compiled());
}

proptest! {
    /// The shortcuts answer as the regex engine does.
    #[test]
    fn shortcuts_equal_the_engine(pattern in r"(\.\*)?[ab|()]{0,5}(\.\*|\.\+)?", value in "[ab\n]{0,5}") {
        let Ok(engine) = Regex::new(&format!("^(?s:{pattern})$")) else { return Ok(()) };
        let Ok(matcher) = Matcher::new("l", MatchOp::Regex, &pattern) else { return Ok(()) };
        prop_assert_eq!(matcher.matches(&value), engine.is_match(&value), "{}", pattern);
    }
}
