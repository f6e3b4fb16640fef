use enforcer_flows::Record;
use serde_json::{Value, json};

use super::*;
use crate::export::form::Missed;

fn record(value: Value) -> Record {
    serde_json::from_value(value).unwrap()
}

/// web in the namespace default is not let in by db in the namespace prod.
fn denied() -> Record {
    record(
        json!({"sequence": 1_763_700_000_000_007_u64, "time": "2026-11-21T08:00:01.000000009Z",
        "node": "n2", "kind": "denied", "reason": "policy-denied", "direction": "ingress",
        "hook": "ingress", "endpoint": "prod/db", "protocol": "TCP", "flags": "S",
        "source": {"address": "10.244.0.2", "port": 40000, "pod": "default/web", "node": "n1",
            "workload": "Deployment/web", "labels": {"app": "web"}, "identity": 7},
        "destination": {"address": "10.244.0.3", "port": 80, "pod": "prod/db", "node": "n2",
            "workload": "Cluster/db", "identity": 9},
        "policies": ["prod/db", "prod/deny"],
        "nearest": {"policy": "prod/db", "rule": "ingress[0]", "lacks": ["peer", "port"]},
        "count": 3, "length": 74}),
    )
}

/// As the protocol's definition has them.
mod fields {
    pub(super) const LOGS_DATA: &[&str] = &["resourceLogs"];
    pub(super) const RESOURCE_LOGS: &[&str] = &["resource", "scopeLogs", "schemaUrl"];
    pub(super) const RESOURCE: &[&str] = &["attributes", "droppedAttributesCount", "entityRefs"];
    pub(super) const SCOPE_LOGS: &[&str] = &["scope", "logRecords", "schemaUrl"];
    pub(super) const SCOPE: &[&str] = &["name", "version", "attributes", "droppedAttributesCount"];
    pub(super) const LOG_RECORD: &[&str] = &[
        "timeUnixNano",
        "observedTimeUnixNano",
        "severityNumber",
        "severityText",
        "body",
        "attributes",
        "droppedAttributesCount",
        "flags",
        "traceId",
        "spanId",
        "eventName",
    ];
}

/// The value of a member, of an object that has only such members.
fn member<'a>(value: &'a Value, known: &[&str], name: &str) -> &'a Value {
    let object = value.as_object().unwrap();
    for key in object.keys() {
        assert!(known.contains(&key.as_str()), "no member {key}");
    }
    &object[name]
}

fn only(value: &Value) -> &Value {
    let list = value.as_array().unwrap();
    assert_eq!(list.len(), 1);
    &list[0]
}

/// A value without its type.
fn plain(value: &Value) -> Value {
    let (kind, value) = only_member(value);
    match kind {
        "stringValue" => {
            assert!(value.is_string());
            value.clone()
        }
        "intValue" => {
            let number: i64 = value.as_str().unwrap().parse().unwrap();
            json!(number)
        }
        "arrayValue" => {
            let values = member(value, &["values"], "values").as_array().unwrap();
            values.iter().map(plain).collect()
        }
        other => panic!("{other}"),
    }
}

fn only_member(value: &Value) -> (&str, &Value) {
    let object = value.as_object().unwrap();
    assert_eq!(object.len(), 1, "{value}");
    let (key, value) = object.iter().next().unwrap();
    (key, value)
}

/// Attributes as a map; each is there once.
fn attributes(list: &Value) -> Value {
    let mut map = serde_json::Map::new();
    for entry in list.as_array().unwrap() {
        let key = member(entry, &["key", "value"], "key").as_str().unwrap();
        let before = map.insert(key.to_owned(), plain(&entry["value"]));
        assert_eq!(before, None, "{key} twice");
    }
    map.into()
}

/// The resource's attributes, and the only log record.
fn taken_apart(data: &LogsData) -> (Value, Value) {
    let data = serde_json::to_value(data).unwrap();
    let of_resource = only(member(&data, fields::LOGS_DATA, "resourceLogs"));
    let resource = member(of_resource, fields::RESOURCE_LOGS, "resource");
    let resource = attributes(member(resource, fields::RESOURCE, "attributes"));
    let of_scope = only(&of_resource["scopeLogs"]);
    let scope = member(of_scope, fields::SCOPE_LOGS, "scope");
    assert_eq!(member(scope, fields::SCOPE, "name"), "enforcer.flows");
    (resource, only(&of_scope["logRecords"]).clone())
}

