//! Attributes in the syntax tree: from what people write to columns of tables.
//!
//! `attributes['k']` beside a table becomes a column of that table with exactly this name, which
//! storage reads from wherever a block keeps the key; `attr('k')` the same, cast to the type that
//! all blocks agree on. `resource['k']` and `scope['k']` become calls that look into the dictionary
//! of that column. Names of promoted columns (`"ai_http.status"`) and of labels (`l_job`) are
//! collected, so that the table gets them: what no row has is NULL, not an error.
//!
//! Whose column a name is follows the scopes of SQL: the nearest FROM that has a table or alias of
//! that name. Over subqueries `attributes` is a map like any other and stays as written.
//!
//! The columns that are added this way are hidden again from `SELECT *`, which shows what the table
//! always has. Ids compared with text are compared with the bytes that the text spells.

mod scope;

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, ExactNumberInfo, ExcludeSelectItem, Expr,
    Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Subscript,
    Value, VisitMut, VisitorMut, WildcardAdditionalOptions,
};
use tarn_model::map::HashSet;
use tarn_storage::schema::tables::{Promoted, Table, column};
use tarn_storage::view::rows::RowColumn;

use self::scope::{Base, Scopes};
use super::error::SqlError;
use super::functions::json::Source;
use super::functions::parse_hex;

/// Labels of metrics as columns begin with this.
pub(crate) const LABEL: &str = "l_";

/// What a query adds to the tables.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Extra {
    /// To `logs`.
    pub(crate) logs: Vec<RowColumn>,
    /// To `spans`.
    pub(crate) spans: Vec<RowColumn>,
    /// Columns `l_*` of `samples` and `slices`.
    pub(crate) labels: Vec<String>,
}

impl Extra {
    /// Returns what is added to a table of rows.
    pub(crate) fn of(&self, table: Table) -> &[RowColumn] {
        match table {
            Table::Logs => &self.logs,
            Table::Spans => &self.spans,
        }
    }
}

/// What is known of the tables' columns.
pub(crate) trait Known {
    /// Returns the full names of a table's promoted columns.
    fn promoted(&self, table: Table) -> &[String];
}

/// Rewrites a query in place.
///
/// # Errors
/// `Invalid` where a key is no text, or an id no hexadecimal.
pub(crate) fn rewrite(query: &mut Query, known: &dyn Known) -> Result<Extra, SqlError> {
    let mut aliases = Aliases::default();
    visit(query, &mut aliases)?;
    let (scopes, extra) = (Scopes::default(), Extra::default());
    let mut names = Names { known, aliases: aliases.0, scopes, extra };
    visit(query, &mut names)?;
    let extra = names.extra;
    visit(query, &mut Hide { extra: &extra, scopes: Scopes::default() })?;
    Ok(extra)
}

fn visit(query: &mut Query, by: &mut impl VisitorMut<Break = SqlError>) -> Result<(), SqlError> {
    match query.visit(by) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Collects names that the query gives itself: they are no columns of tables.
#[derive(Default)]
struct Aliases(HashSet<String>);

impl VisitorMut for Aliases {
    type Break = SqlError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.0.insert(scope::normal(alias));
            }
        }
        ControlFlow::Continue(())
    }
}

struct Names<'a> {
    known: &'a dyn Known,
    aliases: HashSet<String>,
    scopes: Scopes,
    extra: Extra,
}

