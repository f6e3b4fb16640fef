//! What single changes do.

use std::collections::BTreeSet;

use enforcer_common::abi::address::{FIRST_NODE, LOCAL_NODE};
use enforcer_common::abi::{Direction, Endpoint};
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::explain::PeerIdentity;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{Change, Pod};
use enforcer_policy::rule::{PeerSelector, Peers, Ports};
use enforcer_policy::selector::Labels;
use enforcer_policy::tables::Op;

use crate::build::{
    allow, app, block, compiler, endpoint, everywhere, from, gone, ingress, isolating, labels,
    lets_in, named_port, namespace, new_pod, no_policy, node, passes, pod, pod_key, policy, port,
    put, to_name,
};

fn revisions(compiler: &Compiler, name: &str) -> [u32; 2] {
    endpoint(compiler, name).revisions
}

#[test]
fn labels_that_no_policy_mentions_make_no_identity() {
    let mut compiler = compiler();
    compiler.apply([new_pod("a", "10.0.0.1"), new_pod("b", "10.0.0.2")]);
    assert_eq!(compiler.stats().identities, 1);
    assert!(compiler.tables().addresses.is_empty());
    compiler.apply([policy("p", ingress("a", from(&["c"]), Ports::Any))]);
    assert_eq!(compiler.stats().identities, 1);
    compiler.apply([policy("p", ingress("a", from(&["b"]), Ports::Any))]);
    assert_eq!(compiler.stats().identities, 2);
    assert_eq!(compiler.tables().addresses.len(), 1);
}

#[test]
fn an_address_is_a_pods_before_it_is_a_nodes_and_the_first_by_name_has_it() {
    let mut compiler = compiler();
    let owner = |compiler: &Compiler| compiler.owner("10.0.0.1".parse().unwrap());
    assert_eq!(owner(&compiler), PeerIdentity::Outside);
    compiler.apply([node("n", "10.0.0.1")]);
    assert_eq!(owner(&compiler), PeerIdentity::Node("n".into()));
    compiler.apply([new_pod("b", "10.0.0.1"), new_pod("a", "10.0.0.1")]);
    assert_eq!(owner(&compiler), PeerIdentity::Pod(pod_key("a")));
    compiler.apply([gone("a")]);
    assert_eq!(owner(&compiler), PeerIdentity::Pod(pod_key("b")));
}

#[test]
fn equal_rules_in_other_words_are_one_set() {
    let mut compiler = compiler();
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        new_pod("b", "10.0.0.2"),
        policy("p", ingress("a", from(&["x", "y"]), port(80))),
        policy("q", ingress("b", from(&["x"]), port(80))),
        policy("r", ingress("b", from(&["y"]), port(80))),
    ]);
    assert_eq!(endpoint(&compiler, "a").sets, endpoint(&compiler, "b").sets);
    assert_eq!(compiler.stats().policy_sets, 1);
}

#[test]
fn equal_port_lists_are_stored_once() {
    let mut compiler = compiler();
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        new_pod("b", "10.0.0.2"),
        policy("p", ingress("a", from(&["b"]), port(80))),
        policy("q", ingress("b", from(&["a"]), port(80))),
    ]);
    assert_eq!(compiler.stats().policy_sets, 2);
    assert_eq!(compiler.stats().port_lists, 1);
    assert_eq!(compiler.tables().ports.len(), 1);
}

#[test]
fn isolation_and_withdrawal_cut_flows_and_additions_do_not() {
    let mut compiler = compiler();
    compiler.apply([new_pod("a", "10.0.0.1"), new_pod("b", "10.0.0.2")]);
    let open = revisions(&compiler, "a");
    compiler.apply([policy("p", ingress("a", from(&["b"]), port(80)))]);
    let isolated = revisions(&compiler, "a");
    assert_ne!(open[0], isolated[0]);
    assert_eq!(open[1], isolated[1], "egress is not concerned");
    compiler.apply([policy("q", ingress("a", from(&["c"]), port(80)))]);
    compiler.apply([policy("p", ingress("a", from(&["b", "d"]), Ports::Any))]);
    assert_eq!(isolated, revisions(&compiler, "a"));
    compiler.apply([no_policy("q")]);
    assert_ne!(isolated, revisions(&compiler, "a"));
    let isolated = revisions(&compiler, "a");
    compiler.apply([no_policy("p")]);
    assert_eq!(isolated, revisions(&compiler, "a"));
}

