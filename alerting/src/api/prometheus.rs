//! `/api/v1/rules`, `/api/v1/alerts`, `/api/v1/alertmanagers`, as Prometheus answers them: Grafana
//! reads these.

mod filter;
mod view;

use axum::response::Response;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tarn_model::tenant::TenantId;

use self::filter::Filter;
use self::view::{Alert, Group};
use super::{bad_data, success};
use crate::evaluate::GroupView;
use crate::shell::Alerting;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Groups with their rules and alerts.
    Rules,
    /// Alerts that are pending or firing.
    Alerts,
    /// Alertmanagers that are told.
    Alertmanagers,
}

/// Answers a request; `query` is the query string.
pub fn handle(alerting: &Alerting, endpoint: Endpoint, tenant: &TenantId, query: &str) -> Response {
    match endpoint {
        Endpoint::Rules => rules(alerting, tenant, query),
        Endpoint::Alerts => alerts(alerting, tenant),
        Endpoint::Alertmanagers => alertmanagers(alerting),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    groups: Vec<Group>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_next_token: Option<String>,
}

fn rules(alerting: &Alerting, tenant: &TenantId, query: &str) -> Response {
    let filter = match Filter::parse(query) {
        Ok(filter) => filter,
        Err(message) => return bad_data(&message),
    };
    let views: Vec<GroupView> = groups(alerting, tenant);
    let mut views = views.iter().filter(|group| filter.takes_group(group)).peekable();
    if let Some(token) = &filter.next_token {
        while views.next_if(|group| token_of(group) != *token).is_some() {}
        if views.peek().is_none() {
            let message = format!("invalid group_next_token '{token}'. were rule groups changed?");
            return bad_data(&message);
        }
    }
    let mut groups = Vec::new();
    let mut group_next_token = None;
    for group in views {
        if filter.limit.is_some_and(|limit| groups.len() >= limit) {
            group_next_token = Some(token_of(group));
            break;
        }
        let rendered = Group::of(group, &filter);
        if !rendered.is_empty() {
            groups.push(rendered);
        }
    }
    success(Rules { groups, group_next_token })
}

fn groups(alerting: &Alerting, tenant: &TenantId) -> Vec<GroupView> {
    let tenant = alerting.tenant(tenant);
    tenant.map(|t| t.groups().iter().map(|group| group.view()).collect()).unwrap_or_default()
}

/// By which a client asks for the page that begins with a group.
fn token_of(group: &GroupView) -> String {
    let digest = Sha256::digest(format!("{};{}", group.file, group.name).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn alerts(alerting: &Alerting, tenant: &TenantId) -> Response {
    #[derive(Serialize)]
    struct Alerts {
        alerts: Vec<Alert>,
    }
    let groups = groups(alerting, tenant);
    let states = groups.iter().flat_map(|group| &group.rules).map(|rule| &rule.alerts);
    let alerts = states.flat_map(|state| state.active()).map(Alert::of).collect();
    success(Alerts { alerts })
}

fn alertmanagers(alerting: &Alerting) -> Response {
    let own = format!("{}/alertmanager/api/v2/alerts", alerting.shared().external_url);
    let active = [serde_json::json!({ "url": own })];
    let dropped: [(); 0] = [];
    success(serde_json::json!({ "activeAlertmanagers": active, "droppedAlertmanagers": dropped }))
}
