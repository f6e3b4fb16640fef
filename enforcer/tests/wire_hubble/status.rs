//! What is asked beside flows.

use serde_json::Value;

use crate::cli::{Cli, text};
use crate::common::LONG;
use crate::world::World;

#[test]
fn status_shows_health_and_how_much_there_is() {
    let world = World::open("--flow-records 100");
    let shown = world.cli.text(&["status"]);
    assert!(shown.contains("Ok") && shown.contains("0/100"), "{shown}");
    world.shop.traffic();
    let kept = || world.shop.records(&[]).len();
    let before = kept();
    let shown: Value = serde_json::from_str(&world.cli.text(&["status", "--output=json"])).unwrap();
    let flows: usize = shown["num_flows"].as_str().unwrap().parse().unwrap();
    assert!((before..=kept()).contains(&flows), "{shown}");
    assert_eq!(shown["max_flows"], "100", "{shown}");
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"), "{shown}");
}

#[test]
fn the_cli_finds_the_daemon_where_it_looks_by_itself() {
    let world = World::open("--hubble-listen 127.0.0.1:4245");
    let cli = Cli::new(world.folder.path(), &[]);
    let node = &world.shop.node.lab.node;
    let shown = text(&["status"], &cli.output_in(node, &["status"]));
    assert!(
        shown.contains("Healthcheck (via localhost:4245): Ok"),
        "{shown}"
    );
}

#[test]
fn lists_show_nodes_and_namespaces() {
    let world = World::open("");
    let nodes = world.cli.text(&["list", "nodes"]);
    let node = nodes.lines().nth(1).unwrap();
    assert!(
        node.starts_with("n1") && node.contains("Connected"),
        "{nodes}"
    );
    let namespaces = world.cli.text(&["list", "namespaces", "--output=json"]);
    let namespaces: Value = serde_json::from_str(&namespaces).unwrap();
    let names: Vec<&str> = namespaces
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["namespace"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["default", "prod"]);
}

#[test]
fn the_socket_is_for_root_alone_and_goes_with_the_daemon() {
    use std::os::unix::fs::MetadataExt as _;
    let mut world = World::open("");
    let path = world.folder.path().join("hubble.sock");
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    world.shop.node.daemon.take().unwrap().stop(LONG).unwrap();
    assert!(!path.exists());
}
