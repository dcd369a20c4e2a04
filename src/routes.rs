//! The one table of routes, and the way from a row of it to a handler. The port for everything has them
//! all, those of OTLP have what belongs there.
//!
//! Each API is whole under its prefix; at the root stands every spelling that does not collide. What
//! is not in the table is answered 404 in the envelope of the Prometheus API, a wrong method 405.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use http::header::{ALLOW, SET_COOKIE};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version};
use http_body_util::Limited;
use serde::Serialize;
use tarn_alerting::api as alerting_api;
use tarn_alerting::api::{alertmanager_v2, ruler};
use tarn_model::limits::Limits;
use tarn_model::signal::Signal;
use tarn_query::api::native;
use tarn_query::api::prometheus::Endpoint;
use tarn_ui::accept;
use tower::Layer as _;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tracing::Instrument as _;

use crate::app::App;
use crate::auth::Admitted;
use crate::auth::audit;
use crate::auth::decide::Needs;
use crate::auth::decide::Needs::{Anyone, Server, Tenant};
use crate::auth::principal::Role::{Admin, Editor, Ingest, Viewer};
use crate::auth::sessions::Session;
use crate::boards;
use crate::health;
use crate::listen::Port;
use crate::listen::guard::{self, Guard, OnPanic};
use crate::listen::linger::Linger;

use self::access::keys;

mod access;
pub(crate) mod admin;
mod alerts;
mod calls;
mod erase;
pub(crate) mod login;
mod oidc;
mod openapi;
mod pages;
mod refuse;
mod sources;
mod trace;
mod trail;

#[cfg(test)]
mod tests;

/// Which methods a route takes. `Get` includes HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Methods {
    Get,
    Post,
    PostAndPut,
    Put,
    GetAndPost,
    Delete,
}

/// How much of a body any handler of the route may be made to read. Handlers check the same limits
/// themselves, to answer them in their protocol's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLimit {
    None,
    Form,
    RemoteWrite,
    Otlp,
    Alerts,
    Rules,
    Board,
    Access,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    /// The page of the app, which reads the rest of the address itself.
    Page,
    /// A page for browsers; for others, what can be asked.
    Root,
    /// Prometheus' page.
    Graph,
    Asset,
    Live,
    Healthy,
    Ready,
    Metrics,
    Status,
    Flush,
    Compact,
    Repair,
    Nodes,
    Forget,
    Usage,
    UsageJobs,
    Sources,
    DeleteSeries,
    CleanTombstones,
    Erase,
    Tombstones,
    RemoteWrite,
    OtlpHttp(Signal),
    OtlpGrpc(Signal),
    GrpcHealth,
    Prometheus(Endpoint),
    Native(native::Endpoint),
    Sql,
    OpenApi,
    Rules(alerting_api::prometheus::Endpoint),
    Ruler(ruler::Endpoint),
    Alerting(alerting_api::native::Endpoint),
    Slos,
    Alertmanager(alertmanager_v2::Endpoint),
    Reload,
    Dashboards(boards::Endpoint),
    Audit,
    AccessKeys(keys::Endpoint),
    Access(login::Endpoint),
}

/// One row. A path whose methods ask for different roles has several: what the caller needs is nothing,
/// a role for the tenant that the request is about, or one for the whole server.
#[derive(Debug)]
pub(crate) struct Route {
    /// Path in axum's syntax.
    pub(crate) path: &'static str,
    pub(crate) methods: Methods,
    pub(crate) needs: Needs,
    pub(crate) body: BodyLimit,
    pub(crate) handler: Handler,
}

const fn route(
    path: &'static str,
    methods: Methods,
    needs: Needs,
    body: BodyLimit,
    handler: Handler,
) -> Route {
    Route { path, methods, needs, body, handler }
}

/// What gRPC puts in front of a message.
const GRPC_HEAD_BYTES: usize = 5;

/// Below which prefixes the paths under `/api/v1` stand as well as at the root.
const PROMETHEUS_PREFIX: &str = "/prometheus";
/// Below which the paths under `/api/v2` do, with those that say how the process is.
const ALERTMANAGER_PREFIX: &str = "/alertmanager";

