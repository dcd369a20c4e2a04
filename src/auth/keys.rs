//! The keys that count: those of `auth.file`, and those that were made through the API.
//!
//! A request looks into two maps that are replaced as a whole: no lock, no disk, no bucket. What is
//! stored is one document per key, in the bucket, with the SHA-256 of its token; [`Keys::look`] notices
//! what other processes made and revoked, within [`EVERY`]. Revoking counts on this process when the
//! call returns. While the bucket cannot be read at a start, keys of the file work, and others are
//! answered 503, not 401: their senders shall come again. Later the keys that were read last stay in
//! force.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::map::HashMap;
use tarn_model::metrics::AUTH_FILE_RELOAD_FAILURES;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::documents::{Change, Document, Documents, Id};
use tracing::{info, warn};

use super::api_key::{Fingerprint, Token, id_of};
use super::file::{self, AuthFile};
use super::principal::{Grant, How, Principal};

/// How soon a change of the file, or one by another process, is noticed.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// Kind of the documents of keys.
const KIND: &str = "access_key";
/// Kind of the document that says when keys were used last. Apart from the keys, because a key is
/// whoever made it; this changes by itself.
const USED: &str = "access_used";
/// Its name.
const USED_NAME: &str = "keys";
/// How often that is written: revisions stay, and the question is which keys nobody needs.
const USED_EVERY_MS: i64 = 24 * 3_600_000;
/// Keys that are made through the API: as many documents as a process likes to read at a start.
const KEYS_MAX: usize = 2_000;
/// Bytes of a name, and grants of a key.
const NAME_BYTES_MAX: usize = 100;
const GRANTS_MAX: usize = 100;
/// What a client does that came before the keys were read.
const SOON: Duration = Duration::from_secs(1);

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Stored,
    File,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) principal: Arc<Principal>,
    fingerprint: Fingerprint,
    pub(super) expires_ms: Option<i64>,
    created_ms: Option<i64>,
    author: Option<String>,
    origin: Origin,
    /// Unix ms; 0: not known to be used.
    last_used: Arc<AtomicI64>,
}

impl Entry {
    /// Makes a key of the file.
    pub(super) fn of_file(
        principal: Arc<Principal>,
        fingerprint: Fingerprint,
        expires_ms: Option<i64>,
    ) -> Self {
        let (created_ms, author, last_used) = (None, None, Arc::default());
        let origin = Origin::File;
        Self { principal, fingerprint, expires_ms, created_ms, author, origin, last_used }
    }

    /// Returns whether another one differs in nothing but its use.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.principal == other.principal
            && self.fingerprint == other.fingerprint
            && self.expires_ms == other.expires_ms
    }

    /// Returns who has it, unless it has expired.
    fn use_at(&self, now_ms: i64) -> Result<Arc<Principal>> {
        if let Some(expired_ms) = self.expires_ms.filter(|expires_ms| *expires_ms <= now_ms) {
            let name = &self.principal.name;
            let message = format!("API key {name:?} has expired at {}", time(expired_ms));
            return Err(Error::new(ErrorKind::Unauthenticated, message));
        }
        self.last_used.fetch_max(now_ms, Ordering::Relaxed);
        Ok(Arc::clone(&self.principal))
    }
}

/// What is stored of a key.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    name: String,
    sha256: String,
    grants: Vec<Grant>,
    created: Timestamp,
    expires: Option<Timestamp>,
    author: String,
}

/// A key as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) grants: Vec<Grant>,
    pub(crate) created: Option<Timestamp>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) last_used: Option<Timestamp>,
    pub(crate) origin: Origin,
    pub(crate) author: Option<String>,
}

/// A key that somebody wants.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) grants: Vec<Grant>,
    pub(crate) expires: Option<Timestamp>,
}

type ById = HashMap<String, Arc<Entry>>;

/// The keys of this process.
#[derive(Debug)]
pub(crate) struct Keys {
    path: Option<PathBuf>,
    documents: Documents,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    file: ArcSwap<AuthFile>,
    /// `None` until they could be read.
    stored: ArcSwap<Option<ById>>,
    failures: Counter,
    /// Held while what is stored is read or changed: a look that began before a key was revoked must
    /// not bring it back.
    changing: tokio::sync::Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    version: Option<u64>,
    /// What was wrong with the file last, to tell it once.
    file: Option<String>,
    used_written_ms: i64,
}

