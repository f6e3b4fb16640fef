//! What is shown of flows.

use serde_json::{Value, json};

use crate::cli::{name, time};
use crate::shop::{self, ALL};
use crate::world::World;

#[test]
fn json_says_what_the_daemon_knows() {
    let world = World::busy();
    let flow = &world
        .cli
        .flows(&["--first=1", "--from-pod=api", "--to-port=81"])[0];
    let (api, db) = (world.shop.api.v4().unwrap(), world.shop.address());
    let record = &world.shop.records(&["--pod", "api", "--port", "81"])[0];
    let expected = json!({
        "verdict": "DROPPED",
        "drop_reason_desc": "POLICY_DENIED",
        "IP": {"source": api, "destination": db, "ipVersion": "IPv4"},
        "Type": "L3_L4",
        "node_name": "default/n1",
        "traffic_direction": "INGRESS",
        "is_reply": false,
        "event_type": {"type": 5},
        "Summary": "TCP",
    });
    assert_eq!(time(flow), record.time);
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&flow[key], value, "{key}");
    }
    let log = flow["policy_log"][0].as_str().unwrap();
    assert!(log.contains("prod/db"), "{log}");
    assert_eq!(flow["l4"]["TCP"]["destination_port"], 81);
    let party = |side: &str| {
        let mut party = flow[side].clone();
        party["identity"].take();
        party
    };
    let expected = json!({
        "identity": Value::Null, "cluster_name": "default", "namespace": "default", "pod_name": "api",
        "labels": ["k8s:app=api", "k8s:io.cilium.k8s.policy.cluster=default",
            "k8s:io.kubernetes.pod.namespace=default"],
        "workloads": [{"name": "api", "kind": "StatefulSet"}],
    });
    assert_eq!(party("source"), expected);
    assert_eq!(party("destination")["pod_name"], "db");
    let by = &flow["ingress_denied_by"][0];
    assert_eq!(
        (&by["name"], &by["namespace"], &by["kind"]),
        (&json!("db"), &json!("prod"), &json!("NetworkPolicy"))
    );
}

#[test]
fn every_flow_is_shown_once_and_in_order() {
    let world = World::busy();
    let flows = world.cli.flows(&["--all"]);
    // More may have come since.
    let records = world.shop.records(&[]);
    assert!((ALL.len()..=records.len()).contains(&flows.len()));
    for (flow, record) in flows.iter().zip(&records) {
        assert_eq!(time(flow), record.time);
        assert_eq!(name(flow), shop::name(record));
    }
}

#[test]
fn lines_name_pods_verdicts_policies_and_nodes() {
    let world = World::busy();
    let line = |arguments: &[&str]| {
        let fixed = [
            "observe",
            "--last=1",
            "--print-policy-names",
            "--print-node-name",
        ];
        let text = world.cli.text(&[&fixed, arguments].concat());
        let mut lines = text.lines();
        let line = lines.next().unwrap().to_owned();
        assert_eq!(lines.next(), None, "{text}");
        line
    };
    let denied = line(&["--from-pod=api", "--to-port=81"]);
    for said in [
        "default/n1",
        "default/api:",
        "prod/db:81",
        "policy-verdict:none",
        "INGRESS DENIED BY db (NetworkPolicy)",
        "(TCP)",
    ] {
        assert!(denied.contains(said), "no {said}: {denied}");
    }
    let allowed = line(&["--from-pod=api", "--to-port=80"]);
    for said in ["policy-verdict:", "INGRESS ALLOWED", "prod/db:80"] {
        assert!(allowed.contains(said), "no {said}: {allowed}");
    }
}

#[test]
fn tables_and_pairs_are_printed_too() {
    let world = World::busy();
    let print = |form: &str| {
        world.cli.text(&[
            "observe",
            "--last=1",
            "--from-pod=api",
            "--to-port=81",
            "--output",
            form,
        ])
    };
    let table = print("table");
    assert!(
        table.lines().count() == 2 && table.starts_with("TIMESTAMP"),
        "{table}"
    );
    let pairs = print("dict");
    assert!(pairs.contains("SOURCE: default/api:"), "{pairs}");
    assert_eq!(print("json"), print("jsonpb"));
}
