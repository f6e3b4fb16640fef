//! The cluster that every engine gets: any number of policies, all of which select both pods and
//! one of which allows their traffic.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use enforcer_lab::Pod;

use super::traffic::PORTS;

/// Pods of a node that is in use: kubelets allow 110.
const PODS_HERE: usize = 100;

/// What the node is to enforce. Every policy isolates the client and the server in both directions
/// and lets them talk with its own peers, at some ports of TCP and UDP. The peers of the policy in the
/// middle are the client and the server; those of each other one are one pod of another node.
pub(super) struct Cluster<'a> {
    pub(super) policies: usize,
    pub(super) client: &'a Pod,
    pub(super) server: &'a Pod,
    pub(super) stranger: &'a Pod,
}

impl Cluster<'_> {
    /// The isolated pods.
    pub(super) fn members(&self) -> Vec<IpAddr> {
        [self.client, self.server]
            .into_iter()
            .filter_map(Pod::v4)
            .collect()
    }

    /// The peers of each policy.
    pub(super) fn peers(&self) -> Vec<Vec<IpAddr>> {
        let allowing = self.allowing();
        let peers = |policy| {
            if policy == allowing {
                self.members()
            } else {
                vec![far(policy)]
            }
        };
        (0..self.policies).map(peers).collect()
    }

    /// The policy that allows the traffic that is measured.
    const fn allowing(&self) -> usize {
        self.policies / 2
    }

    /// Addresses of other pods of the node that are isolated too: for rules that stand in a list of
    /// the node's pods, half of them before the two.
    pub(super) fn neighbours(&self) -> [Vec<IpAddr>; 2] {
        let others = self.policies.min(PODS_HERE).saturating_sub(2);
        let address = |number: usize| {
            let [.., high, low] = number.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(10, 244, 200 + high, low))
        };
        [
            (0..others / 2).map(address).collect(),
            (others / 2..others).map(address).collect(),
        ]
    }

    /// The same as objects, one JSON text after the other in a stream of YAML documents.
    pub(super) fn manifests(&self) -> String {
        let mut text =
            String::from(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"bench"}}"#);
        let allowing = self.allowing();
        for (pod, member) in [
            (self.client, true),
            (self.server, true),
            (self.stranger, false),
        ] {
            let group = if member { allowing } else { self.policies };
            let app = if member { "member" } else { "stranger" };
            for address in &pod.addresses {
                object(
                    &mut text,
                    &pod_object(&pod.name, app, group, "node", *address),
                );
            }
        }
        for policy in (0..self.policies).filter(|policy| *policy != allowing) {
            let name = format!("far-{policy}");
            object(
                &mut text,
                &pod_object(&name, "far", policy, "elsewhere", far(policy)),
            );
        }
        for policy in 0..self.policies {
            object(&mut text, &policy_object(policy));
        }
        text
    }
}

/// A pod of another node, of this policy alone.
fn far(policy: usize) -> IpAddr {
    let [.., high, low] = (policy + 1).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, 245, high, low))
}

fn object(text: &mut String, object: &serde_json::Value) {
    let _ = write!(text, "\n---\n{object}");
}

fn pod_object(
    name: &str,
    app: &str,
    group: usize,
    node: &str,
    address: IpAddr,
) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "bench",
            "labels": {"app": app, "group": format!("g{group}")},
        },
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "bench"}]},
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    })
}

fn policy_object(number: usize) -> serde_json::Value {
    let peers = serde_json::json!([
        {"podSelector": {"matchLabels": {"group": format!("g{number}")}}}
    ]);
    let ports = serde_json::json!([
        {"protocol": "TCP", "port": PORTS.start(), "endPort": PORTS.end()},
        {"protocol": "UDP", "port": PORTS.start(), "endPort": PORTS.end()}
    ]);
    serde_json::json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": format!("policy-{number}"), "namespace": "bench"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "member"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": peers, "ports": ports}],
            "egress": [{"to": peers, "ports": ports}],
        },
    })
}
