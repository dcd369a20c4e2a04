//! The functions of SQL: which ones there are.
//!
//! DataFusion registers everything it has; here a function exists because a list names it. Three
//! kinds are let in: those whose output is not larger than their input, or a number
//! ([`SCALARS`]); those that can make much out of little, with a cap inside ([`capped`]; constant
//! folding runs functions while a query is planned, so a check outside would come too late); and
//! our own ([`own`], [`json`]).
//!
//! Operators and literals reach functions without the registry. [`planner`] stands in front of
//! DataFusion's own expression planners and puts the capped ones in their places.

pub(crate) mod capped;
pub(crate) mod concat;
pub(crate) mod json;
pub(crate) mod own;
pub(crate) mod planner;

use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

pub(crate) use self::own::parse_hex;

/// Scalar functions that are let in as they are.
#[rustfmt::skip]
pub(crate) const SCALARS: &[&str] = &[
    // conditions
    "coalesce", "nullif", "nvl", "nvl2", "greatest", "least",
    // types
    "arrow_typeof", "arrow_cast", "arrow_try_cast",
    // numbers
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "cos",
    "cosh", "cot", "degrees", "exp", "factorial", "floor", "gcd", "isnan", "iszero", "lcm", "ln",
    "log", "log10", "log2", "nanvl", "pi", "power", "radians", "random", "round", "signum", "sin",
    "sinh", "sqrt", "tan", "tanh", "trunc",
    // times
    "now", "current_date", "current_time", "date_part", "date_trunc", "from_unixtime", "make_date",
    "to_char", "to_date", "to_local_time", "to_timestamp", "to_timestamp_micros",
    "to_timestamp_millis", "to_timestamp_nanos", "to_timestamp_seconds", "to_unixtime",
    // texts
    "ascii", "bit_length", "btrim", "character_length", "chr", "contains", "ends_with",
    "find_in_set", "initcap", "left", "levenshtein", "lower", "ltrim", "octet_length", "reverse",
    "right", "rtrim", "split_part", "starts_with", "strpos", "substr", "substr_index", "to_hex",
    "translate", "upper", "uuid", "encode", "decode",
    // patterns; guard wants their pattern as a literal of bounded size
    "regexp_count", "regexp_instr", "regexp_like", "regexp_match",
    // lists and maps
    "array_element", "array_has", "array_has_all", "array_has_any", "array_length", "array_max",
    "array_min", "array_position", "array_to_string", "cardinality", "empty", "get_field",
    "map_entries", "map_extract", "map_keys", "map_values", "string_to_array",
];

/// Aggregate functions. What they hold is charged to the query's memory.
#[rustfmt::skip]
pub(crate) const AGGREGATES: &[&str] = &[
    "any_value", "approx_distinct", "approx_median", "approx_percentile_cont",
    "approx_percentile_cont_with_weight", "array_agg", "avg", "bit_and", "bit_or", "bit_xor",
    "bool_and", "bool_or", "corr", "count", "covar_pop", "covar_samp", "first_value", "grouping",
    "last_value", "max", "median", "min", "nth_value", "percentile_cont", "regr_avgx", "regr_avgy",
    "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy",
    "stddev", "stddev_pop", "string_agg", "sum", "var", "var_pop",
];

/// Returns the scalar functions.
pub(crate) fn scalars() -> Vec<Arc<ScalarUDF>> {
    let mut functions = Vec::new();
    for function in SessionStateDefaults::default_scalar_functions() {
        if function.name() == "date_bin" {
            functions.push(Arc::new(function.as_ref().clone().with_aliases(["time_bucket"])));
        } else if SCALARS.contains(&function.name()) {
            functions.push(function);
        } else if let Some(cap) = capped::Cap::of(function.name()) {
            functions.push(Arc::new(ScalarUDF::from(capped::Capped::new(function, cap))));
        }
    }
    functions.extend(own::all());
    functions.push(concat::udf());
    functions.push(json::udf(json::Source::Resource));
    functions.push(json::udf(json::Source::Scope));
    functions
}

/// Returns the aggregate functions.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let all = SessionStateDefaults::default_aggregate_functions();
    all.into_iter().filter(|f| AGGREGATES.contains(&f.name())).collect()
}

/// Returns the window functions: all of them, none makes more than one value per row.
pub(crate) fn windows() -> Vec<Arc<WindowUDF>> {
    SessionStateDefaults::default_window_functions()
}

/// Returns whether a scalar function in a plan is one of ours: the name is let in, and where a cap
/// belongs to it, the cap is there.
pub(crate) fn is_allowed(function: &ScalarUDF) -> bool {
    let name = function.name();
    if capped::Cap::of(name).is_some() {
        return function.inner().is::<capped::Capped>();
    }
    SCALARS.contains(&name)
        || name == "date_bin"
        || name == concat::NAME
        || own::NAMES.contains(&name)
        || json::Source::ALL.iter().any(|s| s.function() == name)
}

#[cfg(test)]
mod tests;
