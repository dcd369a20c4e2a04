//! What a search says about columns that prune.
//!
//! A bound is what every row that the search wants must be like. AND takes what either side knows,
//! OR what both know; of what is excluded nothing is known.

use std::collections::BTreeSet;

use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::RowPrune;

use super::field::literal;
use super::intrinsic::{self, Intrinsic};
use crate::search::ast::{Op, Query, Term, TermKind};
use crate::search::quantity::Quantity;

/// Values that are possible; `None` = all.
type Only<T> = Option<BTreeSet<T>>;

/// What is known of all rows that a search wants.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Bounds {
    services: Only<String>,
    names: Only<String>,
    kinds: Only<i32>,
    statuses: Only<i32>,
    traces: Only<[u8; 16]>,
    severity: Option<(i32, i32)>,
}

impl Bounds {
    pub(super) fn of(query: &Query, table: Table) -> Self {
        match query {
            Query::All | Query::Not(_) => Self::default(),
            Query::And(list) => {
                list.iter().map(|q| Self::of(q, table)).fold(Self::default(), Self::and)
            }
            Query::Or(list) => {
                list.iter().map(|q| Self::of(q, table)).reduce(Self::or).unwrap_or_default()
            }
            Query::Term(term) => Self::of_term(term, table).unwrap_or_default(),
        }
    }

    fn of_term(term: &Term, table: Table) -> Option<Self> {
        let TermKind::Field { key, op, value, .. } = &term.kind else { return None };
        let text = literal(value)?;
        let mut bounds = Self::default();
        let intrinsic = Intrinsic::of(table, key)?;
        if intrinsic == Intrinsic::Level {
            let (first, last) = intrinsic::levels(text)?;
            bounds.severity = Some(match op {
                Op::Is | Op::Equal => (first, last),
                Op::Greater => (last + 1, i32::MAX),
                Op::GreaterEqual => (first, i32::MAX),
                Op::Less => (i32::MIN, first - 1),
                Op::LessEqual => (i32::MIN, last),
                Op::NotEqual => return None,
            });
            return Some(bounds);
        }
        match (op, intrinsic) {
            (Op::Is, _) => {}
            // Of a text, `=` may mean a number that is written in another way.
            (Op::Equal, Intrinsic::Text(_)) if Quantity::parse(text).is_some() => return None,
            (Op::Equal, _) => {}
            _ => return None,
        }
        match intrinsic {
            Intrinsic::Text(column::SERVICE_NAME) => bounds.services = only(text.to_owned()),
            Intrinsic::Text(column::NAME) => bounds.names = only(text.to_owned()),
            Intrinsic::Code(column::KIND, names) => {
                bounds.kinds = only(intrinsic::code(names, text)?)
            }
            Intrinsic::Code(column::STATUS, names) => {
                bounds.statuses = only(intrinsic::code(names, text)?);
            }
            Intrinsic::Id(column::TRACE_ID, width) => {
                bounds.traces = only(intrinsic::id(text, width)?.try_into().ok()?);
            }
            _ => return None,
        }
        Some(bounds)
    }

    fn and(self, other: Self) -> Self {
        Self {
            services: both(self.services, other.services),
            names: both(self.names, other.names),
            kinds: both(self.kinds, other.kinds),
            statuses: both(self.statuses, other.statuses),
            traces: both(self.traces, other.traces),
            severity: match (self.severity, other.severity) {
                (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.min(b.1))),
                (a, b) => a.or(b),
            },
        }
    }

    fn or(self, other: Self) -> Self {
        let widen = |(a, b): ((i32, i32), (i32, i32))| (a.0.min(b.0), a.1.max(b.1));
        Self {
            services: either(self.services, other.services),
            names: either(self.names, other.names),
            kinds: either(self.kinds, other.kinds),
            statuses: either(self.statuses, other.statuses),
            traces: either(self.traces, other.traces),
            severity: self.severity.zip(other.severity).map(widen),
        }
    }

    pub(super) fn into_prune(self) -> RowPrune {
        fn list<T>(only: Only<T>) -> Option<Vec<T>> {
            only.map(|set| set.into_iter().collect())
        }
        RowPrune {
            services: list(self.services),
            severity: self.severity,
            kinds: list(self.kinds),
            statuses: list(self.statuses),
            names: list(self.names),
            trace_ids: list(self.traces),
            ..RowPrune::default()
        }
    }
}

fn only<T: Ord>(value: T) -> Only<T> {
    Some(BTreeSet::from([value]))
}

fn both<T: Ord + Clone>(a: Only<T>, b: Only<T>) -> Only<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
        (a, b) => a.or(b),
    }
}

fn either<T: Ord>(a: Only<T>, b: Only<T>) -> Only<T> {
    let (mut a, b) = a.zip(b)?;
    a.extend(b);
    Some(a)
}