/// Every route.
#[rustfmt::skip]
pub(crate) static ROUTES: &[Route] = &[
    route("/", Methods::Get, Anyone, BodyLimit::None, Handler::Root),
    route("/metrics/{name}", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/logs", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/traces", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/traces/{id}", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/map", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/service/{name}", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/sql", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/dashboards", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/dashboards/{name}", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/slos", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/slos/{name}", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/alerts", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/alerts/{id}", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/data", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/send", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/queries", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/settings", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/login", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/welcome", Methods::Get, Anyone, BodyLimit::None, Handler::Page),
    route("/graph", Methods::Get, Anyone, BodyLimit::None, Handler::Graph),
    route("/assets/{file}", Methods::Get, Anyone, BodyLimit::None, Handler::Asset),
    route("/livez", Methods::Get, Anyone, BodyLimit::None, Handler::Live),
    route("/healthz", Methods::Get, Anyone, BodyLimit::None, Handler::Live),
    route("/-/healthy", Methods::Get, Anyone, BodyLimit::None, Handler::Healthy),
    route("/readyz", Methods::Get, Anyone, BodyLimit::None, Handler::Ready),
    route("/ready", Methods::Get, Anyone, BodyLimit::None, Handler::Ready),
    route("/-/ready", Methods::Get, Anyone, BodyLimit::None, Handler::Ready),
    route("/metrics", Methods::Get, Server(Viewer), BodyLimit::None, Handler::Metrics),
    route("/status", Methods::Get, Server(Viewer), BodyLimit::None, Handler::Status),
    route("/-/flush", Methods::Post, Server(Admin), BodyLimit::None, Handler::Flush),
    route("/-/compact", Methods::Post, Server(Admin), BodyLimit::None, Handler::Compact),
    route("/-/repair", Methods::Post, Server(Admin), BodyLimit::None, Handler::Repair),
    route("/-/forget", Methods::Post, Server(Admin), BodyLimit::None, Handler::Forget),
    route("/api/v1/nodes", Methods::Get, Server(Viewer), BodyLimit::None, Handler::Nodes),
    route("/api/v1/usage", Methods::Get, Server(Viewer), BodyLimit::None, Handler::Usage),
    route("/api/v1/usage/jobs", Methods::Get, Server(Viewer), BodyLimit::None, Handler::UsageJobs),
    route("/api/v1/sources", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Sources),
    route("/api/v1/admin/tsdb/delete_series", Methods::PostAndPut, Tenant(Admin), BodyLimit::Form, Handler::DeleteSeries),
    route("/api/v1/admin/tsdb/clean_tombstones", Methods::PostAndPut, Server(Admin), BodyLimit::None, Handler::CleanTombstones),
    route("/api/v1/erase", Methods::Post, Tenant(Admin), BodyLimit::Form, Handler::Erase),
    route("/api/v1/tombstones", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Tombstones),
    route("/api/v1/write", Methods::Post, Tenant(Ingest), BodyLimit::RemoteWrite, Handler::RemoteWrite),
    route("/api/v1/push", Methods::Post, Tenant(Ingest), BodyLimit::RemoteWrite, Handler::RemoteWrite),
    route("/v1/logs", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpHttp(Signal::Logs)),
    route("/v1/traces", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpHttp(Signal::Traces)),
    route("/v1/metrics", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpHttp(Signal::Metrics)),
    route("/otlp/v1/logs", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpHttp(Signal::Logs)),
    route("/otlp/v1/traces", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpHttp(Signal::Traces)),
    route("/otlp/v1/metrics", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpHttp(Signal::Metrics)),
    route("/api/v1/otlp/v1/metrics", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpHttp(Signal::Metrics)),
    route("/opentelemetry.proto.collector.logs.v1.LogsService/Export", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpGrpc(Signal::Logs)),
    route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpGrpc(Signal::Traces)),
    route("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", Methods::Post, Tenant(Ingest), BodyLimit::Otlp, Handler::OtlpGrpc(Signal::Metrics)),
    route("/grpc.health.v1.Health/Check", Methods::Post, Anyone, BodyLimit::Form, Handler::GrpcHealth),
    route("/api/v1/query", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Prometheus(Endpoint::Query)),
    route("/api/v1/query_range", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Prometheus(Endpoint::QueryRange)),
    route("/api/v1/format_query", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Prometheus(Endpoint::FormatQuery)),
    route("/api/v1/query_exemplars", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Prometheus(Endpoint::QueryExemplars)),
    route("/api/v1/labels", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Prometheus(Endpoint::Labels)),
    route("/api/v1/label/{name}/values", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Prometheus(Endpoint::LabelValues)),
    route("/api/v1/series", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Prometheus(Endpoint::Series)),
    route("/api/v1/metadata", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Prometheus(Endpoint::Metadata)),
    route("/api/v1/status/buildinfo", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Prometheus(Endpoint::BuildInfo)),
    route("/api/v1/status/runtimeinfo", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Prometheus(Endpoint::RuntimeInfo)),
    route("/api/v1/status/tsdb", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Prometheus(Endpoint::Tsdb)),
    route("/api/v1/logs/search", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::LogsSearch)),
    route("/api/v1/logs/histogram", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::LogsHistogram)),
    route("/api/v1/logs/facets", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::LogsFacets)),
    route("/api/v1/logs/context", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::LogsContext)),
    route("/api/v1/logs/tail", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::LogsTail)),
    route("/api/v1/names", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::Names)),
    route("/api/v1/sql/of", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::SqlOf)),
    route("/api/v1/traces/search", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::TracesSearch)),
    route("/api/v1/traces/{id}", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Native(native::Endpoint::Trace)),
    route("/api/v1/traces/histogram", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::TracesHistogram)),
    route("/api/v1/traces/stored", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::TracesStored)),
    route("/api/v1/traces/{id}/spans/{span_id}", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Native(native::Endpoint::Span)),
    route("/api/v1/services", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::Services)),
    route("/api/v1/services/graph", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::ServicesGraph)),
    route("/api/v1/services/{name}", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Native(native::Endpoint::Service)),
    route("/api/v1/access/me", Methods::Get, Anyone, BodyLimit::None, Handler::Access(login::Endpoint::Me)),
    route("/api/v1/access/login", Methods::Post, Anyone, BodyLimit::Access, Handler::Access(login::Endpoint::Login)),
    route("/api/v1/access/logout", Methods::Post, Anyone, BodyLimit::None, Handler::Access(login::Endpoint::Logout)),
    route("/api/v1/access/password", Methods::Post, Anyone, BodyLimit::Access, Handler::Access(login::Endpoint::Password)),
    route("/api/v1/access/oidc/start", Methods::Get, Anyone, BodyLimit::None, Handler::Access(login::Endpoint::OidcStart)),
    route("/api/v1/access/oidc/callback", Methods::Get, Anyone, BodyLimit::None, Handler::Access(login::Endpoint::OidcCallback)),
    route("/api/v1/access/users", Methods::Get, Server(Admin), BodyLimit::None, Handler::Access(login::Endpoint::Users)),
    route("/api/v1/access/users", Methods::Post, Server(Admin), BodyLimit::Access, Handler::Access(login::Endpoint::Users)),
    route("/api/v1/access/users/{name}", Methods::Put, Server(Admin), BodyLimit::Access, Handler::Access(login::Endpoint::User)),
    route("/api/v1/access/users/{name}", Methods::Delete, Server(Admin), BodyLimit::None, Handler::Access(login::Endpoint::User)),
    route("/api/v1/access/users/{name}/link", Methods::Post, Server(Admin), BodyLimit::None, Handler::Access(login::Endpoint::UserLink)),
    route("/api/v1/access/keys", Methods::Get, Server(Admin), BodyLimit::None, Handler::AccessKeys(keys::Endpoint::List)),
    route("/api/v1/access/keys", Methods::Post, Server(Admin), BodyLimit::Form, Handler::AccessKeys(keys::Endpoint::Create)),
    route("/api/v1/access/keys/{id}", Methods::Delete, Server(Admin), BodyLimit::None, Handler::AccessKeys(keys::Endpoint::Revoke)),
    route("/api/v1/queries", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Native(native::Endpoint::Queries)),
    route("/api/v1/queries/{id}/cancel", Methods::Post, Tenant(Editor), BodyLimit::None, Handler::Native(native::Endpoint::CancelQuery)),
    route("/-/reload", Methods::PostAndPut, Server(Admin), BodyLimit::None, Handler::Reload),
    route("/api/v1/rules", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Rules(alerting_api::prometheus::Endpoint::Rules)),
    route("/config/v1/rules", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Ruler(ruler::Endpoint::List)),
    route("/config/v1/rules/{namespace}", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Ruler(ruler::Endpoint::Namespace)),
    route("/config/v1/rules/{namespace}", Methods::Post, Tenant(Editor), BodyLimit::Rules, Handler::Ruler(ruler::Endpoint::Namespace)),
    route("/config/v1/rules/{namespace}", Methods::Delete, Tenant(Editor), BodyLimit::None, Handler::Ruler(ruler::Endpoint::Namespace)),
    route("/config/v1/rules/{namespace}/{group}", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Ruler(ruler::Endpoint::Group)),
    route("/config/v1/rules/{namespace}/{group}", Methods::Delete, Tenant(Editor), BodyLimit::None, Handler::Ruler(ruler::Endpoint::Group)),
    route("/api/v1/rules/{namespace}", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Ruler(ruler::Endpoint::Namespace)),
    route("/api/v1/rules/{namespace}", Methods::Post, Tenant(Editor), BodyLimit::Rules, Handler::Ruler(ruler::Endpoint::Namespace)),
    route("/api/v1/rules/{namespace}", Methods::Delete, Tenant(Editor), BodyLimit::None, Handler::Ruler(ruler::Endpoint::Namespace)),
    route("/api/v1/rules/{namespace}/{group}", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Ruler(ruler::Endpoint::Group)),
    route("/api/v1/rules/{namespace}/{group}", Methods::Delete, Tenant(Editor), BodyLimit::None, Handler::Ruler(ruler::Endpoint::Group)),
    route("/api/v1/alerts", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Rules(alerting_api::prometheus::Endpoint::Alerts)),
    route("/api/v1/alertmanagers", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Rules(alerting_api::prometheus::Endpoint::Alertmanagers)),
    route("/api/v1/slos", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Slos),
    route("/api/v1/alerting/status", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alerting(alerting_api::native::Endpoint::Status)),
    route("/api/v1/alerting/problems", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alerting(alerting_api::native::Endpoint::Problems)),
    route("/api/v1/alerting/deliveries", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alerting(alerting_api::native::Endpoint::Deliveries)),
    route("/api/v1/alerting/dead_letters", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alerting(alerting_api::native::Endpoint::DeadLetters)),
    route("/api/v1/alerting/replay", Methods::Post, Tenant(Editor), BodyLimit::None, Handler::Alerting(alerting_api::native::Endpoint::Replay)),
    route("/api/v2/status", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alertmanager(alertmanager_v2::Endpoint::Status)),
    route("/api/v2/receivers", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alertmanager(alertmanager_v2::Endpoint::Receivers)),
    route("/api/v2/silences", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alertmanager(alertmanager_v2::Endpoint::Silences)),
    route("/api/v2/silences", Methods::Post, Tenant(Editor), BodyLimit::Form, Handler::Alertmanager(alertmanager_v2::Endpoint::Silences)),
    route("/api/v2/silence/{id}", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alertmanager(alertmanager_v2::Endpoint::Silence)),
    route("/api/v2/silence/{id}", Methods::Delete, Tenant(Editor), BodyLimit::None, Handler::Alertmanager(alertmanager_v2::Endpoint::Silence)),
    route("/api/v2/alerts", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alertmanager(alertmanager_v2::Endpoint::Alerts)),
    route("/api/v2/alerts", Methods::Post, Tenant(Ingest), BodyLimit::Alerts, Handler::Alertmanager(alertmanager_v2::Endpoint::Alerts)),
    route("/api/v2/alerts/groups", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Alertmanager(alertmanager_v2::Endpoint::Groups)),
    route("/api/v1/dashboards", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Dashboards(boards::Endpoint::List)),
    route("/api/v1/dashboards/import", Methods::Post, Tenant(Viewer), BodyLimit::Board, Handler::Dashboards(boards::Endpoint::Import)),
    route("/api/v1/dashboards/lint", Methods::Post, Tenant(Viewer), BodyLimit::Board, Handler::Dashboards(boards::Endpoint::Lint)),
    route("/api/v1/dashboards/{name}", Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::Dashboards(boards::Endpoint::Board)),
    route("/api/v1/dashboards/{name}", Methods::Put, Tenant(Editor), BodyLimit::Board, Handler::Dashboards(boards::Endpoint::Board)),
    route("/api/v1/dashboards/{name}", Methods::Delete, Tenant(Editor), BodyLimit::None, Handler::Dashboards(boards::Endpoint::Board)),
    route(openapi::PATH, Methods::Get, Tenant(Viewer), BodyLimit::None, Handler::OpenApi),
    route("/api/v1/sql", Methods::GetAndPost, Tenant(Viewer), BodyLimit::Form, Handler::Sql),
    route("/api/v1/access/audit", Methods::Get, Server(Admin), BodyLimit::None, Handler::Audit),
];

