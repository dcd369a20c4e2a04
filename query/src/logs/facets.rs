//! Which values keys have in the rows that a search finds, and in how many.
//!
//! Only the columns of the keys are read. Codes of a dictionary are counted, and their texts looked
//! up once per batch; the JSON of a resource is read once for all rows that share it. What a key
//! means is what it means in a search: `key:value` finds the rows that were counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{Array as _, RecordBatch};
use tarn_model::error::Result;
use tarn_model::map::HashMap;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowOrder, RowScan, field};

use super::levels::{LEVELS, level};
use super::tally::Tally;
use crate::records::{self, Ints, Texts};
use crate::search::Span;
use crate::search::ast::{Key, Owner};
use crate::search::functions::members;
use crate::search::plan::{Intrinsic, Plan};
use crate::search::scan::{End, Range, Scanner, row_scan};

/// Resources and scopes whose values are remembered; processes that send are fewer.
const REMEMBERED_MAX: usize = 4096;

/// A key, as it was asked for, with what was counted.
#[derive(Debug)]
pub(crate) struct Facet {
    pub(crate) name: String,
    pub(crate) tally: Tally,
    source: Source,
}

/// Where a key's values are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Level,
    Text(&'static str),
    /// The row's attribute, else the member of its resource.
    Any(String),
    Attribute(String),
    Member(&'static str, String),
}

impl Facet {
    /// Reads a key as searches have it, but as it is: nothing is escaped in it.
    ///
    /// # Errors
    /// A key whose values are not counted, or that is none.
    pub(crate) fn parse(table: Table, text: &str) -> std::result::Result<Self, String> {
        let named =
            Owner::NAMED.into_iter().find_map(|o| Some((o, text.strip_prefix(o.prefix())?)));
        let (owner, name) = named.unwrap_or((Owner::Any, text));
        if name.is_empty() || (owner == Owner::Any && name.starts_with('@')) {
            return Err(format!("{text:?} is no key"));
        }
        let key = Key { owner, name: name.to_owned(), span: Span::new(0, text.len()) };
        let source = match (Intrinsic::of(table, &key), owner) {
            (Some(Intrinsic::Level), _) => Source::Level,
            (Some(Intrinsic::Text(column)), _) => Source::Text(column),
            (Some(_), _) => return Err(format!("values of {text:?} are not counted")),
            (None, Owner::Any) => Source::Any(key.name),
            (None, Owner::Attribute) => Source::Attribute(key.name),
            (None, Owner::Resource) => Source::Member(column::RESOURCE, key.name),
            (None, Owner::Scope) => Source::Member(column::SCOPE, key.name),
        };
        Ok(Self { name: text.to_owned(), tally: Tally::default(), source })
    }

    /// Makes the facet of a column of text.
    pub(crate) fn column(name: &'static str) -> Self {
        Self { name: name.to_owned(), tally: Tally::default(), source: Source::Text(name) }
    }

    fn columns(&self) -> Vec<RowColumn> {
        let stored = |name: &str| RowColumn::Stored(name.into());
        let attribute = |key: &str| RowColumn::Attribute(key.into());
        match &self.source {
            Source::Level => vec![stored(column::SEVERITY_NUMBER)],
            Source::Text(name) | Source::Member(name, _) => vec![stored(name)],
            Source::Attribute(key) => vec![attribute(key)],
            Source::Any(key) => vec![attribute(key), stored(column::RESOURCE)],
        }
    }
}

/// Counts values of keys.
#[derive(Debug)]
pub(crate) struct Facets {
    pub(crate) facets: Vec<Facet>,
    pub(crate) rows: u64,
    table: Table,
    /// Of a resource or scope, what each facet has in it.
    remembered: HashMap<Box<str>, Vec<Option<String>>>,
    remembered_bytes: u64,
}

impl Facets {
    pub(crate) fn new(table: Table, facets: Vec<Facet>) -> Self {
        let remembered = HashMap::default();
        Self { facets, rows: 0, table, remembered, remembered_bytes: 0 }
    }

    /// Returns the columns that are needed.
    pub(crate) fn columns(&self) -> Vec<RowColumn> {
        let mut columns: Vec<RowColumn> = self.facets.iter().flat_map(Facet::columns).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Counts the rows of a batch.
    pub(crate) fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        self.rows += rows as u64;
        for at in 0..self.facets.len() {
            match self.facets[at].source.clone() {
                Source::Level => self.levels(batch, at)?,
                Source::Text(name) => {
                    let tally = &mut self.facets[at].tally;
                    let texts = records::texts(batch, name)?;
                    each(&texts, rows, |_| true, |text, n| tally.add(text, n));
                }
                Source::Attribute(key) => {
                    let texts = records::texts(batch, &self.name_of(&key)?)?;
                    let tally = &mut self.facets[at].tally;
                    each(&texts, rows, |_| true, |text, n| tally.add(text, n));
                }
                Source::Any(key) => {
                    let texts = records::texts(batch, &self.name_of(&key)?)?;
                    let tally = &mut self.facets[at].tally;
                    each(&texts, rows, |_| true, |text, n| tally.add(text, n));
                    self.members(batch, column::RESOURCE, at, |row| texts.get(row).is_none())?;
                }
                Source::Member(name, _) => self.members(batch, name, at, |_| true)?,
            }
        }
        Ok(())
    }

    fn name_of(&self, key: &str) -> Result<String> {
        let attribute = RowColumn::Attribute(key.into());
        Ok(field(self.table, &attribute)?.name().clone())
    }

    fn levels(&mut self, batch: &RecordBatch, at: usize) -> Result<()> {
        let severities: Ints<'_> = records::numbers(batch, column::SEVERITY_NUMBER)?;
        let mut counts = [0_u64; LEVELS.len()];
        for row in 0..batch.num_rows() {
            counts[level(severities.get(row))] += 1;
        }
        let seen = LEVELS.iter().zip(counts).filter(|(_, n)| *n > 0);
        seen.for_each(|(word, n)| self.facets[at].tally.add(word, n));
        Ok(())
    }

    /// Counts members of resources or scopes, of those rows that `wanted` has.
    fn members(
        &mut self,
        batch: &RecordBatch,
        name: &'static str,
        at: usize,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let texts = records::texts(batch, name)?;
        let mut counts = Vec::new();
        each(&texts, batch.num_rows(), wanted, |text, n| counts.push((text, n)));
        for (json, n) in counts {
            if !self.remembered.contains_key(json) {
                self.remember(json, name == column::SCOPE);
            }
            let value = self.remembered.get(json).and_then(|values| values.get(at)?.as_deref());
            if let Some(value) = value {
                self.facets[at].tally.add(value, n);
            }
        }
        Ok(())
    }

    /// Reads a resource or a scope. One text may be both, and means the same then: what a scope has
    /// beside its attributes a resource does not.
    fn remember(&mut self, json: &str, is_scope: bool) {
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.clear();
            self.remembered_bytes = 0;
        }
        let keys: Vec<Option<&str>> = self
            .facets
            .iter()
            .map(|facet| match &facet.source {
                Source::Any(key) => (!is_scope).then_some(key.as_str()),
                Source::Member(name, key) => {
                    ((*name == column::SCOPE) == is_scope).then_some(key.as_str())
                }
                _ => None,
            })
            .collect();
        let values = members(json, &keys, is_scope);
        let bytes: usize = values.iter().flatten().map(String::len).sum();
        self.remembered_bytes += (json.len() + bytes + size_of_val(values.as_slice())) as u64;
        self.remembered.insert(json.into(), values);
    }

    /// Returns what it holds.
    pub(crate) fn bytes(&self) -> u64 {
        let tallies: u64 = self.facets.iter().map(|facet| facet.tally.bytes()).sum();
        tallies + self.remembered_bytes
    }
}

