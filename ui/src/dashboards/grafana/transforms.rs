//! What Grafana does to tables between query and panel: fourteen ways are known here.
//!
//! They are kept under their own names with the options that they had; the page does them. A chain
//! with a step that is not known shows other rows than it did, and says so.

use serde_json::{Value, json};

use super::read::{Tree, flag, list, text};

/// Names of Grafana, and kinds of ours.
const KNOWN: [(&str, &str); 14] = [
    ("organize", "Organize"),
    ("groupBy", "GroupBy"),
    ("filterFieldsByName", "FilterFieldsByName"),
    ("calculateField", "CalculateField"),
    ("reduce", "Reduce"),
    ("merge", "Merge"),
    ("sortBy", "SortBy"),
    ("joinByField", "JoinByField"),
    ("seriesToColumns", "JoinByField"),
    ("labelsToFields", "LabelsToFields"),
    ("filterByValue", "FilterByValue"),
    ("renameByRegex", "RenameByRegex"),
    ("limit", "Limit"),
    ("convertFieldType", "ConvertFieldType"),
];

/// Returns the transformations of a panel, and those that are lost.
pub(super) fn of(panel: &Tree) -> (Vec<Value>, Vec<String>) {
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for step in list(panel, "transformations").iter().filter_map(Value::as_object) {
        let id = text(step, "id").unwrap_or_default();
        if flag(step, "disabled") {
            continue;
        }
        match KNOWN.iter().find(|(name, _)| *name == id) {
            Some((_, kind)) => {
                let options = step.get("options").cloned().unwrap_or_else(|| json!({}));
                kept.push(json!({ "kind": kind, "spec": options }));
            }
            None => lost.push(format!("transformation {id} is not known")),
        }
    }
    (kept, lost)
}
