//! What connections may be besides pod to pod over TCP.

use serde_json::{Value, json};

use crate::command::{Folder, Run};
use crate::records::{OPENED, SHOP, api, dns, node, outside, record, web_a, web_b};

/// What is suggested to a workload, and whether its connections would be allowed again.
fn suggested(manifests: &str, records: &[Value], workload: &str) -> Run {
    let folder = Folder::new(manifests, records);
    let run = folder.suggest("");
    std::fs::write(folder.manifests().join("suggested.yaml"), &run.out).unwrap();
    let replay = folder.replay("--output json").json();
    assert_eq!(
        replay["summary"]["newly_denied"], 0,
        "{replay}\n{}",
        run.out
    );
    folder_of(manifests, records, workload)
}

fn folder_of(manifests: &str, records: &[Value], workload: &str) -> Run {
    Folder::new(manifests, records).suggest(&format!("--workload {workload}"))
}

fn assert_has(run: &Run, parts: &[&str]) {
    for part in parts {
        assert!(run.out.contains(part), "{part}\nis not in\n{}", run.out);
    }
}

#[test]
fn a_pod_in_its_nodes_network_is_the_node() {
    let agent = "---\nkind: Pod\napiVersion: v1\nmetadata: {name: agent, namespace: shop, labels: {app: agent}}\n\
        spec: {nodeName: n2, hostNetwork: true, containers: [{name: c, image: i}]}\n\
        status: {podIPs: [{ip: 192.168.0.2}]}\n";
    let records = [
        record(
            1,
            OPENED,
            "ingress",
            (&node("n2", "192.168.0.2"), &web_a()),
            ("TCP", 8080),
        ),
        record(
            2,
            OPENED,
            "egress",
            (&web_a(), &node("n2", "192.168.0.2")),
            ("TCP", 9100),
        ),
    ];
    let run = suggested(&format!("{SHOP}{agent}"), &records, "web");
    assert_has(
        &run,
        &[
            "cidr: \"192.168.0.2/32\" # node n2 (192.168.0.2)",
            "port: http",
            "port: 9100",
        ],
    );
    assert!(!run.out.contains("app: agent"), "{}", run.out);
}

#[test]
fn each_address_family_outside_has_its_block_and_pods_have_none() {
    let mut web6 = web_a();
    web6["address"] = json!("fd00::2");
    let mut api6 = api();
    api6["address"] = json!("fd00::4");
    let records = [
        record(
            1,
            OPENED,
            "ingress",
            (&outside("203.0.113.7"), &web_a()),
            ("TCP", 8080),
        ),
        record(
            2,
            OPENED,
            "ingress",
            (&outside("2001:db8::7"), &web6),
            ("TCP", 8080),
        ),
        record(3, OPENED, "egress", (&web6, &api6), ("TCP", 3306)),
        record(4, OPENED, "egress", (&web_a(), &api()), ("TCP", 3306)),
    ];
    let manifests = SHOP.replace("{ip: 10.244.0.2}", "{ip: 10.244.0.2}, {ip: 'fd00::2'}");
    let manifests = manifests.replace("{ip: 10.244.0.4}", "{ip: 10.244.0.4}, {ip: 'fd00::4'}");
    let run = suggested(&manifests, &records, "web");
    assert_has(
        &run,
        &["cidr: \"203.0.113.7/32\"", "cidr: \"2001:db8::7/128\""],
    );
    assert_eq!(run.out.matches("app: api").count(), 1, "{}", run.out);
    assert_eq!(run.out.matches("ipBlock").count(), 2, "{}", run.out);
}

#[test]
fn protocols_with_ports_have_rules_of_their_own() {
    let protocols = [(1, "TCP"), (2, "UDP"), (3, "SCTP")];
    let records = protocols
        .map(|(minute, name)| record(minute, OPENED, "egress", (&web_a(), &api()), (name, 3306)));
    let run = suggested(SHOP, &records, "web");
    for (_, protocol) in protocols {
        let port = format!("    - protocol: {protocol}\n      port: 3306\n");
        assert_has(&run, &[&port]);
    }
}

