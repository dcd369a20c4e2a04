//! What a caller asks of the engine and what comes back: parameters, results, errors.
//!
//! An instant query is a range query of one step, with a result of another shape. Times are whole
//! milliseconds. Limits and hooks travel with the query, so that the engine itself has no state.

use std::fmt;
use std::sync::Arc;

use tarn_model::error::{Error, ErrorKind};
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limit;
use tarn_model::sample::Histogram;

/// Why a query must stop before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// It ran for too long.
    Timeout,
    /// Nobody waits for the answer any more.
    Canceled,
}

/// What the engine asks its caller while it runs.
pub trait Hooks: Send + Sync + fmt::Debug {
    /// Returns why the query must stop, if it must. Asked once per series and every
    /// millisecond or so in between, so it must be cheap.
    fn interrupted(&self) -> Option<Interrupt> {
        None
    }

    /// Takes `bytes` from a pool shared with other queries; `false` where it is empty.
    fn reserve(&self, bytes: u64) -> bool {
        let _ = bytes;
        true
    }

    /// Gives back what [`Hooks::reserve`] took.
    fn release(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// Hooks that never interrupt and never refuse.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}

/// What one query may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Samples held in memory at one time, as upstream's `query.max-samples`.
    pub samples_max: u64,
    /// Bytes of all buffers at one time.
    pub memory_bytes_max: u64,
    /// Steps of a range query, as upstream.
    pub points_max: u64,
    /// Series of all selectors together.
    pub series_max: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        let limits = tarn_model::limits::Limits::default();
        Self {
            samples_max: limits.query_samples_max,
            memory_bytes_max: limits.memory_share(limits.query_memory_percent).0,
            points_max: limits.query_points_max,
            series_max: limits.query_series_max,
        }
    }
}

/// Variants of the semantics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryOptions {
    /// Metric names are dropped at the end of the query instead of at once.
    pub delayed_name_removal: bool,
    /// Counter resets are taken from start timestamps too.
    pub use_start_timestamps: bool,
    /// The step of subqueries that name none.
    pub no_step_subquery_interval_ms: i64,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self {
            delayed_name_removal: false,
            use_start_timestamps: false,
            no_step_subquery_interval_ms: 60_000,
        }
    }
}

/// How far an instant selector looks back, unless a query says otherwise.
pub const LOOKBACK_MS: i64 = 300_000;

/// When and how an expression is evaluated.
#[derive(Debug, Clone)]
pub struct QueryParams {
    /// The first step.
    pub start_ms: i64,
    /// The end of the range; the last step lies at or before it.
    pub end_ms: i64,
    /// The distance of steps; 0 makes an instant query at `start_ms`.
    pub step_ms: i64,
    /// How far an instant selector looks back.
    pub lookback_ms: i64,
    /// What the query may use.
    pub limits: QueryLimits,
    /// Variants of the semantics.
    pub options: QueryOptions,
    /// Asked while the query runs.
    pub hooks: Arc<dyn Hooks>,
}

impl QueryParams {
    /// Makes an instant query with default limits and options.
    pub fn instant(time_ms: i64) -> Self {
        Self::range(time_ms, time_ms, 0)
    }

    /// Makes a range query with default limits and options.
    pub fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        Self {
            start_ms,
            end_ms,
            step_ms,
            lookback_ms: LOOKBACK_MS,
            limits: QueryLimits::default(),
            options: QueryOptions::default(),
            hooks: Arc::new(NoHooks),
        }
    }

    /// Returns whether the answer is one point in time.
    pub fn is_instant(&self) -> bool {
        self.step_ms == 0
    }
}

/// The answer to a query.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// What the expression evaluates to.
    pub value: QueryValue,
    /// Remarks on the answer.
    pub annotations: Annotations,
    /// What it took.
    pub stats: QueryStats,
}

/// Remarks on an answer, each text once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// What is probably wrong.
    pub warnings: Vec<String>,
    /// What might surprise.
    pub infos: Vec<String>,
}

/// What a query took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Series that the selectors matched.
    pub series: u64,
    /// Samples that were read.
    pub samples: u64,
    /// The largest number of samples held at one time.
    pub samples_peak: u64,
    /// The largest number of bytes held at one time.
    pub bytes_peak: u64,
}

/// A value of one of the four types.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryValue {
    /// One number; only of instant queries.
    Scalar {
        /// The evaluation time.
        time_ms: i64,
        /// The number.
        value: f64,
    },
    /// Text; only of instant queries.
    String {
        /// The evaluation time.
        time_ms: i64,
        /// The text.
        value: Arc<str>,
    },
    /// One sample per series; only of instant queries.
    Vector {
        /// The samples.
        samples: Vec<VectorSample>,
        /// Their order is part of the answer (`sort`, `topk`).
        ordered: bool,
    },
    /// Points over time, sorted by labels.
    Matrix(Vec<MatrixSeries>),
}

/// A float or a native histogram.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// One element of a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// Labels, as they are shown.
    pub labels: LabelSet,
    /// The evaluation time.
    pub time_ms: i64,
    /// The value.
    pub value: SampleValue,
}

/// One series of a matrix.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MatrixSeries {
    /// Labels, as they are shown.
    pub labels: LabelSet,
    /// Float points in time order.
    pub floats: Vec<(i64, f64)>,
    /// Histogram points in time order.
    pub histograms: Vec<(i64, Arc<Histogram>)>,
}

/// Why a query has no answer.
#[derive(Debug)]
pub enum QueryError {
    /// The request must change before anything is evaluated.
    BadData(String),
    /// The evaluation failed.
    Execution(String),
    /// The query is valid, but this version does not answer it.
    Unsupported(String),
    /// A limit of the query was reached.
    Limit(Limit, String),
    /// It ran for too long.
    Timeout,
    /// Nobody waits for the answer any more.
    Canceled,
    /// Reading failed.
    Source(Error),
}

/// Result with the engine's error.
pub type Result<T> = std::result::Result<T, QueryError>;

impl QueryError {
    /// Returns `errorType` of the HTTP API.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::BadData(_) => "bad_data",
            Self::Execution(_) | Self::Unsupported(_) | Self::Limit(..) => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Source(error) => match error.kind() {
                ErrorKind::Invalid => "bad_data",
                ErrorKind::NotFound => "not_found",
                ErrorKind::LimitExceeded { .. } => "execution",
                ErrorKind::Unavailable { .. } => "unavailable",
                _ => "internal",
            },
        }
    }

    pub(crate) fn execution(message: impl Into<String>) -> Self {
        Self::Execution(message.into())
    }

    /// Says that a construct is not answered for native histograms.
    pub(crate) fn histograms(construct: &str) -> Self {
        Self::Unsupported(format!("native histograms in {construct} are not answered yet"))
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadData(m) | Self::Execution(m) | Self::Unsupported(m) | Self::Limit(_, m) => {
                f.write_str(m)
            }
            Self::Timeout => f.write_str("query timed out in expression evaluation"),
            Self::Canceled => f.write_str("query was canceled in expression evaluation"),
            Self::Source(error) => f.write_str(&error.message()),
        }
    }
}

impl std::error::Error for QueryError {}

impl From<Error> for QueryError {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}
