//! The only builder of HTTP clients, and the only judge of addresses.
