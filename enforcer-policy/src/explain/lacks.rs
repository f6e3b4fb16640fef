//! What a connection lacks to be meant by a rule.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Asked, PeerIdentity};
use crate::intern::Name;
use crate::model::{Cluster, Pod, PodKey};
use crate::rule::{
    IpBlock, Namespaces, PeerSelector, Peers, PodSelector, PortMatch, PortSpec, Ports, Protocol,
    Rule,
};
use crate::selector::{LabelSelector, Labels, Requirement};

/// One thing that keeps a rule from matching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The rule means pods, and the peer is none.
    NotAPod(PeerIdentity),
    /// The peer is in another namespace.
    Namespace {
        /// Where the peer is.
        found: Name,
        /// Where the rule wants it.
        wanted: Name,
    },
    /// The peer's namespace does not have the label.
    NamespaceLabel {
        /// The namespace.
        namespace: Name,
        /// The label's value there.
        found: Option<Name>,
        /// What the rule wants.
        wanted: Requirement,
    },
    /// The peer does not have the label.
    PodLabel {
        /// The label's value at the peer.
        found: Option<Name>,
        /// What the rule wants.
        wanted: Requirement,
    },
    /// The peer has no address, and the rule means addresses.
    NoAddress(IpNet),
    /// The address is not in the block.
    NotInBlock(IpAddr, IpNet),
    /// The address is in the block, but left out.
    InExcept {
        /// The address.
        address: IpAddr,
        /// What is left out.
        except: IpNet,
        /// Of which block.
        cidr: IpNet,
    },
    /// The rule is for other protocols.
    Protocol {
        /// The protocol's number.
        found: u8,
        /// Those of the rule.
        wanted: Vec<Protocol>,
    },
    /// The rule is for other ports of the protocol.
    Port {
        /// The port.
        found: u16,
        /// Those of the rule.
        wanted: Vec<PortSpec>,
    },
    /// The destination does not define a port of this name and protocol.
    NoSuchPort {
        /// The name.
        name: Name,
        /// The protocol.
        protocol: Protocol,
        /// The destination, where it is a pod.
        destination: Option<PodKey>,
    },
    /// The name means other ports at the destination.
    NamedPort {
        /// The port.
        found: u16,
        /// The name in the rule.
        name: Name,
        /// What it means at the destination.
        means: Vec<u16>,
    },
}

/// What is lacking for a rule to match: of its peers and of its ports those that are nearest.
pub(super) fn of_rule(asked: &Asked<'_>, rule: &Rule) -> Vec<Lack> {
    let mut lacks = match &rule.peers {
        Peers::Any => Vec::new(),
        Peers::Of(peers) => fewest(peers.iter().map(|peer| of_peer(asked, peer))),
    };
    lacks.extend(of_ports(asked, &rule.ports));
    lacks
}

/// How much of its peers is lacking: as many as [`of_rule`] names.
pub(super) fn of_peers(asked: &Asked<'_>, peers: &Peers) -> usize {
    let Peers::Of(peers) = peers else {
        return 0;
    };
    let lacking = peers.iter().map(|peer| match (peer, asked.peer_pod) {
        (PeerSelector::Block(block), _) => {
            usize::from(of_block(block, asked.peer.address).is_some())
        }
        (PeerSelector::Pods(selector), Some((key, pod))) => {
            let of_namespace = match &selector.namespaces {
                Namespaces::Named(wanted) => usize::from(*wanted != key.namespace),
                Namespaces::Matching(labels) if labels.is_everything() => 0,
                Namespaces::Matching(labels) => {
                    let has = asked.cluster.namespace_labels(&key.namespace);
                    failing(labels, &has).count()
                }
            };
            of_namespace + failing(&selector.pods, &pod.labels).count()
        }
        (PeerSelector::Pods(_), None) => 1,
    });
    lacking.min().unwrap_or(0)
}

/// What of its ports is lacking.
pub(super) fn of_ports(asked: &Asked<'_>, ports: &Ports) -> Option<Lack> {
    match ports {
        Ports::Any => None,
        Ports::Of(ports) => of_matches(asked, ports),
    }
}

fn fewest(all: impl Iterator<Item = Vec<Lack>>) -> Vec<Lack> {
    all.min_by_key(Vec::len).unwrap_or_default()
}

fn of_peer(asked: &Asked<'_>, peer: &PeerSelector) -> Vec<Lack> {
    match (peer, &asked.peer.identity, asked.peer_pod) {
        (PeerSelector::Block(block), ..) => {
            of_block(block, asked.peer.address).into_iter().collect()
        }
        (PeerSelector::Pods(selector), _, Some((key, pod))) => {
            of_selector(asked.cluster, selector, key, pod)
        }
        (PeerSelector::Pods(_), PeerIdentity::Pod(_), None) => {
            vec![Lack::NotAPod(PeerIdentity::Outside)]
        }
        (PeerSelector::Pods(_), other, None) => vec![Lack::NotAPod(other.clone())],
    }
}

