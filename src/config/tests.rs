//! Every source, every kind of mistake, and the reference page.
#![expect(clippy::disallowed_methods, reason = "tests write the files they read")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tarn_ingest::Promote;

use super::keys::{KEYS, promote};
use super::load::{Sources, load};
use super::{reference, schema};

struct Case {
    yaml: &'static str,
    env: &'static [(&'static str, &'static str)],
    flags: &'static [(&'static str, &'static str)],
}

fn sources(folder: &tempfile::TempDir, case: &Case) -> Sources {
    let file = folder.path().join("tarn.yaml");
    std::fs::write(&file, case.yaml).unwrap();
    let env = case.env.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect();
    let flags = case.flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
    Sources { file: Some(file), env, flags }
}

/// Returns the problems, one a line, without the folder's name.
fn problems(case: &Case) -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = match load(&sources(&folder, case)) {
        Ok(_) => return "none".to_owned(),
        Err(problems) => problems.to_string(),
    };
    text.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn later_sources_win() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case {
        yaml: "listen:\n  http: 127.0.0.1:1\nflush:\n  age: 1m\n  bytes: 1MiB\nhttp:\n  hosts: [a.example, b.example]\n",
        env: &[("TARN_FLUSH__AGE", "2m"), ("TARN_FLUSH__BYTES", "2MiB"), ("TARN_CORPUS", "x")],
        flags: &[("flush.bytes", "3MiB")],
    };
    let config = load(&sources(&folder, &case)).unwrap();
    assert_eq!(config.listen.http.port(), 1);
    assert_eq!(config.storage.flush_age.as_secs(), 120);
    assert_eq!(config.storage.flush_bytes.0, 3 << 20);
    assert_eq!(config.listen.hosts, ["a.example", "b.example"]);
    assert_eq!(config.changed.len(), 4);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let text = problems(&Case {
        yaml: "listen:\n  http: nowhere\nflush:\n  agee: 1m\nstorage: here\nshutdown:\n  grace: [1s]\nwal:\n",
        env: &[("TARN_FLUSH__AGEE", "1m"), ("TARN_LOG__FORMAT", "xml")],
        flags: &[("flush.age", "0")],
    });
    let expected = "the configuration has 7 errors
  tarn.yaml:4:3: flush.agee: is not a setting; did you mean flush.age?
  tarn.yaml:5:10: storage: is a section, not a value
  tarn.yaml:7:11: shutdown.grace: takes duration, not a list of other things
  environment TARN_FLUSH__AGEE: is not a setting; did you mean TARN_FLUSH__AGE?
  tarn.yaml:2:9: listen.http: \"nowhere\" is not an address such as 127.0.0.1:4320 (0.0.0.0:4320 for every interface)
  environment TARN_LOG__FORMAT: log.format: \"xml\" is none of auto, text, json, logfmt
  flag --flush.age: flush.age: must be longer than 0s";
    assert_eq!(text, expected);
}

#[test]
fn broken_files_are_told_with_line_and_column() {
    for (yaml, place) in [
        ("listen:\n\thttp: x\n", "tarn.yaml:2:"),
        ("listen: {http: 127.0.0.1:1\n", "tarn.yaml:"),
        ("a: 1\na: 2\n", "tarn.yaml:2:1"),
        ("- a\n", "tarn.yaml:1:1: must be sections"),
        ("just text\n", "tarn.yaml:1:1: must be sections"),
    ] {
        let text = problems(&Case { yaml, env: &[], flags: &[] });
        assert!(text.contains(place), "{yaml:?}: {text}");
    }
    assert_eq!(problems(&Case { yaml: "# nothing\n", env: &[], flags: &[] }), "none");
}

#[test]
fn other_machines_log_in_or_are_trusted_expressly() {
    const OPEN: (&str, &str) = ("listen.http", "0.0.0.0:4320");
    let of = |flags: &'static [(&'static str, &'static str)]| {
        let folder = tempfile::tempdir().unwrap();
        let config = load(&sources(&folder, &Case { yaml: "", env: &[], flags }));
        config.map(|c| (c.login(), c.is_open())).map_err(|e| e.to_string())
    };
    assert_eq!(of(&[OPEN]), Ok((true, false)));
    assert_eq!(of(&[OPEN, ("listen.insecure_bind", "true")]), Ok((false, true)));
    let both = of(&[OPEN, ("listen.insecure_bind", "true"), ("auth.login", "on")]);
    assert_eq!(both, Ok((true, false)));
    let consent = of(&[OPEN, ("listen.insecure_bind", "true"), ("auth.login", "off")]);
    assert_eq!(consent, Ok((false, true)));
    let text = of(&[OPEN, ("auth.login", "off")]).unwrap_err();
    assert!(text.contains("flag --listen.http: listen.http: 0.0.0.0:4320 is reachable"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let on_loopback = load(&sources(&folder, &Case { yaml: "", env: &[], flags: &[] })).unwrap();
    assert!(!on_loopback.login() && !on_loopback.is_open());
}

#[test]
fn a_file_of_keys_turns_the_login_on_and_must_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.yaml");
    let flag = ("auth.file", path.display().to_string());
    let from = Sources { flags: vec![flag], ..Sources::default() };
    let text = load(&from).unwrap_err().to_string();
    assert!(
        text.contains("flag --auth.file: auth.file: ") && text.contains("cannot be read"),
        "{text}"
    );
    std::fs::write(&path, "keys: [{name: a}]\n").unwrap();
    let text = load(&from).unwrap_err().to_string();
    assert!(text.contains("grants"), "{text}");
    std::fs::write(&path, "keys: []\n").unwrap();
    assert!(load(&from).unwrap().login());
}

