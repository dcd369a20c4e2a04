//! Answers to SQL: the JSON of `/api/v1/sql` as a table, or as CSV.

use anyhow::Context as _;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Deserialize;
use serde_json::Value;

use super::table;
use crate::cli::terminal::printable;

/// The answer.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Data {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Reply {
    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(body).with_context(|| {
            let start = String::from_utf8_lossy(body.get(..80).unwrap_or(body)).into_owned();
            format!("read the answer, which begins {start:?}")
        })
    }

    /// Returns why there is no answer, or only a part of it.
    pub(super) fn failure(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns the warnings.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        self.warnings.iter().map(|w| format!("warning: {w}"))
    }

    /// Lays the rows out for people.
    pub(super) fn aligned(&self) -> String {
        let Some(data) = self.data.as_ref().filter(|d| !d.rows.is_empty()) else {
            return "no rows".to_owned();
        };
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(data.columns.iter().map(|c| printable(c)));
        for row in &data.rows {
            table.add_row(row.iter().map(|v| cell(&shown(v, "NULL"))));
        }
        table.trim_fmt()
    }

    /// Writes the rows after RFC 4180; NULL is the empty text.
    pub(super) fn csv(&self) -> String {
        let mut out = String::new();
        let Some(data) = &self.data else { return out };
        table::line(&mut out, data.columns.iter().map(String::as_str));
        for row in &data.rows {
            let row: Vec<String> = row.iter().map(|v| shown(v, "")).collect();
            table::line(&mut out, row.iter().map(String::as_str));
        }
        out
    }
}

/// Makes a text harmless for a terminal; lines stay lines, as in plans and stack traces.
fn cell(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn shown(value: &Value, null: &str) -> String {
    match value {
        Value::Null => null.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_table_or_csv() {
        let body = br#"{"status":"success","data":{"columns":["a","b"],"types":["text","double"],"rows":[["x,y",1],[null,2.5]],"stats":{}},"warnings":["w"]}"#;
        let reply = Reply::parse(body).expect("an answer");
        assert_eq!(reply.csv(), "a,b\r\n\"x,y\",1\r\n,2.5\r\n");
        assert!(reply.aligned().contains("NULL"));
        assert_eq!(reply.failure(), None);
        assert_eq!(reply.remarks().collect::<Vec<_>>(), ["warning: w"]);
        let hostile = br#"{"data":{"columns":["\u001b[2J"],"rows":[["a\u001b]0;x\u0007\nb"]]}}"#;
        let shown = Reply::parse(hostile).expect("an answer").aligned();
        assert!(!shown.contains('\u{1b}') && shown.contains("a\\u{1b}]0;x\\u{7} "), "{shown}");
        assert_eq!(shown.lines().count(), 6, "a line break is one: {shown}");
        let failed = Reply::parse(br#"{"status":"error","error":"no"}"#).expect("an answer");
        assert_eq!(failed.failure(), Some("no"));
        assert_eq!(failed.aligned(), "no rows");
    }
}
