//! Alertmanager's API, version 2: what amtool, Grafana's Alertmanager data source, and any Prometheus
//! that takes Tarn for its Alertmanager speak.
//!
//! [`Endpoint`] is the table of what is answered; the server maps its paths, at the root and below
//! `/alertmanager`. [`handle`] takes a request through. It reads and changes the dispatcher of a
//! tenant through [`AlertmanagerState`], whose owner makes changes durable before they are answered.
//! As upstream, mistakes are answered 400 with the reason as a JSON text.

mod json;
mod params;

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde::Serialize;
use tarn_model::error::{Direction, Error};
use tarn_model::tenant::TenantId;

use self::params::Params;
use crate::alert::Alert;
use crate::route::{Dispatcher, Record, Silence, SilenceRefused};

/// A batch of alerts of one request: Prometheus sends 256 at a time, of a few KiB each at most.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// A silence of one request: 10,000 of them are kept for days.
const SILENCE_BYTES_MAX: usize = 64 << 10;
/// All texts of one alert: 200,000 of them are held.
const ALERT_BYTES_MAX: usize = 64 << 10;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Version, configuration, cluster.
    Status,
    /// Names of receivers.
    Receivers,
    /// All silences; makes and changes them.
    Silences,
    /// One silence, which the path names; ends it.
    Silence,
    /// Alerts; takes them.
    Alerts,
    /// Alerts in their groups.
    Groups,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 6] =
        [Self::Status, Self::Receivers, Self::Silences, Self::Silence, Self::Alerts, Self::Groups];

    /// Returns the path below `/api/v2`, with axum's placeholder for the id.
    pub fn path(self) -> &'static str {
        match self {
            Self::Status => "/status",
            Self::Receivers => "/receivers",
            Self::Silences => "/silences",
            Self::Silence => "/silence/{id}",
            Self::Alerts => "/alerts",
            Self::Groups => "/alerts/groups",
        }
    }

    /// Returns the methods that are answered.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Status | Self::Receivers | Self::Groups => &[Method::GET],
            Self::Silences | Self::Alerts => &[Method::GET, Method::POST],
            Self::Silence => &[Method::GET, Method::DELETE],
        }
    }
}

/// A change that a client asks for.
#[derive(Debug, Clone)]
pub enum Change {
    /// Alerts came.
    Alerts(Vec<Alert>),
    /// A silence is made or changed.
    SetSilence(Box<Silence>),
    /// A silence is ended.
    ExpireSilence(String),
}

