//! `queries`: what runs, what ran for long, and an end to one that should not run.
//!
//! Neither waits for a slot: they are asked for when there is none.

use http::StatusCode;

use super::Call;
use crate::api::json;
use crate::api::json::object::Object;
use crate::api::reply::{Failure, Gone, Remarks, Sink};
use crate::govern::roll::Listed;

/// The tenant's queries.
pub(super) async fn list(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let roll = call.engine.roll();
    let now = call.engine.clock().monotonic();
    sink.open();
    let mut data = Object::new(&mut sink.out);
    let out = data.member("running");
    out.push(b'[');
    for (i, running) in roll.running(&call.tenant, now).iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let mut object = Object::new(out);
        object.text("id", &running.id.to_string());
        write(&mut object, running);
        object.close();
    }
    out.push(b']');
    let out = data.member("slow");
    out.push(b'[');
    for (i, ended) in roll.slow(&call.tenant).iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let mut object = Object::new(out);
        write(&mut object, &ended.listed);
        object.count("rows", ended.rows);
        object.text("outcome", ended.outcome.as_str());
        object.close();
    }
    out.push(b']');
    data.close();
    sink.close(&Remarks::default()).await
}

fn write(object: &mut Object<'_>, listed: &Listed) {
    object.text("language", listed.language.as_str());
    object.text("query", &listed.text);
    object.int("began_ms", listed.began.as_millis());
    json::float_or_null(object.member("seconds"), listed.elapsed.as_secs_f64());
    object.count("bytes", listed.bytes);
}

/// Stops a query.
pub(super) async fn cancel(call: &Call, path: &str, mut sink: Sink) -> Result<(), Gone> {
    let text = path.rsplit('/').nth(1).unwrap_or_default();
    let id: Option<u64> = text.parse().ok();
    if !id.is_some_and(|id| call.engine.roll().cancel(&call.tenant, id)) {
        let message = format!("no query {text} is running");
        let failure = Failure::of(StatusCode::NOT_FOUND, "not_found", message);
        return sink.fail(&failure).await;
    }
    sink.open();
    let mut data = Object::new(&mut sink.out);
    data.text("canceled", text);
    data.close();
    sink.close(&Remarks::default()).await
}
