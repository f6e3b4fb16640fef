//! The first packets of a pod.

use std::thread::sleep;

use enforcer_lab::{Families, Shape};

use crate::common::{Node, eventually, pod_object};
use crate::runtime::{Runtime, Sandbox};
use crate::traffic::{A_WHILE, Receiver, Sender};
use crate::world::{namespace, only_81};

fn no_packet_of_a_new_pod_passes_against_policy(runtime: fn(&Node) -> Runtime) {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    node.put(&only_81());
    node.start("");
    let runtime = runtime(&node);
    let forbidden = Receiver::start(&node.lab.outside, 80);
    let allowed = Receiver::start(&node.lab.outside, 81);
    let outside = node.lab.outside_addresses();
    let mut times = Vec::new();
    for round in 0..5 {
        let name = format!("held-{round}");
        node.put(&pod_object(&name, &[("app", "held")], &[]));
        let space = namespace(&node, &name);
        let sandbox = Sandbox::new(&name, &space);
        let added = runtime.add(&node.lab.node, &sandbox).unwrap();
        let to_80 = Sender::start(&space, &outside, 80);
        let to_81 = Sender::start(&space, &outside, 81);
        assert_eq!(added.addresses.len(), 2);
        let (in_80, in_81) = (Receiver::start(&space, 80), Receiver::start(&space, 81));
        let from_80 = Sender::start(&node.lab.outside, &added.addresses, 80);
        let from_81 = Sender::start(&node.lab.outside, &added.addresses, 81);
        let before = allowed.count();
        eventually("what is allowed passes, both ways", || {
            allowed.count() > before + 100 && in_81.count() > 100
        });
        eventually("everybody sends", || {
            let numbers = [to_80.sent(), to_81.sent(), from_80.sent(), from_81.sent()];
            numbers.iter().all(|sent| *sent > 100)
        });
        sleep(A_WHILE);
        assert_eq!((forbidden.count(), in_80.count()), (0, 0), "round {round}");
        times.push(added.held);
        runtime.delete(&node.lab.node, &sandbox);
    }
    times.sort();
    println!("held for {times:?}");
}

#[test]
fn no_packet_of_a_new_pod_passes_against_policy_with_ptp() {
    no_packet_of_a_new_pod_passes_against_policy(Runtime::ptp);
}

#[test]
fn no_packet_of_a_new_pod_passes_against_policy_with_a_bridge() {
    no_packet_of_a_new_pod_passes_against_policy(Runtime::bridge);
}

#[test]
fn without_the_plugin_a_pod_sends_what_policy_forbids_until_its_status_is_known() {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    node.put(&only_81());
    node.start("");
    let mut runtime = Runtime::ptp(&node);
    runtime.plugins.pop();
    let forbidden = Receiver::start(&node.lab.outside, 80);
    node.put(&pod_object("free", &[("app", "held")], &[]));
    let space = namespace(&node, "free");
    let sandbox = Sandbox::new("free", &space);
    let added = runtime.add(&node.lab.node, &sandbox).unwrap();
    let _sender = Sender::start(&space, &node.lab.outside_addresses(), 80);
    eventually("packets pass", || forbidden.count() > 0);
    node.put(&pod_object("free", &[("app", "held")], &added.addresses));
    node.settle();
    sleep(A_WHILE);
    let count = forbidden.count();
    sleep(A_WHILE);
    assert_eq!(forbidden.count(), count);
}

/// The guarantee begins when `ADD` returns. Before, the link is met as any new link is.
fn is_stopped_when_add_returns(pending: &str, runtime: fn(&Node) -> Runtime) {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    node.put(&only_81());
    node.start(&format!("--pending {pending}"));
    let forbidden = Receiver::start(&node.lab.outside, 80);
    node.put(&pod_object("early", &[("app", "held")], &[]));
    let space = namespace(&node, "early");
    let sender = Sender::start(&space, &node.lab.outside_addresses(), 80);
    let sandbox = Sandbox::new("early", &space);
    runtime(&node).add(&node.lab.node, &sandbox).unwrap();
    // What passed before may still be on its way to the counter.
    sleep(A_WHILE);
    let (before, sent) = (forbidden.count(), sender.sent());
    // It may wait for an answer to an ARP request that was dropped.
    eventually("it goes on sending", || sender.sent() > sent + 100);
    sleep(A_WHILE);
    assert_eq!(forbidden.count(), before, "--pending {pending}");
    println!("--pending {pending}: {before} datagrams passed before ADD returned");
}

#[test]
fn a_process_that_sends_before_add_returns_is_stopped_at_the_latest_then() {
    for pending in ["deny", "allow"] {
        is_stopped_when_add_returns(pending, Runtime::ptp);
        is_stopped_when_add_returns(pending, Runtime::bridge);
    }
}
