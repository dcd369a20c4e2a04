//! The parser and printer against Prometheus' own answers, and against another parser.
//!
//! The corpus is `parser-cases.jsonl.gz` of the PromQL corpus (`TARN_CORPUS`); it lies outside the
//! repository.

use std::fmt::Display;
use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::Value;
use tarn_promql::ast::ParseOptions;
use tarn_promql::parse::{ParseLimits, parse};
use tarn_promql::print::pretty;

fn corpus(name: &str) -> Option<Vec<Value>> {
    let root = std::env::var_os("TARN_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus")),
        PathBuf::from,
    );
    let bytes = std::fs::read(root.join("promql").join(name)).ok()?;
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("the corpus is gzip");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect())
}

/// Counts agreements and shows the first disagreements.
#[derive(Default)]
struct Score {
    passed: usize,
    total: usize,
    shown: Vec<String>,
}

impl Score {
    fn compare(&mut self, input: &str, got: impl Display, want: impl Display) {
        let (got, want) = (got.to_string(), want.to_string());
        self.total += 1;
        if got == want {
            self.passed += 1;
        } else if self.shown.len() < 20 {
            self.shown.push(format!("{input:?}\n   got {got}\n  want {want}"));
        }
    }

    #[expect(clippy::print_stdout, reason = "the count is the point of the test")]
    fn report(&self, what: &str) -> usize {
        println!("{what}: {} passed of {}", self.passed, self.total);
        for line in &self.shown {
            println!("{line}");
        }
        self.total - self.passed
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
fn parser_cases() {
    let Some(rows) = corpus("parser-cases.jsonl.gz") else {
        println!("skipped: no corpus");
        return;
    };
    let (mut accepted, mut printed, mut prettified, mut types, mut errors) = Default::default();
    for row in &rows {
        let text = |key: &str| row[key].as_str();
        let input = text("input").expect("every row has an input");
        for (options, ok, error) in [
            (ParseOptions::NONE, "ok_default", "error_default"),
            (ParseOptions::ALL, "ok_all", "error_all"),
        ] {
            let result = parse(input, &options, ParseLimits::default());
            let outcome = |ok: bool| if ok { "accepted" } else { "refused" };
            let want = row[ok].as_bool().expect("every row says so");
            Score::compare(&mut accepted, input, outcome(result.is_ok()), outcome(want));
            if let (Err(got), Some(want)) = (&result, text(error)) {
                Score::compare(&mut errors, input, got, want);
            }
            let (Ok(expr), true) = (&result, ok == "ok_all") else { continue };
            if let Some(want) = text("string") {
                Score::compare(&mut printed, input, expr, want);
            }
            if let Some(want) = text("pretty") {
                Score::compare(&mut prettified, input, pretty(expr), want);
            }
            if let Some(want) = text("type") {
                Score::compare(&mut types, input, expr.value_type().as_str(), want);
            }
        }
    }
    let failed = [
        accepted.report("accepted or refused"),
        printed.report("printed"),
        prettified.report("prettified"),
        types.report("types"),
        errors.report("error texts"),
    ];
    assert_eq!(failed, [0; 5]);
}
