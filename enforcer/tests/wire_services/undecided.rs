//! A deferred packet whose sender nobody knows is dropped, counted and reported.

use std::net::SocketAddr;
use std::process::Command;

use enforcer_common::Reason;
use enforcer_lab::{Outcome, Protocol};
use serde_json::json;

use crate::common::{app, eventually};
use crate::world::{
    NODE_PORT, TARGET, World, egress, everywhere, gets, node_port_service, serve_both, slices,
};

/// The node marks what comes by the uplink to this port as if a pod had sent it. No pod did, so
/// what the packets carry leads to none: the same as when the pod is gone.
fn mark(world: &World, mark: &str) {
    let rules = format!(
        "add table inet play; flush table inet play; \
         add chain inet play marked {{ type filter hook prerouting priority -300 ; }}; \
         add rule inet play marked iifname uplink0 th dport {{ {TARGET}, {NODE_PORT} }} \
         meta mark set {mark}"
    );
    let mut nft = Command::new("nft");
    nft.arg(rules);
    assert!(
        world
            .lab
            .node
            .spawn(&mut nft)
            .unwrap()
            .wait()
            .unwrap()
            .success()
    );
}

#[test]
fn a_deferred_packet_of_nobody_is_dropped_counted_and_reported() {
    everywhere(|world| {
        let web = world.pod("web");
        let outside = world.lab.outside_addresses();
        world.serve_objects([node_port_service("far", 1, NODE_PORT)]);
        world.serve_objects(slices("far", &outside, TARGET, true));
        let _servers = [&*web, &world.lab.outside].map(|at| serve_both(at, TARGET));
        world.put(&egress("web", "web", &json!([{"to": [app("web")]}])));
        world.start("");
        let to_pod = web.addresses.iter();
        let to_pod = to_pod.map(|address| SocketAddr::new(*address, TARGET));
        let node = world.lab.node_addresses();
        // By the node port, back to the outside: decided at the uplink.
        let away = node
            .iter()
            .map(|address| SocketAddr::new(*address, NODE_PORT));
        for to in to_pod.chain(away) {
            mark(world, "0");
            gets(&world.lab.outside, to, Protocol::Udp, Outcome::Connected);
            let before = world.packets("egress/undecided");
            mark(world, "0x1000");
            gets(&world.lab.outside, to, Protocol::Udp, Outcome::Timeout);
            eventually("it is counted", || {
                world.packets("egress/undecided") > before
            });
            eventually("it is reported", || {
                let denials = world.denials();
                denials
                    .iter()
                    .any(|record| record.reason == Reason::Undecided)
            });
        }
    });
}

#[test]
fn the_mark_is_the_operators_choice() {
    everywhere(|world| {
        let web = world.pod("web");
        let _server = serve_both(&web, TARGET);
        world.start("--mark 0x20000");
        for address in &web.addresses {
            let to = SocketAddr::new(*address, TARGET);
            mark(world, "0x1000");
            gets(&world.lab.outside, to, Protocol::Tcp, Outcome::Connected);
            mark(world, "0x20000");
            gets(&world.lab.outside, to, Protocol::Tcp, Outcome::Timeout);
        }
    });
}
