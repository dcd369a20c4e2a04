//! Numbers and hashes of events: what was changed, taken out or put in between shows.
//!
//! An event is stored as the text of a JSON object. Its hash is the SHA-256 of exactly that text, in hex; the
//! object names its chain (the identity of the data folder), its number in it, and the hash of
//! the event before: anybody can check it with `sha256sum`. Whoever can rewrite the whole end of a chain
//! can forge it; a copy elsewhere (lines on standard output, or the newest hash) tells.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Noted;

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Which chain.
    pub(crate) chain: String,
    /// Number of its newest event; 0: it has none.
    pub(crate) number: u64,
    /// Hash of that event; empty: it has none.
    pub(crate) hash: String,
}

/// An event with its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The text that is hashed.
    pub(crate) text: String,
    /// Its hash.
    pub(crate) hash: String,
    /// Its number.
    pub(crate) number: u64,
}

/// What is written of an event, in this order.
#[derive(Debug, Serialize)]
struct Written<'a> {
    chain: &'a str,
    number: u64,
    previous: &'a str,
    time: String,
    action: &'a str,
    outcome: &'a str,
    principal: &'a str,
    how: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    target: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_before: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Head {
    /// Begins a chain.
    pub(crate) fn new(chain: impl Into<String>) -> Self {
        Self { chain: chain.into(), number: 0, hash: String::new() }
    }

    /// Puts an event at the end.
    pub(crate) fn seal(&mut self, noted: &Noted) -> Sealed {
        let Noted { time_ns, dropped_before, event } = noted;
        let number = self.number + 1;
        let time = Timestamp::from_nanosecond(i128::from(*time_ns));
        let written = Written {
            chain: &self.chain,
            number,
            previous: &self.hash,
            time: time.map_or_else(|_| time_ns.to_string(), |time| time.to_string()),
            action: event.action,
            outcome: event.outcome.as_str(),
            principal: &event.principal,
            how: event.how,
            from: event.from.map(|ip| ip.to_string()),
            tenant: event.tenant.as_ref().map(|tenant| tenant.as_str()),
            target: &event.target,
            detail: &event.detail,
            before: event.before.as_deref(),
            after: event.after.as_deref(),
            dropped_before: *dropped_before,
        };
        let text = serde_json::to_string(&written).expect("texts and numbers are JSON");
        let hash = hash(&text);
        (self.number, self.hash) = (number, hash.clone());
        Sealed { text, hash, number }
    }
}

/// Returns the hash of an event's text.
pub(crate) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The part of an event's text that makes the chain.
#[derive(Debug, Deserialize)]
struct Link {
    chain: String,
    number: u64,
    previous: String,
}

/// What a check found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Events that were read.
    pub(crate) events: usize,
    /// Where each chain begins and ends.
    pub(crate) chains: Vec<(u64, Head)>,
    /// What is wrong, a sentence each.
    pub(crate) problems: Vec<String>,
}

/// Checks events, which may come in any order: pairs of a text and the hash that was stored with it.
/// `ends` are where chains should end at least, as the servers say.
pub(crate) fn verify(events: impl IntoIterator<Item = (String, String)>, ends: &[Head]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut chains: BTreeMap<String, BTreeMap<u64, (String, String)>> = BTreeMap::new();
    for (text, stored) in events {
        verdict.events += 1;
        let Ok(link) = serde_json::from_str::<Link>(&text) else {
            verdict.problems.push(format!("a row is no event: {}", start_of(&text)));
            continue;
        };
        let Link { chain, number, previous } = link;
        let found = hash(&text);
        if found != stored {
            let what = format!("event {number} of chain {chain} was changed: its hash differs");
            verdict.problems.push(what);
        }
        // What was sent twice, because the store did not answer, is the same event.
        let others = chains.entry(chain.clone()).or_default();
        if let Some((known, _)) = others.get(&number).filter(|(known, _)| *known != found) {
            let what = format!("event {number} of chain {chain} is there twice: {known}, {found}");
            verdict.problems.push(what);
        }
        others.insert(number, (found, previous));
    }
    for (chain, events) in chains {
        let mut before: Option<(u64, &str)> = None;
        for (number, (hash, previous)) in &events {
            match before {
                Some((last, _)) if last + 1 != *number => {
                    let (from, to) = (last + 1, number - 1);
                    verdict
                        .problems
                        .push(format!("events {from} to {to} of chain {chain} are missing"));
                }
                Some((last, known)) if known != previous => {
                    verdict.problems.push(format!(
                        "event {number} of chain {chain} does not follow event {last} as it is stored"
                    ));
                }
                Some(_) | None => {}
            }
            before = Some((*number, hash));
        }
        let first = events.keys().next().copied().unwrap_or_default();
        let (number, hash) = before.map_or((0, String::new()), |(n, hash)| (n, hash.to_owned()));
        verdict.chains.push((first, Head { chain, number, hash }));
    }
    for end in ends.iter().filter(|end| end.number > 0) {
        let found = verdict.chains.iter().find(|(_, head)| head.chain == end.chain);
        let last = found.map_or(0, |(_, head)| head.number);
        if last < end.number {
            verdict.problems.push(format!(
                "chain {} ends with event {last}; its server has stored {}",
                end.chain, end.number
            ));
        }
    }
    verdict
}

fn start_of(text: &str) -> &str {
    text.get(..text.floor_char_boundary(80)).unwrap_or_default()
}
