use std::time::Duration;

use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use tarn_model::error::ErrorKind;
use tarn_model::limits::Limits;
use tarn_model::rng::Rng;
use tarn_model::time::{Clock, Sleep, UnixNanos};

use super::*;
use crate::head::columns::{FloatRun, Rows};
use crate::object::Objects;
use crate::wal::Lsn;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

impl Rng for Still {
    fn next_u64(&self) -> u64 {
        4
    }
}

struct Fixture {
    head: Arc<Head>,
    cell: Arc<ViewCell>,
    tenant: TenantId,
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let objects =
            Objects::new(store, Arc::new(Still), Arc::new(Still), &mut Registry::default());
        let head = Head::new(Limits::default(), Arc::new(Still));
        let cell = ViewCell::new(Arc::clone(&head), Blocks::new(objects), Arc::default());
        Self { head, cell, tenant: TenantId::default_tenant() }
    }

    fn generation(&self, first: u64) -> Arc<HeadGeneration> {
        let generation = self.head.generation(Lsn(first));
        self.cell.update(|view| view.with_generation(Arc::clone(&generation)));
        generation
    }

    fn insert(&self, generation: &HeadGeneration, job: &str, samples: &[(i64, f64)]) {
        let tenant = self.head.tenant(&self.tenant);
        let labels = LabelSet::from_pairs(&[("__name__", "up"), ("job", job)]);
        let index = tenant.table.find_or_create(&labels, 0, 100).unwrap().index;
        let rows = Rows {
            runs: vec![FloatRun { index, n: samples.len() as u32 }],
            times: samples.iter().map(|s| s.0).collect(),
            bits: samples.iter().map(|s| s.1.to_bits()).collect(),
            ..Rows::default()
        };
        generation.insert(&tenant, &rows);
    }
}

const ENOUGH: ScanLimits = ScanLimits { series_max: 100, bytes_max: 1 << 20 };

fn all() -> Selector {
    Selector { matchers: vec![Matcher::equal("__name__", "up")], range: TimeRange::ALL }
}

async fn times(selection: &mut Selection) -> Vec<Vec<i64>> {
    let (mut slices, mut all) = (Vec::new(), Vec::new());
    while selection.cursor.next(&mut slices).await.unwrap() {
        all.push(slices.iter().flat_map(|s| s.times()).copied().collect());
    }
    all
}

#[tokio::test]
async fn vis_2_selectors_of_one_call_see_the_same_rows_whatever_comes_later() {
    let fixture = Fixture::new();
    let generation = fixture.generation(1);
    fixture.insert(&generation, "a", &[(10, 1.0), (20, 2.0)]);
    let view = fixture.cell.load();
    let mut pair = view.select(&fixture.tenant, &[all(), all()], ENOUGH).await.unwrap();
    fixture.insert(&generation, "a", &[(30, 3.0), (15, 9.0)]);
    fixture.insert(&generation, "b", &[(10, 1.0)]);
    for selection in &mut pair {
        assert_eq!(selection.series.len(), 1);
        assert_eq!(times(selection).await, [[10, 20]]);
    }
    let mut later = view.select(&fixture.tenant, &[all()], ENOUGH).await.unwrap();
    assert_eq!(times(&mut later[0]).await, [vec![10, 15, 20, 30], vec![10]]);
}

#[tokio::test]
async fn ord_1_a_later_generation_wins_where_times_are_equal() {
    let fixture = Fixture::new();
    fixture.insert(&fixture.generation(1), "a", &[(10, 1.0), (20, 2.0), (30, 3.0)]);
    fixture.insert(&fixture.generation(5), "a", &[(20, 9.0)]);
    let view = fixture.cell.load();
    let mut selection = view.select(&fixture.tenant, &[all()], ENOUGH).await.unwrap().remove(0);
    let mut slices = Vec::new();
    assert!(selection.cursor.next(&mut slices).await.unwrap());
    let tarn_model::slice::Samples::Floats(values) = &slices[0].samples else { panic!("floats") };
    assert_eq!((slices.len(), &values[..]), (1, &[1.0, 9.0, 3.0][..]));
}

#[tokio::test]
async fn series_of_equal_times_share_their_ticks() {
    let fixture = Fixture::new();
    let generation = fixture.generation(1);
    for job in ["a", "b"] {
        fixture.insert(&generation, job, &[(10, 1.0), (20, 2.0)]);
    }
    let view = fixture.cell.load();
    let mut selection = view.select(&fixture.tenant, &[all()], ENOUGH).await.unwrap().remove(0);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    assert!(selection.cursor.next(&mut a).await.unwrap());
    assert!(selection.cursor.next(&mut b).await.unwrap());
    assert!(Arc::ptr_eq(&a[0].ticks, &b[0].ticks));
}

#[tokio::test]
async fn limits_are_told_with_their_number() {
    let fixture = Fixture::new();
    let generation = fixture.generation(1);
    for job in ["a", "b", "c"] {
        fixture.insert(&generation, job, &[(10, 1.0)]);
    }
    let view = fixture.cell.load();
    for (limits, expected) in [
        (ScanLimits { series_max: 2, ..ENOUGH }, "query touches more than 2 series"),
        (ScanLimits { bytes_max: 300, ..ENOUGH }, "more than 300 bytes"),
    ] {
        let error = view.select(&fixture.tenant, &[all()], limits).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { retry_after: None });
        assert!(error.message().contains(expected), "{error:?}");
    }
}

#[test]
fn par_1_a_replay_is_told() {
    let fixture = Fixture::new();
    assert_eq!(fixture.cell.load().partial(), None);
    fixture.cell.update(|view| view.with_replaying(Some("log is replayed")));
    assert_eq!(fixture.cell.load().partial().as_deref(), Some("log is replayed"));
}

#[test]
fn tenants_do_not_see_each_other() {
    let fixture = Fixture::new();
    let generation = fixture.generation(1);
    fixture.insert(&generation, "a", &[(10, 1.0)]);
    let other = TenantId::parse("other").unwrap();
    assert!(generation.tenant(&other).is_none());
    assert!(generation.tenant(&fixture.tenant).is_some());
}
