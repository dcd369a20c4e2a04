//! The table of functions: names, argument types, results.
//!
//! The parser looks names up here and checks calls against the row; the evaluator matches on
//! [`Function`]. A function exists for users exactly if it has a row.

use crate::ast::ValueType;
use ValueType::{Matrix, Scalar, String, Vector};

/// How many arguments a function takes beyond its list of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arity {
    /// Exactly one per type.
    Exact,
    /// The last type is optional and may come up to `n` times.
    UpTo(usize),
    /// The last type is optional and may come any number of times.
    Any,
}

/// One function.
#[derive(Debug, PartialEq, Eq)]
pub struct Signature {
    /// What the evaluator matches on.
    pub function: Function,
    /// The name in queries.
    pub name: &'static str,
    /// The types of the arguments.
    pub args: &'static [ValueType],
    /// How often the last argument may come.
    pub arity: Arity,
    /// The type of the result.
    pub returns: ValueType,
    /// Must be enabled.
    pub experimental: bool,
}

impl Signature {
    /// Returns the row of a function name.
    pub fn of(name: &str) -> Option<&'static Self> {
        SIGNATURES.binary_search_by(|row| row.name.cmp(name)).ok().map(|at| &SIGNATURES[at])
    }

    /// Returns how few arguments may be given.
    pub fn args_min(&self) -> usize {
        match self.arity {
            Arity::Exact => self.args.len(),
            Arity::UpTo(_) | Arity::Any => self.args.len() - 1,
        }
    }

    /// Returns how many arguments may be given; `None`: any number.
    pub fn args_max(&self) -> Option<usize> {
        match self.arity {
            Arity::Exact => Some(self.args.len()),
            Arity::UpTo(n) => Some(self.args.len() - 1 + n),
            Arity::Any => None,
        }
    }
}

const STABLE: bool = false;
const EXPERIMENTAL: bool = true;

macro_rules! functions {
    ($($id:ident $name:literal ($($arg:ident),*) $arity:expr, $returns:ident, $experimental:ident;)*) => {
        /// The functions of the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Function {
            $(
                #[doc = concat!("`", $name, "`")]
                $id,
            )*
        }

        /// All functions, sorted by name.
        pub static SIGNATURES: &[Signature] = &[
            $(Signature {
                function: Function::$id,
                name: $name,
                args: &[$($arg),*],
                arity: $arity,
                returns: $returns,
                experimental: $experimental,
            },)*
        ];
    };
}

