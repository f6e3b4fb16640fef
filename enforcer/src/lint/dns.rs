//! Pods that may not ask for names.

use enforcer_common::abi::Direction;
use enforcer_policy::rule::{
    Namespaces, Origin, PeerSelector, Peers, PortMatch, PortSpec, Ports, Protocol, Rule,
};

use super::{Finding, Scene, Subject};

const DNS: u16 = 53;

/// Egress is isolated, and no policy for the same pods lets them reach port 53. When nothing at all
/// is allowed to go out that may well be meant, and is only mentioned; so is DNS over UDP alone, which serves all
/// but long answers.
pub(super) fn egress_without_dns(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    if !subject.isolates(Direction::Egress) {
        return Vec::new();
    }
    let allowing: Vec<&Rule> = scene
        .policies_of(subject.namespace())
        .filter(|other| covers(other, subject))
        .flat_map(|other| &other.policy.rules)
        .filter(|rule| rule.direction == Direction::Egress && rule.origin != Origin::Isolation)
        .collect();
    let missing: Vec<_> = [Protocol::Udp, Protocol::Tcp]
        .into_iter()
        .filter(|protocol| !allowing.iter().any(|rule| allows(scene, rule, *protocol)))
        .map(|protocol| format!("{protocol} {DNS}"))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let field = ["spec.egress", "spec.policyTypes", "spec"]
        .into_iter()
        .find(|field| subject.at(field).is_some())
        .unwrap_or_default();
    let finding = Finding::warning(
        "no-dns",
        field,
        format!(
            "egress is isolated and no policy for these pods allows DNS ({})",
            missing.join(", ")
        ),
        "add an egress entry with ports UDP 53 and TCP 53, or another policy that has one",
    );
    let udp = allowing
        .iter()
        .any(|rule| allows(scene, rule, Protocol::Udp));
    if allowing.is_empty() || udp {
        vec![finding.info()]
    } else {
        vec![finding]
    }
}

/// Whether `other`, of the same namespace, selects every pod that `subject` selects, whatever pods
/// there are.
fn covers(other: &Subject<'_>, subject: &Subject<'_>) -> bool {
    match (other.policy.rules.first(), subject.policy.rules.first()) {
        (Some(wide), Some(narrow)) => {
            let (wide, narrow) = (&wide.subject.pods, &narrow.subject.pods);
            let mut wanted = wide.requirements.iter();
            wanted.all(|one| narrow.requirements.contains(one))
        }
        _ => false,
    }
}

fn allows(scene: &Scene<'_>, rule: &Rule, protocol: Protocol) -> bool {
    match &rule.ports {
        Ports::Any => reaches_a_server(&rule.peers),
        Ports::Of(list) => list
            .iter()
            .any(|port| port.protocol == protocol && is_dns(scene, rule, port)),
    }
}

fn is_dns(scene: &Scene<'_>, rule: &Rule, port: &PortMatch) -> bool {
    match &port.port {
        PortSpec::All => reaches_a_server(&rule.peers),
        // A single port 53 is meant for DNS, whoever the peers are.
        PortSpec::Range(low, high) if low == high => *low == DNS,
        PortSpec::Range(low, high) => {
            (*low..=*high).contains(&DNS) && reaches_a_server(&rule.peers)
        }
        PortSpec::Named(name) => {
            let mut ports = scene.cluster.pods.values().flat_map(|pod| &pod.ports);
            name.starts_with("dns") || ports.any(|one| one.name == *name && one.port == DNS)
        }
    }
}

/// Whether a name server may be among the peers: pods of the policy's own namespace hardly are.
fn reaches_a_server(peers: &Peers) -> bool {
    match peers {
        Peers::Any => true,
        Peers::Of(list) => list.iter().any(|peer| match peer {
            PeerSelector::Block(_) => true,
            PeerSelector::Pods(pods) => match &pods.namespaces {
                Namespaces::Named(name) => name == "kube-system",
                Namespaces::Matching(_) => true,
            },
        }),
    }
}
