//! Users: who may log in with a password, and what they may do then.
//!
//! A user is made without a password and with a link, good once and for a day, behind which the person
//! sets one: nobody ever knows the password of somebody else, and there is no default one. Of a link the
//! store keeps the SHA-256, of a password what argon2id makes of it. Every change of a password gives the
//! user another stamp; sessions carry the stamp that they began with, so all of them end.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tarn_model::error::{Error, Result};

use super::book::{Book, USERS_MAX};
use super::passwords::Hashed;
use super::principal::{Grant, Role, Tenants};
use super::seal::{digest, random_id, random_text};

/// How long a link to set a password is good.
pub(crate) const LINK_MS: i64 = 24 * 3_600_000;
/// Links of one user that may be good at once: several processes start at once.
const LINKS_MAX: usize = 4;
const NAME_BYTES_MAX: usize = 64;
/// More would be tenants of somebody who rather means all.
const GRANTS_MAX: usize = 64;
/// Who is made at the first start.
pub(crate) const FIRST: &str = "admin";
const PASSWORD_CHARS_MIN: usize = 12;
const PASSWORD_BYTES_MAX: usize = 1024;
/// The moment of a login is written this seldom: every write is a revision that stays.
const LAST_LOGIN_EVERY_MS: i64 = 24 * 3_600_000;

/// A user as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) grants: Vec<Grant>,
    /// `None`: none was set yet.
    pub(crate) password: Option<Hashed>,
    #[serde(default)]
    pub(crate) links: Vec<Link>,
    /// Another one after every change of the password; random, so that a user who is removed and made
    /// anew does not revive old sessions.
    pub(crate) stamp: String,
    pub(crate) created_ms: i64,
    pub(crate) last_login_ms: Option<i64>,
}

/// A way to set a password once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    sha256: String,
    expires_ms: i64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("expires_ms", &self.expires_ms).finish_non_exhaustive()
    }
}

/// A link that was just made: only now is it known.
#[derive(Debug)]
pub(crate) struct NewLink {
    pub(crate) token: String,
    pub(crate) expires_ms: i64,
}

impl User {
    fn new(grants: Vec<Grant>, now_ms: i64) -> Result<Self> {
        let stamp = random_id()?;
        let (password, links) = (None, Vec::new());
        Ok(Self { grants, password, links, stamp, created_ms: now_ms, last_login_ms: None })
    }

    /// Returns whether it administers the whole server.
    fn is_admin(&self) -> bool {
        administers(&self.grants)
    }

    fn add_link(&mut self, link: Link, now_ms: i64) {
        self.links.retain(|link| link.expires_ms > now_ms);
        if self.links.len() >= LINKS_MAX {
            self.links.remove(0);
        }
        self.links.push(link);
    }

    /// Returns whether a link with this digest is good.
    fn has_link(&self, sha256: &str, now_ms: i64) -> bool {
        let same = |link: &Link| link.sha256.as_bytes().ct_eq(sha256.as_bytes());
        let good = self.links.iter().filter(|link| link.expires_ms > now_ms);
        good.fold(subtle::Choice::from(0), |found, link| found | same(link)).into()
    }

    fn set_password(&mut self, password: Hashed) -> Result<()> {
        self.password = Some(password);
        self.links.clear();
        self.stamp = random_id()?;
        Ok(())
    }
}

/// Returns whether grants are those of an administrator of the whole server.
pub(crate) fn administers(grants: &[Grant]) -> bool {
    grants.iter().any(|grant| grant.role == Role::Admin && grant.tenants == Tenants::All)
}

/// Returns whether nobody but this user administers the server with a password.
pub(crate) fn is_only_admin(book: &Book, name: &str) -> bool {
    let known = book.known();
    let mut admins = known.users.iter().filter(|(_, u)| u.is_admin() && u.password.is_some());
    admins.next().is_some_and(|(first, _)| first == name) && admins.next().is_none()
}