impl Route {
    /// Returns the paths at which the route stands.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = vec![self.path.to_owned()];
        use Handler::{
            Access, AccessKeys, Alerting, Alertmanager, Audit, Dashboards, Erase, Native, OpenApi,
            Reload, Slos, Sources, Tombstones, Usage, UsageJobs,
        };
        let is_own = matches!(
            self.handler,
            Native(_)
                | Usage
                | UsageJobs
                | Sources
                | Erase
                | Tombstones
                | Alerting(_)
                | Slos
                | Dashboards(_)
                | Access(_)
                | AccessKeys(_)
                | OpenApi
                | Audit
        );
        let is_prometheus = ["/api/v1/", "/config/v1/"].iter().any(|p| self.path.starts_with(p));
        if is_prometheus && !is_own {
            paths.push(format!("{PROMETHEUS_PREFIX}{}", self.path));
        }
        let is_probe = matches!(self.path, "/-/healthy" | "/-/ready");
        if is_probe || matches!(self.handler, Alertmanager(_) | Reload) {
            paths.push(format!("{ALERTMANAGER_PREFIX}{}", self.path));
        }
        paths
    }

    /// Returns whether a request changes anything: web pages of other origins may not.
    pub(crate) fn changes(&self) -> bool {
        // A call of gRPC is a POST also when it only asks, and so is a question whose text is a board.
        let asks = matches!(
            self.handler,
            Handler::GrpcHealth
                | Handler::Dashboards(boards::Endpoint::Import | boards::Endpoint::Lint)
        );
        !asks && !matches!(self.methods, Methods::Get | Methods::GetAndPost)
    }

    /// Returns what the caller of a request needs. A browser gets the page where others get data: the
    /// page holds none.
    fn needs_of(&self, request: &Request) -> Needs {
        let is_page = matches!(self.handler, Handler::Metrics | Handler::Status)
            && accept::wants_html(request.headers());
        if is_page { Anyone } else { self.needs }
    }

    /// Returns whether the route stands on a port: all do on the one for everything, and those that
    /// belong to OTLP on its own.
    fn stands_on(&self, port: Port) -> bool {
        use Handler::{GrpcHealth, Healthy, Live, OtlpGrpc, OtlpHttp, Ready};
        let call = matches!(self.handler, OtlpGrpc(_) | GrpcHealth);
        match port {
            Port::Http => true,
            Port::OtlpGrpc => call,
            Port::OtlpHttp => call || matches!(self.handler, OtlpHttp(_) | Live | Healthy | Ready),
        }
    }
}

