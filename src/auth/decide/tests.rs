use proptest::prelude::*;

use super::*;
use crate::auth::principal::{Grant, How};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn principal(grants: &[(Role, &[&str])]) -> Principal {
    let grant = |(role, tenants): &(Role, &[&str])| {
        let names: Vec<String> = tenants.iter().map(|t| (*t).to_owned()).collect();
        Grant { role: *role, tenants: names.try_into().unwrap() }
    };
    let grants = grants.iter().map(grant).collect();
    Principal { name: "p".to_owned(), how: How::Key, id: "1".to_owned(), grants }
}

fn ask(needs: Needs, principal: Option<&Principal>, named: Option<&str>, required: bool) -> String {
    let named = Ok(named.map(tenant));
    match decide(Question { login: true, needs, principal, named, required }) {
        Ok(tenant) => tenant.to_string(),
        Err(error) => format!("{:?}: {}", error.kind(), error.message()),
    }
}

#[test]
fn the_header_asks_and_the_grants_decide() {
    use Needs::{Anyone, Server, Tenant};
    use Role::{Admin, Editor, Ingest, Viewer};
    let one = principal(&[(Viewer, &["a"])]);
    let two = principal(&[(Viewer, &["a", "b"]), (Ingest, &["c"])]);
    let with_default = principal(&[(Viewer, &["a", "default"])]);
    let everywhere = principal(&[(Admin, &["*"])]);
    let everything_of_a = principal(&[(Admin, &["a"])]);
    let editor = principal(&[(Editor, &["*"])]);
    for (needs, who, named, required, expected) in [
        (Anyone, None, None, true, "default"),
        (Tenant(Viewer), None, Some("a"), false, "Unauthenticated: credentials are missing"),
        (Server(Viewer), None, None, false, "Unauthenticated"),
        (Tenant(Viewer), Some(&one), None, false, "a"),
        (Tenant(Viewer), Some(&one), None, true, "a"),
        (Tenant(Viewer), Some(&one), Some("a"), false, "a"),
        (
            Tenant(Viewer),
            Some(&one),
            Some("b"),
            false,
            "Forbidden: this takes the role viewer for tenant b; key \"p\" is granted viewer of a",
        ),
        (Tenant(Viewer), Some(&one), Some("default"), false, "Forbidden"),
        (Tenant(Ingest), Some(&one), Some("a"), false, "Forbidden"),
        (Tenant(Editor), Some(&one), None, false, "Forbidden: this takes the role editor"),
        (
            Tenant(Viewer),
            Some(&two),
            None,
            false,
            "Forbidden: the request names no tenant: send the header X-Scope-OrgID; key \"p\" is granted viewer of a, b; ingest of c",
        ),
        (Tenant(Ingest), Some(&two), None, false, "c"),
        (Tenant(Ingest), Some(&two), Some("a"), false, "Forbidden"),
        (Tenant(Viewer), Some(&with_default), None, false, "default"),
        (Tenant(Viewer), Some(&with_default), None, true, "Forbidden"),
        (Tenant(Admin), Some(&everywhere), None, false, "default"),
        (Tenant(Admin), Some(&everywhere), None, true, "Forbidden"),
        (Tenant(Ingest), Some(&everywhere), Some("x"), true, "x"),
        (Server(Admin), Some(&everywhere), Some("x"), true, "default"),
        (
            Server(Admin),
            Some(&everything_of_a),
            None,
            false,
            "Forbidden: this takes the role admin for all tenants",
        ),
        (Server(Viewer), Some(&everything_of_a), Some("a"), false, "Forbidden"),
        (Server(Viewer), Some(&editor), None, false, "default"),
        (Server(Admin), Some(&editor), None, false, "Forbidden"),
        (Tenant(Viewer), Some(&editor), Some("_audit"), false, "Forbidden"),
        (Tenant(Viewer), Some(&everywhere), Some("_audit"), false, "_audit"),
        (Tenant(Ingest), Some(&everywhere), Some("_audit"), false, "Forbidden"),
        (Tenant(Admin), Some(&everywhere), Some("_audit"), false, "Forbidden"),
    ] {
        let decided = ask(needs, who, named, required);
        assert!(decided.starts_with(expected), "{needs:?} {named:?}: {decided}, not {expected}");
        let is_whole = !expected.contains(':') && !expected.starts_with(char::is_uppercase);
        assert!(!is_whole || decided == expected, "{needs:?} {named:?}: {decided}");
    }
}

#[test]
fn a_header_that_names_no_tenant_is_invalid_once_the_caller_is_known() {
    let viewer = principal(&[(Role::Viewer, &["*"])]);
    for (login, who, expected) in [
        (true, None, ErrorKind::Unauthenticated),
        (true, Some(&viewer), ErrorKind::Invalid),
        (false, None, ErrorKind::Invalid),
    ] {
        let (needs, named) = (Needs::Tenant(Role::Viewer), Err(Error::invalid("twice")));
        let question = Question { login, needs, principal: who, named, required: false };
        assert_eq!(decide(question).unwrap_err().kind(), expected);
    }
}

#[test]
fn without_a_login_the_header_is_believed() {
    for (named, required, expected) in [
        (None, false, Ok("default")),
        (Some("x"), false, Ok("x")),
        (Some("x"), true, Ok("x")),
        (None, true, Err(ErrorKind::Unauthenticated)),
    ] {
        let needs = Needs::Tenant(Role::Admin);
        let named = Ok(named.map(tenant));
        let question = Question { login: false, needs, principal: None, named, required };
        let decided = decide(question);
        let decided = decided.as_ref().map(TenantId::as_str).map_err(Error::kind);
        assert_eq!(decided, expected);
    }
}

fn roles() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "default", "_audit"])
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let tenants = prop_oneof![
        1 => Just(Tenants::All),
        3 => prop::collection::vec(names().prop_map(tenant), 1..3).prop_map(Tenants::Of),
    ];
    prop::collection::vec(
        (roles(), tenants).prop_map(|(role, tenants)| Grant { role, tenants }),
        0..4,
    )
}

proptest! {
    /// Whatever is granted and asked: a decision is covered by a grant, and it is the tenant asked for.
    #[test]
    fn no_decision_exceeds_the_grants(
        grants in grants(), role in roles(), server: bool, named in prop::option::of(names()),
        required: bool,
    ) {
        let needs = if server { Needs::Server(role) } else { Needs::Tenant(role) };
        let who = Principal { name: "p".to_owned(), how: How::Key, id: String::new(), grants };
        let asked = named.map(tenant);
        let question = Question {
            login: true, needs, principal: Some(&who), named: Ok(asked.clone()), required,
        };
        match (decide(question), server) {
            (Ok(_), true) => prop_assert!(who.may_everywhere(role)),
            (Ok(decided), false) => {
                prop_assert!(who.may(role, &decided));
                prop_assert!(asked.is_none_or(|asked| asked == decided));
            }
            (Err(_), true) => prop_assert!(!who.may_everywhere(role)),
            (Err(_), false) => {
                let audit = asked.as_ref().is_some_and(|t| t.as_str() == AUDIT_TENANT);
                prop_assert!(asked.is_none_or(|asked| audit || !who.may(role, &asked)));
            }
        }
    }
}
