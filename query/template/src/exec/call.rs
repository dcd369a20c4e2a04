//! Fields, methods, functions and their arguments.

use std::sync::Arc;

use super::{At, BYTES_PER_STEP, Exec, signature_of};
use crate::builtins;
use crate::error::Error;
use crate::exec::MissingKey;
use crate::format::quote;
use crate::node::Expr;
use crate::value::{Kind, MAX_DEPTH, Signature, Underlying, Value};

impl<'t> Exec<'t, '_> {
    /// `.A.B.C` and arguments: they belong to the last name.
    pub(super) fn chain(
        &mut self,
        dot: &Value,
        mut receiver: Value,
        node: &'t Expr,
        names: &[Arc<str>],
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let Some((name, before)) = names.split_last() else { return Ok(receiver) };
        for name in before {
            receiver = self.field(dot, &receiver, node, name, &[], None)?;
        }
        self.field(dot, &receiver, node, name, args, last)
    }

    fn field(
        &mut self,
        dot: &Value,
        receiver: &Value,
        node: &'t Expr,
        name: &str,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        self.step(1)?;
        if let Value::Nil = receiver {
            return match self.options.missing_key {
                MissingKey::Error => {
                    Err(self.error(&format!("nil data; no entry for key {}", quote(name))))
                }
                _ => Ok(Value::Nil),
            };
        }
        if let Value::Object(object) = receiver
            && let Some(method) = object.method(name)
        {
            let arguments = self.arguments(dot, name, method.signature, args, last)?;
            let value = method.call(&arguments);
            return self.called(name, At::Expr(node), value);
        }
        let has_args = !args.is_empty() || last.is_some();
        if let Value::Object(object) = receiver
            && let Underlying::Struct(fields) = object.underlying()
            && let Some((_, value)) = fields.iter().find(|(field, _)| *field == name)
        {
            return match has_args {
                true => {
                    Err(self
                        .error(&format!("{name} has arguments but cannot be invoked as function")))
                }
                false => Ok(value.clone()),
            };
        }
        if let Some(Value::Map(map)) = receiver.plain() {
            if has_args {
                return Err(self.error(&format!("{name} is not a method but has arguments")));
            }
            return match (map.entries().get(name), self.options.missing_key) {
                (Some(value), _) => Ok(value.clone()),
                (None, MissingKey::Default) => Ok(Value::Nil),
                (None, MissingKey::Zero) => Ok(map.zero()),
                (None, MissingKey::Error) => {
                    Err(self.error(&format!("map has no entry for key {}", quote(name))))
                }
            };
        }
        let type_name = receiver.type_name();
        Err(self.error(&format!("can't evaluate field {name} in type {type_name}")))
    }

    /// Calls a function; `node` is what an error of it quotes.
    pub(super) fn function(
        &mut self,
        dot: &Value,
        name: &str,
        node: At<'t>,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let Some(signature) = signature_of(name, self.functions) else {
            return Err(self.error(&format!("{} is not a defined function", quote(name))));
        };
        if self.functions.signature(name).is_none() && matches!(name, "and" | "or") {
            return self.and_or(dot, name, signature, args, last);
        }
        let arguments = self.arguments(dot, name, signature, args, last)?;
        let value = match self.functions.signature(name) {
            Some(_) => self.functions.call(name, &arguments),
            None => builtins::call(name, &arguments),
        };
        self.called(name, node, value)
    }

    /// Charges for what a function made.
    fn called(
        &mut self,
        name: &str,
        node: At<'t>,
        value: Result<Value, String>,
    ) -> Result<Value, Error> {
        let value = value.map_err(|why| {
            self.at = node;
            self.error(&format!("error calling {name}: {why}"))
        })?;
        let size = match &value {
            Value::Text(text) | Value::Safe(_, text) => text.len() / BYTES_PER_STEP,
            Value::List(list) => list.items().len(),
            Value::Map(map) => map.entries().len(),
            _ => 0,
        };
        self.step(size as u64)?;
        if value.depth() > MAX_DEPTH {
            return Err(self.limit(&format!("value nested deeper than {MAX_DEPTH}")));
        }
        Ok(value)
    }

    /// `and` and `or` stop at the argument that decides.
    fn and_or(
        &mut self,
        dot: &Value,
        name: &str,
        signature: Signature,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        self.check_count(name, signature, args.len(), last.is_some())?;
        let mut value = Value::Nil;
        for arg in args {
            value = self.arg(dot, Kind::Any, arg)?;
            if value.truth() == (name == "or") {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn check_count(
        &self,
        name: &str,
        signature: Signature,
        written: usize,
        piped: bool,
    ) -> Result<(), Error> {
        let (count, fixed) = (written + usize::from(piped), signature.params.len());
        match signature.variadic {
            Some(_) if count < fixed => Err(self.error(&format!(
                "wrong number of args for {name}: want at least {fixed} got {written}"
            ))),
            None if count != fixed => {
                Err(self
                    .error(&format!("wrong number of args for {name}: want {fixed} got {count}")))
            }
            _ => Ok(()),
        }
    }

    fn arguments(
        &mut self,
        dot: &Value,
        name: &str,
        signature: Signature,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Vec<Value>, Error> {
        self.check_count(name, signature, args.len(), last.is_some())?;
        let kind =
            |i: usize| signature.params.get(i).copied().or(signature.variadic).unwrap_or(Kind::Any);
        let mut values = Vec::with_capacity(args.len() + 1);
        for (i, arg) in args.iter().enumerate() {
            values.push(self.arg(dot, kind(i), arg)?);
        }
        if let Some(last) = last {
            values.push(self.fit(last, kind(args.len()))?);
        }
        Ok(values)
    }

    /// Evaluates an argument for a parameter: literals take its type where they can.
    pub(super) fn arg(&mut self, dot: &Value, kind: Kind, expr: &'t Expr) -> Result<Value, Error> {
        self.step(1)?;
        self.at = match expr {
            Expr::Pipe(pipe) => At::Pipe(pipe),
            expr => At::Expr(expr),
        };
        let value = match expr {
            Expr::Dot { .. } => dot.clone(),
            Expr::Nil { .. } if kind.can_be_nil() => return Ok(Value::Nil),
            Expr::Nil { .. } => {
                return Err(self.error(&format!("cannot assign nil to {}", kind.name())));
            }
            Expr::Field { names, .. } => self.chain(dot, dot.clone(), expr, names, &[], None)?,
            Expr::Variable { names, .. } => {
                let value = self.variable(names)?;
                self.chain(dot, value, expr, names.get(1..).unwrap_or_default(), &[], None)?
            }
            Expr::Chain { of, names, .. } => {
                let of = self.arg(dot, Kind::Any, of)?;
                self.chain(dot, of, expr, names, &[], None)?
            }
            Expr::Pipe(pipe) => self.nested(dot, pipe)?,
            Expr::Function { name, .. } => self.function(dot, name, At::Expr(expr), &[], None)?,
            literal => return self.typed(dot, kind, literal),
        };
        self.fit(value, kind)
    }

    fn typed(&mut self, dot: &Value, kind: Kind, literal: &'t Expr) -> Result<Value, Error> {
        let (value, expected) = match (kind, literal) {
            (Kind::Any, _) => return self.literal(dot, literal),
            (Kind::Bool, Expr::Bool { value, .. }) => (Some(Value::Bool(*value)), ""),
            (Kind::Text, Expr::Text { text, .. }) => (Some(Value::Text(Arc::clone(text))), ""),
            (Kind::Int, Expr::Number { number, .. }) => (number.int.map(Value::Int), "integer"),
            (Kind::Float, Expr::Number { number, .. }) => (number.float.map(Value::Float), "float"),
            (Kind::Bool, _) => (None, "bool"),
            (Kind::Text, _) => (None, "string"),
            (Kind::Int, _) => (None, "integer"),
            (Kind::Float, _) => (None, "float"),
            (Kind::Type(name), literal) => {
                return Err(self.error(&format!("can't handle {literal} for arg of type {name}")));
            }
        };
        value.ok_or_else(|| self.error(&format!("expected {expected}; found {literal}")))
    }

    /// Checks that a value can be passed.
    fn fit(&self, value: Value, kind: Kind) -> Result<Value, Error> {
        let name = kind.name();
        match &value {
            Value::Nil if kind.can_be_nil() => Ok(value),
            Value::Nil => Err(self.error(&format!("invalid value; expected {name}"))),
            _ if kind.accepts(&value) => Ok(value),
            _ => {
                let got = value.type_name();
                Err(self.error(&format!("wrong type for value; expected {name}; got {got}")))
            }
        }
    }
}
