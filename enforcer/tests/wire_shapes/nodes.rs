//! The own node is nobody else.

use std::net::IpAddr;

use enforcer_lab::{Fabric, Families, Node, Shape};
use serde_json::json;

use crate::common::{FILTERED_BRIDGE, connects, deny_all, eventually, ingress, pings, serve};
use crate::means::PORT;
use crate::world::World;

/// The addresses with which a node speaks to the pods of another.
fn sources(node: &Node, fabric: Fabric) -> Vec<IpAddr> {
    match fabric {
        Fabric::HostGateway => node.addresses(),
        Fabric::Vxlan => node.tunnel_addresses(),
    }
}

fn the_own_node_and_no_other(shape: Shape, fabric: Fabric) {
    let mut world = World::new(shape, Families::Dual, fabric);
    let pods = [0, 1].map(|number| world.pod(number, "server"));
    let _servers = pods.each_ref().map(|pod| serve(pod, PORT));
    let hosts = [0, 1].map(|number| serve(world.node(number), 10250));
    world.put(&deny_all());
    world.start();
    for (number, pod) in pods.iter().enumerate() {
        let [own, other] = [number, 1 - number].map(|number| world.node(number));
        for address in &pod.addresses {
            connects(own, *address, PORT, true);
            pings(own, *address, true);
            connects(other, *address, PORT, false);
            pings(other, *address, false);
            connects(&world.cluster.outside, *address, PORT, false);
        }
        // And the pod reaches its own node at all of its addresses, the other at none.
        for (node, expected) in [(own, true), (other, false)] {
            for address in node.addresses() {
                connects(pod, address, 10250, expected);
                pings(pod, address, expected);
            }
        }
        // In IPv6 nothing can listen at it: it is also the anycast address of its subnet's routers.
        if fabric == Fabric::Vxlan {
            connects(pod, own.tunnel_addresses()[0], 10250, true);
            connects(pod, other.tunnel_addresses()[0], 10250, false);
        }
    }
    drop(hosts);
    // A rule is what the other node needs: for the address that it comes with.
    let blocks: Vec<_> = sources(world.node(1), fabric)
        .iter()
        .map(|address| {
            let length = if address.is_ipv4() { 32 } else { 128 };
            json!({"ipBlock": {"cidr": format!("{address}/{length}")}})
        })
        .collect();
    world.put(&ingress("node1", "server", &json!([{"from": blocks}])));
    world.settle();
    for address in &pods[0].addresses {
        connects(world.node(1), *address, PORT, true);
        connects(&world.cluster.outside, *address, PORT, false);
    }
    assert!(world.packets(0, "ingress/own-node") > 0);
}

#[test]
fn another_node_is_not_the_own_node_with_ptp_links_and_routes() {
    the_own_node_and_no_other(Shape::Ptp, Fabric::HostGateway);
}

#[test]
fn another_node_is_not_the_own_node_with_a_bridge_and_vxlan() {
    the_own_node_and_no_other(FILTERED_BRIDGE, Fabric::Vxlan);
}

#[test]
fn another_node_is_not_the_own_node_with_calicos_links() {
    the_own_node_and_no_other(Shape::Calico, Fabric::HostGateway);
}

#[test]
fn what_comes_masqueraded_by_another_node_is_judged_as_that_nodes() {
    let mut world = World::new(FILTERED_BRIDGE, Families::V4, Fabric::Vxlan);
    let pods = [0, 1].map(|number| world.pod(number, "server"));
    let _server = serve(&pods[1], PORT);
    let target = pods[1].v4().unwrap();
    // The world outside speaks to a pod of node 1 by way of node 0, which masquerades that.
    world.node(0).masquerade().unwrap();
    let via = world.node(0).addresses()[0];
    let detour = format!("route replace {target}/32 via {via}");
    world.cluster.outside.ip(&detour).unwrap();
    world.start();
    let outside = &world.cluster.outside;
    connects(outside, target, PORT, true);
    world.put(&deny_all());
    world.settle();
    connects(outside, target, PORT, false);
    let tunnel = world.node(0).tunnel_addresses()[0];
    let rule = json!([{"from": [{"ipBlock": {"cidr": format!("{tunnel}/32")}}]}]);
    world.put(&ingress("node0", "server", &rule));
    world.settle();
    eventually("the other node's address is allowed", || {
        world.packets(1, "ingress/policy-denied") > 0
    });
    connects(outside, target, PORT, true);
}
