//! Severity numbers as the seven words that people count them by.

/// The words, by severity number: none or an unknown one, then four numbers each.
pub(crate) const LEVELS: [&str; 7] = ["unset", "trace", "debug", "info", "warn", "error", "fatal"];

/// Returns the place of a severity number in [`LEVELS`].
pub(crate) fn level(severity_number: Option<i32>) -> usize {
    match severity_number {
        Some(number @ 1..=24) => 1 + (number as usize - 1) / 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{LEVELS, level};

    #[test]
    fn four_numbers_have_one_word() {
        let rows = [
            (None, "unset"),
            (Some(0), "unset"),
            (Some(1), "trace"),
            (Some(4), "trace"),
            (Some(5), "debug"),
            (Some(9), "info"),
            (Some(16), "warn"),
            (Some(20), "error"),
            (Some(24), "fatal"),
            (Some(25), "unset"),
            (Some(-3), "unset"),
        ];
        for (number, word) in rows {
            assert_eq!(LEVELS[level(number)], word, "{number:?}");
        }
    }
}
