//! Rows as JSON, NDJSON, CSV and Arrow IPC.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, SchemaRef};

use super::value::Values;
use crate::api::json;
use crate::api::reply::{Gone, Sink};
use crate::rows::Rows;
use crate::sql::error::SqlError;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Ndjson,
    Csv,
    Arrow,
}

impl Form {
    pub(super) const ALL: [Self; 4] = [Self::Json, Self::Ndjson, Self::Csv, Self::Arrow];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// Returns the first form of `Accept` that there is; JSON otherwise.
    pub(super) fn of_accept(accept: &str) -> Self {
        let kinds = accept.split(',').filter_map(|k| k.split(';').next());
        let form = |kind: &str| match kind.trim() {
            "application/json" => Some(Self::Json),
            "application/x-ndjson" | "application/jsonl" => Some(Self::Ndjson),
            "text/csv" => Some(Self::Csv),
            "application/vnd.apache.arrow.stream" => Some(Self::Arrow),
            _ => None,
        };
        kinds.filter_map(form).next().unwrap_or(Self::Json)
    }
}

/// Writes rows in a form.
pub(super) struct Writer {
    form: Form,
    schema: SchemaRef,
    arrow: Option<StreamWriter<Vec<u8>>>,
    any: bool,
}

impl Writer {
    pub(super) fn new(form: Form, schema: &SchemaRef) -> Result<Self, SqlError> {
        let arrow = match form {
            Form::Arrow => Some(StreamWriter::try_new(Vec::new(), schema).map_err(ipc)?),
            _ => None,
        };
        Ok(Self { form, schema: SchemaRef::clone(schema), arrow, any: false })
    }

    /// Returns whether an error behind rows has a place.
    pub(super) fn tells_errors(&self) -> bool {
        matches!(self.form, Form::Json | Form::Ndjson)
    }

    pub(super) fn open(&mut self, out: &mut Vec<u8>) {
        let fields = self.schema.fields();
        let names: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
        match self.form {
            Form::Json => {
                let types: Vec<&str> = fields.iter().map(|f| word(f.data_type())).collect();
                out.extend_from_slice(b"{\"status\":\"success\",\"data\":{\"columns\":");
                json::strings(out, &names);
                out.extend_from_slice(b",\"types\":");
                json::strings(out, &types);
                out.extend_from_slice(b",\"rows\":[");
            }
            Form::Csv => csv_line(out, names.iter().map(|n| n.as_bytes())),
            Form::Ndjson | Form::Arrow => {}
        }
    }

    /// Writes the rows of a batch, sending what is full.
    pub(super) async fn batch(
        &mut self,
        sink: &mut Sink,
        batch: &RecordBatch,
    ) -> Result<Result<(), SqlError>, Gone> {
        if let Some(arrow) = &mut self.arrow {
            if let Err(error) = arrow.write(batch) {
                return Ok(Err(ipc(error)));
            }
            sink.out.append(arrow.get_mut());
            sink.send_full().await?;
            return Ok(Ok(()));
        }
        let values = match Values::new(batch) {
            Ok(values) => values,
            Err(error) => return Ok(Err(error)),
        };
        for row in 0..batch.num_rows() {
            self.row(&mut sink.out, &values, row);
            sink.send_full().await?;
        }
        Ok(Ok(()))
    }

    fn row(&mut self, out: &mut Vec<u8>, values: &Values<'_>, row: usize) {
        match self.form {
            Form::Json => {
                if self.any {
                    out.push(b',');
                }
                out.push(b'[');
                for column in 0..values.columns() {
                    if column > 0 {
                        out.push(b',');
                    }
                    values.json(out, column, row);
                }
                out.push(b']');
            }
            Form::Ndjson => {
                out.push(b'{');
                for (column, field) in self.schema.fields().iter().enumerate() {
                    if column > 0 {
                        out.push(b',');
                    }
                    json::string(out, field.name());
                    out.push(b':');
                    values.json(out, column, row);
                }
                out.extend_from_slice(b"}\n");
            }
            Form::Csv => {
                let fields: Vec<Vec<u8>> =
                    (0..values.columns()).map(|column| values.text(column, row)).collect();
                csv_line(out, fields.iter().map(Vec::as_slice));
            }
            Form::Arrow => {}
        }
        self.any = true;
    }

    /// Ends the answer: with what it cost, and where it failed with why.
    pub(super) fn close(&mut self, out: &mut Vec<u8>, rows: &Rows, error: Option<&SqlError>) {
        match self.form {
            Form::Json => {
                out.extend_from_slice(b"],\"stats\":");
                stats(out, rows);
                out.push(b'}');
                if let Some(error) = error {
                    out.extend_from_slice(b",\"error\":");
                    json::string(out, &error.to_string());
                }
                if let Some(why) = rows.partial() {
                    out.extend_from_slice(b",\"warnings\":");
                    json::strings(out, &[why]);
                }
                out.push(b'}');
            }
            Form::Ndjson => {
                if let Some(error) = error {
                    out.extend_from_slice(b"{\"error\":");
                    json::string(out, &error.to_string());
                    out.extend_from_slice(b"}\n");
                }
            }
            Form::Arrow => {
                if let Some(arrow) = &mut self.arrow
                    && arrow.finish().is_ok()
                {
                    out.append(arrow.get_mut());
                }
            }
            Form::Csv => {}
        }
    }
}

/// Returns the name of a type, as people write it in SQL.
fn word(kind: &DataType) -> &'static str {
    match kind {
        DataType::Null => "null",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            "integer"
        }
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => "bigint",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double",
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "decimal",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "blob",
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Duration(_) | DataType::Interval(_) => "interval",
        DataType::Dictionary(_, value) => word(value),
        DataType::RunEndEncoded(_, value) => word(value.data_type()),
        DataType::Map(..) => "map",
        DataType::Struct(_) => "struct",
        DataType::Union(..) => "union",
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..) => "list",
    }
}

fn stats(out: &mut Vec<u8>, rows: &Rows) {
    let stats = rows.stats();
    let seconds = rows.elapsed().as_secs_f64();
    let text = format!(
        "{{\"seconds\":{seconds:.6},\"rows\":{},\"rowsScanned\":{},\"blocks\":{},\
         \"blocksPruned\":{},\"pages\":{},\"pagesPruned\":{},\"bytes\":{},\"reads\":{}}}",
        stats.rows,
        stats.rows_scanned,
        stats.blocks,
        stats.blocks_pruned,
        stats.pages,
        stats.pages_pruned,
        stats.bytes,
        stats.reads,
    );
    out.extend_from_slice(text.as_bytes());
}

fn csv_line<'a>(out: &mut Vec<u8>, fields: impl Iterator<Item = &'a [u8]>) {
    for (i, field) in fields.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if field.iter().any(|b| matches!(b, b'"' | b',' | b'\n' | b'\r')) {
            out.push(b'"');
            for byte in field {
                if *byte == b'"' {
                    out.push(b'"');
                }
                out.push(*byte);
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(field);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn ipc(error: arrow_schema::ArrowError) -> SqlError {
    let error = tarn_model::error::Error::internal("write Arrow IPC").with_source(error);
    SqlError::Source(error)
}

#[cfg(test)]
mod tests;
