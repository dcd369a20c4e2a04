//! Documents: numbered revisions that two writers never overwrite for each other, on stores that
//! fail, lie and lag behind.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::error::ErrorKind;
use tarn_model::tenant::TenantId;
use tarn_storage::documents::{BODY_BYTES_MAX, Change, Documents, Id, NAME_BYTES_MAX, Revision};
use tarn_storage::file::{Disk, OpenHow, RealDisk};
use tarn_storage::object::Objects;
use tarn_testkit::fault_store::{FaultPlan, FaultStore};
use tarn_testkit::sim::{Sim, SimClock, SimRng};

fn over(store: Arc<dyn ObjectStore>, clock: SimClock, seed: u64) -> Documents {
    let (clock, rng) = (Arc::new(clock), Arc::new(SimRng::new(seed)));
    let registry = &mut Registry::default();
    let objects = Objects::new(store, Arc::clone(&clock) as _, Arc::clone(&rng) as _, registry);
    Documents::new(objects, clock, rng)
}

fn documents() -> Documents {
    over(Arc::new(InMemory::new()), SimClock::default(), 1)
}

#[expect(clippy::panic, reason = "a helper of tests")]
fn stored(change: Change) -> u64 {
    match change {
        Change::Stored(revision) => revision.number,
        Change::Conflict(newest) => panic!("conflict with {newest:?}"),
    }
}

/// The newest number that a refused writer was told.
#[expect(clippy::panic, reason = "a helper of tests")]
fn conflict(change: Change) -> Option<u64> {
    match change {
        Change::Conflict(newest) => newest.map(|revision| revision.number),
        Change::Stored(revision) => panic!("stored as {revision:?}"),
    }
}

#[tokio::test]
async fn a_document_has_revisions() {
    let documents = documents();
    let tenant = TenantId::default_tenant();
    let id = Id { tenant: &tenant, kind: "rules", name: "Web/api;latency" };
    assert_eq!(documents.get(id).await.unwrap(), None);
    assert_eq!(conflict(documents.put(id, Some(3), "anna", "x".into()).await.unwrap()), None);
    assert_eq!(conflict(documents.delete(id, None, "anna").await.unwrap()), None);

    assert_eq!(stored(documents.put(id, Some(0), "anna", "one".into()).await.unwrap()), 1);
    assert_eq!(conflict(documents.put(id, Some(0), "ben", "two".into()).await.unwrap()), Some(1));
    assert_eq!(stored(documents.put(id, Some(1), "ben", "two".into()).await.unwrap()), 2);
    // What is there already is not stored again, so that a call can be repeated.
    assert_eq!(stored(documents.put(id, Some(1), "ben", "two".into()).await.unwrap()), 2);
    assert_eq!(stored(documents.put(id, None, "carl", "three".into()).await.unwrap()), 3);
    assert_eq!(documents.get(id).await.unwrap().unwrap().body, "three");

    assert_eq!(conflict(documents.delete(id, Some(2), "dora").await.unwrap()), Some(3));
    assert_eq!(stored(documents.delete(id, Some(3), "dora").await.unwrap()), 4);
    assert_eq!(stored(documents.delete(id, None, "dora").await.unwrap()), 4);
    assert_eq!(documents.get(id).await.unwrap(), None);
    assert_eq!(stored(documents.put(id, Some(0), "emil", "five".into()).await.unwrap()), 5);

    let history = documents.history(id, 10).await.unwrap();
    let told: Vec<_> = history.iter().map(|r| (r.number, r.author.as_str(), r.deleted)).collect();
    let expected = [
        (5, "emil", false),
        (4, "dora", true),
        (3, "carl", false),
        (2, "ben", false),
        (1, "anna", false),
    ];
    assert_eq!(told, expected);
    assert_eq!(documents.history(id, 2).await.unwrap().len(), 2);
    assert_eq!(documents.get_revision(id, 2).await.unwrap().unwrap().body, "two");
    assert_eq!(documents.get_revision(id, 6).await.unwrap(), None);
}