functions! {
    Abs "abs" (Vector) Arity::Exact, Vector, STABLE;
    Absent "absent" (Vector) Arity::Exact, Vector, STABLE;
    AbsentOverTime "absent_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    Acos "acos" (Vector) Arity::Exact, Vector, STABLE;
    Acosh "acosh" (Vector) Arity::Exact, Vector, STABLE;
    Asin "asin" (Vector) Arity::Exact, Vector, STABLE;
    Asinh "asinh" (Vector) Arity::Exact, Vector, STABLE;
    Atan "atan" (Vector) Arity::Exact, Vector, STABLE;
    Atanh "atanh" (Vector) Arity::Exact, Vector, STABLE;
    AvgOverTime "avg_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    Ceil "ceil" (Vector) Arity::Exact, Vector, STABLE;
    Changes "changes" (Matrix) Arity::Exact, Vector, STABLE;
    Clamp "clamp" (Vector, Scalar, Scalar) Arity::Exact, Vector, STABLE;
    ClampMax "clamp_max" (Vector, Scalar) Arity::Exact, Vector, STABLE;
    ClampMin "clamp_min" (Vector, Scalar) Arity::Exact, Vector, STABLE;
    Cos "cos" (Vector) Arity::Exact, Vector, STABLE;
    Cosh "cosh" (Vector) Arity::Exact, Vector, STABLE;
    CountOverTime "count_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    DayOfMonth "day_of_month" (Vector) Arity::UpTo(1), Vector, STABLE;
    DayOfWeek "day_of_week" (Vector) Arity::UpTo(1), Vector, STABLE;
    DayOfYear "day_of_year" (Vector) Arity::UpTo(1), Vector, STABLE;
    DaysInMonth "days_in_month" (Vector) Arity::UpTo(1), Vector, STABLE;
    Deg "deg" (Vector) Arity::Exact, Vector, STABLE;
    Delta "delta" (Matrix) Arity::Exact, Vector, STABLE;
    Deriv "deriv" (Matrix) Arity::Exact, Vector, STABLE;
    DoubleExponentialSmoothing "double_exponential_smoothing" (Matrix, Scalar, Scalar) Arity::Exact, Vector, EXPERIMENTAL;
    End "end" () Arity::Exact, Scalar, EXPERIMENTAL;
    Exp "exp" (Vector) Arity::Exact, Vector, STABLE;
    FirstOverTime "first_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    Floor "floor" (Vector) Arity::Exact, Vector, STABLE;
    HistogramAvg "histogram_avg" (Vector) Arity::Exact, Vector, STABLE;
    HistogramCount "histogram_count" (Vector) Arity::Exact, Vector, STABLE;
    HistogramFraction "histogram_fraction" (Scalar, Scalar, Vector) Arity::Exact, Vector, STABLE;
    HistogramQuantile "histogram_quantile" (Scalar, Vector) Arity::Exact, Vector, STABLE;
    HistogramQuantiles "histogram_quantiles" (Vector, String, Scalar, Scalar) Arity::UpTo(9), Vector, EXPERIMENTAL;
    HistogramStddev "histogram_stddev" (Vector) Arity::Exact, Vector, STABLE;
    HistogramStdvar "histogram_stdvar" (Vector) Arity::Exact, Vector, STABLE;
    HistogramSum "histogram_sum" (Vector) Arity::Exact, Vector, STABLE;
    Hour "hour" (Vector) Arity::UpTo(1), Vector, STABLE;
    Idelta "idelta" (Matrix) Arity::Exact, Vector, STABLE;
    Increase "increase" (Matrix) Arity::Exact, Vector, STABLE;
    Info "info" (Vector, Vector) Arity::UpTo(1), Vector, EXPERIMENTAL;
    Irate "irate" (Matrix) Arity::Exact, Vector, STABLE;
    LabelJoin "label_join" (Vector, String, String, String) Arity::Any, Vector, STABLE;
    LabelReplace "label_replace" (Vector, String, String, String, String) Arity::Exact, Vector, STABLE;
    LastOverTime "last_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    Ln "ln" (Vector) Arity::Exact, Vector, STABLE;
    Log10 "log10" (Vector) Arity::Exact, Vector, STABLE;
    Log2 "log2" (Vector) Arity::Exact, Vector, STABLE;
    MadOverTime "mad_over_time" (Matrix) Arity::Exact, Vector, EXPERIMENTAL;
    MaxOf "max_of" (Scalar, Scalar) Arity::Exact, Scalar, EXPERIMENTAL;
    MaxOverTime "max_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    MinOf "min_of" (Scalar, Scalar) Arity::Exact, Scalar, EXPERIMENTAL;
    MinOverTime "min_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    Minute "minute" (Vector) Arity::UpTo(1), Vector, STABLE;
    Month "month" (Vector) Arity::UpTo(1), Vector, STABLE;
    Pi "pi" () Arity::Exact, Scalar, STABLE;
    PredictLinear "predict_linear" (Matrix, Scalar) Arity::Exact, Vector, STABLE;
    PresentOverTime "present_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    QuantileOverTime "quantile_over_time" (Scalar, Matrix) Arity::Exact, Vector, STABLE;
    Rad "rad" (Vector) Arity::Exact, Vector, STABLE;
    Range "range" () Arity::Exact, Scalar, EXPERIMENTAL;
    Rate "rate" (Matrix) Arity::Exact, Vector, STABLE;
    Resets "resets" (Matrix) Arity::Exact, Vector, STABLE;
    Round "round" (Vector, Scalar) Arity::UpTo(1), Vector, STABLE;
    Scalar "scalar" (Vector) Arity::Exact, Scalar, STABLE;
    Sgn "sgn" (Vector) Arity::Exact, Vector, STABLE;
    Sin "sin" (Vector) Arity::Exact, Vector, STABLE;
    Sinh "sinh" (Vector) Arity::Exact, Vector, STABLE;
    Sort "sort" (Vector) Arity::Exact, Vector, STABLE;
    SortByLabel "sort_by_label" (Vector, String) Arity::Any, Vector, EXPERIMENTAL;
    SortByLabelDesc "sort_by_label_desc" (Vector, String) Arity::Any, Vector, EXPERIMENTAL;
    SortDesc "sort_desc" (Vector) Arity::Exact, Vector, STABLE;
    Sqrt "sqrt" (Vector) Arity::Exact, Vector, STABLE;
    Start "start" () Arity::Exact, Scalar, EXPERIMENTAL;
    StartTimestamp "start_timestamp" (Vector) Arity::Exact, Vector, EXPERIMENTAL;
    StddevOverTime "stddev_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    StdvarOverTime "stdvar_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    Step "step" () Arity::Exact, Scalar, EXPERIMENTAL;
    SumOverTime "sum_over_time" (Matrix) Arity::Exact, Vector, STABLE;
    Tan "tan" (Vector) Arity::Exact, Vector, STABLE;
    Tanh "tanh" (Vector) Arity::Exact, Vector, STABLE;
    Time "time" () Arity::Exact, Scalar, STABLE;
    Timestamp "timestamp" (Vector) Arity::Exact, Vector, STABLE;
    TsOfFirstOverTime "ts_of_first_over_time" (Matrix) Arity::Exact, Vector, EXPERIMENTAL;
    TsOfLastOverTime "ts_of_last_over_time" (Matrix) Arity::Exact, Vector, EXPERIMENTAL;
    TsOfMaxOverTime "ts_of_max_over_time" (Matrix) Arity::Exact, Vector, EXPERIMENTAL;
    TsOfMinOverTime "ts_of_min_over_time" (Matrix) Arity::Exact, Vector, EXPERIMENTAL;
    Vector "vector" (Scalar) Arity::Exact, Vector, STABLE;
    Year "year" (Vector) Arity::UpTo(1), Vector, STABLE;
}

#[cfg(test)]
mod tests;
