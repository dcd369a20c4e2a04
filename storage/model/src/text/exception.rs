//! Frames of stack traces, as they are the same in every process that fails at the same place.

use std::fmt::Write as _;

/// Frames that tell one failure from another.
pub const FRAMES: usize = 5;
/// Bytes of a stack trace that are looked at.
const STACK_BYTES_MAX: usize = 64 << 10;

/// What frames of runtimes and their libraries begin with.
const RUNTIME: [&str; 17] = [
    "java.",
    "javax.",
    "jdk.",
    "sun.",
    "kotlin.",
    "scala.",
    "System.",
    "Microsoft.",
    "node:",
    "internal/",
    "process.",
    "runtime.",
    "runtime/",
    "panic(",
    "created by ",
    "std::",
    "core::",
];

/// Returns up to [`FRAMES`] frames of a stack trace, the place of the failure first, those of the
/// runtime left out (all kept, where there are no others), without addresses, line numbers and the
/// numbers in generated names.
///
/// Known are Java, .NET and JavaScript (`at …`), Python (`File "…", line …`, which names the place
/// of the failure last) and Go (function and file on two lines); of other traces the lines after the
/// first are taken.
pub fn frames(stack: &str) -> Vec<String> {
    let stack = stack.split_at(stack.floor_char_boundary(STACK_BYTES_MAX)).0;
    let found = of_known_form(stack);
    let own: Vec<&str> = found.iter().copied().filter(|frame| !is_runtime(frame)).collect();
    let chosen = if own.is_empty() { found } else { own };
    chosen.into_iter().take(FRAMES).map(normalised).collect()
}

fn of_known_form(stack: &str) -> Vec<&str> {
    let lines = || stack.lines().map(str::trim_end);
    let at: Vec<&str> = lines().filter_map(|line| line.trim_start().strip_prefix("at ")).collect();
    if !at.is_empty() {
        return at;
    }
    let mut python: Vec<&str> =
        lines().filter_map(|line| line.trim_start().strip_prefix("File \"")).collect();
    if !python.is_empty() {
        python.reverse();
        return python;
    }
    let next = lines().skip(1);
    let go = |(line, next): (&_, &str)| !str::starts_with(line, '\t') && next.starts_with('\t');
    let go: Vec<&str> =
        lines().zip(next).filter(|(line, next)| go((line, next))).map(|(line, _)| line).collect();
    if !go.is_empty() {
        return go;
    }
    lines().skip(1).map(str::trim_start).filter(|line| !line.is_empty()).collect()
}

fn is_runtime(frame: &str) -> bool {
    let name = frame.trim_start_matches("async ");
    RUNTIME.iter().any(|start| name.starts_with(start))
        || frame.contains("(node:internal")
        || frame.contains("/site-packages/")
        || frame.contains("/lib/python")
        || frame.starts_with("<frozen ")
}

/// Replaces each run of digits, and what follows `0x`, by `#`; arguments of Go functions, which are
/// addresses, by nothing.
fn normalised(frame: &str) -> String {
    let mut out = String::with_capacity(frame.len());
    let mut rest = frame;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let hex = number.strip_prefix("0x");
        let digits = hex.unwrap_or(number);
        let len = match hex {
            Some(_) => digits.bytes().take_while(u8::is_ascii_hexdigit).count(),
            None => digits.bytes().take_while(u8::is_ascii_digit).count(),
        };
        write!(out, "{before}#").expect("writing to a string cannot fail");
        rest = digits.get(len..).unwrap_or("");
    }
    out.push_str(rest);
    out
}