#[test]
fn the_revision_comes_after_the_set() {
    let mut compiler = compiler();
    compiler.apply([new_pod("a", "10.0.0.1")]);
    let before = endpoint(&compiler, "a");
    let ops = compiler.apply([policy("p", ingress("a", from(&["b"]), port(80)))]);
    let writes: Vec<Endpoint> = ops
        .iter()
        .filter_map(|op| match op {
            Op::PutEndpoint(_, endpoint) => Some(*endpoint),
            _ => None,
        })
        .collect();
    assert_eq!(writes.len(), 2);
    assert_ne!(writes[0].sets, before.sets);
    assert_eq!(writes[0].revisions, before.revisions);
    assert_eq!(writes[1].sets, writes[0].sets);
    assert_ne!(writes[1].revisions, before.revisions);
}

#[test]
fn a_peer_that_loses_a_label_cuts_only_those_who_let_it_in() {
    let mut compiler = compiler();
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        new_pod("b", "10.0.0.2"),
        new_pod("c", "10.0.0.3"),
        policy("p", ingress("a", from(&["c"]), port(80))),
        policy("q", ingress("b", from(&["a"]), port(80))),
    ]);
    let before = [revisions(&compiler, "a"), revisions(&compiler, "b")];
    let mut changed = pod("c", "10.0.0.3");
    changed.labels = labels(&[("app", "other")]);
    compiler.apply([put("c", changed)]);
    assert_ne!(before[0], revisions(&compiler, "a"));
    assert_eq!(before[1], revisions(&compiler, "b"));
    let before = revisions(&compiler, "a");
    compiler.apply([new_pod("c", "10.0.0.3")]);
    assert_eq!(before, revisions(&compiler, "a"), "a gain cuts nothing");
}

#[test]
fn only_another_pod_or_another_address_is_another_endpoint() {
    let mut compiler = compiler();
    compiler.apply([new_pod("a", "10.0.0.1")]);
    let first = endpoint(&compiler, "a").id;
    let mut relabelled = pod("a", "10.0.0.1");
    relabelled.labels = Labels::default();
    compiler.apply([put("a", relabelled)]);
    assert_eq!(first, endpoint(&compiler, "a").id);
    compiler.apply([gone("a"), new_pod("a", "10.0.0.1")]);
    let second = endpoint(&compiler, "a").id;
    assert_ne!(first, second);
    compiler.apply([new_pod("a", "10.0.0.7")]);
    assert!(![first, second].contains(&endpoint(&compiler, "a").id));
}

#[test]
fn a_pod_keeps_its_flows_when_it_gets_or_loses_an_address_of_another_family() {
    let mut compiler = compiler();
    let with = |addresses: &[&str]| {
        let mut pod = pod("a", addresses[0]);
        pod.addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        put("a", pod)
    };
    compiler.apply([with(&["10.0.0.1"])]);
    let first = endpoint(&compiler, "a").id;
    for addresses in [["10.0.0.1", "fd00::1"].as_slice(), &["10.0.0.1"]] {
        compiler.apply([with(addresses)]);
        assert_eq!(first, endpoint(&compiler, "a").id, "{addresses:?}");
    }
    // Neither of these is an address that it had.
    compiler.apply([with(&["fd00::2"])]);
    let second = endpoint(&compiler, "a").id;
    assert_ne!(first, second);
    compiler.apply([with(&["10.0.0.2", "fd00::2"])]);
    assert_eq!(second, endpoint(&compiler, "a").id);
    compiler.apply([with(&["10.0.0.3", "fd00::2"])]);
    assert_ne!(second, endpoint(&compiler, "a").id);
}

#[test]
fn a_pod_never_appears_without_the_policies_that_came_with_it() {
    let mut compiler = compiler();
    let ops = compiler.apply([
        new_pod("a", "10.0.0.1"),
        policy("p", ingress("a", from(&["b"]), port(80))),
    ]);
    let isolated = ops.iter().all(|op| match op {
        Op::PutEndpoint(_, endpoint) => endpoint.isolated(Direction::Ingress),
        _ => true,
    });
    assert!(isolated, "{ops:?}");
}

#[test]
fn of_an_address_that_two_pods_claim_only_what_both_may_is_allowed() {
    let mut compiler = compiler();
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        new_pod("b", "10.0.0.2"),
        new_pod("c", "10.0.0.2"),
        policy("p", ingress("a", from(&["b"]), Ports::Any)),
        policy("q", ingress("a", from(&["b", "c"]), port(80))),
    ]);
    assert!(lets_in(&compiler, "a", "10.0.0.2", 80));
    assert!(!lets_in(&compiler, "a", "10.0.0.2", 81));
    compiler.apply([gone("c")]);
    assert!(lets_in(&compiler, "a", "10.0.0.2", 81));
}

