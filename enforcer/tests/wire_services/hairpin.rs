//! A pod reaches itself, also by a service, whatever policies say about it.

use std::net::SocketAddr;

use enforcer_lab::Outcome;
use serde_json::{Value, json};

use crate::common::policy;
use crate::world::{
    NODE_PORT, TARGET, World, all_get, at, everywhere, node_port_service, serve_both,
};

/// Isolates everybody in these directions.
fn isolated(directions: &[&str]) -> Value {
    let spec = json!({"podSelector": {}, "policyTypes": directions});
    policy("isolated", &spec)
}

fn node_ports(world: &World) -> Vec<SocketAddr> {
    let addresses = world.lab.node_addresses();
    addresses
        .iter()
        .map(|address| SocketAddr::new(*address, NODE_PORT))
        .collect()
}

#[test]
fn a_pod_reaches_itself_by_a_service_in_whatever_direction_it_is_isolated() {
    everywhere(|world| {
        let [web, db] = ["web", "db"].map(|name| world.pod(name));
        let _servers = [&web, &db].map(|pod| serve_both(pod, TARGET));
        world.serve_objects([node_port_service("web", 1, NODE_PORT)]);
        world.backends("web", &[&web]);
        world.put(&isolated(&["Ingress"]));
        world.start("");
        for directions in [&["Ingress"][..], &["Egress"], &["Ingress", "Egress"]] {
            println!("isolated in {directions:?}");
            world.put(&isolated(directions));
            world.settle();
            all_get(&web, &at(1), Outcome::Connected);
            all_get(&web, &node_ports(world), Outcome::Connected);
            // Nobody else does.
            all_get(&db, &at(1), Outcome::Timeout);
            all_get(&db, &node_ports(world), Outcome::Timeout);
        }
    });
}
