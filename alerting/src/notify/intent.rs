//! What is to be delivered, under an identity that is the same after a crash.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tarn_model::error::{Error, Result};
use xxhash_rust::xxh3::Xxh3;

use crate::route::{self, Flush};

/// Identity of a delivery: a hash of whom, about what, and which state. Receivers that can, know a
/// repeated delivery by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub [u8; 16]);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for DeliveryId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
        let wrong = || Error::invalid(format!("{text} is no delivery: 32 hex digits are"));
        number.map(|number| Self(number.to_be_bytes())).ok_or_else(wrong)
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One way to tell one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Name of the receiver.
    pub receiver: Arc<str>,
    /// Kind of the integration, such as `slack`.
    pub kind: Arc<str>,
    /// Its index among those of its kind.
    pub index: usize,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.receiver, self.kind, self.index)
    }
}

/// What only the newest state of is sent: a group, at one integration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Whom.
    pub target: Target,
    /// About what.
    pub group_key: Arc<str>,
}

/// A decision to send. It is durable before the [`super::Outbox`] is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its identity.
    pub id: DeliveryId,
    /// What is to be told.
    pub flush: Arc<Flush>,
    /// The delivery that was not acknowledged in time, where this one goes to the fallback receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_for: Option<DeliveryId>,
}

impl Intent {
    /// Makes the intent of a flush.
    pub fn new(flush: Flush) -> Self {
        Self { id: identity(&flush, None), flush: Arc::new(flush), fallback_for: None }
    }

    /// Makes the intent that tells another receiver the same. Made again, it is the same.
    #[must_use]
    pub fn fallback(&self, to: &Target) -> Self {
        let mut flush = Flush::clone(&self.flush);
        flush.receiver = Arc::clone(&to.receiver);
        flush.integration = (Arc::clone(&to.kind), to.index);
        let id = identity(&flush, Some(self.id));
        Self { id, flush: Arc::new(flush), fallback_for: Some(self.id) }
    }

    /// Returns whom it is for.
    pub fn target(&self) -> Target {
        let Flush { receiver, integration: (kind, index), .. } = &*self.flush;
        Target { receiver: Arc::clone(receiver), kind: Arc::clone(kind), index: *index }
    }

    /// Returns what only the newest state of is sent.
    pub fn key(&self) -> Key {
        Key { target: self.target(), group_key: self.flush.group_key.as_str().into() }
    }

    /// Returns how pressing it is.
    pub fn urgency(&self) -> Urgency {
        match self.flush.reason {
            route::Reason::First => Urgency::Trigger,
            route::Reason::AllResolved => Urgency::Resolve,
            route::Reason::NewAlerts | route::Reason::SomeResolved => Urgency::Update,
            route::Reason::Repeat => Urgency::Repeat,
        }
    }

    /// Estimates the bytes it takes in memory. Labels that alerts share are counted each time.
    pub fn bytes(&self) -> usize {
        let alerts = self.flush.alerts.iter().map(|alert| {
            let texts = alert.labels.iter().chain(alert.annotations.iter());
            let texts: usize = texts.map(|l| l.name.len() + l.value.len() + 64).sum();
            texts + alert.generator_url.len() + 128
        });
        let known = (self.flush.firing.len() + self.flush.resolved.len()) * 8;
        alerts.sum::<usize>() + known + self.flush.group_key.len() * 2 + 512
    }
}

/// How pressing an intent is; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Somebody is to be woken.
    Trigger,
    /// What woke somebody is over.
    Resolve,
    /// The group has changed.
    Update,
    /// It was told before.
    Repeat,
}

impl Urgency {
    /// All of them, the most pressing first.
    pub const ALL: [Self; 4] = [Self::Trigger, Self::Resolve, Self::Update, Self::Repeat];

    /// Returns the text of labels and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Resolve => "resolve",
            Self::Update => "update",
            Self::Repeat => "repeat",
        }
    }
}

fn identity(flush: &Flush, fallback_for: Option<DeliveryId>) -> DeliveryId {
    let mut hasher = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    let (kind, index) = &flush.integration;
    part(flush.receiver.as_bytes());
    part(kind.as_bytes());
    part(&(*index as u64).to_le_bytes());
    part(flush.group_key.as_bytes());
    part(&flush.flush_seq.to_le_bytes());
    for set in [&flush.firing, &flush.resolved] {
        let bytes: Vec<u8> = set.iter().flat_map(|known| known.0.to_le_bytes()).collect();
        part(&bytes);
    }
    part(fallback_for.as_ref().map_or(&[], |id| &id.0));
    DeliveryId(hasher.digest128().to_be_bytes())
}
