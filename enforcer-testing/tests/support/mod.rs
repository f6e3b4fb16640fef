//! From API objects to the model and the tables, and questions to the tables.

use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::abi::Direction;
use enforcer_common::abi::address::NO_NODE;
use enforcer_policy::model::{Change, Cluster, PodKey};
use enforcer_policy::oracle::{Objects, Question, Side};
use enforcer_policy::tables::Tables;
use enforcer_policy::{api, lower};

/// The model of valid objects.
pub(crate) fn model(objects: &Objects) -> Cluster {
    let mut cluster = Cluster::default();
    for node in &objects.nodes {
        let (name, node) = api::node(node).unwrap();
        cluster.apply(Change::Node(name, Some(node)));
    }
    for namespace in &objects.namespaces {
        let (name, namespace) = api::namespace(namespace).unwrap();
        cluster.apply(Change::Namespace(name, Some(namespace)));
    }
    for pod in &objects.pods {
        let (key, pod) = api::pod(pod).unwrap();
        cluster.apply(Change::Pod(key, Some(pod)));
    }
    for policy in &objects.policies {
        let policy = lower::network_policy(policy).unwrap();
        cluster.apply(Change::Policy(policy.key.clone(), Some(Arc::new(policy))));
    }
    cluster
}

/// The address that a question's side is about, if it is about one.
pub(crate) fn address_of(side: &Side) -> Option<IpAddr> {
    match side {
        Side::Address(address) => Some(*address),
        Side::Pod(..) => None,
    }
}

/// What the tables say about a packet between two addresses, with every pod an endpoint: egress at
/// the source and ingress at the destination.
pub(crate) fn asked_of_tables(
    tables: &Tables,
    cluster: &Cluster,
    question: &Question,
) -> (bool, bool) {
    let from = address_of(&question.from).unwrap();
    let to = address_of(&question.to).unwrap();
    let end = |direction, own: IpAddr, peer: IpAddr| match cluster.pod_by_address(own) {
        None => true,
        Some((key, _)) => at_endpoint(tables, cluster, key, direction, peer, question),
    };
    (
        end(Direction::Egress, from, to),
        end(Direction::Ingress, to, from),
    )
}

fn at_endpoint(
    tables: &Tables,
    cluster: &Cluster,
    key: &PodKey,
    direction: Direction,
    peer: IpAddr,
    question: &Question,
) -> bool {
    let endpoint = &tables.endpoints[key];
    let found = tables.peer(peer);
    let own_pod = cluster.pods[key].addresses.contains(&peer);
    let own_node = endpoint.node != NO_NODE && found.node == endpoint.node;
    own_pod
        || own_node
        || tables.allows(
            endpoint.sets[direction.index()],
            found.identity,
            question.protocol,
            question.port,
        )
}
