//! The cluster at first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enforcer_policy::oracle::Objects;
use k8s_openapi::api::core::v1::{Container, Node, NodeAddress, NodeStatus};
use k8s_openapi::api::core::v1::{Pod, PodIP, PodSpec, PodStatus};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::services::{SERVICES, service, slices};
use crate::generate::cluster::{containers, namespace, sidecars};
use crate::generate::policies::policy;
use crate::generate::pools::{
    HOMES, MAX_POLICIES, NAMESPACES, NODES, POD_LABELS, node_v4, node_v6,
};
use crate::generate::selectors::labels;

/// What the lab is like.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// How many nodes have a daemon. All others are only addresses outside.
    pub nodes: usize,
    /// Whether there is IPv4, and whether there is IPv6.
    pub families: (bool, bool),
}

/// Pods with a link, at first.
const LINKED: std::ops::RangeInclusive<usize> = 6..=12;

/// How a pod stands to its network.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// On a node with a daemon.
    Linked(usize),
    /// On another node.
    Remote,
    /// In its node's network.
    Host,
    /// Ended, and its address is still in its status.
    Ended(&'static str),
    /// Not started yet.
    Waiting,
}

/// A cluster of this layout and two more nodes.
pub fn objects(layout: Layout) -> impl Strategy<Value = Objects> {
    let nodes: Vec<_> = (0..NODES.len())
        .map(|number| node(number, layout))
        .collect();
    let policies: Vec<_> = (0..MAX_POLICIES).map(policy).collect();
    let namespaces = subsequence(NAMESPACES, 1..=NAMESPACES.len())
        .prop_flat_map(|names| names.into_iter().map(namespace).collect::<Vec<_>>());
    let services: Vec<_> = (0..SERVICES)
        .map(|number| service(number, layout))
        .collect();
    let policies = (policies, 2..=MAX_POLICIES);
    (namespaces, pods(layout), policies, (services, 0..=SERVICES)).prop_map(
        move |(namespaces, pods, (mut policies, count), (mut services, service_count))| {
            policies.truncate(count);
            services.truncate(service_count);
            let mut objects = Objects {
                nodes: nodes.clone(),
                namespaces,
                pods,
                policies,
                services,
                slices: Vec::new(),
            };
            objects.slices = slices(&objects);
            objects
        },
    )
}

fn pods(layout: Layout) -> impl Strategy<Value = Vec<Pod>> {
    let linked = vec((0..layout.nodes).prop_map(Kind::Linked), LINKED);
    let weird = prop_oneof![
        3 => Just(Kind::Remote),
        1 => Just(Kind::Host),
        1 => select(&["Succeeded", "Failed"][..]).prop_map(Kind::Ended),
        1 => Just(Kind::Waiting),
    ];
    (linked, vec(weird, 0..=3)).prop_flat_map(move |(linked, weird)| {
        let kinds = linked.into_iter().chain(weird).enumerate();
        kinds
            .map(|(number, kind)| pod(number, kind, layout))
            .collect::<Vec<_>>()
    })
}

/// A pod of a node with a daemon, with the addresses of this number.
pub(super) fn linked_pod(number: usize, layout: Layout) -> impl Strategy<Value = Pod> {
    (0..layout.nodes).prop_flat_map(move |node| pod(number, Kind::Linked(node), layout))
}

/// Containers with named ports.
pub(super) fn workload() -> impl Strategy<Value = (Vec<Container>, Vec<Container>)> {
    (containers(), sidecars())
}

