//! Results of tests as JUnit's XML, which build servers show.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use tarn_alerting::rules::unit_test::Failure;

use super::test::FileResult;

/// Writes the results of all files.
///
/// # Errors
/// Where the file cannot be written.
#[expect(clippy::disallowed_methods, reason = "a report for another program, not data of ours")]
pub(super) fn write(path: &Path, results: &[FileResult]) -> anyhow::Result<()> {
    std::fs::write(path, xml(results)).with_context(|| format!("write {}", path.display()))
}

fn xml(results: &[FileResult]) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for file in results {
        let failed = file.tests.iter().filter(|test| !test.failures.is_empty()).count();
        let (broken, tests) = (usize::from(!file.broken.is_empty()), file.tests.len());
        let name = escaped(&file.name);
        add(
            &mut out,
            format_args!(
                "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" \
                 errors=\"{broken}\">\n"
            ),
        );
        for problem in &file.broken {
            let text = escaped(&problem.to_string());
            add(&mut out, format_args!("    <system-err>{text}</system-err>\n"));
        }
        for test in &file.tests {
            let (test_name, seconds) = (escaped(&test.name), test.took.as_secs_f64());
            add(
                &mut out,
                format_args!(
                    "    <testcase name=\"{test_name}\" classname=\"{name}\" time=\"{seconds:.3}\">\n"
                ),
            );
            for failure in &test.failures {
                let (what, text) = (escaped(&failure.what), escaped(&text(failure)));
                add(&mut out, format_args!("      <failure message=\"{what}\">{text}</failure>\n"));
            }
            out.push_str("    </testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out + "</testsuites>\n"
}

fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    out.write_fmt(text).ok();
}

fn text(failure: &Failure) -> String {
    let missing = failure.missing.iter().map(|line| format!("- {line}"));
    let unexpected = failure.unexpected.iter().map(|line| format!("+ {line}"));
    let note = failure.note.iter().cloned();
    missing.chain(unexpected).chain(note).collect::<Vec<_>>().join("\n")
}

/// Escapes text; characters that XML cannot hold become the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{FileResult, xml};

    #[test]
    fn text_cannot_break_out_of_xml() {
        let name = "a<b>&\"\u{1}".to_owned();
        let shown = xml(&[FileResult { name, ..FileResult::default() }]);
        assert!(shown.contains("name=\"a&lt;b&gt;&amp;&quot;\u{fffd}\" tests=\"0\""), "{shown}");
    }
}
