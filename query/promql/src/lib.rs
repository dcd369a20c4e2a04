//! The PromQL language core.

pub mod ast;
pub mod functions;
pub mod source;
