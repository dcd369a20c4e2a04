//! `/api/v1/access/keys`: API keys are listed, made and revoked. A token is in one answer only, that to
//! the request which made it; no cache keeps that answer.

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tarn_model::error::{Direction, Error, Result};

use crate::app::App;
use crate::auth::api_key::is_id;
use crate::auth::keys::Wanted;
use crate::auth::principal::Principal;
use crate::routes::trail::About;
use crate::routes::{admin, erase};

/// Which route of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    List,
    Create,
    Revoke,
}

/// Answers for keys.
pub(crate) async fn handle(
    app: &App,
    endpoint: Endpoint,
    principal: &Principal,
    request: Request,
) -> Response {
    let answered = match endpoint {
        Endpoint::List => list(app),
        Endpoint::Create => create(app, principal, request).await,
        Endpoint::Revoke => revoke(app, principal, request.uri().path()).await,
    };
    match answered {
        Ok((status, data)) => {
            let made = data.get("key").map(|key| format!("{} {}", key["id"], key["name"]));
            let body = axum::Json(json!({ "status": "success", "data": data }));
            let never = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            let mut response = (status, never, body).into_response();
            if let Some(made) = made {
                response.extensions_mut().insert(About::Thing(made));
            }
            response
        }
        Err(e) => admin::failed(&e, Direction::Read),
    }
}

fn list(app: &App) -> Result<(StatusCode, Value)> {
    Ok((StatusCode::OK, json!({ "keys": app.auth.keys().list()? })))
}

async fn create(app: &App, who: &Principal, request: Request) -> Result<(StatusCode, Value)> {
    let body = erase::read(app, request).await?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|e| {
        let form = r#"{"name":"collector","grants":[{"role":"ingest","tenants":["team-a"]}],"expires":"2027-01-01T00:00:00Z"}"#;
        Error::invalid(format!("the body is not JSON such as {form}: {e}"))
    })?;
    let (key, token) = app.auth.keys().create(wanted, &who.name).await?;
    let mut data = json!({ "key": key });
    data["token"] = Value::from(token.text);
    Ok((StatusCode::CREATED, data))
}

async fn revoke(app: &App, who: &Principal, path: &str) -> Result<(StatusCode, Value)> {
    let id = path.rsplit('/').next().unwrap_or_default();
    if !is_id(id) {
        return Err(Error::not_found(format!("{id:?} is no id of a key")));
    }
    let key = app.auth.keys().revoke(id, &who.name).await?;
    Ok((StatusCode::OK, json!({ "revoked": key })))
}
