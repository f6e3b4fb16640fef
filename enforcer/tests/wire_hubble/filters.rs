//! Each filter that is answered, against what was sent.

use std::collections::BTreeSet;

use enforcer_lab::probe::tcp_connect;
use serde_json::json;

use crate::cli::time;
use crate::common::{SHORT, eventually};
use crate::shop::{ALL, API_53, API_80, API_81, WEB_80_IN, WEB_80_OUT, WEB_PING_IN, WEB_PING_OUT};
use crate::world::World;

const OF_API: &[&str] = &[API_53, API_80, API_81];
const OF_WEB: &[&str] = &[WEB_80_IN, WEB_80_OUT, WEB_PING_IN, WEB_PING_OUT];
const DENIED: &[&str] = &[API_81, WEB_80_IN, WEB_PING_IN];
const ALLOWED: &[&str] = &[API_53, API_80, WEB_80_OUT, WEB_PING_OUT];
const IN: &[&str] = &[API_53, API_80, API_81, WEB_80_IN, WEB_PING_IN];
const OUT: &[&str] = &[WEB_80_OUT, WEB_PING_OUT];
const PING: &[&str] = &[WEB_PING_IN, WEB_PING_OUT];
const TCP: &[&str] = &[API_80, API_81, WEB_80_IN, WEB_80_OUT];
const AT_80: &[&str] = &[API_80, WEB_80_IN, WEB_80_OUT];
const NONE: &[&str] = &[];

/// Options that ask for flows, and what they mean.
const CASES: &[(&str, &[&str])] = &[
    ("", &ALL),
    // Who has part in them.
    ("--pod web", OF_WEB),
    ("--pod default/a", OF_API),
    ("--pod prod/db", &ALL),
    ("--pod db", NONE),
    ("--from-pod default/api --from-pod default/web", &ALL),
    ("--from-pod default/api --to-pod prod/db", OF_API),
    ("--to-pod web", NONE),
    ("--namespace prod", &ALL),
    ("--from-namespace prod", NONE),
    ("--to-namespace prod", &ALL),
    ("--namespace other", NONE),
    ("--all-namespaces", &ALL),
    ("--from-all-namespaces", &ALL),
    ("--to-all-namespaces", &ALL),
    ("--label app=api", OF_API),
    ("--from-label app!=api", OF_WEB),
    ("--from-label k8s:io.kubernetes.pod.namespace=default", &ALL),
    ("--to-label tier", &ALL),
    ("--from-label tier", NONE),
    ("--label reserved:world", NONE),
    ("--workload Deployment/web", OF_WEB),
    ("--from-workload StatefulSet/api", OF_API),
    ("--from-workload api", OF_API),
    ("--to-workload web", NONE),
    ("--service prod/db", NONE),
    ("--from-service web", NONE),
    ("--to-service web", NONE),
    ("--cluster default", &ALL),
    ("--from-cluster default", &ALL),
    ("--to-cluster east", NONE),
    ("--from-identity world", NONE),
    ("--to-identity host", NONE),
    // What was sent.
    ("--port 80", AT_80),
    ("--to-port 81", &[API_81]),
    ("--from-port 80", NONE),
    ("--protocol tcp", TCP),
    ("--protocol udp", &[API_53]),
    ("--protocol icmp", PING),
    (
        "--protocol icmpv4 --protocol udp",
        &[API_53, WEB_PING_IN, WEB_PING_OUT],
    ),
    ("--protocol icmpv6", NONE),
    ("--ipv4", &ALL),
    ("--ipv6", NONE),
    ("--ip-version v6", NONE),
    // What became of it.
    ("--verdict DROPPED", DENIED),
    ("--verdict FORWARDED", ALLOWED),
    ("--verdict AUDIT", NONE),
    ("--verdict DROPPED --verdict FORWARDED", &ALL),
    ("--drop-reason-desc POLICY_DENIED", DENIED),
    ("--drop-reason-desc INVALID_SOURCE_IP", NONE),
    ("--type policy-verdict", &ALL),
    ("--type drop", DENIED),
    ("--type trace", NONE),
    ("--type trace:to-endpoint", NONE),
    ("--traffic-direction ingress", IN),
    ("--traffic-direction egress", OUT),
    ("--not-reply", &ALL),
    ("--reply", NONE),
    ("--node-name n1", &ALL),
    ("--node-name default/n*", &ALL),
    ("--node-name n2", NONE),
    // Several.
    ("--not --verdict DROPPED", ALLOWED),
    (
        "--not --port 80",
        &[API_53, API_81, WEB_PING_IN, WEB_PING_OUT],
    ),
    ("--pod web --verdict DROPPED", &[WEB_80_IN, WEB_PING_IN]),
    ("--from-pod api --not --port 80", &[API_53, API_81]),
    (
        r#"--allowlist {"source_pod":["default/api"],"verdict":["DROPPED"]}"#,
        &[API_81],
    ),
    (
        r#"--denylist {"protocol":["TCP"]}"#,
        &[API_53, WEB_PING_IN, WEB_PING_OUT],
    ),
];

