//! Logging in: from a name and a password, or a link, to a session.
//!
//! Whoever guesses learns nothing: a name that nobody has, one without a password and a wrong password
//! are answered with the same words after the same work, and waits count for all of them alike.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::time::Clock;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::attempts::Attempts;
use super::book::Book;
use super::metrics::{By, Login, Metrics};
use super::oidc::{Identity, Oidc};
use super::passwords::Passwords;
use super::sessions::{GroupGrants, Lives, Sessions, not_read_yet};
use super::users::{self, NewLink, User};

/// Longer than any name or password that can be set; the work for a guess stays small.
const TEXT_BYTES_MAX: usize = 1024;
/// Groups of one person that count; they travel in the cookie.
const GROUPS_MAX: usize = 32;
/// Groups that are named to somebody whom none of them helps.
const GROUPS_SHOWN: usize = 10;
/// The pause between tries to read users from the bucket.
const LOAD_PAUSE: Duration = Duration::from_secs(2);

/// Everything about people who log in.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) book: Arc<Book>,
    pub(crate) sessions: Sessions,
    pub(crate) metrics: Metrics,
    /// The provider of logins, if there is one.
    pub(crate) oidc: Option<Oidc>,
    groups: Arc<dyn GroupGrants>,
    passwords: Passwords,
    attempts: Attempts,
    clock: Arc<dyn Clock>,
}

/// What people are made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) book: Book,
    pub(crate) lives: Lives,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) groups: Arc<dyn GroupGrants>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A password that somebody shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    pub(crate) ip: IpAddr,
}

/// Somebody who was let in.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) name: String,
    pub(crate) cookie: HeaderValue,
}

