//! Rules evaluated as rows arrive.
