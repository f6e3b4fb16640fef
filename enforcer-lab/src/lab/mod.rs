//! One node with pods, and the world outside.

mod cluster;
mod direct;
mod fabric;
mod masquerade;
mod network;
mod node;
mod plug;
mod pod;
mod shape;

use std::fs;
use std::net::IpAddr;
use std::ops::Deref;

pub use self::cluster::Cluster;
pub use self::direct::Direct;
pub use self::fabric::Fabric;
pub use self::network::{Network, SecondLink};
use self::node::Blueprint;
pub use self::node::Node;
pub use self::pod::Pod;
pub use self::shape::{Families, Shape};
use self::shape::{OUTSIDE, Plan, SEGMENT, of_family, single, subnet};
use crate::{Home, LabError, Namespace};

/// A node with pods. Everything goes when it is dropped; drop pods, servers and daemons before.
#[derive(Debug)]
pub struct Lab {
    /// The node.
    pub node: Node,
    /// The world outside, behind the node's uplink `uplink0`.
    pub outside: Namespace,
    // Goes last.
    _home: Home,
}

impl Deref for Lab {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Lab {
    /// Builds a node without pods.
    pub fn new(shape: Shape, families: Families) -> Result<Self, LabError> {
        let home = Home::create()?;
        let manifests = home.path().join("manifests");
        fs::create_dir(&manifests).map_err(LabError::file(&manifests))?;
        let node = Node::build(Blueprint {
            name: "node",
            home: home.path().to_owned(),
            manifests,
            shape,
            families,
            plan: Plan(0),
            mtu: fabric::SEGMENT_MTU,
        })?;
        let outside = Namespace::create(home.path().join("outside"))?;
        node.join(&outside, "eth0")?;
        for near in node.addresses() {
            let far = subnet(of_family(OUTSIDE, near), SEGMENT);
            outside.ip(&format!("address add {far} dev eth0"))?;
            outside.ip(&format!("route add default via {near}"))?;
        }
        Ok(Self {
            node,
            outside,
            _home: home,
        })
    }

    /// Gives the world outside one more address, which the node and its pods reach by the uplink,
    /// even when it lies in the pods' subnet.
    pub fn add_outside(&self, address: IpAddr) -> Result<(), LabError> {
        self.outside
            .ip(&format!("address add {} dev lo", single(address)))?;
        let via = of_family(OUTSIDE, address);
        let (node, prefix) = (&self.node, single(address));
        if self.is_bridged(address) {
            // The node answers for it on the bridge, at once.
            node.sysctl("net/ipv4/conf/cni0/proxy_arp", "1")?;
            node.sysctl("net/ipv4/neigh/cni0/proxy_delay", "0")?;
            node.ip(&format!("route add {prefix} via {via}"))?;
        }
        Ok(())
    }

    /// Takes an address of [`Lab::add_outside`] away again.
    pub fn remove_outside(&self, address: IpAddr) -> Result<(), LabError> {
        let prefix = single(address);
        self.outside
            .ip(&format!("address delete {prefix} dev lo"))?;
        if self.is_bridged(address) {
            self.node.ip(&format!("route delete {prefix}"))?;
        }
        Ok(())
    }

    fn is_bridged(&self, address: IpAddr) -> bool {
        matches!(self.shape, Shape::Bridge { .. }) && self.plan.is_on_bridge(address)
    }

    /// Gives the node one more address.
    pub fn add_node_address(&self, address: IpAddr) -> Result<(), LabError> {
        self.node.add_address(address)
    }

    /// The node's addresses towards the world outside.
    pub fn node_addresses(&self) -> Vec<IpAddr> {
        self.node.addresses()
    }

    /// The first addresses of the world outside.
    pub fn outside_addresses(&self) -> Vec<IpAddr> {
        self.families.keep(OUTSIDE)
    }
}