fn pod(number: usize, kind: Kind, layout: Layout) -> impl Strategy<Value = Pod> {
    let families = match layout.families {
        (true, true) => select(&[(true, true), (true, true), (true, false), (false, true)][..]),
        _ => select(&[(true, true)][..]),
    };
    // One in six has no labels at all.
    let labels = prop_oneof![5 => labels(POD_LABELS).prop_map(Some), 1 => Just(None)];
    (select(HOMES), labels, families, workload()).prop_map(
        move |(home, labels, families, (containers, init_containers))| {
            let mut pod = Pod::default();
            pod.metadata.namespace = (home != "default").then(|| home.to_owned());
            pod.metadata.name = Some(format!("p{number}"));
            pod.metadata.labels = labels;
            pod.spec = Some(PodSpec {
                host_network: matches!(kind, Kind::Host).then_some(true),
                node_name: node_of(number, kind, layout).map(|node| NODES[node].to_owned()),
                containers,
                init_containers: Some(init_containers),
                ..PodSpec::default()
            });
            pod.status = Some(status(number, kind, families, layout));
            pod
        },
    )
}

fn node_of(number: usize, kind: Kind, layout: Layout) -> Option<usize> {
    match kind {
        Kind::Linked(node) => Some(node),
        Kind::Remote => Some(layout.nodes),
        Kind::Host => Some(number % (layout.nodes + 1)),
        Kind::Ended(_) => Some(0),
        Kind::Waiting => None,
    }
}

fn status(number: usize, kind: Kind, families: (bool, bool), layout: Layout) -> PodStatus {
    let addresses = match kind {
        Kind::Linked(node) => pod_addresses(node, number),
        Kind::Remote => pod_addresses(layout.nodes, number),
        Kind::Host => [0, 1].map(|family| node_address(number % (layout.nodes + 1), family == 1)),
        // Its address is another's by now.
        Kind::Ended(_) => pod_addresses(0, number / 2),
        Kind::Waiting => return PodStatus::default(),
    };
    let wanted = |address: &IpAddr| {
        let [of_pod, of_lab] =
            [families, layout.families].map(|(v4, v6)| if address.is_ipv4() { v4 } else { v6 });
        of_pod && of_lab
    };
    let phase = match kind {
        Kind::Ended(phase) => phase,
        _ => "Running",
    };
    let addresses = addresses.into_iter().filter(wanted);
    PodStatus {
        phase: Some(phase.to_owned()),
        pod_ips: Some(addresses.map(|ip| PodIP { ip: ip.to_string() }).collect()),
        ..PodStatus::default()
    }
}

/// The addresses of a pod with this number on a node with this number.
fn pod_addresses(node: usize, number: usize) -> [IpAddr; 2] {
    let [node, number] = [node, number + 2].map(|n| u8::try_from(n).unwrap_or(u8::MAX));
    let third = 0x244 + u16::from(node);
    [
        Ipv4Addr::new(10, 244 + node, 0, number).into(),
        Ipv6Addr::new(0xfd00, 0x10, third, 0, 0, 0, 0, number.into()).into(),
    ]
}

/// The address of a node of one family.
pub fn node_address(number: usize, v6: bool) -> IpAddr {
    let text = if v6 { node_v6(number) } else { node_v4(number) };
    text.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn node(number: usize, layout: Layout) -> Node {
    let families = [(layout.families.0, false), (layout.families.1, true)];
    let addresses = families
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .map(|(_, v6)| NodeAddress {
            address: node_address(number, v6).to_string(),
            type_: "InternalIP".to_owned(),
        });
    let mut node = Node::default();
    node.metadata.name = Some(NODES[number].to_owned());
    node.status = Some(NodeStatus {
        addresses: Some(addresses.collect()),
        ..NodeStatus::default()
    });
    node
}

/// Whether the pod has a link on a node.
pub fn is_linked(pod: &Pod, nodes: usize) -> bool {
    let spec = pod.spec.as_ref();
    let name = spec.and_then(|spec| spec.node_name.as_deref());
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let addresses = status.and_then(|status| status.pod_ips.as_deref());
    name.is_some_and(|name| NODES[..nodes.min(NODES.len())].contains(&name))
        && spec.is_some_and(|spec| spec.host_network != Some(true))
        && phase == Some("Running")
        && !addresses.unwrap_or_default().is_empty()
}