impl Change {
    /// Does it. Returns the id of the silence that was made, and what must be remembered.
    ///
    /// # Errors
    /// Where it is not taken.
    pub fn apply(
        self,
        dispatcher: &mut Dispatcher,
        new_id: &str,
        now_ms: i64,
    ) -> Result<(Option<String>, Vec<Record>), SilenceRefused> {
        match self {
            Self::Alerts(alerts) => {
                let room = dispatcher.room();
                // What is held already may always change: it may be what ends.
                if dispatcher.unknown(&alerts) > room {
                    let text = format!("there is room for {room} more alerts only");
                    return Err(SilenceRefused::Full(text));
                }
                Ok((None, dispatcher.receive(alerts, now_ms)))
            }
            Self::SetSilence(silence) => {
                let (id, records) = dispatcher.set_silence(*silence, new_id, now_ms)?;
                Ok((Some(id), records))
            }
            Self::ExpireSilence(id) => Ok((None, dispatcher.expire_silence(&id, now_ms)?)),
        }
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub enum NotChanged {
    /// It cannot be.
    Refused(SilenceRefused),
    /// It could not be made durable.
    Failed(Error),
}

/// Who owns the dispatchers.
#[async_trait]
pub trait AlertmanagerState: Send + Sync + std::fmt::Debug {
    /// Returns the time, ms.
    fn now_ms(&self) -> i64;

    /// Returns when the process began, ms.
    fn started_ms(&self) -> i64;

    /// Asks the dispatcher of a tenant.
    fn ask(&self, tenant: &TenantId, question: &mut dyn FnMut(&Dispatcher));

    /// Makes a change, with [`Change::apply`], and returns when it is durable.
    async fn change(&self, tenant: &TenantId, change: Change)
    -> Result<Option<String>, NotChanged>;
}

/// Makes a UUID, version 4, of a random number.
pub fn uuid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// What is answered: a status and a body, or none.
#[derive(Debug)]
struct Answer(StatusCode, Option<Vec<u8>>);

type Answered = Result<Answer, Answer>;

impl Answer {
    fn json(body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self(StatusCode::OK, Some(body)),
            Err(error) => Self::text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    /// A reason, as a JSON text.
    fn text(status: StatusCode, reason: &str) -> Self {
        Self(status, Some(serde_json::Value::from(reason).to_string().into_bytes()))
    }

    fn bad(reason: impl AsRef<str>) -> Self {
        Self::text(StatusCode::BAD_REQUEST, reason.as_ref())
    }

    fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.1.clone().unwrap_or_default()));
        *response.status_mut() = self.0;
        if self.1.is_some() {
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        response
    }
}

/// Answers a request. The id in the path of [`Endpoint::Silence`] is taken from the request.
pub async fn handle(
    state: Arc<dyn AlertmanagerState>,
    endpoint: Endpoint,
    tenant: TenantId,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let read = parts.method == Method::GET || parts.method == Method::HEAD;
    if !read && !endpoint.methods().contains(&parts.method) {
        let text = format!("method {} is not allowed", parts.method);
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, &text).response();
    }
    let call = Call {
        state,
        tenant,
        params: Params::new(parts.uri.query().unwrap_or_default()),
        last: parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let answered = match (endpoint, read) {
        (Endpoint::Status, _) => Ok(call.status()),
        (Endpoint::Receivers, _) => call.receivers(),
        (Endpoint::Silences, true) => call.silences(),
        (Endpoint::Silences, false) => call.set_silence(body).await,
        (Endpoint::Silence, true) => call.silence(),
        (Endpoint::Silence, false) => call.expire_silence().await,
        (Endpoint::Alerts, true) => call.alerts(),
        (Endpoint::Alerts, false) => call.receive(body).await,
        (Endpoint::Groups, _) => call.groups(),
    };
    answered.unwrap_or_else(|refused| refused).response()
}

struct Call {
    state: Arc<dyn AlertmanagerState>,
    tenant: TenantId,
    params: Params,
    /// Last part of the path.
    last: String,
}

impl Call {
    fn ask<T>(&self, question: impl Fn(&Dispatcher, i64) -> T) -> Option<T> {
        let now_ms = self.state.now_ms();
        let mut answer = None;
        self.state.ask(&self.tenant, &mut |dispatcher| {
            answer = Some(question(dispatcher, now_ms));
        });
        answer
    }

    fn status(&self) -> Answer {
        let shown = self.ask(|dispatcher, _| dispatcher.config().shown.clone());
        Answer::json(&json::status(&shown.unwrap_or_default(), self.state.started_ms()))
    }

    fn receivers(&self) -> Answered {
        let wanted = self.params.receiver()?;
        let names = self.ask(|dispatcher, _| {
            let names = dispatcher.config().receivers.iter().map(|one| Arc::clone(&one.name));
            let wants = |name: &Arc<str>| wanted.as_ref().is_none_or(|one| one.matches(name));
            names.filter(wants).map(|name| json::Receiver { name }).collect::<Vec<_>>()
        });
        Ok(Answer::json(&names.unwrap_or_default()))
    }

    fn silences(&self) -> Answered {
        let filter = self.params.matchers()?;
        let states = self.params.silence_states()?;
        let found = self.ask(|dispatcher, now_ms| {
            let silences = dispatcher.silences().iter();
            let wanted = silences.filter(|silence| {
                states.contains(&silence.state(now_ms)) && json::has_matchers(silence, &filter)
            });
            let mut found: Vec<_> = wanted.map(Arc::clone).collect();
            found.sort_by_key(|silence| json::silence_order(silence, now_ms));
            found.iter().map(|silence| json::Silence::of(silence, now_ms)).collect::<Vec<_>>()
        });
        Ok(Answer::json(&found.unwrap_or_default()))
    }

