//! Passwords: argon2id, and as much of it at once as the machine can bear.
//!
//! A guess costs an attacker who stole the store [`MEMORY_KIB`] of memory and [`PASSES`] passes over it;
//! it costs this server the same. So at most [`AT_ONCE`] are computed at a time, on blocking threads, a
//! few wait, and whoever comes then is sent away at once: guessing cannot starve ingest or queries.
//!
//! A name that nobody has costs exactly as much as a wrong password: it is compared with a password that
//! nobody knows.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::seal::random_text;

/// OWASP's second choice for argon2id: 19 MiB and two passes. On one core of a small cloud machine a
/// guess takes some 30 ms.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
/// 38 MiB at most, and one core of two stays free.
const AT_ONCE: usize = 2;
/// Whoever comes while so many wait would wait longer than people do.
const WAITING_MAX: usize = 32;
const WAIT: Duration = Duration::from_secs(5);

/// What is stored of a password, in the PHC string format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hashed(String);

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(<secret>)")
    }
}

/// Makes and compares hashes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Passwords(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Of a password that nobody knows.
    nobodys: OnceLock<Hashed>,
}

/// One who waits; gone also where the wait is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Passwords {
    /// Makes those of a process.
    pub(crate) fn new() -> Self {
        let (slots, waiting) = (Arc::new(Semaphore::new(AT_ONCE)), AtomicUsize::new(0));
        Self(Arc::new(Inner { slots, waiting, nobodys: OnceLock::new() }))
    }

    /// Draws the password that nobody knows, before anybody logs in.
    ///
    /// # Errors
    /// `Internal` where the system gives no random bits.
    pub(crate) async fn prepare(&self) -> Result<()> {
        if self.0.nobodys.get().is_none() {
            let nobodys = self.hash(random_text()?).await?;
            // Whoever was faster drew one that is as good.
            self.0.nobodys.get_or_init(|| nobodys);
        }
        Ok(())
    }

    /// Returns what is to be stored of a password.
    ///
    /// # Errors
    /// `Unavailable` where too many compute already.
    pub(crate) async fn hash(&self, password: String) -> Result<Hashed> {
        self.compute(move || hash(&password)).await
    }

    /// Returns whether a password is the stored one. Takes as long where there is none stored.
    ///
    /// # Errors
    /// `Unavailable` where too many compute already.
    pub(crate) async fn verify(&self, password: String, stored: Option<&Hashed>) -> Result<bool> {
        self.prepare().await?;
        let exists = stored.is_some();
        let nobodys = || Error::internal("compare a password with nobody's");
        let stored = stored.or(self.0.nobodys.get()).ok_or_else(nobodys)?.clone();
        Ok(self.compute(move || is_password(&password, &stored)).await? && exists)
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.slot().await?;
        // The slot is free when the work is done, not when whoever asked goes away.
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| Error::internal("compare a password").with_source(e))?
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit> {
        let busy = || Error::unavailable("too many log in at once", WAIT);
        if self.0.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.0.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(busy());
        }
        let _waiting = Waiting(&self.0.waiting);
        let slot = tokio::time::timeout(WAIT, Arc::clone(&self.0.slots).acquire_owned()).await;
        slot.ok().and_then(std::result::Result::ok).ok_or_else(busy)
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|e| Error::internal(format!("set up argon2: {e}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<Hashed> {
    let mut salt = [0_u8; SALT_BYTES];
    let filled = getrandom::fill(&mut salt);
    filled.map_err(|e| Error::internal("draw a salt").with_source(e))?;
    let salt = SaltString::encode_b64(&salt);
    let salt = salt.map_err(|e| Error::internal(format!("write a salt: {e}")))?;
    let hashed = argon2()?.hash_password(password.as_bytes(), &salt);
    let hashed = hashed.map_err(|e| Error::internal(format!("hash a password: {e}")))?;
    Ok(Hashed(hashed.to_string()))
}

fn is_password(password: &str, stored: &Hashed) -> Result<bool> {
    let stored = PasswordHash::new(&stored.0);
    let stored = stored.map_err(|e| Error::corrupt(format!("read a stored password: {e}")))?;
    match argon2()?.verify_password(password.as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::Password) => Ok(false),
        Err(e) => Err(Error::corrupt(format!("compare a stored password: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_the_password() {
        let passwords = Passwords::new();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.0);
        let other = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert_ne!(stored, other, "the salt is another one");
        for (password, stored, expected) in [
            ("correct horse", Some(&stored), true),
            ("correct horse ", Some(&stored), false),
            ("", Some(&stored), false),
            ("correct horse", None, false),
        ] {
            let verified = passwords.verify(password.to_owned(), stored).await.unwrap();
            assert_eq!(verified, expected, "{password:?}");
        }
        assert_eq!(format!("{stored:?}"), "Hashed(<secret>)");
        let broken = Hashed("not what argon2 makes".to_owned());
        assert!(passwords.verify("x".to_owned(), Some(&broken)).await.is_err());
    }

    /// However many come, few compute, some wait and the rest is told to come again.
    #[tokio::test]
    async fn a_crowd_is_sent_away() {
        let passwords = Passwords::new();
        passwords.prepare().await.unwrap();
        let held: Vec<_> = (0..AT_ONCE).map(|_| passwords.0.slots.try_acquire()).collect();
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..WAITING_MAX + 5 {
            let passwords = passwords.clone();
            crowd.spawn(async move { passwords.verify("x".to_owned(), None).await.is_ok() });
        }
        for _ in 0..5 {
            assert_eq!(crowd.join_next().await.map(Result::unwrap), Some(false));
        }
        drop(held);
        let rest = crowd.join_all().await;
        assert_eq!((rest.len(), rest.iter().all(|done| *done)), (WAITING_MAX, true));
        assert_eq!(passwords.0.waiting.load(Ordering::Relaxed), 0);
    }
}
