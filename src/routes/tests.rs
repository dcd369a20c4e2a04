//! The table: complete, without collisions, and honest in its answers.

use tarn_model::map::HashSet;

use super::{Handler, Methods, PROMETHEUS_PREFIX, ROUTES};
use tarn_query::api::prometheus::Endpoint;

#[test]
fn no_path_stands_twice() {
    let mut seen = HashSet::default();
    for path in ROUTES.iter().flat_map(super::Route::paths) {
        assert!(seen.insert(path.clone()), "{path}");
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
fn what_changes_something_is_not_a_get() {
    for route in ROUTES {
        assert_eq!(route.role.changes(), route.methods == Methods::Post, "{}", route.path);
    }
}
