//! What a kubelet reads from objects and writes into them.

use std::net::{IpAddr, SocketAddr};

use enforcer_lab::{Node, Protocol};
use k8s_openapi::api::core::v1::{Container, Pod};
use serde_json::{Value, json};

use super::{ADDRESSES, BY_HAND};

/// What every container is said to run since.
const BEGIN: &str = "2026-01-01T00:00:00Z";

/// The Node object, and where its kubelet answers the API server: which is of this machine and reaches no
/// node of a lab. It tries a `Hostname` first.
pub(super) fn node(node: &Node, kubelet: SocketAddr) -> Value {
    let own = node.addresses();
    let own = own.iter().map(|address| ("InternalIP", *address));
    let addresses: Vec<Value> = [("Hostname", kubelet.ip())]
        .into_iter()
        .chain(own)
        .map(|(kind, address)| json!({"type": kind, "address": address}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": node.name, "labels": {"kubernetes.io/hostname": node.name}},
        "status": {
            "addresses": addresses,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port()}},
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Test",
                "lastHeartbeatTime": BEGIN, "lastTransitionTime": BEGIN,
            }],
        },
    })
}

/// The status of a pod that runs.
pub(super) fn running(pod: &Pod, node: &[IpAddr], addresses: &[IpAddr]) -> Value {
    let list = |addresses: &[IpAddr]| -> Vec<Value> {
        addresses.iter().map(|ip| json!({"ip": ip})).collect()
    };
    let conditions = ["Initialized", "PodScheduled", "ContainersReady", "Ready"];
    let conditions = conditions.map(|kind| json!({"type": kind, "status": "True"}));
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let containers: Vec<Value> = containers
        .map(|container| {
            json!({
                "name": container.name, "image": container.image, "imageID": "",
                "ready": true, "started": true, "restartCount": 0,
                "state": {"running": {"startedAt": BEGIN}},
            })
        })
        .collect();
    json!({
        "metadata": {"uid": pod.metadata.uid},
        "status": {
            "phase": "Running", "conditions": conditions, "containerStatuses": containers,
            "hostIP": node.first(), "hostIPs": list(node),
            "podIP": addresses.first(), "podIPs": list(addresses),
        },
    })
}

/// The addresses that a pod asks for.
pub(super) fn wanted_addresses(pod: &Pod) -> Result<Vec<IpAddr>, String> {
    let annotations = pod.metadata.annotations.iter().flatten();
    let mut asked = annotations.filter(|(key, _)| *key == ADDRESSES);
    let Some((_, text)) = asked.next() else {
        return Ok(Vec::new());
    };
    let parse = |one: &str| {
        let one = one.trim();
        one.parse()
            .map_err(|_| format!("annotation {ADDRESSES}: {one:?} is no address"))
    };
    text.split(',').map(parse).collect()
}

/// The ports of those containers of a pod that are `meant`, as far as they can be served.
pub(super) fn ports(pod: &Pod, meant: impl Fn(&Container) -> bool) -> Vec<(Protocol, u16)> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let containers = containers.filter(|container| meant(container));
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            let number = u16::try_from(port.container_port).ok()?;
            match port.protocol.as_deref() {
                Some("UDP") => Some((Protocol::Udp, number)),
                Some("SCTP") => None,
                _ => Some((Protocol::Tcp, number)),
            }
        })
        .collect()
}

/// Whether a pod is not the kubelet's.
pub(super) fn is_by_hand(pod: &Pod) -> bool {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.is_some_and(|all| all.contains_key(BY_HAND))
}

/// Whether a pod lives in its node's namespace.
pub(super) fn is_host(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    spec.and_then(|spec| spec.host_network).unwrap_or_default()
}

/// Whether a pod has ended by itself.
pub(super) fn is_over(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether the API server says of a pod that it has these addresses.
pub(super) fn has_addresses(pod: &Pod, addresses: &[IpAddr]) -> bool {
    let known = pod
        .status
        .iter()
        .filter_map(|status| status.pod_ips.as_ref());
    let known = known.flatten().map(|ip| ip.ip.clone());
    known.eq(addresses.iter().map(ToString::to_string))
}
