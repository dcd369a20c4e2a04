//! COR-1: any damage to any object of a backup is found, by a verification and by a restore.

use std::collections::BTreeMap;

use bytes::Bytes;
use tarn_model::error::ErrorKind;
use tarn_model::rng::Rng as _;
use tarn_storage::operate::backup::{Silent, Vault, each, ids, verify};
use tarn_testkit::sim::SimRng;

use super::kit::{back_up, bring_back, elsewhere, fill, place, vault};
use super::world::World;

/// What kind of object a key of a backup names.
fn class(key: &str) -> &'static str {
    match key {
        key if key.starts_with("backups/") => "index",
        key if key.contains("/documents/") => "document",
        key if key.ends_with(".checkpoint") => "checkpoint",
        key if key.ends_with(".page") => "page",
        key if key.contains("/blocks/") => "block",
        _ => "other",
    }
}

async fn all(vault: &Vault) -> BTreeMap<String, Bytes> {
    let mut all = BTreeMap::new();
    for folder in ["backups", "objects"] {
        for head in vault.objects().list(folder).await.expect("lists") {
            let body = vault.objects().get(&head.key).await.expect("reads").bytes;
            all.insert(head.key, body);
        }
    }
    all
}

/// Asserts that the damage to `key` is found by both, and that nothing is restored.
async fn found(world: &World, keep: &std::sync::Arc<dyn object_store::ObjectStore>, key: &str) {
    let vault = vault(world, keep);
    let (_, verified) = match verify(&vault, None, &Silent).await {
        Ok(verified) => verified,
        // A flipped magic or version may look like another format.
        Err(error) => {
            assert_eq!(class(key), "index", "{key}: {error}");
            return;
        }
    };
    let names: Vec<&String> = verified.damaged.iter().map(|(key, _)| key).collect();
    let named = names.iter().any(|name| *name == key || key.ends_with(name.as_str()));
    assert!(named || class(key) == "index", "{key}: {names:?}");
    let other = elsewhere(world, 50);
    let refused = bring_back(world, keep, &other).await.expect_err(key);
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{key}: {refused}");
    let manifests = other.keys("catalog").await;
    assert!(manifests.iter().all(|key| !key.ends_with(".manifest")), "{key}: {manifests:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cor_1_flipped_cut_and_missing_objects_are_found_by_name() {
    let world = World::new(41);
    let store = world.open().await;
    fill(&world, &store, 0..3).await;
    let keep = place();
    back_up(&world, &keep).await.expect("backs up");
    let vault = vault(&world, &keep);
    let (whole, rng) = (all(&vault).await, SimRng::new(41));
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for (key, body) in &whole {
        let done = seen.entry(class(key)).or_default();
        *done += 1;
        // Some of each class: blocks are many.
        if *done > 6 {
            continue;
        }
        for _ in 0..4 {
            let bit = rng.below(body.len() as u64 * 8) as usize;
            let mut flipped = body.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            vault.objects().overwrite(key, &flipped.into()).await.expect("writes");
            found(&world, &keep, key).await;
        }
        let cut = body.slice(..body.len() - 1 - rng.below(body.len() as u64 - 1) as usize);
        vault.objects().overwrite(key, &cut).await.expect("writes");
        found(&world, &keep, key).await;
        let mut longer = body.to_vec();
        longer.push(rng.next_u64() as u8);
        vault.objects().overwrite(key, &longer.into()).await.expect("writes");
        found(&world, &keep, key).await;
        if class(key) != "index" {
            vault.objects().delete(key).await.expect("deletes");
            found(&world, &keep, key).await;
        }
        vault.objects().overwrite(key, body).await.expect("writes");
    }
    let classes: Vec<&str> = seen.keys().copied().collect();
    assert_eq!(classes, ["block", "checkpoint", "document", "index", "page"]);
    let (_, verified) = verify(&vault, None, &Silent).await.expect("reads");
    assert_eq!(verified.damaged, [], "all is as it was");
    store.close().await;
}

/// Two objects that were swapped have the right bytes in the wrong place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cor_1_swapped_objects_and_strangers_are_told() {
    let world = World::new(43);
    let store = world.open().await;
    fill(&world, &store, 0..2).await;
    let keep = place();
    back_up(&world, &keep).await.expect("backs up");
    let vault = vault(&world, &keep);
    let whole = all(&vault).await;
    let mut blocks = whole.iter().filter(|(key, _)| class(key) == "block");
    let ((one, a), (two, b)) = (blocks.next().expect("one"), blocks.next().expect("two"));
    vault.objects().overwrite(one, b).await.expect("writes");
    vault.objects().overwrite(two, a).await.expect("writes");
    found(&world, &keep, one).await;
    vault.objects().overwrite(one, a).await.expect("writes");
    vault.objects().overwrite(two, b).await.expect("writes");
    // What no index names is no damage, but it is counted.
    vault.objects().overwrite("objects/blocks/stray", a).await.expect("writes");
    let (_, verified) = verify(&vault, None, &Silent).await.expect("reads");
    assert_eq!((verified.damaged.len(), verified.unnamed), (0, 1));
    // An index that cannot be read is listed as such, and hides no other.
    let junk = "backups/20991231T000000Z-00000000.backup";
    vault.objects().overwrite(junk, &Bytes::from_static(b"junk")).await.expect("writes");
    let mut whole = Vec::new();
    let note = |_: String, index: tarn_model::error::Result<_>| {
        whole.push(index.is_ok());
        Ok(())
    };
    each(&vault, ids(&vault).await.expect("lists"), note).await.expect("reads");
    assert_eq!(whole, [true, false]);
    store.close().await;
}
