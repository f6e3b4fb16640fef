//! A cluster whose nodes have daemons.

use std::net::IpAddr;
use std::path::Path;

use enforcer::api::{Status, client};
use enforcer_lab::{Cluster, Daemon, Fabric, Families, Node, Pod, Shape};
use serde_json::{Value, json};

use crate::common::{LONG, PROGRAM, file_name, pod_object};

/// Two nodes. What is made in them goes before them.
pub(crate) struct World {
    pub(crate) daemons: [Option<Daemon>; 2],
    pub(crate) cluster: Cluster,
}

impl World {
    /// Two nodes without daemons, and their manifests.
    pub(crate) fn new(shape: Shape, families: Families, fabric: Fabric) -> Self {
        let world = Self {
            daemons: [None, None],
            cluster: Cluster::new(2, shape, families, fabric).unwrap(),
        };
        for node in &world.cluster.nodes {
            let addresses = node.addresses();
            let addresses: Vec<Value> = addresses
                .iter()
                .map(|address| json!({"type": "InternalIP", "address": address}))
                .collect();
            world.put(&json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": node.name}, "status": {"addresses": addresses},
            }));
        }
        world
    }

    pub(crate) fn node(&self, number: usize) -> &Node {
        &self.cluster.nodes[number]
    }

    /// Starts the daemons that do not run, and waits until all are in force.
    pub(crate) fn start(&mut self) {
        for (daemon, node) in self.daemons.iter_mut().zip(&self.cluster.nodes) {
            let arguments = format!("--node {}", node.name);
            daemon.get_or_insert_with(|| node.start(Path::new(PROGRAM), &arguments).unwrap());
        }
        self.settle();
    }

    /// Waits until all daemons have the manifests of this moment in force.
    pub(crate) fn settle(&self) {
        for daemon in self.daemons.iter().flatten() {
            daemon.wait_ready(LONG * 2).unwrap();
        }
    }

    pub(crate) fn status(&self, number: usize) -> Status {
        client::status(&self.node(number).home().join("socket"), false).unwrap()
    }

    /// Packets of a node counted so far under `direction/reason`.
    pub(crate) fn packets(&self, number: usize, counter: &str) -> u64 {
        let status = self.status(number);
        status.packets.get(counter).copied().unwrap_or(0)
    }

    /// Writes one object as a manifest of its own.
    pub(crate) fn put(&self, object: &Value) {
        self.cluster
            .write_manifest(&file_name(object), &object.to_string())
            .unwrap();
    }

    /// Adds a pod with the label `app: NAME` to a node, and its manifest.
    pub(crate) fn pod(&self, number: usize, app: &str) -> Pod {
        let node = self.node(number);
        let name = format!("{app}-{number}");
        let pod = node.add_pod(&name).unwrap();
        self.put(&on_node(&name, app, node, &pod.addresses));
        pod
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (number, daemon) in self.daemons.iter().enumerate() {
                if let Some(daemon) = daemon {
                    println!("The log of node {number}'s daemon:\n{}", daemon.log());
                }
            }
        }
    }
}

/// A pod's manifest that says which node it is on.
fn on_node(name: &str, app: &str, node: &Node, addresses: &[IpAddr]) -> Value {
    let mut object = pod_object(name, &[("app", app)], addresses);
    object["spec"]["nodeName"] = json!(node.name);
    object
}
