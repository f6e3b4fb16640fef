//! What the daemon tells the API server, with the rights as shipped and a token as the kubelet gives it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{ingress, within};
use crate::world::{ACCOUNT, PLANE, World};

/// The first report comes half a minute after the start at the latest.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn each_policy_says_on_which_node_it_holds_and_where_it_does_not() {
    let mut world = World::without_daemon(&PLANE, "reports");
    let [namespace, account] = ACCOUNT;
    let token = PLANE.token_on_node(namespace, account, world.name).unwrap();
    world.account.put_token(&token).unwrap();
    world.start();
    let _db = world.pod("db");
    world.put(&ingress("db", "db", &json!([])));
    within(PATIENCE, "the policy is told to hold", || {
        told(&world, "Enforced")
    });

    // Running, but nobody has made its network.
    let nowhere = "10.244.255.254".parse().unwrap();
    world.put_pod("lost", &json!({"app": "db"}), Some(nowhere));
    within(PATIENCE, "the policy is told to hold in part", || {
        told(&world, "Partly")
    });
    within(PATIENCE, "Events at the policy and at the pod", || {
        let events = PLANE.kubectl(&["get", "events", "-n", world.name]).unwrap();
        let told = |object: &str| {
            let mut lines = events.lines();
            lines.any(|line| line.contains("NotEnforced") && line.contains(object))
        };
        told("networkpolicy/db") && told("pod/lost")
    });
}

/// Whether exactly one object tells of the policy, from this node, in this state.
fn told(world: &World, state: &str) -> bool {
    let words = ["get", "policyenforcements", "-n", world.name, "-o", "json"];
    let list: Value = serde_json::from_str(&PLANE.kubectl(&words).unwrap()).unwrap();
    let items = list["items"].as_array().unwrap();
    items.len() == 1
        && items[0]["spec"]["policy"]["name"] == "db"
        && items[0]["spec"]["node"] == world.name
        && items[0]["status"]["state"] == state
}
