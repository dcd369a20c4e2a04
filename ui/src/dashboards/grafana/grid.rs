//! Where panels stand: sections of 24 columns.
//!
//! Grafana had rows of twelfths with panels in them until 2018; since then every panel has a place and
//! rows are panels that begin a section. A row that is closed keeps its panels inside. Both occur.

use serde_json::{Value, json};

use super::Import;
use super::read::{Tree, flag, list, number_at, text};

/// Pixels of one unit of height, with the gap.
const UNIT_PIXELS: f64 = 38.0;
const COLUMNS: u64 = 24;
/// Height of a panel that does not say.
const HEIGHT: u64 = 8;

/// A section that is being filled.
struct Section {
    title: Option<String>,
    open: bool,
    repeat: Option<String>,
    /// Where it begins.
    top: u64,
    items: Vec<Value>,
}

impl Section {
    fn of_row(row: &Tree, top: u64) -> Self {
        let title = text(row, "title").filter(|title| !title.is_empty());
        Self {
            title: title.map(str::to_owned),
            open: !flag(row, "collapsed") && !flag(row, "collapse"),
            repeat: text(row, "repeat").filter(|name| !name.is_empty()).map(str::to_owned),
            top,
            items: Vec::new(),
        }
    }

    fn into_layout(self) -> Value {
        let mut spec = json!({ "items": self.items });
        if let Some(title) = self.title {
            spec["display"] = json!({ "title": title, "collapse": { "open": self.open } });
        }
        if let Some(variable) = self.repeat {
            spec["repeatVariable"] = variable.into();
        }
        json!({ "kind": "Grid", "spec": spec })
    }
}

impl Import<'_> {
    /// Imports all panels and returns the sections in which they stand.
    pub(super) fn layouts(&mut self) -> Vec<Value> {
        let mut sections = Vec::new();
        let board = self.board;
        self.placed(list(board, "panels"), &mut sections);
        for row in list(board, "rows").iter().filter_map(Value::as_object) {
            sections.push(self.old_row(row));
        }
        let filled = sections
            .into_iter()
            .filter(|section| !section.items.is_empty() || section.title.is_some());
        filled.map(Section::into_layout).collect()
    }

    fn placed(&mut self, panels: &[Value], sections: &mut Vec<Section>) {
        let mut sorted: Vec<&Tree> = panels.iter().filter_map(Value::as_object).collect();
        sorted.sort_by_key(|panel| (unit(panel, "gridPos.y"), unit(panel, "gridPos.x")));
        sections.push(Section { title: None, open: true, repeat: None, top: 0, items: Vec::new() });
        for panel in sorted {
            if text(panel, "type") != Some("row") {
                if let Some(section) = sections.last_mut() {
                    let key = self.panel(panel);
                    section.items.push(item(panel, section.top, &key));
                }
                continue;
            }
            let top = unit(panel, "gridPos.y") + 1;
            let mut section = Section::of_row(panel, top);
            for inner in list(panel, "panels").iter().filter_map(Value::as_object) {
                let key = self.panel(inner);
                section.items.push(item(inner, top, &key));
            }
            sections.push(section);
        }
    }

    /// A row of twelfths: panels stand beside each other until it is full.
    fn old_row(&mut self, row: &Tree) -> Section {
        let mut section = Section::of_row(row, 0);
        if row.get("showTitle").is_some() && !flag(row, "showTitle") {
            section.title = section.title.filter(|_| !section.open);
        }
        let height = |tree: &Tree| {
            let pixels = tree.get("height").and_then(|height| match height {
                Value::String(text) => text.trim_end_matches("px").parse().ok(),
                other => other.as_f64(),
            });
            pixels.map(|pixels: f64| ((pixels / UNIT_PIXELS).round().clamp(2.0, 60.0)) as u64)
        };
        let of_row = height(row).unwrap_or(HEIGHT);
        let (mut x, mut y, mut tallest) = (0, 0, 0);
        for panel in list(row, "panels").iter().filter_map(Value::as_object) {
            let span = number_at(panel, "span").unwrap_or(12.0).clamp(1.0, 12.0);
            let (width, height) = ((span * 2.0).round() as u64, height(panel).unwrap_or(of_row));
            if x + width > COLUMNS {
                (x, y, tallest) = (0, y + tallest, 0);
            }
            let key = self.panel(panel);
            section.items.push(place((x, y, width, height), &key, panel));
            x += width;
            tallest = height.max(tallest);
        }
        section
    }
}

fn unit(panel: &Tree, path: &str) -> u64 {
    number_at(panel, path).unwrap_or(0.0).clamp(0.0, 99_000.0) as u64
}

fn item(panel: &Tree, top: u64, key: &str) -> Value {
    let at = |key: &str| unit(panel, &format!("gridPos.{key}"));
    let width = if at("w") == 0 { COLUMNS / 2 } else { at("w").min(COLUMNS) };
    let height = if at("h") == 0 { HEIGHT } else { at("h") };
    let x = at("x").min(COLUMNS - width);
    place((x, at("y").saturating_sub(top), width, height), key, panel)
}

fn place((x, y, width, height): (u64, u64, u64, u64), key: &str, panel: &Tree) -> Value {
    let mut item = json!({
        "x": x, "y": y, "width": width, "height": height,
        "content": { "$ref": format!("#/spec/panels/{key}") },
    });
    if let Some(variable) = text(panel, "repeat").filter(|name| !name.is_empty()) {
        let per_row = number_at(panel, "maxPerRow").unwrap_or(4.0);
        let vertical = text(panel, "repeatDirection") == Some("v");
        item["repeat"] = json!({
            "variable": variable,
            "perRow": if vertical { 1 } else { per_row.clamp(1.0, 24.0) as u64 },
        });
    }
    item
}
