//! Sessions of browsers: a sealed cookie says who logged in and when, and can be ended.
//!
//! Nothing is kept of a session that lives: any process over the bucket, and this one after a restart,
//! opens the cookie with the same key. It says who, not what they may do: grants are looked up at every
//! request, so a user who was removed or has less counts as that at once. A session ends after
//! `auth.session_idle` without a request (the cookie is made anew now and then, with a later time),
//! after `auth.session_max` in any case, at the logout (its id is kept until then), and when the user's
//! password changes (the stamp is another one).
//!
//! A request with a cookie that changes something must come from a page of ours: the browser says so,
//! and the page sends the token that `/api/v1/access/me` told it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, ErrorKind, Result};

use super::book::{Book, Known};
use super::cookie;
use super::metrics::{Metrics, Refused};
use super::principal::{Grant, How, Principal};
use super::seal::{Purpose, random_id};
use super::users::User;
use crate::listen::guard::is_cross_site;

/// What carries the token of a page.
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-tarn-csrf");

/// How far the clocks of processes may be apart.
const SKEW_MS: i64 = 60_000;
/// The cookie is made anew when so many parts of the idle time are over.
const RENEWALS: i64 = 12;

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) idle: Duration,
    pub(crate) max: Duration,
}

/// What groups of an OIDC provider may do; asked at every request.
pub(crate) trait GroupGrants: Send + Sync + std::fmt::Debug {
    /// Returns the grants of somebody who is in these groups.
    fn grants(&self, groups: &[String]) -> Vec<Grant>;
}

/// Makes and reads sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    book: Arc<Book>,
    lives: Lives,
    groups: Arc<dyn GroupGrants>,
    metrics: Metrics,
}

/// What a cookie says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    id: String,
    how: How,
    name: String,
    /// Of a user the stamp, of somebody of a provider the subject.
    of: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    begun_ms: i64,
    seen_ms: i64,
}

/// A session that lives.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    sealed: Sealed,
    /// The token that pages send along.
    pub(crate) csrf: String,
}

impl Sessions {
    /// Makes the sessions of a process.
    pub(crate) fn new(
        book: Arc<Book>,
        lives: Lives,
        groups: Arc<dyn GroupGrants>,
        metrics: Metrics,
    ) -> Self {
        Self(Arc::new(Inner { book, lives, groups, metrics }))
    }

    /// Begins the session of a user, and returns its `Set-Cookie`.
    ///
    /// # Errors
    /// `Unavailable` until the store was read.
    pub(crate) fn begin(&self, name: &str, user: &User) -> Result<HeaderValue> {
        self.begin_as(How::Password, name.to_owned(), user.stamp.clone(), Vec::new())
    }

    /// Begins the session of somebody whom a provider knows.
    ///
    /// # Errors
    /// `Unavailable` until the store was read; `LimitExceeded` where the groups fill the cookie.
    pub(crate) fn begin_oidc(
        &self,
        name: String,
        subject: String,
        groups: Vec<String>,
    ) -> Result<HeaderValue> {
        self.begin_as(How::Oidc, name, subject, groups)
    }

    fn begin_as(
        &self,
        how: How,
        name: String,
        of: String,
        groups: Vec<String>,
    ) -> Result<HeaderValue> {
        let now = self.0.book.now_ms();
        let id = random_id()?;
        self.cookie(&Sealed { id, how, name, of, groups, begun_ms: now, seen_ms: now })
    }

    fn cookie(&self, sealed: &Sealed) -> Result<HeaderValue> {
        let known = self.0.book.known();
        let key = known.key.as_ref().ok_or_else(not_read_yet)?;
        let value = key.seal(Purpose::Session, sealed)?;
        cookie::set(cookie::SESSION, &value, self.0.lives.idle)
    }

    /// Returns who shows a cookie of a session that lives.
    pub(crate) fn principal(&self, headers: &HeaderMap) -> Option<(Principal, Session)> {
        if !cookie::is_shown(headers, cookie::SESSION) {
            return None;
        }
        self.known(headers).ok()
    }

    /// As [`Sessions::principal`], of a request that shows a cookie.
    ///
    /// # Errors
    /// `Unauthenticated` where the session is over or none; `Unavailable` until the store was read.
    pub(crate) fn known(&self, headers: &HeaderMap) -> Result<(Principal, Session)> {
        self.read(headers).map_err(|refused| {
            self.0.metrics.refused(refused);
            match refused {
                Refused::Unread => not_read_yet(),
                _ => Error::new(ErrorKind::Unauthenticated, "the session is over: log in again"),
            }
        })
    }

