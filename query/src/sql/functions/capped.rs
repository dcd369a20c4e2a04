//! Functions that make much out of little, each with a cap on what one call may return.
//!
//! The size is computed from the arguments before the function runs. One call is a batch of rows, or
//! a constant. Constants have a much smaller cap: what is constant is repeated for every row of a
//! batch as soon as it stands beside a column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, LargeStringArray};
use arrow_schema::{DataType, FieldRef};
use datafusion::arrow::compute::cast;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use crate::sql::error::limit;

/// Bytes that one call may return for a batch of rows: 8 KiB for each of 8,192.
pub(crate) const BATCH_BYTES: u64 = 64 << 20;

/// Bytes of a constant: 8,192 rows of it are 128 MiB.
pub(crate) const CONSTANT_BYTES: u64 = 16 << 10;

/// How the size of a function's result follows from its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cap {
    /// `f(text, n)`: the text n times.
    Times,
    /// `f(text, n, …)`: n characters.
    Width,
    /// `f(text, from, to)`: every byte may become `to`.
    Replace,
    /// All arguments behind one another.
    Sum,
    /// `f(start, stop, step)`: a list of numbers.
    Series,
    /// `f(value, n)`: a list of n values.
    Items,
}

impl Cap {
    /// Returns the cap that belongs to a function.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "repeat" => Self::Times,
            "lpad" | "rpad" => Self::Width,
            "replace" | "regexp_replace" => Self::Replace,
            "concat" | "concat_ws" | "make_array" | "overlay" => Self::Sum,
            "generate_series" | "range" => Self::Series,
            "array_repeat" => Self::Items,
            _ => return None,
        })
    }

    /// Returns what a call would return, in bytes.
    fn bytes(self, args: &[ArrayRef]) -> Result<u64> {
        match self {
            Self::Times => {
                let (texts, counts) = (lengths(args, 0)?, integers(args, 1)?);
                Ok(sum(texts.iter().zip(counts).map(|(len, n)| len.saturating_mul(positive(n)))))
            }
            Self::Width => {
                let widths = integers(args, 1)?;
                // A character has up to four bytes.
                Ok(sum(widths.into_iter().map(|n| positive(n).saturating_mul(4))))
            }
            Self::Replace => {
                let (texts, to) = (lengths(args, 0)?, lengths(args, 2)?);
                let row = |(len, to): (&u64, &u64)| (len + 1).saturating_mul((*to).max(1));
                // Twice: `to` may refer to groups, whose texts do not overlap.
                Ok(sum(texts.iter().zip(&to).map(row)).saturating_mul(2))
            }
            Self::Sum => Ok(args.iter().map(|a| a.get_array_memory_size() as u64).sum()),
            Self::Series => series_bytes(args),
            Self::Items => {
                let Some(item) = args.first() else { return Ok(0) };
                let rows = item.len().max(1) as u64;
                let bytes = item.get_array_memory_size() as u64 / rows + 8;
                let counts = integers(args, 1)?;
                Ok(sum(counts.into_iter().map(|n| positive(n).saturating_mul(bytes))))
            }
        }
    }
}

fn series_bytes(args: &[ArrayRef]) -> Result<u64> {
    if args.iter().any(|a| !a.data_type().is_integer() && *a.data_type() != DataType::Null) {
        return Err(limit("a series is made of integers here; cast times to numbers"));
    }
    let last = integers(args, if args.len() == 1 { 0 } else { 1 })?;
    let first = if args.len() == 1 { vec![0; last.len()] } else { integers(args, 0)? };
    let step = if args.len() > 2 { integers(args, 2)? } else { vec![1; last.len()] };
    let row = |((first, last), step): ((&i64, &i64), &i64)| {
        (first.abs_diff(*last) / step.unsigned_abs().max(1) + 1).saturating_mul(8)
    };
    Ok(sum(first.iter().zip(&last).zip(&step).map(row)))
}

fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::saturating_add)
}

fn positive(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// Returns the byte length of each text.
fn lengths(args: &[ArrayRef], at: usize) -> Result<Vec<u64>> {
    let Some(array) = args.get(at) else { return Ok(Vec::new()) };
    let texts = cast(array, &DataType::LargeUtf8)?;
    let texts: &LargeStringArray = texts.as_string();
    Ok(texts.iter().map(|t| t.map_or(0, |t| t.len() as u64)).collect())
}

fn integers(args: &[ArrayRef], at: usize) -> Result<Vec<i64>> {
    let Some(array) = args.get(at) else { return Ok(Vec::new()) };
    let numbers = cast(array, &DataType::Int64)?;
    Ok(numbers.as_primitive::<Int64Type>().iter().map(|n| n.unwrap_or(0)).collect())
}

/// Fails where a call would return more than it may.
pub(crate) fn check(name: &str, cap: Cap, args: &ScalarFunctionArgs) -> Result<()> {
    let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
    let arrays = ColumnarValue::values_to_arrays(&args.args)?;
    let bytes = cap.bytes(&arrays)?;
    let max =
        if constant { CONSTANT_BYTES.max(constant_slack(cap, &args.args)) } else { BATCH_BYTES };
    if bytes > max {
        let what = if constant { "a constant" } else { "a batch of rows" };
        return Err(limit(format!("{name} would make {bytes} bytes, limit for {what} is {max}")));
    }
    Ok(())
}

/// Series are unnested rather than repeated: 10,000 numbers are a day in steps of 10 s. The sizes of
/// constants that are put together count their buffers, which are larger than what is in them.
fn constant_slack(cap: Cap, args: &[ColumnarValue]) -> u64 {
    match cap {
        Cap::Series => 80 << 10,
        Cap::Sum => CONSTANT_BYTES + 256 * args.len() as u64,
        _ => 0,
    }
}

/// A function with a cap on its result.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Capped {
    inner: Arc<ScalarUDF>,
    cap: Cap,
}

impl Capped {
    pub(crate) fn new(inner: Arc<ScalarUDF>, cap: Cap) -> Self {
        Self { inner, cap }
    }
}

impl ScalarUDFImpl for Capped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check(self.name(), self.cap, &args)?;
        self.inner.invoke_with_args(args)
    }
}
