//! Objects as clusters have them: pods of several kinds of controllers, with the labels that these and
//! charts give them.

use enforcer_policy::{api, lower, model::Change};
use serde_json::{Value, json};

/// How much there is of what.
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) namespaces: usize,
    pub(crate) pods: usize,
    pub(crate) policies: usize,
    pub(crate) services: usize,
}

/// Pods of one controller.
const REPLICAS: usize = 3;
/// The node whose agent is measured has this many pods.
const PODS_HERE: usize = 50;
/// Its name.
pub(crate) const HERE: &str = "ip-10-240-0-0.eu-central-1.compute.internal";

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

fn name_of_namespace(number: usize) -> String {
    format!("team-{}-staging-{number:04}", APPS[number % APPS.len()])
}

fn name_of_node(number: usize) -> String {
    format!(
        "ip-10-240-{}-{}.eu-central-1.compute.internal",
        number / 256,
        number % 256
    )
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

struct Place {
    namespace: String,
    name: String,
    labels: Value,
}

fn place(size: &Size, number: usize) -> Place {
    let controller = number / REPLICAS;
    let namespace = name_of_namespace(controller % size.namespaces);
    let app = app(controller);
    let mut labels = json!({
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/instance": format!("{app}-{}", controller % size.namespaces),
        "app.kubernetes.io/component": if controller.is_multiple_of(2) { "server" } else { "worker" },
        "app.kubernetes.io/managed-by": "Helm",
        "team": format!("team-{}", controller % 40),
    });
    let mut put = |key: &str, value: String| labels[key] = Value::String(value);
    let name = match controller % 20 {
        // A StatefulSet's pod has labels of its own.
        0 | 1 => {
            let name = format!("{app}-{}-{}", controller % 97, number % REPLICAS);
            put("statefulset.kubernetes.io/pod-name", name.clone());
            put(
                "controller-revision-hash",
                format!("{app}-{}", hash(controller, 10)),
            );
            put(
                "apps.kubernetes.io/pod-index",
                (number % REPLICAS).to_string(),
            );
            name
        }
        2 => {
            let job = format!("{app}-{}", 29_000_000 + controller);
            put("batch.kubernetes.io/job-name", job.clone());
            put("job-name", job.clone());
            format!("{job}-{}", hash(number, 5))
        }
        _ => {
            let template = hash(controller, 10);
            put("pod-template-hash", template.clone());
            format!("{app}-{template}-{}", hash(number, 5))
        }
    };
    Place {
        namespace,
        name,
        labels,
    }
}

fn node_of_pod(size: &Size, number: usize) -> String {
    if number < PODS_HERE {
        return name_of_node(0);
    }
    name_of_node(1 + number % (size.nodes - 1))
}

fn addresses(number: usize) -> Vec<String> {
    let mut addresses = vec![format!(
        "10.{}.{}.{}",
        number >> 16,
        number >> 8 & 255,
        number & 255
    )];
    if number.is_multiple_of(2) {
        addresses.push(format!("fd00:10:244::{number:x}"));
    }
    addresses
}

pub(crate) fn pods(size: &Size) -> Vec<Change> {
    (0..size.pods)
        .map(|number| {
            let Place {
                namespace,
                name,
                labels,
            } = place(size, number);
            let ips: Vec<_> = addresses(number)
                .into_iter()
                .map(|ip| json!({"ip": ip}))
                .collect();
            let object = json!({
                "metadata": {"namespace": namespace, "name": name, "labels": labels},
                "spec": {
                    "nodeName": node_of_pod(size, number),
                    "containers": [{"name": "main", "ports": [
                        {"name": "http", "containerPort": 8080},
                        {"name": "metrics", "containerPort": 9090},
                    ]}],
                },
                "status": {"phase": "Running", "podIPs": ips,
                    "conditions": [{"type": "Ready", "status": "True"}]},
            });
            let object = serde_json::from_value(object).unwrap();
            let (key, pod) = api::pod(&object).unwrap();
            Change::Pod(key, Some(pod))
        })
        .collect()
}

pub(crate) fn nodes(size: &Size) -> Vec<Change> {
    (0..size.nodes)
        .map(|number| {
            let object = json!({
                "metadata": {"name": name_of_node(number)},
                "status": {"addresses": [{"type": "InternalIP",
                    "address": format!("10.240.{}.{}", number / 256, number % 256)}]},
            });
            let object = serde_json::from_value(object).unwrap();
            let (name, node) = api::node(&object).unwrap();
            Change::Node(name, Some(node))
        })
        .collect()
}

pub(crate) fn namespaces(size: &Size) -> Vec<Change> {
    (0..size.namespaces)
        .map(|number| {
            let object = json!({"metadata": {
                "name": name_of_namespace(number),
                "labels": {
                    "team": format!("team-{}", number % 40),
                    "environment": "staging",
                    "pod-security.kubernetes.io/enforce": "baseline",
                },
            }});
            let object = serde_json::from_value(object).unwrap();
            let (name, namespace) = api::namespace(&object).unwrap();
            Change::Namespace(name, Some(namespace))
        })
        .collect()
}

/// One policy for each of the first controllers: it allows a neighbour, another team's namespaces, a
/// block, and DNS.
pub(crate) fn policies(size: &Size) -> Vec<Change> {
    (0..size.policies)
        .map(|controller| {
            let app = app(controller);
            let selector = |app: &str| json!({"matchLabels": {
                "app.kubernetes.io/name": app,
                "app.kubernetes.io/component": "server",
            }});
            let object = json!({
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
                            {"namespaceSelector": {"matchLabels": {
                                "team": format!("team-{}", controller % 40)}},
                             "podSelector": selector("api-gateway")},
                         ], "ports": [{"port": "http"}, {"port": 9090, "protocol": "TCP"}]},
                        {"from": [{"ipBlock": {"cidr": format!("192.168.{}.0/24", controller % 256)}}],
                         "ports": [{"port": 8080}]},
                    ],
                    "egress": [
                        {"to": [{"namespaceSelector": {"matchLabels": {
                            "kubernetes.io/metadata.name": "kube-system"}}}],
                         "ports": [{"port": 53, "protocol": "UDP"}]},
                        {"to": [{"podSelector": {}}]},
                    ],
                },
            });
            let object = serde_json::from_value(object).unwrap();
            let policy = lower::network_policy(&object).unwrap();
            Change::Policy(policy.key.clone(), Some(policy.into()))
        })
        .collect()
}

