//! Nodes, policies and sets of connections.

use enforcer_lab::{Families, Pod, Shape};
use serde_json::{Value, json};

use crate::common::{Node, SHORT, policy};
use crate::talk::{Place, SIDES, Side, Talk};

/// Makes the node track connections, as the rules of kube-proxy do.
pub(crate) fn track(node: &Node) {
    for rule in [
        "add table inet track",
        "add chain inet track packets { type filter hook prerouting priority 0 ; }",
        "add rule inet track packets ct state established accept",
    ] {
        node.lab.node.command("nft", rule).unwrap();
    }
}

/// A node that tracks connections, with these pods and a daemon.
pub(crate) fn tracked<const N: usize>(names: [&str; N]) -> (Node, [Pod; N]) {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    track(&node);
    let pods = names.map(|name| node.pod(name));
    node.start("");
    (node, pods)
}

/// Ports that say who is the client, who seems to be but is not, and that say nothing.
const PORTS: [[u16; 2]; 4] = [[40_000, 600], [600, 40_000], [600, 610], [40_000, 40_010]];

pub(crate) type Open = fn(Place<'_>, Place<'_>) -> Talk;

/// Connections of both families, for each kind of ports and each side to speak first next.
pub(crate) fn open_all(open: Open, from: &Pod, to: &Pod, first_port: u16) -> Vec<(Side, Talk)> {
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
pub(crate) fn isolate(direction: &str, rules: &Value) -> Value {
    let rules_key = direction.to_lowercase();
    let mut spec = json!({
        "podSelector": {"matchLabels": {"app": "db"}},
        "policyTypes": [direction],
    });
    spec[rules_key] = rules.clone();
    policy("db", &spec)
}

pub(crate) fn go_on(talks: &mut [(Side, Talk)]) {
    for (first, talk) in talks {
        talk.goes_on(*first);
    }
}

pub(crate) fn are_cut(talks: &mut [(Side, Talk)]) {
    for (first, talk) in talks {
        assert!(
            !talk.carries(*first, SHORT),
            "{}: {first:?} is heard",
            talk.name
        );
    }
}

/// Packets that policy has dropped so far.
pub(crate) fn denied(node: &Node) -> u64 {
    let reasons = ["policy-denied", "revoked", "undecided"];
    reasons
        .iter()
        .map(|reason| {
            node.packets(&format!("ingress/{reason}")) + node.packets(&format!("egress/{reason}"))
        })
        .sum()
}
