//! `tarn rules check`.

use std::process::ExitCode;

use tarn_alerting::problem::any_error;
use tarn_alerting::rules;

use super::{CheckArgs, files, options, read, shown};
use crate::cli::print;
use crate::cli::terminal::{Colour, Style, printable};

/// Exit code where files are right but for warnings, as promtool's.
const LINT: u8 = 3;

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let style = Style::of_stdout();
    let options = options(args.strict, args.ignore_unknown_fields);
    let (mut wrong, mut warned) = (false, false);
    for path in files(&args.files)? {
        let name = path.display().to_string();
        let text = match read(&path) {
            Ok(text) => text,
            Err(why) => {
                wrong = true;
                print(format_args!("{}: {}", style.paint(Colour::Red, &name), printable(&why)));
                continue;
            }
        };
        let parsed = rules::parse(&name, &text, &options);
        let mut problems = parsed.problems;
        problems.extend(rules::duplicates(&parsed.groups));
        let failed = any_error(&problems);
        wrong |= failed;
        warned |= problems.iter().any(|problem| problem.warning);
        let (groups, rules) =
            (parsed.groups.len(), parsed.groups.iter().map(|g| g.rules.len()).sum::<usize>());
        let verdict = match (failed, problems.len()) {
            (true, 1) => style.paint(Colour::Red, "1 mistake"),
            (true, count) => style.paint(Colour::Red, &format!("{count} mistakes")),
            (false, _) => format!("{rules} rules in {groups} groups"),
        };
        if !args.quiet || !problems.is_empty() {
            print(format_args!("{name}: {verdict}"));
        }
        for problem in &problems {
            print(printable(&shown(problem, Style { coloured: false })));
        }
    }
    Ok(match (wrong, warned && args.lint_fatal) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(LINT),
        (false, false) => ExitCode::SUCCESS,
    })
}
