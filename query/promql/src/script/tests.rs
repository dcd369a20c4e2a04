use super::{RunOptions, run_script};

fn run(text: &str) -> Result<super::Report, String> {
    run_script(text, &RunOptions::default())
}

#[test]
fn a_script_counts_what_became_of_its_evals() {
    let report = run("
load 1m
  m{a=\"b\"} 1+1x5
  h {{schema:0 sum:1 count:1}}x5

# passes
eval instant at 2m m
  m{a=\"b\"} 3

# has another value
eval instant at 2m m
  m{a=\"b\"} 4

eval range from 0 to 2m step 1m m + 1
  {a=\"b\"} 2 3 4

eval instant at 2m info(h)
  {} 1

eval instant at 1m 1 + 1
  2

eval instant at 0 label_join(m, \"\", \"x\")
  expect fail

eval instant at 0 m
  expect fail

clear

eval instant at 2m m
")
    .expect("is a script");
    let counts = (report.passed, report.failed.len(), report.unsupported.len());
    assert_eq!(counts, (5, 2, 1), "{report:?}");
    assert!(report.failed[0].starts_with("line 11: m: m at 120000 ms: m{a=\"b\"}: expected"));
}

#[test]
fn wrong_scripts_name_the_line() {
    for (text, expected) in [
        ("\nfrobnicate", "line 2: invalid command"),
        ("load x\n  m 1", "line 1: \"x\" is not a duration"),
        ("eval instant at 1m sum(", "line 1: sum(: 1:5: parse error"),
        ("load 1m\n  m 1 2 oops", "line 1: m 1 2 oops:"),
    ] {
        let error = run(text).expect_err("fails");
        assert!(error.starts_with(expected), "{error}");
    }
}
