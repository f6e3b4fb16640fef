//! An address that one takes over from another, in the batch in which a selector comes into use.

use enforcer_common::abi::Direction;
use enforcer_policy::compile::Compiler;
use enforcer_policy::model::{Change, Pod};
use enforcer_policy::rule::{Peers, Ports};

use crate::build::{
    TCP, block, compiler, egress, from, gone, ingress, named_port, new_pod, pod, pod_key, policy,
    put, service, to_name,
};
use crate::lookup::allowed;
use crate::meaning::Probe;

/// The address that is taken over.
const TAKEN: &str = "10.0.0.2";

/// Asserts that `two`, which comes in the batch and is the first to whom its policy applies, is never
/// denied what is allowed with the former owner and with the new one of the address.
fn assert_allowed(mut compiler: Compiler, batch: Vec<Change>, direction: Direction) {
    let mut tables = compiler.tables().clone();
    let key = pod_key("two");
    let probe = Probe {
        endpoint: &key,
        direction,
        peer: TAKEN.parse().unwrap(),
        protocol: TCP,
        port: 80,
    };
    let mut asked = 0;
    for op in compiler.apply(batch) {
        tables.apply(&op);
        if let Some(endpoint) = tables.endpoints.get(&key) {
            asked += 1;
            assert!(allowed(&tables, endpoint, probe), "after {op:?}");
        }
    }
    // The endpoint comes before the address.
    assert!(asked > 1);
}

fn arrivals() -> Vec<Change> {
    vec![new_pod("one", TAKEN), new_pod("two", "10.0.0.3")]
}

fn ingress_from(peers: Peers) -> Change {
    policy("p", ingress("two", peers, Ports::Any))
}

#[test]
fn a_services_address_is_in_its_blocks_until_a_pod_has_it() {
    let mut compiler = compiler();
    compiler.apply([service("s", TAKEN), ingress_from(block("0.0.0.0/0", &[]))]);
    assert_allowed(compiler, arrivals(), Direction::Ingress);
}

#[test]
fn a_former_pods_address_is_that_pods_until_another_has_it() {
    let mut compiler = compiler();
    compiler.apply([new_pod("old", TAKEN), ingress_from(from(&["one", "old"]))]);
    let batch = [vec![gone("old")], arrivals()].concat();
    assert_allowed(compiler, batch, Direction::Ingress);
}

#[test]
fn a_former_pods_ports_are_that_pods_until_another_has_its_address() {
    let with_port = |name: &str| {
        let ports = vec![named_port("http", 80)];
        let pod = Pod {
            ports,
            ..pod(name, TAKEN)
        };
        put(name, pod)
    };
    let mut compiler = compiler();
    let rules = egress("two", Peers::Any, to_name("http"));
    compiler.apply([with_port("old"), policy("p", rules)]);
    let batch = vec![gone("old"), with_port("one"), new_pod("two", "10.0.0.3")];
    assert_allowed(compiler, batch, Direction::Egress);
}
