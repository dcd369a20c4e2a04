//! What an address can reach, and the addresses that hide in it.
//!
//! An IPv6 address may carry an IPv4 one that a translator or a tunnel on the way unpacks. All
//! forms of an address must be harmless, so [`forms`] lists the address and whatever it carries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What lies behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anybody's.
    Public,
    /// This machine.
    Loopback,
    /// A network of the operator: private, unique local, carrier-grade NAT.
    Private,
    /// The wire this machine is on: who else is there has not been chosen by anybody.
    LinkLocal,
    /// Where a cloud hands out credentials.
    Metadata,
    /// Many receivers, or none that is one's own.
    Reserved,
}

impl Reach {
    /// Returns whether what the operator's files name may be there.
    pub fn open_to_operator(self) -> bool {
        matches!(self, Self::Public | Self::Loopback | Self::Private)
    }

    /// Returns whether only its very own address opens it.
    pub fn always_closed(self) -> bool {
        matches!(self, Self::LinkLocal | Self::Metadata | Self::Reserved)
    }

    /// Returns what people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "a private network",
            Self::LinkLocal => "link-local",
            Self::Metadata => "a cloud's metadata service",
            Self::Reserved => "not an address of one host",
        }
    }
}

/// Metadata services with addresses outside 169.254.0.0/16: Alibaba, Azure, Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// Of AWS and Google.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Returns what lies behind one form of an address.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    let [a, b, c, _] = v4.octets();
    match (a, b, c) {
        _ if METADATA_V4.contains(&v4) || v4 == Ipv4Addr::new(169, 254, 169, 254) => {
            Reach::Metadata
        }
        (127, ..) => Reach::Loopback,
        (10, ..) | (192, 168, _) => Reach::Private,
        (172, 16..=31, _) | (100, 64..=127, _) => Reach::Private,
        (169, 254, _) => Reach::LinkLocal,
        // This network, protocol assignments, documentation, 6to4 relays, benchmarks.
        (0, ..) | (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) => {
            Reach::Reserved
        }
        (198, 18 | 19, _) => Reach::Reserved,
        // Multicast, future use, broadcast.
        (224..=255, ..) => Reach::Reserved,
        _ => Reach::Public,
    }
}

fn reach_v6(v6: Ipv6Addr) -> Reach {
    let s = v6.segments();
    match s {
        _ if METADATA_V6.contains(&v6) => Reach::Metadata,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Reserved,
        [0xfe80..=0xfebf, ..] => Reach::LinkLocal,
        [0xfc00..=0xfdff, ..] => Reach::Private,
        // Site-local addresses are no longer given out and still routed here and there.
        [0xfec0..=0xfeff, ..] => Reach::Private,
        [0xff00..=0xffff, ..] => Reach::Reserved,
        // The local-use prefix of translation: what it means is the network's own secret.
        [0x64, 0xff9b, 1, ..] => Reach::Private,
        // Discard, documentation, dummy, segment routing.
        [0x100, 0, 0, 0 | 1, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => {
            Reach::Reserved
        }
        [0x5f00, ..] => Reach::Reserved,
        // Benchmarks, ORCHID.
        [0x2001, 2, 0, ..] | [0x2001, 0x10..=0x3f, ..] => Reach::Reserved,
        // What carries an IPv4 address is judged by that one.
        _ if carried(v6).is_some() || (0x2000..=0x3fff).contains(&s[0]) => Reach::Public,
        _ => Reach::Reserved,
    }
}

/// Returns the address and the one that it carries.
pub fn forms(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let inner = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => carried(v6).map(IpAddr::V4),
    };
    std::iter::once(address).chain(inner)
}

fn carried(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let at = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        // ::1 and :: are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped (::ffff:a.b.c.d), translated (::ffff:0:a.b.c.d), compatible (::a.b.c.d).
        [0, 0, 0, 0, 0, 0xffff | 0, h, l] | [0, 0, 0, 0, 0xffff, 0, h, l] => Some(at(h, l)),
        // NAT64, well-known and local use (its /96 form).
        [0x64, 0xff9b, 0 | 1, _, _, _, h, l] => Some(at(h, l)),
        // 6to4.
        [0x2002, h, l, ..] => Some(at(h, l)),
        // Teredo keeps the client's address inverted.
        [0x2001, 0, _, _, _, _, h, l] => Some(at(!h, !l)),
        // ISATAP.
        [_, _, _, _, 0 | 0x200, 0x5efe, h, l] => Some(at(h, l)),
        _ => None,
    }
}
