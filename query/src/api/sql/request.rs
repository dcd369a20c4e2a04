//! What is asked of `/api/v1/sql`, and in which form.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;

use super::form::Form;
use crate::api::prometheus::Params;
use crate::api::reply::Failure;
use crate::engine::Engine;

/// A request, read.
pub(super) struct Asked {
    pub(super) query: String,
    pub(super) form: Form,
    pub(super) timeout: Option<Duration>,
}

/// The body of a request as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    query: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    timeout: Option<String>,
}

/// Reads a request: parameters, then the body.
pub(super) async fn read(engine: &Engine, request: Request<Body>) -> Result<Asked, Failure> {
    let (parts, body) = request.into_parts();
    let text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or("").trim().to_lowercase();
    let uri = parts.uri.query().unwrap_or("");
    let bytes = if parts.method == Method::POST { whole(engine, body).await? } else { Vec::new() };
    let is_form = kind == "application/x-www-form-urlencoded";
    let mut params = Params::new(if is_form { &bytes } else { &[] }, uri);
    let mut query = first(&[params.get("q"), params.get("query")]).to_owned();
    if !is_form && !bytes.is_empty() {
        let body = String::from_utf8(bytes)
            .map_err(|e| Failure::bad_data(format!("the query is not UTF-8: {e}")))?;
        if kind == "application/json" {
            let document: Document = serde_json::from_str(&body)
                .map_err(|e| Failure::bad_data(format!("read the JSON of the request: {e}")))?;
            query = document.query;
            params.add("format", document.format);
            params.add("timeout", document.timeout);
        } else {
            query = body;
        }
    }
    if query.trim().is_empty() {
        return Err(Failure::bad_data("no query: give it as parameter q, or as the body"));
    }
    let form = match params.get("format") {
        "" => Form::of_accept(text(header::ACCEPT)),
        name => Form::parse(name).ok_or_else(|| {
            let known = Form::ALL.map(Form::name).join(", ");
            Failure::parameter("format", format!("unknown format \"{name}\", use {known}"))
        })?,
    };
    Ok(Asked { query, form, timeout: params.timeout()? })
}

fn first<'a>(texts: &[&'a str]) -> &'a str {
    texts.iter().find(|t| !t.is_empty()).copied().unwrap_or("")
}

async fn whole(engine: &Engine, body: Body) -> Result<Vec<u8>, Failure> {
    let limit = engine.options().limits.form_bytes_max;
    match Limited::new(body, limit.as_usize()).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("query is larger than the limit of {limit}");
            Err(Failure::of(http::StatusCode::PAYLOAD_TOO_LARGE, "bad_data", message))
        }
        Err(error) => Err(Failure::bad_data(format!("read the body: {error}"))),
    }
}
