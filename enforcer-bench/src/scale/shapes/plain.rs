//! Clusters as they are, and in one namespace.

use serde_json::{Value, json};

use super::{app_of_ten, ingress, labelled, pair, port, team};
use crate::scale::world::{Labelled, Shape, Size};

pub(super) fn all() -> Vec<Shape> {
    vec![
        Shape {
            name: "spread",
            about: "ten pods and ten policies in each namespace; a policy for each app, both directions: \
                    a neighbour, another team's namespaces, a block, DNS",
            resize: None,
            is_square: false,
            namespace: team,
            pod: app_of_ten,
            policy: of_app,
        },
        Shape {
            name: "charts",
            about: "pods as Helm, Deployments, StatefulSets and Jobs label them, three of a kind",
            resize: None,
            is_square: false,
            namespace: team,
            pod: of_chart,
            policy: of_chart_policy,
        },
        Shape {
            name: "one-namespace",
            about: "all pods and policies in one namespace, 1,000 apps",
            resize: Some(|size| Size {
                namespaces: 1,
                ..size
            }),
            is_square: false,
            namespace: team,
            pod: |_, number| Labelled {
                namespace: 0,
                labels: vec![pair("app", number % 1_000)],
            },
            policy: |_, number| {
                let app =
                    |shift: usize| labelled(&[("app", ((number + shift) % 1_000).to_string())]);
                let from = json!([{"podSelector": app(1)}, {"podSelector": app(7)}]);
                (0, ingress(&app(0), &from, &port(1_000 + number % 64)))
            },
        },
        Shape {
            name: "one-label-set",
            about: "all pods have the same labels, in one namespace",
            resize: Some(|size| Size {
                namespaces: 1,
                ..size
            }),
            is_square: false,
            namespace: team,
            pod: |_, _| Labelled {
                namespace: 0,
                labels: vec![pair("app", "web")],
            },
            policy: |_, number| {
                let app = labelled(&[(
                    "app",
                    if number < 20 {
                        "web".to_owned()
                    } else {
                        number.to_string()
                    },
                )]);
                let from = json!([{"podSelector": labelled(&[("app", (number + 1).to_string())])}]);
                (0, ingress(&app, &from, &port(1_000 + number % 64)))
            },
        },
    ]
}

fn of_app(size: &Size, number: usize) -> (usize, Value) {
    let namespace = number % size.namespaces;
    let app = number / size.namespaces;
    let pods = |shift: usize| labelled(&[("app", ((app + shift) % 10).to_string())]);
    let other_team = labelled(&[("team", (number % 40).to_string())]);
    let block = format!("192.168.{}.0/24", number % 256);
    let except = format!("192.168.{}.128/25", number % 256);
    let system = labelled(&[("kubernetes.io/metadata.name", "ns-0".to_owned())]);
    let spec = json!({
        "podSelector": pods(0),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{
            "from": [
                {"podSelector": pods(1)},
                {"namespaceSelector": other_team, "podSelector": pods(3)},
                {"ipBlock": {"cidr": block, "except": [except]}},
            ],
            "ports": [{"protocol": "TCP", "port": 80, "endPort": 80 + number % 7},
                {"protocol": "TCP", "port": "http"}],
        }],
        "egress": [
            {"to": [{"namespaceSelector": system}], "ports": [{"protocol": "UDP", "port": 53}]},
            {"to": [{"podSelector": {}}]},
            {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}], "ports": port(443)},
        ],
    });
    (namespace, spec)
}

const APPS: [&str; 8] = [
    "frontend",
    "gateway",
    "payments",
    "cache",
    "orders-db",
    "worker",
    "search",
    "exporter",
];

/// Three pods of each controller, as charts and controllers label them.
fn of_chart(size: &Size, number: usize) -> Labelled {
    let controller = number / 3;
    let namespace = controller % size.namespaces;
    let app = APPS[controller % APPS.len()];
    let mut labels = vec![
        pair("app.kubernetes.io/name", app),
        pair("app.kubernetes.io/instance", format!("{app}-{namespace}")),
        pair(
            "app.kubernetes.io/component",
            if controller.is_multiple_of(2) {
                "server"
            } else {
                "worker"
            },
        ),
        pair("app.kubernetes.io/managed-by", "Helm"),
        pair(
            "app.kubernetes.io/version",
            format!("1.{}.{}", controller % 5, controller % 3),
        ),
        pair("team", controller % 40),
    ];
    match controller % 20 {
        0 | 1 => {
            labels.push(pair(
                "statefulset.kubernetes.io/pod-name",
                format!("{app}-{controller}-{}", number % 3),
            ));
            labels.push(pair(
                "controller-revision-hash",
                format!("{app}-{controller:x}"),
            ));
            labels.push(pair("apps.kubernetes.io/pod-index", number % 3));
        }
        2 => {
            labels.push(pair(
                "batch.kubernetes.io/job-name",
                format!("{app}-{controller}"),
            ));
            labels.push(pair("job-name", format!("{app}-{controller}")));
            labels.push(pair(
                "batch.kubernetes.io/controller-uid",
                format!("{controller:032x}"),
            ));
        }
        _ => labels.push(pair("pod-template-hash", format!("{controller:010x}"))),
    }
    Labelled { namespace, labels }
}

fn of_chart_policy(size: &Size, number: usize) -> (usize, Value) {
    let app = |shift: usize| APPS[(number + shift) % APPS.len()].to_owned();
    let own = labelled(&[("app.kubernetes.io/name", app(0))]);
    let server = |shift: usize| {
        labelled(&[
            ("app.kubernetes.io/name", app(shift)),
            ("app.kubernetes.io/component", "server".to_owned()),
        ])
    };
    let other_team = labelled(&[("team", (number % 40).to_string())]);
    let system = labelled(&[("kubernetes.io/metadata.name", "ns-0".to_owned())]);
    let spec = json!({
        "podSelector": own,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [{"podSelector": server(1)},
                {"namespaceSelector": other_team, "podSelector": server(2)}],
             "ports": [{"port": "http"}, {"port": 9090, "protocol": "TCP"}]},
            {"from": [{"ipBlock": {"cidr": format!("192.168.{}.0/24", number % 256)}}], "ports": port(8080)},
        ],
        "egress": [
            {"to": [{"namespaceSelector": system}], "ports": [{"port": 53, "protocol": "UDP"}]},
            {"to": [{"podSelector": {}}]},
        ],
    });
    (number % size.namespaces, spec)
}
