use std::collections::BTreeSet;

use super::{PARAMETERS, ROUTES, ROUTES_DESCRIBED, document, is_own, methods};

#[test]
fn every_route_of_our_own_is_described_and_no_other() {
    let own: BTreeSet<&str> = ROUTES.iter().filter(|r| is_own(r)).map(|r| r.path).collect();
    let described: BTreeSet<&str> = ROUTES_DESCRIBED.iter().map(|(path, ..)| *path).collect();
    assert_eq!(own, described);
    assert_eq!(described.len(), ROUTES_DESCRIBED.len(), "each once");
    let document = document();
    for route in ROUTES.iter().filter(|r| is_own(r)) {
        for method in methods(route.methods) {
            let operation = &document["paths"][route.path][*method];
            assert!(operation["summary"].is_string(), "{method} {}", route.path);
        }
    }
}

#[test]
fn every_parameter_is_explained() {
    let mut used = BTreeSet::new();
    for (path, summary, parameters) in ROUTES_DESCRIBED {
        assert!(summary.ends_with('.') && !summary.contains(". "), "one sentence: {summary}");
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        used.extend(parameters.iter().copied().chain(in_path));
    }
    let known: BTreeSet<&str> = PARAMETERS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(used, known);
}