/// What a pod lacks to be selected.
pub(super) fn of_selector(
    cluster: &Cluster,
    selector: &PodSelector,
    key: &PodKey,
    pod: &Pod,
) -> Vec<Lack> {
    let mut lacks = Vec::new();
    match &selector.namespaces {
        Namespaces::Named(wanted) if *wanted != key.namespace => lacks.push(Lack::Namespace {
            found: key.namespace.clone(),
            wanted: wanted.clone(),
        }),
        Namespaces::Matching(labels) if !labels.is_everything() => {
            let has = cluster.namespace_labels(&key.namespace);
            lacks.extend(
                unmet(labels, &has).map(|(found, wanted)| Lack::NamespaceLabel {
                    namespace: key.namespace.clone(),
                    found,
                    wanted,
                }),
            );
        }
        Namespaces::Named(_) | Namespaces::Matching(_) => {}
    }
    let pods = unmet(&selector.pods, &pod.labels);
    lacks.extend(pods.map(|(found, wanted)| Lack::PodLabel { found, wanted }));
    lacks
}

/// The requirements that labels do not meet.
fn failing<'a>(
    selector: &'a LabelSelector,
    labels: &'a Labels,
) -> impl Iterator<Item = &'a Requirement> {
    let requirements = selector.requirements.iter();
    requirements.filter(|requirement| !requirement.matches(labels))
}

/// The same with the label that they have instead.
fn unmet<'a>(
    selector: &'a LabelSelector,
    labels: &'a Labels,
) -> impl Iterator<Item = (Option<Name>, Requirement)> + 'a {
    failing(selector, labels)
        .map(|requirement| (labels.get(&requirement.key).cloned(), requirement.clone()))
}

fn of_block(block: &IpBlock, address: Option<IpAddr>) -> Option<Lack> {
    let Some(address) = address else {
        return Some(Lack::NoAddress(block.cidr));
    };
    if !block.cidr.contains(&address) {
        return Some(Lack::NotInBlock(address, block.cidr));
    }
    let except = block.except.iter().find(|except| except.contains(&address));
    except.map(|except| Lack::InExcept {
        address,
        except: *except,
        cidr: block.cidr,
    })
}

/// What the ports of a rule lack; a port that the rule means lacks nothing.
fn of_matches(asked: &Asked<'_>, ports: &[PortMatch]) -> Option<Lack> {
    let mut of_protocol = ports
        .iter()
        .filter(|port| port.protocol.number() == asked.protocol)
        .peekable();
    if of_protocol.peek().is_none() {
        let mut wanted: Vec<Protocol> = ports.iter().map(|port| port.protocol).collect();
        wanted.sort_unstable();
        wanted.dedup();
        return Some(Lack::Protocol {
            found: asked.protocol,
            wanted,
        });
    }
    let mut wanted = Vec::new();
    for port in of_protocol {
        if port_matches(asked, port) {
            return None;
        }
        wanted.push(port);
    }
    Some(other_port(asked, &wanted))
}

fn port_matches(asked: &Asked<'_>, port: &PortMatch) -> bool {
    match &port.port {
        PortSpec::All => true,
        PortSpec::Range(first, last) => (*first..=*last).contains(&asked.port),
        PortSpec::Named(name) => named(asked, name, port.protocol).contains(&asked.port),
    }
}

/// What a name means at the destination.
fn named(asked: &Asked<'_>, name: &str, protocol: Protocol) -> Vec<u16> {
    let ports = asked
        .destination
        .into_iter()
        .flat_map(|(_, pod)| &pod.ports);
    ports
        .filter(|port| port.name == name && port.protocol == protocol)
        .map(|port| port.port)
        .collect()
}

fn other_port(asked: &Asked<'_>, wanted: &[&PortMatch]) -> Lack {
    if let [port] = wanted
        && let PortSpec::Named(name) = &port.port
    {
        let means = named(asked, name, port.protocol);
        let name = name.clone();
        if means.is_empty() {
            return Lack::NoSuchPort {
                name,
                protocol: port.protocol,
                destination: asked.destination.map(|(key, _)| key.clone()),
            };
        }
        return Lack::NamedPort {
            found: asked.port,
            name,
            means,
        };
    }
    Lack::Port {
        found: asked.port,
        wanted: wanted.iter().map(|port| port.port.clone()).collect(),
    }
}
