//! Clusters whose peers are blocks or whole namespaces.

use serde_json::{Value, json};

use super::{app_of_ten, ingress, labelled, port, team};
use crate::scale::world::{Shape, Size};

pub(super) fn all() -> Vec<Shape> {
    outside().into_iter().chain(inside()).collect()
}

fn outside() -> Vec<Shape> {
    vec![
        Shape {
            name: "blocks",
            about: "200 policies of 1,000 blocks each, of which no two are the same",
            resize: Some(|size| Size {
                policies: size.policies.min(200),
                ..size
            }),
            is_square: false,
            namespace: team,
            pod: app_of_ten,
            policy: |size, number| {
                let block = |index: usize| {
                    let number = (number * 1_000 + index) % (1 << 24);
                    let [_, high, middle, low] = u32::try_from(number).unwrap_or(0).to_be_bytes();
                    json!({"ipBlock": {"cidr": format!("{}.{middle}.{low}.0/24", 100 + high)}})
                };
                let from = Value::from((0..1_000).map(block).collect::<Vec<_>>());
                let subject = labelled(&[("app", ((number / size.namespaces) % 10).to_string())]);
                (
                    number % size.namespaces,
                    ingress(&subject, &from, &port(80)),
                )
            },
        },
        Shape {
            name: "everywhere",
            about: "every policy allows the whole IPv4 internet but a block of its own (1,000 policies where all pods are local: they need the square of their number of verdicts)",
            resize: None,
            is_square: true,
            namespace: team,
            pod: app_of_ten,
            policy: |size, number| {
                let own = format!("100.{}.{}.0/24", number / 256 % 256, number % 256);
                let from = json!([{"ipBlock": {"cidr": "0.0.0.0/0",
                    "except": ["10.0.0.0/8", own]}}]);
                let subject = labelled(&[("app", ((number / size.namespaces) % 10).to_string())]);
                (
                    number % size.namespaces,
                    ingress(&subject, &from, &port(80)),
                )
            },
        },
    ]
}

fn inside() -> Vec<Shape> {
    vec![
        Shape {
            name: "pods-in-block",
            about: "every policy allows a block that covers every pod, and its namespace",
            resize: None,
            is_square: false,
            namespace: team,
            pod: app_of_ten,
            policy: |size, number| {
                let from = json!([{"podSelector": {}},
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": [format!("10.200.{}.0/24", number % 20)]}}]);
                let subject = labelled(&[("app", ((number / size.namespaces) % 10).to_string())]);
                (
                    number % size.namespaces,
                    ingress(&subject, &from, &port(80)),
                )
            },
        },
        Shape {
            name: "namespaces-only",
            about: "peers are whole namespaces, each by its name",
            resize: None,
            is_square: false,
            namespace: team,
            pod: app_of_ten,
            policy: |size, number| {
                let name = |number: usize| {
                    let name = format!("ns-{}", number % size.namespaces);
                    json!({"namespaceSelector":
                        labelled(&[("kubernetes.io/metadata.name", name)])})
                };
                let from = json!([name(number + 1), name(number / 7 + 3)]);
                let subject = labelled(&[("app", ((number / size.namespaces) % 10).to_string())]);
                (
                    number % size.namespaces,
                    ingress(&subject, &from, &port(80)),
                )
            },
        },
    ]
}
