//! Records for tests.

use enforcer_flows::Record;
use serde_json::{Value, json};

use crate::node::Node;

pub(crate) fn node() -> Node {
    Node {
        cluster: "default".to_owned(),
        name: "n2".to_owned(),
        version: "0.1.0".to_owned(),
        tls: true,
    }
}

pub(crate) fn read(value: Value) -> Record {
    serde_json::from_value(value).unwrap()
}

fn web() -> Value {
    json!({"address": "10.244.0.2", "port": 40000, "pod": "default/web", "node": "n1",
        "workload": "Deployment/web", "labels": {"app": "web", "pod-template-hash": "7d"},
        "identity": 7})
}

fn db() -> Value {
    json!({"address": "10.244.0.3", "port": 80, "pod": "prod/db", "node": "n2",
        "workload": "StatefulSet/db", "labels": {"app": "db"}, "identity": 9})
}

/// web in the namespace default reaches db in the namespace prod.
pub(crate) fn allowed() -> Record {
    read(
        json!({"sequence": 1, "time": "2026-11-21T08:00:00.123456789Z", "node": "n2",
        "kind": "opened", "reason": "allowed", "direction": "ingress", "hook": "ingress",
        "endpoint": "prod/db", "protocol": "TCP", "flags": "S", "source": web(),
        "destination": db(), "policies": ["prod/db", "prod/deny"],
        "allowed_by": {"policy": "prod/db", "rule": "ingress[0]"}, "count": 1, "length": 74}),
    )
}

/// And here it does not.
pub(crate) fn denied() -> Record {
    read(
        json!({"sequence": 2, "time": "2026-11-21T08:00:01Z", "node": "n2", "kind": "denied",
        "reason": "policy-denied", "direction": "ingress", "hook": "ingress",
        "endpoint": "prod/db", "protocol": "TCP", "source": web(), "destination": db(),
        "policies": ["prod/db", "prod/deny"],
        "nearest": {"policy": "prod/db", "rule": "ingress[0]",
            "lacks": ["peer has app=web, rule wants app=api"]},
        "count": 3, "length": 74}),
    )
}

/// An answer from outside to a ping, which is let through only because of audit mode.
pub(crate) fn ping() -> Record {
    read(
        json!({"sequence": 3, "time": "2026-11-21T08:00:02Z", "kind": "audited",
        "reason": "audit-denied", "direction": "egress", "hook": "ingress",
        "endpoint": "prod/db", "protocol": "ICMPv6", "icmp": {"type": 129, "code": 0},
        "source": {"address": "2001:db8::1", "identity": 0},
        "destination": {"address": "fd00::7", "node": "n2", "identity": 0},
        "policies": ["prod/deny"], "count": 1, "length": 118}),
    )
}

/// To a service, of which nothing is decided yet.
pub(crate) fn deferred() -> Record {
    read(
        json!({"sequence": 4, "time": "2026-11-21T08:00:03Z", "node": "n1", "kind": "opened",
        "reason": "deferred", "direction": "egress", "hook": "egress", "endpoint": "default/web",
        "protocol": "UDP", "source": web(), "destination": {"address": "10.96.0.10", "port": 53,
            "service": "kube-system/dns", "identity": 0},
        "policies": [], "count": 1, "length": 90}),
    )
}

/// A frame that is neither IP nor ARP, between nodes.
pub(crate) fn frame() -> Record {
    read(
        json!({"sequence": 5, "time": "2026-11-21T08:00:04Z", "node": "n1", "kind": "denied",
        "reason": "unknown-ethertype", "direction": "egress", "hook": "egress",
        "protocol": "ethertype 0x88cc", "source": {}, "destination": {}, "policies": [],
        "count": 1, "length": 60}),
    )
}

/// From another node to the world.
pub(crate) fn spoofed() -> Record {
    read(
        json!({"sequence": 6, "time": "2026-11-21T08:00:05Z", "node": "n1", "kind": "denied",
        "reason": "spoofed", "direction": "egress", "hook": "egress", "protocol": "SCTP",
        "source": {"address": "10.0.0.2", "port": 9, "node": "n2"},
        "destination": {"address": "192.0.2.1", "port": 99}, "policies": [],
        "count": 1, "length": 60}),
    )
}

pub(crate) fn all() -> [Record; 6] {
    [allowed(), denied(), ping(), deferred(), frame(), spoofed()]
}
