//! Which tables a name may belong to, while a syntax tree is walked.

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, Query, Select, TableFactor, TableWithJoins,
};
use tarn_storage::schema::tables::Table;

/// A table that may be given columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Logs or spans.
    Rows(Table),
    /// Samples or slices.
    Metrics,
    /// Anything else: a subquery, a view.
    Other,
}

impl Base {
    pub(super) fn rows(self) -> Option<Table> {
        match self {
            Self::Rows(table) => Some(table),
            _ => None,
        }
    }
}

/// The FROM clauses around the current node, and the named subqueries that hide tables.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    /// One for each SELECT, and one for each query, whose ORDER BY sees the SELECT's tables.
    frames: Vec<Vec<(String, Base)>>,
    /// Names of `WITH`, one list for each query.
    named: Vec<Vec<String>>,
}

impl Scopes {
    pub(super) fn enter_query(&mut self, query: &Query) {
        let named = query.with.iter().flat_map(|w| &w.cte_tables).map(|c| normal(&c.alias.name));
        self.named.push(named.collect());
        let frame = super::select_of(&query.body).map(|s| self.frame(s)).unwrap_or_default();
        self.frames.push(frame);
    }

    pub(super) fn leave_query(&mut self) {
        self.frames.pop();
        self.named.pop();
    }

    pub(super) fn enter_select(&mut self, select: &Select) {
        let frame = self.frame(select);
        self.frames.push(frame);
    }

    pub(super) fn leave_select(&mut self) {
        self.frames.pop();
    }

    /// Returns the tables that a name with this qualifier may belong to: without one, all of the
    /// nearest FROM.
    pub(super) fn tables(&self, qualifier: &[Ident]) -> Option<Vec<Base>> {
        let Some(name) = qualifier.last().map(normal) else {
            let nearest = self.frames.iter().rev().find(|f| !f.is_empty())?;
            return Some(nearest.iter().map(|(_, base)| *base).collect());
        };
        let mut all = self.frames.iter().rev().flatten();
        all.find(|(alias, _)| *alias == name).map(|(_, base)| vec![*base])
    }

    fn frame(&self, select: &Select) -> Vec<(String, Base)> {
        let mut frame = Vec::new();
        select.from.iter().for_each(|from| self.add(from, &mut frame));
        frame
    }

    fn add(&self, from: &TableWithJoins, frame: &mut Vec<(String, Base)>) {
        let joined = from.joins.iter().map(|j| &j.relation);
        for factor in std::iter::once(&from.relation).chain(joined) {
            match factor {
                TableFactor::Table { name, alias, .. } => {
                    let base = self.base(name);
                    let last = name.0.last().and_then(|p| p.as_ident());
                    let Some(name) = alias.as_ref().map(|a| &a.name).or(last) else { continue };
                    frame.push((normal(name), base));
                }
                TableFactor::NestedJoin { table_with_joins, .. } => {
                    self.add(table_with_joins, frame);
                }
                TableFactor::Derived { alias, .. } | TableFactor::UNNEST { alias, .. } => {
                    let name = alias.as_ref().map(|a| normal(&a.name)).unwrap_or_default();
                    frame.push((name, Base::Other));
                }
                _ => frame.push((String::new(), Base::Other)),
            }
        }
    }

    fn base(&self, name: &ObjectName) -> Base {
        let parts: Vec<String> = name.0.iter().filter_map(|p| p.as_ident()).map(normal).collect();
        let Some((table, schema)) = parts.split_last() else { return Base::Other };
        let hidden = schema.is_empty() && self.named.iter().flatten().any(|n| n == table);
        let ours = schema.last().is_none_or(|s| s == crate::session::SCHEMA);
        match table.as_str() {
            _ if hidden || !ours => Base::Other,
            "logs" => Base::Rows(Table::Logs),
            "spans" => Base::Rows(Table::Spans),
            "samples" | "slices" => Base::Metrics,
            _ => Base::Other,
        }
    }
}

/// Returns a name as SQL compares it: in lower case, unless it is quoted.
pub(super) fn normal(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}
