//! Small objects that people change: numbered revisions in the bucket, each created if absent.
//!
//! Rule groups posted through an API, routes, dashboards. A document has a tenant, a kind and a name;
//! every change is an object of its own, `documents/KIND/tenant=T/NAME/N.document`, with who made it
//! and when. Whoever creates number N+1 has changed revision N, everybody else is told the newest:
//! two writers never overwrite each other, on any object store. Deleting is a revision, too, so that
//! the history stays; revisions go only where whoever keeps a document has no use for its history
//! ([`Documents::trim`]).
//!
//! The newest revision is the one with the highest number in a listing. Because a listing may lag
//! behind, the next numbers are asked for as well, and a writer that went by an old one finds its
//! number taken. Whoever wants to notice changes compares [`Documents::version`] now and then.
//!
//! - `envelope`: the bytes of a revision

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::object::{CreateError, Objects, is_not_found};
use crate::paths;

mod envelope;

/// A body may have this many bytes: a thousand alerting rules are some 400 KiB, a board may have 5 MB.
pub const BODY_BYTES_MAX: usize = 5_000_000;
/// A name may have this many bytes.
pub const NAME_BYTES_MAX: usize = 512;
/// Documents of one tenant and kind that [`Documents::list`] reads.
const LIST_MAX: usize = 10_000;
/// Documents that are read at once.
const PARALLEL: usize = 8;
/// A writer that does not care what it replaces gives up after so many others in a row.
const ATTEMPTS_MAX: u32 = 8;

/// Which document.
#[derive(Debug, Clone, Copy)]
pub struct Id<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// What it is: lower case letters, digits and `_`.
    pub kind: &'a str,
    /// Its name, any text.
    pub name: &'a str,
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} of tenant {}", self.kind, self.name, self.tenant)
    }
}

/// What is known of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Counts from 1, per document.
    pub number: u64,
    /// When, Unix ms.
    pub at_ms: i64,
    /// Who, as the caller of [`Documents::put`] put it.
    pub author: String,
    /// Hash of the body (XXH3, 128 bits).
    pub hash: u128,
    /// Whether the document was deleted.
    pub deleted: bool,
}

/// A document as of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// Which revision.
    pub revision: Revision,
    /// Its bytes; none where it was deleted.
    pub body: Bytes,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the change may not have been made"]
pub enum Change {
    /// It is stored: by this call, or the newest revision said the same before.
    Stored(Revision),
    /// The document is not as the caller expected: its newest revision, if it has any.
    Conflict(Option<Revision>),
}

