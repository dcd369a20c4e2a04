//! The shop of `tarn demo`: ten services under way, all three signals of the same requests, and a
//! story in them that can be found.
//!
//! A request of a shopper is simulated call by call ([`visit`]): each call takes its time, may fail,
//! and says something. Spans are what happened, log records what was said, and metrics are counted
//! from the same spans, so that whoever follows an exemplar, a trace id or a pod finds the other side.
//! A visit is a function of the seed, its number and its time alone.
//!
//! - [`story`]: what is deployed when, and what that does; [`services`]: who runs where
//! - [`visit`]: how calls are put together; [`journeys`], [`checkout`]: what shoppers do
//! - [`background`]: what services say without being asked
//! - [`points`]: spans → metrics; [`write`]: all of it as OTLP

pub(crate) mod background;
pub(crate) mod checkout;
pub(crate) mod journeys;
pub(crate) mod points;
pub(crate) mod services;
pub(crate) mod story;
#[cfg(test)]
mod tests;
pub(crate) mod visit;
pub(crate) mod write;
