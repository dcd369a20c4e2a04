//! `query_exemplars`: from a series to traces that it was measured in.

use tarn_model::labels::LabelSet;
use tarn_model::sample::Exemplar;
use tarn_model::time::TimeRange;
use tarn_promql::ast::Expr;
use tarn_storage::view::Selector;

use super::Call;
use super::names::{Row, Scan, look, send};
use crate::api::json::{self, number};
use crate::api::reply::{Failure, Gone, Sink};

/// Exemplars of one answer: more than a chart has room for, of a dashboard's whole range.
const EXEMPLARS_MAX: usize = 10_000;

/// One series with its exemplars.
type Series = (LabelSet, Vec<Exemplar>);

impl Row for Series {
    fn bytes(&self) -> usize {
        let exemplars = self.1.iter().map(|e| size_of_val(e.labels.as_slice()));
        size_of_val(self.0.as_slice()) + size_of_val(self.1.as_slice()) + exemplars.sum::<usize>()
    }
}

/// Exemplars of all series that an expression selects.
pub(super) async fn query(call: &Call, sink: Sink) -> Result<(), Gone> {
    let (selectors, limit) = match asked(call) {
        Ok(asked) => asked,
        Err(failure) => return sink.fail(&failure).await,
    };
    let max = limit.map_or(EXEMPLARS_MAX, |limit| limit.min(EXEMPLARS_MAX));
    let found = look(call, |scan| async move {
        let Scan { view, tenant, .. } = scan;
        view.exemplars(&tenant, &selectors, max).await
    })
    .await;
    let count = |list: &[Series]| list.iter().map(|(_, exemplars)| exemplars.len()).sum::<usize>();
    let is_cut = found.as_ref().is_ok_and(|found| count(&found.rows) >= max);
    send(found, usize::MAX, is_cut, sink, write).await
}

/// Reads the selectors of the expression, and how many exemplars are wanted.
fn asked(call: &Call) -> Result<(Vec<Selector>, Option<usize>), Failure> {
    let (start_ms, end_ms) = (call.params.time("start")?, call.params.time("end")?);
    if end_ms < start_ms {
        return Err(Failure::parameter("end", "end timestamp must not be before start timestamp"));
    }
    let limits = call.engine.limits_of(&call.tenant);
    let expr = call.engine.parse(call.params.get("query"), &limits)?;
    let range = TimeRange { start_ms, end_ms };
    let mut selectors = Vec::new();
    expr.walk(&mut |expr| {
        let selector = match expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &matrix.selector,
            _ => return,
        };
        selectors.push(Selector { matchers: selector.matchers.clone(), range });
    });
    Ok((selectors, call.params.limit()?))
}

fn write(out: &mut Vec<u8>, (labels, exemplars): &Series) {
    out.extend_from_slice(b"{\"seriesLabels\":");
    json::labels(out, labels);
    out.extend_from_slice(b",\"exemplars\":[");
    for (i, exemplar) in exemplars.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"labels\":");
        json::labels(out, &exemplar.labels);
        out.extend_from_slice(b",\"value\":\"");
        number::float(out, exemplar.value);
        out.extend_from_slice(b"\",\"timestamp\":");
        json::timestamp(out, exemplar.time_ms);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}
