//! Clusters whose policies are long.

use serde_json::{Value, json};

use super::{app_of_ten, ingress, labelled, port, team};
use crate::scale::world::{Shape, Size};

pub(super) fn all() -> Vec<Shape> {
    vec![
        Shape {
            name: "ten-thousand-rules",
            about: "four policies of 10,000 rules each in one namespace, each rule another app and port; \
                    the others have one rule",
            resize: Some(|size| Size {
                namespaces: 1,
                ..size
            }),
            is_square: false,
            namespace: team,
            pod: |_, number| crate::scale::world::Labelled {
                namespace: 0,
                labels: vec![super::pair("app", number)],
            },
            policy: |size, number| {
                let app = |number: usize| labelled(&[("app", (number % size.pods).to_string())]);
                let rule = |index: usize| {
                    json!({"from": [{"podSelector": app(index + number)}],
                        "ports": port(1 + (index * 2) % 60_000)})
                };
                let rules = if number < 4 || number == size.policies {
                    size.pods.min(10_000)
                } else {
                    1
                };
                let rules = Value::from((0..rules).map(rule).collect::<Vec<_>>());
                let spec = json!({"podSelector": app(number), "policyTypes": ["Ingress"], "ingress": rules});
                (0, spec)
            },
        },
        Shape {
            name: "many-ports",
            about: "every policy has 200 ports, in 1,000 different lists",
            resize: None,
            is_square: false,
            namespace: team,
            pod: app_of_ten,
            policy: |size, number| {
                let list = number % 1_000;
                let port =
                    |index: usize| json!({"protocol": "TCP", "port": 1 + list + index * 300});
                let ports = Value::from((0..200).map(port).collect::<Vec<_>>());
                let pods = |shift: usize| {
                    labelled(&[("app", ((number / size.namespaces + shift) % 10).to_string())])
                };
                let from = json!([{"podSelector": pods(1)}]);
                (number % size.namespaces, ingress(&pods(0), &from, &ports))
            },
        },
    ]
}
