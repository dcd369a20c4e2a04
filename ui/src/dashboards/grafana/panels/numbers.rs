//! Panels of few numbers: stat, gauge, bars, pie; and those of many: histogram, heatmap, states.

use serde_json::{Map, Value, json};

use super::{
    Made, any_thresholds, calculation, default_format, first_calculation, format, legend, limit,
    with_mappings, with_overrides, with_transforms,
};
use crate::dashboards::grafana::read::{Tree, at, flag, number_at, plain, text, text_at};

/// What all of them share.
fn numbers(kind: &'static str, panel: &Tree) -> Made {
    let mut made = Made::of(kind);
    made.spec["calculation"] = first_calculation(panel, &mut made.reasons).into();
    let format = default_format(panel, &mut made.reasons);
    made.put("format", format);
    made.put("thresholds", any_thresholds(panel));
    with_mappings(&mut made, panel);
    with_transforms(&mut made, panel);
    with_overrides(&mut made, panel, &[]);
    if at(panel, "options.reduceOptions.values") == Some(&Value::Bool(true)) {
        made.reasons.push("all values of a series: one is shown for each series".to_owned());
    }
    made
}

/// `stat`.
pub(super) fn stat(panel: &Tree) -> Made {
    let mut made = numbers("StatChart", panel);
    if text_at(panel, "options.graphMode").is_none_or(|mode| mode != "none") {
        made.spec["sparkline"] = json!({});
    }
    match text_at(panel, "options.colorMode") {
        Some("background" | "background_solid") => made.spec["colorMode"] = "background".into(),
        Some("none") => made.spec["colorMode"] = "none".into(),
        _ => made.spec["colorMode"] = "value".into(),
    }
    match text_at(panel, "options.textMode") {
        Some("name") => made.spec["textMode"] = "name".into(),
        Some("value_and_name") => made.spec["textMode"] = "valueAndName".into(),
        Some("none") => made.reasons.push("the value is shown".to_owned()),
        _ => {}
    }
    if let Some(none) = text_at(panel, "fieldConfig.defaults.noValue") {
        made.spec["noValue"] = none.into();
    }
    made
}

/// `singlestat`, until Grafana 6; some of them are gauges.
pub(super) fn singlestat(panel: &Tree) -> Made {
    let is_gauge = at(panel, "gauge.show") == Some(&Value::Bool(true));
    let mut made = Made::of(if is_gauge { "GaugeChart" } else { "StatChart" });
    let calc = text(panel, "valueName").unwrap_or_default();
    made.spec["calculation"] = calculation(calc, &mut made.reasons).into();
    let shown = format(text(panel, "format"), number_at(panel, "decimals"), &mut made.reasons);
    made.put("format", shown);
    made.put("thresholds", any_thresholds(panel));
    with_mappings(&mut made, panel);
    if is_gauge {
        made.put("min", number_at(panel, "gauge.minValue").map(plain));
        made.put("max", number_at(panel, "gauge.maxValue").map(plain));
        return made;
    }
    if at(panel, "sparkline.show") == Some(&Value::Bool(true)) {
        made.spec["sparkline"] = json!({});
    }
    made.spec["colorMode"] = match (flag(panel, "colorBackground"), flag(panel, "colorValue")) {
        (true, _) => "background".into(),
        (_, true) => "value".into(),
        _ => "none".into(),
    };
    for key in ["prefix", "postfix"] {
        if let Some(more) = text(panel, key).filter(|more| !more.is_empty()) {
            made.spec[key] = more.into();
        }
    }
    made
}

/// `gauge`.
pub(super) fn gauge(panel: &Tree) -> Made {
    let mut made = numbers("GaugeChart", panel);
    made.put("min", number_at(panel, "fieldConfig.defaults.min").map(plain));
    made.put("max", number_at(panel, "fieldConfig.defaults.max").map(plain));
    made
}

/// `bargauge` and `barchart`.
pub(super) fn bars(panel: &Tree) -> Made {
    let mut made = numbers("BarChart", panel);
    made.put("min", number_at(panel, "fieldConfig.defaults.min").map(plain));
    made.put("max", number_at(panel, "fieldConfig.defaults.max").map(plain));
    made
}

/// `piechart`, and the plugin before it.
pub(super) fn pie(panel: &Tree) -> Made {
    let mut made = numbers("PieChart", panel);
    made.put("legend", legend(panel));
    let kind = text_at(panel, "options.pieType").or_else(|| text(panel, "pieType"));
    if kind == Some("donut") {
        made.spec["donut"] = true.into();
    }
    if let Some(old) = format(text(panel, "format"), None, &mut made.reasons) {
        made.spec["format"] = old;
    }
    made
}

/// `histogram`.
pub(super) fn histogram(panel: &Tree) -> Made {
    let mut made = Made::of("HistogramChart");
    let format = default_format(panel, &mut made.reasons);
    made.put("format", format);
    made.put("bucketSize", number_at(panel, "options.bucketSize").map(plain));
    made.put("buckets", number_at(panel, "options.bucketCount").map(plain));
    with_transforms(&mut made, panel);
    made
}

/// `heatmap`.
pub(super) fn heatmap(panel: &Tree) -> Made {
    let mut made = Made::of("HeatMapChart");
    let new = text_at(panel, "options.yAxis.unit");
    let unit = new.or_else(|| text_at(panel, "yAxis.format"));
    let shown = format(unit, number_at(panel, "options.yAxis.decimals"), &mut made.reasons);
    made.put("yAxisFormat", shown);
    let count = text_at(panel, "options.cellValues.unit");
    let shown = format(count, None, &mut made.reasons);
    made.put("countFormat", shown);
    let mut limits = Map::new();
    limit(&mut limits, "min", number_at(panel, "options.yAxis.min"));
    limit(&mut limits, "max", number_at(panel, "options.yAxis.max"));
    made.spec.as_object_mut().into_iter().for_each(|spec| spec.extend(limits.clone()));
    let legend = at(panel, "options.legend.show").or_else(|| at(panel, "legend.show"));
    made.spec["showVisualMap"] = legend.cloned().unwrap_or(Value::Bool(true));
    let counts = at(panel, "options.calculate") == Some(&Value::Bool(true));
    let old = text(panel, "dataFormat") == Some("timeseries");
    if counts || old {
        made.spec["calculate"] = true.into();
    }
    with_transforms(&mut made, panel);
    made
}

/// `status-history` and `state-timeline`.
pub(super) fn states(panel: &Tree) -> Made {
    let mut made = Made::of("StatusHistoryChart");
    let format = default_format(panel, &mut made.reasons);
    made.put("format", format);
    made.put("legend", legend(panel));
    made.put("thresholds", any_thresholds(panel));
    with_mappings(&mut made, panel);
    with_transforms(&mut made, panel);
    with_overrides(&mut made, panel, &[]);
    made
}
