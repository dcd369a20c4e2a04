//! Functions: their signatures, and the kernels behind them.

pub mod signature;
