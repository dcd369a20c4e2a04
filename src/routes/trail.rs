//! What of requests is told to the audit: everything that changed something other than by sending rows,
//! and whatever was refused.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::Method;
use tarn_model::error::{Error, ErrorKind};
use tarn_model::tenant::TenantId;

use super::login::Endpoint as People;
use super::{Handler, Route};
use crate::app::App;
use crate::auth::Admitted;
use crate::auth::audit::{Event, Outcome};
use crate::auth::decide::Needs;
use crate::auth::principal::{Principal, Role};
use crate::listen::peer::Client;

/// What only a handler knows of a request: left in the extensions of its answer.
#[derive(Debug, Clone)]
pub(super) enum About {
    /// Who logs in, or tries to.
    Person(String),
    /// What was made or ended.
    Thing(String),
}

/// A request that is worth telling, while it is answered.
#[derive(Debug)]
pub(super) struct Asked {
    action: &'static str,
    target: String,
    from: Option<IpAddr>,
    principal: Arc<Principal>,
    tenant: Option<TenantId>,
}

impl Asked {
    /// Keeps what is needed of a request that is about to be answered, if it is worth it.
    pub(super) fn of(
        app: &App,
        route: &Route,
        request: &Request,
        Admitted { tenant, principal }: &Admitted,
    ) -> Option<Self> {
        let sends_rows = route.needs == Needs::Tenant(Role::Ingest);
        let changes = route.changes() || route.handler == Handler::Access(People::OidcCallback);
        if !app.audit.is_enabled() || sends_rows || !changes {
            return None;
        }
        let action = action(route.handler, request.method());
        Some(Self {
            action,
            target: target(request),
            from: from(request),
            principal: Arc::clone(principal),
            tenant: matches!(route.needs, Needs::Tenant(_)).then(|| tenant.clone()),
        })
    }

    /// Tells how it ended.
    pub(super) fn end(self, app: &App, response: &Response) {
        let status = response.status();
        let outcome = match status.as_u16() {
            200..=399 => Outcome::Done,
            401 | 403 => Outcome::Denied,
            _ => Outcome::Failed,
        };
        let mut event = Event::new(self.action, self.target, outcome);
        event.principal.clone_from(&self.principal.name);
        event.how = self.principal.how.as_str();
        event.from = self.from;
        event.tenant = self.tenant;
        if outcome != Outcome::Done {
            event.detail = format!("answered {}", status.as_u16());
        }
        match response.extensions().get::<About>() {
            Some(About::Person(name)) => {
                event.principal.clone_from(name);
                event.how = if self.action == "login.oidc" { "oidc" } else { "password" };
            }
            Some(About::Thing(what)) => event.target = format!("{} {what}", event.target),
            None => {}
        }
        app.audit.record(event);
    }
}

/// Tells that a request was refused before its handler.
pub(super) fn refused(app: &App, request: &Request, error: &Error) {
    let mut event = Event::new("refused", target(request), Outcome::Denied);
    event.from = from(request);
    event.detail = error.message();
    // Who may not is known, unlike who showed something wrong; that was counted already.
    if app.audit.is_enabled()
        && error.kind() == ErrorKind::Forbidden
        && let Ok(Some(principal)) = app.auth.principal(request.headers(), request.extensions())
    {
        event.principal.clone_from(&principal.name);
        event.how = principal.how.as_str();
    }
    app.audit.record(event);
}

/// Returns method and path; a query may hold anything, so it is not told.
fn target(request: &Request) -> String {
    format!("{} {}", request.method(), request.uri().path())
}

fn from(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Client>().map(|client| client.ip)
}

/// Returns the word for what a route does.
fn action(handler: Handler, method: &Method) -> &'static str {
    let deletes = method == Method::DELETE;
    match handler {
        Handler::Flush => "flush",
        Handler::Compact => "compact",
        Handler::Repair => "repair",
        Handler::Forget => "node.forget",
        Handler::DeleteSeries | Handler::Erase => "erase",
        Handler::CleanTombstones => "tombstones.clean",
        Handler::Reload => "reload",
        Handler::Ruler(_) if deletes => "rules.delete",
        Handler::Ruler(_) => "rules.save",
        Handler::Alertmanager(_) if deletes => "silence.expire",
        Handler::Alertmanager(_) => "silence.save",
        Handler::Alerting(_) => "notification.replay",
        Handler::Dashboards(_) if deletes => "dashboard.delete",
        Handler::Dashboards(_) => "dashboard.save",
        Handler::Native(_) => "query.cancel",
        Handler::AccessKeys(_) if deletes => "key.revoke",
        Handler::AccessKeys(_) => "key.create",
        Handler::Access(People::Login) => "login",
        Handler::Access(People::OidcCallback) => "login.oidc",
        Handler::Access(People::Logout) => "logout",
        Handler::Access(People::Password) => "password",
        Handler::Access(People::Users) => "user.add",
        Handler::Access(People::UserLink) => "user.link",
        Handler::Access(_) if deletes => "user.remove",
        Handler::Access(_) => "user.grants",
        _ => "change",
    }
}
