//! How values look: units, thresholds, mappings, colours, and overrides of single series.

use serde_json::{Map, Value, json};

use super::read::{Tree, at, list, number_at, plain, text, text_at};

/// Units of Grafana, and those of Perses that say the same.
const UNITS: [(&str, &str); 44] = [
    ("short", "decimal"),
    ("none", "decimal"),
    ("locale", "decimal"),
    ("sci", "decimal"),
    ("ns", "nanoseconds"),
    ("µs", "microseconds"),
    ("ms", "milliseconds"),
    ("s", "seconds"),
    ("m", "minutes"),
    ("h", "hours"),
    ("d", "days"),
    ("dtdurations", "seconds"),
    ("dtdurationms", "milliseconds"),
    ("clocks", "seconds"),
    ("clockms", "milliseconds"),
    ("percent", "percent"),
    ("percentunit", "percent-decimal"),
    ("bytes", "bytes"),
    ("kbytes", "kibibytes"),
    ("mbytes", "mebibytes"),
    ("gbytes", "gibibytes"),
    ("decbytes", "decbytes"),
    ("deckbytes", "kilobytes"),
    ("decmbytes", "megabytes"),
    ("decgbytes", "gigabytes"),
    ("bits", "bits"),
    ("decbits", "decbits"),
    ("Bps", "decbytes/sec"),
    ("binBps", "bytes/sec"),
    ("bps", "decbits/sec"),
    ("binbps", "bits/sec"),
    ("KBs", "kilobytes/sec"),
    ("MBs", "megabytes/sec"),
    ("pps", "packets/sec"),
    ("ops", "ops/sec"),
    ("reqps", "requests/sec"),
    ("rps", "reads/sec"),
    ("wps", "writes/sec"),
    ("iops", "ops/sec"),
    ("cps", "counts/sec"),
    ("eps", "events/sec"),
    ("mps", "messages/sec"),
    ("opm", "ops/min"),
    ("hertz", "hertz"),
];

/// Shades of Grafana's named colours: dark, semi-dark, plain, light, super-light.
const COLOURS: [(&str, [&str; 5]); 6] = [
    ("red", ["#c4162a", "#e02f44", "#f2495c", "#ff7383", "#ffa6b0"]),
    ("orange", ["#fa6400", "#ff780a", "#ff9830", "#ffb357", "#ffcb7d"]),
    ("yellow", ["#e0b400", "#f2cc0c", "#fade2a", "#ffee52", "#fff899"]),
    ("green", ["#37872d", "#56a64b", "#73bf69", "#96d98d", "#c8f2c2"]),
    ("blue", ["#1f60c4", "#3274d9", "#5794f2", "#8ab8ff", "#c0d8ff"]),
    ("purple", ["#8f3bb8", "#a352cc", "#b877d9", "#ca95e5", "#deb6f2"]),
];

/// Returns a unit of ours; one that is not known is kept and written behind the number.
pub(super) fn unit(grafana: &str, reasons: &mut Vec<String>) -> String {
    if let Some((_, ours)) = UNITS.iter().find(|(theirs, _)| *theirs == grafana) {
        return (*ours).to_owned();
    }
    let suffix = grafana.strip_prefix("suffix:").unwrap_or(grafana);
    if suffix.len() == grafana.len() {
        reasons.push(format!("unit {grafana} is written behind the number"));
    }
    suffix.to_owned()
}

/// Returns the format of numbers; `None` where nothing is said.
pub(super) fn format(
    unit_text: Option<&str>,
    decimals: Option<f64>,
    reasons: &mut Vec<String>,
) -> Option<Value> {
    let unit_text = unit_text.filter(|unit| !unit.is_empty());
    if unit_text.is_none() && decimals.is_none() {
        return None;
    }
    let mut format =
        json!({ "unit": unit_text.map_or("decimal".to_owned(), |u| unit(u, reasons)) });
    if let Some(decimals) = decimals {
        format["decimalPlaces"] = (decimals.clamp(0.0, 12.0) as u64).into();
    }
    Some(format)
}

/// Returns the format of the defaults of a panel.
pub(super) fn default_format(panel: &Tree, reasons: &mut Vec<String>) -> Option<Value> {
    let unit = text_at(panel, "fieldConfig.defaults.unit");
    format(unit, number_at(panel, "fieldConfig.defaults.decimals"), reasons)
}

/// Returns a colour as Perses writes it.
pub(super) fn colour(named: &str) -> String {
    for (name, shades) in COLOURS {
        let Some(shade) = named.strip_suffix(name) else { continue };
        let shade = match shade {
            "dark-" => 0,
            "semi-dark-" => 1,
            "" => 2,
            "light-" => 3,
            "super-light-" => 4,
            _ => continue,
        };
        return shades[shade].to_owned();
    }
    named.to_owned()
}