impl Methods {
    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::PostAndPut => MethodFilter::POST.or(MethodFilter::PUT),
            Self::Put => MethodFilter::PUT,
            Self::GetAndPost => MethodFilter::GET.or(MethodFilter::POST),
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// Returns the value of `Allow`.
    pub(crate) fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::PostAndPut => "POST, PUT",
            Self::Put => "PUT",
            Self::GetAndPost => "GET, HEAD, POST",
            Self::Delete => "DELETE",
        }
    }
}

impl BodyLimit {
    /// Returns the bytes; one more than the protocol's own limit, so that its handler is the one to
    /// see that it is exceeded.
    fn bytes(self, limits: &Limits) -> usize {
        match self {
            Self::None => 0,
            Self::Form => limits.form_bytes_max.as_usize().saturating_add(1),
            Self::RemoteWrite => limits.remote_write_bytes_max.as_usize().saturating_add(1),
            Self::Otlp => limits.otlp_bytes_max.as_usize().saturating_add(GRPC_HEAD_BYTES + 1),
            Self::Alerts => alertmanager_v2::BODY_BYTES_MAX.saturating_add(1),
            Self::Rules => ruler::BODY_BYTES_MAX.saturating_add(1),
            Self::Access => login::BODY_BYTES_MAX.saturating_add(1),
            Self::Board => tarn_ui::dashboards::api::BODY_BYTES_MAX.saturating_add(1),
        }
    }
}