#[test]
fn a_connection_by_a_service_is_one_with_the_pods_behind_it() {
    let mut service = record(
        1,
        ("opened", "deferred"),
        "egress",
        (&web_a(), &dns()),
        ("UDP", 53),
    );
    service["destination"] = json!({"address": "10.96.0.10", "port": 53,
        "service": "kube-system/kube-dns"});
    let mut ingress = record(3, OPENED, "ingress", (&web_a(), &dns()), ("UDP", 53));
    ingress["sequence"] = json!(999);
    let records = [
        service,
        record(2, OPENED, "egress", (&web_a(), &dns()), ("UDP", 53)),
        ingress,
    ];
    let run = suggested(SHOP, &records, "web");
    assert_has(
        &run,
        &[
            "kubernetes.io/metadata.name: kube-system",
            "k8s-app: kube-dns",
            "port: dns",
            "# 1 record not counted: still on the way to a service.",
        ],
    );
    assert!(!run.out.contains("10.96.0.10"), "{}", run.out);
    let dns = folder_of(SHOP, &records, "dns");
    assert_has(
        &dns,
        &["kubernetes.io/metadata.name: shop", "app: web", "port: dns"],
    );
}

#[test]
fn a_service_that_nobody_translated_is_its_address_and_that_is_said() {
    let mut opened = record(1, OPENED, "egress", (&web_a(), &dns()), ("UDP", 53));
    opened["destination"] = json!({"address": "10.96.0.10", "port": 53,
        "service": "kube-system/kube-dns"});
    let run = folder_of(SHOP, &[opened], "web");
    assert_eq!(run.code, 3, "{}", run.err);
    assert_has(
        &run,
        &["cidr: \"10.96.0.10/32\" # service kube-system/kube-dns"],
    );
    assert!(run.err.contains("reached untranslated"), "{}", run.err);
}

#[test]
fn an_answer_makes_no_rule() {
    // The server's packet, seen first: it is judged by the direction of who opened the connection.
    let mut answer = record(1, OPENED, "ingress", (&api(), &web_a()), ("TCP", 40_000));
    answer["source"]["port"] = json!(3306);
    answer["direction"] = json!("egress");
    let run = suggested(SHOP, &[answer], "web");
    assert_has(&run, &["# Ingress: nothing was seen", "port: 3306"]);
    assert!(!run.out.contains("40000"), "{}", run.out);
}

#[test]
fn a_port_without_a_common_name_is_a_number() {
    // Of two pods only one calls it http.
    let named = "ports: [{name: http, containerPort: 8080}]";
    let at = SHOP.rfind(named).unwrap();
    let manifests = format!(
        "{}{}",
        &SHOP[..at],
        SHOP[at..].replacen(named, "ports: []", 1)
    );
    let records = [
        record(1, OPENED, "ingress", (&api(), &web_a()), ("TCP", 8080)),
        record(2, OPENED, "ingress", (&api(), &web_b()), ("TCP", 8080)),
    ];
    let run = suggested(&manifests, &records, "web");
    assert_has(&run, &["port: 8080"]);
    assert!(!run.out.contains("port: http"), "{}", run.out);
}

#[test]
fn a_namespace_described_without_its_name_label_is_named_by_it_all_the_same() {
    // The API server gives the label to every namespace, so manifests need not have it.
    let space =
        "---\nkind: Namespace\napiVersion: v1\nmetadata: {name: kube-system, labels: {team: x}}\n";
    let records = [record(1, OPENED, "egress", (&web_a(), &dns()), ("UDP", 53))];
    let run = suggested(&format!("{SHOP}{space}"), &records, "web");
    assert_has(&run, &["kubernetes.io/metadata.name: kube-system"]);
}

#[test]
fn workloads_of_nodes_that_were_not_asked_are_counted_and_not_listed() {
    let records = [record(
        1,
        OPENED,
        "egress",
        (&dns(), &outside("203.0.113.7")),
        ("UDP", 53),
    )];
    let run = Folder::new(SHOP, &records).suggest("");
    let lines = "#   Deployment shop/web\n\
        # Nor for 1 workload with no pod on the nodes that made these records.\n";
    assert_has(&run, &[lines]);
    assert!(!run.out.contains("StatefulSet shop/api"), "{}", run.out);
}
