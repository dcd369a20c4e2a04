//! Functions that DataFusion does not have: ids as hexadecimal text, and back.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// What they are called.
pub(crate) const NAMES: [&str; 2] = ["hex", "unhex"];

/// Returns the functions.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    let signature = || Signature::user_defined(Volatility::Immutable);
    vec![
        Arc::new(ScalarUDF::from(Hex { signature: signature() })),
        Arc::new(ScalarUDF::from(Unhex { signature: signature() })),
    ]
}

/// Returns the bytes of hexadecimal text, in any case.
pub(crate) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let pair = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

/// Bytes as lower-case hexadecimal text; of a whole number its digits.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Hex {
    signature: Signature,
}

impl ScalarUDFImpl for Hex {
    fn name(&self) -> &str {
        "hex"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        one_argument("hex", arg_types)?;
        match arg_types.first() {
            Some(kind @ DataType::FixedSizeBinary(_)) => Ok(vec![kind.clone()]),
            Some(kind) if kind.is_integer() => Ok(vec![DataType::Int64]),
            _ => Ok(vec![DataType::Binary]),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        map(&args, |array| {
            let mut out = StringBuilder::new();
            if let Some(numbers) = array.as_primitive_opt::<arrow_array::types::Int64Type>() {
                numbers.iter().for_each(|n| out.append_option(n.map(|n| format!("{n:x}"))));
                return Ok(Arc::new(out.finish()));
            }
            let array = cast(array, &DataType::Binary)?;
            let mut text = String::new();
            for bytes in array.as_binary::<i32>() {
                text.clear();
                for byte in bytes.unwrap_or_default() {
                    write!(text, "{byte:02x}").map_err(|e| {
                        datafusion::common::DataFusionError::Execution(format!("hex: {e}"))
                    })?;
                }
                out.append_option(bytes.map(|_| &text));
            }
            Ok(Arc::new(out.finish()))
        })
    }
}

/// Hexadecimal text as bytes; NULL where it is none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Unhex {
    signature: Signature,
}

impl ScalarUDFImpl for Unhex {
    fn name(&self) -> &str {
        "unhex"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        one_argument("unhex", arg_types)?;
        Ok(vec![DataType::Utf8])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        map(&args, |array| {
            let mut out = BinaryBuilder::new();
            for text in array.as_string::<i32>() {
                out.append_option(text.and_then(parse_hex));
            }
            Ok(Arc::new(out.finish()))
        })
    }
}

fn one_argument(name: &str, arg_types: &[DataType]) -> Result<()> {
    if arg_types.len() != 1 {
        return plan_err!("{name} takes one argument, not {}", arg_types.len());
    }
    Ok(())
}

/// Applies a function of one argument to a column, or to a constant.
fn map(
    args: &ScalarFunctionArgs,
    apply: impl FnOnce(&ArrayRef) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    match args.args.first() {
        Some(ColumnarValue::Scalar(value)) => {
            let array = apply(&value.to_array()?)?;
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
        }
        Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(apply(array)?)),
        None => plan_err!("an argument is missing"),
    }
}
