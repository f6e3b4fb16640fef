//! Peers of which a policy allows some.

use serde_json::{Value, json};

use crate::common::{LONG, SHORT, app, deny_all, policy};
use crate::talk::{SIDES, Side, Talk};
use crate::world::{Open, are_cut, denied, go_on, isolate, open_all, tracked};

/// A policy that isolates db in both directions, with these rules.
fn only(ingress: &Value, egress: &Value) -> Value {
    policy(
        "db",
        &json!({
            "podSelector": {"matchLabels": {"app": "db"}},
            "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress,
        }),
    )
}

#[test]
fn what_the_policy_allows_goes_on_without_a_packet_lost_and_the_rest_is_cut() {
    let (node, [db, friend, foe]) = tracked(["db", "friend", "foe"]);
    let mut allowed = Vec::new();
    let mut forbidden = Vec::new();
    for (open, ports) in [(Talk::tcp as Open, 0), (Talk::udp, 100)] {
        allowed.extend(open_all(open, &db, &friend, ports));
        allowed.extend(open_all(open, &friend, &db, 200 + ports));
        forbidden.extend(open_all(open, &db, &foe, 400 + ports));
        forbidden.extend(open_all(open, &foe, &db, 600 + ports));
    }
    let (from, to) = (
        json!([{"from": [app("friend")]}]),
        json!([{"to": [app("friend")]}]),
    );
    node.put(&only(&from, &to));
    node.settle();
    go_on(&mut allowed);
    assert_eq!(denied(&node), 0);
    are_cut(&mut forbidden);
    go_on(&mut allowed);
    let log = node.daemon().log();
    assert!(log.contains("took over connections"), "{log}");
}

#[test]
fn a_pod_that_becomes_isolated_in_its_other_direction_too_keeps_what_is_allowed() {
    let (node, [db, friend]) = tracked(["db", "friend"]);
    let mut opened_by_db = open_all(Talk::tcp, &db, &friend, 0);
    let mut opened_to_db = open_all(Talk::tcp, &friend, &db, 100);
    let from = json!([{"from": [app("friend")]}]);
    node.put(&isolate("Ingress", &from));
    node.settle();
    // Half of them are tracked by now, half have been silent since before.
    let all = opened_by_db.iter_mut().chain(&mut opened_to_db);
    for (first, talk) in all.step_by(2) {
        talk.goes_on(*first);
    }
    node.put(&only(&from, &json!([])));
    node.settle();
    go_on(&mut opened_to_db);
    are_cut(&mut opened_by_db);
}

/// Exchanges of which nobody has answered the question yet.
fn unanswered(db: &enforcer_lab::Pod, friend: &enforcer_lab::Pod) -> Vec<Talk> {
    let addresses = db.addresses.iter().zip(&friend.addresses);
    addresses
        .map(|(from, to)| Talk::udp_unanswered((db, *from, 4001), (friend, *to, 4002)))
        .collect()
}

/// An answer that arrives after the isolation belongs to a question from before it, not to a
/// conversation that its sender opens.
#[test]
fn an_answer_in_flight_does_not_keep_an_exchange_alive_that_egress_forbids() {
    let (node, [db, friend]) = tracked(["db", "friend"]);
    let mut talks = unanswered(&db, &friend);
    node.put(&isolate("Egress", &json!([])));
    node.settle();
    for talk in &mut talks {
        for side in [Side::Other, Side::Opener] {
            assert!(!talk.carries(side, SHORT), "{}: {side:?}", talk.name);
        }
    }
    assert!(node.packets("ingress/revoked") > 0 && node.packets("egress/revoked") > 0);
}

#[test]
fn an_answer_in_flight_is_heard_where_egress_allows_the_exchange() {
    let (node, [db, friend]) = tracked(["db", "friend"]);
    let mut talks = unanswered(&db, &friend);
    node.put(&only(&json!([]), &json!([{"to": [app("friend")]}])));
    node.settle();
    for talk in &mut talks {
        assert!(talk.carries(Side::Other, LONG), "{}: its answer", talk.name);
    }
    assert_eq!(denied(&node), 0);
}

#[test]
fn the_own_nodes_connections_to_a_pod_go_on_whatever_its_policy() {
    let (node, [db]) = tracked(["db"]);
    let mut talks = Vec::new();
    for (address, own) in db.addresses.iter().zip(&node.lab.node_addresses()) {
        for (turn, side) in (0..).zip(SIDES) {
            for open in [Talk::tcp as Open, Talk::udp] {
                let here = (&*node.lab.node, *own, 40_000 + turn);
                talks.push((side, open(here, (&db, *address, 40_010 + turn))));
            }
        }
    }
    node.put(&deny_all());
    node.settle();
    go_on(&mut talks);
    assert_eq!(denied(&node), 0);
}
