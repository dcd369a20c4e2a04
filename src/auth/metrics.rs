//! What is counted of logins and sessions.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tarn_model::metrics::{AUTH_LOGINS, AUTH_PASSWORD_SECONDS, AUTH_SESSIONS_REFUSED};

/// The counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    logins: Family<LoginLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    password_seconds: Histogram,
}

/// What came of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    Done,
    /// Name or password are wrong, or the provider says no.
    Wrong,
    /// Too many were wrong before.
    Limited,
    /// The provider knows them, and none of their groups is granted anything.
    NotGranted,
    /// The bucket or the provider did not answer, or too many came at once.
    Failed,
}

impl Login {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Wrong => "wrong",
            Self::Limited => "limited",
            Self::NotGranted => "not_granted",
            Self::Failed => "failed",
        }
    }
}

/// By what somebody wanted to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Password,
    Link,
    Oidc,
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Link => "link",
            Self::Oidc => "oidc",
        }
    }
}

/// Why a session did not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Forged,
    Expired,
    /// Logged out, or the password was changed, or the user removed.
    Ended,
    /// The request was not made by a page of ours.
    Csrf,
    /// The store was not read yet.
    Unread,
}

impl Refused {
    fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::Csrf => "csrf",
            Self::Unread => "unread",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    by: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    reason: &'static str,
}

impl Metrics {
    /// Makes and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        registry.register(AUTH_LOGINS.name, AUTH_LOGINS.help, metrics.logins.clone());
        let refused = metrics.refused.clone();
        registry.register(AUTH_SESSIONS_REFUSED.name, AUTH_SESSIONS_REFUSED.help, refused);
        let seconds = metrics.password_seconds.clone();
        registry.register(AUTH_PASSWORD_SECONDS.name, AUTH_PASSWORD_SECONDS.help, seconds);
        metrics
    }

    /// Makes them for nobody to see.
    pub(crate) fn unregistered() -> Self {
        Self {
            logins: Family::default(),
            refused: Family::default(),
            password_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 10)),
        }
    }

    /// Counts a login.
    pub(crate) fn login(&self, by: By, outcome: Login) {
        self.logins
            .get_or_create(&LoginLabels { by: by.as_str(), outcome: outcome.as_str() })
            .inc();
    }

    /// Counts a session that did not count.
    pub(crate) fn refused(&self, reason: Refused) {
        self.refused.get_or_create(&RefusedLabels { reason: reason.as_str() }).inc();
    }

    /// Notes how long a password took.
    pub(crate) fn password(&self, seconds: f64) {
        self.password_seconds.observe(seconds);
    }
}
