//! The functions of the language itself.

use crate::escape;
use crate::format;
use crate::value::{Kind, Signature, Underlying, Value};

mod compare;

/// Returns what a function of the language takes.
pub(crate) fn signature(name: &str) -> Option<Signature> {
    use Kind::{Any, Text};
    let (params, variadic): (&'static [Kind], _) = match name {
        "and" | "or" | "index" | "slice" | "eq" | "call" => (&[Any], Some(Any)),
        "not" | "len" => (&[Any], None),
        "ne" | "lt" | "le" | "gt" | "ge" => (&[Any, Any], None),
        "print" | "println" | "html" | "js" | "urlquery" => (&[], Some(Any)),
        "printf" => (&[Text], Some(Any)),
        _ => return None,
    };
    Some(Signature { params, variadic })
}

pub(crate) fn is_builtin(name: &str) -> bool {
    signature(name).is_some()
}

/// Calls a function of the language with arguments that fit its signature. `and` and `or` are not
/// called: they decide which of their arguments are evaluated.
pub(crate) fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    let (first, rest) = args.split_first().unwrap_or((&Value::Nil, &[]));
    let second = rest.first().unwrap_or(&Value::Nil);
    match name {
        "not" => Ok(Value::Bool(!first.truth())),
        "len" => length(first),
        "index" => rest.iter().try_fold(first.clone(), |item, at| index(&item, at)),
        "slice" => slice(first, rest),
        "call" => call_value(first, rest),
        "eq" => compare::any_equal(first, rest).map(Value::Bool),
        "ne" => compare::equal(first, second).map(|equal| Value::Bool(!equal)),
        "lt" => compare::less(first, second).map(Value::Bool),
        "le" => compare::less_or_equal(first, second).map(Value::Bool),
        "gt" => compare::less_or_equal(first, second).map(|le| Value::Bool(!le)),
        "ge" => compare::less(first, second).map(|less| Value::Bool(!less)),
        "print" => format::print(args).map(Value::from),
        "println" => format::println(args).map(Value::from),
        "printf" => format::printf(first.as_text().unwrap_or_default(), rest).map(Value::from),
        "html" => text_of(args).map(|text| Value::from(escape::html(&text))),
        "js" => text_of(args).map(|text| Value::from(escape::js(&text))),
        "urlquery" => text_of(args).map(|text| Value::from(escape::url_query(&text))),
        _ => Err(format!("function {name} not defined")),
    }
}

/// The text of the arguments, as it would be printed.
fn text_of(args: &[Value]) -> Result<String, String> {
    match args {
        [Value::Text(text)] => Ok(text.as_ref().to_owned()),
        [Value::Nil] => Ok("<no value>".to_owned()),
        args => format::print(args),
    }
}

fn length(value: &Value) -> Result<Value, String> {
    let count = match value.plain() {
        Some(Value::Text(text)) => text.len(),
        Some(Value::List(list)) => list.items().len(),
        Some(Value::Map(map)) => map.entries().len(),
        Some(Value::Nil) => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        _ => return Err(format!("len of type {}", value.type_name())),
    };
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// Returns a position in something of a length; `limit` is the first one that is out of range.
fn position(at: &Value, limit: usize) -> Result<usize, String> {
    let Some(Value::Int(at)) = at.plain() else {
        return Err(match at {
            Value::Nil => "cannot index slice/array with nil".to_owned(),
            at => format!("cannot index slice/array with type {}", at.type_name()),
        });
    };
    let fits = usize::try_from(at).ok().filter(|at| *at < limit);
    fits.ok_or_else(|| format!("index out of range: {at}"))
}

fn index(item: &Value, at: &Value) -> Result<Value, String> {
    match item.plain() {
        // Go's check lets the length through, and its reflection complains in other words.
        Some(Value::List(list)) => {
            let found = list.items().get(position(at, list.items().len() + 1)?);
            found.cloned().ok_or_else(|| "reflect: slice index out of range".to_owned())
        }
        Some(Value::Text(text)) => {
            let byte = text.as_bytes().get(position(at, text.len() + 1)?);
            let byte = byte.ok_or("reflect: string index out of range")?;
            Ok(Value::Int(i64::from(*byte)))
        }
        Some(Value::Map(map)) => match at {
            Value::Text(name) => Ok(map.entries().get(name).cloned().unwrap_or_else(|| map.zero())),
            Value::Nil => Err("value is nil; should be of type string".into()),
            at => Err(format!("value has type {}; should be string", at.type_name())),
        },
        Some(Value::Nil) => Err("index of untyped nil".into()),
        _ => Err(format!("can't index item of type {}", item.type_name())),
    }
}

fn slice(item: &Value, bounds: &[Value]) -> Result<Value, String> {
    let plain = item.plain();
    let length = match &plain {
        Some(Value::List(list)) => list.items().len(),
        Some(Value::Text(_)) if bounds.len() == 3 => {
            return Err("cannot 3-index slice a string".into());
        }
        Some(Value::Text(text)) => text.len(),
        Some(Value::Nil) => return Err("slice of untyped nil".into()),
        _ => return Err(format!("can't slice item of type {}", item.type_name())),
    };
    if bounds.len() > 3 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    let mut at = [0, length, length];
    for (i, bound) in bounds.iter().enumerate() {
        at[i] = position(bound, length + 1)?;
    }
    let [from, to, most] = at;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > most {
        return Err(format!("invalid slice index: {to} > {most}"));
    }
    Ok(match plain {
        Some(Value::List(list)) => Value::List(list.part(from, to)),
        Some(Value::Text(text)) => {
            Value::from(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned())
        }
        _ => Value::Nil,
    })
}

fn call_value(function: &Value, args: &[Value]) -> Result<Value, String> {
    let Value::Function(function) = function else {
        return Err(match function {
            Value::Nil => "call of nil".to_owned(),
            other => format!("non-function of type {}", other.type_name()),
        });
    };
    let (want, got) = (function.signature.params.len(), args.len());
    match function.signature.variadic {
        Some(_) if got < want => {
            return Err(format!("wrong number of args: got {got} want at least {want}"));
        }
        None if got != want => return Err(format!("wrong number of args: got {got} want {want}")),
        _ => {}
    }
    for (i, arg) in args.iter().enumerate() {
        let kind = function.signature.params.get(i).copied().or(function.signature.variadic);
        let kind = kind.unwrap_or(Kind::Any);
        if !kind.accepts(arg) {
            let (got, want) = (arg.type_name(), kind.name());
            return Err(format!("arg {i}: value has type {got}; should be {want}"));
        }
    }
    function.call(args)
}

/// Returns whether a value is a struct.
fn is_struct(value: &Value) -> bool {
    matches!(value, Value::Object(object) if matches!(object.underlying(), Underlying::Struct(_)))
}
