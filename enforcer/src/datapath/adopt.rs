//! Connections of the kernel's table as flows of endpoints (pure).
//!
//! A program sees a packet before its destination is translated (`from_pod`) or after everything
//! is translated (`to_pod`). So a connection that a pod opened has there the addresses of the
//! table's original direction, and one that was opened to a pod those of the reply. What a deferred
//! packet meets behind the translation, in `leaving`, needs no flow: only who opens sends there.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use enforcer_common::abi::address::{v4, v6};
use enforcer_common::abi::{Direction, Flow, FlowKey};
use enforcer_common::parse::{number, pair};

use super::conntrack::{Entry, Part, Ports, State, Tuple};

/// A revision that no endpoint ever has, so that the policy is asked at the flow's next packet.
pub const UNJUDGED: u32 = 0;

/// The port that the answering side of an echo has: see [`enforcer_common::parse::Transport::ports`].
const ECHO: u16 = 8;

/// An endpoint that takes its connections over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopter {
    /// [`enforcer_common::abi::Endpoint::id`], as the kernel has it.
    pub endpoint: u32,
    /// The programs track its flows already, and know better than the table.
    pub tracked: bool,
}

/// Who takes connections over, and from whom they need not be.
#[derive(Clone, Debug, Default)]
pub struct Adopters {
    /// The endpoints by address.
    pub endpoints: HashMap<IpAddr, Adopter>,
    /// The node's own addresses. What its own stack opened passes untracked, and so does what a pod
    /// opened to itself through a service.
    pub node: BTreeSet<IpAddr>,
}

impl Adopters {
    /// The parts of a table with so many entries that hold all their connections.
    pub fn parts(&self, entries: Option<u32>) -> Vec<Part> {
        Part::covering(self.endpoints.keys().copied(), entries, |address| {
            [Part::OpenedBy(address), Part::OpenedTo(address)]
        })
    }
}

/// The key of a flow of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// IPv4.
    V4(FlowKey<1>),
    /// IPv6.
    V6(FlowKey<4>),
}

impl Key {
    /// The key of the flow of a pod and a peer; `None` for addresses of two families, between which
    /// there is none.
    pub fn of(pod: IpAddr, peer: IpAddr, ports: u32, protocol: u8) -> Option<Self> {
        let protocol = u32::from(protocol);
        match (pod, peer) {
            (IpAddr::V4(pod), IpAddr::V4(peer)) => Some(Self::V4(FlowKey {
                pod: v4(pod),
                peer: v4(peer),
                ports,
                protocol,
            })),
            (IpAddr::V6(pod), IpAddr::V6(peer)) => Some(Self::V6(FlowKey {
                pod: v6(pod),
                peer: v6(peer),
                ports,
                protocol,
            })),
            _ => None,
        }
    }
}

/// A flow to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Where.
    pub key: Key,
    /// What.
    pub flow: Flow,
    /// See [`Adopter::tracked`].
    pub tracked: bool,
}

/// The flows of one connection: of the endpoint that opened it, and of the one it was opened to.
/// `now` is in the jiffies of the programs.
pub fn seeds(entry: &Entry, adopters: &Adopters, now: u32) -> impl Iterator<Item = Seed> {
    let Entry {
        protocol,
        original,
        reply,
        state,
    } = *entry;
    let opener = original.source;
    let untracked = opener == reply.source || adopters.node.contains(&opener);
    let opened = Some((original, Direction::Egress));
    let taken = (!untracked).then_some((reply, Direction::Ingress));
    let sides = opened.into_iter().chain(taken);
    sides.filter_map(move |(tuple, direction)| {
        let adopter = adopters.endpoints.get(&tuple.source)?;
        Some(Seed {
            key: key(&tuple, protocol, direction)?,
            flow: Flow {
                endpoint: adopter.endpoint,
                revision: UNJUDGED,
                last_seen: now,
                initiator: direction as u8,
                state: match state {
                    State::Open => 0,
                    State::Closing => Flow::CLOSING,
                    // The rule of the ports is as good a guess as any.
                    State::PickedUp => return None,
                },
            },
            tracked: adopter.tracked,
        })
    })
}

