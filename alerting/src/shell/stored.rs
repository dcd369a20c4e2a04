//! Rule groups that are set through the API, beside those of files.
//!
//! Each is a document in the bucket, named after its namespace and itself; the namespace is what
//! Prometheus' interfaces call the file. What is set is checked first, then stored, then runs. Other
//! processes over the same bucket notice within a minute. While the bucket cannot be read at a start,
//! rules of files run, and the states of the others are kept until theirs are known.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use parking_lot::Mutex;
use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;
use tarn_storage::documents::{Documents, Id};
use tracing::warn;

use super::{Alerting, load};
use crate::options::SourceFile;
use crate::problem::{Problem, any_error};
use crate::rules::{ParseOptions, Parsed, parse_group};
use crate::template::rule::check;

/// The kind of the documents.
const KIND: &str = "rules";
/// Who has set them, as long as nobody logs in.
const AUTHOR: &str = "api";
/// Groups of a tenant: as many documents as one listing reads.
const GROUPS_MAX: usize = 10_000;
/// How long a start waits for the bucket.
const START_WAIT: Duration = Duration::from_secs(5);
/// How soon a change by another process is noticed: each look is a listing.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// What stands in for a file in what is wrong with all of them.
const FILE: &str = "rules of the API";

/// Texts of groups by namespace and name.
pub(crate) type Groups = BTreeMap<(String, String), String>;

/// What is set.
#[derive(Debug)]
pub(super) struct Stored {
    documents: Documents,
    tenant: TenantId,
    /// `None` until it could be read.
    known: Mutex<Option<Known>>,
    /// Held while one is set: what is known follows what is stored.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    version: u64,
    groups: Groups,
    /// When it was looked at last, monotonic.
    looked: Duration,
}

impl Stored {
    pub(super) fn new(documents: Documents) -> Self {
        let tenant = TenantId::default_tenant();
        let (known, changing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { documents, tenant, known, changing }
    }

    /// Reads what is stored. Returns whether it is another than what was known.
    async fn read(&self, now: Duration) -> Result<bool> {
        let version = self.documents.version(KIND).await?;
        if let Some(known) = self.known.lock().as_mut().filter(|known| known.version == version) {
            known.looked = now;
            return Ok(false);
        }
        let mut groups = Groups::new();
        for document in self.documents.list(&self.tenant, KIND).await? {
            let (Some(id), Ok(text)) = (of_name(&document.name), str::from_utf8(&document.body))
            else {
                warn!(name = document.name, "a document of rules is none that Tarn has written");
                continue;
            };
            groups.insert(id, text.to_owned());
        }
        let mut known = self.known.lock();
        let changed = known.as_ref().is_none_or(|known| known.groups != groups);
        *known = Some(Known { version, groups, looked: now });
        Ok(changed)
    }

    async fn put(&self, (namespace, name): (&str, &str), text: Option<&str>) -> Result<()> {
        let document = name_of(namespace, name);
        let id = Id { tenant: &self.tenant, kind: KIND, name: &document };
        let change = match text {
            Some(text) => {
                let body = Bytes::copy_from_slice(text.as_bytes());
                self.documents.put(id, None, AUTHOR, body).await?
            }
            None => self.documents.delete(id, None, AUTHOR).await?,
        };
        // Whatever was there is replaced: the only conflict is that nothing was there to delete.
        drop(change);
        let mut known = self.known.lock();
        let groups = &mut known.get_or_insert_default().groups;
        let key = (namespace.to_owned(), name.to_owned());
        match text {
            Some(text) => drop(groups.insert(key, text.to_owned())),
            None => drop(groups.remove(&key)),
        }
        Ok(())
    }

    fn groups(&self) -> Option<Groups> {
        self.known.lock().as_ref().map(|known| known.groups.clone())
    }
}

impl Alerting {
    /// Returns the groups that are set.
    ///
    /// # Errors
    /// `Unavailable` until they are known.
    pub(crate) fn set_groups(&self) -> Result<Groups> {
        self.ready()?;
        let unknown = || Error::unavailable("rules in the bucket are not read yet", START_WAIT);
        self.0.stored.groups().ok_or_else(unknown)
    }

