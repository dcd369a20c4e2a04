//! Names that begin as somebody has begun to write: for completion.
//!
//! Where nothing begins so, what is near it is found: names with the text inside, with its letters in
//! their order, or with one or two letters wrong.

use tarn_model::error::Result;
use tarn_model::map::HashMap;
use tarn_storage::schema::tables::{Promoted, Table, column};

use crate::logs::facets::{self, Facet};
use crate::logs::keys::{self, Keys};
use crate::search::plan::Plan;
use crate::search::scan::{End, Range, Scanner};

/// Rows that are looked at for services and names of spans: codes of dictionaries, so many are cheap.
const ROWS: u64 = 1_000_000;

/// A name, and in how many of the rows that were looked at it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) count: Option<u64>,
}

/// Names of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Metric,
    Label,
    Attribute,
    Resource,
    Service,
    Span,
}

impl Kind {
    pub(crate) const ALL: [(&'static str, Self); 6] = [
        ("metric", Self::Metric),
        ("label", Self::Label),
        ("attribute", Self::Attribute),
        ("resource", Self::Resource),
        ("service", Self::Service),
        ("span", Self::Span),
    ];
}

/// Collects the names of rows of some tables.
///
/// # Errors
/// Those of reading.
pub(crate) async fn of_rows(
    scanner: &mut Scanner<'_>,
    kind: Kind,
    tables: &[Table],
    range: Range,
) -> Result<(Vec<Name>, End)> {
    let mut counts: HashMap<String, Option<u64>> = HashMap::default();
    let mut ended = End::Whole;
    for table in tables {
        let mut add = |name: &str, n: Option<u64>| {
            let count = counts.entry(name.to_owned()).or_default();
            *count = match (*count, n) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
        };
        let end = match kind {
            Kind::Attribute | Kind::Resource => {
                let (keys, end) = keys::run(scanner, *table, &Plan::default(), range).await?;
                let map = if kind == Kind::Resource { &keys.resource } else { &keys.attributes };
                Keys::listed(map).into_iter().for_each(|(name, n)| add(name, Some(n)));
                if kind == Kind::Attribute {
                    let columns = scanner.promoted(*table, range);
                    let keys = columns.iter().filter_map(|column| Promoted::parse(column));
                    keys.for_each(|(_, key)| add(key, None));
                }
                end
            }
            _ => {
                let text = if kind == Kind::Span { column::NAME } else { column::SERVICE_NAME };
                let facet = Facet::column(text);
                let (found, end) = facets::newest(scanner, *table, range, facet, ROWS).await?;
                for facet in &found.facets {
                    facet.tally.all().for_each(|(name, n)| add(name, Some(n)));
                }
                end
            }
        };
        if end == End::OutOfTime {
            ended = end;
        }
        scanner.keep();
    }
    let names = counts.into_iter().map(|(name, count)| Name { name, count });
    Ok((names.filter(|name| !name.name.is_empty()).collect(), ended))
}

/// How a name fits what was written; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Begins,
    BeginsInAnyCase,
    /// It has the text inside, at the beginning of a part.
    Part,
    Inside,
    /// It has the letters, in their order.
    Letters,
    /// It begins so but for a slip or two.
    Slip,
}

impl Fit {
    fn of(name: &str, wanted: &str) -> Option<Self> {
        if name.starts_with(wanted) {
            return Some(Self::Begins);
        }
        let (name, wanted) = (name.to_lowercase(), wanted.to_lowercase());
        if name.starts_with(&wanted) {
            return Some(Self::BeginsInAnyCase);
        }
        if let Some((before, _)) = name.split_once(&wanted) {
            let is_part = before.chars().next_back().is_some_and(|c| !c.is_alphanumeric());
            return Some(if is_part { Self::Part } else { Self::Inside });
        }
        let mut letters = name.chars();
        if wanted.chars().all(|c| letters.any(|l| l == c)) {
            return Some(Self::Letters);
        }
        let slips = if wanted.chars().count() < 5 { 1 } else { 2 };
        is_near(&name, &wanted, slips).then_some(Self::Slip)
    }
}

/// Returns whether some beginning of `name` is `wanted` with at most `slips` letters changed, left out,
/// or too many.
fn is_near(name: &str, wanted: &str, slips: usize) -> bool {
    let wanted: Vec<char> = wanted.chars().collect();
    // What it costs to get from the name's beginning to each beginning of what is wanted.
    let mut costs: Vec<usize> = (0..=wanted.len()).collect();
    let mut best = wanted.len();
    for (row, letter) in name.chars().take(wanted.len() + slips).enumerate() {
        let mut diagonal = std::mem::replace(&mut costs[0], row + 1);
        for (at, c) in wanted.iter().enumerate() {
            let changed = diagonal + usize::from(*c != letter);
            diagonal = costs[at + 1];
            costs[at + 1] = changed.min(diagonal + 1).min(costs[at] + 1);
        }
        best = best.min(costs[wanted.len()]);
    }
    best <= slips
}

/// Keeps the names that fit best, those in many rows first, at most `limit`; tells whether there are
/// more.
pub(crate) fn choose(names: Vec<Name>, wanted: &str, limit: usize) -> (Vec<Name>, bool) {
    let mut fitting: Vec<(Fit, Name)> =
        names.into_iter().filter_map(|name| Some((Fit::of(&name.name, wanted)?, name))).collect();
    if fitting.iter().any(|(fit, _)| *fit <= Fit::BeginsInAnyCase) {
        fitting.retain(|(fit, _)| *fit <= Fit::BeginsInAnyCase);
    }
    fitting.sort_unstable_by(|(a_fit, a), (b_fit, b)| {
        let by_count = || b.count.cmp(&a.count);
        a_fit.cmp(b_fit).then_with(by_count).then_with(|| a.name.cmp(&b.name))
    });
    let is_cut = fitting.len() > limit;
    fitting.truncate(limit);
    (fitting.into_iter().map(|(_, name)| name).collect(), is_cut)
}

#[cfg(test)]
mod tests;
