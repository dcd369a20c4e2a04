//! What one conditional create makes of each answer.

use std::sync::Arc;

use object_store::memory::InMemory;
use prometheus_client::registry::Registry;
use tarn_model::time::{Sleep, UnixNanos};

use super::*;

#[derive(Debug)]
struct Instantly;

impl Clock for Instantly {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    /// Pauses end at once; deadlines of 20 s and more never come.
    fn sleep(&self, duration: Duration) -> Sleep {
        if duration < TIMEOUT {
            Box::pin(std::future::ready(()))
        } else {
            Box::pin(std::future::pending())
        }
    }
}

#[derive(Debug)]
struct Seven;

impl Rng for Seven {
    fn next_u64(&self) -> u64 {
        7
    }
}

fn objects() -> Objects {
    let store = Arc::new(InMemory::new());
    Objects::new(store, Arc::new(Instantly), Arc::new(Seven), &mut Registry::default())
}

#[tokio::test]
async fn a_second_create_of_the_same_body_succeeds_and_of_another_conflicts() {
    let objects = objects();
    let (ours, theirs) = (Bytes::from_static(b"ours"), Bytes::from_static(b"theirs"));
    let first = objects.create("a/b", &ours).await.expect("created");
    let again = objects.create("a/b", &ours).await.expect("ours");
    assert_eq!(first, again);
    match objects.create("a/b", &theirs).await {
        Err(CreateError::Conflict(found)) => assert_eq!(found.bytes, ours),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn absent_and_short_objects_are_told_apart() {
    let objects = objects();
    assert!(is_not_found(&objects.get("none").await.expect_err("absent")));
    let gone = objects.get_range("none", 0..1).await.expect_err("absent");
    assert_eq!(gone.kind(), tarn_model::error::ErrorKind::Corrupt, "the catalog named it");
    assert_eq!(objects.head("none").await.expect("answer"), None);
    objects.delete("none").await.expect("absent is fine");
    let body = Bytes::from_static(b"0123456789");
    objects.create("a", &body).await.expect("created");
    assert_eq!(objects.get_range("a", 2..5).await.expect("range"), "234");
    let error = objects.get_range("a", 5..20).await.expect_err("beyond the end");
    assert_eq!(error.kind(), tarn_model::error::ErrorKind::Corrupt);
    let parts = objects.get_ranges("a", &[0..2, 8..10]).await.expect("ranges");
    assert_eq!(parts, ["01", "89"]);
    let listed = objects.list("").await.expect("list");
    assert_eq!(listed.iter().map(|h| (h.key.as_str(), h.bytes)).collect::<Vec<_>>(), [("a", 10)]);
}