#[test]
fn a_denial_is_a_log_record_by_the_names_of_the_conventions() {
    let record = denied();
    let (resource, log) = taken_apart(&of_record(&record));
    let version = env!("CARGO_PKG_VERSION");
    let expected =
        json!({"service.name": "enforcer", "service.version": version, "k8s.node.name": "n2"});
    assert_eq!(resource, expected);
    let time = member(&log, fields::LOG_RECORD, "timeUnixNano");
    assert_eq!(time, "1795248001000000009");
    assert_eq!(log["observedTimeUnixNano"], *time);
    assert_eq!(
        (&log["severityNumber"], &log["severityText"]),
        (&json!(13), &json!("WARN"))
    );
    assert_eq!(log["eventName"], "enforcer.flow.denied");
    assert_eq!(plain(&log["body"]), record.to_string());
    let expected = json!({
        "enforcer.sequence": 1_763_700_000_000_007_u64,
        "enforcer.verdict": "denied",
        "enforcer.reason": "policy-denied",
        "enforcer.direction": "ingress",
        "enforcer.hook": "ingress",
        "network.type": "ipv4",
        "network.transport": "tcp",
        "enforcer.protocol": "TCP",
        "enforcer.flags": "S",
        "source.address": "10.244.0.2",
        "source.port": 40000,
        "source.enforcer.identity": 7,
        "source.k8s.namespace.name": "default",
        "source.k8s.pod.name": "web",
        "source.k8s.deployment.name": "web",
        "source.enforcer.workload": "Deployment/web",
        "source.k8s.pod.label.app": "web",
        "source.k8s.node.name": "n1",
        "destination.address": "10.244.0.3",
        "destination.port": 80,
        "destination.enforcer.identity": 9,
        "destination.k8s.namespace.name": "prod",
        "destination.k8s.pod.name": "db",
        // A kind that the conventions do not know.
        "destination.enforcer.workload": "Cluster/db",
        "destination.k8s.node.name": "n2",
        "k8s.namespace.name": "prod",
        "k8s.pod.name": "db",
        "enforcer.policies": ["prod/db", "prod/deny"],
        "enforcer.nearest.policy": "prod/db",
        "enforcer.nearest.rule": "ingress[0]",
        "enforcer.nearest.lacks": ["peer", "port"],
        "enforcer.count": 3,
        "enforcer.length": 74,
    });
    assert_eq!(attributes(&log["attributes"]), expected);
}

#[test]
fn what_is_not_denied_is_no_warning() {
    let flow = json!({"sequence": 1, "time": "2026-11-21T08:00:00Z", "kind": "closed",
        "reason": "allowed", "direction": "egress", "hook": "egress", "protocol": "ICMPv6",
        "icmp": {"type": 128, "code": 0},
        "source": {"address": "fd00::1"},
        "destination": {"address": "fd00::2", "service": "prod/db"}, "policies": [],
        "allowed_by": {"policy": "prod/db", "rule": "egress[0]"}, "count": 1, "length": 0,
        "total": {"packets": 2, "bytes": 128, "duration_ns": 5}});
    let (resource, log) = taken_apart(&of_record(&record(flow)));
    assert_eq!(resource["k8s.node.name"], Value::Null);
    assert_eq!(
        (&log["severityNumber"], &log["severityText"]),
        (&json!(9), &json!("INFO"))
    );
    assert_eq!(log["eventName"], "enforcer.flow.closed");
    let said = attributes(&log["attributes"]);
    for (key, value) in [
        ("network.type", json!("ipv6")),
        ("network.transport", Value::Null),
        ("enforcer.protocol", json!("ICMPv6")),
        ("enforcer.icmp.type", json!(128)),
        ("enforcer.icmp.code", json!(0)),
        ("destination.k8s.namespace.name", json!("prod")),
        ("destination.k8s.service.name", json!("db")),
        ("enforcer.allowed_by.policy", json!("prod/db")),
        ("enforcer.allowed_by.rule", json!("egress[0]")),
        ("enforcer.total.packets", json!(2)),
        ("enforcer.total.bytes", json!(128)),
        ("enforcer.total.duration_ns", json!(5)),
    ] {
        assert_eq!(said[key], value, "{key}");
    }
}

#[test]
fn missed_records_are_a_log_record_too() {
    let missed = Missed {
        records: 12,
        time: "2026-11-21T08:00:00Z".parse().unwrap(),
        node: Some("n1"),
    };
    let (resource, log) = taken_apart(&of_missed(&missed));
    assert_eq!(resource["k8s.node.name"], "n1");
    assert_eq!(log["eventName"], "enforcer.flow.missed");
    assert_eq!(
        attributes(&log["attributes"]),
        json!({"enforcer.missed": 12})
    );
}

/// What the document says of attributes is what there is.
#[test]
fn the_document_names_every_attribute() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/export.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, log) = taken_apart(&of_record(&denied()));
    let said = attributes(&log["attributes"]);
    for key in said.as_object().unwrap().keys() {
        let key = key
            .trim_start_matches("source.k8s.")
            .trim_start_matches("destination.k8s.")
            .trim_start_matches("source.")
            .trim_start_matches("destination.");
        let key = match key {
            "deployment.name" => "KIND.name",
            "pod.label.app" => "pod.label.KEY",
            key => key,
        };
        assert!(document.contains(key), "no {key}");
    }
}
