//! Go's `text/template`, and the contextual escaping of `html/template`: the language in which
//! people write alert texts, notifications and log line formats.
//!
//! The way of a template through these files:
//!
//! 1. `lex` cuts the text into literal text and the tokens of actions, [`parse`] makes a tree
//!    (`node`) of them; every node knows where it was written, errors print it back as Go does.
//! 2. A [`Set`] holds templates by name. [`Set::execute`] walks one of them (`exec`) over a
//!    [`Value`], with the functions that the caller hands in ([`Functions`]) and those of the
//!    language (`builtins`).
//! 3. [`format`](mod@format) is Go's `fmt`: what `print` and `printf` write, and how a value that stands alone
//!    appears.
//! 4. [`html`] follows the HTML that is written and escapes each value for the place where it stands.
//!
//! What always holds:
//! - A template that Go accepts is accepted, and prints the same bytes; one that fails in Go fails
//!   with the same words, so that a search for them finds help.
//! - Nothing that came in as text makes it panic, loop or take memory without bound: depth is limited
//!   while parsing, steps, depth and bytes are limited while executing ([`Limits`]).
//! - It reads no clock and does no I/O. Functions get that from whoever hands them in.
//!
//! What it leaves out: channels, pointers, unsigned and complex arithmetic. No data of ours has them.

mod builtins;
pub mod error;
pub mod escape;
mod exec;
pub mod format;
pub mod fuzz;
pub mod html;
mod lex;
mod node;
pub mod parse;
pub mod value;

pub use crate::error::Error;
pub use crate::exec::{Functions, Limits, MissingKey, Options};
pub use crate::parse::Set;
pub use crate::value::{
    Function, Kind, List, Map, Object, Safe, Signature, Struct, Underlying, Value,
};
