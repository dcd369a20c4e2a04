//! `tarn rules`: what is printed of good and bad files, and with which exit code.

use std::path::Path;
use std::process::Output;

use anyhow::{Result, ensure};

use crate::TARN;

const RULES: &str = "\
groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {severity: page}
    annotations: {summary: '{{ $labels.job }} is {{ if eq $value 0.0 }}down{{ end }}'}
";

const BAD: &str = "\
groups:
- name: g
  rules:
  - alert: Down
    expr: |
      up
        == )
    annotations: {summary: '{{ nosuch }}'}
    lables: {}
";

/// The second test expects what does not come.
const TESTS: &str = "\
rule_files: ['*.rules']
tests:
- name: it fires
  input_series: [{series: 'up{job=\"web\"}', values: '0x10'}]
  alert_rule_test:
  - eval_time: 5m
    alertname: Down
    exp_alerts: [{exp_labels: {job: web, severity: page}, exp_annotations: {summary: web is down}}]
- name: it is quiet
  input_series: [{series: 'up{job=\"web\"}', values: '0x10'}]
  alert_rule_test:
  - {eval_time: 5m, alertname: Down, exp_alerts: []}
";

async fn rules(folder: &Path, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let mut command = tokio::process::Command::new(TARN);
    command.current_dir(folder).arg("rules").args(arguments).kill_on_drop(true);
    let Output { status, stdout, stderr } = command.output().await?;
    let said = String::from_utf8([stdout, stderr].concat())?;
    Ok((status.code(), said))
}

#[tokio::test]
async fn files_are_checked_and_tested() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, text) in [("a.rules", RULES), ("bad.yaml", BAD), ("test.yaml", TESTS)] {
        write(&folder.path().join(name), text)?;
    }
    let (code, said) = rules(folder.path(), &["check", "*.rules"]).await?;
    ensure!((code, &*said) == (Some(0), "a.rules: 1 rules in 1 groups\n"), "{code:?} {said}");

    let (code, said) = rules(folder.path(), &["check", "a.rules", "bad.yaml", "none.yaml"]).await?;
    for line in [
        "bad.yaml: 3 mistakes",
        "bad.yaml:7:13: group \"g\", rule 1, \"Down\": expr cannot be parsed: unexpected",
        "annotation \"summary\": ",
        "bad.yaml:9:5: group \"g\", rule 1: \"lables\" is no key of a rule; did you mean \"labels\"?",
        "none.yaml: ",
    ] {
        ensure!(said.contains(line), "{line} is not in {said}");
    }
    ensure!(code == Some(1) && !said.contains('\u{1b}'), "{code:?} {said}");

    let (code, said) =
        rules(folder.path(), &["test", "test.yaml", "--diff", "--junit", "out.xml"]).await?;
    for line in [
        "test.yaml: 1 of 2 tests failed",
        "  it is quiet: failed",
        "    test.yaml:12: alert Down at 5m",
        "+ {alertname=\"Down\", job=\"web\", severity=\"page\"}  annotations {summary=\"web is down\"}",
    ] {
        ensure!(said.contains(line), "{line} is not in {said}");
    }
    ensure!(code == Some(1), "{code:?} {said}");
    let report = std::fs::read_to_string(folder.path().join("out.xml"))?;
    ensure!(report.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{report}");

    let only = ["test", "test.yaml", "--run", "fires$", "--debug"];
    let (code, said) = rules(folder.path(), &only).await?;
    ensure!(code == Some(0) && said.contains("2m  pending → firing"), "{code:?} {said}");
    let (code, _) = rules(folder.path(), &["test"]).await?;
    ensure!(code == Some(64), "{code:?}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a file of a test, nothing is lost with it")]
fn write(path: &Path, text: &str) -> Result<()> {
    Ok(std::fs::write(path, text)?)
}
