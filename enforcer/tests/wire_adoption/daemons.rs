//! Daemons that come and go, and a node without a table.

use enforcer_lab::{Families, Shape};
use serde_json::json;

use crate::common::{LONG, Node, SHORT, eventually, pod_object};
use crate::talk::{Side, Talk};
use crate::world::{are_cut, go_on, isolate, open_all, track, tracked};

#[test]
fn the_first_daemon_takes_over_what_was_there_before_it() {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    track(&node);
    let [db, friend] = ["db", "friend"].map(|name| node.pod(name));
    let mut opened_by_db = open_all(Talk::tcp, &db, &friend, 0);
    let mut opened_to_db = open_all(Talk::tcp, &friend, &db, 100);
    node.put(&isolate("Ingress", &json!([])));
    node.start("");
    go_on(&mut opened_by_db);
    are_cut(&mut opened_to_db);
}

#[test]
fn a_pod_that_was_isolated_while_no_daemon_ran_keeps_what_is_allowed() {
    let (mut node, [db, friend]) = tracked(["db", "friend"]);
    let mut opened_by_db = open_all(Talk::udp, &db, &friend, 0);
    let mut opened_to_db = open_all(Talk::udp, &friend, &db, 100);
    node.daemon.take().unwrap().stop(LONG).unwrap();
    node.put(&isolate("Egress", &json!([])));
    node.start("");
    go_on(&mut opened_to_db);
    are_cut(&mut opened_by_db);
}

#[test]
fn the_next_daemon_leaves_tracked_connections_to_the_programs() {
    let (mut node, [db, friend]) = tracked(["db", "friend"]);
    let mut opened_by_db = open_all(Talk::tcp, &db, &friend, 0);
    let mut opened_to_db = open_all(Talk::tcp, &friend, &db, 100);
    node.put(&isolate("Ingress", &json!([])));
    node.settle();
    node.daemon.take().unwrap().stop(LONG).unwrap();
    node.start("");
    let log = node.daemon().log();
    let adoptions = log.matches("took over connections").count();
    assert_eq!(adoptions, 1, "that of the first daemon: {log}");
    go_on(&mut opened_by_db);
    are_cut(&mut opened_to_db);
}

#[test]
fn a_pending_links_pod_takes_over_what_it_had_while_pending() {
    let (node, [friend]) = tracked(["friend"]);
    let db = node.lab.add_pod("db").unwrap();
    node.put(&isolate("Ingress", &json!([])));
    eventually("the link is attached", || {
        node.status().pending_links.contains(&db.host_link)
    });
    let mut opened_by_db = open_all(Talk::tcp, &db, &friend, 0);
    let mut opened_to_db = open_all(Talk::tcp, &friend, &db, 100);
    node.put(&pod_object("db", &[("app", "db")], &db.addresses));
    node.settle();
    go_on(&mut opened_by_db);
    are_cut(&mut opened_to_db);
}

/// The ports say who opened a connection, and where they do not, both directions must allow it.
#[test]
fn without_a_table_tcp_goes_on_between_ports_of_a_client_and_a_server_and_nowhere_else() {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    let [db, friend] = ["db", "friend"].map(|name| node.pod(name));
    node.start("");
    let (from, to) = (db.v4().unwrap(), friend.v4().unwrap());
    let mut plain = Talk::tcp((&db, from, 40_000), (&friend, to, 600));
    let mut high = Talk::tcp((&db, from, 40_001), (&friend, to, 40_001));
    node.put(&isolate("Ingress", &json!([])));
    node.settle();
    plain.goes_on(Side::Other);
    assert!(!high.carries(Side::Other, SHORT));
}
