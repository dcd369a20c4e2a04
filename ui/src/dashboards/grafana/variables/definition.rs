//! `label_values(metric, label)` and what else the query of a variable may be.

/// What a variable asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Definition {
    /// Values of a label, of series of a selector, which may be empty.
    LabelValues {
        label: String,
        selector: String,
    },
    /// Names of labels.
    LabelNames {
        selector: String,
    },
    /// Samples of an expression.
    Promql(String),
    Nothing,
}

/// Reads the query of a variable.
pub(super) fn definition(query: &str) -> Definition {
    let query = query.trim();
    if query.is_empty() {
        return Definition::Nothing;
    }
    if let Some(inner) = call(query, "label_values") {
        return match last_comma(inner) {
            Some((selector, label)) => Definition::LabelValues {
                label: label.trim().to_owned(),
                selector: selector.trim().to_owned(),
            },
            None => {
                Definition::LabelValues { label: inner.trim().to_owned(), selector: String::new() }
            }
        };
    }
    if let Some(inner) = call(query, "label_names") {
        return Definition::LabelNames { selector: inner.trim().to_owned() };
    }
    if let Some(inner) = call(query, "metrics") {
        let regex = inner.trim().replace('\\', "\\\\").replace('"', "\\\"");
        return Definition::LabelValues {
            label: "__name__".to_owned(),
            selector: format!("{{__name__=~\".*{regex}.*\"}}"),
        };
    }
    match call(query, "query_result") {
        Some(inner) => Definition::Promql(inner.trim().to_owned()),
        None => Definition::Promql(query.to_owned()),
    }
}

/// Returns what stands in the parentheses of a call that is the whole text.
fn call<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(name)?.trim_start().strip_prefix('(')?.trim_end().strip_suffix(')')
}

/// Cuts at the last comma that stands outside of braces, parentheses and quotes.
fn last_comma(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quote, mut last) = (0_i32, None, None);
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '(' | '[') => depth += 1,
            (None, '}' | ')' | ']') => depth -= 1,
            (None, ',') if depth == 0 => last = Some(at),
            _ => {}
        }
    }
    let at = last?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}
