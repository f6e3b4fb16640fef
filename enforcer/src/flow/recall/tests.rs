use enforcer_common::Reason;
use enforcer_common::abi::address::v4;
use enforcer_common::abi::{Direction, EventKind};
use enforcer_common::parse::number;
use enforcer_policy::api;
use enforcer_policy::compile::{Capacity, Scope};
use enforcer_policy::model::Change;
use serde_json::{Value, json};

use super::*;

const CLIENT: &str = "10.244.0.2";
const SERVER: &str = "10.244.0.3";
const SERVICE: &str = "10.96.0.10";

fn pod(name: &str, address: &str) -> Change {
    let pod: Value = json!({"metadata": {"name": name, "labels": {"app": name}},
        "status": {"podIP": address}});
    let (key, pod) = api::pod(&serde_json::from_value(pod).unwrap()).unwrap();
    Change::Pod(key, Some(pod))
}

fn service(name: &str, port: u16) -> Change {
    let value = json!({"metadata": {"name": name}, "spec": {
        "clusterIP": SERVICE, "ports": [{"port": port}]}});
    let (key, service) = api::service(&serde_json::from_value(value).unwrap()).unwrap();
    Change::Service(key, Some(service))
}

/// `server` lets `client` in at port 80; two services have one address.
fn compiler() -> Compiler {
    let policy = json!({"metadata": {"name": "server"}, "spec": {
        "podSelector": {"matchLabels": {"app": "server"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}],
            "ports": [{"port": 80}]}]}});
    let policy =
        enforcer_policy::lower::network_policy(&serde_json::from_value(policy).unwrap()).unwrap();
    let mut compiler = Compiler::new(Scope::All, Capacity::default());
    compiler.apply([
        pod("client", CLIENT),
        pod("server", SERVER),
        service("api", 443),
        service("web", 80),
        Change::Policy(policy.key.clone(), Some(policy.into())),
    ]);
    compiler
}

fn place(text: &str) -> [u32; 4] {
    let [word] = v4(text.parse().unwrap());
    [word, 0, 0, 0]
}

/// A packet of a connection whose ingress policy was asked.
fn event(from: (&str, u16), to: (&str, u16), hook: Direction, kind: EventKind) -> Event {
    let reason = match kind {
        EventKind::Allowed => Reason::Allowed,
        EventKind::Denied | EventKind::Audit => Reason::PolicyDenied,
    };
    Event {
        ifindex: 7,
        source: place(from.0),
        destination: place(to.0),
        source_port: from.1,
        destination_port: to.1,
        ethertype: number::IPV4,
        protocol: number::TCP,
        kind: kind as u8,
        reason: reason as u8,
        hook: hook as u8,
        direction: Direction::Ingress as u8,
        length: u32::from(from.1) + 40,
        ..Event::default()
    }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn server() -> PodKey {
    PodKey {
        namespace: "default".into(),
        name: "server".into(),
    }
}

/// Every event, seen at the server's link, is told as if it were the first.
fn told_as_ever(recall: &mut Recall, compiler: &Compiler, events: &[Event]) {
    for event in events {
        let told = recall.enrich(event, Some(&server()), compiler, now());
        let mut fresh = enrich(
            event,
            Some(&server()),
            compiler,
            &mut Explainer::default(),
            None,
        );
        if let Some(fresh) = &mut fresh {
            fresh.time = now();
        }
        assert!(fresh.is_some());
        assert_eq!(told, fresh, "{event:?}");
    }
}

/// Connections and answers, of all kinds and with ports that matter and ports that do not.
fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for address in [CLIENT, SERVICE, "203.0.113.9"] {
        for port in [40_000, 443, 80, 40_001] {
            for own in [80, 81] {
                for kind in [EventKind::Allowed, EventKind::Denied, EventKind::Audit] {
                    let (peer, server) = ((address, port), (SERVER, own));
                    events.push(event(peer, server, Direction::Ingress, kind));
                    events.push(event(server, peer, Direction::Egress, kind));
                }
            }
        }
    }
    events
}

#[test]
fn what_is_remembered_is_what_would_be_said_anew() {
    let (mut recall, compiler) = (Recall::default(), compiler());
    told_as_ever(&mut recall, &compiler, &events());
    let known = recall.records.len();
    assert!(0 < known && known < events().len(), "{known} remembered");
    told_as_ever(&mut recall, &compiler, &events());
    assert_eq!(recall.records.len(), known);
}

#[test]
fn after_a_change_of_the_cluster_everything_is_said_anew() {
    let (mut recall, mut compiler) = (Recall::default(), compiler());
    told_as_ever(&mut recall, &compiler, &events());
    compiler.apply([pod("other", "203.0.113.9"), pod("client", "10.244.0.9")]);
    told_as_ever(&mut recall, &compiler, &events());
}

#[test]
fn a_link_of_another_pod_is_another_endpoint() {
    let (mut recall, compiler) = (Recall::default(), compiler());
    let one = event(
        (CLIENT, 40_000),
        (SERVER, 80),
        Direction::Ingress,
        EventKind::Allowed,
    );
    let mut endpoint = |pod: Option<&PodKey>| {
        let record = recall.enrich(&one, pod, &compiler, now());
        record.and_then(|record| record.context.endpoint.clone())
    };
    assert_eq!(endpoint(Some(&server())), Some(server()));
    assert_eq!(endpoint(None), None);
    assert_eq!(endpoint(Some(&server())), Some(server()));
}

#[test]
fn records_of_one_endpoint_share_the_names_of_its_policies() {
    let (mut recall, compiler) = (Recall::default(), compiler());
    let mut policies = |from: &str| {
        let one = event(
            (from, 40_000),
            (SERVER, 80),
            Direction::Ingress,
            EventKind::Denied,
        );
        let record = recall.enrich(&one, Some(&server()), &compiler, now());
        record.map(|record| record.context.policies.as_ptr())
    };
    let first = policies("203.0.113.1");
    assert!(first.is_some());
    assert_eq!(policies("203.0.113.2"), first);
}

#[test]
fn what_a_change_leaves_as_it_is_is_shared_over_it() {
    let (mut recall, mut compiler) = (Recall::default(), compiler());
    let one = event(
        (CLIENT, 40_000),
        (SERVER, 80),
        Direction::Ingress,
        EventKind::Allowed,
    );
    let mut parts = |compiler: &Compiler| {
        let record = recall
            .enrich(&one, Some(&server()), compiler, now())
            .unwrap();
        let who = |party: &Party| Arc::as_ptr(party.who.as_ref().unwrap());
        let policies = record.context.policies.as_ptr();
        (policies, who(&record.source), who(&record.destination))
    };
    let before = parts(&compiler);
    compiler.apply([pod("other", "203.0.113.9")]);
    assert_eq!(parts(&compiler), before);
    let mut relabelled = pod("client", CLIENT);
    if let Change::Pod(_, Some(pod)) = &mut relabelled {
        pod.labels.insert("tier", "front");
    }
    compiler.apply([relabelled]);
    let after = parts(&compiler);
    assert_eq!((after.0, after.2), (before.0, before.2));
    assert_ne!(after.1, before.1);
}

#[test]
fn what_is_remembered_has_an_end() {
    let (mut recall, compiler) = (Recall::default(), compiler());
    for port in 0..4 * u16::try_from(REMEMBERED).unwrap() {
        let one = event(
            (CLIENT, 40_000),
            (SERVER, port),
            Direction::Ingress,
            EventKind::Denied,
        );
        assert!(recall.enrich(&one, None, &compiler, now()).is_some());
        assert!(recall.records.len() <= REMEMBERED);
    }
}
