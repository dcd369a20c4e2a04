//! `logs/tail`: log records as they are stored, an object a line, until the client goes or the server
//! stops.
//!
//! `{"row":…}` as in `logs/search`; `{"skipped":n}` where the client was too slow for n lines, with
//! `missed_requests` where it is not known how many rows there were; `{"beat":ms}` at the beginning and
//! every five seconds: the connection lives.

use std::sync::Arc;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};
use tarn_model::signal::Signal;
use tarn_storage::head::follow::FollowOptions;
use tarn_storage::schema::tables::Table;

use super::Call;
use crate::api::reply::Failure;
use crate::logs::fields::Fields;
use crate::logs::ring::{Lines, Ring};
use crate::logs::tail::Watch;
use crate::search::scan::{Range, row_scan};
use crate::task::Task;

/// What a client may be behind: some thousand records, a few seconds of a busy service.
const RING_BYTES: usize = 4 << 20;

/// Proxies that know this header pass on every line at once; so does our own compression, by not
/// being there.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Begins a tail.
pub(super) fn tail(call: Call) -> Response<Body> {
    match begin(call) {
        Ok(response) => response,
        Err(failure) => failure.response(),
    }
}

fn begin(call: Call) -> Result<Response<Body>, Failure> {
    let asked = call.asked(Table::Logs)?;
    let fields = Fields::parse(call.params.get("fields"));
    let fields = fields.map_err(|e| Failure::parameter("fields", e))?;
    let scan = row_scan(Table::Logs, fields.columns(), &asked.plan, Range::ALL)?;
    let Call { engine, tenant, cancel, .. } = call;
    let tail = engine.tail(RING_BYTES as u64, cancel.clone())?;
    let follower = engine.follow(FollowOptions {
        name: None,
        tenants: Some(vec![tenant.clone()]),
        signals: vec![Signal::Logs],
    });
    let clock = Arc::clone(engine.clock());
    let ring = Ring::new(RING_BYTES, Arc::clone(&clock));
    // Empty: a tail must not keep what has been flushed and merged since.
    let (view, out) = (engine.view().of_rows(&tenant, &[]), Arc::clone(&ring));
    let watch = Watch { tenant, scan, fields, view, follower, ring: out, clock, tail };
    let task = Task::spawn(engine.runtime(), cancel, watch.run());
    let mut response = Response::new(Body::from_stream(Lines { ring, _filled_by: task }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    Ok(response)
}
