//! What a held pod waits for.

use std::thread::{self, sleep};

use serde_json::json;

use crate::common::LONG;
use crate::runtime::Sandbox;
use crate::traffic::{A_WHILE, Sender};
use crate::world::{World, held, namespace, only_81};

#[test]
fn a_pod_waits_for_its_object_and_starts_under_a_policy_that_came_meanwhile() {
    let world = World::with_daemon();
    world.node.delete(&only_81());
    let space = namespace(&world.node, "held");
    let sandbox = Sandbox::new("held", &space);
    thread::scope(|scope| {
        let adding = world.add(scope, &sandbox, &space);
        sleep(A_WHILE);
        assert!(!adding.is_finished());
        world.node.put(&only_81());
        sleep(A_WHILE);
        assert!(!adding.is_finished());
        world.node.put(&held("held"));
        let (_, sender) = adding.join().unwrap().unwrap();
        world.nothing_passes(&sender);
    });
}

/// The same name, but another pod: the old one is not known to be gone yet.
#[test]
fn a_pod_waits_for_its_own_object_and_not_for_one_of_its_name() {
    let mut world = World::with_daemon();
    let [old, new] = ["1", "2"].map(|digit| digit.repeat(32));
    let object = |uid: &str| {
        let mut object = held("held");
        object["metadata"]["uid"] = json!(uid);
        object
    };
    world.node.put(&object(&old));
    world.node.settle();
    let space = namespace(&world.node, "held");
    let mut sandbox = Sandbox::new("held", &space);
    sandbox.uid = Some(new.clone());
    world.runtime.plugins[1]["timeout"] = json!("1s");
    let error = world.runtime.add(world.host(), &sandbox).unwrap_err();
    assert!(
        error["details"].as_str().unwrap().contains("another pod"),
        "{error}"
    );
    world.runtime.delete(world.host(), &sandbox);

    world.runtime.plugins[1]["timeout"] = json!("20s");
    thread::scope(|scope| {
        let adding = world.add(scope, &sandbox, &space);
        sleep(A_WHILE);
        assert!(!adding.is_finished());
        world.node.put(&object(&new));
        let (_, sender) = adding.join().unwrap().unwrap();
        world.nothing_passes(&sender);
    });
}

/// A new sandbox of the same pod, whose status still has the address of the one before.
#[test]
fn a_pod_whose_status_is_that_of_an_earlier_sandbox_does_not_wait_for_the_next_status() {
    let world = World::with_daemon();
    let mut object = held("held");
    object["status"]["podIPs"] = json!([{"ip": "10.88.0.200"}, {"ip": "fd88::200"}]);
    world.node.put(&object);
    world.node.settle();
    let space = namespace(&world.node, "held");
    let sandbox = Sandbox::new("held", &space);
    let added = world.runtime.add(world.host(), &sandbox).unwrap();
    let sender = Sender::start(&space, &world.node.lab.outside_addresses(), 80);
    world.nothing_passes(&sender);
    object["status"]["podIPs"] = json!(
        added
            .addresses
            .iter()
            .map(|address| json!({ "ip": address }))
            .collect::<Vec<_>>()
    );
    world.node.put(&object);
    world.node.settle();
    world.nothing_passes(&sender);
}

#[test]
fn when_time_is_up_the_operator_s_choice_decides() {
    let mut world = World::with_daemon();
    world.runtime.plugins[1]["timeout"] = json!("1s");
    let space = namespace(&world.node, "unknown");
    let sandbox = Sandbox::new("unknown", &space);
    let error = world.runtime.add(world.host(), &sandbox).unwrap_err();
    assert_eq!(error["code"], 11, "{error}");
    assert_eq!(error["cniVersion"], "1.0.0");
    let details = error["details"].as_str().unwrap();
    assert!(
        details.contains("nothing is known of the pod default/unknown"),
        "{details}"
    );
    world.runtime.delete(world.host(), &sandbox);

    world.runtime.plugins[1]["onTimeout"] = json!("allow");
    world.runtime.add(world.host(), &sandbox).unwrap();
    world.runtime.delete(world.host(), &sandbox);
}

#[test]
fn without_a_daemon_nobody_waits() {
    let mut world = World::new();
    let space = namespace(&world.node, "held");
    let sandbox = Sandbox::new("held", &space);
    world.runtime.plugins[1]["timeout"] = json!("10m");
    let error = world.runtime.add(world.host(), &sandbox).unwrap_err();
    assert_eq!(error["code"], 11, "{error}");
    assert!(
        error["details"]
            .as_str()
            .unwrap()
            .contains("no daemon runs"),
        "{error}"
    );
    world.runtime.delete(world.host(), &sandbox);
    world.runtime.plugins[1]["onTimeout"] = json!("allow");
    world.runtime.add(world.host(), &sandbox).unwrap();
    world.runtime.delete(world.host(), &sandbox);
}

fn survives_an_exchange_of_daemons(graceful: bool) {
    let mut world = World::with_daemon();
    let space = namespace(&world.node, "held");
    let sandbox = Sandbox::new("held", &space);
    let daemon = world.node.daemon.take().unwrap();
    let sender = thread::scope(|scope| {
        let adding = world.add(scope, &sandbox, &space);
        sleep(A_WHILE);
        assert!(!adding.is_finished());
        if graceful {
            daemon.stop(LONG).unwrap().unwrap();
        } else {
            drop(daemon);
        }
        sleep(A_WHILE);
        let next = world.node.launch("");
        next.wait_ready(LONG).unwrap();
        assert!(!adding.is_finished());
        world.node.put(&held("held"));
        let (_, sender) = adding.join().unwrap().unwrap();
        world.nothing_passes(&sender);
        (next, sender)
    });
    let (daemon, sender) = sender;
    // The status is not known yet: the next daemon knows the pod by its claim.
    daemon.stop(LONG).unwrap().unwrap();
    world.node.start("");
    world.nothing_passes(&sender);
    let status = world.node.status();
    assert_eq!(status.endpoints.len(), 1, "{status:?}");
    assert_eq!(status.endpoints[0].links.len(), 1, "{status:?}");
}

#[test]
fn a_pod_goes_on_waiting_while_the_daemon_is_exchanged() {
    survives_an_exchange_of_daemons(true);
}

#[test]
fn a_pod_goes_on_waiting_when_the_daemon_is_killed() {
    survives_an_exchange_of_daemons(false);
}

#[test]
fn del_without_a_daemon_forgets_the_claim() {
    let mut world = World::with_daemon();
    world.node.put(&held("held"));
    let space = namespace(&world.node, "held");
    let sandbox = Sandbox::new("held", &space);
    world.runtime.add(world.host(), &sandbox).unwrap();
    let claims = world.node.lab.home().join("claims");
    let count = || claims.read_dir().unwrap().count();
    assert_eq!(count(), 1);
    world
        .node
        .daemon
        .take()
        .unwrap()
        .stop(LONG)
        .unwrap()
        .unwrap();
    assert_eq!(count(), 1);
    world.runtime.delete(world.host(), &sandbox);
    assert_eq!(count(), 0);
}
