use super::*;
use crate::map::HashMap;

#[test]
fn a_tenant_has_its_own_limits_until_the_list_changes() {
    let base = Arc::new(Limits::default());
    let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
    let own = Arc::new(Limits { labels_max: 3, ..Limits::clone(&base) });
    base.overrides.replace(HashMap::from_iter([(a.clone(), own)]));
    assert_eq!((base.for_tenant(&a).labels_max, base.for_tenant(&b).labels_max), (3, 64));
    // Clones share the list: each crate has one.
    let clone = Arc::new(Limits::clone(&base));
    base.overrides.replace(HashMap::default());
    assert_eq!((clone.for_tenant(&a).labels_max, clone.overrides.is_empty()), (64, true));
}

#[test]
fn one_counter_for_all_clones() {
    let base = Limits::default();
    base.clone().hit(Limit::SeriesMax);
    base.hit(Limit::SeriesMax);
    assert_eq!((base.hits.of(Limit::SeriesMax), base.hits.of(Limit::OtlpBytes)), (2, 0));
    let named: Vec<_> = base.hits.all().filter(|(_, n)| *n > 0).map(|(l, _)| l.setting()).collect();
    assert_eq!(named, ["metrics.series_max"]);
}

#[test]
fn many_tenants_share_a_machine() {
    let budget = ByteSize::gib(64);
    let alone = Limits { memory_budget: budget, ..Limits::default() };
    assert_eq!(alone.series_max(), budget.0 / 100 * 15 / SERIES_BYTES);
    assert_eq!(alone.ingest_rate(), None);
    let many = Limits { many_tenants: true, ..alone.clone() };
    assert_eq!((many.series_max(), many.ingest_rate()), (1_000_000, Some(ByteSize::mib(16))));
    assert_eq!(Limits { ingest_rate: Rate::Off, ..many }.ingest_rate(), None);
    let set = Limits { series_max: Some(5), ingest_rate: Rate::PerSecond(ByteSize(7)), ..alone };
    assert_eq!((set.series_max(), set.ingest_rate()), (5, Some(ByteSize(7))));
}