#[test]
fn ended_and_host_network_pods_are_nobody() {
    for change in [
        (|pod: &mut Pod| pod.terminated = true) as fn(&mut Pod),
        |pod| pod.host_network = true,
    ] {
        let mut nobody = pod("b", "10.0.0.2");
        change(&mut nobody);
        let mut compiler = compiler();
        compiler.apply([
            new_pod("a", "10.0.0.1"),
            put("b", nobody),
            policy("p", ingress("a", from(&["b"]), Ports::Any)),
            policy("q", ingress("b", from(&["a"]), Ports::Any)),
        ]);
        assert!(!lets_in(&compiler, "a", "10.0.0.2", 80));
        assert!(!compiler.tables().endpoints.contains_key(&pod_key("b")));
        assert!(
            compiler
                .isolating(&pod_key("b"), Direction::Ingress)
                .is_empty()
        );
    }
}

#[test]
fn an_exception_is_a_hole_down_to_one_address() {
    let mut compiler = compiler();
    let holes = ["10.1.0.0/16", "10.2.3.4/32"];
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        policy("p", ingress("a", block("10.0.0.0/8", &holes), Ports::Any)),
        policy("q", ingress("a", block("10.1.2.0/24", &[]), port(80))),
    ]);
    assert!(lets_in(&compiler, "a", "10.3.0.1", 22));
    assert!(!lets_in(&compiler, "a", "10.1.0.1", 22));
    assert!(!lets_in(&compiler, "a", "10.2.3.4", 22));
    assert!(lets_in(&compiler, "a", "10.2.3.5", 22));
    assert!(lets_in(&compiler, "a", "10.1.2.9", 80));
    assert!(!lets_in(&compiler, "a", "10.1.2.9", 81));
    assert!(!lets_in(&compiler, "a", "11.0.0.1", 22));
    assert!(!lets_in(&compiler, "a", "fd00::1", 22));
}

#[test]
fn egress_port_names_are_looked_up_at_the_peer() {
    let mut compiler = compiler();
    let mut b = pod("b", "10.0.0.2");
    b.ports = vec![named_port("web", 80)];
    let mut c = pod("c", "10.0.0.3");
    c.ports = vec![named_port("web", 8080)];
    let rule = allow(Direction::Egress, app("a"), Peers::Any, to_name("web"));
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        put("b", b),
        put("c", c),
        policy("p", isolating(rule)),
    ]);
    let reaches = |peer, port| passes(&compiler, Direction::Egress, "a", peer, port);
    assert!(reaches("10.0.0.2", 80) && !reaches("10.0.0.2", 8080));
    assert!(reaches("10.0.0.3", 8080) && !reaches("10.0.0.3", 80));
    assert!(!reaches("8.8.8.8", 80));
}

#[test]
fn the_hosts_own_addresses_go_before_node_objects() {
    let mut compiler = compiler();
    compiler.apply([node("north", "192.168.0.1"), node("south", "192.168.0.2")]);
    let number =
        |compiler: &Compiler, address: &str| compiler.tables().peer(address.parse().unwrap()).node;
    let (north, south) = (
        number(&compiler, "192.168.0.1"),
        number(&compiler, "192.168.0.2"),
    );
    assert!(north >= FIRST_NODE && south >= FIRST_NODE && north != south);
    let ops = compiler.set_local_addresses(BTreeSet::from(["192.168.0.1".parse().unwrap()]));
    assert_eq!(ops.len(), 1);
    assert_eq!(number(&compiler, "192.168.0.1"), LOCAL_NODE);
    compiler.set_local_addresses(BTreeSet::new());
    assert_eq!(number(&compiler, "192.168.0.1"), north);
    let mut bound = pod("a", "10.0.0.1");
    bound.node = Some("south".into());
    compiler.apply([put("a", bound)]);
    compiler.apply([Change::Node("south".to_owned(), None)]);
    compiler.apply([node("south", "192.168.0.3")]);
    assert_eq!(
        number(&compiler, "192.168.0.3"),
        south,
        "the pod spoke of it all the time"
    );
}

#[test]
fn an_address_that_ceases_to_be_the_own_nodes_cuts_its_flows() {
    let mut compiler = compiler();
    let local = BTreeSet::from(["192.168.0.1".parse().unwrap()]);
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        policy("p", ingress("a", from(&["b"]), Ports::Any)),
    ]);
    compiler.set_local_addresses(local);
    let before = revisions(&compiler, "a");
    assert!(lets_in(&compiler, "a", "192.168.0.1", 22));
    compiler.set_local_addresses(BTreeSet::new());
    assert!(!lets_in(&compiler, "a", "192.168.0.1", 22));
    assert_ne!(before[0], revisions(&compiler, "a")[0]);
}

