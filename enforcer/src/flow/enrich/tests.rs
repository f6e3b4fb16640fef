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
    enrich(&event, Some(&client), &compiler(), &mut Words::default()).unwrap()
}

#[test]
fn a_packet_to_a_service_names_the_service_with_that_port() {
    let service = |port| {
        let record = record(Reason::Deferred, EventKind::Allowed, "10.96.0.10", port);
        record.destination.service
    };
    assert_eq!(service(80).as_deref(), Some("default/web"));
    assert_eq!(service(443).as_deref(), Some("default/api"));
    assert_eq!(service(81).as_deref(), Some("default/api"), "nobody's port");
    let plain = record(Reason::Allowed, EventKind::Allowed, "10.96.0.11", 80);
    assert_eq!(plain.destination.service, None);
}

#[test]
fn a_deferred_connection_says_that_nothing_is_decided_yet() {
    let record = record(Reason::Deferred, EventKind::Allowed, "10.96.0.10", 80);
    let text = record.to_string();
    let (_, said) = text.split_once(' ').unwrap();
    assert_eq!(
        said,
        "ALLOWED TCP default/client (10.244.0.2 port 40000) → service default/web (10.96.0.10 port \
         80)  egress deferred until the service's backend is known"
    );
}

#[test]
fn nobody_is_named_for_a_packet_whose_sender_is_not_known() {
    let undecided = record(Reason::Undecided, EventKind::Denied, "10.244.0.3", 80);
    assert_eq!(undecided.endpoint, None);
    let denied = record(Reason::PolicyDenied, EventKind::Denied, "10.244.0.3", 80);
    assert_eq!(denied.endpoint.as_deref(), Some("default/client"));
}
