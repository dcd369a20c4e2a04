//! Walks a tree over data and writes the text.
//!
//! Errors name the node that was evaluated last, as Go's do: `at` moves with the evaluation and is
//! not moved back. Every node, argument and iteration is a step, and every byte that a function makes
//! counts, so that loops over data, templates that call themselves and texts that double themselves
//! end with an error soon.

use std::sync::Arc;

use crate::builtins;
use crate::error::{Error, place};
use crate::format::{self, quote};
use crate::html;
use crate::node::{Branch, Command, Expr, Node, Pipe, Tree};
use crate::parse::Set;
use crate::value::{Signature, Value};

mod call;
mod options;

pub use self::options::{Limits, MissingKey, Options};

/// The functions that a caller hands in.
pub trait Functions {
    /// Returns what a function takes, or `None` where there is no such function.
    fn signature(&self, name: &str) -> Option<Signature>;

    /// Calls a function with arguments that fit its signature.
    ///
    /// # Errors
    /// Those of the function; the execution ends.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String>;
}

/// No function but those of the language.
impl Functions for () {
    fn signature(&self, _name: &str) -> Option<Signature> {
        None
    }

    fn call(&mut self, name: &str, _arguments: &[Value]) -> Result<Value, String> {
        Err(format!("function {name} not defined"))
    }
}

/// Templates that call each other, blocks and parentheses inside of each other: the stack is finite.
const MAX_DEPTH: usize = 150;
/// Bytes of text that count as one step.
const BYTES_PER_STEP: usize = 256;

impl Set {
    /// Executes the template of a name over data.
    ///
    /// # Errors
    /// What went wrong, where; nothing of the result is kept.
    pub fn execute(
        &self,
        name: &str,
        data: &Value,
        functions: &mut dyn Functions,
        options: Options,
    ) -> Result<String, Error> {
        let Some(tree) = self.get(name) else {
            let name = quote(name);
            return Err(Error::plain(format!(
                "template: no template {name} associated with template \"\""
            )));
        };
        let mut exec = Exec {
            set: self,
            functions,
            options,
            tree,
            at: At::Nowhere,
            vars: vec![("$", data.clone())],
            steps: 0,
            depth: 0,
            out: String::new(),
            escaper: options.html.then(html::Escaper::new),
        };
        exec.list(data, &tree.root)?;
        Ok(exec.out)
    }
}

/// What is being evaluated, for errors.
#[derive(Clone, Copy)]
enum At<'t> {
    Nowhere,
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Expr(&'t Expr),
}

/// Whether a loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Exec<'t, 'f> {
    set: &'t Set,
    functions: &'f mut dyn Functions,
    options: Options,
    tree: &'t Tree,
    at: At<'t>,
    vars: Vec<(&'t str, Value)>,
    steps: u64,
    depth: usize,
    out: String,
    escaper: Option<html::Escaper>,
}

