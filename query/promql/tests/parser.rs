//! The parser and printer against Prometheus' own answers, and against another parser.
//!
//! The corpus is `parser-cases.jsonl.gz` of the PromQL corpus (`TARN_CORPUS`); it lies outside the
//! repository.

use std::fmt::Display;
use std::io::Read as _;
use std::path::PathBuf;

use serde_json::Value;
use tarn_promql::ast::ParseOptions;
use tarn_promql::notation::parse_line;
use tarn_promql::parse::{ParseLimits, parse};
use tarn_promql::print::pretty;

/// Asked at run time: the program may be run in another clone than the one it was compiled in.
fn own_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests").into()
}

fn corpus_root() -> PathBuf {
    std::env::var_os("TARN_CORPUS")
        .map_or_else(|| own_folder().join("../../../shared/corpus"), PathBuf::from)
}

#[expect(clippy::disallowed_types, reason = "a file of ours, not the body of a request")]
fn corpus(name: &str) -> Option<Vec<Value>> {
    let bytes = std::fs::read(corpus_root().join("promql").join(name)).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("the corpus is gzip");
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

/// Reads the lines of all `load` commands of the upstream scripts.
fn load_lines() -> Option<Vec<String>> {
    let folder = corpus_root().join("promql/promqltest");
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.expect("the folder can be listed").path();
        let text = std::fs::read_to_string(&path).expect("a script is text");
        let mut in_load = false;
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                in_load = false;
            } else if in_load {
                lines.push(line.to_owned());
            } else {
                in_load = line.starts_with("load");
            }
        }
    }
    Some(lines)
}

#[test]
fn series_notation_of_the_scripts() {
    let Some(lines) = load_lines() else {
        println!("skipped: no corpus");
        return;
    };
    let failed: Vec<String> = lines
        .iter()
        .filter_map(|line| Some(format!("{line}: {}", parse_line(line).err()?)))
        .collect();
    println!("series lines: {} passed of {}", lines.len() - failed.len(), lines.len());
    assert_eq!(failed, Vec::<String>::new());
}

/// Expressions of the stable core, which the other parser knows as well.
const COMMON: &[&str] = &[
    "up",
    "up{job=\"api\", code!~\"5..\", env=~\"live|test\", zone!=\"\"}",
    "{__name__=~\"a|b\"}",
    "-up ^ 2",
    "1 + 2 * 3 ^ 4 ^ 5 - 6 % 7 / 8",
    "a or b and c unless d",
    "a == bool 1 > bool 2",
    "a atan2 b",
    "a * on (x, y) group_left (z) b",
    "a / ignoring (x) group_right () b",
    "a and on () b",
    "sum(a)",
    "sum by (x, y) (rate(a[5m]))",
    "avg without (x) (a) + count(b)",
    "topk(3, a)",
    "quantile by (x) (0.9, a)",
    "count_values(\"version\", build_info)",
    "rate(a{b=\"c\"}[5m] offset 1h)",
    "increase(a[1d] offset -1w)",
    "a @ 1609746000",
    "a[5m] @ start() offset 5m",
    "max_over_time(rate(a[1m])[30m:10s] offset 1h)",
    "min_over_time((a + b)[1h:] @ end())",
    "histogram_quantile(0.99, sum by (le) (rate(a_bucket[5m])))",
    "label_replace(a, \"x\", \"$1\", \"y\", \"(.*)\")",
    "label_join(a, \"x\", \"-\", \"y\", \"z\")",
    "clamp(a, 0, 1e3) > 0x1f",
    "absent(a) or vector(time())",
    "hour() + day_of_week(a)",
    "((a))",
    "\"text\"",
    // Refused by both.
    "",
    "a +",
    "sum(a",
    "rate(a)",
    "a[5m] + 1",
    "1 and 2",
    "a{b=c}",
    "{}",
    "a offset 5m offset 5m",
    "abs()",
    "abs(a, b)",
    "nothing(a)",
    "a == 1 == 1 ==",
    "a + on (x) group_left (x) b",
];

#[test]
fn another_parser_agrees() {
    for text in COMMON {
        let ours = parse(text, &ParseOptions::NONE, ParseLimits::default());
        let theirs = promql_parser::parser::parse(text);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}: {ours:?} {theirs:?}");
        let (Ok(ours), Ok(_)) = (ours, theirs) else { continue };
        // Printing is where the two may differ in form: both must read ours, and the other's
        // reading of what we print must be its reading of what was written.
        let printed = ours.to_string();
        let read = |text: &str| promql_parser::parser::parse(text).map(|expr| expr.to_string());
        assert_eq!(read(&printed), read(text), "{text} printed as {printed}");
    }
}
