//! Refusals of one address: the first of a minute are events, the others a number.
//!
//! Else whoever guesses tokens would fill the disk with the traces of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Refusals of one address in a minute that are events of their own.
const TOLD_MAX: u32 = 20;
/// How long the same address is counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are told apart; further ones are counted as one.
const ADDRESSES_MAX: usize = 4_096;

/// What was refused lately, by address; `None` = unknown, or one too many.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_address: BTreeMap<Option<IpAddr>, Lately>,
}

#[derive(Debug, Clone, Copy)]
struct Lately {
    since: Duration,
    told: u32,
    counted: u64,
}

impl Refusals {
    /// Counts a refusal at `now`, on the monotonic clock; returns whether it is to be an event.
    pub(crate) fn is_told(&mut self, from: Option<IpAddr>, now: Duration) -> bool {
        let is_known = self.by_address.contains_key(&from);
        let key = if is_known || self.by_address.len() < ADDRESSES_MAX { from } else { None };
        let begun = Lately { since: now, told: 0, counted: 0 };
        let lately = self.by_address.entry(key).or_insert(begun);
        if lately.told < TOLD_MAX {
            lately.told += 1;
            return true;
        }
        lately.counted += 1;
        false
    }

    /// Forgets the minutes that are over, and returns what was counted in them.
    pub(crate) fn take_over(&mut self, now: Duration) -> Vec<(Option<IpAddr>, u64)> {
        let mut counted = Vec::new();
        self.by_address.retain(|from, lately| {
            let is_over = now.saturating_sub(lately.since) >= WINDOW;
            if is_over && lately.counted > 0 {
                counted.push((*from, lately.counted));
            }
            !is_over
        });
        counted
    }
}