/// What Hubble UI sends for the namespace `default`, whatever its user chooses besides.
const UI: [&str; 7] = [
    r#"--allowlist={"source_pod":["default/"],"reply":[false]}"#,
    r#"--allowlist={"destination_pod":["default/"],"reply":[false]}"#,
    r#"--denylist={"source_label":["reserved:unknown","reserved:host","k8s:k8s-app=kube-dns"]}"#,
    r#"--denylist={"destination_label":["reserved:unknown","reserved:host"]}"#,
    r#"--denylist={"destination_label":["k8s:k8s-app=kube-dns"],"destination_port":["53"]}"#,
    r#"--denylist={"source_fqdn":["*.cluster.local*"]}"#,
    r#"--denylist={"destination_fqdn":["*.cluster.local*"]}"#,
];

#[test]
fn what_hubble_ui_asks_for_is_answered() {
    let world = World::busy();
    assert_eq!(world.names(&UI), set(&ALL));
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn each_filter_means_exactly_what_was_sent() {
    let world = World::busy();
    for (line, expected) in CASES {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(world.names(&arguments), set(expected), "{line}");
    }
    let (web, db) = (world.shop.web.v4().unwrap(), world.shop.address());
    for (arguments, expected) in [
        (format!("--ip={web}"), OF_WEB),
        (format!("--to-ip={db}/32"), &ALL),
        (format!("--from-ip={db}"), NONE),
        ("--ip=fd00::/8".to_owned(), NONE),
    ] {
        assert_eq!(world.names(&[&arguments]), set(expected), "{arguments}");
    }
}

#[test]
fn a_flow_is_found_by_what_it_says_of_itself() {
    let world = World::busy();
    let flows = world.cli.flows(&["--from-pod=api", "--to-port=81"]);
    let flow = &flows[0];
    let uuid = flow["uuid"].as_str().unwrap();
    let found = world.cli.flows(&["--uuid", uuid]);
    assert_eq!(&found[..], std::slice::from_ref(flow));
    let identity = flow["source"]["identity"].to_string();
    let said = [
        ("--identity", OF_API),
        ("--from-identity", OF_API),
        ("--to-identity", NONE),
    ];
    for (option, expected) in said {
        assert_eq!(world.names(&[option, &identity]), set(expected), "{option}");
    }
}

#[test]
fn a_service_is_found_while_its_address_is_not_translated_yet() {
    let world = World::open("");
    world
        .shop
        .node
        .put(&json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "orders", "namespace": "prod"},
        "spec": {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"],
            "ports": [{"port": 80}]}}));
    world.shop.node.settle();
    let address = "10.96.0.10:80".parse().unwrap();
    // Nobody translates it here.
    tcp_connect(&world.shop.web, address, SHORT).unwrap();
    let found = |option: &str| world.cli.flows(&[option, "prod/orders"]);
    eventually("there is a flow to the service", || {
        !found("--to-service").is_empty()
    });
    let flow = &found("--service")[0];
    assert_eq!(flow["destination_service"]["name"], "orders");
    assert!(found("--from-service").is_empty());
}

#[test]
fn number_and_time_choose_from_what_the_filters_mean() {
    let world = World::busy();
    let denied = ["--verdict=DROPPED"];
    let ask = |more: &[&str]| world.cli.flows(&[&denied, more].concat());
    let all = ask(&["--all"]);
    let two = all.len() - 2;
    assert_eq!(ask(&["--last=2"]), all[two..]);
    assert_eq!(ask(&["--first=2"]), all[..2]);
    let moment = |index: usize| all[index]["time"].as_str().unwrap();
    let since: Vec<_> = all
        .iter()
        .filter(|flow| time(flow) >= time(&all[two]))
        .collect();
    assert!(since.len() < all.len(), "all at one moment");
    let asked = ask(&["--since", moment(two)]);
    assert_eq!(asked.iter().collect::<Vec<_>>(), since);
    assert_eq!(ask(&["--since=1h"]), all);
    assert_eq!(
        ask(&[
            "--since=2020-01-01T00:00:00Z",
            "--until=2021-01-01T00:00:00Z"
        ])
        .len(),
        0
    );
    let until = ask(&["--since=1h", "--until", moment(0)]);
    assert_eq!(until[0], all[0]);
    assert!(until.len() < all.len());
}
