//! What the tables say, asked as the programs ask.

use std::net::IpAddr;

use enforcer_common::abi::address::{LOCAL_NODE, NO_NODE, to_ip};
use enforcer_common::abi::{Direction, Endpoint};
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

/// Whether the tables let a connection of an endpoint through.
pub(crate) fn allowed(tables: &Tables, endpoint: &Endpoint, probe: Probe<'_>) -> bool {
    if endpoint.flags & Endpoint::DENY_ALL != 0 {
        return false;
    }
    let own = match probe.peer {
        IpAddr::V4(_) => to_ip(endpoint.v4),
        IpAddr::V6(_) => to_ip(endpoint.v6),
    };
    let peer = tables.peer(probe.peer);
    let own_node = peer.node == LOCAL_NODE || peer.node != NO_NODE && peer.node == endpoint.node;
    let set = endpoint.sets[probe.direction.index()];
    own == probe.peer || own_node || tables.allows(set, peer.identity, probe.protocol, probe.port)
}
