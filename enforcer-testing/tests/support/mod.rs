//! From API objects to the model.

use std::net::IpAddr;
use std::sync::Arc;

use enforcer_policy::model::{Change, Cluster};
use enforcer_policy::oracle::{Objects, Side};
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
    for service in &objects.services {
        let (key, service) = api::service(service).unwrap();
        cluster.apply(Change::Service(key, Some(service)));
    }
    for slice in &objects.slices {
        let (key, slice) = api::endpoint_slice(slice).unwrap();
        cluster.apply(Change::EndpointSlice(key, Some(slice)));
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
