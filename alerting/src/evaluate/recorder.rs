//! Writes what rules make as samples: recorded series, `ALERTS`, staleness markers.
//!
//! All rows of a level go into the log as one record; when it is committed they are visible, and
//! the next level may read them. Rows are refused one by one (too old, too many series), the rest is
//! stored.

use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::sample::stale_nan;
use tarn_model::tenant::TenantId;
use tarn_query::promql::query::SampleValue;
use tarn_storage::append::Writer;

/// One sample to write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) labels: LabelSet,
    pub(crate) time_ms: i64,
    pub(crate) value: SampleValue,
    /// The rule that made it, by its place in the group.
    pub(crate) rule: usize,
}

impl Row {
    /// Makes the row that ends a series.
    pub(crate) fn stale(labels: LabelSet, time_ms: i64, rule: usize) -> Self {
        Self { labels, time_ms, value: SampleValue::Float(stale_nan()), rule }
    }
}

/// What was refused: the rule, and why.
pub(crate) type Refused = Vec<(usize, String)>;

/// Stores rows and waits until they are visible.
///
/// # Errors
/// Where the log takes nothing: no row is stored then.
pub(crate) async fn write(writer: &Writer, tenant: &TenantId, rows: &[Row]) -> Result<Refused> {
    let mut refused = Vec::new();
    if rows.is_empty() {
        return Ok(refused);
    }
    let mut appender = writer.appender(tenant)?;
    for row in rows {
        let taken = appender.series(&row.labels).and_then(|series| match &row.value {
            SampleValue::Float(value) => appender.float(series, row.time_ms, *value, 0),
            SampleValue::Histogram(value) => {
                appender.histogram(series, row.time_ms, Arc::clone(value), 0)
            }
        });
        if let Err(why) = taken {
            refused.push((row.rule, format!("{}: {why}", row.labels)));
        }
    }
    appender.commit().await?;
    Ok(refused)
}
