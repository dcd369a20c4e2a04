//! Boards are kept whole, refused with a path, and bounded.

use serde_json::{Value, json};

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "made where it is given")]
fn board(spec: Value) -> Value {
    json!({ "kind": "Dashboard", "metadata": { "name": "b" }, "spec": spec })
}

fn problems(value: Value) -> Vec<String> {
    match Dashboard::of(value) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_nobody_here_knows_survives_both_formats() {
    let tree = json!({
        "kind": "Dashboard",
        "apiVersion": "later/v9",
        "metadata": { "name": "b", "project": "p", "version": 18446744073709551615_u64 },
        "spec": {
            "display": { "name": "yes: \"quoted\" \u{202e}text\nof lines", "x": null },
            "datasources": { "mine": { "default": true } },
            "variables": [{ "kind": "LaterVariable", "spec": { "name": "v", "deep": [[1, [2.5]], {}] } }],
            "panels": {
                "y": { "kind": "Panel", "spec": {
                    "plugin": { "kind": "LaterChart", "spec": { "on": "off", "no": "no", "n": -0.5e-7 } },
                    "queries": [{ "kind": "LaterQuery", "spec": { "plugin": { "kind": "Q", "spec": { "query": "1h" } } } }],
                } },
            },
            "layouts": [
                { "kind": "Spiral", "spec": { "turns": 3 } },
                { "kind": "Grid", "spec": { "items": [
                    { "x": 0, "y": 0, "width": 24, "height": 8, "later": "0x10", "content": { "$ref": "#/spec/panels/y" } },
                ] } },
            ],
        },
    });
    let board = Dashboard::of(tree.clone()).unwrap();
    for format in [Format::Json, Format::Yaml] {
        let text = board.write(format).unwrap();
        let again = read(&text, format).unwrap();
        assert_eq!(Value::Object(again.tree().clone()), tree, "{text}");
        assert_eq!(again.write(format).unwrap(), text, "the same bytes");
    }
}

#[test]
fn mistakes_have_paths() {
    let cases: [(Value, &[&str]); 12] = [
        (json!([]), &["a board is an object with kind, metadata, spec"]),
        (
            json!({}),
            &[
                "kind: must be \"Dashboard\"",
                "metadata.name: is missing",
                "spec: is missing, or no object",
            ],
        ),
        (board(json!({ "display": { "name": 3 } })), &["spec.display.name: is no text"]),
        (board(json!({ "panels": [] })), &["spec.panels: is no object of panels by key"]),
        (board(json!({ "panels": { "a": {} } })), &["spec.panels.a.kind: is missing, or no text"]),
        (
            board(json!({ "panels": { "a": { "kind": "Panel", "spec": {} } } })),
            &["spec.panels.a.spec.plugin: is missing"],
        ),
        (
            board(json!({ "panels": { "a": { "kind": "Panel", "spec": {
            "plugin": { "spec": {} }, "queries": [{ "kind": "Q", "spec": { "plugin": { "kind": "P", "spec": 3 } } }],
        } } } })),
            &[
                "spec.panels.a.spec.plugin.kind: is missing, or no text",
                "spec.panels.a.spec.queries[0].spec.plugin.spec: is no object",
            ],
        ),
        (board(json!({ "variables": {} })), &["spec.variables: is no list"]),
        (
            board(json!({ "variables": [
            { "kind": "TextVariable", "spec": { "name": "a" } },
            { "kind": "ListVariable", "spec": { "name": "a" } },
        ] })),
            &[
                "spec.variables[1].spec.name: \"a\" is there twice",
                "spec.variables[1].spec.plugin: is missing",
            ],
        ),
        (
            board(json!({ "layouts": [{ "kind": "Grid", "spec": { "items": [
            { "x": 25, "y": -1, "width": 1, "height": 1, "content": { "$ref": "#/spec/panels/a" } },
        ] } }] })),
            &[
                "spec.layouts[0].spec.items[0].x: 25, limit is 24",
                "spec.layouts[0].spec.items[0].y: is no whole number",
                "spec.layouts[0].spec.items[0].content.$ref: \"#/spec/panels/a\" is no panel of the board",
            ],
        ),
        (
            json!({ "kind": "Folder", "metadata": { "name": "../x" }, "spec": {} }),
            &[
                "kind: \"Folder\", and must be \"Dashboard\"",
                "metadata.name: name \"../x\" has more than letters, digits, - _ and . in it",
            ],
        ),
        (
            json!({ "kind": "Dashboard", "metadata": { "name": "lint" }, "spec": {} }),
            &["metadata.name: name \"lint\" is taken by the API"],
        ),
    ];
    for (value, wanted) in cases {
        assert_eq!(problems(value.clone()), wanted, "{value}");
    }
}

#[test]
fn texts_are_bounded_before_they_are_trees() {
    let long = format!("{{\"kind\": \"{}\"}}", "x".repeat(BYTES_MAX));
    let deep = format!("{}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
    let deeper = "[".repeat(200_000);
    let many = format!("[{}0]", "0,".repeat(VALUES_MAX));
    let billion = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n".to_owned()
        + "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
        + "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
        + "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    for (text, format, says) in [
        (&long, Format::Json, "5000012 bytes, limit is 5000000"),
        (&deep, Format::Json, "nested 65 deep, limit is 64"),
        (&deeper, Format::Json, "not JSON"),
        (&deeper, Format::Yaml, "not YAML"),
        (&many, Format::Json, "values, limit is 1000000"),
        (&billion, Format::Yaml, ""),
        (&"{".to_owned(), Format::Json, "not JSON: "),
        (&"a: [".to_owned(), Format::Yaml, "not YAML: "),
    ] {
        let problem = parse(text, format).unwrap_err();
        assert!(problem.message.contains(says), "{problem}");
    }
}

#[test]
fn counts_are_bounded() {
    let panel = json!({ "kind": "Panel", "spec": { "plugin": { "kind": "P" } } });
    let panels: Map<String, Value> =
        (0..=PANELS_MAX).map(|i| (format!("p{i}"), panel.clone())).collect();
    assert_eq!(
        problems(board(json!({ "panels": panels }))),
        ["spec.panels: 2001 of them, limit is 2000"]
    );
    let bad: Vec<Value> = (0..VARIABLES_MAX).map(|_| json!({})).collect();
    assert_eq!(problems(board(json!({ "variables": bad }))).len(), 50, "the first few are told");
}

#[test]
fn names_are_made_of_titles() {
    for (title, name) in [
        ("Node Exporter Full", "node-exporter-full"),
        ("  1 Kubernetes / API server  ", "1-kubernetes-api-server"),
        ("Übersicht", "bersicht"),
        ("данные", "board"),
        ("", "board"),
        ("Import", "board-import"),
        (&"x y ".repeat(100), &format!("{}x", "x-y-".repeat(18))),
    ] {
        assert_eq!(name_of(title), name);
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
}

#[test]
fn queries_are_found_where_they_stand() {
    let made = Dashboard::of(board(json!({
        "panels": { "a": { "kind": "Panel", "spec": {
            "plugin": { "kind": "LogsTable" },
            "queries": [
                { "kind": "TimeSeriesQuery", "spec": { "plugin": { "kind": "PrometheusTimeSeriesQuery", "spec": { "query": "up" } } } },
                { "kind": "LogQuery", "spec": { "plugin": { "kind": "TarnLogQuery", "spec": { "query": "{a=\"b\"}", "language": "logql" } } } },
            ],
        } } },
        "variables": [{ "kind": "ListVariable", "spec": { "name": "v", "plugin": { "kind": "PrometheusPromQLVariable", "spec": { "expr": "x" } } } }],
    })))
    .unwrap();
    let found: Vec<_> =
        made.queries().into_iter().map(|q| (q.path, q.kind, q.text, q.language)).collect();
    let path = |i| format!("spec.panels.a.spec.queries[{i}].spec.plugin.spec.query");
    assert_eq!(
        found,
        [
            (path(0), "PrometheusTimeSeriesQuery", "up", None),
            (path(1), "TarnLogQuery", "{a=\"b\"}", Some("logql")),
            (
                "spec.variables[0].spec.plugin.spec.expr".to_owned(),
                "PrometheusPromQLVariable",
                "x",
                None
            ),
        ]
    );
}