/// Returns whether an administrator has a password.
pub(crate) fn is_set_up(book: &Book) -> bool {
    book.known().users.values().any(|user| user.is_admin() && user.password.is_some())
}

/// Makes the first administrator where there is none, and a link for it.
///
/// # Errors
/// `Unavailable` where the bucket is.
pub(crate) async fn first(book: &Book) -> Result<NewLink> {
    let (token, link) = new_link(book.now_ms())?;
    let now = book.now_ms();
    book.change_user(FIRST, "tarn", |user| {
        let grants = vec![Grant { role: Role::Admin, tenants: Tenants::All }];
        let mut user = match user {
            Some(user) => user,
            None => User::new(grants, now)?,
        };
        user.add_link(link.clone(), now);
        Ok((Some(user), ()))
    })
    .await?;
    Ok(NewLink { token, expires_ms: link.expires_ms })
}

/// Makes a user and the link to set a password.
///
/// # Errors
/// `Invalid` where the name or the grants are not fine or the name is taken, `Unavailable` where the
/// bucket is.
pub(crate) async fn add(
    book: &Book,
    author: &str,
    name: &str,
    grants: &[Grant],
) -> Result<NewLink> {
    check_name(name)?;
    check_grants(grants)?;
    if book.known().users.len() >= USERS_MAX {
        return Err(Error::limit(format!("there are {USERS_MAX} users, which is the limit")));
    }
    let now = book.now_ms();
    let (token, link) = new_link(now)?;
    book.change_user(name, author, |user| {
        if user.is_some() {
            return Err(Error::invalid(format!("user {name:?} is there already")));
        }
        let mut user = User::new(grants.to_vec(), now)?;
        user.add_link(link.clone(), now);
        Ok((Some(user), ()))
    })
    .await?;
    Ok(NewLink { token, expires_ms: link.expires_ms })
}

/// Gives a user other grants. They count for sessions that exist.
///
/// # Errors
/// As [`add`]; `NotFound` where there is no such user.
pub(crate) async fn set_grants(
    book: &Book,
    author: &str,
    name: &str,
    grants: &[Grant],
) -> Result<()> {
    check_grants(grants)?;
    book.change_user(name, author, |user| {
        let user = User { grants: grants.to_vec(), ..user.ok_or_else(|| nobody(name))? };
        Ok((Some(user), ()))
    })
    .await
}

/// Removes a user, whose sessions end.
///
/// # Errors
/// `NotFound` where there is no such user; `Unavailable` where the bucket is.
pub(crate) async fn remove(book: &Book, author: &str, name: &str) -> Result<()> {
    book.change_user(name, author, |user| user.map(|_| (None, ())).ok_or_else(|| nobody(name)))
        .await
}

/// Makes another link for a user; the password that was set stays until it is used.
///
/// # Errors
/// As [`remove`].
pub(crate) async fn link(book: &Book, author: &str, name: &str) -> Result<NewLink> {
    let now = book.now_ms();
    let (token, link) = new_link(now)?;
    book.change_user(name, author, |user| {
        let mut user = user.ok_or_else(|| nobody(name))?;
        user.add_link(link.clone(), now);
        Ok((Some(user), ()))
    })
    .await?;
    Ok(NewLink { token, expires_ms: link.expires_ms })
}

/// Returns whose link it is, while it is good.
pub(crate) fn owner_of(book: &Book, token: &str) -> Option<String> {
    let (sha256, now) = (digest(token), book.now_ms());
    let known = book.known();
    let found = known.users.iter().find(|(_, user)| user.has_link(&sha256, now));
    found.map(|(name, _)| name.clone())
}

/// Sets a password behind a link, which is good no more.
///
/// # Errors
/// `Forbidden` where the link was used or is over; `Unavailable` where the bucket is.
pub(crate) async fn redeem(
    book: &Book,
    name: &str,
    token: &str,
    password: &Hashed,
) -> Result<User> {
    let (sha256, now) = (digest(token), book.now_ms());
    book.change_user(name, name, |user| {
        let good = user.filter(|user| user.has_link(&sha256, now));
        let mut user = good.ok_or_else(link_is_over)?;
        user.set_password(password.clone())?;
        Ok((Some(user.clone()), user))
    })
    .await
}

