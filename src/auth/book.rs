//! What the store keeps of people, held in memory: users, the key that seals their sessions, and the
//! sessions that were ended before their time.
//!
//! All are documents of tenant `_tarn`, so every process over one bucket agrees, and a restart changes
//! nothing. What this process changes counts at once; what another one changes is noticed by looking at
//! the versions every [`EVERY`]. Where the bucket does not answer, what was known last holds: a bucket
//! that is away for a minute logs nobody out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tarn_model::error::{Context as _, Error, Result};
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::documents::{Change, Document, Documents, Id};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::seal::Key;
use super::users::User;

/// How soon the change of another process counts here.
const EVERY: Duration = Duration::from_secs(10);
/// The key never changes unless somebody deletes it, which ends all sessions: it is looked at seldom.
const KEY_EVERY: u32 = 30;
const USER: &str = "access_user";
const SECRET: &str = "access_secret";
const REVOKED: &str = "access_revoked";
/// The one document of its kind: the key of sessions, and the sessions that were ended.
const SESSIONS: &str = "sessions";
/// More users than a server of this kind has; [`Documents::list`] reads no more.
pub(crate) const USERS_MAX: usize = 5_000;
/// Sessions that were ended early, within the longest life of a session; some 3 MB.
const REVOKED_MAX: usize = 50_000;
/// Revisions of the sessions that were ended.
const REVISIONS_KEPT: u64 = 100;
/// Tries at a change that somebody else is making too.
const ATTEMPTS_MAX: u32 = 8;

