//! Random clusters.

use enforcer_policy::oracle::Objects;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, Namespace, Node, NodeAddress, NodeStatus, Pod, PodIP, PodSpec,
    PodStatus,
};
use proptest::collection::{btree_map, vec};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::policies::policy;
use super::pools::{
    HOMES, MAX_PODS, MAX_POLICIES, NAMESPACE_LABELS, NAMESPACES, NODES, POD_LABELS, PORT_NAMES,
    PORT_NUMBERS, PROTOCOLS, node_v4, node_v6, pod_v4, pod_v6,
};
use super::selectors::labels;

/// A cluster of 2 to 4 nodes, 1 to 4 described namespaces (pods may be in others), 2 to 10 pods and
/// up to 8 policies.
pub fn objects() -> impl Strategy<Value = Objects> {
    let nodes: Vec<_> = (0..NODES.len()).map(node).collect();
    let pods: Vec<_> = (0..MAX_PODS).map(pod).collect();
    let policies: Vec<_> = (0..MAX_POLICIES).map(policy).collect();
    (
        (nodes, 2..=NODES.len()),
        subsequence(NAMESPACES, 1..=NAMESPACES.len()).prop_flat_map(namespaces),
        (pods, 2..=MAX_PODS),
        (policies, 0..=MAX_POLICIES),
    )
        .prop_map(|(nodes, namespaces, pods, policies)| Objects {
            nodes: first(nodes),
            namespaces,
            pods: first(pods),
            policies: first(policies),
            ..Objects::default()
        })
}

fn first<T>((mut list, count): (Vec<T>, usize)) -> Vec<T> {
    list.truncate(count);
    list
}

fn namespaces(names: Vec<&'static str>) -> impl Strategy<Value = Vec<Namespace>> {
    names.into_iter().map(namespace).collect::<Vec<_>>()
}

/// The namespace of this name.
pub(super) fn namespace(name: &'static str) -> impl Strategy<Value = Namespace> {
    labels(&NAMESPACE_LABELS[..1]).prop_map(move |labels| {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        namespace.metadata.labels = Some(labels);
        namespace
    })
}

/// The node with this number.
pub(super) fn node(number: usize) -> impl Strategy<Value = Node> {
    let families = select(&[(true, true), (true, false), (false, true)][..]);
    families.prop_map(move |(v4, v6)| {
        let v4 = v4.then(|| node_v4(number));
        let v6 = v6.then(|| node_v6(number));
        let address = |address| NodeAddress {
            address,
            type_: "InternalIP".to_owned(),
        };
        let mut node = Node::default();
        node.metadata.name = Some(NODES[number].to_owned());
        node.status = Some(NodeStatus {
            addresses: Some(v4.into_iter().chain(v6).map(address).collect()),
            ..NodeStatus::default()
        });
        node
    })
}

/// How a pod stands to its network.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Own,
    Host,
    Ended(&'static str),
}

/// The pod with this number.
pub(super) fn pod(number: usize) -> impl Strategy<Value = Pod> {
    let kind = prop_oneof![
        8 => Just(Kind::Own),
        1 => Just(Kind::Host),
        1 => select(&["Succeeded", "Failed"][..]).prop_map(Kind::Ended),
    ];
    // An ended pod may still claim an address that another pod has by now.
    let families = select(
        &[
            (true, true),
            (true, true),
            (true, false),
            (false, true),
            (false, false),
        ][..],
    );
    (
        select(HOMES),
        labels(POD_LABELS),
        kind,
        weighted(0.9, 0..NODES.len()),
        families,
        (containers(), sidecars()),
    )
        .prop_map(
            move |(namespace, labels, kind, node, families, (containers, init_containers))| {
                let mut pod = Pod::default();
                pod.metadata.namespace = (namespace != "default").then(|| namespace.to_owned());
                pod.metadata.name = Some(format!("p{number}"));
                pod.metadata.labels = Some(labels);
                pod.spec = Some(PodSpec {
                    host_network: matches!(kind, Kind::Host).then_some(true),
                    node_name: node.map(|node| NODES[node].to_owned()),
                    containers,
                    init_containers: Some(init_containers),
                    ..PodSpec::default()
                });
                pod.status = Some(status(number, kind, node, families));
                pod
            },
        )
}

fn status(number: usize, kind: Kind, node: Option<usize>, (v4, v6): (bool, bool)) -> PodStatus {
    let (v4_text, v6_text) = match (kind, node) {
        (Kind::Host, Some(node)) => (node_v4(node), node_v6(node)),
        // Its address may be another's by now.
        (Kind::Ended(_), _) => (pod_v4(number / 2), pod_v6(number / 2)),
        _ => (pod_v4(number), pod_v6(number)),
    };
    let addresses = v4
        .then_some(v4_text)
        .into_iter()
        .chain(v6.then_some(v6_text));
    let phase = match kind {
        Kind::Ended(phase) => phase,
        Kind::Own | Kind::Host => "Running",
    };
    PodStatus {
        phase: Some(phase.to_owned()),
        pod_ips: Some(addresses.map(|ip| PodIP { ip }).collect()),
        ..PodStatus::default()
    }
}

pub(super) fn containers() -> impl Strategy<Value = Vec<Container>> {
    vec(container(Just(None)), 1..=2)
}

pub(super) fn sidecars() -> impl Strategy<Value = Vec<Container>> {
    vec(container(weighted(0.7, Just("Always"))), 0..=1)
}

/// Names of ports are unique within a container, as the API wants it.
fn container(
    restart_policy: impl Strategy<Value = Option<&'static str>>,
) -> impl Strategy<Value = Container> {
    let port = (select(PORT_NUMBERS), weighted(0.5, select(PROTOCOLS)));
    (restart_policy, btree_map(select(PORT_NAMES), port, 0..=2)).prop_map(
        |(restart_policy, ports)| Container {
            restart_policy: restart_policy.map(str::to_owned),
            ports: Some(ports.into_iter().map(container_port).collect()),
            ..Container::default()
        },
    )
}

fn container_port(
    (name, (container_port, protocol)): (&str, (i32, Option<&str>)),
) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port,
        protocol: protocol.map(str::to_owned),
        ..ContainerPort::default()
    }
}
