use arrow_array::Array;
use arrow_array::cast::AsArray;
use tarn_model::attributes::ValueKind;

use super::*;
use crate::schema::tables::column;

fn log(resource: ResourceRef, scope: ScopeRef, time_ns: i64) -> LogRow<'static> {
    LogRow {
        resource,
        scope,
        time_ns,
        observed_ns: time_ns + 1_600_000,
        severity_number: 9,
        severity_text: "INFO",
        body: Some("hello"),
        body_kind: ValueKind::Text,
        trace_id: None,
        span_id: Some([7; 8]),
        flags: 0,
        event_name: "",
        dropped_attributes: 2,
    }
}

#[test]
fn log_rows_become_a_batch() {
    let mut rows = LogRows::default();
    let resource = rows.resource("{}", "shop");
    let scope = rows.scope("{}");
    rows.attribute("a", ValueKind::Text, "1");
    rows.attribute("b", ValueKind::Int, "2");
    rows.push(&log(resource, scope, -1));
    rows.push(&log(resource, scope, 2_001));
    let batch = TableRows::Logs(rows).into_batch().unwrap();
    assert_eq!(batch.num_rows(), 2);
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let time =
        column(column::TIMESTAMP).as_primitive::<arrow_array::types::TimestampMicrosecondType>();
    assert_eq!(time.values(), &[-1, 2]);
    let nanos = column(column::TIMESTAMP_NS).as_primitive::<arrow_array::types::Int32Type>();
    assert_eq!(nanos.values(), &[999, 1]);
    let observed =
        column(column::OBSERVED_DELTA_MS).as_primitive::<arrow_array::types::Int64Type>();
    assert_eq!(observed.values(), &[2, 2]);
    let kinds: &arrow_array::BinaryArray = column(column::ATTRIBUTE_KINDS).as_binary();
    assert_eq!((kinds.value(0), kinds.is_null(1)), (&[1, 3][..], true));
    assert_eq!(column(column::ATTRIBUTES).as_map().value_length(0), 2);
    assert!(column(column::TRACE_ID).is_null(0));
    assert_eq!(column(column::SERVICE_NAME).as_any_dictionary().values().len(), 1);
}

#[test]
fn span_rows_become_a_batch() {
    let mut rows = SpanRows::default();
    let resource = rows.resource("{}", "shop");
    let scope = rows.scope("{}");
    let row = SpanRow {
        resource,
        scope,
        trace_id: [1; 16],
        span_id: [2; 8],
        parent_span_id: None,
        start_ns: 5_000,
        duration_ns: -3,
        name: "",
        kind: 2,
        status: 0,
        status_message: "",
        trace_state: "",
        flags: u32::MAX,
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
        weight: None,
        exception_group: None,
        problems: 1,
    };
    rows.event_attribute("e", ValueKind::Text, "1");
    rows.event(&SpanEvent { offset_ns: 1, name: "x", dropped: 0 });
    rows.event(&SpanEvent { offset_ns: 2, name: "y", dropped: 1 });
    rows.push(&row);
    rows.link_attribute("l", ValueKind::Bool, "true");
    let link =
        SpanLink { trace_id: [3; 16], span_id: [4; 8], trace_state: "", dropped: 0, flags: 1 };
    rows.link(&link);
    rows.push(&row);
    let batch = TableRows::Spans(rows).into_batch().unwrap();
    let lists = |name: &str| batch.column_by_name(name).unwrap().as_list::<i32>().clone();
    let (events, links) = (lists(column::EVENTS), lists(column::LINKS));
    assert_eq!((events.value_length(0), events.is_null(1)), (2, true));
    assert_eq!((links.is_null(0), links.value_length(1)), (true, 1));
    assert!(!batch.column_by_name(column::NAME).unwrap().is_null(0), "an empty name is a name");
}
