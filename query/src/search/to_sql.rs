//! Tree to SQL that finds the same rows, for whoever goes on from a search.
//!
//! Conditions are three-valued in SQL and two-valued in a search, where what is not there is not found;
//! the difference shows where something is excluded, so that is written `IS NOT TRUE`. What SQL cannot
//! say in a line is left out with a note: values that are written with units.

use std::collections::BTreeSet;

use tarn_storage::schema::tables::{Table, column};

use super::ast::{Glob, Key, Op, Owner, Query, Term, TermKind, Value};
use super::matcher::word_pattern;
use super::plan::{Intrinsic, code, id_text, levels, literal};
use super::quantity::{Dimension, Number, Quantity};
use super::scan::Range;
use crate::api::prometheus::time::format_rfc3339_ns;

const UNITS: &str = "values that are written with units, such as 1500ms, are compared in a search and \
                     not in the SQL";

/// SQL, and in what it differs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) notes: Vec<&'static str>,
}

/// Writes a search that was planned without a mistake.
pub(crate) fn to_sql(query: &Query, table: Table, range: Range, limit: usize, newest: bool) -> Sql {
    let mut writer = Writer { table, notes: BTreeSet::new() };
    let time = table.time_column();
    let mut conditions = Vec::new();
    if range.start_us != Range::ALL.start_us {
        conditions.push(format!("{time} >= {}", instant(range.start_us)));
    }
    if range.end_us != Range::ALL.end_us {
        conditions.push(format!("{time} < {}", instant(range.end_us.saturating_add(1))));
    }
    match query {
        Query::All => {}
        Query::And(list) => conditions.extend(list.iter().map(|query| writer.query(query))),
        query => conditions.push(writer.query(query)),
    }
    let mut text = format!("SELECT *\nFROM {}\n", table.as_str());
    for (i, condition) in conditions.iter().enumerate() {
        text += if i == 0 { "WHERE " } else { "  AND " };
        text += condition;
        text.push('\n');
    }
    let order = if newest { "DESC" } else { "ASC" };
    text += &format!("ORDER BY {time} {order}\nLIMIT {limit}");
    Sql { text, notes: writer.notes.into_iter().collect() }
}

/// Writes a time.
fn instant(time_us: i64) -> String {
    // Beyond these there are no rows, and years of other than four digits are no timestamps.
    const YEAR_1_US: i64 = -62_135_596_800_000_000;
    const YEAR_9999_US: i64 = 253_370_764_800_000_000;
    let time_us = time_us.clamp(YEAR_1_US, YEAR_9999_US);
    match time_us.checked_mul(1000) {
        Some(ns) => format!("TIMESTAMP '{}'", format_rfc3339_ns(ns).replace("000Z", "Z")),
        None => format!("to_timestamp_micros({time_us})"),
    }
}

struct Writer {
    table: Table,
    notes: BTreeSet<&'static str>,
}

impl Writer {
    fn query(&mut self, query: &Query) -> String {
        match query {
            Query::All => "true".to_owned(),
            Query::And(list) => self.list(list, " AND "),
            Query::Or(list) => self.list(list, " OR "),
            Query::Not(inner) => format!("({}) IS NOT TRUE", self.query(inner)),
            Query::Term(term) => self.term(term),
        }
    }

    fn list(&mut self, list: &[Query], joint: &str) -> String {
        let members: Vec<String> = list.iter().map(|query| self.query(query)).collect();
        format!("({})", members.join(joint))
    }

    fn term(&mut self, term: &Term) -> String {
        match &term.kind {
            TermKind::Text(value) => self.text(value),
            TermKind::Exists(key) => self.exists(key),
            TermKind::Field { key, op, value, .. } => self.field(key, *op, value),
        }
    }

    fn text(&self, value: &Value) -> String {
        if self.table == Table::Logs {
            return find(column::BODY, value);
        }
        let names = [column::NAME, column::STATUS_MESSAGE, column::SERVICE_NAME];
        let mut found: Vec<String> = names.iter().map(|name| find(name, value)).collect();
        found.push(events(&find(column::NAME, value)));
        format!("({})", found.join(" OR "))
    }

    fn exists(&self, key: &Key) -> String {
        match Intrinsic::of(self.table, key) {
            Some(Intrinsic::Text(name) | Intrinsic::Id(name, _) | Intrinsic::Code(name, _)) => {
                format!("{name} IS NOT NULL")
            }
            Some(Intrinsic::Body) => "body IS NOT NULL".to_owned(),
            Some(Intrinsic::Duration) => "duration_ns IS NOT NULL".to_owned(),
            Some(Intrinsic::Level) => {
                "(severity_number IS NOT NULL OR severity_text IS NOT NULL)".to_owned()
            }
            Some(Intrinsic::Events) => events("true"),
            None => format!("{} IS NOT NULL", owned(key)),
        }
    }