/// Replaces the password `old` by another one.
///
/// # Errors
/// `Forbidden` where the password is not `old` any more; `Unavailable` where the bucket is.
pub(crate) async fn change_password(
    book: &Book,
    name: &str,
    old: &Hashed,
    password: &Hashed,
) -> Result<User> {
    book.change_user(name, name, |user| {
        let same = user.filter(|user| user.password.as_ref() == Some(old));
        let message = "the password was changed meanwhile";
        let mut user = same.ok_or_else(|| forbidden(message))?;
        user.set_password(password.clone())?;
        Ok((Some(user.clone()), user))
    })
    .await
}

/// Notes that a user has logged in.
///
/// # Errors
/// `Unavailable` where the bucket is.
pub(crate) async fn logged_in(book: &Book, name: &str) -> Result<()> {
    let now = book.now_ms();
    let known = book.known();
    let last = known.users.get(name).and_then(|user| user.last_login_ms);
    if last.is_some_and(|last| now.saturating_sub(last) < LAST_LOGIN_EVERY_MS) {
        return Ok(());
    }
    book.change_user(name, name, |user| {
        Ok((user.map(|user| User { last_login_ms: Some(now), ..user }), ()))
    })
    .await
}

/// Says that a link leads nowhere; the same for one that never was.
pub(crate) fn link_is_over() -> Error {
    forbidden("the link was used or is over: whoever administers access makes another one")
}

fn forbidden(message: &str) -> Error {
    Error::new(tarn_model::error::ErrorKind::Forbidden, message)
}

fn nobody(name: &str) -> Error {
    Error::not_found(format!("there is no user {name:?}"))
}

fn new_link(now_ms: i64) -> Result<(String, Link)> {
    let token = random_text()?;
    let link = Link { sha256: digest(&token), expires_ms: now_ms.saturating_add(LINK_MS) };
    Ok((token, link))
}

/// Names look alike to people when they are equal but for case, so there is one case; what is left can
/// stand in an address, a log line and a shell without quotes.
fn check_name(name: &str) -> Result<()> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._@+-".contains(&b);
    if first && name.len() <= NAME_BYTES_MAX && name.bytes().all(fine) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name:?} is no name of a user: up to {NAME_BYTES_MAX} of a-z, 0-9 and . _ @ + -, and first a \
         letter or a digit"
    )))
}

fn check_grants(grants: &[Grant]) -> Result<()> {
    let tenants = |grant: &Grant| match &grant.tenants {
        Tenants::All => 1,
        Tenants::Of(tenants) => tenants.len(),
    };
    let count: usize = grants.iter().map(tenants).sum();
    if (1..=GRANTS_MAX).contains(&count) && grants.len() <= GRANTS_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!("{count} grants, must be 1 to {GRANTS_MAX}")))
}

/// Says what is wrong with a password that somebody wants to set. Length is what counts; rules about
/// digits and signs make passwords worse.
///
/// # Errors
/// `Invalid` with what to do.
pub(crate) fn check_password(name: &str, password: &str) -> Result<()> {
    let count = password.chars().count();
    if count < PASSWORD_CHARS_MIN {
        return Err(Error::invalid(format!(
            "the password has {count} characters, at least {PASSWORD_CHARS_MIN} are needed"
        )));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        let bytes = password.len();
        let message = format!("the password has {bytes} bytes, limit is {PASSWORD_BYTES_MAX}");
        return Err(Error::invalid(message));
    }
    let lower = password.to_lowercase();
    if name.len() > 3 && lower.replace(name, "").chars().count() < PASSWORD_CHARS_MIN / 2 {
        return Err(Error::invalid("the password is little more than the name"));
    }
    let first = password.chars().next();
    if password.chars().all(|c| Some(c) == first) {
        return Err(Error::invalid("the password is one character again and again"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
