//! Network namespaces and lists of plugins of other kinds.

use enforcer_lab::Namespace;
use serde_json::json;

use crate::common::eventually;
use crate::runtime::{Runtime, Sandbox};
use crate::traffic::{Receiver, Sender};
use crate::world::{World, held, namespace};

#[test]
fn a_namespace_that_the_daemon_does_not_watch_is_found_by_the_claim() {
    let world = World::with_daemon();
    let elsewhere = world.node.lab.home().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let space = Namespace::create(elsewhere.join("held")).unwrap();
    world.node.put(&held("held"));
    let sandbox = Sandbox::new("held", &space);
    world.runtime.add(world.host(), &sandbox).unwrap();
    let sender = Sender::start(&space, &world.node.lab.outside_addresses(), 80);
    world.nothing_passes(&sender);
}

#[test]
fn behind_portmap_a_host_port_leads_to_what_policy_allows_alone() {
    let mut world = World::with_daemon();
    let mappings = json!([
        {"hostPort": 8080, "containerPort": 80, "protocol": "udp"},
        {"hostPort": 8081, "containerPort": 81, "protocol": "udp"},
    ]);
    let portmap = json!({
        "type": "portmap", "snat": true, "capabilities": {"portMappings": true},
        "runtimeConfig": {"portMappings": mappings},
    });
    world.runtime.plugins.insert(1, portmap);
    world.node.put(&held("held"));
    let space = namespace(&world.node, "held");
    let sandbox = Sandbox::new("held", &space);
    let addresses = world.node.lab.node_addresses();
    let _to_80 = Sender::start(&world.node.lab.outside, &addresses, 8080);
    let _to_81 = Sender::start(&world.node.lab.outside, &addresses, 8081);
    world.runtime.add(world.host(), &sandbox).unwrap();
    let (in_80, in_81) = (Receiver::start(&space, 80), Receiver::start(&space, 81));
    let sender = Sender::start(&space, &world.node.lab.outside_addresses(), 80);
    eventually("the allowed port is reached", || in_81.count() > 100);
    world.nothing_passes(&sender);
    assert_eq!(in_80.count(), 0);
    world.runtime.delete(world.host(), &sandbox);
}

#[test]
fn a_pod_that_no_policy_isolates_starts_and_is_open() {
    let world = World::with_daemon();
    world
        .node
        .put(&crate::common::pod_object("open", &[("app", "open")], &[]));
    let space = namespace(&world.node, "open");
    let added = world
        .runtime
        .add(world.host(), &Sandbox::new("open", &space))
        .unwrap();
    let _sender = Sender::start(&space, &world.node.lab.outside_addresses(), 80);
    eventually("it sends", || world.forbidden.count() > 100);
    let received = Receiver::start(&space, 80);
    let _sender = Sender::start(&world.node.lab.outside, &added.addresses, 80);
    eventually("it receives", || received.count() > 100);
}

#[test]
fn a_link_that_cannot_be_enforced_is_not_waited_for() {
    let mut world = World::with_daemon();
    world.node.put(&held("held"));
    let space = namespace(&world.node, "held");
    let mut main = Runtime::ptp(&world.node).plugins.remove(0);
    main["type"] = json!("macvlan");
    main["master"] = json!("uplink0");
    world.runtime.plugins[0] = main;
    world.runtime.plugins[1]["timeout"] = json!("10m");
    let sandbox = Sandbox::new("held", &space);
    let error = world.runtime.add(world.host(), &sandbox).unwrap_err();
    assert_eq!(error["code"], 11, "{error}");
    assert!(
        error["details"].as_str().unwrap().contains("macvlan"),
        "{error}"
    );
}
