//! A key and a value: which columns, compared how.

use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;
use tarn_storage::schema::tables::column as name;
use tarn_storage::view::rows::{RowColumn, field as row_field};

use super::intrinsic::{self, Intrinsic};
use super::{Planner, Result, column};
use crate::search::ast::{Key, Op, Owner, Value};
use crate::search::functions::{Part, Test};
use crate::search::matcher::Matcher;
use crate::search::quantity::{Dimension, Number, Quantity};
use crate::search::{SearchError, Span};

impl Planner {
    /// Rows that have a key.
    pub(super) fn exists(&self, key: &Key) -> Expr {
        match Intrinsic::of(self.table, key) {
            Some(Intrinsic::Text(name) | Intrinsic::Id(name, _) | Intrinsic::Code(name, _)) => {
                column(name).is_not_null()
            }
            Some(Intrinsic::Body) => column(name::BODY).is_not_null(),
            Some(Intrinsic::Duration) => column(name::DURATION_NS).is_not_null(),
            Some(Intrinsic::Level) => column(name::SEVERITY_NUMBER)
                .is_not_null()
                .or(column(name::SEVERITY_TEXT).is_not_null()),
            Some(Intrinsic::Events) => {
                Test::expr(column(name::EVENTS), Part::EventNames, Matcher::Any, false)
            }
            None => self.owned(key, &Matcher::Any, false),
        }
    }

    /// Rows whose key has a value.
    pub(super) fn field(&self, key: &Key, op: Op, value: &Value, span: Span) -> Result<Expr> {
        let Some(intrinsic) = Intrinsic::of(self.table, key) else {
            let (matcher, negated) = self.matcher(op, value, span)?;
            return Ok(self.owned(key, &matcher, negated));
        };
        match intrinsic {
            Intrinsic::Text(name) => {
                let (matcher, negated) = self.matcher(op, value, span)?;
                Ok(Test::expr(column(name), Part::Text, matcher, negated))
            }
            Intrinsic::Events => {
                let (matcher, negated) = self.matcher(op, value, span)?;
                Ok(Test::expr(column(name::EVENTS), Part::EventNames, matcher, negated))
            }
            Intrinsic::Body => self.body(op, value, span),
            Intrinsic::Level => self.level(op, value, span),
            Intrinsic::Id(name, width) => id(name, width, op, value, span),
            Intrinsic::Code(name, names) => code(name, names, op, value, span),
            Intrinsic::Duration => duration(op, value, span),
        }
    }

    /// An attribute of the row, its resource or its scope; without an owner, the row's decides
    /// where it has one.
    fn owned(&self, key: &Key, matcher: &Matcher, negated: bool) -> Expr {
        let attribute = || {
            let logical = RowColumn::Attribute(key.name.as_str().into());
            // The name does not depend on the table, and an attribute is in both.
            let name = row_field(self.table, &logical).map(|f| f.name().clone());
            column(&name.unwrap_or_default())
        };
        let test = |column: Expr, part: Part| Test::expr(column, part, matcher.clone(), negated);
        let own = || test(attribute(), Part::Text);
        let member = || Part::Attribute(key.name.clone());
        match key.owner {
            Owner::Attribute => own(),
            Owner::Resource => test(column(name::RESOURCE), member()),
            Owner::Scope => test(column(name::SCOPE), Part::OfScope(key.name.clone())),
            Owner::Any => {
                let resource = test(column(name::RESOURCE), member());
                own().or(attribute().is_null().and(resource))
            }
        }
    }

    fn matcher(&self, op: Op, value: &Value, span: Span) -> Result<(Matcher, bool)> {
        let literal = literal(value);
        if op.is_order() {
            let quantity = literal.and_then(Quantity::parse).ok_or_else(|| {
                let message = format!(
                    "'{}' takes a number, a time or a size, such as 5, 200ms or 10KiB",
                    op.as_str()
                );
                SearchError::new(message, span)
            })?;
            return Ok((Matcher::Order(op, quantity), false));
        }
        let matcher = match (value, literal) {
            (Value::Word(_), Some(text)) => {
                let quantity = if op == Op::Is { None } else { Quantity::parse(text) };
                match quantity {
                    Some(quantity) => Matcher::EqualNumber(quantity, text.to_owned()),
                    None => Matcher::Equal(text.to_owned()),
                }
            }
            (Value::Word(glob), None) => Matcher::Glob(glob.clone()),
            (Value::Phrase(text), _) => Matcher::Equal(text.clone()),
            (Value::Regex(pattern), _) => Matcher::Regex(self.regex(pattern, span)?),
        };
        Ok((matcher, op == Op::NotEqual))
    }

