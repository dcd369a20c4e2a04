//! Boards of every age, each panel and variable with what it must become. Written by us.

use serde_json::{Value, json};

use super::Outcome::{Approximated, Exact, Placeholder};
use super::*;
use crate::dashboards::check::Mistake;

/// Takes every query but those with `!!` in them.
struct Any;

impl CheckQuery for Any {
    fn check(&self, _: Language, text: &str) -> Result<(), Mistake> {
        text.find("!!")
            .map_or(Ok(()), |at| Err(Mistake { message: "no".to_owned(), span: Some(at..at + 2) }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made where it is given")]
fn imported(board: Value) -> (Value, Report) {
    let (board, report) = import(&board, &Any).unwrap();
    (board.into_value(), report)
}

#[expect(clippy::needless_pass_by_value, reason = "made where it is given")]
fn one(panel: Value) -> (Value, Line) {
    let (board, report) = imported(json!({ "title": "B", "panels": [panel] }));
    let panels = board["spec"]["panels"].as_object().unwrap();
    let first = panels.values().next().unwrap()["spec"].clone();
    (first, report.panels[0].clone())
}

fn target(expr: &str) -> Value {
    json!([{ "refId": "A", "expr": expr, "datasource": { "type": "prometheus", "uid": "x" } }])
}

#[test]
fn sixteen_kinds_become_panels_and_others_placeholders() {
    for (from, becomes, outcome) in [
        ("timeseries", "TimeSeriesChart", Exact),
        ("graph", "TimeSeriesChart", Exact),
        ("stat", "StatChart", Exact),
        ("singlestat", "StatChart", Exact),
        ("table", "TimeSeriesTable", Exact),
        ("table-old", "TimeSeriesTable", Exact),
        ("gauge", "GaugeChart", Exact),
        ("bargauge", "BarChart", Approximated),
        ("barchart", "BarChart", Approximated),
        ("text", "Markdown", Exact),
        ("logs", "LogsTable", Exact),
        ("piechart", "PieChart", Exact),
        ("histogram", "HistogramChart", Exact),
        ("heatmap", "HeatMapChart", Exact),
        ("status-history", "StatusHistoryChart", Exact),
        ("state-timeline", "StatusHistoryChart", Approximated),
        ("nodeGraph", "TarnPlaceholder", Placeholder),
        ("some-plugin-panel", "TarnPlaceholder", Placeholder),
    ] {
        let panel = json!({ "id": 7, "type": from, "title": "t", "targets": target("up") });
        let (spec, line) = one(panel.clone());
        assert_eq!((&*line.becomes, line.outcome), (becomes, outcome), "{from}: {line:?}");
        assert_eq!(spec["plugin"]["kind"], becomes);
        if outcome == Placeholder {
            assert_eq!(spec["plugin"]["spec"]["original"], panel, "nothing is gone");
        } else if from != "text" {
            assert_eq!(spec["queries"][0]["spec"]["plugin"]["spec"]["query"], "up");
        }
    }
}

/// A panel that says how everything looks.
fn cpu_panel() -> Value {
    json!({
        "id": 1, "type": "timeseries", "title": "CPU", "description": "busy",
        "links": [{ "title": "docs", "url": "https://example.org", "targetBlank": true }],
        "targets": [
            { "refId": "A", "expr": "sum(rate(x[$__rate_interval]))", "legendFormat": "{{job}}", "interval": "1m" },
            { "refId": "B", "expr": "y", "legendFormat": "__auto", "hide": true },
        ],
        "options": { "legend": { "displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"] } },
        "fieldConfig": {
            "defaults": {
                "unit": "percentunit", "decimals": 1, "min": 0, "max": 1,
                "thresholds": { "mode": "absolute", "steps": [{ "color": "green", "value": null }, { "color": "dark-red", "value": 0.9 }] },
                "custom": {
                    "drawStyle": "line", "fillOpacity": 20, "lineWidth": 2, "stacking": { "mode": "normal" },
                    "spanNulls": true, "thresholdsStyle": { "mode": "line" }, "axisLabel": "share",
                },
            },
            "overrides": [
                { "matcher": { "id": "byRegexp", "options": "/.*out/" }, "properties": [
                    { "id": "custom.transform", "value": "negative-Y" },
                    { "id": "color", "value": { "mode": "fixed", "fixedColor": "light-blue" } },
                ] },
                { "matcher": { "id": "byFrameRefID", "options": "B" }, "properties": [
                    { "id": "unit", "value": "bytes" }, { "id": "custom.lineStyle", "value": { "fill": "dash" } },
                ] },
                { "matcher": { "id": "byValue", "options": {} }, "properties": [] },
            ],
        },
    })
}

#[test]
fn a_time_series_keeps_how_it_looks() {
    let (spec, line) = one(cpu_panel());
    assert_eq!(line.outcome, Approximated);
    assert_eq!(line.reasons, ["overrides of byValue are passed over"]);
    let plugin = &spec["plugin"]["spec"];
    assert_eq!(
        plugin["yAxis"],
        json!({
            "format": { "unit": "percent-decimal", "decimalPlaces": 1 }, "min": 0, "max": 1, "label": "share",
        })
    );
    assert_eq!(
        plugin["visual"],
        json!({
            "display": "line", "lineWidth": 2, "areaOpacity": 0.2, "stack": "all", "connectNulls": true,
        })
    );
    assert_eq!(
        plugin["legend"],
        json!({ "position": "right", "mode": "table", "values": ["last-number", "max"] })
    );
    assert_eq!(
        plugin["thresholds"],
        json!({
            "defaultColor": "#73bf69", "steps": [{ "value": 0.9, "color": "#c4162a" }],
        })
    );
    assert_eq!(
        plugin["overrides"],
        json!([
            { "match": { "regex": "/.*out/" }, "negative": true, "color": "#8ab8ff" },
            { "match": { "query": 1 }, "format": { "unit": "bytes" }, "lineStyle": "dashed" },
        ])
    );
    assert_eq!(
        spec["links"],
        json!([{ "name": "docs", "url": "https://example.org", "targetBlank": true }])
    );
    let queries: Vec<&Value> =
        spec["queries"].as_array().unwrap().iter().map(|q| &q["spec"]["plugin"]["spec"]).collect();
    assert_eq!(
        *queries[0],
        json!({
            "query": "sum(rate(x[$__rate_interval]))", "seriesNameFormat": "{{job}}", "minStep": "1m", "refId": "A",
        })
    );
    assert_eq!(*queries[1], json!({ "query": "y", "hidden": true, "refId": "B" }));
}

#[test]
fn boards_of_2016_come_over() {
    let (board, report) = imported(json!({
        "title": "Old", "schemaVersion": 14, "time": { "from": "now-6h", "to": "now" }, "refresh": "1m",
        "__inputs": [{ "name": "DS_P", "type": "datasource", "pluginId": "prometheus" }],
        "rows": [
            { "title": "First", "showTitle": true, "height": "250px", "panels": [
                { "id": 1, "type": "graph", "span": 8, "title": "g", "datasource": "${DS_P}", "stack": true, "fill": 5, "linewidth": 2,
                  "nullPointMode": "connected", "yaxes": [{ "format": "Bps", "min": "0", "logBase": 1 }, {}],
                  "seriesOverrides": [{ "alias": "/tx/", "transform": "negative-Y" }, { "alias": "a", "yaxis": 2 }],
                  "legend": { "show": true, "values": true, "avg": true, "current": true, "rightSide": true, "alignAsTable": true },
                  "targets": [{ "expr": "a", "refId": "A" }] },
                { "id": 2, "type": "singlestat", "span": 4, "title": "s", "format": "percent", "valueName": "avg", "decimals": 0,
                  "thresholds": "80,90", "colors": ["green", "orange", "#123456"], "colorBackground": true, "sparkline": { "show": true },
                  "valueMaps": [{ "value": "null", "text": "N/A", "op": "=" }], "targets": [{ "expr": "b" }] },
                { "id": 3, "type": "singlestat", "span": 6, "title": "gauge", "gauge": { "show": true, "minValue": 0, "maxValue": 100 },
                  "targets": [{ "expr": "c" }] },
            ] },
            { "title": "Second", "collapse": true, "repeat": "node", "panels": [] },
        ],
    }));
    assert_eq!(board["spec"]["duration"], "6h");
    assert_eq!(board["spec"]["refreshInterval"], "1m");
    let panel = |key: &str| &board["spec"]["panels"][key]["spec"]["plugin"];
    assert_eq!(
        panel("p1")["spec"]["visual"],
        json!({
            "display": "line", "lineWidth": 2, "areaOpacity": 0.5, "stack": "all", "connectNulls": true,
        })
    );
    assert_eq!(
        panel("p1")["spec"]["yAxis"],
        json!({ "format": { "unit": "decbytes/sec" }, "min": 0 })
    );
    assert_eq!(
        panel("p1")["spec"]["overrides"],
        json!([
            { "match": { "regex": "tx" }, "negative": true }, { "match": { "name": "a" }, "axis": "right" },
        ])
    );
    assert_eq!(panel("p1")["spec"]["legend"]["values"], json!(["last-number", "mean"]));
    assert_eq!(
        panel("p2"),
        &json!({ "kind": "StatChart", "spec": {
        "calculation": "mean", "format": { "unit": "percent", "decimalPlaces": 0 }, "sparkline": {}, "colorMode": "background",
        "thresholds": { "defaultColor": "#73bf69", "steps": [{ "value": 80, "color": "#ff9830" }, { "value": 90, "color": "#123456" }] },
        "mappings": [{ "kind": "Value", "spec": { "value": "null", "result": { "value": "N/A" } } }],
    } })
    );
    assert_eq!(
        (panel("p3")["kind"].as_str(), &panel("p3")["spec"]["max"]),
        (Some("GaugeChart"), &json!(100))
    );
    let layouts = board["spec"]["layouts"].as_array().unwrap();
    assert_eq!(
        layouts[0]["spec"]["items"],
        json!([
            { "x": 0, "y": 0, "width": 16, "height": 7, "content": { "$ref": "#/spec/panels/p1" } },
            { "x": 16, "y": 0, "width": 8, "height": 7, "content": { "$ref": "#/spec/panels/p2" } },
            { "x": 0, "y": 7, "width": 12, "height": 7, "content": { "$ref": "#/spec/panels/p3" } },
        ])
    );
    assert_eq!(
        layouts[1]["spec"],
        json!({
            "display": { "title": "Second", "collapse": { "open": false } }, "items": [], "repeatVariable": "node",
        })
    );
    assert!(report.whole, "{report:#?}");
    assert_eq!(report.schema_version, 14);
}

#[test]
fn rows_are_panels_that_begin_a_section() {
    let at = |x, y, w, h| json!({ "x": x, "y": y, "w": w, "h": h });
    let (board, _) = imported(json!({ "title": "R", "panels": [
        { "id": 1, "type": "text", "gridPos": at(0, 0, 24, 2) },
        { "id": 4, "type": "text", "gridPos": at(12, 3, 12, 8), "repeat": "job", "maxPerRow": 3 },
        { "id": 2, "type": "row", "title": "Open", "gridPos": at(0, 2, 24, 1), "panels": [] },
        { "id": 3, "type": "text", "gridPos": at(0, 3, 12, 8) },
        { "id": 5, "type": "row", "title": "Closed", "collapsed": true, "gridPos": at(0, 11, 24, 1), "panels": [
            { "id": 6, "type": "text", "gridPos": at(0, 12, 40, 8) },
        ] },
    ] }));
    let item = |x, y, w, h, key: &str| json!({ "x": x, "y": y, "width": w, "height": h, "content": { "$ref": format!("#/spec/panels/{key}") } });
    let mut repeated = item(12, 0, 12, 8, "p4");
    repeated["repeat"] = json!({ "variable": "job", "perRow": 3 });
    assert_eq!(
        board["spec"]["layouts"],
        json!([
            { "kind": "Grid", "spec": { "items": [item(0, 0, 24, 2, "p1")] } },
            { "kind": "Grid", "spec": { "display": { "title": "Open", "collapse": { "open": true } }, "items": [item(0, 0, 12, 8, "p3"), repeated] } },
            { "kind": "Grid", "spec": { "display": { "title": "Closed", "collapse": { "open": false } }, "items": [item(0, 0, 24, 8, "p6")] } },
        ])
    );
}

#[test]
fn seven_kinds_of_variables() {
    let query = |q: &str| json!({ "type": "query", "name": "v", "query": { "query": q, "refId": "x" }, "datasource": { "type": "prometheus" } });
    for (variable, becomes, outcome, wanted) in [
        (
            query("label_values(up{job=\"a,b\"}, instance)"),
            "PrometheusLabelValuesVariable",
            Exact,
            json!({ "labelName": "instance", "matchers": ["up{job=\"a,b\"}"] }),
        ),
        (
            query("label_values( job )"),
            "PrometheusLabelValuesVariable",
            Exact,
            json!({ "labelName": "job", "matchers": [] }),
        ),
        (
            query("label_names(up)"),
            "PrometheusLabelNamesVariable",
            Exact,
            json!({ "matchers": ["up"] }),
        ),
        (
            query("metrics(^node_)"),
            "PrometheusLabelValuesVariable",
            Exact,
            json!({ "labelName": "__name__", "matchers": ["{__name__=~\".*^node_.*\"}"] }),
        ),
        (
            query("query_result(topk(3, up))"),
            "PrometheusPromQLVariable",
            Exact,
            json!({ "expr": "topk(3, up)", "format": "sample" }),
        ),
        (
            json!({ "type": "custom", "name": "v", "query": "a, B b : c" }),
            "StaticListVariable",
            Exact,
            json!({ "values": ["a", { "label": "B b", "value": "c" }] }),
        ),
        (
            json!({ "type": "interval", "name": "v", "query": "1m,5m", "auto": true }),
            "StaticListVariable",
            Exact,
            json!({ "values": [{ "label": "auto", "value": "$__auto_interval" }, "1m", "5m"] }),
        ),
    ] {
        let (board, report) =
            imported(json!({ "title": "V", "panels": [], "templating": { "list": [variable] } }));
        let line = &report.variables[0];
        assert_eq!((&*line.becomes, line.outcome), (becomes, outcome), "{line:?}");
        assert_eq!(
            board["spec"]["variables"][0]["spec"]["plugin"],
            json!({ "kind": becomes, "spec": wanted })
        );
    }
}

#[test]
fn variables_are_typed_kept_or_not_needed() {
    let (board, report) = imported(json!({ "title": "V", "panels": [], "templating": { "list": [
        { "type": "datasource", "name": "ds", "query": "prometheus" },
        { "type": "textbox", "name": "t", "query": "x", "current": { "value": "y" } },
        { "type": "constant", "name": "c", "query": "k", "hide": 2 },
        { "type": "adhoc", "name": "f", "filters": [{ "key": "a" }] },
        { "type": "query", "name": "sql", "query": "SELECT 1", "datasource": { "type": "mysql" } },
        { "type": "query", "name": "loki", "query": "label_values(app)", "datasource": { "type": "loki" } },
        { "type": "query", "name": "m", "query": "label_values(up, job)", "multi": true, "includeAll": true, "allValue": ".+",
          "regex": "/a(.*)/", "sort": 3, "label": "Job", "current": { "value": ["$__all"] } },
    ] } }));
    let outcomes: Vec<(&str, Outcome)> =
        report.variables.iter().map(|l| (l.becomes.as_str(), l.outcome)).collect();
    assert_eq!(
        outcomes,
        [
            ("Tarn itself", Exact),
            ("TextVariable", Exact),
            ("TextVariable", Exact),
            ("TarnAdhocFilters", Approximated),
            ("TextVariable", Placeholder),
            ("TextVariable", Placeholder),
            ("PrometheusLabelValuesVariable", Exact),
        ]
    );
    let variables = board["spec"]["variables"].as_array().unwrap();
    assert_eq!(variables.len(), 6, "no variable stands for the data source");
    assert_eq!(variables[0]["spec"]["value"], "y");
    assert_eq!(
        variables[1]["spec"],
        json!({ "name": "c", "display": { "name": "c", "hidden": true }, "value": "k", "constant": true })
    );
    assert_eq!(
        variables[5]["spec"],
        json!({
            "name": "m", "display": { "name": "Job" }, "allowMultiple": true, "allowAllValue": true, "customAllValue": ".+",
            "capturingRegexp": "/a(.*)/", "sort": "numerical-asc", "defaultValue": ["$__all"],
            "plugin": { "kind": "PrometheusLabelValuesVariable", "spec": { "labelName": "job", "matchers": ["up"] } },
        })
    );
    assert!(!report.whole);
}

#[test]
fn whom_a_query_asks_is_found_out() {
    let asks = |source: Value, expr: &str| {
        let (spec, line) = one(
            json!({ "type": "timeseries", "datasource": source, "targets": [{ "expr": expr, "refId": "A" }] }),
        );
        (
            spec["queries"][0]["spec"]["plugin"]["kind"].as_str().unwrap_or_default().to_owned(),
            line.outcome,
        )
    };
    for (source, expr, kind, outcome) in [
        (json!(null), "up", "PrometheusTimeSeriesQuery", Exact),
        (json!("$datasource"), "up", "PrometheusTimeSeriesQuery", Exact),
        (json!({ "type": "prometheus", "uid": "${ds}" }), "up", "PrometheusTimeSeriesQuery", Exact),
        (json!("Our Metrics"), "up", "PrometheusTimeSeriesQuery", Exact),
        (json!({ "uid": "-- Mixed --" }), "up", "PrometheusTimeSeriesQuery", Exact),
        (json!({ "type": "loki" }), "{a=\"b\"}", "TarnLogQuery", Approximated),
        (json!("$logs"), "sum(rate({a=\"b\"} |= \"x\" [1m]))", "TarnLogQuery", Approximated),
        (json!({ "type": "mysql" }), "up", "", Placeholder),
    ] {
        assert_eq!(asks(source.clone(), expr), (kind.to_owned(), outcome), "{source}");
    }
    let (_, report) = imported(json!({ "title": "L", "panels": [
        { "id": 1, "type": "logs", "title": "l", "targets": [{ "expr": "{a=\"b\"}", "refId": "A" }] },
        { "id": 2, "type": "stat", "title": "wrong", "targets": [{ "expr": "$x !! y", "refId": "B" }] },
        { "id": 3, "type": "table", "title": "same", "datasource": { "uid": "-- Dashboard --" }, "targets": [{ "panelId": 2 }] },
        { "id": 4, "type": "table", "title": "self", "datasource": { "uid": "-- Dashboard --" }, "targets": [{ "panelId": 4 }] },
    ] }));
    let told: Vec<_> =
        report.queries.iter().map(|q| (&*q.of, q.language, q.parsed, q.span)).collect();
    assert_eq!(
        told,
        [
            ("l", Some(Language::Logql), false, None),
            ("wrong", Some(Language::Promql), false, Some((3, 5))),
            ("same", Some(Language::Promql), false, Some((3, 5))),
        ]
    );
    assert_eq!(report.panels[0].reasons, ["LogQL is kept, and not answered yet"]);
    assert_eq!(report.panels[3].outcome, Placeholder);
}

#[test]
fn transformations_are_kept_in_order_and_unknown_ones_are_lost() {
    let (spec, line) = one(json!({ "type": "table", "targets": target("up"), "transformations": [
        { "id": "merge", "options": {} },
        { "id": "organize", "options": { "excludeByName": { "Time": true } } },
        { "id": "limit", "disabled": true },
        { "id": "configFromData", "options": {} },
    ] }));
    assert_eq!(spec["plugin"]["kind"], "Table");
    assert_eq!(
        spec["plugin"]["spec"]["transforms"],
        json!([
            { "kind": "Merge", "spec": {} },
            { "kind": "Organize", "spec": { "excludeByName": { "Time": true } } },
        ])
    );
    assert_eq!(line.lost, ["transformation configFromData is not known"]);
}

#[test]
fn what_is_no_board_is_said_to_be_none() {
    for (tree, says) in [
        (json!([]), "neither panels nor rows"),
        (json!({ "title": "x" }), "neither panels nor rows"),
        (
            json!({ "apiVersion": "dashboard.grafana.app/v2beta1", "spec": { "elements": {} } }),
            "V2 format",
        ),
    ] {
        let problem = import(&tree, &Any).unwrap_err();
        assert!(problem.message.contains(says), "{problem}");
    }
    for around in [
        json!({ "dashboard": { "title": "x", "panels": [] }, "meta": {} }),
        json!({ "apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": {}, "spec": { "title": "x", "panels": [] } }),
    ] {
        assert_eq!(import(&around, &Any).unwrap().1.title, "x");
    }
}

/// Whatever stands where something else is expected, an import ends and makes a board.
#[test]
fn nonsense_in_every_place_is_survived() {
    let whole = json!({ "title": "B", "tags": ["a"], "time": { "from": "now-1h" }, "annotations": { "list": [{ "name": "a" }] },
        "templating": { "list": [{ "type": "query", "name": "v", "query": "label_values(up, job)", "current": { "value": "x" } }] },
        "panels": [{ "id": 1, "type": "timeseries", "gridPos": { "x": 0, "y": 0, "w": 12, "h": 8 }, "targets": [{ "expr": "up", "refId": "A" }],
            "fieldConfig": { "defaults": { "unit": "s", "mappings": [{ "type": "value", "options": { "1": { "text": "x" } } }] },
                "overrides": [{ "matcher": { "id": "byName", "options": "a" }, "properties": [{ "id": "unit", "value": "s" }] }] },
            "transformations": [{ "id": "merge" }], "options": { "legend": { "calcs": ["max"] } } }],
        "rows": [{ "title": "r", "panels": [{ "type": "graph", "span": 6, "yaxes": [{ "format": "s" }] }] }] });
    let mut paths = Vec::new();
    pointers(&whole, String::new(), &mut paths);
    assert!(paths.len() > 60);
    for path in &paths {
        for nonsense in
            [json!(null), json!(-1), json!("\u{0}"), json!([[]]), json!({ "a": {} }), json!(1e300)]
        {
            let mut broken = whole.clone();
            *broken.pointer_mut(path).unwrap() = nonsense;
            if let Ok((board, _)) = import(&broken, &Any) {
                assert!(Dashboard::of(board.into_value()).is_ok(), "{path}");
            }
        }
    }
}

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(i, v)| pointers(v, format!("{at}/{i}"), found));
        }
        Value::Object(values) => {
            values.iter().for_each(|(k, v)| pointers(v, format!("{at}/{k}"), found));
        }
        _ => {}
    }
    if !at.is_empty() {
        found.push(at);
    }
}
