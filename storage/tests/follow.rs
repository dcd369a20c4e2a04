//! Rows as they become durable: every acknowledged row once and in order while flushes run, what a
//! slow follower is told, and the end.
#![expect(clippy::disallowed_methods, reason = "real time and real tasks: the parts are real")]

#[path = "follow/named.rs"]
mod named;
#[path = "follow/node.rs"]
mod node;

use std::collections::BTreeMap;

use node::{Node, ids, samples, spans};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::head::follow::{FollowOptions, Followed, Follower, Sample, Value};
use tarn_storage::schema::tables::Table;
use tarn_storage::wal::Lsn;
use tarn_testkit::sim_disk::SimDisk;

/// What a follower was told of one record.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Samples(Vec<(String, f64)>),
    Spans(Vec<u64>),
}

/// Returns what an event says of a record.
#[expect(clippy::panic, reason = "a helper of tests")]
fn told(next: &Followed) -> (Lsn, Told) {
    match next {
        Followed::Samples(batch) => {
            let sample = |sample: Sample<'_>| {
                let labels = batch.labels(sample.series).expect("known");
                let Value::Float(value) = sample.value else { panic!("a float was written") };
                (labels.get("n").unwrap_or_default().to_owned(), value)
            };
            (batch.lsn(), Told::Samples(batch.samples().map(sample).collect()))
        }
        Followed::Rows(batch) => {
            assert_eq!(batch.table(), Table::Spans);
            (batch.lsn(), Told::Spans(ids(batch)))
        }
        other => panic!("{other:?}"),
    }
}

/// Pulls to the end, and checks the order.
async fn everything(mut follower: Follower) -> BTreeMap<Lsn, Told> {
    let (mut all, mut last) = (BTreeMap::new(), follower.position());
    while let Some(next) = follower.next().await {
        if let Followed::Cut(lsn) = next {
            assert!(lsn >= last, "a cut at {lsn:?} behind {last:?}");
            continue;
        }
        let (lsn, told) = told(&next);
        assert!(lsn > last, "{lsn:?} behind {last:?}");
        (last, _) = (lsn, all.insert(lsn, told));
        assert_eq!(follower.position(), lsn);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_row_is_told_once_and_in_order_while_flushes_run() {
    let node = Node::open(SimDisk::new(1), ByteSize::gib(1)).await;
    let tenant = TenantId::default_tenant();
    let pulled: Vec<_> = (0..3)
        .map(|_| tokio::spawn(everything(node.storage.reader().follow(FollowOptions::default()))))
        .collect();
    let storage = &node.storage;
    let write = |writer: u64| {
        let tenant = &tenant;
        async move {
            let mut done = Vec::new();
            for number in 0..40 {
                let (lsn, told) = if number % 3 == 0 {
                    let first = writer << 32 | number << 8;
                    let lsn = spans(storage, tenant, first..first + 1 + number).await;
                    (lsn, Told::Spans((first..first + 1 + number).collect()))
                } else {
                    let (n, value) = (number as u32, (writer * 1000 + number) as f64);
                    let lsn = samples(storage, tenant, n, value).await;
                    (lsn, Told::Samples((0..n).map(|n| (n.to_string(), value)).collect()))
                };
                done.push((lsn, told));
            }
            done
        }
    };
    let flush = async {
        for _ in 0..8 {
            storage.flush().await.expect("flushes");
        }
    };
    let (a, b, c, ()) = tokio::join!(write(1), write(2), write(3), flush);
    let wanted: BTreeMap<_, _> = a.into_iter().chain(b).chain(c).collect();
    assert_eq!(wanted.len(), 120);
    node.close().await;
    for pulled in pulled {
        assert_eq!(pulled.await.expect("pulls"), wanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_behind_is_told_what_it_missed() {
    // Two percent of it: some 20 KiB.
    let node = Node::open(SimDisk::new(2), ByteSize::mib(1)).await;
    let tenant = TenantId::default_tenant();
    let mut slow = node.storage.reader().follow(FollowOptions::default());
    let mut quick = node.storage.reader().follow(FollowOptions::default());
    for number in 0..100 {
        let lsn = samples(&node.storage, &tenant, 10, f64::from(number)).await;
        let Some(Followed::Samples(batch)) = quick.next().await else { panic!("rows follow") };
        assert_eq!(batch.lsn(), lsn, "who keeps up misses nothing");
    }
    let Some(Followed::Lagged { from, to }) = slow.next().await else { panic!("it lags") };
    assert_eq!(from, Lsn(1));
    assert!((Lsn(20)..Lsn(100)).contains(&to), "{to:?}");
    assert_eq!(slow.position(), to);
    for lsn in to.next().0..=100 {
        let Some(Followed::Samples(batch)) = slow.next().await else { panic!("rows follow") };
        assert_eq!(batch.lsn(), Lsn(lsn));
    }
    assert!(slow.try_next().is_none());
    node.close().await;
    let Some(Followed::Cut(Lsn(100))) = slow.next().await else { panic!("a stop flushes") };
    assert!(slow.next().await.is_none(), "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_asked_for_is_told_and_only_from_then_on() {
    let node = Node::open(SimDisk::new(3), ByteSize::gib(1)).await;
    let [ours, theirs] = ["ours", "theirs"].map(|name| TenantId::parse(name).expect("a name"));
    samples(&node.storage, &ours, 1, 0.0).await;
    let follow = |tenants: Option<Vec<TenantId>>, signals: &[Signal]| {
        let signals = signals.to_vec();
        node.storage.reader().follow(FollowOptions { name: None, tenants, signals })
    };
    let of_us = follow(Some(vec![ours.clone()]), &[]);
    let traces = follow(None, &[Signal::Traces]);
    let logs = follow(None, &[Signal::Logs]);
    assert_eq!(of_us.position(), Lsn(1));
    samples(&node.storage, &theirs, 1, 1.0).await;
    samples(&node.storage, &ours, 1, 2.0).await;
    spans(&node.storage, &theirs, 0..2).await;
    node.close().await;
    let of_us = everything(of_us).await;
    assert_eq!(of_us, BTreeMap::from([(Lsn(3), Told::Samples(vec![("0".to_owned(), 2.0)]))]));
    let traces = everything(traces).await;
    assert_eq!(traces, BTreeMap::from([(Lsn(4), Told::Spans(vec![0, 1]))]));
    assert_eq!(everything(logs).await.len(), 0);
}
