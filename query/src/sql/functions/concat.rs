//! The operator `||` for texts: as DataFusion's, with a cap.
//!
//! Doubling a text in thirty nested subqueries would make a gigabyte out of one letter.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::capped::{self, Cap};

/// The function behind the operator.
pub(crate) const NAME: &str = "text_concat";

/// Returns the function.
pub(crate) fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(TextConcat::new()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TextConcat {
    signature: Signature,
}

impl TextConcat {
    fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TextConcat {
    fn name(&self) -> &str {
        NAME
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(|a| a.schema_name().to_string()).collect::<Vec<_>>().join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(vec![DataType::Utf8; arg_types.len()])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        capped::check("||", Cap::Sum, &args)?;
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let joined: ArrayRef = Arc::new(join(&arrays));
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&joined, 0)?));
        }
        Ok(ColumnarValue::Array(joined))
    }
}

/// Joins row by row; NULL with anything is NULL.
fn join(arrays: &[ArrayRef]) -> StringArray {
    let texts: Vec<&StringArray> = arrays.iter().map(|a| a.as_string::<i32>()).collect();
    let rows = texts.first().map_or(0, |t| t.len());
    let row = |i: usize| {
        let mut joined = String::new();
        for text in &texts {
            if text.is_null(i) {
                return None;
            }
            joined.push_str(text.value(i));
        }
        Some(joined)
    };
    (0..rows).map(row).collect()
}
