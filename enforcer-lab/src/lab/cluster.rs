//! Several nodes on one segment.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::fabric::{Fabric, connect};
use super::node::Blueprint;
use super::shape::{OUTSIDE, Plan, SEGMENT, of_family, subnet};
use super::{Families, Node, Shape};
use crate::{Home, LabError, Namespace};

/// Nodes that reach each other's pods, and the world outside, all on one segment. Everything goes
/// when it is dropped; drop pods, servers and daemons before.
///
/// Each node has its own directories for a daemon; the manifests are everybody's.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes, named `node0`, `node1`, …
    pub nodes: Vec<Node>,
    /// The world outside: the segment's switch, and a host on it. It knows the way to all pods.
    pub outside: Namespace,
    families: Families,
    home: Home,
}

impl Cluster {
    /// The most nodes that there are addresses for.
    pub const MOST: u8 = 4;

    /// Builds up to [`Cluster::MOST`] nodes without pods.
    pub fn new(
        count: u8,
        shape: Shape,
        families: Families,
        fabric: Fabric,
    ) -> Result<Self, LabError> {
        let home = Home::create()?;
        let manifests = home.path().join("manifests");
        fs::create_dir(&manifests).map_err(LabError::file(&manifests))?;
        let outside = Namespace::create(home.path().join("outside"))?;
        outside.ip("link add eth0 type bridge")?;
        outside.ip("link set eth0 up")?;
        for address in families.keep(OUTSIDE) {
            let address = subnet(address, SEGMENT);
            outside.ip(&format!("address add {address} dev eth0"))?;
        }
        let mut cluster = Self {
            nodes: Vec::new(),
            outside,
            families,
            home,
        };
        for number in 0..count.min(Self::MOST) {
            let node = cluster.build(number, &manifests, shape, fabric)?;
            cluster.nodes.push(node);
        }
        connect(&cluster.nodes, fabric)?;
        Ok(cluster)
    }

    fn build(
        &self,
        number: u8,
        manifests: &Path,
        shape: Shape,
        fabric: Fabric,
    ) -> Result<Node, LabError> {
        let name = format!("node{number}");
        let node = Node::build(Blueprint {
            home: self.home.path().join(&name),
            name: &name,
            manifests: manifests.to_owned(),
            shape,
            families: self.families,
            plan: Plan(number),
            mtu: fabric.mtu(),
        })?;
        node.join(&self.outside, &name)?;
        self.outside.ip(&format!("link set {name} master eth0"))?;
        for near in node.addresses() {
            let pods = node.plan.pods();
            let pods = of_family([&pods[0], &pods[1]], near);
            self.outside.ip(&format!("route add {pods} via {near}"))?;
        }
        Ok(node)
    }

    /// The first addresses of the world outside.
    pub fn outside_addresses(&self) -> Vec<IpAddr> {
        self.families.keep(OUTSIDE)
    }

    /// Writes a manifest for all nodes, at once and as a whole.
    pub fn write_manifest(&self, name: &str, text: &str) -> Result<(), LabError> {
        self.nodes
            .first()
            .map_or(Ok(()), |node| node.write_manifest(name, text))
    }

    /// The directory of manifests.
    pub fn manifests(&self) -> PathBuf {
        self.home.path().join("manifests")
    }
}
