//! What comes back, where it may be put, and how old folders are kept out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::error::ErrorKind;
use tarn_model::signal::Signal;
use tarn_storage::alert_log;
use tarn_storage::catalog::format::WriterState;
use tarn_storage::compact::plan::Which;
use tarn_storage::file::Disk;
use tarn_storage::operate::backup::{
    Index, Origin, Silent, Target, Vault, each, find, ids, place, prune, restore, verify,
};
use tarn_storage::paths::DataDir;
use tarn_testkit::sim_disk::SimDisk;

use super::kit::{back_up, bring_back, content, elsewhere, fill, handles, place, put, vault};
use super::world::{DAY, HOUR, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_holds_the_same_rows_and_goes_on() {
    let world = World::new(1);
    let store = world.open().await;
    fill(&world, &store, 0..6).await;
    store.storage.compact(&Which::default()).await.expect("merges");
    fill(&world, &store, 6..8).await;
    let (before, keep) = (content(&world, &store).await, place());
    let created = back_up(&world, &keep).await.expect("backs up");
    assert_eq!((created.rounds, created.index.manifest), (1, store.storage.catalog().version()));
    let (_, verified) = verify(&vault(&world, &keep), None, &Silent).await.expect("reads");
    assert_eq!(verified.damaged, [], "nothing is damaged");
    assert_eq!(verified.objects as usize, created.index.objects.len());

    // Everything is lost.
    let old_writer = store.storage.writer_id().to_owned();
    let other = elsewhere(&world, 2);
    let restored = bring_back(&world, &keep, &other).await.expect("restores");
    assert_eq!(restored.lost, std::slice::from_ref(&old_writer), "its writer was live");
    assert_eq!(restored.stored, created.index.stored);
    let again = other.open().await;
    assert_eq!(content(&other, &again).await, before);
    let view = again.storage.reader().view();
    assert_eq!(view.partial(), None, "nobody waits for the rows of a lost writer");
    let catalog = again.storage.catalog();
    let state = catalog.writer(&old_writer).map(|record| record.writer.state);
    assert_eq!(state, Some(WriterState::Lost));
    assert_ne!(again.storage.writer_id(), old_writer, "the new folder is another writer");

    // It lives: rows, merges, sweeps, restarts, documents.
    fill(&other, &again, 8..12).await;
    again.storage.compact(&Which::default()).await.expect("merges");
    again.look_for(3 * DAY).await;
    let after = content(&other, &again).await;
    assert!(after.logs.len() > before.logs.len() && after.documents["board 2"] == "body 11");
    again.close().await;
    let again = other.open().await;
    assert_eq!(content(&other, &again).await, after);

    // A backup of it belongs to the same store, and copies only what is new.
    let next = back_up(&other, &keep).await.expect("backs up");
    assert_eq!(next.index.store, created.index.store);
    let third = back_up(&other, &keep).await.expect("backs up");
    assert!(third.copied < next.index.objects.len() as u64 / 2, "{third:?}");
    again.close().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_backup_copies_what_is_new() {
    let world = World::new(3);
    let store = world.open().await;
    fill(&world, &store, 0..5).await;
    let keep = place();
    let first = back_up(&world, &keep).await.expect("backs up");
    let blocks = |objects: &[tarn_storage::operate::backup::Entry]| {
        objects.iter().filter(|entry| entry.key.starts_with("blocks/")).count() as u64
    };
    assert!(first.copied >= blocks(&first.index.objects), "{first:?}");
    store.clock.pass(Duration::from_secs(5));
    let second = back_up(&world, &keep).await.expect("backs up");
    assert_eq!(second.copied, 0, "nothing changed");
    assert_eq!(second.index.objects.len(), first.index.objects.len());
    store.clock.pass(Duration::from_secs(5));
    fill(&world, &store, 5..6).await;
    let third = back_up(&world, &keep).await.expect("backs up");
    let new = blocks(&third.index.objects) - blocks(&first.index.objects);
    // Beside the blocks one revision of a document.
    assert_eq!(third.copied, new + 1, "{third:?}");
    let (vault, mut manifests) = (vault(&world, &keep), Vec::new());
    let note = |_: String, index: tarn_model::error::Result<Index>| {
        manifests.push(index?.manifest);
        Ok(())
    };
    each(&vault, ids(&vault).await.expect("lists"), note).await.expect("reads");
    assert_eq!(manifests.len(), 3);
    assert!(manifests.is_sorted(), "the order of ids is that of time: {manifests:?}");

    // Old ones go, and what only they need.
    let pruned = prune(&vault, 1, &handles(&world), &Silent).await.expect("prunes");
    assert_eq!((pruned.backups.len(), pruned.kept), (2, 1));
    assert!(pruned.objects > 0, "checkpoints of old backups");
    let (_, verified) = verify(&vault, None, &Silent).await.expect("reads");
    assert_eq!((verified.damaged.len(), verified.unnamed), (0, 0));
    let zero = prune(&vault, 0, &handles(&world), &Silent).await.expect_err("refused");
    assert_eq!(zero.kind(), ErrorKind::Invalid);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_overwrites_nothing() {
    let world = World::new(5);
    let store = world.open().await;
    fill(&world, &store, 0..2).await;
    let before = content(&world, &store).await;
    let keep = place();
    back_up(&world, &keep).await.expect("backs up");

    // Over the live store itself.
    let refused = bring_back(&world, &keep, &world).await.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.message().contains("holds a store already"), "{refused}");
    assert_eq!(content(&world, &store).await, before);

    // Into a bucket where only documents are.
    let other = elsewhere(&world, 6);
    put(&other, "mine", "text").await;
    let refused = bring_back(&world, &keep, &other).await.expect_err("refused");
    assert!(refused.message().contains("is not empty"), "{refused}");

    // Into a folder that a process has, and into one with a log.
    let vault = vault(&world, &keep);
    let folder = Path::new("/data");
    let locked = Target::folder(folder, &handles(&world)).expect_err("refused");
    assert!(locked.message().contains("another process has /data"), "{locked}");
    store.close().await;
    let used = Target::folder(folder, &handles(&world)).expect_err("refused");
    assert_eq!(used.kind(), ErrorKind::Invalid);
    assert!(used.message().contains("wal"), "{used}");
    let claimed = place::claim(folder, &handles(&world)).expect_err("refused");
    assert!(claimed.message().contains("is not empty"), "{claimed}");

    // An empty folder takes it, once.
    let disk = SimDisk::new(7);
    let mut of = handles(&world);
    of.disk = Arc::new(disk.clone());
    let index = find(&vault, None).await.expect("is there");
    let target = Target::folder(Path::new("/new"), &of).expect("is empty");
    restore(Origin::Backup(&vault, &index), &target, &of, &Silent).await.expect("restores");
    drop(target);
    let target = Target::folder(Path::new("/new"), &of).expect("has only a bucket");
    let twice = restore(Origin::Backup(&vault, &index), &target, &of, &Silent).await;
    assert!(twice.expect_err("refused").message().contains("holds a store already"));
}

/// FEN-1: whoever wrote before cannot commit on top of a past that is not its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fen_1_a_folder_from_before_cannot_join_the_restored_store() {
    let world = World::new(9);
    let store = world.open().await;
    fill(&world, &store, 0..2).await;
    let keep = place();
    back_up(&world, &keep).await.expect("backs up");
    // What comes after the backup is lost with the bucket; the folder is not.
    fill(&world, &store, 2..3).await;
    store.close().await;
    let other = elsewhere(&world, 10);
    bring_back(&world, &keep, &other).await.expect("restores");
    let mut old_folder = other.neighbour(0);
    old_folder.disk = world.disk.clone();
    let refused = old_folder.try_open().await.err().expect("refused");
    assert!(refused.message().contains("restored from a backup"), "{refused}");
    let again = other.open().await;
    again.close().await;
}

/// A server that is started on a half restored place does not begin a store of its own there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_restored_place_is_no_store() {
    let world = World::new(11);
    let store = world.open().await;
    fill(&world, &store, 0..3).await;
    let before = content(&world, &store).await;
    let keep = place();
    let created = back_up(&world, &keep).await.expect("backs up");
    let vault = vault(&world, &keep);
    // One block is away: the restore fails at its end.
    let entry = created.index.objects.iter().find(|e| e.key.starts_with("blocks/")).expect("one");
    let block = vault.objects().get(&entry.place()).await.expect("reads").bytes;
    vault.objects().delete(&entry.place()).await.expect("deletes");
    let other = elsewhere(&world, 12);
    let failed = bring_back(&world, &keep, &other).await.expect_err("damaged");
    assert_eq!(failed.kind(), ErrorKind::Corrupt);
    assert!(failed.message().contains(&entry.key), "{failed}");
    let refused = other.try_open().await.err().expect("refused");
    assert!(refused.message().contains("has not ended"), "{refused}");
    assert!(other.keys("catalog").await.iter().all(|key| !key.ends_with(".manifest")));
    // Another restore does not mix with it; the same one goes on where it stopped.
    vault.objects().overwrite(&entry.place(), &block).await.expect("writes");
    store.clock.pass(Duration::from_secs(3));
    let newer = back_up(&world, &keep).await.expect("backs up");
    let mixed = bring_back(&world, &keep, &other).await.expect_err("refused");
    assert!(mixed.message().contains(&format!("a part of backup {}", created.index.id)), "{mixed}");
    assert_ne!(newer.index.id, created.index.id);
    let target = Target::new(Arc::clone(&other.bucket), "the place", &handles(&other));
    let origin = Origin::Backup(&vault, &created.index);
    let restored = restore(origin, &target, &handles(&other), &Silent).await.expect("restores");
    assert_eq!(restored.found + 1, restored.objects, "only the missing block was copied");
    let again = other.open().await;
    assert_eq!(content(&other, &again).await, before);
    again.close().await;
    store.close().await;
}

