//! Beside another policy engine the daemon refuses, or says what it does. Needs root, nft, iptables
//! and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use common::{LONG, Node, connects, deny_all, eventually, serve};
use enforcer_lab::{Families, Shape};

/// Makes what an engine leaves in a node, and gives the words by which it must be named.
type Engine = (fn(&Node), &'static str);

fn link(node: &Node, name: &str) {
    let node = &node.lab.node;
    node.ip(&format!("link add {name} type bridge")).unwrap();
}

/// One of each kind of sign, by the very tools that engines use.
const ENGINES: [Engine; 4] = [
    (
        |node| link(node, "cilium_host"),
        "Cilium (link cilium_host)",
    ),
    (
        |node| link(node, "cali0a1b2c3d4e5"),
        "Calico (link cali0a1b2c3d4e5)",
    ),
    (
        |node| {
            let chain = "-N KUBE-ROUTER-FORWARD";
            node.lab.node.command("iptables-nft", chain).unwrap();
        },
        "kube-router (chain KUBE-ROUTER-FORWARD in table filter)",
    ),
    (
        |node| {
            let table = "inet kindnet-network-policies";
            for command in [
                format!("add table {table}"),
                format!("add chain {table} prerouting"),
            ] {
                node.lab.node.command("nft", &command).unwrap();
            }
        },
        "kindnet (nftables table kindnet-network-policies)",
    ),
];

#[test]
fn beside_another_engine_nothing_is_attached_and_the_error_names_it() {
    for (install, words) in ENGINES {
        let node = Node::new(Shape::Ptp, Families::V4);
        let [a, b] = ["a", "b"].map(|name| node.pod(name));
        node.put(&deny_all());
        install(&node);
        let _server = serve(&a, 80);
        let daemon = node.launch("");
        eventually("a refusal", || daemon.log().contains("--alongside"));
        let log = daemon.log();
        assert!(log.contains(words), "{log}");
        assert_eq!(daemon.stop(LONG).unwrap().unwrap().code(), Some(2));
        connects(&b, a.v4().unwrap(), 80, true);
    }
}

#[test]
fn alongside_another_engine_policies_are_enforced_and_status_names_it() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let [a, b] = ["a", "b"].map(|name| node.pod(name));
    node.put(&deny_all());
    link(&node, "antrea-gw0");
    let _server = serve(&a, 80);
    node.start("--alongside --cleanup");
    connects(&b, a.v4().unwrap(), 80, false);
    assert_eq!(node.status().other_engines, ["Antrea (link antrea-gw0)"]);
}

#[test]
fn an_engine_that_comes_later_is_named_and_enforcement_goes_on() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let [a, b] = ["a", "b"].map(|name| node.pod(name));
    node.put(&deny_all());
    let _server = serve(&a, 80);
    node.start("--cleanup");
    assert!(node.status().other_engines.is_empty());
    link(&node, "cilium_host");
    eventually("the newcomer is named", || {
        node.status().other_engines == ["Cilium (link cilium_host)"]
    });
    connects(&b, a.v4().unwrap(), 80, false);
}
