//! What the conditions of a query say about whole blocks and pages.
//!
//! Hints only ever leave out what cannot match, and the conditions themselves stay exact: a
//! condition that is not understood here costs time, never rows.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::RowPrune;

/// Returns what `filters`, which all hold, leave to be read.
pub(super) fn hints(table: Table, filters: &[Expr]) -> RowPrune {
    let mut prune = RowPrune::default();
    for expr in filters.iter().flat_map(split_conjunction) {
        one(table, expr, &mut prune);
    }
    prune
}

fn one(table: Table, expr: &Expr, prune: &mut RowPrune) {
    if let Expr::Between(Between { expr, negated: false, low, high }) = expr {
        compare(table, expr, Operator::GtEq, low, prune);
        compare(table, expr, Operator::LtEq, high, prune);
        return;
    }
    if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr
        && let Some(op) = bound(*op)
    {
        compare(table, left, op, right, prune);
        if let Some(op) = op.swap() {
            compare(table, right, op, left, prune);
        }
        return;
    }
    if let Some((subject, values)) = alternatives(expr) {
        equal(table, subject, &values, prune);
    }
}

fn bound(op: Operator) -> Option<Operator> {
    matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq).then_some(op)
}

/// Takes in `subject op literal`.
fn compare(table: Table, subject: &Expr, op: Operator, literal: &Expr, prune: &mut RowPrune) {
    let Expr::Literal(value, _) = literal else { return };
    let Some(name) = column_name(subject) else { return };
    if name == table.time_column() {
        let Some(us) = micros(value) else { return };
        // Rounded outwards: the literal may be finer than the column.
        match op {
            Operator::Gt | Operator::GtEq => prune.start_us = prune.start_us.max(us),
            Operator::Lt | Operator::LtEq => {
                prune.end_us = prune.end_us.min(us.saturating_add(1));
            }
            _ => {}
        }
    } else if table == Table::Logs && name == column::SEVERITY_NUMBER {
        let Some(number) = integer(value) else { return };
        let (mut low, mut high) = prune.severity.unwrap_or((i32::MIN, i32::MAX));
        match op {
            Operator::Gt | Operator::GtEq => low = low.max(number),
            Operator::Lt | Operator::LtEq => high = high.min(number),
            _ => return,
        }
        prune.severity = Some((low, high));
    }
}

/// Returns what is compared with which literals, where the condition is `a = x`, `a IN (x, y)` or
/// `a = x OR a = y`.
fn alternatives(expr: &Expr) -> Option<(&Expr, Vec<&ScalarValue>)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            match (&**left, &**right) {
                (subject, Expr::Literal(value, _)) | (Expr::Literal(value, _), subject) => {
                    Some((subject, vec![value]))
                }
                _ => None,
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (subject, mut values) = alternatives(left)?;
            let (other, more) = alternatives(right)?;
            values.extend(more);
            (subject == other).then_some((subject, values))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let literals = list.iter().map(|e| match e {
                Expr::Literal(value, _) => Some(value),
                _ => None,
            });
            Some((expr, literals.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// Takes in `subject IN (values)`.
fn equal(table: Table, subject: &Expr, values: &[&ScalarValue], prune: &mut RowPrune) {
    if let Some(name) = hex_of(subject) {
        if name == column::TRACE_ID {
            let ids = values.iter().map(|v| text(v).and_then(|t| parse_hex(&t))).collect();
            narrow(&mut prune.trace_ids, ids);
        }
        return;
    }
    let Some(name) = column_name(subject) else { return };
    let texts = || values.iter().map(|v| text(v)).collect::<Option<Vec<String>>>();
    let integers = || values.iter().map(|v| integer(v)).collect::<Option<Vec<i32>>>();
    match (name, table) {
        (column::SERVICE_NAME, _) => narrow(&mut prune.services, texts()),
        (column::TRACE_ID, _) => {
            narrow(&mut prune.trace_ids, values.iter().map(|v| id(v)).collect());
        }
        (column::NAME, Table::Spans) => narrow(&mut prune.names, texts()),
        (column::KIND, Table::Spans) => narrow(&mut prune.kinds, integers()),
        (column::STATUS, Table::Spans) => narrow(&mut prune.statuses, integers()),
        (column::SEVERITY_NUMBER, Table::Logs) => {
            let Some(numbers) = integers() else { return };
            let (low, high) = prune.severity.unwrap_or((i32::MIN, i32::MAX));
            let min = numbers.iter().min().map_or(low, |n| low.max(*n));
            let max = numbers.iter().max().map_or(high, |n| high.min(*n));
            prune.severity = Some((min, max));
        }
        (name, table) if name == table.time_column() => {
            let Some(times) = values.iter().map(|v| micros(v)).collect::<Option<Vec<i64>>>() else {
                return;
            };
            if let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) {
                prune.start_us = prune.start_us.max(*min);
                prune.end_us = prune.end_us.min(max.saturating_add(1));
            }
        }
        _ => {}
    }
}

/// Keeps what both lists have.
fn narrow<T: PartialEq>(list: &mut Option<Vec<T>>, values: Option<Vec<T>>) {
    let Some(values) = values else { return };
    match list {
        Some(list) => list.retain(|v| values.contains(v)),
        None => *list = Some(values),
    }
}

/// Returns the name of a column, also behind a cast that keeps equality and order.
fn column_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(cast) if keeps_order(cast.field.data_type()) => column_name(&cast.expr),
        _ => None,
    }
}

fn keeps_order(to: &arrow_schema::DataType) -> bool {
    use arrow_schema::{DataType, TimeUnit};
    match to {
        DataType::Timestamp(unit, _) => {
            matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond)
        }
        DataType::Int64 | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => true,
        _ => false,
    }
}

/// Returns the column of `hex(column)`.
fn hex_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == "hex" => {
            call.args.first().and_then(column_name)
        }
        _ => None,
    }
}

fn text(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Dictionary(_, value) => text(value),
        value => value.try_as_str().flatten().map(str::to_owned),
    }
}

fn integer(value: &ScalarValue) -> Option<i32> {
    match value {
        ScalarValue::Int32(v) => *v,
        ScalarValue::Int64(v) => v.and_then(|v| i32::try_from(v).ok()),
        _ => None,
    }
}

/// Returns a time in µs, rounded down.
fn micros(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampNanosecond(v, _) => v.map(|v| v.div_euclid(1000)),
        ScalarValue::TimestampMicrosecond(v, _) => *v,
        ScalarValue::TimestampMillisecond(v, _) => v.and_then(|v| v.checked_mul(1000)),
        ScalarValue::TimestampSecond(v, _) => v.and_then(|v| v.checked_mul(1_000_000)),
        _ => None,
    }
}

fn id(value: &ScalarValue) -> Option<[u8; 16]> {
    match value {
        ScalarValue::FixedSizeBinary(_, Some(v))
        | ScalarValue::Binary(Some(v))
        | ScalarValue::LargeBinary(Some(v))
        | ScalarValue::BinaryView(Some(v)) => v.as_slice().try_into().ok(),
        _ => None,
    }
}

fn parse_hex(text: &str) -> Option<[u8; 16]> {
    crate::sql::functions::parse_hex(text)?.try_into().ok()
}
