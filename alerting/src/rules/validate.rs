//! What is asked of names.

use tarn_model::labels::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name};

/// What a name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Label,
    Annotation,
}

/// Proves the name of a label or an annotation.
pub(super) fn name(name: &str, of: Name, legacy: bool) -> Result<(), String> {
    let what = match of {
        Name::Label => "label",
        Name::Annotation => "annotation",
    };
    if name.is_empty() {
        return Err(format!("the name of a {what} must not be empty"));
    }
    if of == Name::Label && name == METRIC_NAME {
        return Err(format!("label {METRIC_NAME} cannot be set: it is the name of the metric"));
    }
    if legacy && !is_legacy_label_name(name) {
        return Err(format!("{name:?} is no name of a {what}: [a-zA-Z_][a-zA-Z0-9_]*"));
    }
    Ok(())
}

/// Proves the name that a recording rule gives to its series.
pub(super) fn record_name(name: &str, legacy: bool) -> Result<(), String> {
    if legacy && !is_legacy_metric_name(name) {
        return Err(format!("{name:?} is no name of a metric: [a-zA-Z_:][a-zA-Z0-9_:]*"));
    }
    // A valid name in UTF-8, and nearly always an expression at the wrong place.
    if name.contains(['{', '}']) {
        return Err(format!("record {name:?} holds braces: should it be the expr?"));
    }
    Ok(())
}
