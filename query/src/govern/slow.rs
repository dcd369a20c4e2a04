//! The log of slow queries.

use std::time::Duration;

use tarn_model::tenant::TenantId;
use tracing::info;

use super::metrics::Outcome;

/// Longer texts are cut in the log: the first part tells which dashboard it is.
const TEXT_MAX: usize = 1024;

/// What is known of a query when it is over.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) tenant: &'a TenantId,
    /// The text of the query, or what stands for it.
    pub(crate) text: &'a str,
    pub(crate) series: u64,
    pub(crate) samples: u64,
    pub(crate) bytes_peak: u64,
}

impl Report<'_> {
    pub(super) fn log(&self, total: Duration, waited: Duration, outcome: Outcome) {
        info!(
            tenant = %self.tenant,
            query = cut(self.text),
            seconds = total.as_secs_f64(),
            waited_seconds = waited.as_secs_f64(),
            series = self.series,
            samples = self.samples,
            bytes_peak = self.bytes_peak,
            outcome = outcome.as_str(),
            "query was slow"
        );
    }
}

fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(TEXT_MAX);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("up"), "up");
        let long = "ü".repeat(600);
        assert_eq!(cut(&long), "ü".repeat(512));
        assert_eq!(cut(&format!("x{long}")).len(), 1023);
    }
}