impl VisitorMut for Names<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.scopes.enter_query(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.scopes.leave_query();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        self.scopes.enter_select(select);
        for item in &mut select.projection {
            name_item(item);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<SqlError> {
        self.scopes.leave_select();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match self.expression(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Names<'_> {
    fn expression(&mut self, expr: &mut Expr) -> Result<(), SqlError> {
        if let Some(access) = Access::of(expr) {
            if let Some(next) = self.access(&access) {
                *expr = next;
            }
            return Ok(());
        }
        if let Some(key) = attr_key(expr)? {
            *expr = self.attr(&key);
            return Ok(());
        }
        match expr {
            Expr::Identifier(name) => self.name(&[], name),
            Expr::CompoundIdentifier(parts) => {
                if let Some((name, qualifier)) = parts.split_last() {
                    self.name(qualifier, name);
                }
            }
            Expr::BinaryOp { left, op, right } if is_comparison(op) => {
                id_text(left, right)?;
                id_text(right, left)?;
            }
            Expr::InList { expr, list, .. } => {
                for item in list {
                    id_text(expr, item)?;
                }
            }
            Expr::Between { expr, low, high, .. } => {
                id_text(expr, low)?;
                id_text(expr, high)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns what stands for `column['key']`; `None` where it is an access like any other.
    fn access(&mut self, access: &Access) -> Option<Expr> {
        let name = scope::normal(&access.column);
        if let Some(source) = Source::ALL.into_iter().find(|s| s.column() == name) {
            return Some(member(source, access));
        }
        if name != column::ATTRIBUTES {
            return None;
        }
        let tables = self.scopes.tables(&access.qualifier)?;
        let rows: Vec<Table> = tables.into_iter().filter_map(Base::rows).collect();
        if rows.is_empty() {
            return None;
        }
        for table in rows {
            self.add(table, RowColumn::Attribute(Arc::from(access.key.as_str())));
        }
        Some(qualified(&access.qualifier, quoted(&attribute_name(&access.key))))
    }

    /// Returns what stands for `attr('key')`.
    fn attr(&mut self, key: &str) -> Expr {
        let tables = self.scopes.tables(&[]).unwrap_or_default();
        let rows: Vec<Table> = tables.into_iter().filter_map(Base::rows).collect();
        let mut kinds = HashSet::default();
        for table in &rows {
            let names = self.known.promoted(*table).iter();
            let promoted = names.filter_map(|n| Promoted::parse(n)).filter(|(_, k)| *k == key);
            kinds.extend(promoted.map(|(kind, _)| kind));
            self.add(*table, RowColumn::Attribute(Arc::from(key)));
        }
        let text = qualified(&[], quoted(&attribute_name(key)));
        let kind = match kinds.iter().next() {
            Some(kind) if kinds.len() == 1 => *kind,
            _ => Promoted::Text,
        };
        let data_type = match kind {
            Promoted::Text => return text,
            Promoted::Int => DataType::BigInt(None),
            Promoted::Double => DataType::Double(ExactNumberInfo::None),
            Promoted::Bool => DataType::Boolean,
        };
        let (kind, expr) = (CastKind::TryCast, Box::new(text));
        Expr::Cast { kind, expr, data_type, array: false, format: None }
    }

    /// Takes note of a column that the tables have only because it is named.
    fn name(&mut self, qualifier: &[Ident], name: &Ident) {
        let own = qualifier.is_empty();
        let name = scope::normal(name);
        let promoted = Promoted::parse(&name).is_some();
        if !promoted && !name.starts_with(LABEL) {
            return;
        }
        for base in self.scopes.tables(qualifier).unwrap_or_default() {
            match base {
                Base::Rows(table) if promoted => {
                    let known = self.known.promoted(table).contains(&name);
                    if known || !(own && self.aliases.contains(&name)) {
                        self.add(table, RowColumn::Stored(Arc::from(name.as_str())));
                    }
                }
                Base::Metrics if name.starts_with(LABEL) => {
                    let new = !self.extra.labels.contains(&name);
                    if new && !(own && self.aliases.contains(&name)) {
                        self.extra.labels.push(name.clone());
                    }
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, table: Table, column: RowColumn) {
        let list = match table {
            Table::Logs => &mut self.extra.logs,
            Table::Spans => &mut self.extra.spans,
        };
        if !list.contains(&column) {
            list.push(column);
        }
    }
}

/// Returns the name of an attribute as a column.
pub(crate) fn attribute_name(key: &str) -> String {
    format!("{}['{key}']", column::ATTRIBUTES)
}

/// Gives a computed column the name that was written.
fn name_item(item: &mut SelectItem) {
    let SelectItem::UnnamedExpr(expr) = item else { return };
    let name = match (Access::of(expr), attr_key(expr)) {
        (Some(access), _) => {
            let column = scope::normal(&access.column);
            if !Source::ALL.iter().any(|s| s.column() == column) {
                return;
            }
            format!("{column}['{}']", access.key)
        }
        (None, Ok(Some(key))) => format!("attr('{key}')"),
        _ => return,
    };
    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: quoted(&name) };
}

/// `qualifier.column['key']`.
struct Access {
    qualifier: Vec<Ident>,
    column: Ident,
    key: String,
}

impl Access {
    fn of(expr: &Expr) -> Option<Self> {
        let Expr::CompoundFieldAccess { root, access_chain } = expr else { return None };
        let mut parts = match &**root {
            Expr::Identifier(name) => vec![name.clone()],
            Expr::CompoundIdentifier(parts) => parts.clone(),
            _ => return None,
        };
        let (last, dots) = access_chain.split_last()?;
        for dot in dots {
            let AccessExpr::Dot(Expr::Identifier(name)) = dot else { return None };
            parts.push(name.clone());
        }
        let AccessExpr::Subscript(Subscript::Index { index: Expr::Value(key) }) = last else {
            return None;
        };
        let Value::SingleQuotedString(key) = &key.value else { return None };
        let column = parts.pop()?;
        Some(Self { qualifier: parts, column, key: key.clone() })
    }
}

/// Returns the key of `attr('key')`.
fn attr_key(expr: &Expr) -> Result<Option<String>, SqlError> {
    let Expr::Function(call) = expr else { return Ok(None) };
    if !call.name.to_string().eq_ignore_ascii_case("attr") {
        return Ok(None);
    }
    if let FunctionArguments::List(list) = &call.args
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] = &*list.args
        && let Value::SingleQuotedString(key) = &value.value
    {
        return Ok(Some(key.clone()));
    }
    Err(SqlError::invalid("attr takes one key, as a text: attr('http.route')"))
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

fn qualified(qualifier: &[Ident], name: Ident) -> Expr {
    if qualifier.is_empty() {
        return Expr::Identifier(name);
    }
    Expr::CompoundIdentifier(qualifier.iter().cloned().chain([name]).collect())
}

/// Returns the call that looks into a column of JSON.
fn member(source: Source, access: &Access) -> Expr {
    let column = qualified(&access.qualifier, access.column.clone());
    let key = Value::SingleQuotedString(access.key.clone()).with_empty_span();
    let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(source.function())]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument(column), argument(Expr::Value(key))],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// Turns text that is compared with an id into the bytes that it spells.
fn id_text(subject: &Expr, text: &mut Expr) -> Result<(), SqlError> {
    let name = match subject {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    let Some(name) = name.map(scope::normal) else { return Ok(()) };
    let digits = match name.as_str() {
        column::TRACE_ID => 32,
        column::SPAN_ID | column::PARENT_SPAN_ID => 16,
        _ => return Ok(()),
    };
    let Expr::Value(value) = text else { return Ok(()) };
    let Value::SingleQuotedString(id) = &value.value else { return Ok(()) };
    if id.len() != digits || parse_hex(id).is_none() {
        let start = value.span.start;
        let message = format!("{name} is compared with '{id}', which is not {digits} hex digits");
        return Err(SqlError::invalid(message).at(start.line, start.column));
    }
    value.value = Value::HexStringLiteral(id.clone());
    Ok(())
}

/// Hides added columns from `*`.
struct Hide<'a> {
    extra: &'a Extra,
    scopes: Scopes,
}

impl VisitorMut for Hide<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.scopes.enter_query(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.scopes.leave_query();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        self.scopes.enter_select(select);
        for item in &mut select.projection {
            let (qualifier, options) = match item {
                SelectItem::Wildcard(options) => (Vec::new(), options),
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    let parts = name.0.iter().filter_map(|p| p.as_ident().cloned());
                    (parts.collect(), options)
                }
                _ => continue,
            };
            let tables = self.scopes.tables(&qualifier).unwrap_or_default();
            exclude(options, self.hidden(&tables));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<SqlError> {
        self.scopes.leave_select();
        ControlFlow::Continue(())
    }
}

impl Hide<'_> {
    fn hidden(&self, tables: &[Base]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for base in tables {
            let columns = match base {
                Base::Rows(table) => self.extra.of(*table),
                _ => &[],
            };
            for column in columns {
                let name = match column {
                    RowColumn::Attribute(key) => attribute_name(key),
                    RowColumn::Stored(name) => name.to_string(),
                    RowColumn::Attributes | RowColumn::AttributeKinds => continue,
                };
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }
}

fn exclude(options: &mut WildcardAdditionalOptions, hidden: Vec<String>) {
    if hidden.is_empty() {
        return;
    }
    let mut all = match options.opt_exclude.take() {
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names,
        None => Vec::new(),
    };
    let given: HashSet<String> = all.iter().map(|n| n.to_string().replace('"', "")).collect();
    let new = hidden.into_iter().filter(|name| !given.contains(name));
    all.extend(new.map(|name| ObjectName::from(vec![quoted(&name)])));
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(all));
}

/// Returns whether a query body is one SELECT.
fn select_of(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
