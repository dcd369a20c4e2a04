//! Conditions on labels and time as a selector of series.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use tarn_model::labels::METRIC_NAME;
use tarn_model::matcher::{MatchOp, Matcher};
use tarn_model::time::TimeRange;
use tarn_storage::view::Selector;

use super::label;

/// Returns the series and the time that may pass `filters`, which all hold.
pub(super) fn selector(filters: &[Expr]) -> Selector {
    let mut selector = Selector { matchers: Vec::new(), range: TimeRange::ALL };
    for expr in filters.iter().flat_map(split_conjunction) {
        if let Some(matcher) = matcher(expr) {
            selector.matchers.push(matcher);
        } else {
            bound(expr, &mut selector.range);
        }
    }
    selector
}

fn matcher(expr: &Expr) -> Option<Matcher> {
    if let Expr::Like(like) = expr {
        let usual = !like.negated && !like.case_insensitive && like.escape_char.is_none();
        let name = usual.then(|| label_name(&like.expr))??;
        let pattern = like_pattern(&text(&like.pattern)?);
        return Matcher::new(&name, MatchOp::Regex, &pattern).ok();
    }
    if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::RegexMatch, right }) = expr {
        let name = label_name(left)?;
        let pattern = format!("(?s:.*)(?:{})(?s:.*)", text(right)?);
        // Anchors of the pattern hold at the ends of the label, which is what they meant.
        return Matcher::new(&name, MatchOp::Regex, &pattern).ok();
    }
    let (name, values) = alternatives(expr)?;
    // An empty label is no label; SQL has NULL there, which equals nothing.
    match &*values {
        [value] => Matcher::new(&name, MatchOp::Equal, value).ok(),
        values => {
            let list: Vec<String> = values.iter().map(|v| regex::escape(v)).collect();
            Matcher::new(&name, MatchOp::Regex, &list.join("|")).ok()
        }
    }
}

/// Returns label and values of `l = x`, `l IN (x, y)`, `l = x OR l = y`.
fn alternatives(expr: &Expr) -> Option<(String, Vec<String>)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let (name, value) = match label_name(left) {
                Some(name) => (name, text(right)?),
                None => (label_name(right)?, text(left)?),
            };
            Some((name, vec![value]))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (name, mut values) = alternatives(left)?;
            let (other, more) = alternatives(right)?;
            values.extend(more);
            (name == other).then_some((name, values))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let values: Option<Vec<String>> = list.iter().map(text).collect();
            Some((label_name(expr)?, values?))
        }
        _ => None,
    }
}

fn label_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) if column.name == "metric" => Some(METRIC_NAME.to_owned()),
        Expr::Column(column) => label(&column.name),
        Expr::Cast(cast) if cast.field.data_type().is_string() => label_name(&cast.expr),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    fn of(value: &ScalarValue) -> Option<String> {
        match value {
            ScalarValue::Dictionary(_, value) => of(value),
            value => value.try_as_str().flatten().map(str::to_owned),
        }
    }
    match expr {
        Expr::Literal(value, _) => of(value),
        _ => None,
    }
}

/// Returns the pattern of LIKE as a regular expression.
fn like_pattern(pattern: &str) -> String {
    let mut out = String::from("(?s:");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '\\' => out.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push(')');
    out
}

/// Narrows the range by a bound on `ts`, rounded outwards.
fn bound(expr: &Expr, range: &mut TimeRange) {
    match expr {
        Expr::Between(Between { expr, negated: false, low, high }) => {
            compare(expr, Operator::GtEq, low, range);
            compare(expr, Operator::LtEq, high, range);
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            compare(left, *op, right, range);
            if let Some(op) = op.swap() {
                compare(right, op, left, range);
            }
        }
        _ => {}
    }
}

fn compare(subject: &Expr, op: Operator, literal: &Expr, range: &mut TimeRange) {
    let Expr::Literal(value, _) = literal else { return };
    let Some(ms) = millis(value).filter(|_| is_time(subject)) else { return };
    let after = matches!(op, Operator::Gt | Operator::GtEq | Operator::Eq);
    let before = matches!(op, Operator::Lt | Operator::LtEq | Operator::Eq);
    if after {
        range.start_ms = range.start_ms.max(ms);
    }
    if before {
        range.end_ms = range.end_ms.min(ms.saturating_add(1));
    }
}

/// Returns whether the expression is `ts`, or the same in finer units.
fn is_time(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == "ts",
        Expr::Cast(cast) => {
            let finer = matches!(cast.field.data_type(), DataType::Timestamp(unit, _)
                if *unit != TimeUnit::Second);
            finer && is_time(&cast.expr)
        }
        _ => false,
    }
}

/// Returns a time in ms, rounded down.
fn millis(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampNanosecond(v, _) => v.map(|v| v.div_euclid(1_000_000)),
        ScalarValue::TimestampMicrosecond(v, _) => v.map(|v| v.div_euclid(1000)),
        ScalarValue::TimestampMillisecond(v, _) => *v,
        ScalarValue::TimestampSecond(v, _) => v.and_then(|v| v.checked_mul(1000)),
        _ => None,
    }
}