/// The row of the files that stand beside the page: which there are is known once the app is built.
static BESIDE_THE_PAGE: Route =
    route("/{file}", Methods::Get, Anyone, BodyLimit::None, Handler::Asset);

/// What the app's files are compressed as was decided when they were built, and their tags say so.
const FONTS: NotForContentType = NotForContentType::const_new("font/");

/// Builds the router of a port, which stands below the prefix of the settings too.
pub(crate) fn router(app: &Arc<App>, port: Port, guard: Guard) -> Router {
    let router = at_the_root(app, port, guard);
    if port != Port::Http || app.config.ui.base_path.is_root() {
        return router;
    }
    let base = app.config.ui.base_path.clone();
    let stripped = MapRequestLayer::new(move |request| pages::strip(&base, request));
    Router::new().fallback_service(stripped.layer(router))
}

fn at_the_root(app: &Arc<App>, port: Port, guard: Guard) -> Router {
    let mut router = Router::new();
    let mut by_path: BTreeMap<String, Vec<&'static Route>> = BTreeMap::new();
    for route in ROUTES.iter().filter(|route| route.stands_on(port)) {
        for path in route.paths() {
            by_path.entry(path).or_default().push(route);
        }
    }
    if port == Port::Http {
        for path in tarn_ui::files::beside_the_page() {
            by_path.entry(path).or_default().push(&BESIDE_THE_PAGE);
        }
    }
    for (path, routes) in by_path {
        router = router.route(&path, methods(&routes));
    }
    let metrics = guard.metrics.clone();
    if port == Port::OtlpGrpc {
        return router
            .fallback(move |request| calls::unknown(port, request))
            .layer(CatchPanicLayer::custom(calls::on_panic(metrics)))
            .layer(from_fn_with_state(guard, guard::count))
            .with_state(Arc::clone(app));
    }
    let panics = CatchPanicLayer::custom(OnPanic::of_http(metrics));
    router
        .fallback(move |request| not_found(port, request))
        .layer(from_fn_with_state(guard.clone(), guard::check))
        .layer(panics)
        .layer(CompressionLayer::new().gzip(true).zstd(false).compress_when(is_compressed()))
        .layer(from_fn_with_state(guard, guard::count))
        .layer(from_fn(guard::harmless))
        .with_state(Arc::clone(app))
}

