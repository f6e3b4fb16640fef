//! Connections from before a pod's isolation: those that the policy allows go on, whichever side
//! opened them and whichever speaks first; the others are cut. Needs root, nftables and a built BPF
//! object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![expect(clippy::panic, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
mod talk;

use common::{Node, SHORT, policy};
use enforcer_lab::{Families, Pod, Shape};
use serde_json::{Value, json};
use talk::{SIDES, Side, Talk};

/// Makes the node track connections, as the rules of kube-proxy do.
fn track(node: &Node) {
    for rule in [
        "add table inet track",
        "add chain inet track packets { type filter hook prerouting priority 0 ; }",
        "add rule inet track packets ct state established accept",
    ] {
        node.lab.node.command("nft", rule).unwrap();
    }
}

/// A node that tracks connections, with two pods and a daemon.
fn tracked() -> (Node, [Pod; 2]) {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    track(&node);
    let pods = ["db", "friend"].map(|name| node.pod(name));
    node.start("");
    (node, pods)
}

/// Ports that say who is the client, who seems to be but is not, and that say nothing.
const PORTS: [[u16; 2]; 4] = [[40_000, 600], [600, 40_000], [600, 610], [40_000, 40_010]];

type Open = fn(talk::Place<'_>, talk::Place<'_>) -> Talk;

/// Connections of both families, for each kind of ports and each side to speak first next.
fn open_all(open: Open, from: &Pod, to: &Pod, first_port: u16) -> Vec<(Side, Talk)> {
    let mut talks = Vec::new();
    for (from_address, to_address) in from.addresses.iter().zip(&to.addresses) {
        for (index, [source, destination]) in (0..).zip(PORTS) {
            for (turn, side) in (0..).zip(SIDES) {
                let shift = first_port + index * 20 + turn;
                let talk = open(
                    (from, *from_address, source + shift),
                    (to, *to_address, destination + shift),
                );
                talks.push((side, talk));
            }
        }
    }
    talks
}

/// A policy that isolates db in one direction, with these rules.
fn isolate(direction: &str, rules: &Value) -> Value {
    let rules_key = direction.to_lowercase();
    let mut spec = json!({
        "podSelector": {"matchLabels": {"app": "db"}},
        "policyTypes": [direction],
    });
    spec[rules_key] = rules.clone();
    policy("db", &spec)
}

fn go_on(talks: &mut [(Side, Talk)]) {
    for (first, talk) in talks {
        talk.goes_on(*first);
    }
}

fn are_cut(talks: &mut [(Side, Talk)]) {
    for (first, talk) in talks {
        assert!(
            !talk.carries(*first, SHORT),
            "{}: {first:?} is heard",
            talk.name
        );
    }
}

fn isolation_keeps_one_direction(open: Open, isolated: &str) {
    let (node, [db, friend]) = tracked();
    let mut opened_by_db = open_all(open, &db, &friend, 0);
    let mut opened_to_db = open_all(open, &friend, &db, 100);
    node.put(&isolate(isolated, &json!([])));
    node.settle();
    let (allowed, forbidden) = match isolated {
        "Ingress" => (&mut opened_by_db, &mut opened_to_db),
        _ => (&mut opened_to_db, &mut opened_by_db),
    };
    go_on(allowed);
    let denied =
        |node: &Node| node.packets("ingress/policy-denied") + node.packets("egress/policy-denied");
    assert_eq!(denied(&node), 0, "nothing of what is allowed was dropped");
    are_cut(forbidden);
    go_on(allowed);
}

#[test]
fn tcp_that_the_pod_opened_outlives_ingress_isolation_and_nothing_else_does() {
    isolation_keeps_one_direction(Talk::tcp, "Ingress");
}

#[test]
fn tcp_that_was_opened_to_the_pod_outlives_egress_isolation_and_nothing_else_does() {
    isolation_keeps_one_direction(Talk::tcp, "Egress");
}

#[test]
fn udp_that_the_pod_opened_outlives_ingress_isolation_and_nothing_else_does() {
    isolation_keeps_one_direction(Talk::udp, "Ingress");
}

#[test]
fn udp_that_was_opened_to_the_pod_outlives_egress_isolation_and_nothing_else_does() {
    isolation_keeps_one_direction(Talk::udp, "Egress");
}
