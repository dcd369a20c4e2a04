use tarn_model::limits::Rate;
use tarn_model::units::ByteSize;

use super::super::load::{Sources, load as load_config};
use super::*;

fn config() -> Config {
    let flags = vec![("memory.budget", "1GiB".to_owned())];
    load_config(&Sources { flags, ..Sources::default() }).expect("defaults are right")
}

fn read(text: &str) -> Result<List, String> {
    parse(text, Path::new("limits.yaml"), &config()).map_err(|problems| problems.to_string())
}

#[test]
fn every_name_is_a_setting_of_a_limit() {
    for name in PER_TENANT {
        let key = KEYS.iter().find(|key| key.name == *name);
        let key = key.unwrap_or_else(|| panic!("{name} is not a setting"));
        // It changes limits and nothing else.
        let (mut changed, base) = (config(), config());
        let other = (key.default)(&Limits::default());
        set(key, &mut changed, &other).expect("a default can be set");
        changed.limits = base.limits.clone();
        assert_eq!(format!("{changed:?}"), format!("{base:?}"), "{name}");
    }
}

#[test]
fn every_counted_limit_is_a_setting() {
    for (limit, _) in config().limits.hits.all() {
        let name = limit.setting();
        assert!(KEYS.iter().any(|key| key.name == name), "{name} is not a setting");
    }
}

#[test]
fn tenants_differ_in_what_the_file_names_only() {
    let text =
        "a:\n  ingest:\n    rate: 4MiB\n  metrics.series_max: 7\nb:\n  query: {timeout: 5s}\nc:\n";
    let list = read(text).expect("right");
    let of = |name: &str| list.get(&TenantId::parse(name).expect("valid")).expect("named");
    let base = config().limits;
    let a = Limits {
        ingest_rate: Rate::PerSecond(ByteSize::mib(4)),
        series_max: Some(7),
        ..base.clone()
    };
    assert_eq!(**of("a"), a);
    assert_eq!(**of("b"), Limits { query_timeout: Duration::from_secs(5), ..base });
    assert_eq!(list.len(), 2, "c says nothing");
}

#[test]
fn mistakes_are_told_with_their_places() {
    let text = "a:\n  ingest:\n    rate: much\n    ratte: 1\n  memory:\n    budget: 1GiB\n  memory.budget: 1GiB\n../b:\n  query: 5\nc: [1]\n";
    let expected = "the configuration has 6 errors
  limits.yaml:3:11: a: ingest.rate: \"much\" is not a byte size such as 64MiB
  limits.yaml:4:5: a: ingest.ratte: is not a setting; did you mean ingest.rate?
  limits.yaml:5:3: a: memory: is not a setting; `tarn config reference` lists them
  limits.yaml:7:3: a: memory.budget: holds for the process and not per tenant
  limits.yaml:8:1: ../b: tenant id contains '/'
  limits.yaml:10:1: c: takes sections such as `ingest:`";
    assert_eq!(read(text).expect_err("wrong"), expected);
    assert!(read("a: [").expect_err("broken").contains("limits.yaml:1:"), "has a place");
    assert!(read("- a").expect_err("a list").contains("limits.yaml:1:1: must be tenants"));
}

#[test]
fn a_change_is_taken_over_and_a_mistake_is_not() {
    let config = config();
    let (limits, a) = (Arc::new(config.limits.clone()), TenantId::parse("a").expect("valid"));
    let mut registry = Registry::default();
    let mut config = config;
    config.tenants.limits_file = "limits.yaml".to_owned();
    let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock::new());
    let mut reload = Reload::register(&config, clock, &mut registry).expect("there is a file");
    let labels = |text: &str| Ok(format!("a: {{metrics: {{labels_max: {text}}}}}"));
    for (read, expected, failures) in [
        (labels("5"), 5, 0),
        (labels("none"), 5, 1),
        (labels("none"), 5, 1),
        (Err("cannot be read".to_owned()), 5, 2),
        (labels("6"), 6, 2),
        (Ok(String::new()), 64, 2),
    ] {
        reload.look(read);
        let found = limits.for_tenant(&a).labels_max;
        assert_eq!((found, reload.failures.get()), (expected, failures));
    }
}

/// Every limit is on the page with its default, and nothing else is.
#[test]
fn the_page_about_limits_is_true() {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let page = std::fs::read_to_string(Path::new(&here).join("limits.md")).expect("a page");
    let limits = Limits::default();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(" | `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    for row in &rows {
        let (name, default) = (row[2].trim_matches('`'), row[3]);
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            assert_eq!((key.default)(&limits), default, "{name}");
        } else {
            assert!(row.len() == 4, "{name} is not a setting");
        }
    }
    let told = |name: &str| rows.iter().any(|row| row[2].trim_matches('`') == name);
    for name in PER_TENANT {
        assert!(told(name), "{name} is not on the page");
    }
    for (limit, _) in limits.hits.all() {
        assert!(told(limit.setting()), "{} is not on the page", limit.setting());
    }
}
