//! Connections, told from the flows of their ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use enforcer_common::abi::{Direction, Flow};
use enforcer_policy::model::PodKey;

use crate::datapath::conntrack::{Entry, Ports, State, Tuple};
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

/// What is known of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Seconds since its last packet, where that is known.
    pub(super) idle: Option<u32>,
    /// By [`Direction::index`], whether the end of that direction's policy sees these addresses.
    pub(super) at: [bool; 2],
    /// The other end sees another client: its source is translated.
    pub(super) translated: bool,
}

/// Connections, each once.
pub(super) type Connections = BTreeMap<Connection, Seen>;

/// The connections among these flows. Flows of pods that are gone, which have none of these numbers,
/// are none. Nor are those whose destination is translated on the way: they have a second flow with
/// the real one.
pub(super) fn of_flows(flows: &[Tracked], owners: &BTreeMap<u32, PodKey>) -> Connections {
    let mut connections = Connections::new();
    for tracked in flows {
        let deferred = tracked.flow.state & Flow::DEFERRED != 0;
        if deferred || !owners.contains_key(&tracked.flow.endpoint) {
            continue;
        }
        let direction = tracked.flow.direction();
        let (client, server) = match direction {
            Direction::Egress => (tracked.pod, tracked.peer),
            Direction::Ingress => (tracked.peer, tracked.pod),
        };
        let connection = Connection {
            protocol: tracked.protocol,
            client,
            server,
        };
        let seen = connections.entry(connection).or_default();
        seen.at[direction.index()] = true;
        seen.idle = Some(seen.idle.unwrap_or(u32::MAX).min(tracked.idle));
    }
    connections
}

/// Adds what the kernel's table knows of pods whose flows are not tracked. A connection that it met
/// in its middle has no known opener and is left out. What the node itself opens always passes.
pub(super) fn add_entries(
    connections: &mut Connections,
    entries: &[Entry],
    node: &BTreeSet<IpAddr>,
    untracked: impl Fn(IpAddr) -> bool,
) {
    for entry in entries.iter().filter(|entry| entry.state == State::Open) {
        let (opener, _) = sides(&entry.original, Direction::Egress);
        let (server, client) = sides(&entry.reply, Direction::Ingress);
        let of = |client| Connection {
            protocol: entry.protocol,
            client,
            server,
        };
        let always = node.contains(&opener.ip()) || opener.ip() == server.ip();
        if untracked(opener.ip()) {
            connections.entry(of(opener)).or_default().at[Direction::Egress.index()] = true;
        }
        if untracked(server.ip()) && !always {
            connections.entry(of(client)).or_default().at[Direction::Ingress.index()] = true;
        }
        for view in [opener, client] {
            if let Some(seen) = connections.get_mut(&of(view)) {
                seen.translated |= opener != client;
            }
        }
    }
}

/// Source and destination of what one side sends, with ports as the programs key them. `opened` is
/// the direction in which the sender's pod would have opened it.
fn sides(tuple: &Tuple, opened: Direction) -> (SocketAddr, SocketAddr) {
    let (source, destination) = match (tuple.ports, opened) {
        (Ports::Pair(source, destination), _) => (source, destination),
        (Ports::Echo(identifier), Direction::Egress) => (identifier, ECHO),
        (Ports::Echo(identifier), Direction::Ingress) => (ECHO, identifier),
        (Ports::None, _) => (0, 0),
    };
    (
        SocketAddr::new(tuple.source, source),
        SocketAddr::new(tuple.destination, destination),
    )
}

/// The port that the answering side of an echo has.
const ECHO: u16 = 8;
