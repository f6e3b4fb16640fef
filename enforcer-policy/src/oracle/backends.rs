//! Who is behind a service.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Objects;
use super::objects::{
    is_host_network, is_terminated, labels_of, long_running_containers, namespace_of,
    node_addresses, node_of, pod_addresses,
};

/// One endpoint.
pub(super) struct Backend {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) node: Option<String>,
    pub(super) ready: bool,
    serving: bool,
    terminating: bool,
}

/// Those that kube-proxy sends new connections to.
pub(super) fn taking(all: Vec<Backend>) -> Vec<Backend> {
    let any_ready = all.iter().any(|one| one.ready);
    let mut taking: Vec<Backend> = Vec::new();
    for one in all {
        let takes = if any_ready {
            one.ready
        } else {
            one.serving && one.terminating
        };
        let known = |other: &Backend| (other.address, other.port) == (one.address, one.port);
        if takes && !taking.iter().any(known) {
            taking.push(one);
        }
    }
    taking
}

/// The addresses from which a pod can connect.
pub(super) fn reachable(objects: &Objects, pod: &Pod) -> Vec<IpAddr> {
    let addresses = pod_addresses(pod);
    if !addresses.is_empty() || !is_host_network(pod) {
        return addresses;
    }
    let mut nodes = objects.nodes.iter();
    let node = nodes.find(|node| node.metadata.name.as_deref() == node_of(pod));
    node.map(node_addresses).unwrap_or_default()
}

/// All endpoints of a service in a family, ready or not. Without a port, those of a headless service,
/// where clients choose the port: `asked`.
pub(super) fn endpoints(
    objects: &Objects,
    service: &Service,
    port: Option<&ServicePort>,
    asked: u16,
    six: bool,
) -> Vec<Backend> {
    let namespace = namespace_of(&service.metadata);
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let slices: Vec<&EndpointSlice> = objects
        .slices
        .iter()
        .filter(|slice| namespace_of(&slice.metadata) == namespace)
        .filter(|slice| {
            let labels = labels_of(&slice.metadata);
            labels.get("kubernetes.io/service-name").map(String::as_str) == Some(name)
        })
        .collect();
    if !slices.is_empty() {
        let wanted = if six { "IPv6" } else { "IPv4" };
        return slices
            .into_iter()
            .filter(|slice| slice.address_type == wanted)
            .flat_map(|slice| written(slice, port, asked))
            .collect();
    }
    let Some(spec) = &service.spec else {
        return Vec::new();
    };
    objects
        .pods
        .iter()
        .filter(|pod| namespace_of(&pod.metadata) == namespace)
        .filter_map(|pod| selected(spec, pod, port, asked, six))
        .collect()
}

fn written(slice: &EndpointSlice, port: Option<&ServicePort>, asked: u16) -> Vec<Backend> {
    let number = match port {
        None => Some(asked),
        Some(wanted) => slice.ports.iter().flatten().find_map(|entry| {
            let protocol = |text: &Option<String>| text.clone().unwrap_or("TCP".to_owned());
            let same = entry.name.clone().unwrap_or_default()
                == wanted.name.clone().unwrap_or_default()
                && protocol(&entry.protocol) == protocol(&wanted.protocol);
            entry.port.filter(|_| same)?.try_into().ok()
        }),
    };
    let entries = slice.endpoints.iter();
    entries
        .filter_map(|entry| from_slice(entry, number?))
        .collect()
}

fn from_slice(entry: &Endpoint, port: u16) -> Option<Backend> {
    let conditions = entry.conditions.clone().unwrap_or_default();
    let ready = conditions.ready.unwrap_or(true);
    Some(Backend {
        address: entry.addresses.first()?.parse().ok()?,
        port,
        node: entry.node_name.clone(),
        ready,
        serving: conditions.serving.unwrap_or(ready),
        terminating: conditions.terminating.unwrap_or(false),
    })
}

/// What the endpoint slice controller makes of a pod.
fn selected(
    spec: &ServiceSpec,
    pod: &Pod,
    port: Option<&ServicePort>,
    asked: u16,
    six: bool,
) -> Option<Backend> {
    let selector = spec.selector.clone().unwrap_or_default();
    let labels = labels_of(&pod.metadata);
    let selects = !selector.is_empty()
        && selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value));
    if !selects || is_terminated(pod) {
        return None;
    }
    let serving = is_ready(pod);
    let terminating = pod.metadata.deletion_timestamp.is_some();
    Some(Backend {
        address: pod_addresses(pod)
            .into_iter()
            .find(|address| address.is_ipv6() == six)?,
        port: match port {
            None => asked,
            Some(port) => target(port, pod)?,
        },
        node: node_of(pod).map(str::to_owned),
        ready: serving && !terminating || spec.publish_not_ready_addresses == Some(true),
        serving,
        terminating,
    })
}

/// A pod without conditions was written by hand.
fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.clone());
    let conditions = conditions.unwrap_or_default();
    conditions.is_empty()
        || conditions
            .iter()
            .any(|one| one.type_ == "Ready" && one.status == "True")
}

fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    let number = match &port.target_port {
        Some(IntOrString::Int(number)) if *number != 0 => *number,
        Some(IntOrString::String(name)) if !name.is_empty() => {
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            long_running_containers(pod)
                .flat_map(|container| container.ports.iter().flatten())
                .find(|one| {
                    one.name.as_deref() == Some(name)
                        && one.protocol.as_deref().unwrap_or("TCP") == protocol
                })?
                .container_port
        }
        _ => port.port,
    };
    number.try_into().ok()
}
