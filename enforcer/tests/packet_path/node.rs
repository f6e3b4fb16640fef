//! A pod and its own node always reach each other, and a pod itself.

use enforcer::datapath::judge::{LINK, OTHER_LINK};
use enforcer_common::Reason;
use enforcer_common::abi::address::LOCAL_NODE;
use enforcer_common::abi::{Endpoint, Peer};

use crate::link::{Link, NODE, OTHER_NODE, POD, POD_V6, ip, syn, syn_ack};

#[test]
fn what_the_host_itself_sends_reaches_the_pod() {
    let mut link = Link::isolated();
    assert_eq!(
        link.gets_through(0, &syn(NODE, POD, (40_000, 10))),
        Reason::OwnNode
    );
}

#[test]
fn the_host_hears_the_answer_and_nobody_else_gets_in_by_it() {
    let mut link = Link::isolated();
    let opening = syn(NODE, POD, (40_000, 10));
    assert_eq!(link.gets_through(0, &opening), Reason::OwnNode);
    assert_eq!(
        link.sends(&syn_ack(POD, NODE, (10, 40_000))),
        Reason::OwnNode
    );
    assert_eq!(link.memory.flows(), 0);
    assert_eq!(
        link.gets_through(OTHER_LINK, &opening),
        Reason::PolicyDenied
    );
}

#[test]
fn what_the_host_only_forwards_from_its_address_is_judged() {
    let mut link = Link::isolated();
    let forwarded = syn(NODE, POD, (40_000, 80));
    assert_eq!(
        link.gets_through(OTHER_LINK, &forwarded),
        Reason::PolicyDenied
    );
}

#[test]
fn the_pod_reaches_its_own_node_and_no_other() {
    let mut link = Link::isolated();
    assert_eq!(
        link.sends(&syn(POD, NODE, (40_000, 10_250))),
        Reason::OwnNode
    );
    assert_eq!(
        link.sends(&syn(POD, OTHER_NODE, (40_000, 10_250))),
        Reason::PolicyDenied
    );
}

#[test]
fn an_address_of_the_host_is_the_own_nodes_whatever_node_the_pod_names() {
    let mut link = Link::isolated();
    let host = Peer {
        identity: 0,
        node: LOCAL_NODE,
        flags: 0,
    };
    link.memory.tables.addresses.insert(ip(OTHER_NODE), host);
    link.pod.node = 0;
    assert_eq!(
        link.sends(&syn(POD, OTHER_NODE, (40_000, 10_250))),
        Reason::OwnNode
    );
}

#[test]
fn a_pod_whose_node_is_unknown_has_no_own_node_by_default() {
    let mut link = Link::isolated();
    link.pod.node = 0;
    link.memory.tables.addresses.clear();
    assert_eq!(
        link.sends(&syn(POD, NODE, (40_000, 10_250))),
        Reason::PolicyDenied
    );
}

#[test]
fn a_pod_reaches_its_own_address() {
    let mut link = Link::isolated();
    for own in [POD, POD_V6] {
        assert_eq!(link.sends(&syn(own, own, (40_000, 1))), Reason::OwnPod);
    }
}

#[test]
fn what_comes_back_to_the_link_it_came_from_is_the_pod_itself_through_a_service() {
    let mut link = Link::isolated();
    assert_eq!(
        link.gets_through(LINK, &syn(NODE, POD, (40_000, 1))),
        Reason::OwnPod
    );
}

#[test]
fn the_own_node_is_exempt_even_where_nothing_else_passes() {
    let mut link = Link::with(Endpoint::DENY_ALL);
    assert_eq!(
        link.gets_through(0, &syn(NODE, POD, (40_000, 10))),
        Reason::OwnNode
    );
    assert_eq!(
        link.sends(&syn(POD, NODE, (40_000, 10_250))),
        Reason::OwnNode
    );
}
