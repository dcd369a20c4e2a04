//! What templates compute with: Go's values, as far as data of ours has them.
//!
//! Lists and maps are shared, never changed; they know how deeply they nest, so that no template can
//! build a value that is too deep to be printed or dropped. Types appear only as Go's names of them,
//! in errors and in `%T`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Values may not nest deeper: printing and dropping them recurses.
pub const MAX_DEPTH: u16 = 64;

/// A value.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// No value: nil, or what a missing key gives.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `float64`.
    Float(f64),
    /// `complex128`; only literals are.
    Complex(f64, f64),
    /// `string`.
    Text(Arc<str>),
    /// A string that says in which place of HTML it needs no escaping.
    Safe(Safe, Arc<str>),
    /// A slice.
    List(List),
    /// A map from strings, in the order of keys.
    Map(Map),
    /// Something with fields or methods.
    Object(Arc<dyn Object>),
    /// A function as a value, for `call`.
    Function(Arc<Function>),
}

/// Where a string is known to be safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safe {
    /// `template.HTML`.
    Html,
    /// `template.URL`.
    Url,
}

/// A slice and its type.
#[derive(Debug, Clone)]
pub struct List {
    items: Arc<[Value]>,
    type_name: &'static str,
    depth: u16,
}

/// A map from strings and its type.
#[derive(Debug, Clone)]
pub struct Map {
    entries: Arc<BTreeMap<Arc<str>, Value>>,
    type_name: &'static str,
    depth: u16,
}

/// Something with fields or methods: a struct, or a named type.
pub trait Object: fmt::Debug + Send + Sync {
    /// Go's name of the type, as in `template.Alert`.
    fn type_name(&self) -> &'static str;

    /// Returns a method, bound to this object.
    fn method(&self, _name: &str) -> Option<Function> {
        None
    }

    /// Returns what the object is without its methods.
    fn underlying(&self) -> Underlying<'_>;

    /// Returns how the object prints itself (Go's `String()`), where it does.
    fn text(&self) -> Option<String> {
        None
    }

    /// Returns the object as something that functions can look into.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// What an object is without its methods.
#[derive(Debug)]
pub enum Underlying<'a> {
    /// A struct: its exported fields in order.
    Struct(&'a [(&'static str, Value)]),
    /// Any other type.
    Plain(Value),
}

/// A struct that is nothing but its fields.
#[derive(Debug)]
pub struct Struct {
    type_name: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl Struct {
    /// Makes a struct of a type as in `template.Alert`.
    pub fn new(type_name: &'static str, fields: Vec<(&'static str, Value)>) -> Self {
        Self { type_name, fields }
    }

    /// Returns a field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

impl Object for Struct {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn underlying(&self) -> Underlying<'_> {
        Underlying::Struct(&self.fields)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `interface {}`.
    Any,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `float64`.
    Float,
    /// `string`.
    Text,
    /// A type known by its name.
    Type(&'static str),
}

/// What a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The fixed parameters.
    pub params: &'static [Kind],
    /// What may follow them, any number of times.
    pub variadic: Option<Kind>,
}

type Call = dyn Fn(&[Value]) -> Result<Value, String> + Send + Sync;

/// A function or bound method.
pub struct Function {
    /// What it takes.
    pub signature: Signature,
    call: Box<Call>,
}

impl Function {
    /// Makes a function. It is called with arguments that fit the signature.
    pub fn new(
        params: &'static [Kind],
        call: impl Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Self { signature: Signature { params, variadic: None }, call: Box::new(call) }
    }

    /// Makes a function without parameters that cannot fail.
    pub fn constant(value: Value) -> Self {
        Self::new(&[], move |_| Ok(value.clone()))
    }

    /// Calls it.
    ///
    /// # Errors
    /// Those of the function.
    pub fn call(&self, arguments: &[Value]) -> Result<Value, String> {
        (self.call)(arguments)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("signature", &self.signature).finish_non_exhaustive()
    }
}

impl List {
    /// Makes a slice of a type as in `[]string`.
    pub fn new(type_name: &'static str, items: Vec<Value>) -> Self {
        let depth = items.iter().map(Value::depth).max().unwrap_or(0).saturating_add(1);
        Self { items: items.into(), type_name, depth }
    }

