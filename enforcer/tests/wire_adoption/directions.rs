//! Each direction, with ports that say who opened a connection, say nothing, or lie.

use serde_json::json;

use crate::talk::Talk;
use crate::world::{Open, are_cut, denied, go_on, isolate, open_all, tracked};

fn isolation_keeps_one_direction(open: Open, isolated: &str) {
    let (node, [db, friend]) = tracked(["db", "friend"]);
    let mut opened_by_db = open_all(open, &db, &friend, 0);
    let mut opened_to_db = open_all(open, &friend, &db, 100);
    node.put(&isolate(isolated, &json!([])));
    node.settle();
    let (allowed, forbidden) = match isolated {
        "Ingress" => (&mut opened_by_db, &mut opened_to_db),
        _ => (&mut opened_to_db, &mut opened_by_db),
    };
    go_on(allowed);
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
