//! Tarn's own API of who may do what.

pub(super) mod keys;
