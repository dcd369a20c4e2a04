//! Names become addresses here, and only addresses that were judged leave.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Egress, NamedBy};

/// Where addresses of names come from.
pub trait Lookup: Debug + Send + Sync {
    /// Returns all addresses of a host.
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>>;
}

/// The system's resolver, hosts file included.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves for the connections of one client.
#[derive(Debug)]
pub(super) struct Vetted {
    pub(super) egress: Egress,
    pub(super) named_by: NamedBy,
}

impl Resolve for Vetted {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, named_by) = (self.egress.clone(), self.named_by);
        Box::pin(async move {
            let vetted = egress.addresses(name.as_str(), named_by).await?;
            let addresses = vetted.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
