//! Looks at the tree of a board: what is asked of it, and what must be so.

use serde_json::{Map, Value};

use super::{
    COLUMNS, LAYOUTS_MAX, PANELS_MAX, Problem, QUERIES_MAX, Query, VARIABLES_MAX, check_name,
};

type Tree = Map<String, Value>;

/// Returns how deep a tree is nested, and how many values it has. Walks with a stack of its own.
pub(super) fn size(value: &Value) -> (usize, usize) {
    let (mut deepest, mut count) = (0, 0);
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        deepest = depth.max(deepest);
        count += 1;
        match value {
            Value::Array(values) => open.extend(values.iter().map(|v| (v, depth + 1))),
            Value::Object(values) => open.extend(values.values().map(|v| (v, depth + 1))),
            _ => {}
        }
    }
    (deepest, count)
}

/// Returns what stands at a path of keys.
pub(super) fn at<'a>(tree: &'a Tree, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(tree.get(*first)?, |value, key| value.get(key))
}

/// Returns the text at a path of keys.
pub(super) fn text<'a>(tree: &'a Tree, path: &[&str]) -> Option<&'a str> {
    at(tree, path)?.as_str()
}

/// Returns the texts of a list.
pub(super) fn texts<'a>(tree: &'a Tree, path: &[&str]) -> Vec<&'a str> {
    let list = at(tree, path).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Returns the queries of panels and variables.
pub(super) fn queries(tree: &Tree) -> Vec<Query<'_>> {
    let mut found = Vec::new();
    for (key, panel) in panels(tree) {
        let queries = panel.pointer("/spec/queries").and_then(Value::as_array);
        for (i, query) in queries.into_iter().flatten().enumerate() {
            let path = format!("spec.panels.{key}.spec.queries[{i}].spec.plugin.spec.query");
            let plugin = query.pointer("/spec/plugin");
            found.extend(plugin.and_then(|plugin| of_plugin(plugin, "query", path)));
        }
    }
    let variables = at(tree, &["spec", "variables"]).and_then(Value::as_array);
    for (i, variable) in variables.into_iter().flatten().enumerate() {
        let Some(plugin) = variable.pointer("/spec/plugin") else { continue };
        let path = format!("spec.variables[{i}].spec.plugin.spec.expr");
        found.extend(of_plugin(plugin, "expr", path));
    }
    found
}

fn of_plugin<'a>(plugin: &'a Value, key: &str, path: String) -> Option<Query<'a>> {
    let kind = plugin.get("kind")?.as_str()?;
    let spec = plugin.get("spec")?;
    let text = spec.get(key)?.as_str()?;
    let language = spec.get("language").and_then(Value::as_str);
    Some(Query { path, kind, text, language })
}

fn panels(tree: &Tree) -> impl Iterator<Item = (&String, &Value)> {
    at(tree, &["spec", "panels"]).and_then(Value::as_object).into_iter().flatten()
}

/// Returns everything that is wrong.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut check = Check { problems: Vec::new() };
    match tree.get("kind").and_then(Value::as_str) {
        Some("Dashboard") => {}
        Some(other) => check.wrong("kind", format!("{other:?}, and must be \"Dashboard\"")),
        None => check.wrong("kind", "must be \"Dashboard\""),
    }
    match text(tree, &["metadata", "name"]) {
        Some(name) => {
            if let Err(why) = check_name(name) {
                check.wrong("metadata.name", why);
            }
        }
        None => check.wrong("metadata.name", "is missing"),
    }
    let Some(spec) = tree.get("spec").and_then(Value::as_object) else {
        check.wrong("spec", "is missing, or no object");
        return check.problems;
    };
    check.display(spec, "spec");
    check.variables(spec);
    check.panels(spec);
    check.layouts(spec);
    check.problems
}

struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn wrong(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::error(path, message));
    }

    /// Returns the list at a key, which may be missing but nothing else.
    fn list<'a>(&mut self, tree: &'a Tree, key: &str, path: &str, max: usize) -> &'a [Value] {
        match tree.get(key) {
            None | Some(Value::Null) => &[],
            Some(Value::Array(values)) if values.len() <= max => values,
            Some(Value::Array(values)) => {
                self.wrong(path, format!("{} of them, limit is {max}", values.len()));
                &[]
            }
            Some(_) => {
                self.wrong(path, "is no list");
                &[]
            }
        }
    }

    fn display(&mut self, spec: &Tree, path: &str) {
        let Some(display) = spec.get("display").filter(|display| !display.is_null()) else {
            return;
        };
        for key in ["name", "description"] {
            match display.get(key) {
                None | Some(Value::Null | Value::String(_)) => {}
                Some(_) => self.wrong(format!("{path}.display.{key}"), "is no text"),
            }
        }
    }

    /// Checks that something has a kind and a spec, and returns both.
    fn part<'a>(&mut self, value: &'a Value, path: &str) -> Option<(&'a str, &'a Tree)> {
        let Some(kind) = value.get("kind").and_then(Value::as_str) else {
            self.wrong(format!("{path}.kind"), "is missing, or no text");
            return None;
        };
        let Some(spec) = value.get("spec").and_then(Value::as_object) else {
            self.wrong(format!("{path}.spec"), "is missing, or no object");
            return None;
        };
        Some((kind, spec))
    }

    /// Checks the plugin of something. One without settings may be written without a spec.
    fn plugin(&mut self, spec: &Tree, path: &str) {
        let path = format!("{path}.spec.plugin");
        let Some(plugin) = spec.get("plugin") else {
            return self.wrong(path, "is missing");
        };
        if plugin.get("kind").and_then(Value::as_str).is_none() {
            self.wrong(format!("{path}.kind"), "is missing, or no text");
        }
        if !matches!(plugin.get("spec"), None | Some(Value::Null | Value::Object(_))) {
            self.wrong(format!("{path}.spec"), "is no object");
        }
    }

    fn variables(&mut self, spec: &Tree) {
        let mut names: Vec<&str> = Vec::new();
        let variables = self.list(spec, "variables", "spec.variables", VARIABLES_MAX);
        for (i, variable) in variables.iter().enumerate() {
            let path = format!("spec.variables[{i}]");
            let Some((kind, spec)) = self.part(variable, &path) else { continue };
            match spec.get("name").and_then(Value::as_str) {
                None => self.wrong(format!("{path}.spec.name"), "is missing, or no text"),
                Some(name) if names.contains(&name) => {
                    self.wrong(format!("{path}.spec.name"), format!("{name:?} is there twice"));
                }
                Some(name) => names.push(name),
            }
            self.display(spec, &format!("{path}.spec"));
            if kind == "ListVariable" {
                self.plugin(spec, &path);
            }
        }
    }

    fn panels(&mut self, spec: &Tree) {
        let panels = match spec.get("panels") {
            None | Some(Value::Null) => return,
            Some(Value::Object(panels)) => panels,
            Some(_) => return self.wrong("spec.panels", "is no object of panels by key"),
        };
        if panels.len() > PANELS_MAX {
            let message = format!("{} of them, limit is {PANELS_MAX}", panels.len());
            return self.wrong("spec.panels", message);
        }
        for (key, panel) in panels {
            let path = format!("spec.panels.{key}");
            let Some((_, spec)) = self.part(panel, &path) else { continue };
            self.display(spec, &format!("{path}.spec"));
            self.plugin(spec, &path);
            let at = format!("{path}.spec.queries");
            for (i, query) in self.list(spec, "queries", &at, QUERIES_MAX).iter().enumerate() {
                let at = format!("{at}[{i}]");
                let Some((_, spec)) = self.part(query, &at) else { continue };
                self.plugin(spec, &at);
            }
        }
    }

    fn layouts(&mut self, spec: &Tree) {
        let panels = spec.get("panels").and_then(Value::as_object);
        let layouts = self.list(spec, "layouts", "spec.layouts", LAYOUTS_MAX);
        for (i, layout) in layouts.iter().enumerate() {
            let path = format!("spec.layouts[{i}]");
            let Some((kind, spec)) = self.part(layout, &path) else { continue };
            if kind != "Grid" {
                continue;
            }
            let at = format!("{path}.spec.items");
            for (i, item) in self.list(spec, "items", &at, LAYOUTS_MAX).iter().enumerate() {
                self.item(item, &format!("{at}[{i}]"), panels);
            }
        }
    }

    fn item(&mut self, item: &Value, path: &str, panels: Option<&Tree>) {
        for key in ["x", "y", "width", "height"] {
            let max = if matches!(key, "x" | "width") { COLUMNS } else { 100_000 };
            match item.get(key).and_then(Value::as_u64) {
                Some(number) if number <= max => {}
                Some(number) => {
                    self.wrong(format!("{path}.{key}"), format!("{number}, limit is {max}"));
                }
                None => self.wrong(format!("{path}.{key}"), "is no whole number"),
            }
        }
        let Some(to) = item.pointer("/content/$ref").and_then(Value::as_str) else {
            return self.wrong(format!("{path}.content.$ref"), "is missing, or no text");
        };
        let key = to.strip_prefix("#/spec/panels/");
        if !key.is_some_and(|key| panels.is_some_and(|panels| panels.contains_key(key))) {
            self.wrong(format!("{path}.content.$ref"), format!("{to:?} is no panel of the board"));
        }
    }
}