    /// Sets a group. Inside: what is wrong with it, and then nothing has changed.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be stored, `LimitExceeded` where there are too many.
    pub(crate) async fn set_group(
        &self,
        namespace: &str,
        text: &str,
    ) -> Result<std::result::Result<(), Vec<Problem>>> {
        let stored = &self.0.stored;
        let _changing = stored.changing.lock().await;
        let known = self.set_groups()?;
        let parsed = parsed(namespace, text, self.shared().options.strict);
        let Some(group) = parsed.groups.first().filter(|_| !any_error(&parsed.problems)) else {
            return Ok(Err(parsed.problems));
        };
        let key = (namespace.to_owned(), group.name.to_string());
        if !known.contains_key(&key) {
            let runs = self.tenant(&stored.tenant).map(|tenant| tenant.groups());
            if runs.unwrap_or_default().iter().any(|running| running.rules.key() == group.key()) {
                return Ok(Err(vec![load::taken(namespace, &group.name)]));
            }
            if known.len() >= GROUPS_MAX {
                let message = format!("{} groups are set, limit is {GROUPS_MAX}", known.len());
                return Err(Error::limit(message));
            }
        }
        stored.put((namespace, &group.name), Some(text)).await?;
        self.retake().await;
        Ok(Ok(()))
    }

    /// Removes a group, or all of a namespace. Returns whether there was any.
    ///
    /// # Errors
    /// `Unavailable` where that cannot be stored.
    pub(crate) async fn remove_groups(&self, namespace: &str, name: Option<&str>) -> Result<bool> {
        let stored = &self.0.stored;
        let _changing = stored.changing.lock().await;
        let known = self.set_groups()?;
        let is_meant = |(of, group): &&(String, String)| {
            of == namespace && name.is_none_or(|name| name == group)
        };
        let gone: Vec<_> = known.keys().filter(is_meant).collect();
        for (namespace, name) in &gone {
            stored.put((namespace, name), None).await?;
        }
        if !gone.is_empty() {
            self.retake().await;
        }
        Ok(!gone.is_empty())
    }

    /// Reads what is set at a start; what is wrong where that takes too long.
    pub(super) async fn read_set(&self) -> Option<Problem> {
        let clock = &self.shared().clock;
        let read = Box::pin(self.0.stored.read(clock.monotonic()));
        let message = match select(read, clock.sleep(START_WAIT)).await {
            Either::Left((Ok(_), _)) => return None,
            Either::Left((Err(error), _)) => error.message(),
            Either::Right(_) => format!("the bucket does not answer within {START_WAIT:?}"),
        };
        let message = format!("cannot be read: {message}");
        Some(Problem { file: FILE.to_owned(), line: 0, column: 0, message, warning: false })
    }

    /// Notices what others have set.
    pub(super) async fn look_at_set(&self) {
        let stored = &self.0.stored;
        let now = self.shared().clock.monotonic();
        let looked = stored.known.lock().as_ref().map(|known| known.looked);
        if looked.is_some_and(|looked| now.saturating_sub(looked) < LOOK_EVERY) {
            return;
        }
        let _changing = stored.changing.lock().await;
        match stored.read(now).await {
            Ok(true) => self.retake().await,
            Ok(false) => {}
            Err(error) => {
                warn!(error = %error.message(), "rules of the API cannot be read");
                if let Some(known) = stored.known.lock().as_mut() {
                    known.looked = now;
                }
            }
        }
    }

    /// Returns what is set, as files of one group each.
    pub(super) fn set_files(&self) -> Vec<SourceFile> {
        let groups = self.0.stored.groups().unwrap_or_default();
        groups.into_iter().map(|((name, _), text)| SourceFile { name, text }).collect()
    }
}

fn parsed(namespace: &str, text: &str, strict: bool) -> Parsed {
    let options = ParseOptions { strict, check: &check, ..ParseOptions::default() };
    parse_group(namespace, text, &options)
}

/// The name of a document: the namespace, with what would end it written out, and the group.
fn name_of(namespace: &str, name: &str) -> String {
    format!("{}/{name}", namespace.replace('%', "%25").replace('/', "%2F"))
}

fn of_name(document: &str) -> Option<(String, String)> {
    let (namespace, name) = document.split_once('/')?;
    Some((namespace.replace("%2F", "/").replace("%25", "%"), name.to_owned()))
}

#[cfg(test)]
mod tests;
