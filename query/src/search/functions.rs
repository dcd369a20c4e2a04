//! The tests of a search as functions of the SQL engine.
//!
//! Each takes one column and says for each row whether it holds what is wanted; what is not there
//! does not. A column of dictionary codes is decided once per distinct text, a resource or scope
//! once per distinct text over the whole scan, because its JSON must be read for that.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow_schema::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use parking_lot::Mutex;
use serde_json::Value as Json;
use tarn_model::map::HashMap;
use tarn_storage::schema::tables::column;

use super::matcher::Matcher;

/// Verdicts about resources and scopes that are remembered; processes that send are fewer.
const REMEMBERED_MAX: usize = 4096;

/// What of its column a test looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The text itself.
    Text,
    /// An attribute in the canonical JSON of a resource or scope.
    Attribute(String),
    /// An attribute of a scope, or its name or version.
    OfScope(String),
    /// The names of a span's events.
    EventNames,
}

/// A test of one column.
#[derive(Debug)]
pub(crate) struct Test {
    part: Part,
    matcher: Matcher,
    /// Wants values that do not match.
    negated: bool,
    /// Says what is tested; tests of equal text are equal.
    text: String,
    signature: Signature,
    remembered: Mutex<HashMap<String, bool>>,
}

impl Test {
    /// Makes the test of a column as an expression.
    pub(crate) fn expr(column: Expr, part: Part, matcher: Matcher, negated: bool) -> Expr {
        let text = format!("search[{part:?} {}{matcher:?}]", if negated { "not " } else { "" });
        let test = Self {
            part,
            matcher,
            negated,
            text,
            signature: Signature::any(1, Volatility::Immutable),
            remembered: Mutex::new(HashMap::default()),
        };
        ScalarUDF::new_from_impl(test).call(vec![column])
    }

    fn evaluate(&self, array: &ArrayRef) -> Result<BooleanArray> {
        let unexpected = || {
            let kind = array.data_type();
            exec_datafusion_err!("search in a column of type {kind}")
        };
        if self.part == Part::EventNames {
            return self.event_names(array).ok_or_else(unexpected);
        }
        if let Some(texts) = array.as_string_opt::<i32>() {
            return Ok(BooleanArray::new(self.texts(texts).into(), None));
        }
        let codes = array.as_dictionary_opt::<Int32Type>().ok_or_else(unexpected)?;
        let texts = codes.values().as_string_opt::<i32>().ok_or_else(unexpected)?;
        // Of a large dictionary shared by many batches, few texts are in this one.
        let verdicts = if texts.len() <= array.len() {
            let verdicts = self.texts(texts);
            codes.keys().iter().map(|code| code.is_some_and(|c| verdicts[c as usize])).collect()
        } else {
            let mut known: Vec<Option<bool>> = vec![None; texts.len()];
            let mut one = |code: i32| {
                let at = code as usize;
                *known[at].get_or_insert_with(|| texts.is_valid(at) && self.text(texts.value(at)))
            };
            codes.keys().iter().map(|code| code.is_some_and(&mut one)).collect::<Vec<bool>>()
        };
        Ok(BooleanArray::from(verdicts))
    }

    fn texts(&self, texts: &StringArray) -> Vec<bool> {
        let mut verdicts = vec![false; texts.len()];
        if self.part != Part::Text {
            for (verdict, text) in verdicts.iter_mut().zip(texts) {
                *verdict = text.is_some_and(|text| self.text(text));
            }
            return verdicts;
        }
        self.matcher.scan(texts, |row| verdicts[row] = true);
        if self.negated {
            for (row, verdict) in verdicts.iter_mut().enumerate() {
                *verdict = !*verdict && texts.is_valid(row);
            }
        }
        verdicts
    }

    fn text(&self, text: &str) -> bool {
        match &self.part {
            Part::Text | Part::EventNames => self.matcher.matches(text) != self.negated,
            Part::Attribute(key) | Part::OfScope(key) => self.member(text, key),
        }
    }

    fn member(&self, json: &str, key: &str) -> bool {
        if let Some(known) = self.remembered.lock().get(json) {
            return *known;
        }
        let value = member(json, key, matches!(self.part, Part::OfScope(_)));
        let verdict = value.is_some_and(|value| self.matcher.matches(&value) != self.negated);
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(json.to_owned(), verdict);
        verdict
    }

    fn event_names(&self, array: &ArrayRef) -> Option<BooleanArray> {
        let lists = array.as_list_opt::<i32>()?;
        let names = lists.values().as_struct_opt()?.column_by_name(column::NAME)?;
        let mut hits = vec![false; names.len()];
        self.matcher.scan(names.as_string_opt::<i32>()?, |at| hits[at] = true);
        let one = |row: usize| {
            let (start, end) = (lists.value_offsets()[row], lists.value_offsets()[row + 1]);
            let mut events = start as usize..end as usize;
            lists.is_valid(row) && events.any(|at| hits[at] != self.negated)
        };
        Some((0..lists.len()).map(|row| Some(one(row))).collect())
    }
}

/// Returns an attribute of a resource or scope as text, as attributes of rows are kept.
fn member(json: &str, key: &str, is_scope: bool) -> Option<String> {
    members(json, &[Some(key)], is_scope).pop().flatten()
}

/// Returns those attributes of a resource or scope that are wanted, each in the place of its key.
pub(crate) fn members(json: &str, keys: &[Option<&str>], is_scope: bool) -> Vec<Option<String>> {
    let Ok(Json::Object(object)) = serde_json::from_str(json) else {
        return vec![None; keys.len()];
    };
    let attributes = object.get("attributes").and_then(Json::as_object);
    let one = |key: &str| {
        let own = is_scope && matches!(key, "name" | "version");
        let attribute = attributes.and_then(|attributes| attributes.get(key));
        attribute.or_else(|| object.get(key).filter(|_| own)).map(text_of)
    };
    keys.iter().map(|key| key.and_then(one)).collect()
}

/// Returns all attributes of a resource or scope.
pub(crate) fn attributes_of(json: &str) -> Vec<(String, String)> {
    let Ok(Json::Object(mut object)) = serde_json::from_str(json) else { return Vec::new() };
    let Some(Json::Object(attributes)) = object.remove("attributes") else { return Vec::new() };
    attributes.into_iter().map(|(key, value)| (key, text_of(&value))).collect()
}

fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Test {}

impl Hash for Test {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl ScalarUDFImpl for Test {
    fn name(&self) -> &str {
        &self.text
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let array = match args.args.into_iter().next() {
            Some(value) => value.into_array(rows)?,
            None => return Err(exec_datafusion_err!("a search tests one column, got none")),
        };
        Ok(ColumnarValue::Array(Arc::new(self.evaluate(&array)?)))
    }
}
