//! One file per protocol: from a request to its reply.

pub mod remote_write;
