//! One file per protocol: from a request to its reply.

pub mod grpc;
pub mod otlp;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod remote_write;
