//! The PromQL language core.

pub mod ast;
mod check;
pub mod functions;
mod lex;
pub mod notation;
pub mod parse;
pub mod print;
pub mod query;
pub mod source;