/// Tells what is worth compressing. What is sent line by line, as it happens, is not: the compressor
/// would keep lines until it has many.
fn is_compressed() -> impl Predicate {
    let is_buffered = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        headers.get("x-accel-buffering").is_none_or(|value| value != "no")
    };
    DefaultPredicate::new().and(FONTS).and(is_buffered)
}

/// Joins the rows of one path.
fn methods(routes: &[&'static Route]) -> MethodRouter<Arc<App>> {
    let mut methods = MethodRouter::new();
    for route in routes.iter().copied() {
        let handler =
            move |State(app): State<Arc<App>>, request: Request| answer(app, route, request);
        methods = methods.on(route.methods.filter(), handler);
    }
    let allow = routes.iter().map(|route| route.methods.allow()).collect::<Vec<_>>().join(", ");
    let wrong = move |request: Request| std::future::ready(method_not_allowed(&allow, &request));
    methods.fallback(wrong)
}

/// Checks a request and its caller against its route, and traces how it is handled.
async fn answer(app: Arc<App>, route: &'static Route, mut request: Request) -> Response {
    if route.changes() && guard::is_cross_site(request.uri(), request.headers()) {
        let message = "the request comes from a page of another origin";
        return envelope(StatusCode::FORBIDDEN, "forbidden", message);
    }
    let (needs, changes) = (route.needs_of(&request), route.changes());
    let admitted = match app.auth.admit(needs, changes, &mut request) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            trail::refused(&app, &request, &refusal);
            return refuse::refuse(&app, route, request, refusal).await;
        }
    };
    let session = request.extensions().get::<Session>().cloned();
    let asked = trail::Asked::of(&app, route, &request, &admitted);
    let span = trace::begin(&*app.rng, route, &request);
    let mut response =
        handle(Arc::clone(&app), route, admitted, request).instrument(span.clone()).await;
    trace::end(&span, &response);
    if let Some(asked) = asked {
        asked.end(&app, &response);
    }
    if let Some(cookie) = session.and_then(|s| app.auth.people.sessions.renewed(&s)) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

