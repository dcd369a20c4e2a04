//! The table of functions: names, argument types, results.
//!
//! The parser looks names up here and checks calls against the row; the evaluator matches on
//! [`Function`]. A function exists for users exactly if it has a row.

use crate::ast::ValueType;
use Arity::{Any, Exact, UpTo};
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
            Exact => self.args.len(),
            UpTo(_) | Any => self.args.len() - 1,
        }
    }

    /// Returns how many arguments may be given; `None`: any number.
    pub fn args_max(&self) -> Option<usize> {
        match self.arity {
            Exact => Some(self.args.len()),
            UpTo(n) => Some(self.args.len() - 1 + n),
            Any => None,
        }
    }
}

const STABLE: bool = false;
const TRIAL: bool = true;

macro_rules! functions {
    ($(
        $id:ident $name:literal ($($arg:ident),*) $arity:expr, $returns:ident, $experimental:ident;
    )*) => {
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
    Abs "abs" (Vector) Exact, Vector, STABLE;
    Absent "absent" (Vector) Exact, Vector, STABLE;
    AbsentOverTime "absent_over_time" (Matrix) Exact, Vector, STABLE;
    Acos "acos" (Vector) Exact, Vector, STABLE;
    Acosh "acosh" (Vector) Exact, Vector, STABLE;
    Asin "asin" (Vector) Exact, Vector, STABLE;
    Asinh "asinh" (Vector) Exact, Vector, STABLE;
    Atan "atan" (Vector) Exact, Vector, STABLE;
    Atanh "atanh" (Vector) Exact, Vector, STABLE;
    AvgOverTime "avg_over_time" (Matrix) Exact, Vector, STABLE;
    Ceil "ceil" (Vector) Exact, Vector, STABLE;
    Changes "changes" (Matrix) Exact, Vector, STABLE;
    Clamp "clamp" (Vector, Scalar, Scalar) Exact, Vector, STABLE;
    ClampMax "clamp_max" (Vector, Scalar) Exact, Vector, STABLE;
    ClampMin "clamp_min" (Vector, Scalar) Exact, Vector, STABLE;
    Cos "cos" (Vector) Exact, Vector, STABLE;
    Cosh "cosh" (Vector) Exact, Vector, STABLE;
    CountOverTime "count_over_time" (Matrix) Exact, Vector, STABLE;
    DayOfMonth "day_of_month" (Vector) UpTo(1), Vector, STABLE;
    DayOfWeek "day_of_week" (Vector) UpTo(1), Vector, STABLE;
    DayOfYear "day_of_year" (Vector) UpTo(1), Vector, STABLE;
    DaysInMonth "days_in_month" (Vector) UpTo(1), Vector, STABLE;
    Deg "deg" (Vector) Exact, Vector, STABLE;
    Delta "delta" (Matrix) Exact, Vector, STABLE;
    Deriv "deriv" (Matrix) Exact, Vector, STABLE;
    DoubleExponentialSmoothing "double_exponential_smoothing" (Matrix, Scalar, Scalar)
        Exact, Vector, TRIAL;
    End "end" () Exact, Scalar, TRIAL;
    Exp "exp" (Vector) Exact, Vector, STABLE;
    FirstOverTime "first_over_time" (Matrix) Exact, Vector, STABLE;
    Floor "floor" (Vector) Exact, Vector, STABLE;
    HistogramAvg "histogram_avg" (Vector) Exact, Vector, STABLE;
    HistogramCount "histogram_count" (Vector) Exact, Vector, STABLE;
    HistogramFraction "histogram_fraction" (Scalar, Scalar, Vector) Exact, Vector, STABLE;
    HistogramQuantile "histogram_quantile" (Scalar, Vector) Exact, Vector, STABLE;
    HistogramQuantiles "histogram_quantiles" (Vector, String, Scalar, Scalar) UpTo(9), Vector, TRIAL;
    HistogramStddev "histogram_stddev" (Vector) Exact, Vector, STABLE;
    HistogramStdvar "histogram_stdvar" (Vector) Exact, Vector, STABLE;
    HistogramSum "histogram_sum" (Vector) Exact, Vector, STABLE;
    Hour "hour" (Vector) UpTo(1), Vector, STABLE;
    Idelta "idelta" (Matrix) Exact, Vector, STABLE;
    Increase "increase" (Matrix) Exact, Vector, STABLE;
    Info "info" (Vector, Vector) UpTo(1), Vector, TRIAL;
    Irate "irate" (Matrix) Exact, Vector, STABLE;
    LabelJoin "label_join" (Vector, String, String, String) Any, Vector, STABLE;
    LabelReplace "label_replace" (Vector, String, String, String, String) Exact, Vector, STABLE;
    LastOverTime "last_over_time" (Matrix) Exact, Vector, STABLE;
    Ln "ln" (Vector) Exact, Vector, STABLE;
    Log10 "log10" (Vector) Exact, Vector, STABLE;
    Log2 "log2" (Vector) Exact, Vector, STABLE;
    MadOverTime "mad_over_time" (Matrix) Exact, Vector, TRIAL;
    MaxOf "max_of" (Scalar, Scalar) Exact, Scalar, TRIAL;
    MaxOverTime "max_over_time" (Matrix) Exact, Vector, STABLE;
    MinOf "min_of" (Scalar, Scalar) Exact, Scalar, TRIAL;
    MinOverTime "min_over_time" (Matrix) Exact, Vector, STABLE;
    Minute "minute" (Vector) UpTo(1), Vector, STABLE;
    Month "month" (Vector) UpTo(1), Vector, STABLE;
    Pi "pi" () Exact, Scalar, STABLE;
    PredictLinear "predict_linear" (Matrix, Scalar) Exact, Vector, STABLE;
    PresentOverTime "present_over_time" (Matrix) Exact, Vector, STABLE;
    QuantileOverTime "quantile_over_time" (Scalar, Matrix) Exact, Vector, STABLE;
    Rad "rad" (Vector) Exact, Vector, STABLE;
    Range "range" () Exact, Scalar, TRIAL;
    Rate "rate" (Matrix) Exact, Vector, STABLE;
    Resets "resets" (Matrix) Exact, Vector, STABLE;
    Round "round" (Vector, Scalar) UpTo(1), Vector, STABLE;
    Scalar "scalar" (Vector) Exact, Scalar, STABLE;
    Sgn "sgn" (Vector) Exact, Vector, STABLE;
    Sin "sin" (Vector) Exact, Vector, STABLE;
    Sinh "sinh" (Vector) Exact, Vector, STABLE;
    Sort "sort" (Vector) Exact, Vector, STABLE;
    SortByLabel "sort_by_label" (Vector, String) Any, Vector, TRIAL;
    SortByLabelDesc "sort_by_label_desc" (Vector, String) Any, Vector, TRIAL;
    SortDesc "sort_desc" (Vector) Exact, Vector, STABLE;
    Sqrt "sqrt" (Vector) Exact, Vector, STABLE;
    Start "start" () Exact, Scalar, TRIAL;
    StartTimestamp "start_timestamp" (Vector) Exact, Vector, TRIAL;
    StddevOverTime "stddev_over_time" (Matrix) Exact, Vector, STABLE;
    StdvarOverTime "stdvar_over_time" (Matrix) Exact, Vector, STABLE;
    Step "step" () Exact, Scalar, TRIAL;
    SumOverTime "sum_over_time" (Matrix) Exact, Vector, STABLE;
    Tan "tan" (Vector) Exact, Vector, STABLE;
    Tanh "tanh" (Vector) Exact, Vector, STABLE;
    Time "time" () Exact, Scalar, STABLE;
    Timestamp "timestamp" (Vector) Exact, Vector, STABLE;
    TsOfFirstOverTime "ts_of_first_over_time" (Matrix) Exact, Vector, TRIAL;
    TsOfLastOverTime "ts_of_last_over_time" (Matrix) Exact, Vector, TRIAL;
    TsOfMaxOverTime "ts_of_max_over_time" (Matrix) Exact, Vector, TRIAL;
    TsOfMinOverTime "ts_of_min_over_time" (Matrix) Exact, Vector, TRIAL;
    Vector "vector" (Scalar) Exact, Vector, STABLE;
    Year "year" (Vector) UpTo(1), Vector, STABLE;
}

#[cfg(test)]
mod tests;
