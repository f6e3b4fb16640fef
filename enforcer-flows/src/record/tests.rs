use serde_json::{Value, json};

use super::*;

fn read(value: Value) -> Record {
    serde_json::from_value(value).unwrap()
}

fn web() -> Value {
    json!({"address": "10.244.0.2", "port": 40000, "pod": "default/web", "node": "n1",
        "workload": "Deployment/web", "labels": {"app": "web", "tier": "front"}, "identity": 7})
}

fn db() -> Value {
    json!({"address": "10.244.0.3", "port": 80, "pod": "prod/db", "node": "n2",
        "workload": "StatefulSet/db", "labels": {"app": "db"}, "identity": 9})
}

/// web in the namespace default is let in by db in the namespace prod.
pub(crate) fn allowed() -> Record {
    read(
        json!({"sequence": 1, "time": "2026-11-21T08:00:00.123456789Z", "node": "n2",
        "kind": "opened", "verdict": "allowed", "reason": "allowed", "direction": "ingress",
        "hook": "ingress", "endpoint": "prod/db", "protocol": "TCP", "flags": "S",
        "source": web(), "destination": db(), "policies": ["prod/db", "prod/deny"],
        "allowed_by": {"policy": "prod/db", "rule": "ingress[0]"}, "count": 1, "length": 74}),
    )
}

/// And here it is not.
pub(crate) fn denied() -> Record {
    read(
        json!({"sequence": 2, "time": "2026-11-21T08:00:01.000000000Z", "node": "n2",
        "kind": "denied", "verdict": "denied", "reason": "policy-denied", "direction": "ingress",
        "hook": "ingress", "endpoint": "prod/db", "protocol": "TCP",
        "source": web(), "destination": db(), "policies": ["prod/db"],
        "nearest": {"policy": "prod/db", "rule": "ingress[0]",
            "lacks": ["peer has app=web, rule wants app=api"]},
        "count": 3, "length": 74}),
    )
}

/// A ping from outside that the node n3 lets pass on to nobody that is known.
pub(crate) fn ping() -> Record {
    read(
        json!({"sequence": 3, "time": "2026-11-21T08:00:02.000000000Z",
        "kind": "audited", "verdict": "audit", "reason": "policy-denied", "direction": "egress",
        "hook": "ingress", "protocol": "ICMPv6", "icmp": {"type": 128, "code": 0},
        "source": {"address": "fd00::7", "node": "n3", "identity": 0},
        "destination": {"address": "2001:db8::1", "identity": 0},
        "policies": [], "count": 1, "length": 118}),
    )
}

/// The end of a flow to a service.
pub(crate) fn closed() -> Record {
    read(
        json!({"sequence": 4, "time": "2026-11-21T08:00:03.000000000Z", "node": "n1",
        "kind": "closed", "verdict": "allowed", "reason": "deferred", "direction": "egress",
        "hook": "egress", "endpoint": "default/web", "protocol": "UDP", "source": web(),
        "destination": {"address": "10.96.0.10", "port": 53, "service": "kube-system/dns",
            "identity": 0},
        "policies": [], "count": 1, "length": 90,
        "total": {"packets": 12, "bytes": 3456, "duration_ns": 1_500_000_000_u64}}),
    )
}

pub(crate) fn all() -> [Record; 4] {
    [allowed(), denied(), ping(), closed()]
}

#[test]
fn a_record_is_read_as_it_is_written() {
    for record in all() {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            serde_json::from_str::<Record>(&text).unwrap(),
            record,
            "{text}"
        );
        // Nothing is written that is not there.
        assert!(!text.contains("null"), "{text}");
    }
}

#[test]
fn what_a_newer_daemon_says_besides_is_passed_over() {
    let mut value = serde_json::to_value(denied()).unwrap();
    value["mood"] = json!("good");
    value["source"]["zone"] = json!("a");
    assert_eq!(read(value), denied());
}

#[test]
fn times_are_written_with_nine_digits_so_that_they_sort_as_text() {
    let value = serde_json::to_value(denied()).unwrap();
    assert_eq!(value["time"], "2026-11-21T08:00:01.000000000Z");
}

#[test]
fn names_of_another_version_are_errors_that_say_so() {
    let mut value = serde_json::to_value(denied()).unwrap();
    value["reason"] = json!("mood");
    let error = serde_json::from_value::<Record>(value).unwrap_err();
    assert!(
        error.to_string().contains("\"mood\" is not a reason"),
        "{error}"
    );
}

#[test]
fn sides_and_policies_are_asked_by_their_full_names() {
    let record = denied();
    assert!(record.source.is_pod("default/web") && !record.source.is_pod("web"));
    assert!(record.is_at("prod/db") && !record.is_at("db"));
    assert!(record.is_isolated_by("prod/db") && !record.is_isolated_by("prod/deny"));
    assert!(closed().destination.is_service("kube-system/dns"));
}

/// Every member that any record has, by its path.
fn members(value: &Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
    let Value::Object(map) = value else {
        return;
    };
    for (key, value) in map {
        found.insert(format!("{path}{key}"));
        if key != "labels" {
            members(value, &format!("{path}{key}."), found);
        }
    }
}

#[test]
fn every_member_is_documented() {
    let documented = include_str!("../../../docs/flows.md");
    let mut found = std::collections::BTreeSet::new();
    for record in all() {
        members(&serde_json::to_value(record).unwrap(), "", &mut found);
    }
    assert!(found.len() > 40, "{found:?}");
    for member in found {
        // Both sides have the same members.
        let member = member.replace("destination.", "source.");
        assert!(documented.contains(&format!("| `{member}` |")), "{member}");
    }
}
