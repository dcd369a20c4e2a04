//! `/api/v1/access/oidc/start` and `/callback`: to the provider of logins, and back.
//!
//! A browser follows them as links, so what goes wrong is told on a small page with a way back.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use tarn_model::error::{Direction, Error, ErrorKind, Result};

use super::login::{base, check_secure};
use super::trail::About;
use crate::app::App;
use crate::auth::cookie;
use crate::auth::metrics::{By, Login};
use crate::auth::oidc::{Oidc, Returned};
use crate::auth::seal::Key;
use crate::auth::sessions::not_read_yet;

/// Where the provider sends browsers back to, below the address of the pages.
const CALLBACK: &str = "api/v1/access/oidc/callback";

/// Sends the browser to the provider.
///
/// # Errors
/// None: they are pages.
pub(super) async fn start(app: &App, head: &Parts) -> Result<Response> {
    let done = leave(app, head).await;
    Ok(done.and_then(|(to, cookie)| go(&to, [cookie])).unwrap_or_else(|error| {
        app.auth.people.metrics.login(By::Oidc, outcome(&error));
        page(app, &error)
    }))
}

async fn leave(app: &App, head: &Parts) -> Result<(String, HeaderValue)> {
    check_secure(head)?;
    let (oidc, key) = parts(app)?;
    let redirect = base(app, head)?.join(CALLBACK);
    let redirect = redirect.map_err(|e| Error::invalid("come back").with_source(e))?;
    let back = back(head).unwrap_or_else(|| app.config.ui.base_path.to_string());
    oidc.start(&key, &back, &redirect).await
}

fn back(head: &Parts) -> Option<String> {
    let query = head.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "back").map(|(_, back)| back.into_owned())
}

/// Takes the browser that comes back from the provider, and lets the person in.
///
/// # Errors
/// None: they are pages.
pub(super) async fn callback(app: &App, head: &Parts) -> Result<Response> {
    Ok(match come_back(app, head).await {
        Ok(response) => {
            app.auth.people.metrics.login(By::Oidc, Login::Done);
            response
        }
        Err((outcome, error)) => {
            app.auth.people.metrics.login(By::Oidc, outcome);
            page(app, &error)
        }
    })
}

async fn come_back(app: &App, head: &Parts) -> Result<Response, (Login, Error)> {
    let known = |error: Error| (outcome(&error), error);
    check_secure(head).map_err(known)?;
    let (oidc, key) = parts(app).map_err(known)?;
    let query = head.uri.query().unwrap_or_default();
    let returned = Returned::of_query(query);
    let finished = oidc.finish(&key, &head.headers, returned).await;
    let (identity, back) = finished.map_err(known)?;
    let session = app.auth.people.let_in(&identity).map_err(|error| match error.kind() {
        ErrorKind::Forbidden => (Login::NotGranted, error),
        _ => known(error),
    })?;
    let cookies = cookie::clear(cookie::OIDC).map(|gone| [gone, session]);
    let mut response = cookies.and_then(|cookies| go(&back, cookies)).map_err(known)?;
    response.extensions_mut().insert(About::Person(identity.name));
    Ok(response)
}

fn parts(app: &App) -> Result<(&Oidc, Key)> {
    let none = || Error::not_found("there is no provider of logins: auth.oidc.issuer names one");
    let oidc = app.auth.people.oidc.as_ref().ok_or_else(none)?;
    let key = app.auth.people.book.known().key.clone().ok_or_else(not_read_yet)?;
    Ok((oidc, key))
}

fn outcome(error: &Error) -> Login {
    match error.kind() {
        ErrorKind::Unauthenticated | ErrorKind::Forbidden | ErrorKind::Invalid => Login::Wrong,
        _ => Login::Failed,
    }
}

fn go<const N: usize>(to: &str, cookies: [HeaderValue; N]) -> Result<Response> {
    let to = HeaderValue::try_from(to);
    let to = to.map_err(|e| Error::invalid("go back to an address").with_source(e))?;
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Tells a person what went wrong; the texts are a provider's, and hostile.
fn page(app: &App, error: &Error) -> Response {
    let reply = error.reply(Direction::Read);
    let status = StatusCode::from_u16(reply.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = escaped(&error.message());
    let login = escaped(&format!("{}login", app.config.ui.base_path));
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tarn: not logged in</title>\
         <h1>You are not logged in</h1><p>{message}.</p><p><a href=\"{login}\">Back to the login</a>\
         </p></html>"
    );
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(after) = reply.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