#[tokio::test]
async fn documents_are_listed_by_tenant_and_kind() {
    let documents = documents();
    let [a, b] = ["a", "b"].map(|tenant| TenantId::parse(tenant).unwrap());
    let empty = documents.version("rules").await.unwrap();
    for (tenant, kind, name) in
        [(&a, "rules", "z"), (&a, "rules", "Ä/ö"), (&b, "rules", "z"), (&a, "dashboards", "z")]
    {
        let id = Id { tenant, kind, name };
        stored(documents.put(id, Some(0), "anna", format!("{tenant}{name}").into()).await.unwrap());
    }
    let names = |tenant: TenantId| {
        let documents = documents.clone();
        async move {
            let all = documents.list(&tenant, "rules").await.unwrap();
            all.into_iter().map(|d| (d.name, d.body)).collect::<Vec<_>>()
        }
    };
    let expected = [("z".to_owned(), Bytes::from("az")), ("Ä/ö".to_owned(), "aÄ/ö".into())];
    assert_eq!(names(a.clone()).await, expected);
    assert_eq!(names(b.clone()).await.len(), 1);
    assert_eq!(documents.tenants("rules").await.unwrap(), [a.clone(), b.clone()]);
    assert_eq!(documents.tenants("dashboards").await.unwrap(), std::slice::from_ref(&a));

    let before = documents.version("rules").await.unwrap();
    assert_ne!(before, empty);
    let other = Id { tenant: &a, kind: "dashboards", name: "z" };
    stored(documents.put(other, None, "anna", "new".into()).await.unwrap());
    assert_eq!(documents.version("rules").await.unwrap(), before);
    let id = Id { tenant: &b, kind: "rules", name: "z" };
    stored(documents.delete(id, None, "anna").await.unwrap());
    assert_ne!(documents.version("rules").await.unwrap(), before);
    assert_eq!(names(b).await, []);
}

#[tokio::test]
async fn what_is_too_large_or_misnamed_is_refused() {
    let documents = documents();
    let tenant = TenantId::default_tenant();
    let put = |kind, name, bytes: usize| {
        let (documents, tenant) = (documents.clone(), tenant.clone());
        async move {
            let id = Id { tenant: &tenant, kind, name };
            documents.put(id, None, "anna", vec![0; bytes].into()).await.map(stored)
        }
    };
    assert_eq!(put("rules", "n", BODY_BYTES_MAX).await.unwrap(), 1);
    let limit = ErrorKind::LimitExceeded { retry_after: None };
    assert_eq!(put("rules", "n", BODY_BYTES_MAX + 1).await.unwrap_err().kind(), limit);
    assert_eq!(put("rules", "", 1).await.unwrap_err().kind(), limit);
    let long: &str = Box::leak("n".repeat(NAME_BYTES_MAX + 1).into_boxed_str());
    assert_eq!(put("rules", long, 1).await.unwrap_err().kind(), limit);
    for kind in ["", "Rules", "a/b", ".."] {
        assert_eq!(put(kind, "n", 1).await.unwrap_err().kind(), ErrorKind::Invalid, "{kind}");
    }
}

/// Two writers add to one document at a time, on a store that fails, loses replies and lists late:
/// no change that was told to be stored is missing, and the numbers have no gap.
#[test]
fn two_writers_never_overwrite_each_other() {
    for seed in 0..60 {
        let mut sim = Sim::new(seed);
        let (clock, rng) = (sim.clock(), sim.rng());
        let plan = FaultPlan {
            before: 60,
            after: 60,
            exists: 60,
            stale_list: 200,
            latency_max: Duration::from_millis(300),
            ..FaultPlan::default()
        };
        let store = Arc::new(InMemory::new());
        let faulty = FaultStore::new(Arc::clone(&store) as _, Arc::new(clock.clone()), rng, plan);
        let told: Arc<Mutex<BTreeMap<u64, String>>> = Arc::default();
        for writer in 0..3 {
            let documents = over(Arc::new(faulty.clone()), clock.clone(), seed * 10 + writer);
            let told = Arc::clone(&told);
            sim.spawn(async move {
                for n in 0..8 {
                    change_once(&documents, &format!("{writer}.{n}"), &told).await;
                }
            });
        }
        while sim.step() {}
        let documents = over(store, SimClock::default(), 1);
        let tenant = TenantId::default_tenant();
        let id = Id { tenant: &tenant, kind: "rules", name: "shared" };
        let told = told.lock();
        let history = futures::executor::block_on(documents.history(id, 1000)).unwrap();
        assert_eq!(history.len() as u64, history[0].number, "seed {seed}: numbers have gaps");
        let newest = futures::executor::block_on(documents.get(id)).unwrap().unwrap();
        let newest = String::from_utf8(newest.body.to_vec()).unwrap();
        let lines: Vec<&str> = newest.lines().collect();
        for line in told.values() {
            let times = lines.iter().filter(|have| *have == line).count();
            assert_eq!(times, 1, "seed {seed}: {line} is there {times} times in {lines:?}");
        }
        assert!(told.len() > 4, "seed {seed}: {told:?}");
    }
}

