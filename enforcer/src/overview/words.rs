//! Policies in words.

use std::fmt::Display;

use enforcer_common::abi::Direction;
use enforcer_policy::intern::Name;
use enforcer_policy::model::NAMESPACE_NAME_LABEL;
use enforcer_policy::rule::{
    IpBlock, Namespaces, PeerSelector, Peers, PodSelector, Policy, PortMatch, Ports, Rule,
};
use enforcer_policy::selector::{LabelSelector, Test};

/// Whom a policy selects.
pub(super) fn subject(policy: &Policy) -> String {
    match policy.rules.first() {
        Some(rule) => pods(&rule.subject),
        None => "no pods".to_owned(),
    }
}

/// What a rule allows.
pub(super) fn rule(rule: &Rule) -> String {
    let preposition = match rule.direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    format!(
        "{preposition} {}, {}",
        peers(&rule.peers),
        ports(&rule.ports)
    )
}

fn peers(peers: &Peers) -> String {
    match peers {
        Peers::Any => "everybody".to_owned(),
        Peers::Of(peers) if peers.is_empty() => "nobody".to_owned(),
        Peers::Of(peers) => joined(peers.iter().map(peer), " or "),
    }
}

fn peer(peer: &PeerSelector) -> String {
    match peer {
        PeerSelector::Pods(selector) => pods(selector),
        PeerSelector::Block(block) => addresses(block),
    }
}

fn pods(selector: &PodSelector) -> String {
    let pods = if selector.pods.is_everything() {
        "all pods".to_owned()
    } else {
        format!("pods with {}", labels(&selector.pods))
    };
    match &selector.namespaces {
        Namespaces::Named(name) => format!("{pods} in {name}"),
        Namespaces::Matching(wanted) if wanted.is_everything() => {
            format!("{pods} in any namespace")
        }
        Namespaces::Matching(wanted) => match names(wanted) {
            Some(names) => format!("{pods} in {}", joined(names, " or ")),
            None => format!("{pods} in namespaces with {}", labels(wanted)),
        },
    }
}

/// The namespaces that a selector names by the label that each has with its name.
fn names(selector: &LabelSelector) -> Option<&[Name]> {
    let [only] = &selector.requirements[..] else {
        return None;
    };
    match &only.test {
        Test::In(names) if only.key == *NAMESPACE_NAME_LABEL => Some(names),
        _ => None,
    }
}

fn labels(selector: &LabelSelector) -> String {
    joined(selector.requirements.iter(), " and ")
}

fn addresses(block: &IpBlock) -> String {
    let cidr = block.cidr;
    if block.except.is_empty() {
        return cidr.to_string();
    }
    format!("{cidr} except {}", joined(&block.except, ", "))
}

fn ports(ports: &Ports) -> String {
    match ports {
        Ports::Any => "all ports".to_owned(),
        Ports::Of(ports) if ports.is_empty() => "no port".to_owned(),
        Ports::Of(ports) => joined(ports.iter().map(port), ", "),
    }
}

fn port(port: &PortMatch) -> String {
    format!("{} {}", port.protocol, port.port)
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>, separator: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(separator)
}
