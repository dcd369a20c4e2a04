//! Lines over time: `timeseries`, and `graph` before it.

use serde_json::{Map, Value, json};

use super::{
    Made, default_format, format, legend, limit, thresholds, with_mappings, with_overrides,
    with_transforms,
};
use crate::dashboards::grafana::queries::Queries;
use crate::dashboards::grafana::read::{Tree, at, flag, list, number_at, plain, text, text_at};

/// `timeseries`.
pub(super) fn timeseries(panel: &Tree, queries: &Queries) -> Made {
    let mut made = Made::of("TimeSeriesChart");
    made.put("legend", legend(panel));
    let mut axis = Map::new();
    if let Some(format) = default_format(panel, &mut made.reasons) {
        axis.insert("format".into(), format);
    }
    let label = text_at(panel, "fieldConfig.defaults.custom.axisLabel");
    if let Some(label) = label.filter(|label| !label.is_empty()) {
        axis.insert("label".into(), label.into());
    }
    limit(&mut axis, "min", number_at(panel, "fieldConfig.defaults.min"));
    limit(&mut axis, "max", number_at(panel, "fieldConfig.defaults.max"));
    if text_at(panel, "fieldConfig.defaults.custom.scaleDistribution.type") == Some("log") {
        let base = number_at(panel, "fieldConfig.defaults.custom.scaleDistribution.log");
        axis.insert("logBase".into(), plain(base.unwrap_or(10.0)));
    }
    if text_at(panel, "fieldConfig.defaults.custom.axisPlacement") == Some("hidden") {
        axis.insert("show".into(), false.into());
    }
    made.spec["yAxis"] = axis.into();
    made.spec["visual"] = visual(panel);
    let lines = text_at(panel, "fieldConfig.defaults.custom.thresholdsStyle.mode");
    if lines.is_some_and(|mode| mode != "off") {
        made.put("thresholds", thresholds(panel));
    }
    with_mappings(&mut made, panel);
    with_transforms(&mut made, panel);
    with_overrides(&mut made, panel, &queries.letters);
    made
}

fn visual(panel: &Tree) -> Value {
    let custom = |key: &str| at(panel, &format!("fieldConfig.defaults.custom.{key}"));
    let word = |key: &str| custom(key).and_then(Value::as_str);
    let mut visual = Map::new();
    match word("drawStyle") {
        Some("bars") => visual.insert("display".into(), "bar".into()),
        Some("points") => visual.insert("display".into(), "point".into()),
        _ => visual.insert("display".into(), "line".into()),
    };
    limit(&mut visual, "lineWidth", custom("lineWidth").and_then(Value::as_f64));
    let fill = custom("fillOpacity").and_then(Value::as_f64);
    limit(&mut visual, "areaOpacity", fill.map(|fill| fill.clamp(0.0, 100.0) / 100.0));
    match custom("stacking.mode").and_then(Value::as_str) {
        Some("normal") => drop(visual.insert("stack".into(), "all".into())),
        Some("percent") => drop(visual.insert("stack".into(), "percent".into())),
        _ => {}
    }
    if word("showPoints") == Some("always") {
        visual.insert("showPoints".into(), "always".into());
    }
    // True, or a distance in ms up to which gaps are bridged.
    if custom("spanNulls").is_some_and(|span| *span == true || span.is_number()) {
        visual.insert("connectNulls".into(), true.into());
    }
    if word("lineInterpolation").is_some_and(|how| how.starts_with("step")) {
        visual.insert("step".into(), true.into());
    }
    visual.into()
}

/// `graph`, until Grafana 7.
pub(super) fn graph(panel: &Tree, queries: &Queries) -> Made {
    let mut made = Made::of("TimeSeriesChart");
    made.put("legend", legend(panel));
    let mut axis = Map::new();
    let axes = list(panel, "yaxes");
    if let Some(left) = axes.first().and_then(Value::as_object) {
        let (unit, decimals) = (text(left, "format"), number_at(left, "decimals"));
        if let Some(format) = format(unit, decimals, &mut made.reasons) {
            axis.insert("format".into(), format);
        }
        if let Some(label) = text(left, "label").filter(|label| !label.is_empty()) {
            axis.insert("label".into(), label.into());
        }
        limit(&mut axis, "min", number_at(left, "min"));
        limit(&mut axis, "max", number_at(left, "max"));
        limit(&mut axis, "logBase", number_at(left, "logBase").filter(|base| *base > 1.0));
    } else if let Some(old) = list(panel, "y_formats").first().and_then(Value::as_str) {
        // Before 2016.
        if let Some(format) = format(Some(old), None, &mut made.reasons) {
            axis.insert("format".into(), format);
        }
    }
    made.spec["yAxis"] = axis.into();
    let mut visual = Map::new();
    let display = if flag(panel, "bars") { "bar" } else { "line" };
    visual.insert("display".into(), display.into());
    limit(&mut visual, "lineWidth", number_at(panel, "linewidth"));
    let fill = number_at(panel, "fill").map(|fill| (fill / 10.0).clamp(0.0, 1.0));
    limit(&mut visual, "areaOpacity", fill);
    if flag(panel, "stack") {
        let how = if flag(panel, "percentage") { "percent" } else { "all" };
        visual.insert("stack".into(), how.into());
    }
    if text(panel, "nullPointMode") == Some("connected") {
        visual.insert("connectNulls".into(), true.into());
    }
    made.spec["visual"] = visual.into();
    let limits = list(panel, "thresholds").iter().filter_map(Value::as_object);
    let steps = limits.filter_map(|limit| {
        let value = plain(number_at(limit, "value")?);
        Some(json!({ "value": value, "color": text(limit, "lineColor") }))
    });
    let steps: Vec<Value> = steps.collect();
    if !steps.is_empty() {
        made.spec["thresholds"] = json!({ "steps": steps });
    }
    if text_at(panel, "xaxis.mode").is_some_and(|mode| mode != "time") {
        made.reasons.push("the x axis shows time".to_owned());
    }
    with_transforms(&mut made, panel);
    with_overrides(&mut made, panel, &queries.letters);
    made
}