fn name_of_service(controller: usize) -> String {
    format!("{}-{controller}", app(controller))
}

pub(crate) fn services(size: &Size) -> Vec<Change> {
    (0..size.services)
        .map(|controller| {
            let object = json!({
                "metadata": {
                    "namespace": name_of_namespace(controller % size.namespaces),
                    "name": name_of_service(controller),
                },
                "spec": {
                    "clusterIPs": [format!("10.96.{}.{}", controller / 256, controller % 256)],
                    "clusterIP": format!("10.96.{}.{}", controller / 256, controller % 256),
                    "ipFamilies": ["IPv4"],
                    "selector": {
                        "app.kubernetes.io/name": app(controller),
                        "app.kubernetes.io/instance":
                            format!("{}-{}", app(controller), controller % size.namespaces),
                    },
                    "ports": [{"name": "http", "port": 80, "targetPort": "http"},
                        {"name": "metrics", "port": 9090, "targetPort": 9090}],
                },
            });
            let object = serde_json::from_value(object).unwrap();
            let (key, service) = api::service(&object).unwrap();
            Change::Service(key, Some(service))
        })
        .collect()
}

pub(crate) fn slices(size: &Size) -> Vec<Change> {
    (0..size.services)
        .map(|controller| {
            let pods = (0..REPLICAS).map(|replica| controller * REPLICAS + replica);
            let endpoints: Vec<_> = pods
                .map(|number| {
                    let Place {
                        namespace, name, ..
                    } = place(size, number);
                    json!({
                        "addresses": [addresses(number)[0]],
                        "conditions": {"ready": true, "serving": true, "terminating": false},
                        "nodeName": node_of_pod(size, number),
                        "targetRef": {"kind": "Pod", "name": name, "namespace": namespace},
                    })
                })
                .collect();
            let service = name_of_service(controller);
            let object = json!({
                "metadata": {
                    "namespace": name_of_namespace(controller % size.namespaces),
                    "name": format!("{service}-{}", hash(controller, 5)),
                    "labels": {"kubernetes.io/service-name": service},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8080}, {"name": "metrics", "port": 9090}],
                "endpoints": endpoints,
            });
            let object = serde_json::from_value(object).unwrap();
            let (key, slice) = api::endpoint_slice(&object).unwrap();
            Change::EndpointSlice(key, Some(slice))
        })
        .collect()
}
