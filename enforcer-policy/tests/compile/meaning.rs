//! What the rules mean, asked one connection at a time.

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::abi::Direction;
use enforcer_policy::model::{Cluster, Pod, PodKey, Service};
use enforcer_policy::rule::{
    Namespaces, PeerSelector, Peers, PodSelector, PortSpec, Ports, Rule, RuleAction, Tier,
};

/// A new connection, seen from an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe<'a> {
    pub(crate) endpoint: &'a PodKey,
    pub(crate) direction: Direction,
    pub(crate) peer: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) port: u16,
}

/// Somebody who may be behind an address: a pod, or nobody known.
type Face<'a> = Option<(&'a PodKey, &'a Pod)>;

/// Whether the cluster's rules let the connection through. Of an address that several claim,
/// what is allowed for all of them.
pub(crate) fn allowed(cluster: &Cluster, probe: Probe<'_>) -> bool {
    allowed_on(cluster, &BTreeSet::new(), probe)
}

/// The same on a node with these addresses.
pub(crate) fn allowed_on(cluster: &Cluster, local: &BTreeSet<IpAddr>, probe: Probe<'_>) -> bool {
    let pod = &cluster.pods[probe.endpoint];
    if local.contains(&probe.peer) {
        return true;
    }
    if pod.addresses.contains(&probe.peer) || is_own_node(cluster, pod, probe.peer) {
        return true;
    }
    faces(cluster, probe.peer)
        .into_iter()
        .all(|face| face_allowed(cluster, (probe.endpoint, pod), face, probe))
}

/// Whether the destination may be translated behind the pod: a service has it, or its own node.
pub(crate) fn is_deferred(cluster: &Cluster, probe: Probe<'_>) -> bool {
    let services = cluster.services.values();
    let own_node = is_own_node(cluster, &cluster.pods[probe.endpoint], probe.peer);
    let mut addresses = services.flat_map(Service::addresses);
    probe.direction == Direction::Egress && (own_node || addresses.any(|one| one == probe.peer))
}

fn is_own_node(cluster: &Cluster, pod: &Pod, address: IpAddr) -> bool {
    let mut owners = cluster
        .nodes
        .iter()
        .filter(|(_, node)| node.addresses.contains(&address));
    match (owners.next(), owners.next()) {
        (Some((name, _)), None) => pod.node.as_deref() == Some(name.as_str()),
        _ => false,
    }
}

fn faces(cluster: &Cluster, address: IpAddr) -> Vec<Face<'_>> {
    let mut faces: Vec<Face<'_>> = cluster
        .pods
        .iter()
        .filter(|(_, pod)| pod.is_selectable() && pod.addresses.contains(&address))
        .map(Some)
        .collect();
    if faces.is_empty() || cluster.node_by_address(address).is_some() {
        faces.push(None);
    }
    faces
}

fn face_allowed(
    cluster: &Cluster,
    endpoint: (&PodKey, &Pod),
    face: Face<'_>,
    probe: Probe<'_>,
) -> bool {
    let rules: Vec<&Rule> = cluster
        .policies
        .values()
        .flat_map(|policy| &policy.rules)
        .filter(|rule| rule.direction == probe.direction)
        .filter(|rule| selects(cluster, &rule.subject, Some(endpoint)))
        .collect();
    let destination = match probe.direction {
        Direction::Ingress => Some(endpoint),
        Direction::Egress => face,
    };
    [Tier::Admin, Tier::NetworkPolicy, Tier::Baseline]
        .into_iter()
        .find_map(|tier| {
            let first = rules
                .iter()
                .filter(|rule| rule.tier == tier)
                .filter(|rule| means(cluster, &rule.peers, face, probe.peer))
                .filter(|rule| to_port(&rule.ports, destination, probe))
                .min_by_key(|rule| (rule.priority, rule.action))?;
            match first.action {
                RuleAction::Allow => Some(true),
                RuleAction::Deny => Some(false),
                RuleAction::Pass => None,
            }
        })
        .unwrap_or(true)
}

fn selects(cluster: &Cluster, selector: &PodSelector, face: Face<'_>) -> bool {
    face.is_some_and(|(key, pod)| {
        let in_namespace = match &selector.namespaces {
            Namespaces::Named(name) => *name == key.namespace,
            Namespaces::Matching(labels) => {
                labels.matches(&cluster.namespace_labels(&key.namespace))
            }
        };
        in_namespace && selector.pods.matches(&pod.labels)
    })
}

fn means(cluster: &Cluster, peers: &Peers, face: Face<'_>, address: IpAddr) -> bool {
    match peers {
        Peers::Any => true,
        Peers::Of(selectors) => selectors.iter().any(|selector| match selector {
            PeerSelector::Pods(pods) => selects(cluster, pods, face),
            PeerSelector::Block(block) => {
                block.cidr.contains(&address)
                    && !block.except.iter().any(|hole| hole.contains(&address))
            }
        }),
    }
}

fn to_port(ports: &Ports, destination: Face<'_>, probe: Probe<'_>) -> bool {
    match ports {
        Ports::Any => true,
        Ports::Of(matches) => matches.iter().any(|one| {
            one.protocol.number() == probe.protocol
                && match &one.port {
                    PortSpec::All => true,
                    PortSpec::Range(low, high) => (*low..=*high).contains(&probe.port),
                    PortSpec::Named(name) => destination.is_some_and(|(_, pod)| {
                        pod.ports.iter().any(|port| {
                            port.name == *name
                                && port.protocol == one.protocol
                                && port.port == probe.port
                        })
                    }),
                }
        }),
    }
}