    fn read(&self, headers: &HeaderMap) -> Result<(Principal, Session), Refused> {
        let value = cookie::value(headers, cookie::SESSION).ok_or(Refused::Forged)?;
        let known = self.0.book.known();
        let key = known.key.as_ref().ok_or(Refused::Unread)?;
        let sealed: Sealed = key.open(Purpose::Session, value).ok_or(Refused::Forged)?;
        self.check(&sealed, &known)?;
        let grants = match sealed.how {
            How::Password => {
                let user = known.users.get(&sealed.name).filter(|u| u.stamp == sealed.of);
                user.ok_or(Refused::Ended)?.grants.clone()
            }
            How::Oidc => self.0.groups.grants(&sealed.groups),
            How::Open | How::Key | How::Certificate => return Err(Refused::Forged),
        };
        let (name, how, id) = (sealed.name.clone(), sealed.how, sealed.principal_id().to_owned());
        let csrf = key.token(Purpose::Csrf, &sealed.id);
        Ok((Principal { name, how, id, grants }, Session { sealed, csrf }))
    }

    fn check(&self, sealed: &Sealed, known: &Known) -> Result<(), Refused> {
        let now = self.0.book.now_ms();
        let Lives { idle, max } = self.0.lives;
        let future = sealed.seen_ms.max(sealed.begun_ms) > now.saturating_add(SKEW_MS);
        let is_over = now.saturating_sub(sealed.seen_ms) > millis(idle)
            || now.saturating_sub(sealed.begun_ms) > millis(max);
        if future || is_over {
            return Err(Refused::Expired);
        }
        if known.revoked.contains_key(&sealed.id) {
            return Err(Refused::Ended);
        }
        Ok(())
    }

    /// Returns the cookie of a session that is used, with a later time, where it is time for that.
    pub(crate) fn renewed(&self, session: &Session) -> Option<HeaderValue> {
        let now = self.0.book.now_ms();
        let age = now.saturating_sub(session.sealed.seen_ms);
        if age < millis(self.0.lives.idle) / RENEWALS {
            return None;
        }
        // A session that was ended by the request itself stays so.
        if self.0.book.known().revoked.contains_key(&session.sealed.id) {
            return None;
        }
        // Without a later time the session merely ends earlier.
        self.cookie(&Sealed { seen_ms: now, ..session.sealed.clone() }).ok()
    }

    /// Checks that a request with a cookie that changes something was made by a page of ours.
    ///
    /// # Errors
    /// `Forbidden` with what is missing.
    pub(crate) fn check_page(
        &self,
        session: &Session,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<()> {
        let known = self.0.book.known();
        let id = session.sealed.id.as_str();
        let token = headers.get(CSRF).map(HeaderValue::as_bytes);
        let is_ours =
            |token| known.key.as_ref().is_some_and(|key| key.is_token(Purpose::Csrf, id, token));
        let message = match token {
            _ if is_cross_site(uri, headers) => "the request comes from a page of another origin",
            Some(token) if is_ours(token) => return Ok(()),
            Some(_) => "the header X-Tarn-Csrf is not the token of this session",
            None => {
                "a browser's session changes something only with the header X-Tarn-Csrf, \
                 which /api/v1/access/me tells"
            }
        };
        self.0.metrics.refused(Refused::Csrf);
        Err(Error::new(ErrorKind::Forbidden, message))
    }

    /// Ends a session; returns the `Set-Cookie` that takes its cookie away.
    ///
    /// # Errors
    /// `Unavailable` where the bucket does not take it.
    pub(crate) async fn end(&self, session: &Session) -> Result<HeaderValue> {
        let until = session.sealed.begun_ms.saturating_add(millis(self.0.lives.max));
        self.0.book.revoke(&session.sealed.id, until.saturating_add(SKEW_MS)).await?;
        cookie::clear(cookie::SESSION)
    }
}

impl Sealed {
    /// Names differ by who says them: a provider's `admin` is not the user of that name.
    fn principal_id(&self) -> &str {
        if self.how == How::Oidc { &self.of } else { &self.name }
    }
}

/// Says that the store was not read yet.
pub(crate) fn not_read_yet() -> Error {
    let message = "users and sessions were not read from the bucket yet";
    Error::unavailable(message, Duration::from_secs(1))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
