//! Notifications on their way out: durable, retried, never dropped in silence.
//!
//! A flush of [`crate::route`] becomes an [`Intent`], which [`crate::store`] makes durable together
//! with the decision; then the [`Outbox`] is told. Its core, the [`queue`], is pure: which intent
//! goes next, when, and what follows from an answer. Per receiver, integration and group only the
//! newest state goes out. The shell hands what is due to a receiver ([`slack`], [`pagerduty`],
//! [`email`], [`webhook`]) over [`crate::egress`], and tells the core how it went.
//!
//! What became of an intent is a [`Record`] for the [`Ledger`], which may write it lazily: a record
//! that is lost can only cause a second sending, under the same handle for the receiver to know it
//! by. Whatever was given up stays as a dead letter until it is sent again or pushed out.

pub mod backoff;
pub mod breaker;
pub mod delivery;
pub mod email;
mod endpoint;
mod intent;
pub mod limiter;
mod metrics;
pub mod outbox;
pub mod outcome;
pub mod pagerduty;
pub mod queue;
mod record;
pub mod render;
pub mod sender;
pub mod slack;
pub mod webhook;

pub use self::delivery::{Attempt, DeadLetter, Delivery, DeliveryState};
pub use self::intent::{DeliveryId, Intent, Key, Target, Urgency};
pub use self::outbox::{Outbox, OutboxOptions, Parts};
pub use self::outcome::{MessageRef, Outcome};
pub use self::record::{Ledger, Reason, Record};
pub use self::render::Render;