/// What is known. Replaced as a whole, so that a reader sees one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) users: BTreeMap<String, User>,
    /// `None` until the store has been read.
    pub(crate) key: Option<Key>,
    /// Ends of sessions by id: after it the session would be over anyway.
    pub(crate) revoked: HashMap<String, i64>,
    /// Counts changes made here: a listing that began before one of them is out of date.
    changes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredKey {
    key: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct StoredRevoked {
    sessions: BTreeMap<String, i64>,
}

/// The documents and what is known of them.
#[derive(Debug)]
pub(crate) struct Book {
    documents: Documents,
    tenant: TenantId,
    clock: Arc<dyn Clock>,
    known: RwLock<Arc<Known>>,
}

/// Versions of the documents when they were last read.
#[derive(Debug, Default)]
struct Seen {
    users: Option<u64>,
    revoked: Option<u64>,
}

impl Book {
    /// Takes over the documents; nothing is read yet.
    pub(crate) fn new(documents: Documents, tenant: TenantId, clock: Arc<dyn Clock>) -> Self {
        Self { documents, tenant, clock, known: RwLock::default() }
    }

    /// Returns what is known.
    pub(crate) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read())
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// Reads everything, and makes the key where there is none yet.
    ///
    /// # Errors
    /// `Unavailable` where the bucket is, `Corrupt` where a document is.
    pub(crate) async fn load(&self) -> Result<()> {
        let key = self.load_key().await?;
        let users = self.load_users().await?;
        let revoked = self.load_revoked().await?;
        self.update(|known| {
            known.key = Some(key);
            known.users = users;
            known.revoked = revoked;
        });
        Ok(())
    }

    /// Keeps up with what other processes change, until the stop.
    pub(crate) async fn watch(&self, stop: &CancellationToken) {
        let mut seen = Seen::default();
        let mut round = 0_u32;
        let mut failing = false;
        while stop.run_until_cancelled(self.clock.sleep(EVERY)).await.is_some() {
            round = round.wrapping_add(1);
            let looked = stop.run_until_cancelled(Box::pin(self.look(&mut seen, round))).await;
            match looked {
                Some(Err(error)) if !failing => {
                    warn!(%error, "changes of users and sessions cannot be read; what was known holds");
                    failing = true;
                }
                Some(Ok(())) => failing = false,
                _ => {}
            }
        }
    }

    async fn look(&self, seen: &mut Seen, round: u32) -> Result<()> {
        if self.known().key.is_none() {
            return self.load().await;
        }
        let before = self.known().changes;
        let users = self.documents.version(USER).await?;
        if seen.users != Some(users) {
            let read = self.load_users().await?;
            if self.replace(before, |known| known.users = read) {
                seen.users = Some(users);
            }
        }
        let before = self.known().changes;
        let revoked = self.documents.version(REVOKED).await?;
        if seen.revoked != Some(revoked) {
            let read = self.load_revoked().await?;
            if self.replace(before, |known| known.revoked = read) {
                seen.revoked = Some(revoked);
            }
        }
        if round.is_multiple_of(KEY_EVERY) {
            let key = self.load_key().await?;
            self.update(|known| known.key = Some(key));
        }
        Ok(())
    }

    /// Replaces what a listing found, unless something was changed here since it began.
    fn replace(&self, before: u64, change: impl FnOnce(&mut Known)) -> bool {
        let mut known = self.known.write();
        if known.changes != before {
            return false;
        }
        change(Arc::make_mut(&mut known));
        true
    }

    fn update(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.write();
        let known = Arc::make_mut(&mut known);
        known.changes = known.changes.wrapping_add(1);
        change(known);
    }

    fn id<'a>(&'a self, kind: &'a str, name: &'a str) -> Id<'a> {
        Id { tenant: &self.tenant, kind, name }
    }

    async fn load_users(&self) -> Result<BTreeMap<String, User>> {
        let documents = self.documents.list(&self.tenant, USER).await.context("list users")?;
        let parse = |document: Document| {
            let user = parsed(&document)?;
            Ok((document.name, user))
        };
        documents.into_iter().map(parse).collect()
    }

    async fn load_revoked(&self) -> Result<HashMap<String, i64>> {
        let found = self.documents.get(self.id(REVOKED, SESSIONS)).await;
        let Some(document) = found.context("read ended sessions")? else {
            return Ok(HashMap::default());
        };
        let StoredRevoked { sessions } = parsed(&document)?;
        let now = self.now_ms();
        Ok(sessions.into_iter().filter(|(_, until)| *until > now).collect())
    }

    /// Reads the key, or is the first to make one.
    async fn load_key(&self) -> Result<Key> {
        let id = self.id(SECRET, SESSIONS);
        for _ in 0..ATTEMPTS_MAX {
            if let Some(document) = self.documents.get(id).await.context("read a key")? {
                let StoredKey { key } = parsed(&document)?;
                let wrong = || Error::corrupt("the key of sessions is none");
                return Key::from_text(&key).ok_or_else(wrong);
            }
            let stored = StoredKey { key: Key::random()?.to_text() };
            // Whoever is first wins; the next round reads what is there then.
            drop(self.documents.put(id, Some(0), "tarn", body(&stored)?).await?);
        }
        Err(Error::unavailable("the key of sessions cannot be made", Duration::from_secs(1)))
    }

    /// Changes a user: `change` is given the newest, and returns what it is to be; `None` removes it.
    /// It is asked again where somebody else was faster.
    ///
    /// # Errors
    /// Those of `change`; `Unavailable` where the bucket is.
    pub(crate) async fn change_user<T>(
        &self,
        name: &str,
        author: &str,
        mut change: impl FnMut(Option<User>) -> Result<(Option<User>, T)> + Send,
    ) -> Result<T> {
        let id = self.id(USER, name);
        for _ in 0..ATTEMPTS_MAX {
            let found = self.documents.get(id).await?;
            let expected = found.as_ref().map_or(0, |document| document.revision.number);
            let user = found.as_ref().map(parsed).transpose()?;
            let (user, told) = change(user)?;
            let stored = match &user {
                Some(user) => self.documents.put(id, Some(expected), author, body(user)?).await?,
                None if found.is_none() => return Ok(told),
                None => self.documents.delete(id, Some(expected), author).await?,
            };
            if matches!(stored, Change::Stored(_)) {
                self.update(|known| {
                    match user {
                        Some(user) => known.users.insert(name.to_owned(), user),
                        None => known.users.remove(name),
                    };
                });
                return Ok(told);
            }
        }
        let message = format!("user {name:?} is changed by others all the time");
        Err(Error::unavailable(message, Duration::from_secs(1)))
    }

    /// Ends a session for good. It counts here at once, also where the bucket does not take it.
    ///
    /// # Errors
    /// `Unavailable` where the bucket is: other processes, and this one after a restart, do not know.
    pub(crate) async fn revoke(&self, session: &str, until_ms: i64) -> Result<()> {
        self.update(|known| {
            known.revoked.insert(session.to_owned(), until_ms);
        });
        let id = self.id(REVOKED, SESSIONS);
        for _ in 0..ATTEMPTS_MAX {
            let found = self.documents.get(id).await?;
            let expected = found.as_ref().map_or(0, |document| document.revision.number);
            let mut stored: StoredRevoked =
                found.as_ref().map(parsed).transpose()?.unwrap_or_default();
            let now = self.now_ms();
            stored.sessions.retain(|_, until| *until > now);
            if stored.sessions.len() >= REVOKED_MAX {
                let message = format!("{REVOKED_MAX} sessions were ended within a few days");
                return Err(Error::unavailable(message, Duration::from_secs(3600)));
            }
            stored.sessions.insert(session.to_owned(), until_ms);
            let put = self.documents.put(id, Some(expected), "tarn", body(&stored)?).await?;
            if let Change::Stored(revision) = put {
                return self.trim(id, revision.number).await;
            }
        }
        Err(Error::unavailable("many sessions end at once", Duration::from_secs(1)))
    }
}

impl Book {
    /// Lets go of old revisions now and then: every logout is one, and nobody asks for their history.
    async fn trim(&self, id: Id<'_>, newest: u64) -> Result<()> {
        if newest.is_multiple_of(REVISIONS_KEPT) {
            self.documents.trim(id, REVISIONS_KEPT).await?;
        }
        Ok(())
    }
}

fn parsed<T: serde::de::DeserializeOwned>(document: &Document) -> Result<T> {
    serde_json::from_slice(&document.body).map_err(|e| {
        Error::corrupt(format!("document {:?} of access", document.name)).with_source(e)
    })
}

fn body(value: &impl Serialize) -> Result<Bytes> {
    let json = serde_json::to_vec(value);
    Ok(json.map_err(|e| Error::internal("write a document").with_source(e))?.into())
}
