use super::*;

#[test]
fn roles_include_each_other_as_documented() {
    let included = |role: Role| Role::ALL.map(|needed| role.includes(needed));
    // needed:                                ingest viewer editor admin
    assert_eq!(included(Role::Ingest), [true, false, false, false]);
    assert_eq!(included(Role::Viewer), [false, true, false, false]);
    assert_eq!(included(Role::Editor), [false, true, true, false]);
    assert_eq!(included(Role::Admin), [true, true, true, true]);
}

#[test]
fn grants_are_written_as_they_are_read() {
    for (text, expected) in [
        (r#"{"role":"viewer","tenants":["*"]}"#, Ok("viewer of all tenants")),
        (r#"{"role":"ingest","tenants":["a","b"]}"#, Ok("ingest of a, b")),
        (r#"{"role":"root","tenants":["a"]}"#, Err("unknown variant `root`")),
        (r#"{"role":"admin","tenants":[]}"#, Err("tenants are missing")),
        (r#"{"role":"admin","tenants":["a","*"]}"#, Err("either \"*\" alone")),
        (r#"{"role":"admin","tenants":["a|b"]}"#, Err("several tenants")),
        (r#"{"role":"admin","tenants":["a"],"labels":"x"}"#, Err("unknown field")),
    ] {
        match (serde_json::from_str::<Grant>(text), expected) {
            (Ok(grant), Ok(shown)) => {
                assert_eq!(grant.to_string(), shown);
                assert_eq!(serde_json::to_string(&grant).unwrap(), text);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }
}