impl Keys {
    /// Takes over the file, as it was when the configuration was read.
    ///
    /// # Errors
    /// `Invalid` where the file cannot be read any more.
    pub(super) fn new(
        path: &str,
        tenant: TenantId,
        documents: Documents,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self> {
        let failures = Counter::default();
        let name = AUTH_FILE_RELOAD_FAILURES;
        registry.register(name.name, name.help, failures.clone());
        let path = (!path.is_empty()).then(|| PathBuf::from(path));
        let read = path.as_deref().map(file::read).transpose();
        let file = read.map_err(|e| Error::invalid(format!("auth.file {e}")))?.unwrap_or_default();
        let (file, stored) = (ArcSwap::from_pointee(file), ArcSwap::from_pointee(None));
        let changing = tokio::sync::Mutex::default();
        Ok(Self { path, documents, clock, tenant, file, stored, failures, changing })
    }

    /// Returns what the file says now.
    pub(crate) fn file(&self) -> Arc<AuthFile> {
        self.file.load_full()
    }

    /// Returns who has a token.
    ///
    /// # Errors
    /// `Unauthenticated` where nobody has; `Unavailable` where that is not known yet.
    pub(super) fn principal(&self, token: &str) -> Result<Arc<Principal>> {
        let (fingerprint, now_ms) = (Fingerprint::of(token), self.clock.now().as_millis());
        let stored = self.stored.load();
        if let Some(id) = id_of(token) {
            let entry = stored.as_ref().as_ref().and_then(|keys| keys.get(id));
            if let Some(entry) = entry.filter(|entry| entry.fingerprint.is(&fingerprint)) {
                return entry.use_at(now_ms);
            }
        }
        // Which part of a hash is looked at first tells nothing about a token that has it.
        let file = self.file.load();
        let entry = file.keys.get(&fingerprint).filter(|e| e.fingerprint.is(&fingerprint));
        match entry {
            Some(entry) => entry.use_at(now_ms),
            None if stored.is_none() && id_of(token).is_some() => {
                Err(Error::unavailable("the keys in the bucket are not read yet", SOON))
            }
            None => {
                let message = "the API key is none: mistyped, or revoked";
                Err(Error::new(ErrorKind::Unauthenticated, message))
            }
        }
    }

    /// Returns who shows a certificate.
    pub(super) fn of_certificate(&self, names: &[String]) -> Option<Arc<Principal>> {
        let file = self.file.load();
        names.iter().find_map(|name| file.certificates.get(name)).map(Arc::clone)
    }

    /// Notices what has changed in the file and in the bucket.
    pub(super) async fn look(&self) {
        let mut seen = self.changing.lock().await;
        self.look_at_file(&mut seen).await;
        if let Err(error) = self.read(&mut seen).await {
            let message = error.message();
            if self.stored.load().is_none() {
                warn!(
                    error = message,
                    "keys in the bucket cannot be read, those of auth.file work"
                );
            } else {
                warn!(
                    error = message,
                    "keys in the bucket cannot be read, those that were read work"
                );
            }
            return;
        }
        if let Err(error) = self.write_used(&mut seen).await {
            warn!(error = error.message(), "when keys were used last cannot be stored");
        }
    }

    async fn look_at_file(&self, seen: &mut Seen) {
        let Some(path) = self.path.clone() else { return };
        let read = tokio::task::spawn_blocking(move || file::read(&path)).await;
        let read = read.unwrap_or_else(|e| Err(format!("reading it ended early: {e}")));
        match read {
            Ok(file) => {
                seen.file = None;
                if file != *self.file.load_full() {
                    let (keys, certificates) = (file.keys.len(), file.certificates.len());
                    self.file.store(Arc::new(file));
                    info!(keys, certificates, "auth.file is read again");
                }
            }
            Err(message) if seen.file.as_ref() == Some(&message) => {}
            Err(message) => {
                self.failures.inc();
                warn!(
                    error = message,
                    "auth.file cannot be read, what it said before stays in force"
                );
                seen.file = Some(message);
            }
        }
    }

    async fn read(&self, seen: &mut Seen) -> Result<()> {
        let version = self.documents.version(KIND).await?;
        if seen.version == Some(version) {
            return Ok(());
        }
        let documents = self.documents.list(&self.tenant, KIND).await?;
        let used = self.read_used().await?;
        let before = self.stored.load_full();
        let mut keys = ById::default();
        for document in documents {
            let id = document.name.clone();
            let known = before.as_ref().as_ref().and_then(|keys| keys.get(&id));
            let last_used = known.map(|key| Arc::clone(&key.last_used)).unwrap_or_default();
            last_used.fetch_max(used.get(&id).copied().unwrap_or_default(), Ordering::Relaxed);
            match stored(&document, last_used) {
                Some(entry) => drop(keys.insert(id, Arc::new(entry))),
                None => warn!(id, "a document of a key is none that Tarn has written"),
            }
        }
        self.stored.store(Arc::new(Some(keys)));
        seen.version = Some(version);
        Ok(())
    }

    async fn read_used(&self) -> Result<BTreeMap<String, i64>> {
        let id = Id { tenant: &self.tenant, kind: USED, name: USED_NAME };
        let document = self.documents.get(id).await?;
        Ok(document.and_then(|d| serde_json::from_slice(&d.body).ok()).unwrap_or_default())
    }

    /// Stores when keys were used, once a day; what another process knows stays.
    async fn write_used(&self, seen: &mut Seen) -> Result<()> {
        let now_ms = self.clock.now().as_millis();
        if seen.used_written_ms == 0 {
            // Not at the start: a process that is restarted every minute writes nothing.
            seen.used_written_ms = now_ms;
        }
        if now_ms.saturating_sub(seen.used_written_ms) < USED_EVERY_MS {
            return Ok(());
        }
        self.store_used().await?;
        seen.used_written_ms = now_ms;
        Ok(())
    }

    async fn store_used(&self) -> Result<()> {
        let stored = self.stored.load_full();
        let Some(keys) = stored.as_ref() else { return Ok(()) };
        let mut used = self.read_used().await?;
        used.retain(|id, _| keys.contains_key(id));
        for (id, entry) in keys {
            let ms = entry.last_used.load(Ordering::Relaxed);
            if ms > 0 {
                let known = used.entry(id.clone()).or_default();
                *known = ms.max(*known);
            }
        }
        if used.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_vec(&used)
            .map_err(|e| Error::internal("encode the use of keys").with_source(e))?;
        let id = Id { tenant: &self.tenant, kind: USED, name: USED_NAME };
        // Whatever is there is replaced: there is nothing to conflict with.
        drop(self.documents.put(id, None, "tarn", Bytes::from(body)).await?);
        Ok(())
    }

    /// Stores when keys were used, at a stop.
    pub(super) async fn close(&self) {
        let _seen = self.changing.lock().await;
        if let Err(error) = self.store_used().await {
            warn!(error = error.message(), "when keys were used last cannot be stored");
        }
    }

    /// Returns all keys, the newest first, those of the file last.
    ///
    /// # Errors
    /// `Unavailable` until they are read.
    pub(crate) fn list(&self) -> Result<Vec<Shown>> {
        let stored = self.stored.load_full();
        let unread = || Error::unavailable("the keys in the bucket are not read yet", SOON);
        let stored = stored.as_ref().as_ref().ok_or_else(unread)?;
        let mut keys: Vec<Shown> = stored.values().map(|entry| shown(entry)).collect();
        keys.extend(self.file.load().keys.values().map(|entry| shown(entry)));
        keys.sort_by(|a, b| {
            let by_age = (b.created, &a.name, &a.id).cmp(&(a.created, &b.name, &b.id));
            (a.origin == Origin::File).cmp(&(b.origin == Origin::File)).then(by_age)
        });
        Ok(keys)
    }

    /// Makes a key. The token is returned here and never again.
    ///
    /// # Errors
    /// `Invalid` where it cannot be; `Unavailable` where it cannot be stored.
    pub(crate) async fn create(&self, wanted: Wanted, author: &str) -> Result<(Shown, Token)> {
        let now_ms = self.clock.now().as_millis();
        check(&wanted, now_ms)?;
        let mut seen = self.changing.lock().await;
        self.read(&mut seen).await?;
        let known = self.stored.load_full();
        let known = known.as_ref().as_ref().map_or(0, HashMap::len);
        if known >= KEYS_MAX {
            return Err(Error::limit(format!("{known} keys are there, limit is {KEYS_MAX}")));
        }
        let token = Token::generate()?;
        let stored = Stored {
            name: wanted.name,
            sha256: Fingerprint::of(&token.text).to_hex(),
            grants: wanted.grants,
            created: Timestamp::from_millisecond(now_ms).unwrap_or_default(),
            expires: wanted.expires,
            author: author.to_owned(),
        };
        let body = serde_json::to_vec(&stored)
            .map_err(|e| Error::internal("encode a key").with_source(e))?;
        let id = Id { tenant: &self.tenant, kind: KIND, name: &token.id };
        match self.documents.put(id, Some(0), author, Bytes::from(body)).await? {
            Change::Stored(_) => {}
            Change::Conflict(_) => {
                return Err(Error::internal("two keys were given one id"));
            }
        }
        let key = Arc::new(
            of(token.id.clone(), stored, Arc::default())
                .ok_or_else(|| Error::internal("a new key cannot be read"))?,
        );
        self.replace(|keys| drop(keys.insert(token.id.clone(), Arc::clone(&key))));
        Ok((shown(&key), token))
    }

    /// Ends a key: for this process when the call returns, for others within [`EVERY`].
    ///
    /// # Errors
    /// `NotFound` where there is none; `Forbidden` for one of the file; `Unavailable` where that cannot
    /// be stored.
    pub(crate) async fn revoke(&self, id: &str, author: &str) -> Result<Shown> {
        let mut seen = self.changing.lock().await;
        self.read(&mut seen).await?;
        let known = self.stored.load_full();
        let Some(entry) = known.as_ref().as_ref().and_then(|keys| keys.get(id)) else {
            let of_file = self.file.load().keys.values().any(|entry| entry.principal.id == id);
            if of_file {
                let message = format!("key {id} stands in auth.file: remove it there");
                return Err(Error::new(ErrorKind::Forbidden, message));
            }
            return Err(Error::not_found(format!("there is no key {id:?}")));
        };
        let document = Id { tenant: &self.tenant, kind: KIND, name: id };
        // Whatever revision is there goes; one that is gone already is what was asked for.
        drop(self.documents.delete(document, None, author).await?);
        self.replace(|keys| drop(keys.remove(id)));
        Ok(shown(entry))
    }

    fn replace(&self, change: impl Fn(&mut ById)) {
        let mut keys = self.stored.load().as_ref().clone().unwrap_or_default();
        change(&mut keys);
        self.stored.store(Arc::new(Some(keys)));
    }
}

fn check(wanted: &Wanted, now_ms: i64) -> Result<()> {
    let Wanted { name, grants, expires } = wanted;
    let bytes = name.len();
    if !(1..=NAME_BYTES_MAX).contains(&bytes) || name.chars().any(char::is_control) {
        let message = format!(
            "name has {bytes} bytes, must have 1 to {NAME_BYTES_MAX}, and no control characters"
        );
        return Err(Error::invalid(message));
    }
    if !(1..=GRANTS_MAX).contains(&grants.len()) {
        let count = grants.len();
        return Err(Error::invalid(format!("{count} grants, must be 1 to {GRANTS_MAX}")));
    }
    if let Some(expires) = expires.filter(|at| at.as_millisecond() <= now_ms) {
        return Err(Error::invalid(format!("expires is {expires}, which is over")));
    }
    Ok(())
}

fn stored(document: &Document, last_used: Arc<AtomicI64>) -> Option<Entry> {
    of(document.name.clone(), serde_json::from_slice(&document.body).ok()?, last_used)
}

fn of(id: String, stored: Stored, last_used: Arc<AtomicI64>) -> Option<Entry> {
    let Stored { name, sha256, grants, created, expires, author } = stored;
    Some(Entry {
        principal: Arc::new(Principal { name, how: How::Key, id, grants }),
        fingerprint: Fingerprint::parse(&sha256)?,
        expires_ms: expires.map(Timestamp::as_millisecond),
        created_ms: Some(created.as_millisecond()),
        author: Some(author),
        origin: Origin::Stored,
        last_used,
    })
}

fn shown(entry: &Entry) -> Shown {
    let Principal { name, id, grants, .. } = &*entry.principal;
    let time = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let last_used = Some(entry.last_used.load(Ordering::Relaxed)).filter(|ms| *ms > 0);
    Shown {
        id: id.clone(),
        name: name.clone(),
        grants: grants.clone(),
        created: time(entry.created_ms),
        expires: time(entry.expires_ms),
        last_used: time(last_used),
        origin: entry.origin,
        author: entry.author.clone(),
    }
}

fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}
