//! The HTTP API, request by request, over a real store in a temporary folder.

mod hostile;
mod names;
mod queries;
mod support;
