//! `logs/search` and `logs/context`.
//!
//! Pages follow each other by `cursor`, with the other parameters unchanged: rows of one time are told
//! apart by what is written of them.

use http::StatusCode;
use tarn_storage::schema::tables::Table;

use super::Call;
use super::run::Answer;
use crate::api::json::object::Object;
use crate::api::reply::{Failure, Gone, Sink};
use crate::logs::context::{self, Context};
use crate::logs::fields::Fields;
use crate::logs::page::{Cursor, Page};
use crate::logs::search::{self, Request};

/// Rows before and after a record, unless a request says otherwise.
const AROUND: usize = 20;

/// Rows before and after a record at most.
const AROUND_MAX: usize = 1000;

/// Log records that a search finds, newest first or oldest first.
pub(super) async fn search(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let mut answer = match find(call).await {
        Ok(answer) => answer,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
    let page = &answer.value;
    sink.open();
    sink.out.extend_from_slice(b"{\"rows\":");
    rows(&mut sink, &page.rows).await?;
    let mut data = Object::within(&mut sink.out);
    match &page.next {
        Some(next) => data.text("next_cursor", &next.to_string()),
        None => data.member("next_cursor").extend_from_slice(b"null"),
    }
    data.close();
    answer.stats(&mut sink, page.rows.len());
    sink.close(&remarks).await
}

async fn rows(sink: &mut Sink, rows: &[Vec<u8>]) -> Result<(), Gone> {
    sink.out.push(b'[');
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        sink.out.extend_from_slice(row);
        sink.send_full().await?;
    }
    sink.out.push(b']');
    Ok(())
}

async fn find(call: &Call) -> Result<Answer<Page>, Failure> {
    let asked = call.asked(Table::Logs)?;
    let fields = fields(call)?;
    let after = match call.params.get("cursor") {
        "" => None,
        text => Some(Cursor::parse(text).ok_or_else(|| {
            Failure::parameter("cursor", format!("{text:?} is not a cursor of an answer"))
        })?),
    };
    let request = Request {
        plan: asked.plan,
        filters: Vec::new(),
        range: asked.range,
        direction: call.direction()?,
        limit: asked.limit,
        after,
        columns: fields.columns(),
        fields,
    };
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = search::run(&mut scanner, &request).await;
    let cost = scanner.cost();
    run.end(&asked.text, cost, result)
}

fn fields(call: &Call) -> Result<Fields, Failure> {
    Fields::parse(call.params.get("fields")).map_err(|e| Failure::parameter("fields", e))
}

/// What the sender of a log record wrote before and after it.
pub(super) async fn context(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let (context, mut answer) = match around(call).await {
        Ok(found) => found,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
    let Context { before, row, after } = &context;
    sink.open();
    sink.out.extend_from_slice(b"{\"before\":");
    rows(&mut sink, before).await?;
    sink.out.extend_from_slice(b",\"row\":");
    sink.out.extend_from_slice(row);
    sink.out.extend_from_slice(b",\"after\":");
    rows(&mut sink, after).await?;
    sink.out.push(b'}');
    answer.stats(&mut sink, before.len() + 1 + after.len());
    sink.close(&remarks).await
}

async fn around(call: &Call) -> Result<(Context, Answer<()>), Failure> {
    let asked = call.asked(Table::Logs)?;
    let at = call.params.get("at");
    let at_ns = at.parse().map_err(|_| {
        Failure::parameter("at", format!("{at:?} is not a time in ns since 1970, as rows have it"))
    })?;
    let service = Some(call.params.get("service").to_owned()).filter(|name| !name.is_empty());
    let request = context::Asked {
        at_ns,
        service,
        plan: asked.plan,
        range: asked.range,
        before: call.number("before", AROUND, 0..=AROUND_MAX)?,
        after: call.number("after", AROUND, 0..=AROUND_MAX)?,
        fields: fields(call)?,
    };
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = context::run(&mut scanner, &request).await;
    let cost = scanner.cost();
    let (found, answer) =
        run.end(&format!("context of {at} {}", asked.text), cost, result)?.split();
    let Some(context) = found else {
        return Err(if answer.is_whole() {
            let message = format!("no log record of {at} ns that is wanted is stored");
            Failure::of(StatusCode::NOT_FOUND, "not_found", message)
        } else {
            let message = "the log record was not found in time; not everything could be read";
            Failure::of(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        });
    };
    Ok((context, answer))
}