impl People {
    /// Wires the parts; nothing is read yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { book, lives, oidc, groups, metrics, clock } = parts;
        let book = Arc::new(book);
        let sessions =
            Sessions::new(Arc::clone(&book), lives, Arc::clone(&groups), metrics.clone());
        let (passwords, attempts) = (Passwords::new(), Attempts::default());
        Self { book, sessions, metrics, oidc, groups, passwords, attempts, clock }
    }

    /// Reads users and sessions, where that was not done; then keeps up with them until the stop. Where
    /// nobody administers the server, `tell` is given the link for whoever will.
    pub(crate) async fn run(
        &self,
        tell: &(dyn Fn(&NewLink) + Send + Sync),
        stop: CancellationToken,
    ) {
        let begin = async {
            while let Err(error) = self.begin(tell).await {
                warn!(%error, "users and sessions cannot be read yet; nobody can log in");
                self.clock.sleep(LOAD_PAUSE).await;
            }
        };
        if stop.run_until_cancelled(Box::pin(begin)).await.is_some() {
            self.book.watch(&stop).await;
        }
    }

    async fn begin(&self, tell: &(dyn Fn(&NewLink) + Send + Sync)) -> Result<()> {
        if self.book.known().key.is_none() {
            self.load().await?;
        }
        self.passwords.prepare().await?;
        // A provider says who administers, through its groups.
        if self.oidc.is_none() && !users::is_set_up(&self.book) {
            tell(&users::first(&self.book).await?);
        }
        Ok(())
    }

    /// Reads users and sessions.
    ///
    /// # Errors
    /// `Unavailable` where the bucket is.
    pub(crate) async fn load(&self) -> Result<()> {
        self.book.load().await
    }

    /// Lets somebody in who knows a password.
    ///
    /// # Errors
    /// `Unauthenticated` where it is wrong, `LimitExceeded` with a wait where too many were,
    /// `Unavailable` where it cannot be compared now.
    pub(crate) async fn login(&self, shown: Shown<'_>) -> Result<LoggedIn> {
        let name = &folded(shown.name);
        let done = self.compared(Shown { name, ..shown }).await;
        let done = done.and_then(|user| {
            let cookie = self.sessions.begin(name, &user)?;
            Ok(LoggedIn { name: name.clone(), cookie })
        });
        self.count(By::Password, &done);
        if done.is_ok() {
            self.note(name).await;
        }
        done
    }

    async fn compared(&self, shown: Shown<'_>) -> Result<User> {
        let Shown { name, password, ip } = shown;
        let began = self.clock.monotonic();
        if name.len().max(password.len()) > TEXT_BYTES_MAX {
            let message = format!("name and password may have {TEXT_BYTES_MAX} bytes each");
            return Err(Error::invalid(message));
        }
        self.attempts.begin(name, ip, began).map_err(wait)?;
        let known = self.book.known();
        if known.key.is_none() {
            self.attempts.never_was(name, ip, began);
            return Err(not_read_yet());
        }
        let user = known.users.get(name);
        let stored = user.and_then(|user| user.password.as_ref());
        let is_right = self.passwords.verify(password.to_owned(), stored).await;
        let ended = self.clock.monotonic();
        self.metrics.password(ended.saturating_sub(began).as_secs_f64());
        match (is_right, user) {
            (Ok(true), Some(user)) => {
                self.attempts.succeeded(name, ip, ended);
                Ok(user.clone())
            }
            (Ok(_), _) => Err(Error::new(ErrorKind::Unauthenticated, "name or password is wrong")),
            (Err(error), _) => {
                self.attempts.never_was(name, ip, ended);
                Err(error)
            }
        }
    }

    /// Sets the password of whoever has a link, and lets them in.
    ///
    /// # Errors
    /// `Forbidden` where the link is not good; `Invalid` where the password is not.
    pub(crate) async fn redeem(&self, link: &str, password: &str, ip: IpAddr) -> Result<LoggedIn> {
        let done = self.redeemed(link, password, ip).await;
        self.count(By::Link, &done);
        if let Ok(LoggedIn { name, .. }) = &done {
            self.note(name).await;
        }
        done
    }

    async fn redeemed(&self, link: &str, password: &str, ip: IpAddr) -> Result<LoggedIn> {
        if self.book.known().key.is_none() {
            return Err(not_read_yet());
        }
        let name = users::owner_of(&self.book, link).ok_or_else(users::link_is_over)?;
        users::check_password(&name, password)?;
        let hashed = self.passwords.hash(password.to_owned()).await?;
        let user = users::redeem(&self.book, &name, link, &hashed).await?;
        self.attempts.succeeded(&name, ip, self.clock.monotonic());
        let cookie = self.sessions.begin(&name, &user)?;
        Ok(LoggedIn { name, cookie })
    }

    /// Replaces the password of somebody who knows it; all their sessions end, and one begins.
    ///
    /// # Errors
    /// As [`People::login`]; `Invalid` where the new password is not fine.
    pub(crate) async fn change_password(
        &self,
        shown: Shown<'_>,
        password: &str,
    ) -> Result<LoggedIn> {
        let name = shown.name;
        users::check_password(name, password)?;
        let user = self.compared(shown).await?;
        let old = user.password.as_ref().ok_or_else(users::link_is_over)?;
        let hashed = self.passwords.hash(password.to_owned()).await?;
        let user = users::change_password(&self.book, name, old, &hashed).await?;
        let cookie = self.sessions.begin(name, &user)?;
        Ok(LoggedIn { name: name.to_owned(), cookie })
    }

    /// Lets somebody in whom the provider knows, if any of their groups is granted something. Only those
    /// groups go into the session.
    ///
    /// # Errors
    /// `Forbidden` where none is; `Unavailable` until the store was read.
    pub(crate) fn let_in(&self, identity: &Identity) -> Result<HeaderValue> {
        let Identity { subject, name, groups } = identity;
        let is_granted =
            |group: &&String| !self.groups.grants(std::slice::from_ref(*group)).is_empty();
        let granted: Vec<String> =
            groups.iter().filter(is_granted).take(GROUPS_MAX).cloned().collect();
        if granted.is_empty() {
            let few: Vec<&str> = groups.iter().take(GROUPS_SHOWN).map(String::as_str).collect();
            let theirs = if few.is_empty() { "none".to_owned() } else { few.join(", ") };
            let message = format!(
                "the provider knows {name:?}, and none of their groups ({theirs}) is granted anything \
                 here: auth.file grants groups"
            );
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        self.sessions.begin_oidc(name.clone(), subject.clone(), granted)
    }

    /// Returns until when a name has to wait, Unix ms.
    pub(crate) fn locked_until_ms(&self, name: &str) -> Option<i64> {
        let wait = self.attempts.locked(name, self.clock.monotonic())?;
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Some(self.book.now_ms().saturating_add(wait))
    }

    async fn note(&self, name: &str) {
        if let Err(error) = users::logged_in(&self.book, name).await {
            warn!(%error, user = name, "the moment of a login cannot be stored");
        }
    }

    fn count(&self, by: By, done: &Result<LoggedIn>) {
        let outcome = match done.as_ref().map_err(Error::kind) {
            Ok(_) => Login::Done,
            Err(ErrorKind::LimitExceeded { .. }) => Login::Limited,
            Err(ErrorKind::Unauthenticated | ErrorKind::Forbidden | ErrorKind::Invalid) => {
                Login::Wrong
            }
            Err(_) => Login::Failed,
        };
        self.metrics.login(by, outcome);
    }
}

/// Returns a name as it is stored: people type theirs as they like.
fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

fn wait(wait: Duration) -> Error {
    let seconds = wait.as_secs().saturating_add(1);
    let message = format!("too many wrong passwords; the next one is taken in {seconds} s");
    Error::new(ErrorKind::LimitExceeded { retry_after: Some(wait) }, message)
}

#[cfg(test)]
mod tests;
