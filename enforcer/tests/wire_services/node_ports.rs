//! Ports of the node that lead to pods: who uses them is not the node.

use std::net::{IpAddr, SocketAddr};

use enforcer_lab::Outcome;
use serde_json::json;

use crate::common::{app, ingress};
use crate::world::{
    NODE_PORT, TARGET, World, all_get, at, egress, everywhere, node_port_service, serve_both,
    slices,
};

fn node_ports(world: &World, port: u16) -> Vec<SocketAddr> {
    let addresses = world.lab.node_addresses();
    addresses
        .iter()
        .map(|address| SocketAddr::new(*address, port))
        .collect()
}

#[test]
fn a_port_of_the_own_node_is_no_way_around_egress_policy() {
    everywhere(|world| {
        let [client, web, db] = ["client", "web", "db"].map(|name| world.pod(name));
        let _servers = [&*web, &*db, &world.lab.outside].map(|at| serve_both(at, TARGET));
        let far = world.lab.outside_addresses();
        let ports = [NODE_PORT, NODE_PORT + 1, NODE_PORT + 2];
        for (name, (number, port)) in ["web", "db", "far"].into_iter().zip((1..).zip(ports)) {
            world.serve_objects([node_port_service(name, number, port)]);
        }
        world.backends("web", &[&web]);
        world.backends("db", &[&db]);
        world.serve_objects(slices("far", &far, TARGET, true));
        world.put(&egress("client", "client", &json!([{"to": [app("web")]}])));
        world.start("");
        let [to_web, to_db, to_far] = ports.map(|port| node_ports(world, port));
        all_get(&client, &to_web, Outcome::Connected);
        all_get(&client, &to_db, Outcome::Timeout);
        all_get(&client, &to_far, Outcome::Timeout);
        // Nor is a rule for the node one for what is behind it.
        let nodes: Vec<_> = world.lab.node_addresses();
        let blocks = [format!("{}/32", nodes[0]), format!("{}/128", nodes[1])]
            .map(|cidr| json!({"ipBlock": {"cidr": cidr}}));
        world.put(&egress("client", "client", &json!([{"to": blocks}])));
        world.settle();
        for to in [&to_web, &to_db, &to_far] {
            all_get(&client, to, Outcome::Timeout);
        }
        // Those that nothing isolates go everywhere, and so does the world outside.
        for to in [&to_web, &to_db, &to_far] {
            all_get(&db, to, Outcome::Connected);
            all_get(&world.lab.outside, to, Outcome::Connected);
        }
    });
}

#[test]
fn clients_that_the_proxy_masquerades_do_not_pass_as_the_node() {
    everywhere(|world| {
        let [client, web] = ["client", "web"].map(|name| world.pod(name));
        let _server = serve_both(&web, TARGET);
        world.serve_objects([node_port_service("web", 1, NODE_PORT)]);
        world.backends("web", &[&web]);
        world.put(&ingress("web", "web", &json!([])));
        world.start("");
        let to = node_ports(world, NODE_PORT);
        all_get(&world.lab.outside, &to, Outcome::Timeout);
        all_get(&client, &to, Outcome::Timeout);
        let direct: Vec<SocketAddr> = web
            .addresses
            .iter()
            .map(|address| SocketAddr::new(*address, TARGET))
            .collect();
        all_get(&world.lab.outside, &direct, Outcome::Timeout);
        // The node itself reaches the pod, directly and by its own port.
        all_get(&world.lab.node, &direct, Outcome::Connected);
        all_get(&world.lab.node, &to, Outcome::Connected);
    });
}

#[test]
fn a_backend_whose_egress_is_isolated_answers_clients_of_a_node_port() {
    everywhere(|world| {
        let [client, web] = ["client", "web"].map(|name| world.pod(name));
        let _server = serve_both(&web, TARGET);
        world.serve_objects([node_port_service("web", 1, NODE_PORT)]);
        world.backends("web", &[&web]);
        world.put(&egress("web", "web", &json!([])));
        world.start("");
        let to = node_ports(world, NODE_PORT);
        all_get(&world.lab.outside, &to, Outcome::Connected);
        all_get(&client, &to, Outcome::Connected);
        all_get(&client, &at(1), Outcome::Connected);
    });
}

#[test]
fn a_local_traffic_policy_keeps_the_clients_address_for_the_backends_policy() {
    everywhere(|world| {
        let web = world.pod("web");
        let _server = serve_both(&web, TARGET);
        let mut local = node_port_service("web", 1, NODE_PORT);
        local["spec"]["externalTrafficPolicy"] = json!("Local");
        world.serve_objects([local]);
        world.backends("web", &[&web]);
        let outside = world.lab.outside_addresses();
        let blocks = |addresses: &[IpAddr]| {
            let block = |address: &IpAddr| {
                let length = if address.is_ipv4() { 32 } else { 128 };
                json!({"ipBlock": {"cidr": format!("{address}/{length}")}})
            };
            let from: Vec<_> = addresses.iter().map(block).collect();
            ingress("web", "web", &json!([{"from": from}]))
        };
        world.put(&blocks(&outside));
        world.start("");
        let to = node_ports(world, NODE_PORT);
        all_get(&world.lab.outside, &to, Outcome::Connected);
        world.put(&blocks(&world.lab.node_addresses()));
        world.settle();
        all_get(&world.lab.outside, &to, Outcome::Timeout);
    });
}