    fn field(&mut self, key: &Key, op: Op, value: &Value) -> String {
        match Intrinsic::of(self.table, key) {
            None => self.compare(&owned(key), op, value),
            Some(Intrinsic::Text(name)) => self.compare(name, op, value),
            Some(Intrinsic::Events) => events(&self.compare(column::NAME, op, value)),
            Some(Intrinsic::Body) => {
                let found = find(column::BODY, value);
                if op == Op::NotEqual { format!("NOT {found}") } else { found }
            }
            Some(Intrinsic::Level) => self.level(op, value),
            Some(Intrinsic::Id(name, width)) => {
                let id = literal(value).and_then(|text| id_text(text, width)).unwrap_or_default();
                format!("{name} {} '{id}'", sign(op))
            }
            Some(Intrinsic::Code(name, names)) => {
                match literal(value).and_then(|text| code(names, text)) {
                    Some(code) => format!("{name} {} {code}", sign(op)),
                    None => "false".to_owned(),
                }
            }
            Some(Intrinsic::Duration) => {
                let number = literal(value).and_then(Quantity::parse).map(|q| number(q.number));
                format!("duration_ns {} {}", sign(op), number.unwrap_or_default())
            }
        }
    }

    fn level(&mut self, op: Op, value: &Value) -> String {
        const NUMBER: &str = column::SEVERITY_NUMBER;
        let not = if op == Op::NotEqual { "NOT " } else { "" };
        if let Some((first, last)) = literal(value).and_then(levels) {
            return match op {
                Op::Is | Op::Equal | Op::NotEqual => {
                    format!("{NUMBER} {not}BETWEEN {first} AND {last}")
                }
                Op::Greater => format!("{NUMBER} > {last}"),
                Op::GreaterEqual => format!("{NUMBER} >= {first}"),
                Op::Less => format!("{NUMBER} < {first}"),
                Op::LessEqual => format!("{NUMBER} <= {last}"),
            };
        }
        match literal(value) {
            Some("unset") if op == Op::NotEqual => format!("{NUMBER} BETWEEN 1 AND 24"),
            Some("unset") => format!("({NUMBER} BETWEEN 1 AND 24) IS NOT TRUE"),
            Some(text) => {
                let text = text_literal(&text.to_ascii_lowercase());
                format!("lower(severity_text) {} {text}", sign(op))
            }
            None => self.compare(column::SEVERITY_TEXT, op, value),
        }
    }

    /// A column of text and a value.
    fn compare(&mut self, column: &str, op: Op, value: &Value) -> String {
        let not = if op == Op::NotEqual { "NOT " } else { "" };
        let quantity = literal(value).and_then(Quantity::parse).filter(|_| op != Op::Is);
        if let Some(quantity) = quantity
            && (op.is_order() || matches!(value, Value::Word(_)))
        {
            return self.number(column, op, value, quantity);
        }
        match value {
            Value::Word(glob) => match glob.as_literal() {
                Some(text) => format!("{column} {} {}", sign(op), text_literal(text)),
                None => format!("{column} {not}LIKE {}", like(glob)),
            },
            Value::Phrase(text) => format!("{column} {} {}", sign(op), text_literal(text)),
            Value::Regex(pattern) => {
                format!("{not}regexp_like({column}, {})", text_literal(pattern))
            }
        }
    }

    fn number(&mut self, column: &str, op: Op, value: &Value, quantity: Quantity) -> String {
        if quantity.dimension != Dimension::Number {
            self.notes.insert(UNITS);
        }
        let (number, as_number) =
            (number(quantity.number), format!("TRY_CAST({column} AS DOUBLE)"));
        if op.is_order() {
            return format!("{as_number} {} {number}", sign(op));
        }
        let text = text_literal(literal(value).unwrap_or_default());
        let equal = format!("({column} = {text} OR {as_number} = {number})");
        match op {
            Op::NotEqual => format!("({equal} IS NOT TRUE AND {column} IS NOT NULL)"),
            _ => equal,
        }
    }
}

fn sign(op: Op) -> &'static str {
    match op {
        Op::Is | Op::Equal => "=",
        Op::NotEqual => "<>",
        order => order.as_str(),
    }
}

fn number(number: Number) -> String {
    match number {
        Number::Int(int) => int.to_string(),
        Number::Float(float) => format!("{float:?}"),
    }
}

fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Something that is looked for inside of a text.
fn find(column: &str, value: &Value) -> String {
    match value {
        Value::Word(glob) => {
            format!("regexp_like({column}, {})", text_literal(&word_pattern(glob)))
        }
        Value::Phrase(text) => format!("contains({column}, {})", text_literal(text)),
        Value::Regex(pattern) => format!("regexp_like({column}, {})", text_literal(pattern)),
    }
}

/// Spans with an event for which a condition holds.
fn events(condition: &str) -> String {
    const ID: &str = "concat(hex(trace_id), hex(span_id))";
    format!("{ID} IN (SELECT {ID} FROM span_events WHERE {condition})")
}

/// The value of a key that is no column.
fn owned(key: &Key) -> String {
    let name = text_literal(&key.name);
    match key.owner {
        Owner::Any => format!("coalesce(attributes[{name}], resource[{name}])"),
        Owner::Attribute => format!("attributes[{name}]"),
        Owner::Resource => format!("resource[{name}]"),
        Owner::Scope => format!("scope[{name}]"),
    }
}

fn like(glob: &Glob) -> String {
    let escaped =
        |piece: &String| piece.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pieces: Vec<String> = glob.pieces().iter().map(escaped).collect();
    text_literal(&pieces.join("%"))
}
