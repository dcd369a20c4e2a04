//! Networks and host names as an operator writes them down.

use std::net::IpAddr;

use tarn_model::error::{Error, Result};

/// An address and how many bits of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Parses `10.0.0.0/8`, `fd00::/8` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse::<u8>().ok()?)),
            None => (text.trim().parse().ok()?, None),
        };
        let width = width(address);
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Self { address, bits })
    }

    /// Returns whether an address lies in it. An IPv6 network holds no IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        let differing: u128 = ours ^ theirs;
        differing.checked_shr(width - u32::from(self.bits)).unwrap_or(0) == 0
    }

    /// Returns whether it is one address.
    pub fn is_single(self) -> bool {
        self.bits == width(self.address)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A host name, or all names under one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(String);

impl HostPattern {
    /// Parses `host.example` or `.example`.
    ///
    /// # Errors
    /// `Invalid` where it cannot be a name.
    pub fn parse(text: &str) -> Result<Self> {
        let name = normal(text.trim());
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let numbers_only = name.chars().all(|c| c.is_ascii_digit() || c == '.');
        if name.is_empty() || !name.chars().all(fits) || numbers_only {
            let message = format!("{text} is no network (10.0.0.0/8), address or host name");
            return Err(Error::invalid(message));
        }
        Ok(Self(name))
    }

    /// Returns whether a host is meant; case and a final dot do not matter.
    pub fn matches(&self, host: &str) -> bool {
        let host = normal(host);
        match self.0.strip_prefix('.') {
            Some(parent) => host.strip_suffix(parent).is_some_and(|left| left.ends_with('.')),
            None => host == self.0,
        }
    }
}

fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}
