//! Clusters whose labels and selectors are unusual.

use serde_json::json;

use super::{ingress, labelled, pair, port, team};
use crate::scale::world::{Labelled, Shape, Size};

/// Labels of which each halves the pods.
const BITS: usize = 12;

pub(super) fn all() -> Vec<Shape> {
    of_their_own().into_iter().chain(shared()).collect()
}

fn of_their_own() -> Vec<Shape> {
    vec![
        Shape {
            name: "pairs",
            about: "one namespace; every policy selects one pod of its own by two labels, the first the \
                    same for all, and allows another by two",
            resize: Some(|size| Size {
                namespaces: 1,
                ..size
            }),
            is_square: false,
            namespace: team,
            pod: |_, number| Labelled {
                namespace: 0,
                labels: vec![pair("env", "prod"), pair("id", number)],
            },
            policy: |size, number| {
                let pods = |number: usize| {
                    let id = (number % size.pods).to_string();
                    labelled(&[("env", "prod".to_owned()), ("id", id)])
                };
                let from = json!([{"podSelector": pods(number + 1)}]);
                (0, ingress(&pods(number), &from, &port(80)))
            },
        },
        Shape {
            name: "all-select",
            about: "one namespace; every policy selects every pod, every pod has labels of its own",
            resize: Some(|size| Size {
                namespaces: 1,
                ..size
            }),
            is_square: false,
            namespace: team,
            pod: |_, number| Labelled {
                namespace: 0,
                labels: vec![pair("app", number % 100), pair("id", number)],
            },
            policy: |_, number| {
                let from =
                    json!([{"podSelector": labelled(&[("app", (number % 100).to_string())])}]);
                (0, ingress(&json!({}), &from, &port(1_000 + number % 1_000)))
            },
        },
    ]
}

fn shared() -> Vec<Shape> {
    vec![
        Shape {
            name: "hundred-labels",
            about: "pods with 100 labels, selectors that ask any of them",
            resize: None,
            is_square: false,
            namespace: team,
            pod: |size, number| Labelled {
                namespace: number % size.namespaces,
                labels: (0..100)
                    .map(|label| pair(&format!("label-{label}"), (number + label) % 10))
                    .collect(),
            },
            policy: |size, number| {
                let label = format!("label-{}", number % 100);
                let pods = |value: usize| labelled(&[(label.as_str(), (value % 10).to_string())]);
                let from = json!([{"podSelector": pods(number / 100)}]);
                (
                    number % size.namespaces,
                    ingress(&pods(number / 100 + 1), &from, &port(80)),
                )
            },
        },
        Shape {
            name: "star",
            about: "one pod in a thousand is meant by the peers of every policy, the others by those of one",
            resize: None,
            is_square: false,
            namespace: team,
            pod: |size, number| {
                let app = if number % 1_000 == 7 {
                    "star".to_owned()
                } else {
                    number.to_string()
                };
                Labelled {
                    namespace: number % size.namespaces,
                    labels: vec![pair("app", app), pair("role", number % 50)],
                }
            },
            policy: |size, number| {
                let peers = json!({"matchExpressions": [
                    {"key": "app", "operator": "In", "values": ["star", number.to_string()]}]});
                let subject = labelled(&[("role", (number % 50).to_string())]);
                let from = json!([{"namespaceSelector": {}, "podSelector": peers}]);
                (
                    number % size.namespaces,
                    ingress(&subject, &from, &port(80)),
                )
            },
        },
        Shape {
            name: "explosion",
            about: "twelve labels that halve the pods and a selector for each: 4,096 identities, and \
                    every policy tells two halves apart",
            resize: None,
            is_square: false,
            namespace: team,
            pod: |size, number| {
                let mixed = number.wrapping_mul(0x9e37_79b9) >> 7;
                let bit = |bit: usize| pair(&format!("bit-{bit}"), (mixed >> bit) & 1);
                let mut labels: Vec<_> = (0..BITS).map(bit).collect();
                labels.push(pair("role", number % 100));
                Labelled {
                    namespace: number % size.namespaces,
                    labels,
                }
            },
            policy: |size, number| {
                let bit = format!("bit-{}", number % BITS);
                let peers = labelled(&[(bit.as_str(), "1".to_owned())]);
                let subject = labelled(&[("role", (number % 100).to_string())]);
                let from = json!([{"namespaceSelector": {}, "podSelector": peers}]);
                (
                    number % size.namespaces,
                    ingress(&subject, &from, &port(80)),
                )
            },
        },
    ]
}
