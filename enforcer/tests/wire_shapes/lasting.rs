//! Edits under load, and daemons that come and go, across nodes.

use enforcer_lab::{Fabric, Families, Shape};
use serde_json::json;

use crate::common::live::Live;
use crate::common::{BRIDGE, LONG, app, connects, ingress, policy, serve};
use crate::means::PORT;
use crate::world::World;

fn edits_hold_on_all_nodes(shape: Shape, fabric: Fabric) {
    let mut world = World::new(shape, Families::Dual, fabric);
    let server = world.pod(0, "server");
    let friends = [0, 1].map(|number| world.pod(number, "friend"));
    let others = [0, 1].map(|number| world.pod(number, "other"));
    let _servers = [serve(&server, PORT), serve(&friends[1], PORT)];
    world.start();
    let open = |from: &enforcer_lab::Pod, to: &enforcer_lab::Pod| -> Vec<Live> {
        let name = format!("{} → {}", from.name, to.name);
        let open = |address| Live::open(&name, from, address, PORT);
        to.addresses.iter().copied().map(open).collect()
    };
    let kept: Vec<Live> = friends
        .iter()
        .flat_map(|from| open(from, &server))
        .collect();
    let cut: Vec<Live> = others.iter().flat_map(|from| open(from, &server)).collect();
    world.put(&ingress(
        "server",
        "server",
        &json!([{"from": [app("friend")]}]),
    ));
    world.settle();
    for live in &cut {
        live.is_cut_within(LONG);
    }
    kept.iter().for_each(Live::goes_on);

    // Now at the sender's node alone: node 1 knows the peer only by its manifests.
    let outgoing = open(&server, &friends[1]);
    let spec = |peer: &str| {
        json!({
            "podSelector": {"matchLabels": {"app": "server"}},
            "policyTypes": ["Egress"], "egress": [{"to": [app(peer)]}],
        })
    };
    world.put(&policy("server-out", &spec("friend")));
    world.settle();
    outgoing.iter().chain(&kept).for_each(Live::goes_on);
    world.put(&policy("server-out", &spec("other")));
    world.settle();
    for live in &outgoing {
        live.is_cut_within(LONG);
    }
    kept.iter().for_each(Live::goes_on);
}

#[test]
fn edits_cut_connections_between_nodes_with_ptp_links_and_routes() {
    edits_hold_on_all_nodes(Shape::Ptp, Fabric::HostGateway);
}

#[test]
fn edits_cut_connections_between_nodes_with_a_bridge_and_vxlan() {
    edits_hold_on_all_nodes(BRIDGE, Fabric::Vxlan);
}

#[test]
fn edits_cut_connections_between_nodes_with_calicos_links() {
    edits_hold_on_all_nodes(Shape::Calico, Fabric::HostGateway);
}

fn a_node_without_daemon_goes_on(shape: Shape, fabric: Fabric) {
    let mut world = World::new(shape, Families::Dual, fabric);
    let server = world.pod(0, "server");
    let friend = world.pod(1, "friend");
    let stranger = world.pod(1, "stranger");
    let _server = serve(&server, PORT);
    let rule = json!([{"from": [app("friend")]}]);
    world.put(&ingress("server", "server", &rule));
    world.start();
    let lives: Vec<Live> = server
        .addresses
        .iter()
        .map(|address| Live::open("friend → server", &friend, *address, PORT))
        .collect();
    for number in [0, 1, 0] {
        // Killed.
        drop(world.daemons[number].take());
        let holds = || {
            lives.iter().for_each(Live::goes_on);
            for address in &server.addresses {
                connects(&friend, *address, PORT, true);
                connects(&stranger, *address, PORT, false);
                connects(world.node(1), *address, PORT, false);
                connects(world.node(0), *address, PORT, true);
            }
        };
        holds();
        world.start();
    }
    lives.iter().for_each(Live::goes_on);
    world.put(&ingress("server", "server", &json!([])));
    world.settle();
    for live in &lives {
        live.is_cut_within(LONG);
    }
}

#[test]
fn one_nodes_daemon_may_die_and_come_back_with_a_bridge_and_vxlan() {
    a_node_without_daemon_goes_on(BRIDGE, Fabric::Vxlan);
}

#[test]
fn one_nodes_daemon_may_die_and_come_back_with_calicos_links() {
    a_node_without_daemon_goes_on(Shape::Calico, Fabric::HostGateway);
}
