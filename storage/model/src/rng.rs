//! The only source of chance below the binary, so that a simulation can seed it.

/// A stream of random bits. Not for secrets.
pub trait Rng: Send + Sync + std::fmt::Debug {
    /// Returns 64 random bits.
    fn next_u64(&self) -> u64;

    /// Returns 128 random bits.
    fn next_u128(&self) -> u128 {
        (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64())
    }
}
