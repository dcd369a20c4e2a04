//! Comparisons: of one basic kind with the same kind only. An integer is never equal to a float, it is
//! an error to ask.

use std::cmp::Ordering;

use super::is_struct;
use crate::format;
use crate::value::Value;

const BAD_TYPE: &str = "invalid type for comparison";
const BAD_PAIR: &str = "incompatible types for comparison";

/// Returns whether the first is equal to any of the others.
pub(super) fn any_equal(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, String> {
    match (left.plain(), right.plain()) {
        (Some(Value::Nil), Some(Value::Nil)) => Ok(true),
        (Some(Value::Nil), _) | (_, Some(Value::Nil)) => Ok(false),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => Ok(a == b),
        (Some(Value::Int(a)), Some(Value::Int(b))) => Ok(a == b),
        (Some(Value::Float(a)), Some(Value::Float(b))) => Ok(a == b),
        (Some(Value::Complex(a, b)), Some(Value::Complex(c, d))) => Ok(a == c && b == d),
        (Some(Value::Text(a)), Some(Value::Text(b))) => Ok(a == b),
        _ if basic(left) || basic(right) => Err(BAD_PAIR.into()),
        // Structs compare field by field, unless one of them cannot be compared.
        _ if is_struct(left) && left.type_name() == right.type_name() => {
            let text = |value: &Value| format::printf("%#v", std::slice::from_ref(value));
            Ok(text(left)? == text(right)?)
        }
        _ => {
            let text = format::print(std::slice::from_ref(left))?;
            Err(format!("non-comparable type {text}: {}", left.type_name()))
        }
    }
}

fn basic(value: &Value) -> bool {
    use Value::{Bool, Complex, Float, Int, Text};
    matches!(value.plain(), Some(Bool(_) | Int(_) | Float(_) | Complex(..) | Text(_)))
}

fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, String> {
    match (left.plain(), right.plain()) {
        (Some(Value::Int(a)), Some(Value::Int(b))) => Ok(Some(a.cmp(&b))),
        (Some(Value::Float(a)), Some(Value::Float(b))) => Ok(a.partial_cmp(&b)),
        (Some(Value::Text(a)), Some(Value::Text(b))) => Ok(Some(a.cmp(&b))),
        (Some(Value::Bool(_)), Some(Value::Bool(_)))
        | (Some(Value::Complex(..)), Some(Value::Complex(..))) => Err(BAD_TYPE.into()),
        _ if basic(left) && basic(right) => Err(BAD_PAIR.into()),
        _ => Err(BAD_TYPE.into()),
    }
}

pub(super) fn less(left: &Value, right: &Value) -> Result<bool, String> {
    Ok(order(left, right)? == Some(Ordering::Less))
}

pub(super) fn less_or_equal(left: &Value, right: &Value) -> Result<bool, String> {
    Ok(matches!(order(left, right)?, Some(Ordering::Less | Ordering::Equal)))
}
