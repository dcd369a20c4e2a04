//! `/config/v1/rules`, as Mimir and Cortex answer it: Grafana, mimirtool and Terraform set rules here.
//!
//! A namespace is what Prometheus calls the file. What is posted is one group as YAML; it is answered
//! 202 when it is stored and runs. A mistake is answered 400, with every problem and its place in
//! what was posted, and changes nothing.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use tarn_model::error::{Direction, Error};
use tarn_model::tenant::TenantId;
use tarn_storage::documents::BODY_BYTES_MAX as DOCUMENT_BYTES_MAX;

use crate::problem::Problem;
use crate::rules::yaml;
use crate::shell::Alerting;

/// A group of one request.
pub const BODY_BYTES_MAX: usize = DOCUMENT_BYTES_MAX;

/// What can be asked, and what can be set there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// All groups by namespace.
    List,
    /// Those of one; sets a group of it; removes all.
    Namespace,
    /// One group; removes it.
    Group,
}

/// Answers a request. Namespace and group are taken from its path.
pub async fn handle(
    alerting: &Alerting,
    endpoint: Endpoint,
    tenant: &TenantId,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let names = names_of(parts.uri.path());
    let mut names = names.iter().map(String::as_str);
    let (namespace, group) = (names.next().unwrap_or_default(), names.next());
    if *tenant != TenantId::default_tenant() {
        let message = "rules can be set for the tenant \"default\" only";
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "execution", message, &[]);
    }
    let answered = match (endpoint, &parts.method) {
        (_, &Method::DELETE) => remove(alerting, namespace, group).await,
        (_, &Method::POST) => set(alerting, namespace, body).await,
        (Endpoint::Group, _) => one(alerting, namespace, group.unwrap_or_default()),
        (Endpoint::List, _) => list(alerting, None),
        (Endpoint::Namespace, _) => list(alerting, Some(namespace)),
    };
    answered.unwrap_or_else(|error| failed(&error))
}

type Answered = Result<Response, Error>;

fn list(alerting: &Alerting, namespace: Option<&str>) -> Answered {
    let mut text = String::new();
    let mut open = None;
    for ((of, _), group) in alerting.set_groups()? {
        if namespace.is_some_and(|namespace| namespace != of) {
            continue;
        }
        if open.as_ref() != Some(&of) {
            text.push_str(&format!("{}:\n", serde_json::Value::from(of.as_str())));
            open = Some(of);
        }
        let mut printed = String::new();
        print(&group, 4, &mut printed);
        // The first line stands behind the dash.
        text.push_str(&format!("  - {}", printed.trim_start()));
    }
    match (namespace, text.is_empty()) {
        (Some(_), true) => Ok(not_found("no rule groups found")),
        (None, true) => Ok(yaml_response("{}\n".to_owned())),
        _ => Ok(yaml_response(text)),
    }
}

fn one(alerting: &Alerting, namespace: &str, group: &str) -> Answered {
    let groups = alerting.set_groups()?;
    let Some(group) = groups.get(&(namespace.to_owned(), group.to_owned())) else {
        return Ok(not_found("group does not exist"));
    };
    let mut text = String::new();
    print(group, 0, &mut text);
    Ok(yaml_response(text))
}

/// Writes a group out; it parsed when it was set.
fn print(group: &str, indent: usize, to: &mut String) {
    if let Some(root) = yaml::parse(group).ok().and_then(|document| document.root) {
        root.print(indent, to);
    }
}

async fn set(alerting: &Alerting, namespace: &str, body: Body) -> Answered {
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| {
        Error::invalid(format!("read a group, of {BODY_BYTES_MAX} bytes at most: {error}"))
    })?;
    let body = body.to_bytes();
    let text = str::from_utf8(&body)
        .map_err(|error| Error::invalid(format!("a group is text in UTF-8: {error}")))?;
    match alerting.set_group(namespace, text).await? {
        Ok(()) => Ok(accepted()),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Ok(refused(StatusCode::BAD_REQUEST, "bad_data", &lines.join("\n"), &problems))
        }
    }
}

async fn remove(alerting: &Alerting, namespace: &str, group: Option<&str>) -> Answered {
    match (alerting.remove_groups(namespace, group).await?, group) {
        (true, _) => Ok(accepted()),
        (false, Some(_)) => Ok(not_found("group does not exist")),
        (false, None) => Ok(not_found("no rule groups found")),
    }
}

/// As Cortex says that it was done.
fn accepted() -> Response {
    let body =
        serde_json::json!({ "status": "success", "data": null, "errorType": "", "error": "" });
    (StatusCode::ACCEPTED, axum::Json(body)).into_response()
}

fn not_found(message: &str) -> Response {
    refused(StatusCode::NOT_FOUND, "not_found", message, &[])
}

fn failed(error: &Error) -> Response {
    let reply = error.reply(Direction::Write);
    let status = StatusCode::from_u16(reply.http).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let kind = if status.is_client_error() { "bad_data" } else { "unavailable" };
    refused(status, kind, &error.message(), &[])
}

fn refused(status: StatusCode, kind: &str, message: &str, problems: &[Problem]) -> Response {
    let mut body =
        serde_json::json!({ "status": "error", "errorType": kind, "error": message, "data": null });
    if !problems.is_empty() {
        body["problems"] = serde_json::json!(problems);
    }
    (status, axum::Json(body)).into_response()
}

fn yaml_response(text: String) -> Response {
    let mut response = text.into_response();
    let kind = HeaderValue::from_static("application/yaml");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Returns what stands behind `rules/` in a path, decoded.
fn names_of(path: &str) -> Vec<String> {
    let Some((_, names)) = path.split_once("/v1/rules/") else { return Vec::new() };
    names.split('/').map(decoded).collect()
}

/// Undoes percent encoding; in a path, unlike in a form, a plus is a plus.
fn decoded(part: &str) -> String {
    let form = format!("={}", part.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
