//! What services, and the translation that comes with them, do to the tables.

use enforcer_common::abi::{Direction, Peer};
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{Change, EndpointSlice, Pod, Readiness, SliceKey};
use enforcer_policy::rule::{Peers, Ports};
use enforcer_policy::tables::Op;

use crate::build::{
    block, compiler, egress, endpoint, from, ingress, new_pod, no_service, node, pod, pod_key,
    policy, put, service, service_key,
};

fn peer(compiler: &Compiler, address: &str) -> Peer {
    compiler.tables().peer(address.parse().unwrap())
}

fn revision(compiler: &Compiler, name: &str, direction: Direction) -> u32 {
    endpoint(compiler, name).revisions[direction.index()]
}

/// `out` may send to `peers`, `in` may be sent to by them.
fn isolated(peers: &Peers) -> Compiler {
    let mut compiler = compiler();
    let on = |name: &str, address: &str| {
        let node = Some("n1".into());
        put(
            name,
            Pod {
                node,
                ..pod(name, address)
            },
        )
    };
    compiler.apply([
        on("out", "10.0.0.1"),
        on("in", "10.0.0.2"),
        policy("p", egress("out", peers.clone(), Ports::Any)),
        policy("q", ingress("in", peers.clone(), Ports::Any)),
    ]);
    compiler
}

#[test]
fn an_address_is_a_services_as_long_as_one_has_it() {
    let mut compiler = compiler();
    let address = "10.96.0.1";
    compiler.apply([service("a", address), service("b", address)]);
    assert_eq!(peer(&compiler, address).flags, Peer::SERVICE);
    let services = |compiler: &Compiler| -> Vec<_> {
        let services = compiler.services(address.parse().unwrap());
        services.cloned().collect()
    };
    assert_eq!(services(&compiler), [service_key("a"), service_key("b")]);
    compiler.apply([no_service("a")]);
    assert_eq!(peer(&compiler, address).flags, Peer::SERVICE);
    compiler.apply([service("b", "10.96.0.2")]);
    assert_eq!(peer(&compiler, address), Peer::default());
    assert_eq!(services(&compiler), []);
}

#[test]
fn an_address_of_a_service_is_still_its_nodes_and_in_its_blocks() {
    let mut compiler = isolated(&block("192.168.0.0/16", &[]));
    compiler.apply([node("n1", "192.168.0.1")]);
    let before = peer(&compiler, "192.168.0.1");
    assert_ne!(before.identity, 0);
    compiler.apply([service("a", "192.168.0.1")]);
    let after = peer(&compiler, "192.168.0.1");
    assert_eq!(
        after,
        Peer {
            flags: Peer::SERVICE,
            ..before
        }
    );
}

#[test]
fn an_address_that_becomes_a_services_is_judged_anew_by_those_who_may_send_there() {
    let mut compiler = isolated(&block("10.96.0.0/16", &[]));
    let revision = |compiler: &Compiler| {
        let of = |name, direction| revision(compiler, name, direction);
        [of("out", Direction::Egress), of("in", Direction::Ingress)]
    };
    let [out, into] = revision(&compiler);
    compiler.apply([service("a", "10.97.0.1")]);
    assert_eq!(
        revision(&compiler),
        [out, into],
        "nothing was allowed there"
    );
    compiler.apply([service("a", "10.96.0.1")]);
    let [newer, same] = revision(&compiler);
    assert!(newer != out && same == into);
    compiler.apply([no_service("a")]);
    assert_eq!(revision(&compiler), [newer, same], "nothing is lost");
}

#[test]
fn an_address_that_becomes_the_own_nodes_is_judged_anew() {
    let mut compiler = isolated(&block("192.168.0.0/16", &[]));
    let egress = |compiler: &Compiler| revision(compiler, "out", Direction::Egress);
    let first = egress(&compiler);
    compiler.apply([node("n2", "192.168.0.2")]);
    assert_eq!(egress(&compiler), first, "it is another node's");
    compiler.apply([node("n1", "192.168.0.1")]);
    let second = egress(&compiler);
    assert_ne!(second, first);
    compiler.set_local_addresses(["192.168.0.3".parse().unwrap()].into());
    assert_ne!(egress(&compiler), second);
}

#[test]
fn a_pod_that_gets_a_node_has_its_flows_judged_anew() {
    let mut compiler = isolated(&block("192.168.0.0/16", &[]));
    compiler.apply([node("n2", "192.168.0.2")]);
    let first = revision(&compiler, "out", Direction::Egress);
    let node = Some("n2".into());
    let moved = Pod {
        node,
        ..pod("out", "10.0.0.1")
    };
    compiler.apply([put("out", moved)]);
    assert_ne!(revision(&compiler, "out", Direction::Egress), first);
}

#[test]
fn endpoint_slices_and_readiness_write_nothing() {
    let mut compiler = isolated(&from(&["b"]));
    compiler.apply([service("a", "10.96.0.1"), new_pod("b", "10.0.0.3")]);
    let key = SliceKey {
        namespace: "ns".into(),
        name: "a-1".into(),
    };
    let slice = EndpointSlice {
        service: Some(service_key("a")),
        ..EndpointSlice::default()
    };
    let readiness = Readiness {
        unready: true,
        terminating: false,
    };
    let unready = Pod {
        readiness,
        ..pod("b", "10.0.0.3")
    };
    let ops = compiler.apply([
        Change::EndpointSlice(key.clone(), Some(slice)),
        put("b", unready),
    ]);
    assert_eq!(ops, []);
    assert!(compiler.cluster().slices.contains_key(&key));
}

#[test]
fn whoever_sends_denies_everything_while_a_services_address_does_not_fit() {
    let capacity = Capacity {
        addresses: 1,
        ..Capacity::default()
    };
    let mut compiler = Compiler::new(Scope::All, capacity);
    compiler.apply([
        new_pod("out", "10.0.0.1"),
        new_pod("in", "10.0.0.2"),
        policy("p", egress("out", block("10.96.0.0/16", &[]), Ports::Any)),
        policy("q", ingress("in", block("10.96.0.0/12", &[]), Ports::Any)),
        service("a", "10.96.0.1"),
    ]);
    assert_eq!(compiler.unfit().len(), 0);
    let ops = compiler.apply([service("b", "10.96.0.2")]);
    let put = |op: &Op| matches!(op, Op::PutEndpoint(pod, _) if *pod == pod_key("out"));
    assert!(ops.iter().any(put));
    let unfit: Vec<_> = compiler.unfit().keys().collect();
    assert_eq!(unfit, [&pod_key("out")]);
    compiler.apply([no_service("a")]);
    assert_eq!(compiler.unfit().len(), 0);
}