async fn handle(
    app: Arc<App>,
    route: &'static Route,
    Admitted { tenant, principal }: Admitted,
    request: Request,
) -> Response {
    let limits = &app.config.limits;
    let own = limits.overrides.get(&tenant);
    let limit = route.body.bytes(own.as_deref().unwrap_or(limits));
    let request = request.map(|body| Body::new(Limited::new(Linger::new(body), limit)));
    match route.handler {
        Handler::Page => pages::page(&app),
        Handler::Root => pages::or(&app, request.headers(), |_| admin::root(&app)),
        Handler::Graph => pages::graph(&app, request.uri().query()),
        Handler::Asset => pages::file(&request),
        Handler::Live => health::live().into_response(),
        Handler::Healthy => health::healthy().into_response(),
        Handler::Ready => health::ready(&app.readiness(), request.uri().query()),
        Handler::Metrics => pages::or(&app, request.headers(), |h| admin::metrics(&app, h)),
        Handler::Status => pages::or(&app, request.headers(), |_| admin::status(&app)),
        Handler::Flush => admin::flush(&app).await,
        Handler::Compact => admin::compact(&app, request.uri().query()).await,
        Handler::Repair => admin::repair(&app, request.uri().query()).await,
        Handler::Nodes => admin::nodes(&app),
        Handler::Forget => admin::forget(&app, request.uri().query()).await,
        Handler::Usage => admin::usage(&app),
        Handler::Sources => sources::list(&app, &tenant, &request),
        Handler::UsageJobs => axum::Json(app.storage.jobs()).into_response(),
        Handler::DeleteSeries => erase::delete_series(&app, tenant, request).await,
        Handler::CleanTombstones => erase::clean_tombstones(&app).await,
        Handler::Erase => erase::erase(&app, tenant, request).await,
        Handler::Tombstones => erase::tombstones(&app, &tenant),
        Handler::RemoteWrite => admin::write(&app, tenant, request).await,
        Handler::OtlpHttp(signal) => calls::otlp_http(&app, signal, Ok(tenant), request).await,
        Handler::OtlpGrpc(signal) => calls::otlp_grpc(&app, signal, Ok(tenant), request).await,
        Handler::GrpcHealth => calls::health(&app, request).await,
        Handler::Prometheus(endpoint) => admin::prometheus(&app, endpoint, tenant, request).await,
        Handler::Native(endpoint) => admin::native(&app, endpoint, tenant, request).await,
        Handler::OpenApi => openapi::openapi(),
        Handler::Sql => admin::sql(&app, tenant, request).await,
        Handler::Rules(endpoint) => alerts::prometheus(&app, endpoint, &tenant, &request),
        Handler::Ruler(endpoint) => alerts::ruler(&app, endpoint, &tenant, request).await,
        Handler::Alerting(endpoint) => alerts::native(&app, endpoint, &tenant, &request),
        Handler::Slos => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            alerts::slos(&app, &tenant, &query).await
        }
        Handler::Alertmanager(endpoint) => {
            alerts::alertmanager(&app, endpoint, tenant, request).await
        }
        Handler::Reload => alerts::reload(&app).await,
        Handler::Audit => audit::list::handle(&app, request.uri().query()).await,
        Handler::Dashboards(endpoint) => {
            boards::handle(&app, endpoint, (tenant, &principal), request).await
        }
        Handler::AccessKeys(endpoint) => keys::handle(&app, endpoint, &principal, request).await,
        Handler::Access(endpoint) => login::handle(&app, endpoint, &principal, request).await,
    }
}

async fn not_found(port: Port, request: Request) -> Response {
    if guard::is_call(&request) {
        return calls::unknown(port, request).await;
    }
    std::future::ready(nothing_at(request.uri().path())).await
}

fn nothing_at(path: &str) -> Response {
    envelope(StatusCode::NOT_FOUND, "not_found", &format!("path not found: {path}"))
}

fn method_not_allowed(allow: &str, request: &Request) -> Response {
    let message = format!("{} takes {allow}, not {}", request.uri().path(), request.method());
    let mut response = envelope(StatusCode::METHOD_NOT_ALLOWED, "bad_data", &message);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The error form of the Prometheus API.
#[derive(Debug, Serialize)]
struct Envelope<'a> {
    status: &'a str,
    #[serde(rename = "errorType")]
    error_type: &'a str,
    error: &'a str,
}

/// Makes an error in the envelope of the Prometheus API.
pub(crate) fn envelope(status: StatusCode, error_type: &str, message: &str) -> Response {
    let body = Envelope { status: "error", error_type, error: message };
    (status, axum::Json(body)).into_response()
}
