//! What the fields of a NetworkPolicy mean.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::abi::Direction;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Objects;
use super::objects::{labels_of, long_running_containers, namespace_labels, namespace_of};
use super::party::Party;

/// The destination port of a connection.
pub(super) struct Port<'a> {
    pub(super) protocol: u8,
    pub(super) number: u16,
    /// The pod it belongs to, when the destination is one: the only place where names of ports are
    /// defined.
    pub(super) destination: Option<&'a Pod>,
}

/// Whether the policy selects the pod and is about this direction.
pub(super) fn isolates(policy: &NetworkPolicy, pod: &Pod, direction: Direction) -> bool {
    let Some(spec) = &policy.spec else {
        return false;
    };
    namespace_of(&policy.metadata) == namespace_of(&pod.metadata)
        && spec
            .pod_selector
            .as_ref()
            .is_none_or(|selector| selects(selector, &labels_of(&pod.metadata)))
        && is_about(spec, direction)
}

/// `policyTypes`. Where it is missing, every policy is about ingress, and about egress if it has
/// any egress rule.
fn is_about(spec: &NetworkPolicySpec, direction: Direction) -> bool {
    let types = spec.policy_types.as_deref().unwrap_or_default();
    match direction {
        Direction::Ingress => types.is_empty() || types.iter().any(|t| t == "Ingress"),
        Direction::Egress if types.is_empty() => {
            spec.egress.as_ref().is_some_and(|rules| !rules.is_empty())
        }
        Direction::Egress => types.iter().any(|t| t == "Egress"),
    }
}

/// Whether any rule of the policy allows the peer and the port.
pub(super) fn allows(
    objects: &Objects,
    policy: &NetworkPolicy,
    direction: Direction,
    peer: &Party<'_>,
    port: &Port<'_>,
) -> bool {
    let Some(spec) = &policy.spec else {
        return false;
    };
    let namespace = namespace_of(&policy.metadata);
    let rule_allows = |peers: &Option<Vec<_>>, ports: &Option<Vec<_>>| {
        any_peer_matches(objects, namespace, peers.as_deref(), peer)
            && any_port_matches(ports.as_deref(), port)
    };
    match direction {
        Direction::Ingress => {
            let mut rules = spec.ingress.iter().flatten();
            rules.any(|rule| rule_allows(&rule.from, &rule.ports))
        }
        Direction::Egress => {
            let mut rules = spec.egress.iter().flatten();
            rules.any(|rule| rule_allows(&rule.to, &rule.ports))
        }
    }
}

/// A missing or empty list means every peer, inside the cluster and outside.
fn any_peer_matches(
    objects: &Objects,
    namespace: &str,
    peers: Option<&[NetworkPolicyPeer]>,
    party: &Party<'_>,
) -> bool {
    let peers = peers.unwrap_or_default();
    peers.is_empty()
        || peers
            .iter()
            .any(|peer| peer_matches(objects, namespace, peer, party))
}

fn peer_matches(
    objects: &Objects,
    policy_namespace: &str,
    peer: &NetworkPolicyPeer,
    party: &Party<'_>,
) -> bool {
    if let Some(block) = &peer.ip_block {
        return party
            .address
            .is_some_and(|address| block_contains(block, address));
    }
    let Some(pod) = party.pod() else {
        return false;
    };
    let namespace = namespace_of(&pod.metadata);
    let labels = labels_of(&pod.metadata);
    match (&peer.namespace_selector, &peer.pod_selector) {
        (None, None) => false,
        // Without a namespaceSelector it is the policy's own namespace.
        (None, Some(pods)) => namespace == policy_namespace && selects(pods, &labels),
        (Some(namespaces), pods) => {
            selects(namespaces, &namespace_labels(objects, namespace))
                && pods.as_ref().is_none_or(|pods| selects(pods, &labels))
        }
    }
}

fn block_contains(block: &IPBlock, address: IpAddr) -> bool {
    let contains = |cidr: &String| {
        cidr.parse::<IpNet>()
            .is_ok_and(|net| net.contains(&address))
    };
    contains(&block.cidr) && !block.except.iter().flatten().any(contains)
}

/// A missing or empty list means every port of every protocol.
fn any_port_matches(ports: Option<&[NetworkPolicyPort]>, port: &Port<'_>) -> bool {
    let ports = ports.unwrap_or_default();
    ports.is_empty() || ports.iter().any(|entry| port_matches(entry, port))
}

fn port_matches(entry: &NetworkPolicyPort, port: &Port<'_>) -> bool {
    let protocol = entry.protocol.as_deref().unwrap_or("TCP");
    if number_of(protocol) != Some(port.protocol) {
        return false;
    }
    let number = i32::from(port.number);
    match (&entry.port, entry.end_port) {
        (None, _) => true,
        (Some(IntOrString::Int(only)), None) => number == *only,
        (Some(IntOrString::Int(first)), Some(last)) => *first <= number && number <= last,
        (Some(IntOrString::String(name)), _) => port
            .destination
            .is_some_and(|pod| has_named_port(pod, name, protocol, number)),
    }
}

fn has_named_port(pod: &Pod, name: &str, protocol: &str, number: i32) -> bool {
    long_running_containers(pod)
        .flat_map(|container| container.ports.iter().flatten())
        .any(|port| {
            port.name.as_deref() == Some(name)
                && port.protocol.as_deref().unwrap_or("TCP") == protocol
                && port.container_port == number
        })
}

fn number_of(protocol: &str) -> Option<u8> {
    match protocol {
        "TCP" => Some(6),
        "UDP" => Some(17),
        "SCTP" => Some(132),
        _ => None,
    }
}

/// Everything in a selector must hold; an empty selector selects everything.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut wanted = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    wanted.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|expression| holds(expression, labels))
}

fn holds(expression: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let label = labels.get(&expression.key);
    let listed = |value| expression.values.iter().flatten().any(|v| v == value);
    match expression.operator.as_str() {
        "In" => label.is_some_and(listed),
        "NotIn" => !label.is_some_and(listed),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        _ => false,
    }
}
