//! Objects and questions as a user would write them.

use enforcer_policy::oracle::{Objects, Question, ServiceQuestion, Side, Target};
use serde_json::{Value, json};

/// The objects as one file.
pub(crate) fn manifests(objects: &Objects) -> String {
    let lists = [
        json!(objects.nodes),
        json!(objects.namespaces),
        json!(objects.pods),
        json!(objects.policies),
        json!(objects.services),
        json!(objects.slices),
    ];
    let items = lists.iter().flat_map(|list| list.as_array().unwrap());
    let items: Vec<&Value> = items.collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// A question as a line of a batch.
pub(crate) fn line(question: &Question) -> String {
    let Question {
        from,
        to,
        protocol,
        port,
    } = question;
    let (protocol, port) = match protocol {
        1 | 58 => ("ICMP".to_owned(), None),
        6 | 17 | 132 => (protocol.to_string(), Some(port)),
        other => (other.to_string(), None),
    };
    json!({"from": side(from), "to": side(to), "protocol": protocol, "port": port}).to_string()
}

/// A question about a service as a line of a batch.
pub(crate) fn service_line(question: &ServiceQuestion) -> String {
    let to = match &question.to {
        Target::Name(namespace, name) => format!("svc/{namespace}/{name}"),
        Target::Address(address) => address.to_string(),
    };
    let ServiceQuestion { protocol, port, .. } = question;
    let from = side(&question.from);
    json!({"from": from, "to": to, "protocol": protocol.to_string(), "port": port}).to_string()
}

fn side(side: &Side) -> String {
    match side {
        Side::Pod(namespace, name) => format!("{namespace}/{name}"),
        Side::Address(address) => address.to_string(),
    }
}
