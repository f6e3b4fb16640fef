//! All pairs of pods, on one node and across two, by every protocol, before and after the daemons.

use std::net::IpAddr;
use std::sync::Mutex;

use enforcer_lab::{Fabric, Families, Lab, LabError, Pod, Shape};
use serde_json::json;

use crate::common::{BRIDGE, FILTERED_BRIDGE, app, ingress, policy};
use crate::means::{Means, serve};
use crate::world::World;

/// Probes at a time.
const PROBES: usize = 16;

/// A role that pods have, one pod on each node.
const ROLES: [&str; 4] = ["server", "friend", "stranger", "loner"];

/// What the policies below say.
fn is_allowed(from: &str, to: &str) -> bool {
    let ingress = to != "server" || from == "friend";
    let egress = from != "loner" || to == "friend";
    ingress && egress
}

fn put_policies(world: &World) {
    world.put(&ingress(
        "server",
        "server",
        &json!([{"from": [app("friend")]}]),
    ));
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "loner"}},
        "policyTypes": ["Egress"], "egress": [{"to": [app("friend")]}],
    });
    world.put(&policy("loner", &spec));
}

/// One probe: from, to, address of the target, how.
type Probe<'a> = (&'a Pod, &'a Pod, IpAddr, Means);

fn probes(pods: &[Pod]) -> Vec<Probe<'_>> {
    let pairs = pods
        .iter()
        .flat_map(|from| pods.iter().map(move |to| (from, to)));
    let others = pairs.filter(|(from, to)| from.name != to.name);
    others
        .flat_map(|(from, to)| {
            let by_address = to.addresses.iter().map(move |address| (from, to, *address));
            by_address
                .flat_map(|(from, to, address)| Means::ALL.map(|means| (from, to, address, means)))
        })
        .collect()
}

fn role(pod: &Pod) -> &str {
    pod.name.split('-').next().unwrap()
}

/// Tries all; gives those that were not as expected.
fn surprises(pods: &[Pod], expected: impl Fn(&str, &str) -> bool + Sync) -> Vec<String> {
    let (queue, found) = (Mutex::new(probes(pods)), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let next = queue.lock().unwrap().pop();
            let Some((from, to, target, means)) = next else {
                break;
            };
            let mut sources = from.addresses.iter();
            let same = |own: &&IpAddr| own.is_ipv4() == target.is_ipv4();
            let source = *sources.find(same).unwrap();
            let wanted = expected(role(from), role(to));
            if means.reaches((from, source), (to, target), wanted) != wanted {
                let not = if wanted { "not " } else { "" };
                let text = format!(
                    "{} → {} ({target}) by {means:?} is {not}let through",
                    from.name, to.name
                );
                found.lock().unwrap().push(text);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..PROBES {
            scope.spawn(work);
        }
    });
    found.into_inner().unwrap()
}

fn all_pairs(shape: Shape, families: Families, fabric: Fabric) {
    let mut world = World::new(shape, families, fabric);
    let pods: Vec<Pod> = (0..2)
        .flat_map(|number| ROLES.map(|role| (number, role)))
        .map(|(number, role)| world.pod(number, role))
        .collect();
    let _servers: Vec<_> = pods.iter().map(|pod| serve(pod)).collect();
    put_policies(&world);
    // So it is not the lab that is in the way later.
    let blocked = surprises(&pods, |_, _| true);
    assert!(
        blocked.is_empty(),
        "without daemons:\n{}",
        blocked.join("\n")
    );
    world.start();
    let wrong = surprises(&pods, is_allowed);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for number in 0..2 {
        // At the receiver's node, and at the sender's.
        for counter in ["ingress/policy-denied", "egress/policy-denied"] {
            assert!(
                world.packets(number, counter) > 0,
                "node {number} {counter}"
            );
        }
        let status = world.status(number);
        assert!(
            status.in_force && status.endpoints.len() == ROLES.len(),
            "{status:?}"
        );
    }
}

#[test]
fn all_pairs_with_ptp_links_and_routes() {
    all_pairs(Shape::Ptp, Families::Dual, Fabric::HostGateway);
}

#[test]
fn all_pairs_with_a_bridge_and_routes() {
    all_pairs(BRIDGE, Families::Dual, Fabric::HostGateway);
}

#[test]
fn all_pairs_with_a_filtered_bridge_and_vxlan() {
    all_pairs(FILTERED_BRIDGE, Families::Dual, Fabric::Vxlan);
}

#[test]
fn all_pairs_with_a_bridge_and_vxlan_in_ipv4() {
    all_pairs(BRIDGE, Families::V4, Fabric::Vxlan);
}

#[test]
fn all_pairs_with_a_bridge_and_vxlan_in_ipv6() {
    all_pairs(BRIDGE, Families::V6, Fabric::Vxlan);
}

#[test]
fn all_pairs_with_calicos_links_and_routes() {
    all_pairs(Shape::Calico, Families::Dual, Fabric::HostGateway);
}

#[test]
fn all_pairs_with_netkit_and_routes() {
    let lab = Lab::new(Shape::Netkit, Families::Dual).unwrap();
    match lab.add_pod("pod") {
        Err(lack @ LabError::Unsupported(_)) => {
            enforcer_lab::skip("all_pairs_with_netkit_and_routes", lack).unwrap();
        }
        _ => all_pairs(Shape::Netkit, Families::Dual, Fabric::HostGateway),
    }
}
