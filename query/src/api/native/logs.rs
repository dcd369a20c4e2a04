//! `logs/search`.
//!
//! Pages follow each other by `cursor`, with the other parameters unchanged: rows of one time are told
//! apart by what is written of them.

use tarn_storage::schema::tables::Table;

use super::{Call, stats};
use crate::api::json::object::Object;
use crate::api::reply::{Failure, Gone, Sink};
use crate::govern::memory::Account;
use crate::logs::fields::Fields;
use crate::logs::newest::{Cursor, Page};
use crate::logs::search::{self, Request};
use crate::search::scan::{Cost, End, Scanner};

/// A page, what it took, and the memory that it holds until it is sent.
struct Found {
    page: Page,
    end: End,
    cost: Cost,
    partial: Option<String>,
    elapsed: std::time::Duration,
    _account: Account,
}

/// Log records that a search finds, newest first.
pub(super) async fn search(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let Found { page, end, cost, partial, elapsed, _account } = match find(call).await {
        Ok(found) => found,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = call.remarks(partial, end, &mut sink);
    sink.open();
    sink.out.extend_from_slice(b"{\"rows\":[");
    for (i, row) in page.rows.iter().enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        sink.out.extend_from_slice(row);
        sink.send_full().await?;
    }
    sink.out.push(b']');
    let mut data = Object::within(&mut sink.out);
    match &page.next {
        Some(next) => data.text("next_cursor", &next.to_string()),
        None => data.member("next_cursor").extend_from_slice(b"null"),
    }
    data.close();
    stats(&mut sink.out, page.rows.len(), cost, elapsed);
    sink.close(&remarks).await
}

async fn find(call: &Call) -> Result<Found, Failure> {
    let asked = call.asked(Table::Logs)?;
    let fields = Fields::parse(call.params.get("fields"));
    let fields = fields.map_err(|e| Failure::parameter("fields", e))?;
    let after = match call.params.get("cursor") {
        "" => None,
        text => Some(Cursor::parse(text).ok_or_else(|| {
            Failure::parameter("cursor", format!("{text:?} is not a cursor of an answer"))
        })?),
    };
    let request =
        Request { plan: asked.plan, range: asked.range, limit: asked.limit, after, fields };
    let running = call.admit().await?;
    let account = running.account();
    let view = call.engine.view();
    let mut scanner = Scanner::new(&view, &call.tenant, &running, &account);
    let result = search::run(&mut scanner, &request).await;
    let partial = view.partial();
    let cost = scanner.cost();
    let (elapsed, _) = running.elapsed();
    call.finish(running, &asked.text, cost, &result);
    let (page, end) = result?;
    Ok(Found { page, end, cost, partial, elapsed, _account: account })
}
