//! What the tables say, asked as the programs ask.

use std::net::IpAddr;

use enforcer_common::abi::address::{LOCAL_NODE, NO_NODE, to_ip};
use enforcer_common::abi::{Direction, Endpoint, Peer};
use enforcer_policy::model::PodKey;
use enforcer_policy::tables::Tables;

use crate::generate::{OUTSIDE, OWNED, PORTS};
use crate::meaning::Probe;

/// Every address that tests ask about.
pub(crate) fn peers() -> impl Iterator<Item = IpAddr> {
    OWNED
        .into_iter()
        .chain(OUTSIDE)
        .map(|text| text.parse().unwrap())
}

/// Every connection of an endpoint that tests ask about.
pub(crate) fn probes(endpoint: &PodKey) -> impl Iterator<Item = Probe<'_>> {
    let services = [6, 17, 132]
        .into_iter()
        .flat_map(|protocol| PORTS.map(|port| (protocol, port)))
        .chain([(1, 0)]);
    Direction::ALL.into_iter().flat_map(move |direction| {
        let services = services.clone();
        peers().flat_map(move |peer| {
            services.clone().map(move |(protocol, port)| Probe {
                endpoint,
                direction,
                peer,
                protocol,
                port,
            })
        })
    })
}

/// What the tables say about a connection of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// It is let through, if nobody translates it.
    pub(crate) allowed: bool,
    /// It is judged behind the place where it may be translated.
    pub(crate) deferred: bool,
}

pub(crate) fn verdict(tables: &Tables, endpoint: &Endpoint, probe: Probe<'_>) -> Verdict {
    if endpoint.flags & Endpoint::DENY_ALL != 0 {
        return Verdict {
            allowed: false,
            deferred: false,
        };
    }
    let peer = tables.peer(probe.peer);
    let own_node = peer.node == LOCAL_NODE || peer.node != NO_NODE && peer.node == endpoint.node;
    let set = endpoint.sets[probe.direction.index()];
    let isolated = Direction::ALL.map(|direction| endpoint.isolated(direction));
    let translated = own_node || peer.flags & Peer::SERVICE != 0;
    Verdict {
        allowed: is_own(endpoint, probe)
            || own_node
            || tables.allows(set, peer.identity, probe.protocol, probe.port),
        deferred: isolated.contains(&true) && probe.direction == Direction::Egress && translated,
    }
}

/// Whether the peer is the endpoint itself, for which no flow is kept.
pub(crate) fn is_own(endpoint: &Endpoint, probe: Probe<'_>) -> bool {
    probe.peer
        == match probe.peer {
            IpAddr::V4(_) => to_ip(endpoint.v4),
            IpAddr::V6(_) => to_ip(endpoint.v6),
        }
}

/// Whether the tables let a connection of an endpoint through, if nobody translates it.
pub(crate) fn allowed(tables: &Tables, endpoint: &Endpoint, probe: Probe<'_>) -> bool {
    verdict(tables, endpoint, probe).allowed
}
