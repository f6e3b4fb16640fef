//! Big clusters, as objects in JSON: pods of several kinds of controllers with all that these, charts
//! and the kubelet write into them, most of which must not be kept by anybody who watches.

use serde_json::{Value, json};

pub use pods::pod;

mod pods;

/// How much there is of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Nodes.
    pub nodes: usize,
    /// Namespaces.
    pub namespaces: usize,
    /// Pods.
    pub pods: usize,
    /// Policies.
    pub policies: usize,
    /// Services, each with an endpoint slice of three pods.
    pub services: usize,
}

/// Pods of one controller.
const REPLICAS: usize = 3;

/// The first node has this many pods.
const PODS_HERE: usize = 50;

const APPS: [&str; 8] = [
    "checkout-frontend",
    "api-gateway",
    "payments",
    "session-cache",
    "orders-postgresql",
    "notification-worker",
    "search",
    "metrics-exporter",
];

/// The name of a namespace.
pub fn name_of_namespace(number: usize) -> String {
    format!("team-{}-staging-{number:04}", APPS[number % APPS.len()])
}

/// The name of a node.
pub fn name_of_node(number: usize) -> String {
    let (high, low) = (number / 256, number % 256);
    format!("ip-10-240-{high}-{low}.eu-central-1.compute.internal")
}

fn app(controller: usize) -> &'static str {
    APPS[controller % APPS.len()]
}

/// Letters and digits as Kubernetes makes them from a hash.
fn hash(number: usize, length: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rest = number
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_usize);
    (0..length)
        .map(|_| {
            let letter = ALPHABET[rest % ALPHABET.len()];
            rest /= ALPHABET.len();
            char::from(letter)
        })
        .collect()
}

/// The name of the node that a pod is on.
fn node_of_pod(size: &Size, number: usize) -> String {
    if number < PODS_HERE {
        return name_of_node(0);
    }
    name_of_node(1 + number % (size.nodes - 1))
}

/// The pods' addresses: half of the pods have two.
fn addresses(number: usize) -> Vec<String> {
    let (high, middle, low) = (number >> 16, number >> 8 & 255, number & 255);
    let mut addresses = vec![format!("10.{high}.{middle}.{low}")];
    if number.is_multiple_of(2) {
        addresses.push(format!("fd00:10:244::{number:x}"));
    }
    addresses
}

/// A node.
pub fn node(number: usize) -> Value {
    let address = format!("10.240.{}.{}", number / 256, number % 256);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name_of_node(number)},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    })
}

/// A namespace.
pub fn namespace(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name_of_namespace(number), "labels": {
            "team": format!("team-{}", number % 40),
            "environment": "staging",
            "pod-security.kubernetes.io/enforce": "baseline",
        }},
    })
}

/// A policy for the pods of one controller: it allows a neighbour, another team's namespaces, a
/// block, and DNS.
pub fn policy(size: &Size, controller: usize) -> Value {
    let app = app(controller);
    let selector = |app: &str| {
        json!({"matchLabels": {
            "app.kubernetes.io/name": app,
            "app.kubernetes.io/component": "server",
        }})
    };
    let team = json!({"matchLabels": {"team": format!("team-{}", controller % 40)}});
    let system = json!({"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}});
    let block = format!("192.168.{}.0/24", controller % 256);
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {
            "namespace": name_of_namespace(controller % size.namespaces),
            "name": format!("{app}-{controller}-allow"),
        },
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": app}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [
                    {"podSelector": selector(APPS[(controller + 1) % APPS.len()])},
                    {"namespaceSelector": team, "podSelector": selector("api-gateway")},
                ], "ports": [{"port": "http"}, {"port": 9090, "protocol": "TCP"}]},
                {"from": [{"ipBlock": {"cidr": block}}], "ports": [{"port": 8080}]},
            ],
            "egress": [
                {"to": [{"namespaceSelector": system}], "ports": [{"port": 53, "protocol": "UDP"}]},
                {"to": [{"podSelector": {}}]},
            ],
        },
    })
}

fn name_of_service(controller: usize) -> String {
    format!("{}-{controller}", app(controller))
}

/// The service of one controller.
pub fn service(size: &Size, controller: usize) -> Value {
    let app = app(controller);
    let namespace = controller % size.namespaces;
    let address = format!("10.96.{}.{}", 1 + controller / 256, controller % 256);
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "namespace": name_of_namespace(namespace),
            "name": name_of_service(controller),
        },
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": ["IPv4"],
            "selector": {
                "app.kubernetes.io/name": app,
                "app.kubernetes.io/instance": format!("{app}-{namespace}"),
            },
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http"},
                {"name": "metrics", "port": 9090, "targetPort": 9090},
            ],
        },
    })
}

/// The endpoint slice of a service.
pub fn slice(size: &Size, controller: usize) -> Value {
    let endpoint = |replica| {
        let number = controller * REPLICAS + replica;
        let (namespace, name) = pods::key(size, number);
        json!({
            "addresses": [addresses(number)[0]],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": node_of_pod(size, number),
            "targetRef": {"kind": "Pod", "name": name, "namespace": namespace},
        })
    };
    let service = name_of_service(controller);
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "namespace": name_of_namespace(controller % size.namespaces),
            "name": format!("{service}-{}", hash(controller, 5)),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}, {"name": "metrics", "port": 9090}],
        "endpoints": (0..REPLICAS).map(endpoint).collect::<Vec<_>>(),
    })
}
