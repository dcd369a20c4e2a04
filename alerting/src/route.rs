//! Which alert goes to whom, with which others, and when. Pure.
//!
//! [`config`] reads an `alertmanager.yml`. [`Dispatcher`] is the state machine over it: it is told of
//! alerts and of the time, and says what is to be sent ([`Flush`]) and what must be remembered
//! ([`Record`]); replaying all records gives the same state again. It reads no clock: whoever owns
//! it asks [`Dispatcher::next_due_ms`] and calls [`Dispatcher::advance`] then.
//!
//! An alert walks down the [`tree`] of routes, joins one [`group`] per route it ends in, and waits
//! there. When a group is due, [`inhibit`], [`interval`] and [`silence`] take out who shall not be
//! heard, and [`dedup`] compares the rest with what each integration was told last. [`keys`] are the
//! names under which receivers know groups, [`matchers`] the text form of conditions.

pub mod config;
pub mod dedup;
mod dispatch;
mod flush;
pub mod group;
pub mod inhibit;
pub mod interval;
pub mod keys;
pub mod matchers;
mod record;
pub mod silence;
pub mod tree;

pub use self::config::Config;
pub use self::dispatch::{
    Advanced, AlertFilter, AlertState, AlertStatus, AlertView, DispatchOptions, Dispatcher,
    GroupView, SilenceRefused,
};
pub use self::flush::{Flush, NEVER_MS, Reason};
pub use self::record::Record;
pub use self::silence::{Silence, SilenceState};