/// A bad delete loses nothing as long as the history lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_version_comes_back_from_the_history() {
    let world = World::new(13);
    let store = world.open().await;
    fill(&world, &store, 0..4).await;
    let (before, good) = (content(&world, &store).await, store.storage.catalog().version());
    store.look_for(2 * HOUR).await;
    store.erase(Signal::Metrics, r#"{n="a"}"#).await;
    store.erase(Signal::Logs, r#"{service_name="cart"}"#).await;
    store.storage.compact(&Which::default()).await.expect("merges");
    store.look_for(HOUR).await;
    let after = content(&world, &store).await;
    assert!(!after.metrics.contains_key("a"), "a bad delete");

    let other = elsewhere(&world, 14);
    let target = Target::new(Arc::clone(&other.bucket), "the place", &handles(&other));
    let origin = Origin::Store(store.storage.objects(), Some(good));
    let restored = restore(origin, &target, &handles(&other), &Silent).await.expect("restores");
    assert_eq!(restored.manifest, good);
    let again = other.open().await;
    assert_eq!(content(&other, &again).await, before);
    again.close().await;

    // Beyond the history it is gone, and that is said.
    for round in 0..70 {
        store.write(&["x"], store.clock.wall_ms() + round, 1.0).await;
        store.flush().await;
    }
    store.look_for(3 * DAY).await;
    let late = elsewhere(&world, 15);
    let target = Target::new(Arc::clone(&late.bucket), "the place", &handles(&late));
    let origin = Origin::Store(store.storage.objects(), Some(good));
    let gone = restore(origin, &target, &handles(&late), &Silent).await.expect_err("gone");
    assert!(matches!(gone.kind(), ErrorKind::NotFound | ErrorKind::Corrupt), "{gone}");
    assert!(gone.message().contains("history"), "{gone}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_alerting_remembers_moves_with_a_folder() {
    let world = World::new(17);
    let dir = DataDir::new("/data");
    assert_eq!(alert_log::newest_image(&dir, &world.disk as &dyn Disk).expect("reads"), None);
    let store = world.open().await;
    let log = store.storage.alert_log();
    let entry = alert_log::Entry {
        tenant: tarn_model::tenant::TenantId::default_tenant(),
        kind: 7,
        body: "silence".into(),
    };
    log.replay().await.expect("opens");
    let lsn = log.append(vec![entry.clone()]).await.expect("appends");
    log.snapshot(lsn, "everything".into()).await.expect("saves");
    let image = alert_log::newest_image(&dir, &world.disk).expect("reads").expect("an image");
    assert_eq!(image, "everything");
    store.close().await;

    let other = elsewhere(&world, 18);
    alert_log::plant_image(&dir, &other.disk, &image).expect("writes");
    let store = other.open().await;
    let log = store.storage.alert_log();
    let replayed = log.replay().await.expect("opens");
    assert_eq!((replayed.image, replayed.entries.len()), (Some(image), 0));
    log.append(vec![entry]).await.expect("goes on");
    store.close().await;
    let store = other.open().await;
    assert_eq!(store.storage.alert_log().replay().await.expect("opens").entries.len(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_and_an_empty_place_say_so() {
    let world = World::new(19);
    let keep = place();
    let nothing = back_up(&world, &keep).await.expect_err("nothing there");
    assert_eq!(nothing.kind(), ErrorKind::NotFound);
    let vault = vault(&world, &keep);
    let none = find(&vault, None).await.expect_err("none");
    assert!(none.message().contains("tarn backup create"), "{none}");
    let named = find(&vault, Some("20261121T120000Z-0123abcd")).await.expect_err("none");
    assert!(named.message().contains("there is no backup 20261121T120000Z-0123abcd"), "{named}");
    assert!(find(&vault, Some("../x")).await.is_err());
    assert!(Vault::look_folder(Path::new("/nowhere"), &handles(&world)).is_err());
}
