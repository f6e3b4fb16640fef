//! The plugin as the daemon installs it, and what is left when it goes.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::common::{LONG, PROGRAM, eventually};
use crate::runtime::Sandbox;
use crate::traffic::Sender;
use crate::world::{World, held, namespace};

/// Directories as a node has them, with a list of one plugin.
struct Directories {
    bin: PathBuf,
    conf: PathBuf,
    before: String,
}

impl Directories {
    fn new(world: &World) -> Self {
        let home = world.node.lab.home();
        let [bin, conf] = ["cni-bin", "cni-conf"].map(|name| home.join(name));
        std::fs::create_dir(&conf).unwrap();
        let main = &world.runtime.plugins[0];
        let list = json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [main]});
        let before = serde_json::to_string_pretty(&list).unwrap();
        let directories = Self { bin, conf, before };
        std::fs::write(directories.list(), &directories.before).unwrap();
        directories
    }

    fn list(&self) -> PathBuf {
        self.conf.join("10-pods.conflist")
    }

    fn plugins(&self) -> Vec<Value> {
        let list: Value = serde_json::from_slice(&std::fs::read(self.list()).unwrap()).unwrap();
        list["plugins"].as_array().unwrap().clone()
    }

    fn arguments(&self) -> String {
        let (bin, conf) = (self.bin.display(), self.conf.display());
        format!("--cni-bin-dir {bin} --cni-conf-dir {conf}")
    }

    /// Nothing of ours is there any more.
    fn are_as_before(&self) {
        assert_eq!(std::fs::read_to_string(self.list()).unwrap(), self.before);
        assert_eq!(self.conf.read_dir().unwrap().count(), 1);
        assert_eq!(self.bin.read_dir().unwrap().count(), 0);
    }
}

fn cleanup(world: &World, directories: &Directories) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .arg("cleanup")
        .args(directories.arguments().split(' '))
        .arg("--socket")
        .arg(world.node.socket())
        .arg("--bpffs")
        .arg(world.node.lab.bpffs());
    world.host().run(|| Ok(command.output().unwrap())).unwrap()
}

#[test]
fn a_daemon_installs_the_plugin_when_it_is_ready_and_removes_it_with_everything_else() {
    let mut world = World::new();
    let directories = Directories::new(&world);
    world
        .node
        .start(&format!("{} --cleanup", directories.arguments()));
    eventually("it is installed", || directories.plugins().len() == 2);
    world.runtime.plugins = directories.plugins();
    world.runtime.ours = directories.bin.join("enforcer-cni");
    world.node.put(&held("held"));
    let space = namespace(&world.node, "held");
    world
        .runtime
        .add(world.host(), &Sandbox::new("held", &space))
        .unwrap();
    let sender = Sender::start(&space, &world.node.lab.outside_addresses(), 80);
    world.nothing_passes(&sender);
    let daemon = world.node.daemon.take().unwrap();
    daemon.stop(LONG).unwrap().unwrap();
    directories.are_as_before();
    assert!(!world.node.socket().exists());
    assert!(!world.node.lab.home().join("claims").exists());
    eventually("nothing is enforced", || world.forbidden.count() > 0);
}

#[test]
fn cleanup_removes_what_a_daemon_left_but_nothing_of_one_that_runs() {
    let mut world = World::new();
    let directories = Directories::new(&world);
    world.node.start(&directories.arguments());
    eventually("it is installed", || directories.plugins().len() == 2);
    world.node.put(&held("held"));
    let space = namespace(&world.node, "held");
    world
        .runtime
        .add(world.host(), &Sandbox::new("held", &space))
        .unwrap();
    let sender = Sender::start(&space, &world.node.lab.outside_addresses(), 80);
    let refused = cleanup(&world, &directories);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    world.nothing_passes(&sender);

    let daemon = world.node.daemon.take().unwrap();
    daemon.stop(LONG).unwrap().unwrap();
    world.nothing_passes(&sender);
    assert_eq!(directories.plugins().len(), 2);
    for _ in 0..2 {
        let cleaned = cleanup(&world, &directories);
        assert!(cleaned.status.success(), "{cleaned:?}");
        directories.are_as_before();
        assert!(!world.node.socket().exists());
        assert!(!world.node.lab.home().join("claims").exists());
    }
    eventually("nothing is enforced", || world.forbidden.count() > 0);
}