    fn silence(&self) -> Answered {
        let found = self.ask(|dispatcher, now_ms| {
            dispatcher.silences().get(&self.last).map(|one| json::Silence::of(one, now_ms))
        });
        found.flatten().map(|silence| Answer::json(&silence)).ok_or_else(|| self.no_silence())
    }

    fn no_silence(&self) -> Answer {
        Answer::text(StatusCode::NOT_FOUND, &format!("silence {} not found", self.last))
    }

    async fn set_silence(&self, body: Body) -> Answered {
        let body = read(body).await?;
        if body.len() > SILENCE_BYTES_MAX {
            let text = format!("a silence of {} bytes, limit is {SILENCE_BYTES_MAX}", body.len());
            return Err(Answer::bad(text));
        }
        let silence: json::PostedSilence =
            serde_json::from_slice(&body).map_err(|error| Answer::bad(error.to_string()))?;
        let silence = silence.silence().map_err(Answer::bad)?;
        let id = self.change(Change::SetSilence(Box::new(silence))).await?;
        Ok(Answer::json(&serde_json::json!({ "silenceID": id })))
    }

    async fn expire_silence(&self) -> Answered {
        self.change(Change::ExpireSilence(self.last.clone())).await?;
        Ok(Answer(StatusCode::OK, None))
    }

    fn alerts(&self) -> Answered {
        let filter = self.params.alert_filter()?;
        let views = self.ask(|dispatcher, now_ms| dispatcher.alerts(&filter, now_ms));
        let views = views.unwrap_or_default();
        Ok(Answer::json(&views.iter().map(json::Alert::of).collect::<Vec<_>>()))
    }

    fn groups(&self) -> Answered {
        let filter = self.params.alert_filter()?;
        let views = self.ask(|dispatcher, now_ms| dispatcher.groups(&filter, now_ms));
        let views = views.unwrap_or_default();
        Ok(Answer::json(&views.iter().map(json::Group::of).collect::<Vec<_>>()))
    }

    /// Takes the alerts that can be taken, and tells the mistakes of the others.
    async fn receive(&self, body: Body) -> Answered {
        let body = read(body).await?;
        let posted: Vec<json::PostedAlert> =
            serde_json::from_slice(&body).map_err(|error| Answer::bad(error.to_string()))?;
        let resolve_timeout = self.ask(|dispatcher, _| dispatcher.config().resolve_timeout);
        let now_ms = self.state.now_ms();
        let (mut alerts, mut mistakes) = (Vec::new(), Vec::new());
        for alert in posted {
            match alert.alert(resolve_timeout.unwrap_or_default(), now_ms) {
                Ok(alert) => alerts.push(alert),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !alerts.is_empty() {
            self.change(Change::Alerts(alerts)).await?;
        }
        if mistakes.is_empty() {
            return Ok(Answer(StatusCode::OK, None));
        }
        Err(Answer::bad(mistakes.join("; ")))
    }

    async fn change(&self, change: Change) -> Result<Option<String>, Answer> {
        self.state.change(&self.tenant, change).await.map_err(|error| match error {
            NotChanged::Refused(refused) => {
                let status = match refused {
                    SilenceRefused::Unknown(_) => StatusCode::NOT_FOUND,
                    SilenceRefused::Invalid(_) => StatusCode::BAD_REQUEST,
                    SilenceRefused::Full(_) => StatusCode::TOO_MANY_REQUESTS,
                };
                Answer::text(status, &refused.to_string())
            }
            NotChanged::Failed(error) => {
                let status = StatusCode::from_u16(error.reply(Direction::Write).http);
                Answer::text(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE), &error.message())
            }
        })
    }
}

async fn read(body: Body) -> Result<Bytes, Answer> {
    let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
    read.map(|read| read.to_bytes()).map_err(|error| {
        let text = format!("read the body, of {BODY_BYTES_MAX} bytes at most: {error}");
        Answer::bad(text)
    })
}

#[cfg(test)]
mod tests;