    /// The body is text to be searched in, not a value: `body:word` is `word`.
    fn body(&self, op: Op, value: &Value, span: Span) -> Result<Expr> {
        if op.is_order() {
            return Err(SearchError::new("the body of a log record has no order", span));
        }
        let matcher = self.text_matcher(value, span)?;
        Ok(Test::expr(column(name::BODY), Part::Text, matcher, op == Op::NotEqual))
    }

    fn level(&self, op: Op, value: &Value, span: Span) -> Result<Expr> {
        let number = || column(name::SEVERITY_NUMBER);
        if let Some((first, last)) = literal(value).and_then(intrinsic::levels) {
            let within = || number().gt_eq(lit(first)).and(number().lt_eq(lit(last)));
            return Ok(holds(match op {
                Op::Is | Op::Equal => within(),
                Op::NotEqual => Expr::Not(Box::new(within())),
                Op::Greater => number().gt(lit(last)),
                Op::GreaterEqual => number().gt_eq(lit(first)),
                Op::Less => number().lt(lit(first)),
                Op::LessEqual => number().lt_eq(lit(last)),
            }));
        }
        if literal(value) == Some(intrinsic::UNSET) && !op.is_order() {
            let known = number().gt_eq(lit(1)).and(number().lt_eq(lit(24)));
            let known = holds(known);
            return Ok(if op == Op::NotEqual { known } else { Expr::Not(Box::new(known)) });
        }
        if op.is_order() {
            let message = "unknown level; known are trace, debug, info, warn, error and fatal";
            return Err(SearchError::new(message, span));
        }
        // What senders call their levels may be anything.
        let (matcher, negated) = match (literal(value), self.matcher(op, value, span)?) {
            (Some(text), (_, negated)) => (Matcher::EqualAnyCase(text.to_owned()), negated),
            (None, pattern) => pattern,
        };
        Ok(Test::expr(column(name::SEVERITY_TEXT), Part::Text, matcher, negated))
    }
}

/// Returns the text of a value that is no pattern.
pub(crate) fn literal(value: &Value) -> Option<&str> {
    match value {
        Value::Word(glob) => glob.as_literal(),
        Value::Phrase(text) => Some(text),
        Value::Regex(_) => None,
    }
}

fn holds(expr: Expr) -> Expr {
    Expr::IsTrue(Box::new(expr))
}

fn id(name: &str, width: usize, op: Op, value: &Value, span: Span) -> Result<Expr> {
    let bytes = literal(value).and_then(|text| intrinsic::id(text, width));
    let Some(bytes) = bytes.filter(|_| !op.is_order()) else {
        let message = format!("an id of {} hex digits is compared by ':' or '!='", width * 2);
        return Err(SearchError::new(message, span));
    };
    let width = i32::try_from(width).unwrap_or(i32::MAX);
    let wanted = Expr::Literal(ScalarValue::FixedSizeBinary(width, Some(bytes)), None);
    let column = column(name);
    Ok(holds(if op == Op::NotEqual { column.not_eq(wanted) } else { column.eq(wanted) }))
}

fn code(name: &str, names: &[(&str, i32)], op: Op, value: &Value, span: Span) -> Result<Expr> {
    let number = literal(value).and_then(|text| intrinsic::code(names, text));
    let Some(number) = number.filter(|_| !op.is_order()) else {
        let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let message = format!("a {name} is one of {}, compared by ':' or '!='", known.join(", "));
        return Err(SearchError::new(message, span));
    };
    let column = column(name);
    Ok(holds(if op == Op::NotEqual { column.not_eq(lit(number)) } else { column.eq(lit(number)) }))
}

fn duration(op: Op, value: &Value, span: Span) -> Result<Expr> {
    let quantity = literal(value).and_then(Quantity::parse);
    let is_time = |q: &Quantity| q.dimension == Dimension::Time || q.number == Number::Int(0);
    let Some(Quantity { number, .. }) = quantity.filter(is_time) else {
        return Err(SearchError::new("a duration is a time with its unit, such as 200ms", span));
    };
    let column = column(name::DURATION_NS);
    let (below, above) = match number {
        Number::Int(ns) => (ns, ns),
        // Columns are integers: between two of them, the neighbours decide.
        Number::Float(ns) => (ns.floor() as i64, ns.ceil() as i64),
    };
    let is_whole = below == above;
    Ok(holds(match op {
        Op::Is | Op::Equal if is_whole => column.eq(lit(below)),
        Op::NotEqual if is_whole => column.not_eq(lit(below)),
        Op::Is | Op::Equal => lit(false),
        Op::NotEqual => column.is_not_null(),
        Op::Greater => column.gt(lit(below)),
        Op::GreaterEqual => column.gt_eq(lit(above)),
        Op::Less => column.lt(lit(above)),
        Op::LessEqual => column.lt_eq(lit(below)),
    }))
}
