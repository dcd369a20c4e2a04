use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn wrong(text: &str) -> String {
    parse(text).expect_err("something is wrong")
}

#[test]
fn keys_certificates_and_groups_are_read() {
    let hash = Fingerprint::of("x").to_hex();
    let text = format!(
        "keys:\n  - name: collector\n    token: {TOKEN}\n    grants: [{{role: ingest, tenants: [a]}}]\n\
         \x20   expires: 2027-01-01T00:00:00Z\n\
         \x20 - name: collector\n    sha256: {hash}\n    grants: [{{role: viewer, tenants: ['*']}}]\n\
         certificates:\n  - san: spiffe://prod/c\n    grants: [{{role: ingest, tenants: ['*']}}]\n\
         groups:\n  - name: sre\n    grants: [{{role: admin, tenants: ['*']}}]\n"
    );
    let file = parse(&text).unwrap();
    let (first, second) = (&file.keys[&Fingerprint::of(TOKEN)], &file.keys[&Fingerprint::of("x")]);
    assert_eq!(first.principal.name, second.principal.name, "two keys of one name live at once");
    assert_ne!(first.principal.id, second.principal.id);
    assert_eq!(first.expires_ms, Some(1_798_761_600_000));
    assert_eq!(file.certificates["spiffe://prod/c"].grants[0].to_string(), "ingest of all tenants");
    assert_eq!(file.groups["sre"][0].to_string(), "admin of all tenants");
    assert!(file == parse(&text).unwrap());
    assert!(file != parse(&text.replace("[a]", "[b]")).unwrap());
    assert!(parse("").unwrap() == AuthFile::default());
}

#[test]
fn what_is_wrong_is_told_without_the_token() {
    let key = |rest: &str| format!("keys:\n  - name: k\n{rest}");
    let grants = "    grants: [{role: ingest, tenants: [a]}]\n";
    for (text, part) in [
        (key(&format!("    token: short\n{grants}")), "key \"k\" (number 1): its token is shorter"),
        (key(&format!("    sha256: short\n{grants}")), "64 hexadecimal"),
        (key(grants), "takes one of token and sha256"),
        (key(&format!("    token: {TOKEN}\n    sha256: aa\n{grants}")), "takes one of"),
        (key(&format!("    token: {TOKEN}\n    grants: []\n")), "grants are missing"),
        (key(&format!("    token: file:/nowhere\n{grants}")), "/nowhere cannot be read"),
        (key(&format!("    token: {TOKEN}\n    grant: []\n")), "grant"),
        (key(&format!("    token: {TOKEN}\n    grants: [{{role: root, tenants: [a]}}]\n")), "root"),
        (
            key(&format!("    token: {TOKEN}\n    grants: [{{role: admin, tenants: []}}]\n")),
            "tenants",
        ),
        ("certificates:\n  - san: x\n    grants: []\n".to_owned(), "certificate \"x\""),
        ("token: x\n".to_owned(), "token"),
    ] {
        let message = wrong(&text);
        assert!(message.contains(part), "{text}: {message}");
        assert!(!message.contains(TOKEN), "{message}");
    }
    let twice = format!("    token: {TOKEN}\n{grants}");
    let twice = format!("{}  - name: l\n{twice}", key(&twice));
    assert!(wrong(&twice).contains("that of another key"), "{}", wrong(&twice));
}
