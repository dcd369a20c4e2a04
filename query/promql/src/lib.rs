//! PromQL: from the text of a query to series, exactly as Prometheus 3.14 answers it.
//!
//! The way of a query through these files:
//!
//! 1. `lex` cuts the text into tokens, [`parse`] makes a tree ([`ast`]) of them, and `check`
//!    proves its types. Every node knows where it was written; [`print`] writes the tree back.
//! 2. [`eval`] takes the tree and [`query::QueryParams`]. `plan` decides for each node at which
//!    steps it is evaluated and collects what must be read.
//! 3. [`source`] is asked once for all selectors together, so that a query sees one view of the data
//!    (VIS-2). It answers with labels first, then with slices of samples, series by series.
//! 4. `exec` turns the plan into operators. They stream series and vectorise steps: an operator tells
//!    the labels of its series, then yields one step vector per series. Windows over the same times
//!    are computed once; aggregations add into their groups; joins hold one side.
//! 5. [`functions`] holds what is computed: signatures, and the kernels over windows, samples, labels
//!    and buckets. `histogram` has the arithmetic of native histograms.
//! 6. [`query::QueryResult`] is the answer.
//!
//! [`script`] runs test scripts in Prometheus' own language against all of it, and [`notation`] is
//! the series notation in them, which tests of rules use too.
//!
//! What always holds:
//! - Awaits happen only on the source; kernels are plain loops. There is no runtime in here.
//! - Nothing that came in as text makes it panic, loop or take memory without bound: text and depth
//!   are limited before the tree exists, buffers are counted against the query's budget before they
//!   grow, and every series that is pulled asks whether the query must stop, as does every
//!   65 536th sample that a kernel looks at.
//! - `rate`, `increase` and `delta` are bit-exact, sums are compensated; results do not depend on
//!   how samples are cut into slices.
//! - What is not answered yet (`info`, `anchored` and `smoothed`) is an error that says so, never a
//!   wrong number.
//!
//! What it deliberately leaves out: HTTP and JSON, limits on the number of queries, caching, and
//! storage: `tarn-query` does these, and reads through [`source::Source`]. Annotations say what was
//! left out and why, but not yet where in the text.

pub mod ast;
mod check;
mod exec;
pub mod functions;
pub mod fuzz;
mod histogram;
mod lex;
pub mod notation;
pub mod parse;
mod plan;
pub mod print;
pub mod query;
pub mod script;
pub mod source;

pub use exec::eval;
