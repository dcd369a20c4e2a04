//! The PromQL language core.

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
