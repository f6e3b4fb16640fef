//! The questions that are worth asking about a cluster.

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_policy::oracle::{Objects, Question, Side};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pools::OUTSIDE;

/// TCP, UDP, SCTP.
const WITH_PORTS: [u8; 3] = [6, 17, 132];
/// ICMP, ICMPv6, GRE.
const WITHOUT_PORTS: [u8; 3] = [1, 58, 47];

/// Every address of a pod with every address of pods, nodes and outside of the same family, both
/// ways, with every interesting port: a packet says no more than that.
pub fn by_address(objects: &Objects) -> Vec<Question> {
    let pods = pod_addresses(objects);
    let sides: Vec<Side> = addresses(objects).into_iter().map(Side::Address).collect();
    let mut questions = pairs(objects, &sides);
    questions.retain(|question| {
        [&question.from, &question.to]
            .into_iter()
            .any(|side| matches!(side, Side::Address(address) if pods.contains(address)))
    });
    questions
}

/// Every pair of pods by name, and of pods by name with everything else by address.
pub fn by_name(objects: &Objects) -> Vec<Question> {
    let pods = objects.pods.iter().map(|pod| {
        let metadata = &pod.metadata;
        Side::Pod(
            metadata
                .namespace
                .as_deref()
                .unwrap_or("default")
                .to_owned(),
            metadata.name.clone().unwrap_or_default(),
        )
    });
    let outside = OUTSIDE.iter().filter_map(|text| text.parse().ok());
    let nodes = node_addresses(objects);
    let others = outside.chain(nodes).map(Side::Address);
    let sides: Vec<Side> = pods.chain(others).collect();
    pairs(objects, &sides)
}

/// About `count` of the questions, evenly spread, from another start for every `seed`.
pub fn sample(questions: Vec<Question>, count: usize, seed: usize) -> Vec<Question> {
    // Odd, so that a stride does not fall into step with the ports of a pair.
    let stride = (questions.len() / count.max(1)) | 1;
    questions
        .into_iter()
        .skip(seed % stride)
        .step_by(stride)
        .collect()
}

fn pairs(objects: &Objects, sides: &[Side]) -> Vec<Question> {
    let ports = ports(objects);
    let mut questions = Vec::new();
    for from in sides {
        for to in sides.iter().filter(|to| may_meet(from, to)) {
            for (protocol, port) in &ports {
                questions.push(Question {
                    from: from.clone(),
                    to: to.clone(),
                    protocol: *protocol,
                    port: *port,
                });
            }
        }
    }
    questions
}

fn may_meet(from: &Side, to: &Side) -> bool {
    match (from, to) {
        (Side::Address(from), Side::Address(to)) => from.is_ipv4() == to.is_ipv4(),
        _ => true,
    }
}

fn addresses(objects: &Objects) -> BTreeSet<IpAddr> {
    let outside = OUTSIDE.iter().filter_map(|text| text.parse().ok());
    let mut addresses = pod_addresses(objects);
    addresses.extend(node_addresses(objects).chain(outside));
    addresses
}

fn pod_addresses(objects: &Objects) -> BTreeSet<IpAddr> {
    objects
        .pods
        .iter()
        .filter_map(|pod| pod.status.as_ref())
        .flat_map(|status| status.pod_ips.iter().flatten())
        .filter_map(|entry| entry.ip.parse().ok())
        .collect()
}

fn node_addresses(objects: &Objects) -> impl Iterator<Item = IpAddr> {
    objects
        .nodes
        .iter()
        .filter_map(|node| node.status.as_ref())
        .flat_map(|status| status.addresses.iter().flatten())
        .filter_map(|entry| entry.address.parse().ok())
}

/// The ports that policies and pods mention and their neighbours, the first and the last, and
/// protocols without ports.
fn ports(objects: &Objects) -> BTreeSet<(u8, u16)> {
    let mut numbers = BTreeSet::from([0, 65535]);
    for number in mentioned(objects) {
        numbers.extend([number.saturating_sub(1), number, number.saturating_add(1)]);
    }
    let with = WITH_PORTS
        .into_iter()
        .flat_map(|protocol| numbers.iter().map(move |number| (protocol, *number)));
    let without = WITHOUT_PORTS.into_iter().map(|protocol| (protocol, 0));
    with.chain(without).collect()
}

fn mentioned(objects: &Objects) -> BTreeSet<u16> {
    let specs = objects
        .policies
        .iter()
        .filter_map(|policy| policy.spec.as_ref());
    let in_policies = specs.flat_map(|spec| {
        let ingress = spec.ingress.iter().flatten();
        let ingress = ingress.flat_map(|rule| rule.ports.iter().flatten());
        let egress = spec.egress.iter().flatten();
        ingress.chain(egress.flat_map(|rule| rule.ports.iter().flatten()))
    });
    let in_policies = in_policies.flat_map(|port| {
        let number = match &port.port {
            Some(IntOrString::Int(number)) => Some(*number),
            _ => None,
        };
        number.into_iter().chain(port.end_port)
    });
    let in_pods = objects
        .pods
        .iter()
        .filter_map(|pod| pod.spec.as_ref())
        .flat_map(|spec| {
            spec.containers
                .iter()
                .chain(spec.init_containers.iter().flatten())
        })
        .flat_map(|container| container.ports.iter().flatten())
        .map(|port| port.container_port);
    let numbers = in_policies.chain(in_pods);
    numbers.filter_map(|n| u16::try_from(n).ok()).collect()
}