/// Returns the thresholds of a panel.
pub(super) fn thresholds(panel: &Tree) -> Option<Value> {
    let steps = at(panel, "fieldConfig.defaults.thresholds.steps")?.as_array()?;
    let mut made = json!({ "steps": [] });
    let mut list = Vec::new();
    for step in steps.iter().filter_map(Value::as_object) {
        let colour = text(step, "color").map(colour);
        match number_at(step, "value") {
            Some(value) => list.push(json!({ "value": plain(value), "color": colour })),
            // The first step has no value: what is below all others.
            None => made["defaultColor"] = json!(colour),
        }
    }
    if text_at(panel, "fieldConfig.defaults.thresholds.mode") == Some("percentage") {
        made["mode"] = "percent".into();
    }
    made["steps"] = list.into();
    Some(made)
}

/// Returns thresholds that are written as `80,90` with three colours, as `singlestat` has them.
pub(super) fn old_thresholds(panel: &Tree) -> Option<Value> {
    let limits = text(panel, "thresholds").filter(|limits| !limits.is_empty())?;
    let colours: Vec<&str> = list(panel, "colors").iter().filter_map(Value::as_str).collect();
    let of = |i: usize| colours.get(i).map(|named| colour(named));
    let steps = limits.split(',').enumerate().filter_map(|(i, limit)| {
        let value: f64 = limit.trim().parse().ok()?;
        Some(json!({ "value": plain(value), "color": of(i + 1) }))
    });
    Some(json!({ "defaultColor": of(0), "steps": steps.collect::<Vec<_>>() }))
}

/// Returns texts that stand for values.
pub(super) fn mappings(panel: &Tree) -> Vec<Value> {
    let mut made = Vec::new();
    let new = at(panel, "fieldConfig.defaults.mappings").and_then(Value::as_array);
    for mapping in new.into_iter().flatten().filter_map(Value::as_object) {
        mapping_of(mapping, &mut made);
    }
    for old in list(panel, "valueMaps").iter().filter_map(Value::as_object) {
        if let (Some(value), Some(shown)) = (old.get("value"), text(old, "text")) {
            made.push(mapped("Value", json!({ "value": as_text(value) }), Some(shown), None));
        }
    }
    for old in list(panel, "rangeMaps").iter().filter_map(Value::as_object) {
        let range = json!({ "from": number_at(old, "from"), "to": number_at(old, "to") });
        made.push(mapped("Range", range, text(old, "text"), None));
    }
    made
}

fn mapping_of(mapping: &Tree, made: &mut Vec<Value>) {
    let empty = Map::new();
    let options = mapping.get("options").and_then(Value::as_object).unwrap_or(&empty);
    let result = options.get("result").and_then(Value::as_object).unwrap_or(&empty);
    let (shown, shade) = (text(result, "text"), text(result, "color"));
    match mapping.get("type") {
        Some(Value::String(kind)) => match kind.as_str() {
            "value" => {
                for (value, result) in options {
                    let result = result.as_object().unwrap_or(&empty);
                    let of = json!({ "value": value });
                    made.push(mapped("Value", of, text(result, "text"), text(result, "color")));
                }
            }
            "range" => {
                let range =
                    json!({ "from": number_at(options, "from"), "to": number_at(options, "to") });
                made.push(mapped("Range", range, shown, shade));
            }
            "regex" => {
                let pattern = json!({ "pattern": text(options, "pattern") });
                made.push(mapped("Regex", pattern, shown, shade));
            }
            "special" => {
                let value = json!({ "value": text(options, "match") });
                made.push(mapped("Misc", value, shown, shade));
            }
            _ => {}
        },
        // Before 2021 kinds were numbers.
        Some(Value::Number(kind)) if kind.as_u64() == Some(1) => {
            let value = mapping.get("value").map(as_text);
            made.push(mapped("Value", json!({ "value": value }), text(mapping, "text"), None));
        }
        Some(Value::Number(_)) => {
            let range =
                json!({ "from": number_at(mapping, "from"), "to": number_at(mapping, "to") });
            made.push(mapped("Range", range, text(mapping, "text"), None));
        }
        _ => {}
    }
}

fn mapped(kind: &str, mut spec: Value, shown: Option<&str>, shade: Option<&str>) -> Value {
    let mut result = json!({ "value": shown.unwrap_or_default() });
    if let Some(shade) = shade {
        result["color"] = colour(shade).into();
    }
    spec["result"] = result;
    json!({ "kind": kind, "spec": spec })
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What single series and columns look like.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// In our form: `{match, color, unit, …}`.
    pub(super) made: Vec<Value>,
    /// Names of properties that nothing here knows.
    pub(super) unknown: Vec<String>,
}

/// Returns the overrides of a panel.
pub(super) fn overrides(panel: &Tree, letters: &[String], reasons: &mut Vec<String>) -> Overrides {
    let mut all = Overrides::default();
    let new = at(panel, "fieldConfig.overrides").and_then(Value::as_array);
    for one in new.into_iter().flatten().filter_map(Value::as_object) {
        let Some(matcher) = matcher(one, letters) else {
            all.unknown.push(text_at(one, "matcher.id").unwrap_or("matcher").to_owned());
            continue;
        };
        let mut made = json!({ "match": matcher });
        for property in list(one, "properties").iter().filter_map(Value::as_object) {
            let id = text(property, "id").unwrap_or_default();
            let value = property.get("value").unwrap_or(&Value::Null);
            if !set(&mut made, id, value, reasons) {
                all.unknown.push(id.to_owned());
            }
        }
        all.made.push(made);
    }
    for one in list(panel, "seriesOverrides").iter().filter_map(Value::as_object) {
        all.made.extend(old_override(one));
    }
    all.unknown.sort();
    all.unknown.dedup();
    all
}

