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

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: u8 = 6;

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn tuple(source: &str, destination: &str) -> Tuple {
        let (source, destination) = (socket(source), socket(destination));
        Tuple {
            source: source.ip(),
            destination: destination.ip(),
            ports: Ports::Pair(source.port(), destination.port()),
        }
    }

    fn entry(original: Tuple, reply: Tuple) -> Entry {
        Entry {
            protocol: TCP,
            original,
            reply,
            state: State::Open,
        }
    }

    fn connection(client: &str, server: &str) -> Connection {
        Connection {
            protocol: TCP,
            client: socket(client),
            server: socket(server),
        }
    }

    /// What the table's entry adds when no flow of 10.0.0.x is tracked; 192.0.2.1 is the node.
    fn added(entry: Entry) -> Connections {
        let mut connections = Connections::new();
        let node = BTreeSet::from(["192.0.2.1".parse().unwrap()]);
        add_entries(&mut connections, &[entry], &node, |own| {
            own.to_string().starts_with("10.0.0.")
        });
        connections
    }

    #[test]
    fn a_service_is_its_backend_and_a_translated_client_is_two_connections() {
        let masqueraded = entry(
            tuple("10.0.0.1:5000", "10.96.0.10:80"),
            tuple("10.0.0.2:8080", "192.0.2.1:6000"),
        );
        let seen = |at| Seen {
            idle: None,
            at,
            translated: true,
        };
        let expected = [
            (
                connection("10.0.0.1:5000", "10.0.0.2:8080"),
                seen([false, true]),
            ),
            (
                connection("192.0.2.1:6000", "10.0.0.2:8080"),
                seen([true, false]),
            ),
        ];
        assert_eq!(added(masqueraded), Connections::from(expected));
    }

    #[test]
    fn an_untranslated_connection_is_one_that_both_ends_see() {
        let plain = entry(
            tuple("10.0.0.1:5000", "10.0.0.2:80"),
            tuple("10.0.0.2:80", "10.0.0.1:5000"),
        );
        let connections = added(plain);
        let seen = connections[&connection("10.0.0.1:5000", "10.0.0.2:80")];
        assert_eq!((connections.len(), seen.at), (1, [true, true]));
        assert!(!seen.translated);
    }

    #[test]
    fn what_the_node_opens_and_what_has_no_opener_or_ends_is_none() {
        let from_the_node = entry(
            tuple("192.0.2.1:5000", "10.0.0.2:80"),
            tuple("10.0.0.2:80", "192.0.2.1:5000"),
        );
        assert_eq!(added(from_the_node), Connections::new());
        for state in [State::Closing, State::PickedUp] {
            let mut other = entry(
                tuple("10.0.0.1:5000", "10.0.0.2:80"),
                tuple("10.0.0.2:80", "10.0.0.1:5000"),
            );
            other.state = state;
            assert_eq!(added(other), Connections::new());
        }
    }

    #[test]
    fn flows_of_pods_that_are_gone_and_those_that_are_translated_are_none() {
        let tracked = |endpoint, state, initiator| Tracked {
            pod: socket("10.0.0.1:5000"),
            peer: socket("10.0.0.2:80"),
            protocol: TCP,
            flow: Flow {
                endpoint,
                state,
                initiator,
                ..Flow::default()
            },
            idle: 7,
        };
        let pod = PodKey {
            namespace: "default".into(),
            name: "a".into(),
        };
        let owners = BTreeMap::from([(1, pod)]);
        let egress = Direction::Egress as u8;
        let of = |flow| of_flows(&[flow], &owners);
        assert_eq!(of(tracked(2, 0, egress)), Connections::new());
        assert_eq!(of(tracked(1, Flow::DEFERRED, egress)), Connections::new());
        let opened = of(tracked(1, 0, egress));
        let seen = opened[&connection("10.0.0.1:5000", "10.0.0.2:80")];
        assert_eq!((seen.idle, seen.at), (Some(7), [false, true]));
        let taken = of(tracked(1, 0, Direction::Ingress as u8));
        let seen = taken[&connection("10.0.0.2:80", "10.0.0.1:5000")];
        assert_eq!(seen.at, [true, false]);
    }
}
