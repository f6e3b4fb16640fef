use enforcer_common::abi::address::v4;
use enforcer_policy::api;
use enforcer_policy::compile::{Capacity, Scope};
use enforcer_policy::model::Change;
use serde_json::{Value, json};

use super::*;

fn service(name: &str, port: u16) -> Change {
    let value = json!({"metadata": {"name": name}, "spec": {
        "clusterIP": "10.96.0.10", "ports": [{"port": port}]}});
    let (key, service) = api::service(&serde_json::from_value(value).unwrap()).unwrap();
    Change::Service(key, Some(service))
}

/// `api` and `web` share an address of services; `client` is a pod.
fn compiler() -> Compiler {
    let pod: Value = json!({"metadata": {"name": "client"}, "status": {"podIP": "10.244.0.2"}});
    let (key, pod) = api::pod(&serde_json::from_value(pod).unwrap()).unwrap();
    let mut compiler = Compiler::new(Scope::All, Capacity::default());
    compiler.apply([
        Change::Pod(key, Some(pod)),
        service("api", 443),
        service("web", 80),
    ]);
    compiler
}

fn record(reason: Reason, kind: EventKind, to: &str, port: u16) -> Record {
    let place = |text: &str| {
        let [word] = v4(text.parse().unwrap());
        [word, 0, 0, 0]
    };
    let event = Event {
        source: place("10.244.0.2"),
        destination: place(to),
        source_port: 40000,
        destination_port: port,
        ethertype: number::IPV4,
        protocol: number::TCP,
        kind: kind as u8,
        reason: reason as u8,
        hook: Direction::Egress as u8,
        direction: Direction::Egress as u8,
        ..Event::default()
    };
    let client = PodKey {
        namespace: "default".into(),
        name: "client".into(),
    };
    enrich(
        &event,
        Some(&client),
        &compiler(),
        &mut Explainer::default(),
        None,
    )
    .unwrap()
}

#[test]
fn a_packet_to_a_service_names_the_service_with_that_port() {
    let service = |port| {
        let record = record(Reason::Deferred, EventKind::Allowed, "10.96.0.10", port);
        record.destination
    };
    assert!(service(80).is_service("default/web"));
    assert!(service(443).is_service("default/api"));
    assert!(service(81).is_service("default/api"), "nobody's port");
    let plain = record(Reason::Allowed, EventKind::Allowed, "10.96.0.11", 80);
    assert_eq!(plain.destination.service(), None);
}

#[test]
fn a_deferred_connection_says_that_nothing_is_decided_yet() {
    let record = record(Reason::Deferred, EventKind::Allowed, "10.96.0.10", 80);
    let text = record.to_string();
    let (_, said) = text.split_once(' ').unwrap();
    assert_eq!(
        said,
        "ALLOWED TCP default/client:40000 → service default/web:80  egress deferred until the \
         service's backend is known"
    );
}

#[test]
fn nobody_is_named_for_a_packet_whose_sender_is_not_known() {
    let undecided = record(Reason::Undecided, EventKind::Denied, "10.244.0.3", 80);
    assert_eq!(undecided.context.endpoint, None);
    let denied = record(Reason::PolicyDenied, EventKind::Denied, "10.244.0.3", 80);
    assert!(denied.is_at("default/client"));
}

#[test]
fn a_side_has_its_pods_workload_labels_node_and_identity() {
    let pod = json!({"metadata": {"name": "api-5d4f-x", "labels": {"pod-template-hash": "5d4f"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "api-5d4f",
                "uid": "1", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": []}, "status": {"podIP": "10.244.0.7"}});
    let (key, pod) = api::pod(&serde_json::from_value(pod).unwrap()).unwrap();
    let mut compiler = compiler();
    compiler.apply([Change::Pod(key, Some(pod))]);
    let event = Event {
        source: [v4("10.244.0.7".parse().unwrap())[0], 0, 0, 0],
        destination: [v4("203.0.113.1".parse().unwrap())[0], 0, 0, 0],
        source_port: 3,
        destination_port: 1,
        ethertype: number::IPV4,
        protocol: number::ICMP,
        kind: EventKind::Audit as u8,
        reason: Reason::PolicyDenied as u8,
        ..Event::default()
    };
    let record = enrich(
        &event,
        None,
        &compiler,
        &mut Explainer::default(),
        Some(&"n1".into()),
    )
    .unwrap();
    let value = serde_json::to_value(&record).unwrap();
    let identity = compiler
        .tables()
        .peer("10.244.0.7".parse().unwrap())
        .identity;
    assert_eq!(
        value["source"],
        json!({"address": "10.244.0.7", "pod": "default/api-5d4f-x", "workload": "Deployment/api",
            "labels": {"pod-template-hash": "5d4f"}, "node": "n1", "identity": identity})
    );
    assert_eq!(
        value["destination"],
        json!({"address": "203.0.113.1", "identity": 0})
    );
    assert_eq!(value["icmp"], json!({"type": 3, "code": 1}));
    assert_eq!(
        (&value["node"], &value["kind"]),
        (&json!("n1"), &json!("audited"))
    );
}

#[test]
fn an_echo_is_told_from_other_icmp_messages_by_what_stands_for_its_ports() {
    use enforcer_common::parse::echo_ports;
    for (protocol, message, kind) in [
        (number::ICMP, 8, 8),
        (number::ICMP, 0, 0),
        (number::ICMPV6, 128, 128),
        (number::ICMPV6, 129, 129),
    ] {
        // An identifier of 8 says nothing about who asks.
        for identifier in [0, 3, 128, 40_000] {
            let ports = echo_ports(message, identifier);
            let event = Event {
                source_port: u16::try_from(ports >> 16).unwrap(),
                destination_port: u16::try_from(ports & 0xffff).unwrap(),
                protocol,
                ..Event::default()
            };
            assert_eq!(icmp(&event), Icmp { kind, code: 0 }, "{event:?}");
        }
    }
}