/// The key of a flow whose pod sends this; `None` for a protocol whose ports only the table reads.
pub fn key(tuple: &Tuple, protocol: u8, opened: Direction) -> Option<Key> {
    let ports = match (protocol, tuple.ports, opened) {
        (number::TCP | number::UDP | number::SCTP, Ports::Pair(pod, peer), _) => pair(pod, peer),
        (_, Ports::Echo(identifier), Direction::Egress) => pair(identifier, ECHO),
        (_, Ports::Echo(identifier), Direction::Ingress) => pair(ECHO, identifier),
        (_, Ports::None, _) => 0,
        (_, Ports::Pair(..), _) => return None,
    };
    Key::of(tuple.source, tuple.destination, ports, protocol)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NOW: u32 = 4_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn tuple(source: &str, destination: &str, ports: Ports) -> Tuple {
        Tuple {
            source: ip(source),
            destination: ip(destination),
            ports,
        }
    }

    fn entry(protocol: u8, original: Tuple, reply: Tuple) -> Entry {
        Entry {
            protocol,
            original,
            reply,
            state: State::Open,
        }
    }

    fn adopters(addresses: &[&str]) -> Adopters {
        let numbered = addresses.iter().zip(1..).map(|(address, endpoint)| {
            let tracked = false;
            (ip(address), Adopter { endpoint, tracked })
        });
        Adopters {
            endpoints: numbered.collect(),
            node: [ip("192.0.2.1")].into(),
        }
    }

    fn found(entry: &Entry, addresses: &[&str]) -> Vec<Seed> {
        seeds(entry, &adopters(addresses), NOW).collect()
    }

    fn v4_key(pod: &str, peer: &str, ports: u32, protocol: u32) -> Key {
        let [IpAddr::V4(pod), IpAddr::V4(peer)] = [ip(pod), ip(peer)] else {
            unreachable!("IPv4 addresses");
        };
        Key::V4(FlowKey {
            pod: v4(pod),
            peer: v4(peer),
            ports,
            protocol,
        })
    }

    #[test]
    fn a_translated_connection_is_to_each_pod_what_its_link_sees() {
        let through_a_service = entry(
            number::TCP,
            tuple("10.0.0.1", "10.96.0.10", Ports::Pair(5000, 80)),
            tuple("10.0.0.2", "192.0.2.1", Ports::Pair(8080, 6000)),
        );
        let seeds = found(&through_a_service, &["10.0.0.1", "10.0.0.2"]);
        let keys: Vec<Key> = seeds.iter().map(|seed| seed.key).collect();
        assert_eq!(
            keys,
            [
                v4_key("10.0.0.1", "10.96.0.10", pair(5000, 80), 6),
                v4_key("10.0.0.2", "192.0.2.1", pair(8080, 6000), 6),
            ]
        );
        let flows = seeds.iter().map(|seed| seed.flow);
        let who: Vec<_> = flows
            .map(|flow| (flow.endpoint, flow.direction()))
            .collect();
        assert_eq!(who, [(1, Direction::Egress), (2, Direction::Ingress)]);
    }

    #[test]
    fn what_the_own_node_or_the_pod_itself_opened_to_the_pod_stays_untracked() {
        let from_the_node = entry(
            number::TCP,
            tuple("192.0.2.1", "10.0.0.2", Ports::Pair(5000, 80)),
            tuple("10.0.0.2", "192.0.2.1", Ports::Pair(80, 5000)),
        );
        assert_eq!(found(&from_the_node, &["10.0.0.2"]), []);
        let hairpin = entry(
            number::TCP,
            tuple("10.0.0.2", "10.96.0.10", Ports::Pair(5000, 80)),
            tuple("10.0.0.2", "192.0.2.1", Ports::Pair(8080, 5000)),
        );
        let seeds = found(&hairpin, &["10.0.0.2"]);
        let sides: Vec<_> = seeds.iter().map(|seed| seed.flow.direction()).collect();
        assert_eq!(sides, [Direction::Egress]);
    }

    #[test]
    fn only_the_adopters_connections_become_flows() {
        let other = entry(
            number::UDP,
            tuple("10.0.0.1", "10.0.0.2", Ports::Pair(53, 53)),
            tuple("10.0.0.2", "10.0.0.1", Ports::Pair(53, 53)),
        );
        assert_eq!(found(&other, &["10.0.0.3"]), []);
        assert_eq!(found(&other, &["10.0.0.2"]).len(), 1);
    }

    #[test]
    fn an_echo_is_keyed_as_the_programs_key_it() {
        let ping = |protocol, from, to| {
            entry(
                protocol,
                tuple(from, to, Ports::Echo(77)),
                tuple(to, from, Ports::Echo(77)),
            )
        };
        let v4 = found(&ping(number::ICMP, "10.0.0.1", "10.0.0.2"), &["10.0.0.1"]);
        assert_eq!(v4[0].key, v4_key("10.0.0.1", "10.0.0.2", pair(77, 8), 1));
        let pinged = found(&ping(number::ICMP, "10.0.0.1", "10.0.0.2"), &["10.0.0.2"]);
        assert_eq!(
            pinged[0].key,
            v4_key("10.0.0.2", "10.0.0.1", pair(8, 77), 1)
        );
        let v6 = found(&ping(number::ICMPV6, "fd00::1", "fd00::2"), &["fd00::2"]);
        assert!(matches!(&v6[0].key, Key::V6(key)
            if (key.ports, key.protocol) == (pair(8, 77), 58)));
    }

    #[test]
    fn what_is_adopted_is_judged_before_it_passes() {
        let mut closing = entry(
            number::TCP,
            tuple("10.0.0.1", "10.0.0.2", Ports::Pair(5000, 80)),
            tuple("10.0.0.2", "10.0.0.1", Ports::Pair(80, 5000)),
        );
        let open = found(&closing, &["10.0.0.1"])[0].flow;
        assert_eq!((open.revision, open.last_seen), (UNJUDGED, NOW));
        assert_eq!(open.state, 0);
        closing.state = State::Closing;
        assert_eq!(found(&closing, &["10.0.0.1"])[0].flow.state, Flow::CLOSING);
    }

    #[test]
    fn who_opened_what_the_table_picked_up_is_nobodys_knowledge() {
        let mut picked_up = entry(
            number::TCP,
            tuple("10.0.0.1", "10.0.0.2", Ports::Pair(5000, 80)),
            tuple("10.0.0.2", "10.0.0.1", Ports::Pair(80, 5000)),
        );
        picked_up.state = State::PickedUp;
        assert_eq!(found(&picked_up, &["10.0.0.1", "10.0.0.2"]), []);
    }

    #[test]
    fn protocols_have_the_ports_that_the_programs_read() {
        let with = |protocol, ports| {
            entry(
                protocol,
                tuple("10.0.0.1", "10.0.0.2", ports),
                tuple("10.0.0.2", "10.0.0.1", ports),
            )
        };
        let esp = found(&with(50, Ports::None), &["10.0.0.1"]);
        assert_eq!(esp[0].key, v4_key("10.0.0.1", "10.0.0.2", 0, 50));
        let lite = with(136, Ports::Pair(1, 2));
        assert_eq!(found(&lite, &["10.0.0.1"]), []);
    }

    #[test]
    fn few_pods_ask_a_large_table_for_their_own_connections_only() {
        let one = adopters(&["10.0.0.1"]);
        assert_eq!(one.parts(Some(100)), [Part::Whole]);
        let v4 = Ipv4Addr::new(10, 0, 0, 1);
        let own = [Part::OpenedBy(v4), Part::OpenedTo(v4)];
        assert_eq!(one.parts(Some(262_144)), own);
        let dual = adopters(&["fd00::1", "10.0.0.1"]);
        assert_eq!(dual.parts(Some(262_144)), [own[0], own[1], Part::V6]);
        let many = adopters(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"]);
        assert_eq!(many.parts(Some(262_144)), [Part::Whole]);
    }
}
