//! The only builder of HTTP clients, and the only judge of addresses.
//!
//! Whoever may say where a request goes may otherwise make this server ask what only this server
//! can reach: its own administration, a cloud's metadata, the database next door. So every address
//! is judged at the moment of connecting ([`address`]), by its number and not by its name, in all
//! the ways an IPv4 address hides in an IPv6 one; the connection goes to the very address that was
//! judged ([`resolver`]), so a name that answers differently a second time gains nothing.
//!
//! Who named the address decides ([`NamedBy`]). Redirects are off; where they are on, every hop is
//! judged again. Proxies of the environment are not used. Answers are read up to a cap and for a
//! limited time ([`client`]). Secrets and certificates are read again every minute ([`fresh`]).

pub mod address;
pub mod client;
pub mod fresh;
pub mod network;
pub mod resolver;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::error::{Error, Result};
use tarn_model::time::Clock;
use url::{Host, Url};

pub use crate::egress::client::{Answer, Auth, Client, ClientOptions, OAuth2, Tls};
use crate::egress::network::{HostPattern, Network};
use crate::egress::resolver::{Lookup, SystemLookup};

/// Who said where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The operator's files: private addresses, loopback and plain http are fine.
    Operator,
    /// Somebody through an interface: public addresses and https only, allowed exceptions apart.
    Api,
}

/// What the operator allows and denies, beyond the rules that always hold.
#[derive(Debug, Clone, Default)]
pub struct EgressOptions {
    /// Networks and hosts that may be reached although they are private, and without TLS.
    pub allow: Places,
    /// Networks and hosts that may never be reached, whoever names them.
    pub deny: Places,
}

/// Networks and hosts.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// By address.
    pub networks: Vec<Network>,
    /// By name.
    pub hosts: Vec<HostPattern>,
}

impl Places {
    /// Parses networks such as `10.0.0.0/8`, single addresses, host names, and `.example.com` for
    /// all names under one.
    ///
    /// # Errors
    /// `Invalid` with the entry that is neither.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut places = Self::default();
        for entry in entries {
            match Network::parse(entry) {
                Some(network) => places.networks.push(network),
                None => places.hosts.push(HostPattern::parse(entry)?),
            }
        }
        Ok(places)
    }

    fn has_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// Judges addresses and makes clients. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: EgressOptions,
    clock: Arc<dyn Clock>,
    lookup: Arc<dyn Lookup>,
}

impl Egress {
    /// Makes the one of a process.
    pub fn new(options: EgressOptions, clock: Arc<dyn Clock>) -> Self {
        Self::with_lookup(options, clock, Arc::new(SystemLookup))
    }

    /// As [`Egress::new`], with another source of addresses than the system's.
    pub fn with_lookup(
        options: EgressOptions,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn Lookup>,
    ) -> Self {
        Self(Arc::new(Inner { options, clock, lookup }))
    }

    /// Makes a client. Its files are read now and again every minute.
    ///
    /// # Errors
    /// `Invalid` where a certificate, a key or a proxy is not one, or where an interface names a
    /// proxy.
    pub fn client(&self, options: ClientOptions, named_by: NamedBy) -> Result<Client> {
        Client::new(self.clone(), options, named_by)
    }

    /// Returns the addresses of a host that may be connected to, for protocols other than HTTP.
    ///
    /// # Errors
    /// `Invalid` where there are addresses and none may be reached, `Unavailable` where the name
    /// cannot be resolved.
    pub async fn addresses(&self, host: &str, named_by: NamedBy) -> Result<Vec<IpAddr>> {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if let Ok(address) = literal {
            self.vet_address(host, address, named_by)?;
            return Ok(vec![address]);
        }
        let found = self.0.lookup.lookup(host).await.map_err(|e| {
            let message = format!("resolve {host}");
            Error::unavailable(message, Duration::from_secs(1)).with_source(e)
        })?;
        let mut refused = None;
        let mut vetted = Vec::new();
        for address in found {
            match self.vet_address(host, address, named_by) {
                Ok(()) => vetted.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match (vetted.is_empty(), refused) {
            (false, _) => Ok(vetted),
            (true, Some(error)) => Err(error),
            (true, None) => {
                let message = format!("resolve {host}: no address");
                Err(Error::unavailable(message, Duration::from_secs(1)))
            }
        }
    }

    /// Judges a URL as far as it can be without resolving its host; names are judged on connecting.
    ///
    /// # Errors
    /// `Invalid` with what is wrong.
    pub fn vet_url(&self, url: &Url, named_by: NamedBy) -> Result<()> {
        let Some(host) = url.host() else {
            return Err(Error::invalid(format!("{} names no host", redacted(url))));
        };
        let open = match &host {
            Host::Domain(name) => {
                self.vet_host(name)?;
                self.0.options.allow.has_host(name)
            }
            Host::Ipv4(v4) => self.vet_literal((*v4).into(), named_by)?,
            Host::Ipv6(v6) => self.vet_literal((*v6).into(), named_by)?,
        };
        match url.scheme() {
            "https" => Ok(()),
            "http" if open || named_by == NamedBy::Operator => Ok(()),
            "http" => Err(Error::invalid(format!(
                "{} is not https; alerting.egress_allow names hosts that may be asked without",
                redacted(url)
            ))),
            other => Err(Error::invalid(format!("scheme {other}, http or https is needed"))),
        }
    }

    fn vet_literal(&self, address: IpAddr, named_by: NamedBy) -> Result<bool> {
        self.vet_address(&address.to_string(), address, named_by)?;
        Ok(self.0.options.allow.networks.iter().any(|network| network.contains(address)))
    }

    fn vet_host(&self, host: &str) -> Result<()> {
        if self.0.options.deny.has_host(host) {
            return Err(Error::invalid(format!("{host} is denied by alerting.egress_deny")));
        }
        Ok(())
    }

    /// Judges one address that `host` stands for.
    fn vet_address(&self, host: &str, address: IpAddr, named_by: NamedBy) -> Result<()> {
        self.vet_host(host)?;
        let Inner { options: EgressOptions { allow, deny }, .. } = &*self.0;
        for form in address::forms(address) {
            if deny.networks.iter().any(|network| network.contains(form)) {
                return Err(refusal(host, address, "denied by alerting.egress_deny"));
            }
            let reach = address::reach(form);
            // Nothing but its own name opens what no notification has any business with.
            let opened = allow.networks.iter().any(|network| {
                network.contains(form) && (!reach.always_closed() || network.is_single())
            });
            let by_name = allow.has_host(host) && !reach.always_closed();
            let by_operator = named_by == NamedBy::Operator && reach.open_to_operator();
            if !(opened || by_name || by_operator || reach == address::Reach::Public) {
                let why = format!("{}; alerting.egress_allow can open it", reach.name());
                return Err(refusal(host, address, &why));
            }
        }
        Ok(())
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }
}

fn refusal(host: &str, address: IpAddr, why: &str) -> Error {
    let address = address.to_string();
    let whom = if host == address { address } else { format!("{host} ({address})") };
    Error::invalid(format!("{whom} may not be reached: {why}"))
}

/// Prints a URL without what may be secret: user, password, path and query.
pub fn redacted(url: &Url) -> String {
    let host = url.host_str().unwrap_or("");
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let rest = if url.path().len() > 1 || url.query().is_some() { "/<redacted>" } else { "" };
    format!("{}://{host}{port}{rest}", url.scheme())
}

#[cfg(test)]
mod tests;