fn matcher(one: &Tree, letters: &[String]) -> Option<Value> {
    let options = at(one, "matcher.options");
    let given = options.and_then(Value::as_str);
    match text_at(one, "matcher.id")? {
        "byName" => Some(json!({ "name": given? })),
        "byRegexp" => Some(json!({ "regex": given? })),
        "byFrameRefID" => {
            let index = letters.iter().position(|letter| Some(letter.as_str()) == given)?;
            Some(json!({ "query": index }))
        }
        "byType" => Some(json!({ "type": given? })),
        "byNames" => {
            let names = options?.get("names")?.as_array()?;
            let mode = options?.get("mode").and_then(Value::as_str).unwrap_or_default();
            let but = mode == "exclude";
            Some(if but { json!({ "notNames": names }) } else { json!({ "names": names }) })
        }
        _ => None,
    }
}

/// Carries over a property; false where it is not known.
fn set(made: &mut Value, id: &str, value: &Value, reasons: &mut Vec<String>) -> bool {
    match id {
        "color" => {
            let fixed = value.get("fixedColor").and_then(Value::as_str);
            match fixed {
                Some(fixed) => made["color"] = colour(fixed).into(),
                None => made["colorMode"] = value.get("mode").cloned().unwrap_or_default(),
            }
        }
        "unit" => match value.as_str() {
            Some(theirs) => made["format"]["unit"] = unit(theirs, reasons).into(),
            None => return false,
        },
        "decimals" => made["format"]["decimalPlaces"] = value.clone(),
        "displayName" => made["header"] = value.clone(),
        "custom.transform" => match value.as_str() {
            Some("negative-Y") => made["negative"] = true.into(),
            Some("constant") => made["constant"] = true.into(),
            _ => return false,
        },
        "custom.fillOpacity" => made["areaOpacity"] = opacity(value),
        "custom.lineWidth" => made["lineWidth"] = value.clone(),
        "custom.width" => made["width"] = value.clone(),
        "custom.align" => made["align"] = value.clone(),
        "custom.hidden" => made["hide"] = value.clone(),
        "custom.hideFrom" => {
            let hidden = value.get("viz").and_then(Value::as_bool).unwrap_or(false);
            made["hide"] = hidden.into();
        }
        "custom.drawStyle" => made["display"] = value.clone(),
        "custom.axisPlacement" => made["axis"] = value.clone(),
        "custom.lineStyle" => {
            made["lineStyle"] = match value.get("fill").and_then(Value::as_str) {
                Some("dash") => "dashed".into(),
                Some("dot") => "dotted".into(),
                _ => "solid".into(),
            };
        }
        "custom.stacking" => {
            made["stack"] = value.get("mode").cloned().unwrap_or_default();
        }
        "thresholds"
        | "mappings"
        | "min"
        | "max"
        | "noValue"
        | "custom.cellOptions"
        | "custom.displayMode"
        | "links"
        | "custom.filterable"
        | "custom.axisLabel"
        | "custom.lineInterpolation"
        | "custom.showPoints"
        | "custom.pointSize"
        | "custom.spanNulls"
        | "custom.gradientMode"
        | "custom.fillBelowTo"
        | "custom.inspect"
        | "custom.axisColorMode"
        | "custom.scaleDistribution"
        | "custom.axisSoftMin"
        | "custom.axisSoftMax"
        | "custom.barAlignment"
        | "custom.insertNulls"
        | "description" => {
            // Kept under its own name; the page knows some of them.
            made["grafana"][id] = value.clone();
        }
        _ => return false,
    }
    true
}

fn opacity(value: &Value) -> Value {
    plain(value.as_f64().unwrap_or(0.0).clamp(0.0, 100.0) / 100.0)
}

/// An entry of `seriesOverrides`, as `graph` has them.
fn old_override(one: &Tree) -> Option<Value> {
    let alias = text(one, "alias")?;
    let regex = alias.strip_prefix('/').and_then(|inner| inner.strip_suffix('/'));
    let matcher = regex.map_or(json!({ "name": alias }), |regex| json!({ "regex": regex }));
    let mut made = json!({ "match": matcher });
    if let Some(shade) = text(one, "color") {
        made["color"] = colour(shade).into();
    }
    if text(one, "transform") == Some("negative-Y") {
        made["negative"] = true.into();
    }
    if let Some(fill) = number_at(one, "fill") {
        made["areaOpacity"] = plain((fill / 10.0).clamp(0.0, 1.0));
    }
    if let Some(width) = number_at(one, "linewidth") {
        made["lineWidth"] = plain(width);
    }
    if one.get("dashes") == Some(&Value::Bool(true)) {
        made["lineStyle"] = "dashed".into();
    }
    if number_at(one, "yaxis") == Some(2.0) {
        made["axis"] = "right".into();
    }
    Some(made)
}
