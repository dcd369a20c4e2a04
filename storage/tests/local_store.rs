//! The local object store: one winner per name under a race, and objects that are absent or whole
//! after a power loss at any operation (DUR-1 for blocks and manifests).

use std::path::Path as FilePath;
use std::sync::{Arc, Barrier};

use bytes::Bytes;
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use tarn_storage::file::{Disk, OpenHow, RealDisk};
use tarn_storage::object::local::LocalStore;
use tarn_testkit::sim_disk::SimDisk;

const RACERS: usize = 16;
const ROUNDS: usize = 25;

fn put(store: &LocalStore, key: &Path, body: &[u8], mode: PutMode) -> object_store::Result<()> {
    let payload = PutPayload::from_bytes(Bytes::copy_from_slice(body));
    block_on(store.put_opts(key, payload, PutOptions::from(mode))).map(drop)
}

fn get(store: &LocalStore, key: &Path) -> object_store::Result<Bytes> {
    block_on(async { store.get(key).await?.bytes().await })
}

#[test]
fn sixteen_creators_of_one_name_have_exactly_one_winner() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::open(folder.path(), Arc::new(RealDisk)).expect("opens");
    for round in 0..ROUNDS {
        let key = Path::from(format!("catalog/{round:020}.manifest"));
        let start = Barrier::new(RACERS);
        let winners: Vec<usize> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|racer| {
                    let (store, key, start) = (store.clone(), key.clone(), &start);
                    scope.spawn(move || {
                        start.wait();
                        let body = format!("racer {racer}");
                        match put(&store, &key, body.as_bytes(), PutMode::Create) {
                            Ok(()) => Some(racer),
                            Err(Error::AlreadyExists { .. }) => None,
                            Err(e) => panic!("{e}"),
                        }
                    })
                })
                .collect();
            racers.into_iter().filter_map(|racer| racer.join().expect("no panic")).collect()
        });
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert_eq!(get(&store, &key).expect("there"), format!("racer {}", winners[0]));
    }
}

#[test]
fn dur_1_after_a_power_loss_an_object_is_absent_or_whole() {
    let root = FilePath::new("/data/bucket");
    let key = Path::from("blocks/tenant=default/signal=metrics/day=2026-11-21/a.parquet");
    let body: Vec<u8> = (0..20_000u32).flat_map(u32::to_le_bytes).collect();
    for mode in [PutMode::Create, PutMode::Overwrite] {
        let mut finished = false;
        for operation in 0..100 {
            let disk = SimDisk::new(operation);
            let store = LocalStore::open(root, Arc::new(disk.clone())).expect("opens");
            disk.cut_power_after(operation);
            let answer = put(&store, &key, &body, mode.clone());
            disk.power_loss();

            let store = LocalStore::open(root, Arc::new(disk.clone())).expect("opens again");
            match get(&store, &key) {
                Ok(found) => assert_eq!(found, body, "operation {operation}"),
                Err(Error::NotFound { .. }) => {
                    assert!(answer.is_err(), "operation {operation}: acknowledged and gone");
                }
                Err(e) => panic!("operation {operation}: {e}"),
            }
            let temporary = disk.list(&root.join(".tmp")).expect("a folder");
            assert!(temporary.is_empty(), "leftovers are removed: {temporary:?}");
            finished = answer.is_ok();
            if finished {
                break;
            }
        }
        assert!(finished, "every step was met");
    }
}

#[test]
fn a_name_whose_folder_could_not_be_synced_is_taken_back() {
    let disk = SimDisk::new(1);
    let store = LocalStore::open("/data/bucket", Arc::new(disk.clone())).expect("opens");
    let key = Path::from("catalog/x");
    // The first sync is that of the content, the second that of the folder.
    for syncs in 1..6 {
        disk.fail_syncs(syncs);
        if put(&store, &key, b"body", PutMode::Create).is_err() {
            disk.fail_syncs(0);
            assert!(matches!(get(&store, &key), Err(Error::NotFound { .. })), "{syncs} syncs");
        }
        disk.fail_syncs(0);
    }
    put(&store, &key, b"body", PutMode::Create).expect("works again");
}

#[test]
fn it_answers_as_other_stores_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::open(folder.path(), Arc::new(RealDisk)).expect("opens");
    let (a, b) = (Path::from("x/a"), Path::from("x/y/b"));
    put(&store, &a, b"0123456789", PutMode::Create).expect("created");
    put(&store, &b, b"b", PutMode::Create).expect("created");
    assert!(matches!(put(&store, &a, b"again", PutMode::Create), Err(Error::AlreadyExists { .. })));

    let listed: Vec<_> = block_on(store.list(None).try_collect::<Vec<_>>()).expect("lists");
    let names: Vec<_> = listed.iter().map(|meta| (meta.location.as_ref(), meta.size)).collect();
    assert_eq!(names, [("x/a", 10), ("x/y/b", 1)]);
    let below = block_on(store.list(Some(&Path::from("x/y"))).count());
    assert_eq!(below, 1);
    let folders = block_on(store.list_with_delimiter(Some(&Path::from("x")))).expect("lists");
    assert_eq!(folders.common_prefixes, [Path::from("x/y")]);
    assert_eq!(folders.objects.len(), 1);

    let part = block_on(store.get_range(&a, 2..5)).expect("a part");
    assert_eq!(part, "234");
    let head = block_on(store.head(&a)).expect("there");
    let whole = block_on(store.get(&a)).expect("there");
    assert_eq!(head.e_tag, whole.meta.e_tag);
    assert!(head.e_tag.is_some());

    put(&store, &a, b"other", PutMode::Overwrite).expect("overwritten");
    let now = block_on(store.head(&a)).expect("there");
    assert_ne!(now.e_tag, head.e_tag, "another body, another ETag");
    let stale = GetOptions::new().with_if_match(head.e_tag.clone());
    let refused = block_on(store.get_opts(&a, stale)).map(|_| ());
    assert!(matches!(refused, Err(Error::Precondition { .. })), "{refused:?}");

    block_on(store.delete(&b)).expect("deleted");
    assert!(matches!(get(&store, &b), Err(Error::NotFound { .. })));
    assert!(matches!(block_on(store.delete(&b)), Err(Error::NotFound { .. })));
}

#[test]
fn what_a_crash_left_half_written_is_removed_at_the_start() {
    let disk = SimDisk::new(2);
    let temp = FilePath::new("/data/bucket/.tmp");
    disk.create_dir_all(temp).expect("a folder");
    drop(disk.open(&temp.join("0"), OpenHow::CreateNew).expect("a leftover"));
    let store = LocalStore::open("/data/bucket", Arc::new(disk.clone())).expect("opens");
    assert!(disk.list(temp).expect("a folder").is_empty());
    put(&store, &Path::from("a"), b"a", PutMode::Create).expect("names do not clash");
}