#[test]
fn endpoints_are_the_pods_of_the_node_or_of_none_and_peers_are_all() {
    let on = |name: &str, address: &str, node: Option<&str>| {
        let mut pod = pod(name, address);
        pod.node = node.map(Name::from);
        put(name, pod)
    };
    let mut compiler = Compiler::new(Scope::Node("here".to_owned()), Capacity::default());
    compiler.apply([
        on("a", "10.0.0.1", Some("here")),
        on("b", "10.0.0.2", Some("there")),
        on("c", "10.0.0.3", None),
        policy("p", ingress("a", from(&["b"]), Ports::Any)),
        policy("q", ingress("b", from(&["c"]), Ports::Any)),
    ]);
    let endpoints: Vec<_> = compiler.tables().endpoints.keys().cloned().collect();
    assert_eq!(endpoints, [pod_key("a"), pod_key("c")]);
    assert!(lets_in(&compiler, "a", "10.0.0.2", 80));
    assert_eq!(
        compiler.stats().selectors,
        1,
        "rules of other nodes are not in use"
    );
    assert_eq!(
        compiler.isolating(&pod_key("b"), Direction::Ingress).len(),
        1
    );
}

/// The pod and its peer are in the namespace; its old labels let port 80 of the peer out, its new
/// ones port 81. At no write is neither or something else open.
#[test]
fn a_namespace_that_changes_rules_and_peers_at_once_shows_no_mixture() {
    let rule = |team: &str, number| {
        let peers = Peers::Of(vec![PeerSelector::Pods(everywhere(&[("team", team)]))]);
        let subject = everywhere(&[("team", team)]);
        isolating(allow(Direction::Egress, subject, peers, port(number)))
    };
    let mut compiler = compiler();
    compiler.apply([
        namespace(&[("team", "red")]),
        new_pod("a", "10.0.0.1"),
        new_pod("b", "10.0.0.2"),
        policy("p", rule("red", 80)),
        policy("q", rule("blue", 81)),
    ]);
    let mut tables = compiler.tables().clone();
    let ops = compiler.apply([namespace(&[("team", "blue")])]);
    let mut seen = Vec::new();
    for op in &ops {
        tables.apply(op);
        let set = tables.endpoints[&pod_key("a")].sets[Direction::Egress.index()];
        let peer = tables.peer("10.0.0.2".parse().unwrap()).identity;
        seen.push([80, 81].map(|port| tables.allows(set, peer, 6, port)));
    }
    seen.dedup();
    assert_eq!(seen, [[true, false], [false, true]]);
}

#[test]
fn what_does_not_fit_hurts_nobody_else_and_recovers() {
    let capacity = Capacity {
        verdicts: 3,
        ..Capacity::default()
    };
    let mut compiler = Compiler::new(Scope::All, capacity);
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        new_pod("b", "10.0.0.2"),
        policy("p", ingress("a", from(&["b"]), port(80))),
    ]);
    assert!(compiler.unfit().is_empty());
    compiler.apply([policy("q", ingress("b", from(&["a"]), port(80)))]);
    let unfit: Vec<_> = compiler.unfit().keys().cloned().collect();
    assert_eq!(unfit, [pod_key("b")]);
    assert!(lets_in(&compiler, "a", "10.0.0.2", 80));
    assert!(!lets_in(&compiler, "b", "10.0.0.1", 80));
    compiler.apply([no_policy("p")]);
    assert!(compiler.unfit().is_empty());
    assert!(lets_in(&compiler, "b", "10.0.0.1", 80));
}

#[test]
fn a_change_writes_only_what_it_concerns() {
    let mut compiler = compiler();
    let pods = (0..100).map(|n| new_pod(&format!("p{n}"), &format!("10.0.0.{n}")));
    let policies = (0..100).map(|n| {
        let friend = format!("p{}", (n + 1) % 100);
        policy(
            &n.to_string(),
            ingress(&format!("p{n}"), from(&[&friend]), port(80)),
        )
    });
    compiler.apply(pods.chain(policies));
    let mut relabelled = pod("p7", "10.0.0.7");
    relabelled.labels = Labels::default();
    let ops = compiler.apply([put("p7", relabelled)]);
    assert!(ops.len() < 12, "{ops:?}");
    assert!(
        compiler.apply([new_pod("p9", "10.0.0.9")]).is_empty(),
        "nothing new"
    );
}

#[test]
fn a_long_list_of_blocks_is_many_prefixes_but_one_identity() {
    let one = |n: u8| match block(&format!("172.16.{n}.0/24"), &[]) {
        Peers::Of(blocks) => blocks,
        Peers::Any => Vec::new(),
    };
    let peers = Peers::Of((0..200).step_by(2).flat_map(one).collect());
    let mut compiler = compiler();
    compiler.apply([
        new_pod("a", "10.0.0.1"),
        policy("p", ingress("a", peers, Ports::Any)),
    ]);
    let stats = compiler.stats();
    assert_eq!((stats.cidrs, stats.identities, stats.verdicts), (100, 2, 2));
    assert!(lets_in(&compiler, "a", "172.16.4.1", 80));
    assert!(!lets_in(&compiler, "a", "172.16.5.1", 80));
}
