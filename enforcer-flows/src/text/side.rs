//! One side, in short.

use std::fmt;
use std::net::IpAddr;

use crate::record::Party;

/// The name of who has the address, else the address, and the port.
pub(super) struct Short<'a>(pub(super) &'a Party);

/// The name with the address behind it.
pub(super) struct Full<'a>(pub(super) &'a Party);

/// The address and port, as URLs have them.
struct Socket<'a>(&'a Party);

/// What comes before a port.
fn name(f: &mut fmt::Formatter<'_>, party: &Party) -> Option<fmt::Result> {
    if let Some(service) = party.service() {
        return Some(write!(f, "service {service}"));
    }
    if let Some(pod) = party.pod() {
        return Some(write!(f, "{pod}"));
    }
    Some(write!(f, "node {}", party.node()?))
}

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(party) = self;
        let Some(written) = name(f, party) else {
            return Socket(party).fmt(f);
        };
        written?;
        party.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Full<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(party) = self;
        match name(f, party) {
            None => Socket(party).fmt(f),
            Some(written) => written.and_then(|()| write!(f, " ({})", Socket(party))),
        }
    }
}

impl fmt::Display for Socket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.address, self.0.port) {
            (None, _) => f.write_str("?"),
            (Some(address), None) => write!(f, "{address}"),
            (Some(IpAddr::V4(address)), Some(port)) => write!(f, "{address}:{port}"),
            (Some(IpAddr::V6(address)), Some(port)) => write!(f, "[{address}]:{port}"),
        }
    }
}
