//! The objects of the cluster: pods and policies like those of a big one, and what is measured.

use std::net::IpAddr;

use enforcer_lab::Pod;
use enforcer_testing::big::{self, Size};
use serde_json::{Value, json};

/// The namespace of the pods that are measured, in which no other policies are.
pub(super) const MEASURED: &str = "measured";

/// Pods of the big cluster that are on the node, each with a link.
pub(super) const HERE: usize = 8;

/// The big cluster lays so many pods on its first node.
const FIRST_NODE: usize = 50;

/// How big the cluster is but for its policies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster {
    size: Size,
}

impl Cluster {
    /// As it is measured, or a small one.
    pub(super) fn new(quick: bool) -> Self {
        let namespaces = if quick { 10 } else { 500 };
        Self {
            size: Size {
                nodes: 20,
                namespaces,
                pods: FIRST_NODE + 3 * namespaces,
                policies: 0,
                services: 0,
            },
        }
    }

    pub(super) fn pods(self) -> usize {
        self.size.pods
    }

    /// Everything but pods and policies.
    pub(super) fn frame(self) -> Vec<Value> {
        let nodes = (0..self.size.nodes).map(big::node);
        let namespaces = (0..self.size.namespaces).map(big::namespace);
        let measured = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MEASURED},
        });
        nodes.chain(namespaces).chain([measured]).collect()
    }

    /// A pod, by its number. The first [`HERE`] are on the node.
    pub(super) fn pod(self, number: usize, address: Option<IpAddr>) -> Value {
        let mut pod = big::pod(&self.size, number);
        if number >= HERE {
            // Where the big cluster would have more of them on the node.
            let node = big::name_of_node(1 + number % (self.size.nodes - 1));
            pod["spec"]["nodeName"] = node.into();
        }
        if let Some(address) = address {
            put_address(&mut pod, address);
        }
        pod
    }

    /// A pod that is not on the node, with a label that policies look at changed every second turn.
    pub(super) fn relabelled(self, turn: usize) -> Value {
        let others = self.size.pods - HERE;
        let mut pod = self.pod(HERE + turn * 7919 % others, None);
        let component = if (turn / others).is_multiple_of(2) {
            "relabelled"
        } else {
            "server"
        };
        pod["metadata"]["labels"]["app.kubernetes.io/component"] = component.into();
        pod
    }

    /// A policy for others, by its number.
    pub(super) fn policy(self, number: usize) -> Value {
        big::policy(&self.size, number)
    }
}

/// The name of the node.
pub(super) fn node() -> String {
    big::name_of_node(0)
}

/// A pod that is measured, with the label `app: NAME`.
pub(super) fn measured(pod: &Pod, address: IpAddr) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": MEASURED, "name": pod.name, "labels": {"app": pod.name}},
        "spec": {"nodeName": node(), "containers": [{"name": "main", "image": "main"}]},
        "status": {"phase": "Running"},
    });
    put_address(&mut object, address);
    object
}

fn put_address(pod: &mut Value, address: IpAddr) {
    pod["status"]["podIP"] = json!(address);
    pod["status"]["podIPs"] = json!([{"ip": address}]);
}

/// The policy that is put in and changed: nobody reaches the pod, or its neighbour alone.
pub(super) fn gate(open: bool) -> Value {
    let from = json!([{"from": [{"podSelector": {"matchLabels": {"app": "near"}}}]}]);
    let ingress = if open { from } else { json!([]) };
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": MEASURED, "name": "gate"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "far"}},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    })
}

/// A policy that stays, for the pods whose connections go on meanwhile.
pub(super) fn standing() -> Value {
    let talk = json!({"podSelector": {"matchLabels": {"app": "talk"}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": MEASURED, "name": "standing"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "listen"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [talk], "ports": [{"port": 7, "protocol": "TCP"}]}],
        },
    })
}