/// Appends a line to the document, as whoever edits it would: read, change, put what was read back.
async fn change_once(documents: &Documents, line: &str, told: &Mutex<BTreeMap<u64, String>>) {
    let tenant = TenantId::default_tenant();
    let id = Id { tenant: &tenant, kind: "rules", name: "shared" };
    for _ in 0..5 {
        let Ok(found) = documents.get(id).await else { continue };
        let number = found.as_ref().map_or(0, |document| document.revision.number);
        let mut text = found.map_or(String::new(), |d| String::from_utf8(d.body.to_vec()).unwrap());
        if text.lines().any(|have| have == line) {
            // An attempt whose outcome was unknown took effect.
            return;
        }
        text.push_str(line);
        text.push('\n');
        match documents.put(id, Some(number), line, text.into()).await {
            Ok(Change::Stored(revision)) => {
                assert!(told.lock().insert(revision.number, line.to_owned()).is_none());
                return;
            }
            Ok(Change::Conflict(_)) | Err(_) => {}
        }
    }
}

/// A revision of format version 1 opens, today and for ever. `TARN_UPDATE=1` writes it where it is
/// absent.
#[tokio::test]
async fn a_document_of_version_1_opens() {
    let golden = tarn_testkit::tree::own_folder().join("../tests/compat/v1/document");
    let key = "documents/rules/tenant=default/web_3blatency/00000000000000000001.document";
    let file = golden.join("00000000000000000001.document");
    let tenant = TenantId::default_tenant();
    let id = Id { tenant: &tenant, kind: "rules", name: "web;latency" };
    if std::env::var_os("TARN_UPDATE").is_some() && !golden.try_exists().unwrap_or(false) {
        let store = Arc::new(InMemory::new());
        let documents = over(Arc::clone(&store) as _, SimClock::default(), 1);
        stored(documents.put(id, Some(0), "anna", "groups: []\n".into()).await.unwrap());
        let object = store
            .get_opts(&object_store::path::Path::parse(key).unwrap(), Default::default())
            .await
            .unwrap();
        RealDisk.create_dir_all(&golden).unwrap();
        let to = RealDisk.open(&file, OpenHow::CreateNew).unwrap();
        to.write_at(&object.bytes().await.unwrap(), 0).unwrap();
    }
    let store = Arc::new(InMemory::new());
    let bytes = read(&file);
    store
        .put_opts(&object_store::path::Path::parse(key).unwrap(), bytes.into(), Default::default())
        .await
        .unwrap();
    let document = over(store, SimClock::default(), 1).get(id).await.unwrap().unwrap();
    assert_eq!(document.body, "groups: []\n");
    assert_eq!(document.revision.author, "anna");
    assert_eq!(document.revision.at_ms, 1_795_262_400_000);
}

fn read(path: &Path) -> Bytes {
    let file = RealDisk.open(path, OpenHow::Read).expect("the golden file is there");
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes.into()
}

#[tokio::test]
async fn old_revisions_go_where_nobody_wants_them() {
    let documents = documents();
    let tenant = TenantId::default_tenant();
    let id = Id { tenant: &tenant, kind: "access_revoked", name: "sessions" };
    let other = Id { tenant: &tenant, kind: "access_revoked", name: "sessions-2" };
    for number in 1..=20_u64 {
        for id in [id, other] {
            let body = Bytes::from(number.to_string());
            assert_eq!(stored(documents.put(id, None, "tarn", body).await.unwrap()), number);
        }
    }
    assert_eq!(documents.trim(id, 5).await.unwrap(), 15);
    assert_eq!(documents.trim(id, 5).await.unwrap(), 0);
    assert_eq!(documents.get(id).await.unwrap().unwrap().body, "20");
    let numbers = |revisions: Vec<Revision>| -> Vec<u64> {
        revisions.into_iter().map(|revision| revision.number).collect()
    };
    assert_eq!(numbers(documents.history(id, 100).await.unwrap()), [20, 19, 18, 17, 16]);
    assert_eq!(documents.history(other, 100).await.unwrap().len(), 20);
    assert_eq!(stored(documents.put(id, Some(20), "tarn", "more".into()).await.unwrap()), 21);
    assert_eq!(documents.list(&tenant, "access_revoked").await.unwrap().len(), 2);
}
