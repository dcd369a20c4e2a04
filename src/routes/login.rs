//! `/api/v1/access/…` for people: who am I, log in and out, set a password; and users, for those who
//! administer access.
//!
//! What changes something takes JSON and says so in its type: a form of another page cannot. Mistakes in
//! a body are told without the body, which holds passwords.

use std::future::ready;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tarn_model::error::{Direction, Error, ErrorKind, Result};
use url::Url;

use super::admin::failed;
use super::trail::About;
use crate::app::App;
use crate::auth::cookie;
use crate::auth::people::{LoggedIn, Shown};
use crate::auth::principal::{Grant, How, Principal};
use crate::auth::users::{self, NewLink};
use crate::listen::peer::{Client, Peer};

/// What a body may have.
pub(crate) const BODY_BYTES_MAX: usize = 16 << 10;

/// Why no session begins over a connection that others can read; a browser would not keep it either.
const PLAIN: &str = "nobody logs in over plain HTTP from another machine: set listen.tls.certificate and \
                     listen.tls.key, or name the proxy that ends TLS in http.trusted_proxies";

/// Which route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Me,
    Login,
    Logout,
    Password,
    Users,
    User,
    UserLink,
    OidcStart,
    OidcCallback,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    link: Option<String>,
    old: Option<String>,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    grants: Vec<Grant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grants {
    grants: Vec<Grant>,
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;

/// Answers.
pub(super) async fn handle(
    app: &App,
    endpoint: Endpoint,
    principal: &Arc<Principal>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let answered: Answering<'_> = match endpoint {
        Endpoint::Me => Box::pin(ready(Ok(me(app, &head)))),
        Endpoint::Login => Box::pin(login(app, &head, body)),
        Endpoint::Logout => Box::pin(logout(app, &head)),
        Endpoint::Password => Box::pin(password(app, &head, body)),
        Endpoint::Users if head.method == Method::POST => {
            Box::pin(add(app, principal, &head, body))
        }
        Endpoint::Users => Box::pin(ready(Ok(list(app)))),
        Endpoint::User => Box::pin(user(app, principal, &head, body)),
        Endpoint::UserLink => Box::pin(link(app, principal, &head)),
        Endpoint::OidcStart => Box::pin(super::oidc::start(app, &head)),
        Endpoint::OidcCallback => Box::pin(super::oidc::callback(app, &head)),
    };
    let answered = answered.await;
    let mut response = answered.unwrap_or_else(|error| failed(&error, Direction::Write));
    // None of it is for anybody else, nor for later.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn me(app: &App, head: &Parts) -> Response {
    let login = app.auth.login();
    let session = app.auth.people.sessions.principal(&head.headers).filter(|_| login);
    let secure = check_secure(head).is_ok();
    let (principal, csrf) = match session {
        Some((principal, session)) => (Some(Arc::new(principal)), Some(session.csrf)),
        None if !login => (Some(Principal::open()), None),
        // What is shown and wrong is nobody's: the question is who that is.
        None => (app.auth.principal(&head.headers, &head.extensions).ok().flatten(), None),
    };
    let principal = principal.map(|principal| {
        json!({
            "name": principal.name,
            "how": principal.how.as_str(),
            "grants": principal.grants,
        })
    });
    success(&json!({
        "login": login,
        "insecure_bind": app.config.listen.insecure_bind && !login,
        "secure": secure,
        "password": login,
        "password_refused": (login && !secure).then_some(PLAIN),
        "oidc": app.auth.people.oidc.as_ref().map(|oidc| json!({ "name": oidc.name() })),
        "principal": principal,
        "csrf": csrf,
        "setup": login && app.auth.people.book.known().key.is_some() && !users::is_set_up(&app.auth.people.book),
    }))
}

async fn login(app: &App, head: &Parts, sent: Body) -> Result<Response> {
    check_login(app)?;
    let ip = check_secure(head)?;
    let Login { name, password } = body(head, sent, "name and password").await?;
    let done = app.auth.people.login(Shown { name: &name, password: &password, ip }).await;
    let mut response =
        done.map_or_else(|error| failed(&error, Direction::Write), |done| let_in(&done));
    response.extensions_mut().insert(About::Person(name));
    Ok(response)
}

async fn logout(app: &App, head: &Parts) -> Result<Response> {
    let mut response = success(&json!({}));
    let gone = cookie::clear(cookie::SESSION)?;
    if let Some((principal, session)) = app.auth.people.sessions.principal(&head.headers) {
        app.auth.people.sessions.check_page(&session, &head.uri, &head.headers)?;
        if let Err(error) = app.auth.people.sessions.end(&session).await {
            // It has ended here, and the browser forgets it; the bucket did not take note.
            response = failed(&error, Direction::Write);
        }
        response.extensions_mut().insert(About::Person(principal.name));
    }
    response.headers_mut().append(SET_COOKIE, gone);
    Ok(response)
}

