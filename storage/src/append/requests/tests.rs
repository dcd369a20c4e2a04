#![expect(clippy::disallowed_methods, reason = "files are damaged on purpose")]

use std::sync::atomic::{AtomicU64, Ordering};

use tarn_model::time::{Sleep, UnixNanos};

use super::*;
use crate::file::RealDisk;
use crate::paths::DataDir;

/// Seconds, which tests move.
#[derive(Debug, Default)]
struct Manual(AtomicU64);

impl Clock for Manual {
    fn now(&self) -> UnixNanos {
        UnixNanos((1_795_262_400 + self.0.load(Ordering::Relaxed)) as i64 * 1_000_000_000)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

fn ring(seconds: u64, max: usize) -> (Arc<Manual>, Requests) {
    let clock = Arc::new(Manual(AtomicU64::new(seconds)));
    let requests = Requests::new(Arc::clone(&clock) as _, max * REQUEST_BYTES);
    (clock, requests)
}

fn counts(rejected: u32) -> ReplyCounts {
    ReplyCounts { floats: 300, rejected, ..ReplyCounts::default() }
}

#[test]
fn idm_1_known_for_an_hour_or_until_there_are_too_many() {
    let (clock, requests) = ring(100, 50);
    requests.keep(0, counts(0));
    assert_eq!(requests.stored(0), None, "0 is no hash");
    for hash in 1..=200u128 {
        // Hashes that agree in what the index looks at.
        requests.keep(hash << 64, counts(hash as u32));
        clock.0.fetch_add(1, Ordering::Relaxed);
    }
    let known = |hash: u128| requests.stored(hash << 64);
    assert_eq!(known(150), None);
    assert!((151..=200).all(|hash| known(hash) == Some(counts(hash as u32))));
    assert_eq!(requests.window_gauge.get(), 49);
    requests.keep(200 << 64, counts(7));
    assert_eq!(known(200), Some(counts(200)), "what was told first is told again");
    clock.0.store(100 + 199 + 3600, Ordering::Relaxed);
    assert_eq!((known(199), known(200)), (None, Some(counts(200))));
    clock.0.fetch_add(1, Ordering::Relaxed);
    assert_eq!(known(200), None);
}

#[test]
fn idm_1_the_file_carries_requests_into_the_next_life() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::new(folder.path());
    std::fs::create_dir_all(dir.wal()).unwrap();
    let (clock, requests) = ring(5000, 1000);
    file::load(&requests, &dir, &RealDisk);
    assert!(requests.all().is_empty(), "there is no file yet");
    requests.keep(1, counts(0));
    clock.0.fetch_add(3000, Ordering::Relaxed);
    requests.keep(u128::MAX, counts(u32::MAX));
    file::save(&requests, &dir, &RealDisk).unwrap();
    file::save(&requests, &dir, &RealDisk).unwrap();

    // The monotonic axis begins anew, wall time goes on: here by 700 s.
    let (clock, next) = ring(8700, 1000);
    file::load(&next, &dir, &RealDisk);
    assert_eq!(next.stored(1), None, "it is over an hour old");
    assert_eq!(next.stored(u128::MAX), Some(counts(u32::MAX)));
    clock.0.fetch_add(2899, Ordering::Relaxed);
    assert!(next.stored(u128::MAX).is_some());
    clock.0.fetch_add(2, Ordering::Relaxed);
    assert!(next.stored(u128::MAX).is_none());

    let whole = std::fs::read(dir.wal_requests()).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 16;
        std::fs::write(dir.wal_requests(), damaged).unwrap();
        let (_, next) = ring(8700, 1000);
        file::load(&next, &dir, &RealDisk);
        assert!(next.all().is_empty(), "byte {at}");
        next.keep(5, counts(0));
        assert_eq!(next.window_gauge.get(), 0, "the metric says so");
    }
}

#[test]
fn a_million_requests_fit_the_bounds() {
    let (_, requests) = ring(0, REQUESTS_MAX);
    for hash in 0..1_100_000u128 {
        requests.keep(hash * 0x9e37_79b9_7f4a_7c15 + 1, counts(0));
    }
    let ring = requests.ring.lock();
    let bytes = ring.entries.capacity() * size_of::<Stored>() + ring.index.allocation_size();
    assert!(bytes <= REQUESTS_MAX * REQUEST_BYTES, "{bytes}");
    drop(ring);
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::new(folder.path());
    std::fs::create_dir_all(dir.wal()).unwrap();
    file::save(&requests, &dir, &RealDisk).unwrap();
    assert!(std::fs::metadata(dir.wal_requests()).unwrap().len() <= 16 << 20);
    let (_, next) = self::ring(0, REQUESTS_MAX);
    file::load(&next, &dir, &RealDisk);
    assert!(next.stored(1_099_999 * 0x9e37_79b9_7f4a_7c15 + 1).is_some(), "the newest");
    assert!(next.all().len() > 700_000, "{}", next.all().len());
}
