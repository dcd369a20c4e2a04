//! Stores to back up, places to keep the copies, and what a store holds, as text.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ObjectStore;
use object_store::memory::InMemory;
use tarn_model::error::Result;
use tarn_model::tenant::TenantId;
use tarn_storage::Handles;
use tarn_storage::documents::{Documents, Id};
use tarn_storage::file::Disk;
use tarn_storage::operate::backup::{
    CreateOptions, Created, Origin, Restored, Silent, Target, Vault, create, find, restore,
};
use tarn_storage::schema::tables::Table;
use tarn_testkit::sim::SimRng;
use tarn_testkit::tasks::RealTasks;

use super::requests;
use super::world::{Open, Rows, World, append, read};

/// No two processes draw the same.
static SEED: AtomicU64 = AtomicU64::new(1000);

/// Everything that a query can see of a store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Content {
    pub(crate) metrics: Rows,
    pub(crate) logs: Vec<String>,
    pub(crate) spans: Vec<String>,
    pub(crate) documents: BTreeMap<String, String>,
}

pub(crate) fn handles(world: &World) -> Handles {
    Handles {
        clock: Arc::clone(&world.clock) as _,
        rng: Arc::new(SimRng::new(SEED.fetch_add(1, Ordering::SeqCst))),
        tasks: Arc::new(RealTasks::current()),
        disk: Arc::new(world.disk.clone()) as Arc<dyn Disk>,
    }
}

pub(crate) async fn content(world: &World, store: &Open) -> Content {
    let view = store.storage.reader().view();
    let documents = documents(world);
    let tenant = TenantId::default_tenant();
    let listed = documents.list(&tenant, "boards").await.expect("lists");
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    Content {
        metrics: read(&store.storage.reader()).await,
        logs: requests::read(&view, Table::Logs).await.expect("reads"),
        spans: requests::read(&view, Table::Spans).await.expect("reads"),
        documents: listed.into_iter().map(|d| (d.name, text(&d.body))).collect(),
    }
}

pub(crate) fn documents(world: &World) -> Documents {
    let Handles { clock, rng, .. } = handles(world);
    Documents::new(world.objects(), clock, rng)
}

pub(crate) async fn put(world: &World, name: &str, body: &str) {
    let tenant = TenantId::default_tenant();
    let id = Id { tenant: &tenant, kind: "boards", name };
    let change = documents(world).put(id, None, "anna", body.to_owned().into()).await;
    drop(change.expect("stores"));
}

/// Rows of all signals, in some flushes, and documents; numbers make them differ.
pub(crate) async fn fill(world: &World, store: &Open, rounds: std::ops::Range<u64>) {
    for round in rounds {
        for step in 0..5 {
            let time = store.clock.wall_ms() + step * 1000;
            store.write(&["a", "b", "c"], time + round as i64 * 10_000, round as f64).await;
        }
        append(store, round * 4..round * 4 + 4).await;
        store.flush().await;
        put(world, &format!("board {}", round % 3), &format!("body {round}")).await;
    }
}

/// A place for backups over any store.
pub(crate) fn vault(world: &World, store: &Arc<dyn ObjectStore>) -> Vault {
    Vault::new(Arc::clone(store), &handles(world))
}

pub(crate) fn place() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

pub(crate) async fn back_up(world: &World, store: &Arc<dyn ObjectStore>) -> Result<Created> {
    let options = CreateOptions { tarn: "test".to_owned(), ..CreateOptions::default() };
    let vault = vault(world, store);
    create(&world.objects(), &vault, &options, &handles(world), &Silent).await
}

/// Another machine at the same time, with a bucket of its own.
pub(crate) fn elsewhere(world: &World, seed: u64) -> World {
    let mut other = world.neighbour(seed);
    other.bucket = place();
    other
}

/// Restores the newest backup into the bucket of a world.
pub(crate) async fn bring_back(
    from: &World,
    store: &Arc<dyn ObjectStore>,
    to: &World,
) -> Result<Restored> {
    let vault = vault(from, store);
    let index = find(&vault, None).await?;
    let target = Target::new(Arc::clone(&to.bucket), "the place", &handles(to));
    restore(Origin::Backup(&vault, &index), &target, &handles(to), &Silent).await
}