    /// Returns the elements.
    pub fn items(&self) -> &[Value] {
        &self.items
    }

    /// Returns a part of it. The bounds must be in range.
    #[must_use]
    pub(crate) fn part(&self, from: usize, to: usize) -> Self {
        let items = self.items.get(from..to).unwrap_or_default();
        Self { items: items.into(), type_name: self.type_name, depth: self.depth }
    }
}

impl Map {
    /// Makes a map of a type as in `map[string]string`.
    pub fn new(type_name: &'static str, entries: BTreeMap<Arc<str>, Value>) -> Self {
        let depth = entries.values().map(Value::depth).max().unwrap_or(0).saturating_add(1);
        Self { entries: Arc::new(entries), type_name, depth }
    }

    /// Makes a `map[string]string`.
    pub fn of_texts<N: Into<Arc<str>>, V: Into<Arc<str>>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let entries = pairs.into_iter().map(|(n, v)| (n.into(), Value::Text(v.into())));
        Self::new("map[string]string", entries.collect())
    }

    /// Returns the entries.
    pub fn entries(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.entries
    }

    /// Returns what a missing key is: the zero value of the elements' type.
    pub fn zero(&self) -> Value {
        match self.type_name.ends_with("]string") {
            true => Value::text(""),
            false => Value::Nil,
        }
    }
}

impl Value {
    /// Makes a `string`.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a `[]string`.
    pub fn texts<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>) -> Self {
        let items = texts.into_iter().map(|text| Self::Text(text.into()));
        Self::List(List::new("[]string", items.collect()))
    }

    /// Makes a slice of a type as in `[]string`.
    pub fn list(type_name: &'static str, items: Vec<Self>) -> Self {
        Self::List(List::new(type_name, items))
    }

    /// Makes an object.
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Arc::new(object))
    }

    /// Returns the object of type `T`, where it is one.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Returns the text of a string, safe or not.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Safe(_, text) => Some(text),
            _ => None,
        }
    }

    /// Returns the elements of a list, also of an object that is one.
    pub fn items(&self) -> Vec<Self> {
        match self.plain() {
            Some(Self::List(list)) => list.items().to_vec(),
            _ => Vec::new(),
        }
    }

    /// Returns Go's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Complex(..) => "complex128",
            Self::Text(_) => "string",
            Self::Safe(Safe::Html, _) => "template.HTML",
            Self::Safe(Safe::Url, _) => "template.URL",
            Self::List(list) => list.type_name,
            Self::Map(map) => map.type_name,
            Self::Object(object) => object.type_name(),
            Self::Function(_) => "func",
        }
    }

    /// Returns how deeply lists and maps nest.
    pub fn depth(&self) -> u16 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            Self::Object(_) => 1,
            _ => 0,
        }
    }

    /// Returns the value without methods; nothing for structs.
    pub(crate) fn plain(&self) -> Option<Self> {
        match self {
            Self::Object(object) => match object.underlying() {
                Underlying::Struct(_) => None,
                Underlying::Plain(value) => Some(value),
            },
            Self::Safe(_, text) => Some(Self::Text(Arc::clone(text))),
            other => Some(other.clone()),
        }
    }

    /// Returns whether it counts as true: not zero, not empty.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(n) => *n != 0,
            Self::Float(n) => *n != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::Text(text) | Self::Safe(_, text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.entries().is_empty(),
            Self::Object(object) => match object.underlying() {
                Underlying::Struct(_) => true,
                Underlying::Plain(value) => value.truth(),
            },
            Self::Function(_) => true,
        }
    }
}

impl Kind {
    /// Returns Go's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Text => "string",
            Self::Type(name) => name,
        }
    }

    /// Returns whether nil is a value of it.
    pub(crate) fn can_be_nil(self) -> bool {
        match self {
            Self::Any => true,
            Self::Type(name) => name.starts_with(['[', '*']) || name.starts_with("map["),
            _ => false,
        }
    }

    /// Returns whether the value can be passed as it is.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        self == Self::Any || self.name() == value.type_name()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}
