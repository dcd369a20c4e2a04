//! Buckets over the S3 protocol: the contract that the catalog rests on, a whole store in a bucket,
//! and every bucket that a start must refuse, with what it says.
#![expect(clippy::disallowed_methods, reason = "real time and real tasks: the parts are real")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind};
use tarn_model::secret::Secret;
use tarn_storage::object::bucket::{self, BucketOptions, BucketUrl, OpenBucket};
use tarn_storage::object::{CreateError, Objects, check};
use tarn_storage::{Handles, Options};
use tarn_testkit::clock::RealClock;
use tarn_testkit::s3_server::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};
use tarn_testkit::sim::SimRng;
use tarn_testkit::sim_disk::SimDisk;
use tarn_testkit::tasks::RealTasks;

#[path = "s3/refused.rs"]
mod refused;
#[path = "s3/whole_store.rs"]
mod whole_store;

const RACERS: usize = 16;
const ROUNDS: usize = 20;

fn handles(seed: u64) -> Handles {
    Handles {
        clock: Arc::new(RealClock::default()),
        rng: Arc::new(SimRng::new(seed)),
        tasks: Arc::new(RealTasks::current()),
        disk: Arc::new(SimDisk::new(seed)),
    }
}

fn options(server: &S3Server) -> BucketOptions {
    BucketOptions {
        url: Some(BucketUrl::parse(&server.url("a/b")).expect("an address")),
        endpoint: Some(server.endpoint()),
        region: Some(REGION.to_owned()),
        access_key_id: Some(Secret::fixed("inline", ACCESS_KEY)),
        secret_access_key: Some(Secret::fixed("inline", SECRET_KEY)),
        ..BucketOptions::default()
    }
}

fn open(options: &BucketOptions, seed: u64) -> OpenBucket {
    let url = options.url.as_ref().expect("is set");
    bucket::open(url, options, &handles(seed)).expect("opens")
}

fn objects(options: &BucketOptions, seed: u64) -> Objects {
    let Handles { clock, rng, .. } = handles(seed);
    Objects::new(open(options, seed).store, clock, rng, &mut Registry::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_creators_of_one_name_have_exactly_one_winner() {
    let server = S3Server::start().await.expect("a server");
    let racers: Vec<Objects> = (0..RACERS).map(|n| objects(&options(&server), n as u64)).collect();
    for round in 0..ROUNDS {
        let key = format!("catalog/{round:020}.manifest");
        let creates = racers.iter().enumerate().map(|(n, objects)| {
            let (key, objects) = (key.clone(), objects.clone());
            let body = Bytes::from(format!("racer {n}"));
            tokio::spawn(async move { objects.create(&key, &body).await.map(|_| n) })
        });
        let mut winners = Vec::new();
        for create in creates.collect::<Vec<_>>() {
            match create.await.expect("no panic") {
                Ok(winner) => winners.push(winner),
                Err(CreateError::Conflict(found)) => {
                    assert!(found.bytes.starts_with(b"racer "), "{found:?}");
                }
                Err(CreateError::Unknown(error)) => panic!("{error}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let found = racers[0].get(&key).await.expect("is there");
        assert_eq!(found.bytes, format!("racer {}", winners[0]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_below_a_prefix() {
    let server = S3Server::start().await.expect("a server");
    let objects = objects(&options(&server), 1);
    let keys = ["blocks/tenant=a/x-1.parquet", "blocks/tenant=a/x-2.parquet", "blocks/b"];
    let body: Bytes = (0..100_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into();
    let mut etags = Vec::new();
    for key in keys {
        etags.push(objects.create(key, &body).await.expect("creates"));
    }
    let listed = objects.list("blocks").await.expect("lists");
    let found: Vec<&str> = listed.iter().map(|head| head.key.as_str()).collect();
    assert_eq!(found, ["blocks/b", keys[0], keys[1]]);
    assert!(listed.iter().all(|head| head.bytes == body.len() as u64));
    let part = objects.get_range(keys[0], 4_000..4_400).await.expect("reads");
    assert_eq!(part, body.slice(4_000..4_400));
    let parts = objects.get_ranges(keys[0], &[0..8, 399_000..400_000]).await.expect("reads");
    assert_eq!(parts, [body.slice(0..8), body.slice(399_000..400_000)]);
    let beyond = objects.get_range(keys[0], 399_999..400_001).await.expect_err("is too short");
    assert_eq!(beyond.kind(), ErrorKind::Corrupt);
    let head = objects.head(keys[1]).await.expect("asks").expect("is there");
    assert!(head.etag.is_some() && head.etag == etags[1], "{head:?} {etags:?}");
    objects.overwrite(keys[1], &Bytes::from_static(b"new")).await.expect("writes");
    assert_eq!(objects.get(keys[1]).await.expect("reads").bytes, "new");
    for _ in 0..2 {
        objects.delete(keys[1]).await.expect("deletes, and again");
    }
    assert_eq!(objects.head(keys[1]).await.expect("asks"), None);
    let absent = objects.get(keys[1]).await.expect_err("is gone");
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert!(server.bucket_folder().join("a/b/blocks/b").is_file());
}

/// Whatever the reply said, the object tells what happened (`reliability.md` §4).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_survives_throttling_and_lost_connections() {
    let server = S3Server::start().await.expect("a server");
    let objects = objects(&options(&server), 2);
    let body = Bytes::from_static(b"mine");
    server.weather(|w| w.slow_down = 3);
    objects.create("catalog/1", &body).await.expect("after 503");
    server.weather(|w| w.reset_before = 2);
    objects.create("catalog/2", &body).await.expect("after a reset without effect");
    server.weather(|w| w.reset_after = 1);
    objects.create("catalog/3", &body).await.expect("after a reset with effect");
    let again = objects.create("catalog/3", &Bytes::from_static(b"theirs")).await;
    assert!(matches!(again, Err(CreateError::Conflict(found)) if found.bytes == body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_keys_count_without_a_restart() {
    let server = S3Server::start().await.expect("a server");
    let value = Arc::new(parking_lot::Mutex::new(SECRET_KEY.to_owned()));
    let read = Arc::clone(&value);
    let secret = Secret::new("file:/run/key", move || Ok(read.lock().clone()));
    let options = BucketOptions { secret_access_key: Some(secret), ..options(&server) };
    let store = open(&options, 3);
    let clock = RealClock::default();
    check::readable(&store, &clock).await.expect("reads");
    // Replaced on both sides, as far as the server goes: the key that it knows comes back later.
    *value.lock() = "wrong".to_owned();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    server.weather(|w| w.error = Some((403, "AccessDenied")));
    check::readable(&store, &clock).await.expect_err("is refused");
    server.weather(|w| w.error = None);
    let error = check::readable(&store, &clock).await.expect_err("the wrong key was read");
    assert!(error.message().contains("SignatureDoesNotMatch"), "{error}");
    *value.lock() = SECRET_KEY.to_owned();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    check::readable(&store, &clock).await.expect("the right key was read");
}

fn told(error: &Error) -> String {
    let text = format!("{} {error:?}", error.message());
    assert!(!text.contains(SECRET_KEY), "{text}");
    error.message()
}
