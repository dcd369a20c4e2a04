//! The table: complete, without collisions, and honest in its answers.

use std::collections::BTreeSet;

use tarn_model::map::HashSet;

use super::{ALERTMANAGER_PREFIX, Handler, Methods, PROMETHEUS_PREFIX, ROUTES};
use crate::auth::decide::Needs;
use crate::auth::principal::Role;
use crate::listen::Port;
use tarn_alerting::api::alertmanager_v2;
use tarn_ingest::receive::otlp::{SIGNALS, service};
use tarn_model::signal::Signal;
use tarn_query::api::native;
use tarn_query::api::prometheus::Endpoint;

#[test]
fn no_method_of_a_path_stands_twice() {
    let mut seen = HashSet::default();
    for route in ROUTES {
        for path in route.paths() {
            for method in route.methods.allow().split(", ") {
                assert!(seen.insert((path.clone(), method)), "{method} {path}");
            }
        }
    }
}

#[test]
fn every_endpoint_of_alertmanager_has_its_routes() {
    for endpoint in alertmanager_v2::Endpoint::ALL {
        let path = format!("/api/v2{}", endpoint.path());
        let routes = ROUTES.iter().filter(|r| r.handler == Handler::Alertmanager(endpoint));
        let mut methods = Vec::new();
        for route in routes {
            assert_eq!(route.paths(), [path.clone(), format!("{ALERTMANAGER_PREFIX}{path}")]);
            methods.extend(route.methods.allow().split(", ").filter(|method| *method != "HEAD"));
        }
        assert_eq!(methods, endpoint.methods(), "{path}");
    }
    for path in ["/-/healthy", "/-/ready", "/-/reload"] {
        let below = format!("{ALERTMANAGER_PREFIX}{path}");
        assert!(ROUTES.iter().any(|r| r.path == path && r.paths().contains(&below)), "{below}");
    }
}

#[test]
fn every_endpoint_of_prometheus_has_its_route() {
    for endpoint in Endpoint::ALL {
        let path = format!("/api/v1{}", endpoint.path());
        let route = ROUTES.iter().find(|r| r.handler == Handler::Prometheus(endpoint));
        let route = route.unwrap_or_else(|| panic!("{path} has no route"));
        assert_eq!(route.path, path);
        assert_eq!(route.methods == Methods::GetAndPost, endpoint.methods().len() == 2, "{path}");
        assert!(route.paths().contains(&format!("{PROMETHEUS_PREFIX}{path}")));
    }
}

#[test]
fn every_endpoint_of_our_own_has_its_route() {
    for endpoint in native::Endpoint::ALL {
        let path = format!("/api/v1{}", endpoint.path());
        let route = ROUTES.iter().find(|r| r.handler == Handler::Native(endpoint));
        let route = route.unwrap_or_else(|| panic!("{path} has no route"));
        assert_eq!(route.paths(), [path.as_str()], "not below the prefix of another API");
        assert_eq!(route.methods == Methods::GetAndPost, endpoint.methods().len() == 2, "{path}");
    }
}

#[test]
fn what_changes_something_is_not_a_get_and_takes_more_than_a_viewer() {
    for route in ROUTES {
        let (path, needs) = (route.path, route.needs);
        let reads = matches!(needs, Needs::Tenant(Role::Viewer) | Needs::Server(Role::Viewer));
        assert!(!(route.changes() && reads), "{path} changes something");
        if matches!(route.methods, Methods::Get | Methods::GetAndPost) {
            assert!(!route.changes(), "{path}");
            // Who may do what is for those who decide it.
            let guarded =
                path.starts_with("/api/v1/access/") && needs == Needs::Server(Role::Admin);
            assert!(guarded || reads || needs == Needs::Anyone, "{path} asks {needs:?}");
        }
    }
}

#[test]
fn the_ports_of_otlp_have_what_belongs_there() {
    for (port, has, has_not) in [
        (Port::OtlpGrpc, Handler::OtlpGrpc(Signal::Logs), Handler::OtlpHttp(Signal::Logs)),
        (Port::OtlpHttp, Handler::OtlpHttp(Signal::Traces), Handler::RemoteWrite),
    ] {
        let stands = |handler| ROUTES.iter().any(|r| r.handler == handler && r.stands_on(port));
        assert!(stands(has) && stands(Handler::GrpcHealth), "{port:?}");
        assert!(!stands(has_not) && !stands(Handler::Flush), "{port:?}");
    }
    assert!(ROUTES.iter().all(|r| r.stands_on(Port::Http)));
}

#[test]
fn calls_stand_at_the_names_of_their_services() {
    for signal in SIGNALS {
        let path = format!("/{}/Export", service(signal));
        let route = ROUTES.iter().find(|r| r.path == path);
        assert_eq!(route.map(|r| r.handler), Some(Handler::OtlpGrpc(signal)), "{path}");
    }
}

/// Paths that are a page to browsers and something else to programs.
const BOTH: [Handler; 3] = [Handler::Root, Handler::Metrics, Handler::Status];

fn is_page(handler: Handler) -> bool {
    handler == Handler::Page || BOTH.contains(&handler)
}

fn first_segment(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

#[test]
fn the_pages_are_those_of_the_app() {
    let app = concat!(env!("CARGO_MANIFEST_DIR"), "/ui/web/src/routes.ts");
    let app = std::fs::read_to_string(app).unwrap();
    let paths = app.split("path: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let braced = |part: &str| match part.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None => part.to_owned(),
    };
    let of_app: BTreeSet<String> =
        paths.map(|path| path.split('/').map(braced).collect::<Vec<_>>().join("/")).collect();
    let of_server: BTreeSet<String> =
        ROUTES.iter().filter(|r| is_page(r.handler)).map(|r| r.path.to_owned()).collect();
    assert_eq!(of_app, of_server);
}

#[test]
fn no_page_shares_its_beginning_with_an_api() {
    let pages = ROUTES.iter().filter(|r| r.handler == Handler::Page).map(|r| first_segment(r.path));
    let pages: BTreeSet<&str> = pages.collect();
    for route in ROUTES.iter().filter(|r| !is_page(r.handler)) {
        for path in route.paths() {
            assert!(!pages.contains(first_segment(&path)), "{path}");
        }
    }
    for path in tarn_ui::files::beside_the_page() {
        assert!(ROUTES.iter().all(|r| first_segment(r.path) != first_segment(&path)), "{path}");
    }
}

#[test]
fn a_prefix_is_taken_from_a_path_and_nothing_else_of_it() {
    let base = tarn_ui::base::BasePath::parse("/tarn").unwrap();
    for (uri, expected) in [
        ("/tarn/logs?q=a%2Fb", "/logs?q=a%2Fb"),
        ("/tarn", "/"),
        ("/tarn?q=up", "/?q=up"),
        ("/tarnished", "/tarnished"),
        ("/api/v1/query?query=/tarn/", "/api/v1/query?query=/tarn/"),
    ] {
        let request = axum::extract::Request::get(uri).body(axum::body::Body::empty()).unwrap();
        assert_eq!(super::pages::strip(&base, request).uri(), expected, "{uri}");
    }
}
