//! `sql/of`: the SQL that finds the rows of a search.

use tarn_storage::schema::tables::Table;

use super::Call;
use crate::api::json::object::Object;
use crate::api::json::strings;
use crate::api::reply::{Failure, Gone, Remarks, Sink};
use crate::logs::page::Direction;
use crate::search::to_sql::{Sql, to_sql};

/// Writes a search as SQL. Of traces it finds the spans by which a search finds them.
pub(super) async fn sql_of(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let Sql { text, notes } = match write(call) {
        Ok(sql) => sql,
        Err(failure) => return sink.fail(&failure).await,
    };
    sink.open();
    let mut data = Object::new(&mut sink.out);
    data.text("sql", &text);
    strings(data.member("notes"), &notes);
    data.close();
    sink.close(&Remarks::default()).await
}

fn write(call: &Call) -> Result<Sql, Failure> {
    let table = match call.params.get("signal") {
        "logs" => Table::Logs,
        "traces" => Table::Spans,
        signal => {
            let message = format!("{signal:?} is not logs or traces");
            return Err(Failure::parameter("signal", message));
        }
    };
    let asked = call.asked(table)?;
    let direction = call.direction()?;
    let query = call.parsed()?;
    Ok(to_sql(&query, table, asked.range, asked.limit, direction == Direction::Backward))
}
