//! What everything is made of.

/// Namespaces; each is described by an object only sometimes.
pub(super) const NAMESPACES: &[&str] = &["default", "dev", "prod", "ghost"];
/// Where pods and policies are: mostly together, so that policies select something.
pub(super) const HOMES: &[&str] = &[
    "default", "default", "default", "default", "dev", "prod", "ghost",
];
/// Nodes; likewise.
pub(super) const NODES: &[&str] = &["n1", "n2", "n3", "n4"];
/// Pods have these names by number, each of them in one namespace only.
pub(super) const MAX_PODS: usize = 10;
/// Policies have these names by number.
pub(super) const MAX_POLICIES: usize = 8;

/// Labels of pods and what they may be.
pub(super) const POD_LABELS: &[(&str, &[&str])] =
    &[("app", &["a", "b", "c"]), ("tier", &["x", "y"])];
/// Labels of namespaces and what they may be.
pub(super) const NAMESPACE_LABELS: &[(&str, &[&str])] = &[
    ("env", &["dev", "prod"]),
    ("kubernetes.io/metadata.name", NAMESPACES),
];

/// Names of ports.
pub(super) const PORT_NAMES: &[&str] = &["http", "dns", "metrics"];
/// Numbers of ports.
pub(super) const PORT_NUMBERS: &[i32] = &[1, 53, 80, 81, 8080, 65535];
/// Ranges of ports that touch, overlap and contain each other.
pub(super) const PORT_RANGES: &[(i32, i32)] = &[
    (1, 65535),
    (53, 53),
    (80, 90),
    (85, 8080),
    (82, 84),
    (8081, 65535),
];
/// Protocols of the API.
pub(super) const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// Blocks and what may be left out of them: they cover pods, nodes, and addresses outside.
pub(super) const BLOCKS: &[(&str, &[&str])] = &[
    (
        "0.0.0.0/0",
        &[
            "10.0.0.0/8",
            "10.244.0.0/29",
            "192.168.0.0/24",
            "203.0.113.0/25",
            "0.0.0.0/1",
        ],
    ),
    ("128.0.0.0/1", &["192.0.0.0/2", "192.168.0.2/32"]),
    (
        "10.244.0.0/16",
        &["10.244.0.0/28", "10.244.0.4/30", "10.244.0.3/32"],
    ),
    ("10.244.0.0/28", &["10.244.0.4/30", "10.244.0.2/32"]),
    ("10.244.0.4/30", &["10.244.0.5/32"]),
    ("10.244.0.7/32", &[]),
    ("192.168.0.0/24", &["192.168.0.1/32", "192.168.0.2/31"]),
    ("192.168.0.2/32", &[]),
    ("203.0.113.0/24", &["203.0.113.128/25", "203.0.113.7/32"]),
    ("203.0.113.7/32", &[]),
    (
        "::/0",
        &["fd00::/16", "2001:db8::/33", "fd00:10:244::4/126"],
    ),
    (
        "fd00:10:244::/64",
        &["fd00:10:244::4/126", "fd00:10:244::3/128"],
    ),
    ("fd00:1::/64", &["fd00:1::2/128"]),
    ("2001:db8::/32", &["2001:db8:8000::/33"]),
];

/// Addresses that belong to nobody; some lie among those of pods and nodes.
pub(super) const OUTSIDE: &[&str] = &[
    "203.0.113.7",
    "203.0.113.8",
    "203.0.113.200",
    "8.8.8.8",
    "10.244.0.99",
    "192.168.0.99",
    "2001:db8::1",
    "2001:db8:8000::1",
    "fd00:10:244::63",
    "2a00::1",
];

/// The IPv4 address of the pod with this number.
pub(super) fn pod_v4(number: usize) -> String {
    format!("10.244.0.{}", number + 2)
}

/// The IPv6 address of the pod with this number.
pub(super) fn pod_v6(number: usize) -> String {
    format!("fd00:10:244::{:x}", number + 2)
}

/// The IPv4 address of the node with this number.
pub(super) fn node_v4(number: usize) -> String {
    format!("192.168.0.{}", number + 1)
}

/// The IPv6 address of the node with this number.
pub(super) fn node_v6(number: usize) -> String {
    format!("fd00:1::{:x}", number + 1)
}
