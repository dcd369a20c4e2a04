//! A request that is sent again is acknowledged again and stored once (IDM-1).
//!
//! Senders send again what was not answered in time, also when it was stored. A request is known by
//! a hash over its tenant, its route and its decompressed body; storage keeps the hash in the record
//! with the rows, and knows those of the last hour, also after a restart. Here is the other half: a
//! request that comes while the first one is still being stored waits for what becomes of it.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_storage::wal::ReplyCounts;
use tokio::sync::watch;
use xxhash_rust::xxh3::Xxh3Default;

/// Returns the hash by which a request is known; never 0, which means that there is none.
pub(crate) fn request_hash(tenant: &TenantId, route: &str, body: &[u8]) -> u128 {
    let mut hash = Xxh3Default::new();
    for part in [tenant.as_str(), route] {
        hash.update(part.as_bytes());
        // Neither holds NUL, so that no two pairs run into the same bytes.
        hash.update(&[0]);
    }
    hash.update(body);
    hash.digest128().max(1)
}

/// Requests that are being stored.
#[derive(Default)]
pub(crate) struct InFlight {
    requests: Mutex<HashMap<u128, watch::Receiver<()>>>,
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("requests", &self.requests.lock().len()).finish()
    }
}

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nothing: it is stored, and this was answered.
    Stored(ReplyCounts),
    /// Store it, then drop the turn.
    Mine(Mine),
}

/// The right to store a request; others of the same hash wait until it is dropped.
#[derive(Debug)]
pub(crate) struct Mine {
    hash: u128,
    inflight: Arc<InFlight>,
    /// Never sent on: waiting ends when it is dropped.
    _waited_for: watch::Sender<()>,
}

impl InFlight {
    /// Waits while another request of this hash is being stored, then tells what to do: `stored`
    /// looks up what is known of stored ones.
    pub(crate) async fn turn(
        self: &Arc<Self>,
        hash: u128,
        stored: impl Fn(u128) -> Option<ReplyCounts>,
    ) -> Turn {
        loop {
            let mut other = match self.enter(hash, &stored) {
                Ok(turn) => return turn,
                Err(other) => other,
            };
            // Nothing is ever sent: this ends with an error, when the other turn is dropped.
            drop(other.changed().await);
        }
    }

    fn enter(
        self: &Arc<Self>,
        hash: u128,
        stored: impl Fn(u128) -> Option<ReplyCounts>,
    ) -> Result<Turn, watch::Receiver<()>> {
        let mut requests = self.requests.lock();
        if let Some(other) = requests.get(&hash) {
            return Err(other.clone());
        }
        // Looked up under the lock: a turn is dropped after its request is known to be stored.
        if let Some(counts) = stored(hash) {
            return Ok(Turn::Stored(counts));
        }
        let (sender, receiver) = watch::channel(());
        requests.insert(hash, receiver);
        let inflight = Arc::clone(self);
        Ok(Turn::Mine(Mine { hash, inflight, _waited_for: sender }))
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        self.inflight.requests.lock().remove(&self.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).expect("a tenant")
    }

    #[test]
    fn every_part_counts() {
        let (a, b) = (tenant("a"), tenant("b"));
        let one = request_hash(&a, "/v1/logs", b"body");
        assert_eq!(one, request_hash(&a, "/v1/logs", b"body"));
        assert_ne!(one, request_hash(&b, "/v1/logs", b"body"));
        assert_ne!(one, request_hash(&a, "/v1/traces", b"body"));
        assert_ne!(one, request_hash(&a, "/v1/logs", b"bodY"));
        assert_ne!(request_hash(&a, "", b""), 0);
    }

    #[tokio::test]
    async fn idm_1_a_resend_waits_for_the_first_one() {
        let inflight = Arc::new(InFlight::default());
        let known: Arc<Mutex<Option<ReplyCounts>>> = Arc::default();
        let Turn::Mine(first) = inflight.turn(7, |_| None).await else {
            panic!("nothing is known")
        };
        let second = tokio::spawn({
            let (inflight, known) = (Arc::clone(&inflight), Arc::clone(&known));
            async move { inflight.turn(7, |_| *known.lock()).await }
        });
        let other = inflight.turn(8, |_| None).await;
        assert!(matches!(other, Turn::Mine(_)), "another request does not wait");
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        let counts = ReplyCounts { rejected: 3, ..ReplyCounts::default() };
        *known.lock() = Some(counts);
        drop(first);
        let second = second.await.expect("does not panic");
        assert!(matches!(second, Turn::Stored(found) if found == counts), "{second:?}");
    }

    #[tokio::test]
    async fn idm_1_where_the_first_one_fails_the_resend_is_stored() {
        let inflight = Arc::new(InFlight::default());
        let first = inflight.turn(7, |_| None).await;
        let second = tokio::spawn({
            let inflight = Arc::clone(&inflight);
            async move { inflight.turn(7, |_| None).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(matches!(second.await.expect("does not panic"), Turn::Mine(_)));
        assert_eq!(format!("{inflight:?}"), "InFlight { requests: 0 }");
    }
}
