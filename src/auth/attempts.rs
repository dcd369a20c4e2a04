//! How often somebody may guess: waits that double, per name and address, per address, and per name.
//!
//! - A **name from an address** may be wrong [`PAIR`]`.free` times, then waits: somebody who guesses one
//!   password after the other gets four an hour.
//! - An **address** may be wrong more often, whatever names it says: many people share one.
//! - A **name** is slowed a little where many addresses guess it, but never for long, and not at all
//!   from addresses from which it has logged in before: nobody can lock somebody else out.
//!
//! An attempt counts when it begins, so that many at once gain nothing; a success takes it back. Names
//! that nobody has are counted like all others: the answer says nothing about who exists. All maps are
//! bounded; where one is full those go that have guessed least.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::map::HashMap;

/// How long waits of one kind are.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    /// So many wrong ones are for nothing: people mistype.
    free: u32,
    /// The wait after the first one beyond; it doubles.
    first: Duration,
    longest: Duration,
    /// When wrong ones are forgotten.
    forget: Duration,
}

const PAIR: Schedule = Schedule {
    free: 5,
    first: Duration::from_secs(2),
    longest: Duration::from_secs(15 * 60),
    forget: Duration::from_secs(24 * 3600),
};
const ADDRESS: Schedule = Schedule {
    free: 30,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(5 * 60),
    forget: Duration::from_secs(3600),
};
const NAME: Schedule = Schedule {
    free: 50,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
    forget: Duration::from_secs(24 * 3600),
};
/// Entries of each map: some 2 MB of all together.
const ENTRIES_MAX: usize = 10_000;
/// How long an address from which somebody has logged in is known.
const FRIEND: Duration = Duration::from_secs(30 * 24 * 3600);

/// Who has been wrong how often. Times are those of the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    pairs: HashMap<(String, Address), Wrong>,
    addresses: HashMap<Address, Wrong>,
    names: HashMap<String, Wrong>,
    /// When a name last logged in from an address.
    friends: HashMap<(String, Address), Duration>,
}

/// An address as far as it says who somebody is: of IPv6 everybody has at least a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Address(IpAddr);

#[derive(Debug, Clone, Copy, Default)]
struct Wrong {
    count: u32,
    last: Duration,
    until: Duration,
}

impl Wrong {
    fn wait(&self, now: Duration) -> Option<Duration> {
        (self.until > now).then(|| self.until.saturating_sub(now))
    }

    fn count(&mut self, schedule: Schedule, now: Duration) {
        if now.saturating_sub(self.last) > schedule.forget {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        if let Some(beyond) = self.count.checked_sub(schedule.free) {
            let doubled = schedule.first.saturating_mul(1 << beyond.min(16));
            self.until = now + doubled.min(schedule.longest);
        }
    }

    fn take_back(&mut self, now: Duration) {
        self.count = self.count.saturating_sub(1);
        self.until = self.until.min(now);
    }
}

impl Attempts {
    /// Counts an attempt that begins.
    ///
    /// # Errors
    /// How long to wait, where it may not begin.
    pub(crate) fn begin(&self, name: &str, ip: IpAddr, now: Duration) -> Result<(), Duration> {
        let address = Address::of(ip);
        let pair = (name.to_owned(), address);
        let mut maps = self.0.lock();
        let is_friend = maps.friends.get(&pair).is_some_and(|at| now.saturating_sub(*at) < FRIEND);
        let waits = [
            maps.pairs.get(&pair).and_then(|wrong| wrong.wait(now)),
            maps.addresses.get(&address).and_then(|wrong| wrong.wait(now)),
            maps.names.get(name).filter(|_| !is_friend).and_then(|wrong| wrong.wait(now)),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        counted(&mut maps.pairs, pair).count(PAIR, now);
        counted(&mut maps.addresses, address).count(ADDRESS, now);
        if !is_friend {
            counted(&mut maps.names, name.to_owned()).count(NAME, now);
        }
        Ok(())
    }

    /// Takes back an attempt that was right, and forgets what was wrong from there.
    pub(crate) fn succeeded(&self, name: &str, ip: IpAddr, now: Duration) {
        self.never_was(name, ip, now);
        let address = Address::of(ip);
        let mut maps = self.0.lock();
        maps.pairs.remove(&(name.to_owned(), address));
        if maps.friends.len() >= ENTRIES_MAX {
            let mut times: Vec<Duration> = maps.friends.values().copied().collect();
            let (_, middle, _) = times.select_nth_unstable(ENTRIES_MAX / 2);
            let middle = *middle;
            maps.friends.retain(|_, at| *at > middle);
        }
        maps.friends.insert((name.to_owned(), address), now);
    }

    /// Takes back an attempt of which nobody knows whether it was right.
    pub(crate) fn never_was(&self, name: &str, ip: IpAddr, now: Duration) {
        let address = Address::of(ip);
        let mut maps = self.0.lock();
        if let Some(wrong) = maps.pairs.get_mut(&(name.to_owned(), address)) {
            wrong.take_back(now);
        }
        if let Some(wrong) = maps.addresses.get_mut(&address) {
            wrong.take_back(now);
        }
        if let Some(wrong) = maps.names.get_mut(name) {
            wrong.take_back(now);
        }
    }

    /// Returns how long the longest wait of a name is, from whatever address.
    pub(crate) fn locked(&self, name: &str, now: Duration) -> Option<Duration> {
        let maps = self.0.lock();
        let pairs = maps.pairs.iter().filter(|((own, _), _)| own == name);
        let waits = pairs.map(|(_, wrong)| wrong).chain(maps.names.get(name));
        waits.filter_map(|wrong| wrong.wait(now)).max()
    }
}

impl Address {
    fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Returns the entry of a key. Where the map is full, half of it goes: those that were wrong least, and
/// of them the oldest.
fn counted<K: Eq + Hash>(map: &mut HashMap<K, Wrong>, key: K) -> &mut Wrong {
    if map.len() >= ENTRIES_MAX && !map.contains_key(&key) {
        let mut ranks: Vec<_> = map.values().map(|wrong| (wrong.count, wrong.last)).collect();
        let (_, middle, _) = ranks.select_nth_unstable(ENTRIES_MAX / 2);
        let middle = *middle;
        map.retain(|_, wrong| (wrong.count, wrong.last) > middle);
    }
    map.entry(key).or_default()
}

#[cfg(test)]
mod tests;