/// Calls `found` with the texts of those rows that are `wanted`, and how many have each; a text may
/// come more than once.
fn each<'a>(
    texts: &Texts<'a>,
    rows: usize,
    wanted: impl Fn(usize) -> bool,
    mut found: impl FnMut(&'a str, u64),
) {
    let Texts::Codes(codes, values) = texts else {
        let texts = (0..rows).filter(|row| wanted(*row)).filter_map(|row| texts.get(row));
        return texts.for_each(|text| found(text, 1));
    };
    let codes = || {
        let rows = codes.iter().enumerate().filter(|(row, _)| wanted(*row));
        rows.filter_map(|(_, code)| code.and_then(|code| usize::try_from(code).ok()))
    };
    let mut told = |code: usize, n: u64| {
        if n > 0 && code < values.len() && values.is_valid(code) {
            found(values.value(code), n);
        }
    };
    // A large dictionary is shared by many batches, and few of its texts are in this one.
    if values.len() <= rows.saturating_mul(4) {
        let mut counts = vec![0_u64; values.len()];
        codes().for_each(|code| counts[code] += 1);
        counts.into_iter().enumerate().for_each(|(code, n)| told(code, n));
    } else {
        let mut counts: HashMap<usize, u64> = HashMap::default();
        codes().for_each(|code| *counts.entry(code).or_default() += 1);
        counts.into_iter().for_each(|(code, n)| told(code, n));
    }
}

/// Counts the values of keys in the rows that a search finds.
///
/// # Errors
/// Those of reading; `LimitExceeded` where the values need too much memory.
pub(crate) async fn run(
    scanner: &mut Scanner<'_>,
    table: Table,
    plan: &Plan,
    range: Range,
    facets: Vec<Facet>,
) -> Result<(Facets, End)> {
    let facets = Facets::new(table, facets);
    let mut scan = row_scan(table, facets.columns(), plan, range)?;
    scan.order = RowOrder::Any;
    count(scanner, scan, facets, u64::MAX).await
}

/// Counts the values of a column in the newest `rows`, or some more.
///
/// # Errors
/// As [`run`].
pub(crate) async fn newest(
    scanner: &mut Scanner<'_>,
    table: Table,
    range: Range,
    facet: Facet,
    rows: u64,
) -> Result<(Facets, End)> {
    let facets = Facets::new(table, vec![facet]);
    let scan = row_scan(table, facets.columns(), &Plan::default(), range)?;
    count(scanner, scan, facets, rows).await
}

async fn count(
    scanner: &mut Scanner<'_>,
    scan: RowScan,
    mut facets: Facets,
    rows: u64,
) -> Result<(Facets, End)> {
    let floor_us = Arc::clone(&scan.floor_us);
    let end = scanner
        .run(scan, |batch| {
            if facets.rows < rows {
                facets.see(batch)?;
            } else {
                floor_us.store(i64::MAX, Ordering::Relaxed);
            }
            Ok(facets.bytes())
        })
        .await?;
    Ok((facets, end))
}