async fn password(app: &App, head: &Parts, sent: Body) -> Result<Response> {
    check_login(app)?;
    let ip = check_secure(head)?;
    let sessions = &app.auth.people.sessions;
    // Behind a link nobody needs a session, and another one in the browser does not matter.
    let session = sessions.principal(&head.headers);
    let session = session.map(|(principal, session)| {
        (principal, sessions.check_page(&session, &head.uri, &head.headers))
    });
    let what = "password, and link or old";
    let NewPassword { link, old, password } = body(head, sent, what).await?;
    let done = match (link, old, session) {
        (Some(link), None, _) => app.auth.people.redeem(&link, &password, ip).await?,
        (None, Some(old), Some((principal, checked))) if principal.how == How::Password => {
            checked?;
            let shown = Shown { name: &principal.name, password: &old, ip };
            app.auth.people.change_password(shown, &password).await?
        }
        (None, Some(_), _) => {
            let message = "only a user who is logged in has a password to change";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        _ => return Err(Error::invalid(format!("the body is {what}, as a JSON object"))),
    };
    Ok(let_in(&done))
}

fn let_in(done: &LoggedIn) -> Response {
    let mut response = success(&json!({ "name": done.name }));
    response.headers_mut().append(SET_COOKIE, done.cookie.clone());
    response.extensions_mut().insert(About::Person(done.name.clone()));
    response
}

fn list(app: &App) -> Response {
    let known = app.auth.people.book.known();
    let shown = known.users.iter().map(|(name, user)| {
        json!({
            "name": name,
            "grants": user.grants,
            "has_password": user.password.is_some(),
            "created": time(Some(user.created_ms)),
            "last_login": time(user.last_login_ms),
            "locked_until": time(app.auth.people.locked_until_ms(name)),
        })
    });
    success(&json!({ "users": shown.collect::<Vec<_>>() }))
}

async fn add(app: &App, principal: &Principal, head: &Parts, sent: Body) -> Result<Response> {
    let base = base(app, head)?;
    let NewUser { name, grants } = body(head, sent, "name and grants").await?;
    let book = &app.auth.people.book;
    let link = users::add(book, &principal.name, &name, &grants).await?;
    let mut response = (StatusCode::CREATED, linked(&base, &name, &link)).into_response();
    response.extensions_mut().insert(About::Thing(name));
    Ok(response)
}

async fn user(app: &App, principal: &Principal, head: &Parts, sent: Body) -> Result<Response> {
    let name = named(&head.uri, 0);
    let book = &app.auth.people.book;
    if head.method == Method::DELETE {
        check_others(app, &name)?;
        users::remove(book, &principal.name, &name).await?;
    } else {
        let Grants { grants } = body(head, sent, "grants").await?;
        if !users::administers(&grants) {
            check_others(app, &name)?;
        }
        users::set_grants(book, &principal.name, &name, &grants).await?;
    }
    Ok(success(&json!({ "name": name })))
}

async fn link(app: &App, principal: &Principal, head: &Parts) -> Result<Response> {
    let name = named(&head.uri, 1);
    let link = users::link(&app.auth.people.book, &principal.name, &name).await?;
    Ok(linked(&base(app, head)?, &name, &link))
}

fn linked(base: &Url, name: &str, link: &NewLink) -> Response {
    let NewLink { token, expires_ms } = link;
    success(&json!({
        "name": name,
        "link": format!("{base}welcome#{token}"),
        "expires": time(Some(*expires_ms)),
    }))
}

/// Keeps the last administrator from locking everybody out by mistake.
fn check_others(app: &App, name: &str) -> Result<()> {
    let book = &app.auth.people.book;
    if app.auth.people.oidc.is_some() || !users::is_only_admin(book, name) {
        return Ok(());
    }
    Err(Error::invalid(format!("{name:?} is the only administrator with a password")))
}

/// Returns the name in the path, `after` parts before its end.
fn named(uri: &Uri, after: usize) -> String {
    let part = uri.path().rsplit('/').nth(after).unwrap_or_default();
    // In a path a plus is one; names have no other sign that means something in a form.
    let part = part.replace('+', "%2B");
    let decoded = url::form_urlencoded::parse(part.as_bytes()).next();
    decoded.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn check_login(app: &App) -> Result<()> {
    if app.auth.login() {
        return Ok(());
    }
    Err(Error::invalid("nobody has to log in here: auth.login turns it on"))
}

/// Checks that nobody can read along, and returns whose request it is.
///
/// # Errors
/// `Forbidden` with what to do.
pub(super) fn check_secure(head: &Parts) -> Result<IpAddr> {
    match head.extensions.get::<Client>() {
        Some(Client { ip, secure: true }) => Ok(*ip),
        _ => Err(Error::new(ErrorKind::Forbidden, PLAIN)),
    }
}

/// Returns the address under which the browser sees this server, with a slash at its end.
///
/// # Errors
/// `Invalid` where the request names no host.
pub(super) fn base(app: &App, head: &Parts) -> Result<Url> {
    let (uri, headers) = (&head.uri, &head.headers);
    let host = uri.authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()));
    let host = host.ok_or_else(|| Error::invalid("the request names no host"))?;
    let tls = head.extensions.get::<Peer>().is_some_and(|peer| peer.tls);
    let forwarded = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let by_proxy = forwarded.and_then(|all| all.rsplit(',').next()).map(str::trim);
    let secure = check_secure(head).is_ok();
    let scheme = if tls || (secure && by_proxy == Some("https")) { "https" } else { "http" };
    let base = format!("{scheme}://{host}{}", app.config.ui.base_path);
    let wrong = |e| Error::invalid(format!("{base:?} is no address")).with_source(e);
    let mut url = Url::parse(&base).map_err(wrong)?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// Reads a body of JSON.
async fn body<T: DeserializeOwned>(head: &Parts, sent: Body, what: &str) -> Result<T> {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if !essence.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(Error::invalid("the body is not application/json"));
    }
    let body = Limited::new(sent, BODY_BYTES_MAX).collect().await;
    let too_large = |_| Error::limit(format!("the body is over {BODY_BYTES_MAX} bytes"));
    let body = body.map_err(too_large)?.to_bytes();
    serde_json::from_slice(&body)
        .map_err(|_| Error::invalid(format!("the body is {what}, as a JSON object")))
}

fn success(data: &Value) -> Response {
    axum::Json(json!({ "status": "success", "data": data })).into_response()
}

fn time(ms: Option<i64>) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(ms?).ok()?.to_string())
}