impl<'t> Exec<'t, '_> {
    fn error(&self, why: &str) -> Error {
        let (pos, context) = match self.at {
            At::Nowhere => (None, String::new()),
            At::Node(node @ (Node::Action { pos, .. } | Node::Template { pos, .. })) => {
                (Some(*pos), node.to_string())
            }
            At::Node(node) => (None, node.to_string()),
            At::Pipe(pipe) => (Some(pipe.pos), pipe.to_string()),
            At::Command(command) => (Some(command.pos), command.to_string()),
            At::Expr(expr) => (Some(expr.pos()), expr.to_string()),
        };
        let Some(pos) = pos else {
            return Error::plain(format!("template: {}: {why}", self.tree.name));
        };
        let (line, column) = place(&self.tree.text, pos);
        let name = quote(&self.tree.name);
        let file = &self.tree.parse_name;
        let message =
            format!("template: {file}:{line}:{column}: executing {name} at <{context}>: {why}");
        Error { message, reason: why.to_owned(), line, column: column + 1, limit: false }
    }

    fn limit(&self, why: &str) -> Error {
        Error { limit: true, ..self.error(why) }
    }

    fn step(&mut self, count: u64) -> Result<(), Error> {
        self.steps = self.steps.saturating_add(count);
        match self.steps > self.options.limits.steps {
            true => Err(self.limit(&format!("more than {} steps", self.options.limits.steps))),
            false => Ok(()),
        }
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(self.limit(&format!("exceeded maximum template depth ({MAX_DEPTH})"))),
            false => Ok(()),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        self.out.push_str(text);
        match self.out.len() > self.options.limits.output {
            true => {
                Err(self.limit(&format!("more than {} bytes of text", self.options.limits.output)))
            }
            false => Ok(()),
        }
    }

    fn list(&mut self, dot: &Value, nodes: &'t [Node]) -> Result<Flow, Error> {
        for node in nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, dot: &Value, node: &'t Node) -> Result<Flow, Error> {
        self.step(1)?;
        self.at = At::Node(node);
        match node {
            Node::Text { text } => match &mut self.escaper {
                None => self.write(text)?,
                Some(escaper) => {
                    let text = escaper.text(text).into_owned();
                    self.write(&text)?;
                }
            },
            Node::Action { pipe, .. } => {
                let value = self.pipe(dot, pipe)?;
                if pipe.declared.is_empty() {
                    self.at = At::Node(node);
                    self.print(&value, pipe)?;
                }
            }
            Node::If(branch) => return self.branch(dot, branch, false),
            Node::With(branch) => return self.branch(dot, branch, true),
            Node::Range(branch) => self.range(dot, branch)?,
            Node::Template { name, pipe, .. } => self.template(dot, name, pipe.as_ref())?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn print(&mut self, value: &Value, pipe: &Pipe) -> Result<(), Error> {
        if let Some(escaper) = &mut self.escaper {
            let text = escaper.value(value, ends_escaped(pipe)).map_err(|why| self.error(&why))?;
            return self.write(&text);
        }
        match value {
            Value::Nil => self.write("<no value>"),
            Value::Text(text) | Value::Safe(_, text) => self.write(text),
            Value::Function(_) => {
                let At::Node(node) = self.at else { return Ok(()) };
                Err(self.error(&format!("can't print {node} of type {}", value.type_name())))
            }
            value => {
                let text =
                    format::print(std::slice::from_ref(value)).map_err(|why| self.limit(&why))?;
                self.write(&text)
            }
        }
    }

    fn branch(&mut self, dot: &Value, branch: &'t Branch, with: bool) -> Result<Flow, Error> {
        let mark = self.vars.len();
        self.deeper()?;
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = match (value.truth(), &branch.other) {
            (true, _) if with => self.list(&value, &branch.list)?,
            (true, _) => self.list(dot, &branch.list)?,
            (false, Some(other)) => self.list(dot, other)?,
            (false, None) => Flow::On,
        };
        self.depth -= 1;
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch) -> Result<(), Error> {
        let mark = self.vars.len();
        self.deeper()?;
        let value = self.pipe(dot, &branch.pipe)?;
        let ran = match value.plain() {
            Some(Value::Nil) => false,
            Some(Value::List(list)) => {
                let mut pairs = list.items().iter().enumerate();
                self.iterate(branch, &mut || {
                    pairs.next().map(|(i, item)| (index(i), item.clone()))
                })?
            }
            Some(Value::Map(map)) => {
                let mut pairs = map.entries().iter();
                self.iterate(branch, &mut || {
                    pairs.next().map(|(name, item)| (Value::Text(Arc::clone(name)), item.clone()))
                })?
            }
            Some(Value::Int(_)) if branch.pipe.declared.len() > 1 => {
                let value = print_plain(&value);
                let why = format!("can't use {value} to iterate over more than one variable");
                return Err(self.error(&why));
            }
            Some(Value::Int(count)) => {
                let mut numbers = 0..count;
                self.iterate(branch, &mut || numbers.next().map(|n| (Value::Nil, Value::Int(n))))?
            }
            _ => {
                let value = print_plain(&value);
                return Err(self.error(&format!("range can't iterate over {value}")));
            }
        };
        if let (false, Some(other)) = (ran, &branch.other) {
            self.list(dot, other)?;
        }
        self.depth -= 1;
        self.vars.truncate(mark);
        Ok(())
    }

    /// Executes the body for each pair of index and element; returns whether there was one.
    fn iterate(
        &mut self,
        branch: &'t Branch,
        next: &mut dyn FnMut() -> Option<(Value, Value)>,
    ) -> Result<bool, Error> {
        let mark = self.vars.len();
        let declared = &branch.pipe.declared;
        let mut ran = false;
        while let Some((index, item)) = next() {
            ran = true;
            self.step(1)?;
            let values = match declared.len() {
                0 => Vec::new(),
                1 => vec![item.clone()],
                _ => vec![index, item.clone()],
            };
            for (i, (name, value)) in declared.iter().zip(values).enumerate() {
                match branch.pipe.assign {
                    true => self.assign(name, value)?,
                    // They are the last that were declared.
                    false => self.vars[mark - declared.len() + i].1 = value,
                }
            }
            let flow = self.list(&item, &branch.list)?;
            self.vars.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    fn template(&mut self, dot: &Value, name: &str, pipe: Option<&'t Pipe>) -> Result<(), Error> {
        let Some(tree) = self.set.get(name) else {
            return Err(self.error(&format!("template {} not defined", quote(name))));
        };
        self.deeper()?;
        let data = match pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Nil,
        };
        let caller = std::mem::replace(&mut self.tree, tree);
        let vars = std::mem::replace(&mut self.vars, vec![("$", data.clone())]);
        self.list(&data, &tree.root)?;
        self.vars = vars;
        self.tree = caller;
        self.depth -= 1;
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Value) -> Result<(), Error> {
        match self.vars.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                *known = value;
                Ok(())
            }
            None => Err(self.error(&format!("undefined variable: {name}"))),
        }
    }

    fn pipe(&mut self, dot: &Value, pipe: &'t Pipe) -> Result<Value, Error> {
        self.at = At::Pipe(pipe);
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or_default();
        for name in &pipe.declared {
            match pipe.assign {
                true => self.assign(name, value.clone())?,
                false => self.vars.push((name, value.clone())),
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        dot: &Value,
        command: &'t Command,
        last: Option<Value>,
    ) -> Result<Value, Error> {
        self.step(1)?;
        let Some((first, args)) = command.args.split_first() else { return Ok(Value::Nil) };
        let alone = args.is_empty() && last.is_none();
        match first {
            Expr::Field { names, .. } => {
                self.at = At::Expr(first);
                self.chain(dot, dot.clone(), first, names, args, last)
            }
            Expr::Chain { of, names, .. } => {
                self.at = At::Expr(first);
                if let Expr::Nil { .. } = **of {
                    return Err(self.error(&format!("indirection through explicit nil in {first}")));
                }
                let of = self.arg(dot, crate::value::Kind::Any, of)?;
                self.chain(dot, of, first, names, args, last)
            }
            Expr::Function { name, .. } => {
                self.at = At::Expr(first);
                self.function(dot, name, At::Command(command), args, last)
            }
            Expr::Variable { names, .. } => {
                self.at = At::Expr(first);
                let value = self.variable(names)?;
                match names.get(1..).filter(|rest| !rest.is_empty()) {
                    Some(rest) => self.chain(dot, value, first, rest, args, last),
                    None if alone => Ok(value),
                    None => Err(self.no_function(first)),
                }
            }
            Expr::Pipe(pipe) => {
                if !alone {
                    return Err(self.no_function(first));
                }
                self.nested(dot, pipe)
            }
            _ => {
                self.at = At::Expr(first);
                if !alone {
                    return Err(self.no_function(first));
                }
                self.literal(dot, first)
            }
        }
    }

    fn no_function(&self, expr: &Expr) -> Error {
        self.error(&format!("can't give argument to non-function {expr}"))
    }

    fn nested(&mut self, dot: &Value, pipe: &'t Pipe) -> Result<Value, Error> {
        self.deeper()?;
        let value = self.pipe(dot, pipe)?;
        self.depth -= 1;
        Ok(value)
    }

    fn variable(&self, names: &[Arc<str>]) -> Result<Value, Error> {
        let name = names.first().map_or("$", |name| name);
        match self.vars.iter().rev().find(|(known, _)| *known == name) {
            Some((_, value)) => Ok(value.clone()),
            None => Err(self.error(&format!("undefined variable: {name}"))),
        }
    }

    /// The value of a literal where nothing says which type it must have.
    fn literal(&mut self, dot: &Value, expr: &Expr) -> Result<Value, Error> {
        match expr {
            Expr::Dot { .. } => Ok(dot.clone()),
            Expr::Bool { value, .. } => Ok(Value::Bool(*value)),
            Expr::Text { text, .. } => Ok(Value::Text(Arc::clone(text))),
            Expr::Number { number, .. } => {
                let text = &number.text;
                let hex = text.starts_with("0x") || text.starts_with("0X");
                let marks: &[char] = if hex { &['p', 'P'] } else { &['.', 'e', 'E', 'p', 'P'] };
                match (number.complex, number.float, number.int) {
                    (Some((re, im)), ..) => Ok(Value::Complex(re, im)),
                    (_, Some(float), _) if !text.starts_with('\'') && text.contains(marks) => {
                        Ok(Value::Float(float))
                    }
                    (_, _, Some(int)) => Ok(Value::Int(int)),
                    _ => Err(self.error(&format!("{text} overflows int"))),
                }
            }
            Expr::Nil { .. } => Err(self.error("nil is not a command")),
            other => {
                let other = quote(&other.to_string());
                Err(self.error(&format!("can't evaluate command {other}")))
            }
        }
    }
}

fn index(i: usize) -> Value {
    Value::Int(i64::try_from(i).unwrap_or(i64::MAX))
}

/// A value inside of an error.
fn print_plain(value: &Value) -> String {
    format::print(std::slice::from_ref(value)).unwrap_or_else(|why| why)
}

/// Returns whether the last command of a pipeline escapes already, so that HTML text needs no more.
fn ends_escaped(pipe: &Pipe) -> bool {
    let last = pipe.commands.last().and_then(|command| command.args.first());
    matches!(last, Some(Expr::Function { name, .. }) if &**name == "html")
}

/// Returns whether a name is a function of the language or of the caller.
fn signature_of(name: &str, functions: &dyn Functions) -> Option<Signature> {
    functions.signature(name).or_else(|| builtins::signature(name))
}

#[cfg(test)]
mod tests;
