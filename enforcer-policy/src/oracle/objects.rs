//! Reading API objects, with the defaults that the API server would fill in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Objects;

/// The namespace of an object.
pub(super) fn namespace_of(metadata: &ObjectMeta) -> &str {
    metadata.namespace.as_deref().unwrap_or("default")
}

/// The labels of an object.
pub(super) fn labels_of(metadata: &ObjectMeta) -> BTreeMap<String, String> {
    metadata.labels.clone().unwrap_or_default()
}

/// The labels of a namespace, whether or not there is an object for it: the API server gives every
/// namespace its name as a label.
pub(super) fn namespace_labels(objects: &Objects, name: &str) -> BTreeMap<String, String> {
    let mut labels = objects
        .namespaces
        .iter()
        .find(|namespace| namespace.metadata.name.as_deref() == Some(name))
        .map(|namespace| labels_of(&namespace.metadata))
        .unwrap_or_default();
    labels.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
    labels
}

/// Namespace and name of a pod.
pub(super) fn name_of(pod: &Pod) -> (&str, &str) {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    (namespace_of(&pod.metadata), name)
}

/// Whether the pod is in the network of its node.
pub(super) fn is_host_network(pod: &Pod) -> bool {
    pod.spec
        .as_ref()
        .is_some_and(|spec| spec.host_network == Some(true))
}

/// Whether all containers of the pod have ended for good.
pub(super) fn is_terminated(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether policies and their selectors can mean this pod.
pub(super) fn is_selectable(pod: &Pod) -> bool {
    !is_host_network(pod) && !is_terminated(pod)
}

/// The node that the pod runs on.
pub(super) fn node_of(pod: &Pod) -> Option<&str> {
    let name = pod.spec.as_ref()?.node_name.as_deref();
    name.filter(|name| !name.is_empty())
}

/// The addresses of a pod, in the order of its status.
pub(super) fn pod_addresses(pod: &Pod) -> Vec<IpAddr> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let all = status.pod_ips.iter().flatten().map(|entry| &entry.ip);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for text in all.chain(&status.pod_ip) {
        if let Ok(address) = text.parse::<IpAddr>()
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

/// The addresses of a node; its entries of other types are names.
pub(super) fn node_addresses(node: &Node) -> Vec<IpAddr> {
    let status = node.status.as_ref();
    let entries = status.and_then(|status| status.addresses.as_deref());
    entries
        .unwrap_or_default()
        .iter()
        .filter(|entry| ["InternalIP", "ExternalIP"].contains(&entry.type_.as_str()))
        .filter_map(|entry| entry.address.parse().ok())
        .collect()
}

/// The containers that run as long as the pod does: also init containers that are restarted
/// ("sidecars").
pub(super) fn long_running_containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.as_ref();
    let sidecars = spec
        .and_then(|spec| spec.init_containers.as_deref())
        .unwrap_or_default()
        .iter()
        .filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let containers = spec.map(|spec| spec.containers.as_slice());
    containers.unwrap_or_default().iter().chain(sidecars)
}
