//! Log records as they are stored, for someone who watches.
//!
//! A follower of the store tells of every request once its records are durable and visible. They are
//! asked the search as if they were all there is: its filters are compiled once. What passes goes into
//! a [`Ring`], from which the connection takes it at its own pace.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tarn_model::error::Result;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::head::follow::{Followed, Follower, RowBatch};
use tarn_storage::view::View;
use tarn_storage::view::rows::RowScan;

use super::fields::{Fields, Rows};
use super::ring::Ring;
use crate::api::json::object::Object;
use crate::govern::tails::Tail;

/// So often it is said that there is nothing to say: a connection without it looks dead to proxies,
/// and to the page.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// Whoever takes nothing for so long has gone, or will not come back to it.
const STALLED: Duration = Duration::from_secs(120);

/// Watches on behalf of one client.
pub(crate) struct Watch {
    pub(crate) tenant: TenantId,
    pub(crate) scan: RowScan,
    pub(crate) fields: Fields,
    pub(crate) view: Arc<View>,
    pub(crate) follower: Follower,
    pub(crate) ring: Arc<Ring>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tail: Tail,
}

impl Watch {
    /// Fills the ring until the server stops, memory runs out, or nobody takes anything.
    pub(crate) async fn run(mut self) {
        self.beat();
        let mut beat = self.clock.sleep(BEAT);
        loop {
            let next = tokio::select! {
                biased;
                () = self.tail.stopped() => break,
                () = &mut beat => {
                    if self.ring.stalled() > STALLED {
                        break;
                    }
                    self.beat();
                    beat = self.clock.sleep(BEAT);
                    continue;
                }
                next = self.follower.next() => next,
            };
            let Some(next) = next else { break };
            if self.tail.is_over() {
                break;
            }
            if let Err(error) = self.take(next).await {
                tracing::warn!(%error, tenant = %self.tenant, "live tail of logs ends early");
                break;
            }
        }
        self.ring.close();
    }

    fn beat(&self) {
        let mut line = Vec::new();
        let mut object = Object::new(&mut line);
        object.int("beat", self.clock.now().as_millis());
        object.close();
        line.push(b'\n');
        self.ring.push([line]);
    }

    async fn take(&mut self, next: Followed) -> Result<()> {
        match next {
            Followed::Rows(batch) => self.show(&batch).await,
            Followed::Lagged { from, to } => {
                self.ring.miss(to.0.saturating_sub(from.0) + 1);
                Ok(())
            }
            Followed::Samples(_) | Followed::Cut(_) => Ok(()),
        }
    }

    async fn show(&mut self, batch: &Arc<RowBatch>) -> Result<()> {
        let view = self.view.of_rows(&self.tenant, std::slice::from_ref(batch));
        for part in view.rows(&self.tenant, self.scan.clone())?.parts {
            let mut batches = part.read();
            while let Some(found) = batches.next().await {
                let found = found?;
                let rows = Rows::new(&found, &self.fields)?;
                self.ring.push((0..found.num_rows()).map(|row| line(&rows, row)));
                tokio::task::coop::consume_budget().await;
            }
        }
        Ok(())
    }
}

fn line(rows: &Rows<'_>, row: usize) -> Vec<u8> {
    let mut line = b"{\"row\":".to_vec();
    rows.write(&mut line, row);
    line.extend_from_slice(b"}\n");
    line
}