#[test]
fn ports_are_three_and_two_of_them_can_be_turned_off() {
    let same = &[("listen.otlp_http", "127.0.0.1:4317")];
    let text = problems(&Case { yaml: "", env: &[], flags: same });
    assert!(text.contains("127.0.0.1:4317 is that of listen.otlp_grpc already"), "{text}");
    let open = &[("listen.otlp_grpc", "0.0.0.0:4317"), ("auth.login", "off")];
    let text = problems(&Case { yaml: "", env: &[], flags: open });
    assert!(text.contains("listen.otlp_grpc: 0.0.0.0:4317 is reachable"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let off = Case {
        yaml: "listen:\n  otlp_grpc: \"off\"\n",
        env: &[],
        flags: &[("listen.otlp_http", "off")],
    };
    let config = load(&sources(&folder, &off)).unwrap();
    assert_eq!(config.listen.addresses().len(), 1);
}

#[test]
fn a_named_file_must_exist() {
    let missing = Sources { file: Some(PathBuf::from("/nowhere/tarn.yaml")), ..Sources::default() };
    let text = load(&missing).unwrap_err().to_string();
    assert!(text.contains("/nowhere/tarn.yaml:1:1: cannot be read"), "{text}");
}

#[test]
fn keys_are_unique_and_well_formed() {
    for (at, key) in KEYS.iter().enumerate() {
        assert!(KEYS[..at].iter().all(|k| k.name != key.name), "{} stands twice", key.name);
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
        assert!(key.name.contains('.') && key.name.chars().all(legal), "{}", key.name);
        assert!(key.help.ends_with('.'), "{}: help is not a sentence", key.name);
    }
}

/// A field that no key sets would keep what `blank` put there.
#[test]
fn defaults_fill_every_field() {
    let config = load(&Sources::default()).unwrap();
    let text = format!("{config:?}");
    let zero = text.matches("0ns").count();
    let wanted = [config.shutdown.delay, config.alerting.rule_query_offset];
    assert!(zero == wanted.len() && wanted.iter().all(Duration::is_zero), "{text}");
    assert!(!text.contains("ByteSize(0)"), "{text}");
    assert!(!config.storage.path.as_os_str().is_empty() && config.telemetry.rows_max > 0);
}

/// `TARN_UPDATE=1 cargo test reference` writes the page.
#[test]
fn the_reference_page_is_current() {
    let page = reference::page();
    // Read when it runs: a target folder may be shared by several checkouts.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let path = std::path::Path::new(&here).join("src/config/reference.md");
    if std::env::var_os("TARN_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == page, "src/config/reference.md is stale: TARN_UPDATE=1 cargo test reference");
}

/// What the Helm chart decides by itself: nobody may set it to something else.
fn is_the_charts(key: &str) -> bool {
    let own = ["auth.file", "auth.login", "auth.plain_http", "storage.path"];
    key.starts_with("listen.") || own.contains(&key)
}

/// `TARN_UPDATE=1 cargo test reference` writes it; the rest of the chart's schema is written by hand.
#[test]
fn the_chart_takes_what_the_reference_lists() {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let path = std::path::Path::new(&here).join("deploy/helm/tarn/values.schema.json");
    let mut kept: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let mut wanted = schema::schema(is_the_charts);
    wanted["description"] =
        "tarn.yaml, as the chart writes it. Made from the table of settings.".into();
    if std::env::var_os("TARN_UPDATE").is_some() {
        kept["properties"]["config"] = wanted.clone();
        let text = serde_json::to_string_pretty(&kept).unwrap();
        std::fs::write(&path, format!("{text}\n")).unwrap();
    }
    let stale = "values.schema.json is stale: TARN_UPDATE=1 cargo test reference";
    assert!(kept["properties"]["config"] == wanted, "{stale}");
}

#[test]
fn the_schema_says_what_each_kind_takes() {
    let schema = schema::schema(|_| false);
    let at = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path}")).to_string();
    for (path, wanted) in [
        ("/properties/flush/additionalProperties", "false"),
        ("/properties/compaction/properties/enabled/type", r#""boolean""#),
        ("/properties/compaction/properties/enabled/default", "true"),
        ("/properties/metrics/properties/otlp/properties/scope_labels/type", r#""boolean""#),
        ("/properties/wal/properties/sync/enum", r#"["group","none"]"#),
        ("/properties/audit/properties/enabled/enum", r#"["auto","true","false",true,false]"#),
        ("/properties/http/properties/connections_max/type", r#""integer""#),
        ("/properties/listen/properties/otlp_grpc/anyOf/1/const", r#""off""#),
        ("/properties/query/properties/concurrency/anyOf/1/const", r#""auto""#),
        ("/properties/retention/properties/logs/anyOf/3/const", r#""""#),
        ("/properties/storage/properties/access_key_id/anyOf/0/maxProperties", "1"),
        ("/properties/alerting/properties/rule_files/anyOf/0/type", r#""array""#),
    ] {
        assert_eq!(at(path), wanted, "{path}");
    }
}

#[test]
fn resource_attributes_are_promoted_by_name_or_all_but_some() {
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(promote(""), Ok(Promote::Only(Vec::new())));
    assert_eq!(promote("a.b, c"), Ok(Promote::Only(names(&["a.b", "c"]))));
    assert_eq!(promote("*"), Ok(Promote::AllBut(Vec::new())));
    assert_eq!(promote("*,-a.b,-c"), Ok(Promote::AllBut(names(&["a.b", "c"]))));
    assert!(promote("-a").unwrap_err().contains("* is missing"));
    assert!(promote("*,a").unwrap_err().contains("\"a\" is part of * already"));
}
