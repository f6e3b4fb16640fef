//! Connections, told from the flows of their ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use enforcer_common::abi::{Direction, Flow};
use enforcer_policy::model::PodKey;

use crate::datapath::flows::Tracked;

/// What a connection is known by. An ICMP echo has its identifier as the client's port and 8 as the
/// server's; protocols without ports have 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Connection {
    /// IANA protocol number.
    pub(super) protocol: u8,
    /// Who opened it.
    pub(super) client: SocketAddr,
    /// To whom.
    pub(super) server: SocketAddr,
}

impl Connection {
    /// The end that a direction's policy is asked at, and the other.
    pub(super) fn ends(&self, direction: Direction) -> (SocketAddr, SocketAddr) {
        match direction {
            Direction::Egress => (self.client, self.server),
            Direction::Ingress => (self.server, self.client),
        }
    }
}

/// The connections among these flows, each once, with the seconds since its last packet. Flows of
/// pods that are gone, which have none of these numbers, are none. Nor are those whose destination is
/// translated on the way: they have a second flow with the real one.
pub(super) fn connections(
    flows: &[Tracked],
    owners: &BTreeMap<u32, PodKey>,
) -> BTreeMap<Connection, u32> {
    let mut connections = BTreeMap::new();
    for tracked in flows {
        let deferred = tracked.flow.state & Flow::DEFERRED != 0;
        if deferred || !owners.contains_key(&tracked.flow.endpoint) {
            continue;
        }
        let (client, server) = match tracked.flow.direction() {
            Direction::Egress => (tracked.pod, tracked.peer),
            Direction::Ingress => (tracked.peer, tracked.pod),
        };
        let connection = Connection {
            protocol: tracked.protocol,
            client,
            server,
        };
        let idle = connections.entry(connection).or_insert(tracked.idle);
        *idle = tracked.idle.min(*idle);
    }
    connections
}
