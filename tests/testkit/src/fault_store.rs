//! An object store that misbehaves as real ones do, by a seeded plan.
//!
//! It stands before any other store. Each request may be slow, may fail before or *after* its
//! effect (a lost reply), may be answered "exists already" although it was the first (an SDK that
//! repeated it), may take effect long after the client gave up, and a listing may lag behind. The
//! plan can be changed while the store is in use, so a test can end in calm weather.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use tarn_model::time::Clock;

use crate::sim::SimRng;

/// How often each fault strikes, in 1000 requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// The request fails and did nothing.
    pub before: u64,
    /// The request took effect, its reply is lost.
    pub after: u64,
    /// A create took effect and is answered "exists already".
    pub exists: u64,
    /// A write fails, and takes effect later all the same.
    pub late: u64,
    /// The request hangs for up to `stall_max` before its effect.
    pub stall: u64,
    /// Longest hang, and longest delay of a late effect.
    pub stall_max: Duration,
    /// Every request takes up to this.
    pub latency_max: Duration,
    /// A listing lacks the newest object.
    pub stale_list: u64,
}

/// The store. Cheap to clone; clones share plan and late effects.
#[derive(Debug, Clone)]
pub struct FaultStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    rng: SimRng,
    plan: Mutex<FaultPlan>,
    late: Mutex<Vec<Late>>,
}

/// A write that is still under way.
#[derive(Debug)]
struct Late {
    at: Duration,
    key: Path,
    body: Bytes,
    mode: PutMode,
}

impl FaultStore {
    /// Stands before `store`; follows `plan` from the start.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        rng: SimRng,
        plan: FaultPlan,
    ) -> Self {
        let (plan, late) = (Mutex::new(plan), Mutex::new(Vec::new()));
        Self(Arc::new(Inner { store, clock, rng, plan, late }))
    }

    /// Changes the weather.
    pub fn set_plan(&self, plan: FaultPlan) {
        *self.0.plan.lock() = plan;
    }

    /// Lets every late write take effect now.
    pub async fn settle(&self) {
        self.0.land(Duration::MAX).await;
    }
}

impl Inner {
    fn error(what: &'static str) -> Error {
        Error::Generic { store: "FaultStore", source: what.into() }
    }

    /// Lets late writes take effect whose time has come.
    async fn land(&self, now: Duration) {
        let mut late = std::mem::take(&mut *self.late.lock());
        late.sort_by_key(|write| write.at);
        let split = late.partition_point(|write| write.at <= now);
        let waiting = late.split_off(split);
        self.late.lock().extend(waiting);
        for Late { key, body, mode, .. } in late {
            let opts = PutOptions::from(mode);
            // Nobody waits for the answer: a late create that finds its name taken did nothing.
            drop(self.store.put_opts(&key, body.into(), opts).await);
        }
    }

    /// What every request goes through before its effect.
    async fn before(&self) -> Result<FaultPlan> {
        let plan = *self.plan.lock();
        let mut pause = Duration::ZERO;
        if !plan.latency_max.is_zero() {
            pause += self.up_to(plan.latency_max);
        }
        if self.rng.chance(plan.stall) {
            pause += self.up_to(plan.stall_max);
        }
        if !pause.is_zero() {
            self.clock.sleep(pause).await;
        }
        self.land(self.clock.monotonic()).await;
        if self.rng.chance(plan.before) {
            return Err(Self::error("injected: failed before the effect"));
        }
        Ok(plan)
    }

    /// What every request goes through after its effect.
    fn after<T>(&self, plan: FaultPlan, answer: Result<T>) -> Result<T> {
        if self.rng.chance(plan.after) {
            return Err(Self::error("injected: reply lost"));
        }
        answer
    }

    fn up_to(&self, max: Duration) -> Duration {
        let nanos = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.rng.below(nanos))
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultStore({})", self.0.store)
    }
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let inner = &self.0;
        let plan = inner.before().await?;
        if inner.rng.chance(plan.late) {
            let at = inner.clock.monotonic() + inner.up_to(plan.stall_max);
            let (key, body, mode) = (location.clone(), payload.into(), opts.mode);
            inner.late.lock().push(Late { at, key, body, mode });
            return Err(Inner::error("injected: still under way"));
        }
        let create = opts.mode == PutMode::Create;
        let answer = inner.store.put_opts(location, payload, opts).await;
        if create && answer.is_ok() && inner.rng.chance(plan.exists) {
            let source = "injected: own first write answered".into();
            return Err(Error::AlreadyExists { path: location.to_string(), source });
        }
        inner.after(plan, answer)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.before().await?;
        self.0.store.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let plan = self.0.before().await?;
        let answer = self.0.store.get_opts(location, options).await;
        self.0.after(plan, answer)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let plan = self.0.before().await?;
        let answer = self.0.store.get_ranges(location, ranges).await;
        self.0.after(plan, answer)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let plan = store.0.before().await?;
                    let one = futures::stream::once(futures::future::ready(Ok(location.clone())));
                    let answer = store.0.store.delete_stream(one.boxed()).try_collect().await;
                    store.0.after(plan, answer.map(|_: Vec<Path>| location))
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let plan = store.0.before().await?;
            let mut all: Vec<ObjectMeta> =
                store.0.store.list(prefix.as_ref()).try_collect().await?;
            if store.0.rng.chance(plan.stale_list) {
                all.sort_by(|a, b| a.location.cmp(&b.location));
                all.pop();
            }
            store.0.after(plan, Ok(all))
        };
        futures::stream::once(listed)
            .flat_map(|listed| match listed {
                Ok(all) => futures::stream::iter(all.into_iter().map(Ok)).boxed(),
                Err(error) => futures::stream::once(futures::future::ready(Err(error))).boxed(),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let plan = self.0.before().await?;
        let answer = self.0.store.list_with_delimiter(prefix).await;
        self.0.after(plan, answer)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let plan = self.0.before().await?;
        let answer = self.0.store.copy_opts(from, to, options).await;
        self.0.after(plan, answer)
    }
}
