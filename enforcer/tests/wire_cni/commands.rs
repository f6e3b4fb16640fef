//! The commands of the CNI specification, in all of its versions.

use std::process::Output;

use serde_json::{Value, json};

use crate::common::eventually;
use crate::runtime::Sandbox;
use crate::world::{World, held, namespace};

fn result(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

impl World {
    fn ours(&self, command: &str, previous: &Value, sandbox: &Sandbox) -> Output {
        let plugin = self.runtime.plugins.last().unwrap();
        self.runtime
            .command(self.host(), command, plugin, previous, sandbox)
    }
}

#[test]
fn every_version_is_spoken() {
    let mut world = World::with_daemon();
    world.node.put(&held("held"));
    // The package's plugins are older than 1.1.0.
    for version in ["0.3.1", "0.4.0", "1.0.0"] {
        world.runtime.version = version;
        let space = namespace(&world.node, "held");
        let sandbox = Sandbox::new("held", &space);
        world.runtime.add(world.host(), &sandbox).unwrap();
        world.runtime.delete(world.host(), &sandbox);
    }
    let space = namespace(&world.node, "held");
    let sandbox = Sandbox::new("held", &space);
    let version = result(&world.ours("VERSION", &Value::Null, &sandbox));
    let supported = json!(["0.3.1", "0.4.0", "1.0.0", "1.1.0"]);
    assert_eq!(version["supportedVersions"], supported);
    world.runtime.version = "0.2.0";
    let refused = world.ours("ADD", &json!({}), &sandbox);
    assert!(!refused.status.success());
    assert_eq!(result(&refused)["code"], 1);
}

#[test]
fn check_asks_what_is_in_force_now() {
    let world = World::with_daemon();
    world.node.put(&held("held"));
    let space = namespace(&world.node, "held");
    let sandbox = Sandbox::new("held", &space);
    let added = world.runtime.add(world.host(), &sandbox).unwrap();
    let previous =
        json!({"cniVersion": "1.0.0", "ips": [{"address": format!("{}/24", added.addresses[0])}]});
    let checked = world.ours("CHECK", &previous, &sandbox);
    assert!(
        checked.status.success() && checked.stdout.is_empty(),
        "{checked:?}"
    );
    world.node.delete(&held("held"));
    world.node.settle();
    let checked = world.ours("CHECK", &previous, &sandbox);
    assert_eq!(result(&checked)["code"], 11);
}

#[test]
fn status_is_whether_a_daemon_answers() {
    let mut world = World::with_daemon();
    world.runtime.version = "1.1.0";
    let space = namespace(&world.node, "none");
    let sandbox = Sandbox::new("none", &space);
    let status = |world: &World| world.ours("STATUS", &Value::Null, &sandbox);
    assert!(status(&world).status.success());
    drop(world.node.daemon.take());
    let refused = status(&world);
    assert!(!refused.status.success());
    assert_eq!(result(&refused)["code"], 50);
    world.runtime.plugins[1]["onTimeout"] = json!("allow");
    assert!(status(&world).status.success());
}

#[test]
fn gc_forgets_all_containers_but_those_that_are_listed() {
    let mut world = World::with_daemon();
    let spaces = ["kept", "gone"].map(|name| namespace(&world.node, name));
    for (name, space) in ["kept", "gone"].iter().zip(&spaces) {
        world.node.put(&held(name));
        let sandbox = Sandbox::new(name, space);
        world.runtime.add(world.host(), &sandbox).unwrap();
    }
    world.runtime.version = "1.1.0";
    world.runtime.plugins[1]["cni.dev/valid-attachments"] =
        json!([{"containerID": "kept-sandbox", "ifname": "eth0"}]);
    let sandbox = Sandbox::new("kept", &spaces[0]);
    let collected = world.ours("GC", &Value::Null, &sandbox);
    assert!(
        collected.status.success() && collected.stdout.is_empty(),
        "{collected:?}"
    );
    let claims = world.node.lab.home().join("claims");
    let left = claims
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["kept-sandbox:eth0.json"]);
}

#[test]
fn a_container_that_goes_without_a_word_is_forgotten() {
    let world = World::with_daemon();
    world.node.put(&held("held"));
    let space = namespace(&world.node, "held");
    world
        .runtime
        .add(world.host(), &Sandbox::new("held", &space))
        .unwrap();
    drop(space);
    let claims = world.node.lab.home().join("claims");
    eventually("the claim is gone", || {
        claims.read_dir().unwrap().count() == 0
    });
}

#[test]
fn an_add_that_is_wrong_has_the_number_of_the_specification() {
    let mut world = World::new();
    let space = namespace(&world.node, "none");
    let mut sandbox = Sandbox::new("none", &space);
    let code = |world: &World, previous: &Value, sandbox: &Sandbox| {
        let output = world.ours("ADD", previous, sandbox);
        assert!(!output.status.success());
        result(&output)["code"].as_u64().unwrap()
    };
    assert_eq!(code(&world, &Value::Null, &sandbox), 7);
    let previous = json!({"cniVersion": "1.0.0"});
    sandbox.netns = "/nonexistent".into();
    assert_eq!(code(&world, &previous, &sandbox), 4);
    sandbox.container = "../../etc".into();
    assert_eq!(code(&world, &previous, &sandbox), 4);
    world.runtime.plugins[1]["timeout"] = json!("soon");
    assert_eq!(code(&world, &previous, &sandbox), 7);
}
