//! Credentials that are replaced while the process runs.
//!
//! They are read anew every minute, and at once after the bucket has refused a request. Where the
//! new ones cannot be read, the old ones go on: a secret that is being replaced must not stop what
//! still works.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::CredentialProvider;
use parking_lot::Mutex;
use tarn_model::error::Result;
use tarn_model::time::Clock;

/// How often secrets are read.
const REREAD: Duration = Duration::from_secs(60);
/// How often at most, where the bucket refuses every request.
const REREAD_MIN: Duration = Duration::from_secs(1);

/// Reads credentials.
pub(super) type Make<C> = Box<dyn Fn() -> Result<C> + Send + Sync>;

/// Gives out the newest credentials.
pub(super) struct Rotating<C> {
    make: Make<C>,
    clock: Arc<dyn Clock>,
    refused: Arc<AtomicBool>,
    last: Mutex<(Duration, Arc<C>)>,
}

impl<C> Rotating<C> {
    /// Reads the first ones; `refused` is set by whoever sees a request refused.
    pub(super) fn new(
        make: Make<C>,
        clock: Arc<dyn Clock>,
        refused: Arc<AtomicBool>,
    ) -> Result<Self> {
        let last = Mutex::new((clock.monotonic(), Arc::new(make()?)));
        Ok(Self { make, clock, refused, last })
    }

    fn current(&self) -> Arc<C> {
        let now = self.clock.monotonic();
        let mut last = self.last.lock();
        let age = now.saturating_sub(last.0);
        let refused = age >= REREAD_MIN && self.refused.swap(false, Ordering::Relaxed);
        if age >= REREAD || refused {
            last.0 = now;
            match (self.make)() {
                Ok(read) => last.1 = Arc::new(read),
                Err(error) => {
                    tracing::warn!(%error, "credentials of the bucket cannot be read, the last ones go on");
                }
            }
        }
        Arc::clone(&last.1)
    }
}

impl<C> fmt::Debug for Rotating<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rotating")
    }
}

#[async_trait]
impl<C: fmt::Debug + Send + Sync + 'static> CredentialProvider for Rotating<C> {
    type Credential = C;

    async fn get_credential(&self) -> object_store::Result<Arc<C>> {
        Ok(self.current())
    }
}
