//! `resource['k']` and `scope['k']`: members of the canonical JSON in these columns.
//!
//! A block has few distinct resources and many rows, and the column is a dictionary: each distinct
//! text is parsed once per dictionary, and rows get their value by its code. The last dictionaries
//! are remembered with what they became, because batches of one block share theirs.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Dictionaries remembered: one for each stream and key of a usual query.
const REMEMBERED: usize = 16;

/// Which column is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// Attributes of the resource.
    Resource,
    /// Attributes of the scope, beside its `name` and `version`.
    Scope,
}

impl Source {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Resource, Self::Scope];

    /// Returns the column.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Self::Resource => tarn_storage::schema::tables::column::RESOURCE,
            Self::Scope => tarn_storage::schema::tables::column::SCOPE,
        }
    }

    /// Returns the function that looks into it.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Resource => "resource_attribute",
            Self::Scope => "scope_attribute",
        }
    }
}

/// Returns the function; each query has its own, with its own memory.
pub(crate) fn udf(source: Source) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Member {
        source,
        signature: Signature::user_defined(Volatility::Immutable),
        known: Mutex::default(),
    }))
}

struct Member {
    source: Source,
    signature: Signature,
    known: Mutex<Vec<Known>>,
}

/// A dictionary and what its values became.
struct Known {
    key: String,
    values: ArrayRef,
    members: Arc<StringArray>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("source", &self.source).finish_non_exhaustive()
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Member {}

impl Hash for Member {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl ScalarUDFImpl for Member {
    fn name(&self) -> &str {
        self.source.function()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Utf8))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [column, _] = arg_types else {
            return plan_err!("{} takes a column and a key", self.name());
        };
        let dictionary = tarn_storage::schema::tables::text_type();
        let column = if *column == dictionary { dictionary } else { DataType::Utf8 };
        Ok(vec![column, DataType::Utf8])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [column, ColumnarValue::Scalar(key)] = args.args.as_slice() else {
            return plan_err!("the key of {} must be a constant", self.source.column());
        };
        let key = key.try_as_str().flatten().unwrap_or_default();
        match column {
            ColumnarValue::Scalar(value) => {
                let array = self.members(&value.to_array()?, key)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.members(array, key)?)),
        }
    }
}

impl Member {
    fn members(&self, array: &ArrayRef, key: &str) -> Result<ArrayRef> {
        let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() else {
            return Ok(Arc::new(parse_all(array.as_string::<i32>(), self.source, key)));
        };
        let members = self.of_dictionary(dictionary.values(), key);
        let code = |code: Option<i32>| code.filter(|c| !members.is_null(*c as usize));
        let codes: Int32Array = dictionary.keys().iter().map(code).collect();
        let members: ArrayRef = members;
        Ok(Arc::new(DictionaryArray::try_new(codes, members)?))
    }

    fn of_dictionary(&self, values: &ArrayRef, key: &str) -> Arc<StringArray> {
        let is = |k: &Known| k.key == key && k.values.to_data().ptr_eq(&values.to_data());
        if let Some(known) = self.known.lock().iter().find(|k| is(k)) {
            return Arc::clone(&known.members);
        }
        let members = Arc::new(parse_all(values.as_string::<i32>(), self.source, key));
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.remove(0);
        }
        known.push(Known {
            key: key.to_owned(),
            values: Arc::clone(values),
            members: Arc::clone(&members),
        });
        members
    }
}

fn parse_all(texts: &StringArray, source: Source, key: &str) -> StringArray {
    let mut out = StringBuilder::new();
    for text in texts {
        out.append_option(text.and_then(|text| member(text, source, key)));
    }
    out.finish()
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    attributes: BTreeMap<String, &'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    version: Option<&'a RawValue>,
}

/// Returns a member as attributes are shown: texts as they are, anything else as canonical JSON.
pub(crate) fn member(json: &str, source: Source, key: &str) -> Option<String> {
    let document: Document<'_> = serde_json::from_str(json).ok()?;
    let own = match (source, key) {
        (Source::Scope, "name") => document.name,
        (Source::Scope, "version") => document.version,
        _ => None,
    };
    let raw = document.attributes.get(key).copied().or(own)?.get();
    if raw.starts_with('"') {
        return serde_json::from_str(raw).ok();
    }
    if raw.starts_with("{\"doubleValue\":\"") {
        #[derive(Deserialize)]
        struct Double {
            #[serde(rename = "doubleValue")]
            value: String,
        }
        return serde_json::from_str::<Double>(raw).ok().map(|d| d.value);
    }
    (raw != "null").then(|| raw.to_owned())
}

#[cfg(test)]
mod tests;
