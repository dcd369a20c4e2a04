//! Asks the query engine for a rule, and takes no doubtful answer.

use tarn_model::tenant::TenantId;
use tarn_query::{Engine, QueryOptions};

use crate::state::{Sample, samples_of};

/// What the engine answers a rule.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) samples: Vec<Sample>,
    /// The selectors of the expression matched no series at all.
    pub(super) no_data: bool,
}

/// Evaluates an expression at one time: every row that was acknowledged before is in the view that
/// the engine pins now, because rows are acknowledged after they are visible (VIS-1).
///
/// # Errors
/// What the engine says; that rows may be missing (PAR-1); that the result is no vector.
pub(super) async fn ask(
    engine: &Engine,
    tenant: &TenantId,
    text: &str,
    time_ms: i64,
) -> Result<Asked, String> {
    let answer = Box::pin(engine.instant(tenant, text, time_ms, QueryOptions::default())).await;
    let answer = answer.map_err(|e| e.to_string())?;
    if let Some(why) = &answer.partial {
        return Err(format!("rows may be missing: {why}"));
    }
    let no_data = answer.stats.series == 0;
    Ok(Asked { samples: samples_of(answer.value)?, no_data })
}
