//! Retention classes: rows that live equally long, kept in blocks of their own from the first merge
//! on, so that forgetting is the dropping of whole blocks.
//!
//! The first rule that a row satisfies decides; neighbouring rules of one life are one class. A class
//! is named after its life, for human eyes, and after the *matchers* of its rules and of all rules
//! before them: these decide which rows are in it. So a rule whose life is changed goes on to rule
//! the blocks that are there ([`lifetime`]), while a block whose class no list of today would make
//! is kept as long as any of its rows could be asked to live.

use std::fmt::Write as _;
use std::time::Duration;

use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use xxhash_rust::xxh3::xxh3_64;

use crate::options::{Retention, RetentionRule};

pub(crate) mod rows;

/// Seconds of a day and of an hour: lives are mostly whole ones of these.
const DAY_S: u64 = 86_400;
const HOUR_S: u64 = 3600;

/// Returns how long the rows of a block live; `None` = for ever. `class` is that of its
/// [`BlockMeta`](crate::block::BlockMeta). A block that was never merged has the empty class and may
/// hold rows of all lives; the same is supposed of a class that the rules of today do not make. Such
/// blocks live as long as the longest life among the rules.
pub fn lifetime(
    retention: &Retention,
    tenant: &TenantId,
    signal: Signal,
    class: &str,
) -> Option<Duration> {
    let classes = Classes::new(retention, tenant, signal);
    match classes.classes.iter().find(|own| identity(&own.name) == identity(class)) {
        Some(own) if !class.is_empty() => Some(own.keep),
        _ if classes.is_complete() => classes.classes.iter().map(|own| own.keep).max(),
        _ => None,
    }
}

/// Returns the class of a series; empty = it is kept for ever.
pub fn of_series(retention: &Retention, tenant: &TenantId, labels: &LabelSet) -> String {
    let classes = Classes::new(retention, tenant, Signal::Metrics);
    classes.name(classes.of_series(labels)).to_owned()
}

/// The classes into which the rows of one tenant and signal fall. They have numbers; the last one is
/// that of rows which no rule is for.
#[derive(Debug)]
pub struct Classes {
    classes: Vec<Class>,
}

#[derive(Debug)]
struct Class {
    name: String,
    keep: Duration,
    /// Of each rule; one of them is satisfied, and none of the classes before.
    rules: Vec<Vec<Matcher>>,
}

impl Class {
    fn takes_all(&self) -> bool {
        self.rules.iter().any(Vec::is_empty)
    }
}

impl Classes {
    /// Sorts out the rules for a tenant and signal.
    pub fn new(retention: &Retention, tenant: &TenantId, signal: Signal) -> Self {
        let mut classes: Vec<Class> = Vec::new();
        let mut text = String::new();
        let mut begin = 0;
        for (at, rule) in rules(retention, tenant, signal).enumerate() {
            add_text(&mut text, &rule.matchers);
            match classes.last_mut() {
                Some(last) if last.keep == rule.keep => last.rules.push(rule.matchers.clone()),
                _ => {
                    begin = at;
                    let rules = vec![rule.matchers.clone()];
                    classes.push(Class { name: String::new(), keep: rule.keep, rules });
                }
            }
            if let Some(last) = classes.last_mut() {
                last.name = name(rule.keep, &text, begin);
            }
            if rule.matchers.is_empty() {
                break;
            }
        }
        Self { classes }
    }

    /// Returns how many classes there are, that of rows without a rule included.
    pub fn count(&self) -> u16 {
        // Rules are written by hand.
        u16::try_from(self.classes.len()).unwrap_or(u16::MAX - 1) + 1
    }

    /// Returns the name of a class; empty: its rows live for ever.
    pub fn name(&self, class: u16) -> &str {
        self.classes.get(usize::from(class)).map_or("", |class| &class.name)
    }

    /// Returns the class of all rows, where it is the same for all.
    pub fn only(&self) -> Option<u16> {
        match self.classes.first() {
            None => Some(0),
            Some(first) => first.takes_all().then_some(0),
        }
    }

    /// Returns the class of a series.
    pub fn of_series(&self, labels: &LabelSet) -> u16 {
        let takes = |rule: &Vec<Matcher>| rule.iter().all(|matcher| matcher.matches_labels(labels));
        let class = self.classes.iter().position(|class| class.rules.iter().any(takes));
        class.unwrap_or(self.classes.len()) as u16
    }

    /// Returns whether every row satisfies some rule.
    fn is_complete(&self) -> bool {
        self.classes.last().is_some_and(Class::takes_all)
    }
}

fn rules<'a>(
    retention: &'a Retention,
    tenant: &'a TenantId,
    signal: Signal,
) -> impl Iterator<Item = &'a RetentionRule> {
    retention.rules.iter().filter(move |rule| {
        rule.tenant.as_ref().is_none_or(|of| of == tenant)
            && rule.signal.is_none_or(|of| of == signal)
    })
}

/// Writes the matchers of a rule so that equal sets are equal texts.
fn add_text(text: &mut String, matchers: &[Matcher]) {
    let mut matchers: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
    matchers.sort_unstable();
    text.push_str(&matchers.join(","));
    text.push('\n');
}

fn name(keep: Duration, matchers: &str, begin: usize) -> String {
    let seconds = keep.as_secs();
    let life = match seconds {
        _ if keep.subsec_nanos() > 0 => format!("{}ms", keep.as_millis()),
        _ if seconds.is_multiple_of(DAY_S) => format!("{}d", seconds / DAY_S),
        _ if seconds.is_multiple_of(HOUR_S) => format!("{}h", seconds / HOUR_S),
        _ => format!("{seconds}s"),
    };
    let mut name = life;
    let hash = xxh3_64(format!("{begin}\n{matchers}").as_bytes()) as u32;
    // Writing to a string cannot fail.
    let _infallible = write!(name, "-{hash:08x}");
    name
}

/// Returns what of a name does not depend on the life.
fn identity(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(_, hash)| hash)
}

#[cfg(test)]
mod tests;