/// The documents of a store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Documents {
    objects: Objects,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Documents {
    /// Keeps documents in an object store.
    pub fn new(objects: Objects, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { objects, clock, rng }
    }

    /// Stores a new body. `expected` is the revision that it replaces, 0 for a document that must
    /// not exist, `None` for whatever is there. Giving the same call again is harmless.
    ///
    /// # Errors
    /// `LimitExceeded` where body or name are too large; `Invalid` where the kind is none;
    /// `Unavailable` where the bucket is, and then the change may have been made nevertheless.
    pub async fn put(
        &self,
        id: Id<'_>,
        expected: Option<u64>,
        author: &str,
        body: Bytes,
    ) -> Result<Change> {
        if body.len() > BODY_BYTES_MAX {
            let bytes = body.len();
            return Err(Error::limit(format!("{id} is {bytes} bytes, limit is {BODY_BYTES_MAX}")));
        }
        self.change(id, expected, author, Some(body)).await
    }

    /// Deletes a document: its newest revision says so from now on. One that is not there stays so.
    ///
    /// # Errors
    /// As [`Documents::put`].
    pub async fn delete(&self, id: Id<'_>, expected: Option<u64>, author: &str) -> Result<Change> {
        self.change(id, expected, author, None).await
    }

    /// Returns a document; `None` where it is not there or was deleted.
    ///
    /// # Errors
    /// `Unavailable` where the bucket is; `Corrupt` where the bytes are not what was written.
    pub async fn get(&self, id: Id<'_>) -> Result<Option<Document>> {
        Ok(self.newest(id).await?.filter(|document| !document.revision.deleted))
    }

    /// Returns a document as of a revision, deleted or not; `None` where there is no such.
    ///
    /// # Errors
    /// As [`Documents::get`].
    pub async fn get_revision(&self, id: Id<'_>, number: u64) -> Result<Option<Document>> {
        self.read(id, &paths::document_key(&check(id)?, number), number).await
    }

    /// Returns the newest revisions of a document, newest first, `limit` at most.
    ///
    /// # Errors
    /// As [`Documents::get`].
    pub async fn history(&self, id: Id<'_>, limit: usize) -> Result<Vec<Revision>> {
        let Some(newest) = self.newest(id).await? else { return Ok(Vec::new()) };
        let last = newest.revision.number;
        let older = (1..last).rev().take(limit.saturating_sub(1));
        let older = stream::iter(older).map(|number| self.get_revision(id, number));
        let older: Vec<_> = older.buffered(PARALLEL).try_collect().await?;
        let revisions = older.into_iter().flatten().map(|document| document.revision);
        Ok(std::iter::once(newest.revision).chain(revisions).take(limit).collect())
    }

    /// Deletes revisions of a document but the newest `keep`, and returns how many. For documents that
    /// change all the time and whose history nobody asks for. `keep` has to be larger than what a
    /// lagging listing may miss: a reader that goes by one that is gone is told `Corrupt`.
    ///
    /// # Errors
    /// `Unavailable` where the bucket is.
    pub async fn trim(&self, id: Id<'_>, keep: u64) -> Result<u64> {
        let folder = check(id)?;
        let mut numbers: Vec<u64> = Vec::new();
        for head in self.objects.list(&folder).await? {
            let parsed = paths::parse_document_key(&head.key);
            numbers.extend(parsed.filter(|(own, _)| *own == folder).map(|(_, number)| number));
        }
        let newest = numbers.iter().max().copied().unwrap_or_default();
        let old = numbers.into_iter().filter(|number| number.saturating_add(keep) <= newest);
        let mut deleted = 0;
        for number in old {
            self.objects.delete(&paths::document_key(&folder, number)).await?;
            deleted += 1;
        }
        Ok(deleted)
    }

    /// Returns all documents of a tenant and kind, those that were deleted apart, by name.
    ///
    /// # Errors
    /// As [`Documents::get`]; `LimitExceeded` where there are more than 10,000.
    pub async fn list(&self, tenant: &TenantId, kind: &str) -> Result<Vec<Document>> {
        let folder = paths::documents_of(check_kind(kind)?, tenant);
        let newest = self.listed(&folder).await?;
        if newest.len() > LIST_MAX {
            let count = newest.len();
            let message = format!("{count} documents of kind {kind}, limit is {LIST_MAX}");
            return Err(Error::limit(message));
        }
        let reads = newest.into_iter().map(|(folder, number)| async move {
            let key = paths::document_key(&folder, number);
            let object = self.objects.get(&key).await?;
            envelope::open(&object.bytes).map_err(|e| e.context(&key))
        });
        let read = stream::iter(reads).buffered(PARALLEL);
        let mut documents: Vec<Document> = Vec::new();
        let mut read = std::pin::pin!(read);
        while let Some((owner, document)) = read.try_next().await? {
            if !document.revision.deleted && owner.tenant == tenant.as_str() {
                documents.push(document);
            }
        }
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(documents)
    }

    /// Returns the tenants that have, or had, documents of a kind.
    ///
    /// # Errors
    /// `Unavailable` where the bucket is.
    pub async fn tenants(&self, kind: &str) -> Result<Vec<TenantId>> {
        let folder = paths::documents_of_kind(check_kind(kind)?);
        let listed = self.listed(&folder).await?;
        let mut tenants: Vec<TenantId> =
            listed.keys().filter_map(|folder| paths::tenant_of_documents(folder)).collect();
        tenants.dedup();
        Ok(tenants)
    }

    /// Returns a number that is another one after every change of a document of the kind, of any
    /// tenant: for one listing, whatever the documents weigh.
    ///
    /// # Errors
    /// `Unavailable` where the bucket is.
    pub async fn version(&self, kind: &str) -> Result<u64> {
        let folder = paths::documents_of_kind(check_kind(kind)?);
        let mut hash = Xxh3::new();
        for (folder, number) in self.listed(&folder).await? {
            hash.update(folder.as_bytes());
            hash.update(&number.to_le_bytes());
        }
        Ok(hash.digest())
    }

    async fn change(
        &self,
        id: Id<'_>,
        expected: Option<u64>,
        author: &str,
        body: Option<Bytes>,
    ) -> Result<Change> {
        let folder = check(id)?;
        for _ in 0..ATTEMPTS_MAX {
            let newest = self.newest(id).await?.map(|document| document.revision);
            let hash = body.as_ref().map(|body| xxh3_128(body));
            let same = |revision: &Revision| match hash {
                Some(hash) => !revision.deleted && revision.hash == hash,
                None => revision.deleted,
            };
            match newest {
                Some(revision) if same(&revision) => return Ok(Change::Stored(revision)),
                None if body.is_none() => return Ok(Change::Conflict(None)),
                _ => {}
            }
            let exists = newest.as_ref().filter(|revision| !revision.deleted);
            if expected.is_some_and(|number| exists.map_or(0, |r| r.number) != number) {
                return Ok(Change::Conflict(newest));
            }
            let revision = Revision {
                number: newest.map_or(1, |revision| revision.number.saturating_add(1)),
                at_ms: self.clock.now().as_millis(),
                author: author.to_owned(),
                hash: hash.unwrap_or_default(),
                deleted: body.is_none(),
            };
            let bytes = body.clone().unwrap_or_default();
            let sealed = envelope::seal(id, &revision, self.rng.next_u64(), &bytes)?;
            let key = paths::document_key(&folder, revision.number);
            match self.objects.create(&key, &sealed).await {
                Ok(_) => return Ok(Change::Stored(revision)),
                // Somebody was faster: look again.
                Err(CreateError::Conflict(_)) => {}
                Err(CreateError::Unknown(error)) => {
                    return Err(error.context(format!("store {id}")));
                }
            }
        }
        let message = format!("store {id}: others change it all the time");
        Err(Error::unavailable(message, std::time::Duration::from_secs(1)))
    }

    /// Reads the newest revision, deleted or not.
    async fn newest(&self, id: Id<'_>) -> Result<Option<Document>> {
        let folder = check(id)?;
        let listed = self.listed(&folder).await?;
        let number = listed.into_values().max();
        let mut newest = None;
        let mut next = number.unwrap_or(1);
        // The listing may lag behind: numbers have no gaps.
        while let Some(document) = self.read(id, &paths::document_key(&folder, next), next).await? {
            next = next.saturating_add(1);
            newest = Some(document);
        }
        match (number, &newest) {
            (Some(number), None) => {
                Err(Error::corrupt(format!("revision {number} of {id} is gone")))
            }
            _ => Ok(newest),
        }
    }

    async fn read(&self, id: Id<'_>, key: &str, number: u64) -> Result<Option<Document>> {
        let object = match self.objects.get(key).await {
            Ok(object) => object,
            Err(error) if is_not_found(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (owner, document) = envelope::open(&object.bytes).map_err(|e| e.context(key))?;
        let ours = owner.tenant == id.tenant.as_str()
            && owner.kind == id.kind
            && document.name == id.name
            && document.revision.number == number;
        if ours {
            return Ok(Some(document));
        }
        let found = &document.name;
        Err(Error::corrupt(format!("{key} is revision {number} of {found:?}, not of {id}")))
    }

    /// Returns the folders of documents below a prefix, each with its newest number.
    async fn listed(&self, prefix: &str) -> Result<BTreeMap<String, u64>> {
        let mut newest = BTreeMap::new();
        for head in self.objects.list(prefix).await? {
            if let Some((folder, number)) = paths::parse_document_key(&head.key) {
                let known: &mut u64 = newest.entry(folder.to_owned()).or_default();
                *known = number.max(*known);
            }
        }
        Ok(newest)
    }
}

/// Checks what a document is called, and returns its folder.
fn check(id: Id<'_>) -> Result<String> {
    if id.name.is_empty() || id.name.len() > NAME_BYTES_MAX {
        let bytes = id.name.len();
        let message = format!("name of a document has {bytes} bytes, limit is {NAME_BYTES_MAX}");
        return Err(Error::limit(message));
    }
    Ok(paths::document_folder(check_kind(id.kind)?, id.tenant, id.name))
}

fn check_kind(kind: &str) -> Result<&str> {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if (1..=32).contains(&kind.len()) && kind.bytes().all(word) {
        return Ok(kind);
    }
    Err(Error::invalid(format!("{kind:?} is no kind of document")))
}

/// Returns whether bytes are a revision. For fuzzing.
pub(crate) fn is_revision(bytes: &Bytes) -> bool {
    envelope::open(bytes).is_ok()
}
