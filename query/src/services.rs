//! Services, as their spans and logs show them.
//!
//! Rates, errors and durations come from the series that ingest makes of all spans
//! (`traces_spanmetrics_*`, `traces_service_graph_*`), asked with PromQL like any other client would:
//! they are exact whatever is sampled away, and cheap over months. What series do not tell (versions,
//! instances, messages of errors, who only logs) is read from stored rows, newest first, up to a
//! number of rows that keeps a page quick; an answer that stopped there says so.
//!
//! - [`window`]: the range and its steps; [`ask`]: PromQL from inside
//! - [`red`]: rates, errors and durations; [`edges`]: who calls whom
//! - [`rows`]: resources, and who logs; [`errors`]: what fails
//!
//! A service is measured by its *entry spans*, those of kind server or consumer: what it is asked
//! to do. One that has none, as a batch job, is measured by all its spans.

pub(crate) mod ask;
pub(crate) mod edges;
pub(crate) mod errors;
pub(crate) mod red;
pub(crate) mod rows;
pub(crate) mod window;

/// Services of one answer at most: more than a person scrolls through, and bounds the reply.
pub(crate) const SERVICES_MAX: usize = 500;
