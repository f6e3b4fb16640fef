//! Many pods at once.

use std::thread;
use std::time::Duration;

use crate::common::eventually;
use crate::runtime::Sandbox;
use crate::world::{World, held, namespace};

const PODS: usize = 50;

#[test]
fn fifty_pods_at_once_all_start_and_none_sends_a_packet_against_policy() {
    let world = World::with_daemon();
    let names: Vec<String> = (0..PODS).map(|number| format!("held-{number}")).collect();
    for name in &names {
        world.node.put(&held(name));
    }
    let spaces: Vec<_> = names
        .iter()
        .map(|name| namespace(&world.node, name))
        .collect();
    let pairs = names.iter().zip(&spaces);
    let sandboxes: Vec<_> = pairs
        .map(|(name, space)| Sandbox::new(name, space))
        .collect();
    let mut held: Vec<Duration> = thread::scope(|scope| {
        let pairs = sandboxes.iter().zip(&spaces);
        let adding: Vec<_> = pairs
            .map(|(sandbox, space)| world.add(scope, sandbox, space))
            .collect();
        let started = adding
            .into_iter()
            .map(|adding| adding.join().unwrap().unwrap());
        let started: Vec<_> = started.collect();
        eventually("all of them send", || {
            started.iter().all(|(_, sender)| sender.sent() > 10)
        });
        world.nothing_passes(&started[0].1);
        started.iter().map(|(added, _)| added.held).collect()
    });
    held.sort();
    println!(
        "held for {:?} (median), {:?} (longest)",
        held[PODS / 2],
        held[PODS - 1]
    );
    assert_eq!(world.node.status().endpoints.len(), PODS);
    for sandbox in &sandboxes {
        world.runtime.delete(world.host(), sandbox);
    }
}
