//! Records and manifests of a small shop, as daemons and users write them.

use serde_json::{Value, json};

/// web (two pods) and api in `shop`, dns in `kube-system`, on two nodes.
pub(crate) const SHOP: &str = r#"
kind: Node
apiVersion: v1
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
kind: Node
apiVersion: v1
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}
---
kind: Pod
apiVersion: v1
metadata:
  name: web-5d4-a
  namespace: shop
  labels: {app: web, pod-template-hash: 5d4}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4, uid: "1", controller: true}]
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.244.0.2}]}
---
kind: Pod
apiVersion: v1
metadata:
  name: web-5d4-b
  namespace: shop
  labels: {app: web, pod-template-hash: 5d4}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4, uid: "1", controller: true}]
spec: {nodeName: n2, containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.244.0.3}]}
---
kind: Pod
apiVersion: v1
metadata:
  name: api-0
  namespace: shop
  labels: {app: api, statefulset.kubernetes.io/pod-name: api-0}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: api, uid: "2", controller: true}]
spec: {nodeName: n2, containers: [{name: c, image: i}]}
status: {podIPs: [{ip: 10.244.0.4}]}
---
kind: Pod
apiVersion: v1
metadata:
  name: dns-1-x
  namespace: kube-system
  labels: {k8s-app: kube-dns, pod-template-hash: "1"}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: dns-1, uid: "3", controller: true}]
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: dns, containerPort: 53, protocol: UDP}]}]}
status: {podIPs: [{ip: 10.244.0.5}]}
"#;

pub(crate) fn web_a() -> Value {
    json!({"address": "10.244.0.2", "pod": "shop/web-5d4-a", "node": "n1",
        "workload": "Deployment/web", "labels": {"app": "web", "pod-template-hash": "5d4"}})
}

pub(crate) fn web_b() -> Value {
    json!({"address": "10.244.0.3", "pod": "shop/web-5d4-b", "node": "n2",
        "workload": "Deployment/web", "labels": {"app": "web", "pod-template-hash": "5d4"}})
}

pub(crate) fn api() -> Value {
    json!({"address": "10.244.0.4", "pod": "shop/api-0", "node": "n2",
        "workload": "StatefulSet/api", "labels": {"app": "api"}})
}

pub(crate) fn dns() -> Value {
    json!({"address": "10.244.0.5", "pod": "kube-system/dns-1-x", "node": "n1",
        "workload": "Deployment/dns", "labels": {"k8s-app": "kube-dns", "pod-template-hash": "1"}})
}

pub(crate) fn node(name: &str, address: &str) -> Value {
    json!({"address": address, "node": name})
}

pub(crate) fn outside(address: &str) -> Value {
    json!({"address": address})
}

/// The record that the policed end of a connection makes: its source opens it in the given minute.
pub(crate) fn record(
    minute: u64,
    (kind, reason): (&str, &str),
    direction: &str,
    (from, to): (&Value, &Value),
    (protocol, port): (&str, u16),
) -> Value {
    let own = if direction == "egress" { from } else { to };
    let (mut source, mut destination) = (from.clone(), to.clone());
    if ["TCP", "UDP", "SCTP"].contains(&protocol) {
        source["port"] = json!(40_000);
        destination["port"] = json!(port);
    }
    let mut record = json!({"sequence": 100 + minute, "time": format!("2026-11-21T08:{minute:02}:00Z"),
        "kind": kind, "reason": reason, "direction": direction, "hook": direction,
        "protocol": protocol, "source": source, "destination": destination,
        "policies": [], "count": 1, "length": 74});
    for (member, value) in [("node", &own["node"]), ("endpoint", &own["pod"])] {
        if !value.is_null() {
            record[member] = value.clone();
        }
    }
    record
}

pub(crate) const OPENED: (&str, &str) = ("opened", "not-isolated");
pub(crate) const DENIED: (&str, &str) = ("denied", "policy-denied");
