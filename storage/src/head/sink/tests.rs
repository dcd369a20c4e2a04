//! Replay must find the labels of every series in the definition period of its rows, whatever
//! happens between the making of a batch and its framing.

use std::time::Duration;

use futures::future::BoxFuture;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::limits::Limits;
use tarn_model::rng::Rng;
use tarn_model::tenant::TenantId;
use tarn_model::time::{Clock, Sleep, UnixNanos};

use super::*;
use crate::append::{Log, Writer};
use crate::block::reader::Blocks;
use crate::head::replay::{Replayer, decode};
use crate::object::Objects;

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

/// Keeps batches, so that a test decides when they are framed.
#[derive(Debug, Default)]
struct Queue(Mutex<Vec<Batch>>);

impl Log for Queue {
    fn ready(&self) -> Result<()> {
        Ok(())
    }
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<Lsn>> {
        self.0.lock().push(batch);
        Box::pin(std::future::ready(Ok(Lsn(0))))
    }
}

struct Fixture {
    head: Arc<Head>,
    sink: HeadSink,
    queue: Arc<Queue>,
    writer: Writer,
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let objects =
            Objects::new(store, Arc::new(Still), Arc::new(Still), &mut Registry::default());
        let head = Head::new(Limits::default(), Arc::new(Still));
        let view = ViewCell::new(Arc::clone(&head), Blocks::new(objects), Arc::default());
        let active = head.generation(Lsn(1));
        view.update(|view| view.with_generation(Arc::clone(&active)));
        let sink = HeadSink::new(Arc::clone(&head), active, view);
        let queue = Arc::new(Queue::default());
        let writer = Writer::new(Arc::clone(&head), Arc::clone(&queue) as Arc<dyn Log>);
        Self { head, sink, queue, writer }
    }

    async fn batch(&self, time_ms: i64) -> Batch {
        let mut appender = self.writer.appender(&TenantId::default_tenant()).unwrap();
        let series = appender.series(&LabelSet::from_pairs(&[("__name__", "up")])).unwrap();
        appender.float(series, time_ms, 1.0, 0).unwrap();
        appender.commit().await.unwrap();
        self.queue.0.lock().pop().unwrap()
    }

    fn frame(&mut self, mut batch: Batch) -> RecordBuilder {
        let mut record = RecordBuilder::default();
        self.sink.frame(Lsn(1), &mut batch, &mut record);
        self.sink.apply(Lsn(1), batch);
        record
    }

    /// Returns whether a replay that begins with this record can place its rows.
    fn stands_alone(&self, record: &RecordBuilder) -> bool {
        let generation = self.head.generation(Lsn(1));
        let mut replayer = Replayer::new(Arc::clone(&self.head), generation);
        let tenant = record.tenant.clone().unwrap();
        replayer.insert(Lsn(1), &tenant, decode(&record.payloads).unwrap()).is_ok()
    }
}

#[tokio::test]
async fn each_period_has_the_labels_once() {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.batch(1).await, fixture.batch(2).await);
    assert!(first.definitions.is_some() && second.definitions.is_some(), "neither knew the other");
    let first = fixture.frame(first);
    assert!(fixture.stands_alone(&first));
    fixture.frame(second);
    let third = fixture.batch(3).await;
    assert!(third.definitions.is_none());
    let third = fixture.frame(third);
    assert_eq!(third.payloads.len(), 1, "the log has the labels already");
    assert!(!fixture.stands_alone(&third));
}

#[tokio::test]
async fn batches_made_before_a_cut_or_a_failed_sync_bring_their_labels_after_it() {
    let mut fixture = Fixture::new();
    let known = fixture.batch(1).await;
    fixture.frame(known);
    let waiting = fixture.batch(2).await;
    let unknown = fixture.batch(3).await;
    let frozen = fixture.sink.cut(Lsn(1));
    assert_eq!((frozen.rows(), frozen.last()), (1, Some(Lsn(1))));
    let waiting = fixture.frame(waiting);
    assert!(fixture.stands_alone(&waiting));
    fixture.sink.begin_generation(Lsn(3));
    let unknown = fixture.frame(unknown);
    assert!(fixture.stands_alone(&unknown));
    assert_eq!(fixture.sink.active().rows(), 2);
}
