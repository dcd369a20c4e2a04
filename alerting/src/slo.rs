//! Service level objectives: specification, burn rules, ledger.
//!
//! An objective says which share of events must be good over a period. From its file
//! ([`spec`], [`sloth`]) to a page:
//!
//! 1. [`ledger`] counts good and valid events of every objective as rows become durable, in two
//!    counters per group, `tarn:slo_good_total` and `tarn:slo_valid_total`;
//! 2. the share of bad events in any window is then the difference of two points of them, exact and
//!    weighted by events, whatever the window: [`compile`] writes the rules that look at it;
//! 3. [`burn`] has the windows and factors, and the arithmetic of budgets;
//! 4. [`budget`] is what people see of it.
//!
//! Rules of objectives are ordinary rules, in the format of rule files: they can be printed, tested
//! and silenced like any other.

pub mod budget;
pub mod burn;
pub mod compile;
pub mod ledger;
pub mod spec;

mod sloth;

pub use self::spec::{Objective, parse};
