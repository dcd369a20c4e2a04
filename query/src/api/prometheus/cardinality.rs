//! `status/tsdb`: what the active series are made of, in the form that Prometheus gives it, with a part
//! of our own: which limits hold for the tenant, how far it is from them, and which labels make new
//! series.

use tarn_storage::view::Cardinality;

use super::Call;
use crate::api::json;
use crate::api::reply::{Failure, Gone, Remarks, Sink};
use crate::govern::Report;
use crate::govern::metrics::Outcome;

/// Entries of each list, unless asked for otherwise; as upstream.
const TOP: usize = 10;
/// Entries that can be asked for; as upstream.
const TOP_MAX: usize = 10_000;

/// Tells it.
pub(super) async fn tsdb(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let top = match top(call.params.get("limit")) {
        Ok(top) => top,
        Err(failure) => return sink.fail(&failure).await,
    };
    let running = match call.engine.admit_names(&call.tenant, call.cancel.clone()).await {
        Ok(running) => running,
        Err(error) => return sink.fail(&error.into()).await,
    };
    let view = call.engine.view();
    let found = view.cardinality(&call.tenant, top);
    let tenant = &call.tenant;
    let report = Report { tenant, text: "", series: found.series, samples: 0, bytes_peak: 0 };
    running.finish(Outcome::Ok, &report);
    sink.open();
    write(&mut sink.out, call, &found);
    let warnings = view.partial().into_iter().collect();
    sink.close(&Remarks { warnings, ..Remarks::default() }).await
}

fn top(text: &str) -> Result<usize, Failure> {
    match text.parse() {
        _ if text.is_empty() => Ok(TOP),
        Ok(top) if (1..=TOP_MAX).contains(&top) => Ok(top),
        Ok(more) if more > TOP_MAX => {
            Err(Failure::bad_data(format!("limit must not exceed {TOP_MAX}")))
        }
        _ => Err(Failure::bad_data("limit must be a positive number")),
    }
}

fn write(out: &mut Vec<u8>, call: &Call, found: &Cardinality) {
    // Without any sample upstream says the same.
    let (oldest, newest) = found.times_ms.unwrap_or((i64::MAX, i64::MIN));
    let Cardinality { series, pairs, runs, blocks, held_bytes, .. } = found;
    let stats = format!(
        "{{\"headStats\":{{\"numSeries\":{series},\"numLabelPairs\":{pairs},\"chunkCount\":{runs},\
         \"minTime\":{oldest},\"maxTime\":{newest}}}"
    );
    out.extend_from_slice(stats.as_bytes());
    list(out, "seriesCountByMetricName", &found.series_by_metric);
    list(out, "labelValueCountByLabelName", &found.values_by_name);
    list(out, "memoryInBytesByLabelName", &found.bytes_by_name);
    list(out, "seriesCountByLabelValuePair", &found.series_by_pair);
    let limits = call.engine.limits_of(&call.tenant);
    let rate = limits.ingest_rate().map_or("null".to_owned(), |rate| rate.0.to_string());
    let fresh = limits.new_series_max.map_or("null".to_owned(), |most| most.to_string());
    let own = format!(
        ",\"tarn\":{{\"limits\":{{\"metrics.series_max\":{},\"metrics.new_series_max\":{fresh},\
         \"memory.series_bytes\":{},\"ingest.rate\":{rate}}},\"heldBytes\":{held_bytes},\"blocks\":{blocks}",
        limits.series_max(),
        limits.series_memory().0,
    );
    out.extend_from_slice(own.as_bytes());
    list(out, "newValueCountByLabelName", &found.exploding);
    out.extend_from_slice(b"}}");
}

fn list(out: &mut Vec<u8>, name: &str, entries: &[(String, u64)]) {
    out.extend_from_slice(format!(",\"{name}\":[").as_bytes());
    for (number, (name, value)) in entries.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b"{\"name\":" } else { b",{\"name\":" });
        json::string(out, name);
        out.extend_from_slice(format!(",\"value\":{value}}}").as_bytes());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_bounded() {
        for (text, expected) in [("", Ok(10)), ("1", Ok(1)), ("10000", Ok(10_000))] {
            assert_eq!(top(text).map_err(|f| f.message), expected, "{text}");
        }
        let positive = "limit must be a positive number";
        for (text, expected) in [
            ("0", positive),
            ("-1", positive),
            ("x", positive),
            ("10001", "limit must not exceed 10000"),
        ] {
            assert_eq!(top(text).map_err(|f| f.message), Err(expected.to_owned()), "{text}");
        }
    }
}
