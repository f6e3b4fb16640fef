//! Pods whose links have no side on the node.

use enforcer::api::status::EndpointStatus;
use enforcer_lab::{Direct, Families, LabError, Pod, Shape};
use serde_json::json;

use crate::common::{Node, connects, eventually, ingress, pod_object, policy, serve};
use crate::means::PORT;

fn endpoint(node: &Node, name: &str) -> EndpointStatus {
    let endpoints = node.status().endpoints;
    let found = endpoints.into_iter().find(|one| one.pod == name);
    found.unwrap()
}

/// Says by name, reason and remedy that the policies of a pod do not hold: in the status, as text
/// and as JSON, at the policy, and in the log.
fn is_told(node: &Node, pod: &Pod, kind: &str) {
    let name = format!("default/{}", pod.name);
    eventually("the pod is told", || {
        let log = node.daemon().log();
        log.lines()
            .any(|line| line.contains("WARN") && line.contains(&name) && line.contains(kind))
    });
    let endpoint = endpoint(node, &name);
    let why = endpoint.not_enforced.unwrap();
    assert!(
        why.contains(kind) && why.contains("give the pod a veth"),
        "{why}"
    );
    assert!(endpoint.links.is_empty());
    assert_eq!(endpoint.ingress, ["default/all"]);
    let status = node.status();
    let of_policy = status
        .policies
        .iter()
        .find(|one| one.policy == "default/all");
    assert_eq!(of_policy.unwrap().not_enforced[&name], why);
    let text = String::from_utf8(node.verb(&["status"]).stdout).unwrap();
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with(&name));
    assert!(
        line.unwrap().contains(&format!("NOT ENFORCED: {why}")),
        "{text}"
    );
}

/// What is told is so: the policy denies, and the packets pass.
fn policies_do_not_hold(node: &Node, pod: &Pod) {
    let _server = serve(pod, PORT);
    for address in &pod.addresses {
        connects(&node.lab.outside, *address, PORT, true);
    }
}

/// A node with a pod that can be enforced, and a policy that isolates all pods towards them.
fn node_with_policy() -> (Node, Pod) {
    let node = Node::new(Shape::Ptp, Families::Dual);
    let db = node.pod("db");
    let all = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
    node.put(&policy("all", &all));
    (node, db)
}

fn unenforceable(kind: &str, add: impl Fn(&Node) -> Pod) {
    let (mut node, db) = node_with_policy();
    let pod = add(&node);
    node.put(&pod_object(&pod.name, &[], &pod.addresses));
    node.start("");
    is_told(&node, &pod, kind);
    policies_do_not_hold(&node, &pod);
    // The others are.
    let _server = serve(&db, PORT);
    for address in &db.addresses {
        connects(&node.lab.outside, *address, PORT, false);
        connects(&pod, *address, PORT, false);
    }
    assert_eq!(endpoint(&node, "default/db").not_enforced, None);
    let log = node.daemon().log();
    let times = log
        .lines()
        .filter(|line| line.contains("policies do not hold"));
    assert_eq!(times.count(), 1, "{log}");
}

#[test]
fn a_pod_with_macvlan_is_told_to_be_unenforceable() {
    unenforceable("macvlan", |node| {
        node.lab.add_direct_pod("direct", Direct::Macvlan).unwrap()
    });
}

#[test]
fn a_pod_with_a_device_of_its_own_is_told_to_be_unenforceable() {
    unenforceable("a device of the pod's own", |node| {
        node.lab.add_host_device_pod("direct").unwrap()
    });
}

#[test]
fn a_pod_with_ipvlan_is_told_to_be_unenforceable() {
    let lab = Node::new(Shape::Ptp, Families::Dual);
    match lab.lab.add_direct_pod("direct", Direct::Ipvlan) {
        Err(lack @ LabError::Unsupported(_)) => {
            enforcer_lab::skip("a_pod_with_ipvlan_is_told_to_be_unenforceable", lack).unwrap();
        }
        _ => unenforceable("ipvlan", |node| {
            node.lab.add_direct_pod("direct", Direct::Ipvlan).unwrap()
        }),
    }
}

#[test]
fn a_second_link_that_cannot_be_enforced_is_told_and_the_first_is_enforced() {
    let (mut node, db) = node_with_policy();
    let file = db.path().display();
    node.lab
        .node
        .ip(&format!(
            "link add link uplink0 name net1 netns {file} type macvlan mode bridge"
        ))
        .unwrap();
    node.start("");
    let told = endpoint(&node, "default/db");
    let why = told.not_enforced.unwrap();
    assert!(why.starts_with("net1 (macvlan): "), "{why}");
    assert_eq!(told.links, std::slice::from_ref(&db.host_link));
    let text = String::from_utf8(node.verb(&["status"]).stdout).unwrap();
    assert!(
        text.contains("NOT ENFORCED at all of its links: net1 (macvlan)"),
        "{text}"
    );
    let _server = serve(&db, PORT);
    for address in &db.addresses {
        connects(&node.lab.outside, *address, PORT, false);
    }
    // Gone, and no longer told.
    db.ip("link delete net1").unwrap();
    eventually("the link is gone", || {
        endpoint(&node, "default/db").not_enforced.is_none()
    });
}

#[test]
fn a_link_inside_a_pod_changes_nothing() {
    let (mut node, db) = node_with_policy();
    node.put(&ingress("db", "db", &json!([])));
    for words in ["docker0 type bridge", "left0 type veth peer right0"] {
        db.ip(&format!("link add {words}")).unwrap();
    }
    // The pod may even have its own address there.
    for address in &db.addresses {
        db.ip(&format!("address add {address} dev docker0"))
            .unwrap();
    }
    node.start("");
    let told = endpoint(&node, "default/db");
    assert_eq!((told.not_enforced, told.links.len()), (None, 1));
    let _server = serve(&db, PORT);
    for address in &db.addresses {
        connects(&node.lab.outside, *address, PORT, false);
        connects(&node.lab.node, *address, PORT, true);
    }
}
