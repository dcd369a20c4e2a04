//! Connections that nothing is asked over are ended: one of a limited number could else be held for ever
//! by a client of HTTP/2 that answers pings. Its next request opens another one; nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was asked over a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request that is being handled.
#[derive(Debug)]
pub(super) struct Handling(Arc<Activity>);

impl Activity {
    /// Counts a request until what is returned is dropped. Its answer may take longer: a connection
    /// that ends in order sends it whole.
    pub(super) fn begin(self: &Arc<Self>) -> Handling {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Handling(Arc::clone(self))
    }

    /// Completes once nothing was asked for this long, or up to twice as long.
    pub(super) async fn idle(&self, long: Duration) {
        let mut before = None;
        loop {
            let ended = self.ended.load(Ordering::Acquire);
            let now = (self.begun.load(Ordering::Relaxed) == ended).then_some(ended);
            if now.is_some() && now == before {
                return;
            }
            before = now;
            tokio::time::sleep(long).await;
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_idle_when_nothing_is_asked_or_handled() {
        let long = Duration::from_millis(40);
        let activity = Arc::new(Activity::default());
        let asked = Arc::clone(&activity);
        let idle = tokio::spawn(async move { asked.idle(long).await });
        let handling = activity.begin();
        tokio::time::sleep(4 * long).await;
        assert!(!idle.is_finished(), "a request is being handled");
        drop(handling);
        for _ in 0..8 {
            tokio::time::sleep(long / 4).await;
            drop(activity.begin());
        }
        assert!(!idle.is_finished(), "requests have come");
        tokio::time::timeout(50 * long, idle).await.unwrap().unwrap();
    }
}
