//! Which addresses nodes have, and who sees which.

use std::net::IpAddr;

use enforcer_lab::{Cluster, Fabric, Node, Shape};
use enforcer_testing::generate::wire;

use crate::questions::Judged;
use crate::world::{Host, Who, World};

impl World {
    /// The source address that a receiver sees of a sender.
    pub(crate) fn source(&self, from: &Host, address: IpAddr, to: &Host) -> IpAddr {
        let (Who::Node(node), Who::Pod(_, other, _)) = (&from.who, &to.who) else {
            return address;
        };
        if node == other || !self.masquerades(address, to.addresses[0]) {
            return address;
        }
        // Of the link by which it leaves.
        let mut links = self.towards_nodes(*node).into_iter();
        links
            .find(|link| link.is_ipv4() == address.is_ipv4())
            .unwrap()
    }

    /// The addresses of a node's links to its pods.
    pub(crate) fn towards_pods(&self, node: usize) -> Vec<IpAddr> {
        match self.stage.shape {
            // There are none, so it takes those that suit the destination best.
            Shape::Calico => self.listed[node].clone(),
            Shape::Ptp | Shape::Netkit | Shape::Bridge { .. } => {
                self.cluster.nodes[node].gateways()
            }
        }
    }

    /// The addresses of a node's links to other nodes' pods.
    pub(crate) fn towards_nodes(&self, node: usize) -> Vec<IpAddr> {
        let node = &self.cluster.nodes[node];
        match self.stage.fabric {
            Fabric::HostGateway => node.addresses(),
            Fabric::Vxlan => node.tunnel_addresses(),
        }
    }

    /// Whether what a node sends or forwards between these gets another source.
    pub(crate) fn masquerades(&self, from: IpAddr, to: IpAddr) -> bool {
        let pods = self.cluster.nodes[0].cluster_pods();
        let [from, to] = [from, to].map(|end| pods.iter().any(|pods| pods.contains(&end)));
        self.stage.masquerade && (!from || !to)
    }

    /// Who judges what a host sends to an address.
    pub(crate) fn judged(&self, from: &Host, to: IpAddr) -> Judged {
        match self.host_at(to) {
            Some(host) => Judged::between(from, &self.hosts[host]),
            None => Judged::by_sender(from),
        }
    }

    /// The source that a backend sees when the sender's node masquerades: an address of the link
    /// by which it leaves the node.
    pub(crate) fn masqueraded(&self, from: &Host, backend: IpAddr) -> IpAddr {
        let Who::Pod(_, node, _) = from.who else {
            return backend;
        };
        let candidates = match self.host_at(backend).map(|host| &self.hosts[host].who) {
            Some(Who::Pod(_, other, _)) if *other == node => self.towards_pods(node),
            Some(Who::Pod(..)) => self.towards_nodes(node),
            _ => self.cluster.nodes[node].addresses(),
        };
        let mut candidates = candidates.into_iter();
        candidates
            .find(|one| one.is_ipv4() == backend.is_ipv4())
            .unwrap()
    }
}

/// Gives a node the addresses of its object, to which everybody else gets a way.
pub(crate) fn listed_addresses(cluster: &Cluster, number: usize) -> Vec<IpAddr> {
    let node = &cluster.nodes[number];
    let mut listed = Vec::new();
    for via in node.addresses() {
        let address = wire::node_address(number, via.is_ipv6());
        node.add_address(address).unwrap();
        let others = cluster.nodes.iter().filter(|other| other.name != node.name);
        let others = others.map(|other| &**other).chain([&cluster.outside]);
        for other in others {
            other.ip(&format!("route add {address} via {via}")).unwrap();
        }
        listed.push(address);
    }
    listed
}

/// Addresses of a node of which its object says nothing.
pub(crate) fn own_addresses(node: &Node) -> Vec<IpAddr> {
    node.addresses()
}
