//! Functions: their signatures, and the kernels behind them.

pub(crate) mod buckets;
pub(crate) mod label;
pub(crate) mod math;
pub(crate) mod mixed;
pub(crate) mod native;
pub(crate) mod native_quantile;
pub(crate) mod native_rate;
pub(crate) mod native_sum;
pub(crate) mod native_trim;
pub(crate) mod number;
pub(crate) mod over_time;
pub(crate) mod quantile;
pub(crate) mod range;
pub(crate) mod rate;
pub(crate) mod regression;
pub mod signature;
pub(crate) mod starts;
pub(crate) mod sum;
pub(crate) mod time;

pub use native_quantile::fraction as histogram_fraction;
pub use native_quantile::quantile as histogram_quantile;

use tarn_model::sample::Histogram;

/// Adds two native histograms, as `sum` does; `None` where one has exponential buckets and the other
/// custom ones.
pub fn histogram_sum(a: &Histogram, b: &Histogram) -> Option<Histogram> {
    crate::histogram::add(a, b).ok().map(|combined| combined.histogram)
}
