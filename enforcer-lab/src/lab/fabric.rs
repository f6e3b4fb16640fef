//! How nodes reach each other's pods.

use std::net::IpAddr;

use super::Node;
use super::shape::{of_family, single};
use crate::LabError;

/// How nodes reach each other's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fabric {
    /// By routes over the segment that the nodes share, as Flannel's host-gw and Calico do.
    HostGateway,
    /// In VXLAN, as Flannel does: the links `flannel.1` (IPv4) and `flannel-v6.1` (IPv6) with the
    /// first address of the node's pods, and permanent entries for every other node instead of
    /// learning.
    Vxlan,
}

/// Size of the largest packet on the segment.
pub(super) const SEGMENT_MTU: u16 = 1500;

impl Fabric {
    /// Size of the largest packet of a pod.
    pub(super) const fn mtu(self) -> u16 {
        match self {
            Self::HostGateway => SEGMENT_MTU,
            // What VXLAN over IPv6 takes.
            Self::Vxlan => SEGMENT_MTU - 70,
        }
    }
}

/// Gives every node the way to every other's pods.
pub(super) fn connect(nodes: &[Node], fabric: Fabric) -> Result<(), LabError> {
    if fabric == Fabric::Vxlan {
        for node in nodes {
            add_tunnels(node)?;
        }
    }
    for node in nodes {
        for other in nodes.iter().filter(|other| other.name != node.name) {
            for address in other.addresses() {
                match fabric {
                    Fabric::HostGateway => {
                        node.ip(&format!("route add {} via {address}", pods(other, address)))?;
                    }
                    Fabric::Vxlan => lead_into_tunnel(node, other, address)?,
                }
            }
        }
    }
    Ok(())
}

fn pods(node: &Node, address: IpAddr) -> String {
    let [v4, v6] = node.plan.pods();
    if address.is_ipv4() { v4 } else { v6 }
}

const TUNNELS: [&str; 2] = ["flannel.1", "flannel-v6.1"];

fn add_tunnels(node: &Node) -> Result<(), LabError> {
    for local in node.addresses() {
        let (link, mac) = (of_family(TUNNELS, local), mac(node));
        let address = single(of_family(node.plan.tunnels(), local));
        let mtu = Fabric::Vxlan.mtu();
        let vxlan = format!("vxlan id 1 dev uplink0 local {local} dstport 8472 nolearning");
        node.add_link(
            &format!("{link} address {mac} mtu {mtu} type {vxlan}"),
            "vxlan",
        )?;
        node.ip(&format!("address add {address} dev {link}"))?;
        node.ip(&format!("link set {link} up"))?;
    }
    Ok(())
}

/// The MAC address of a node's tunnels.
fn mac(node: &Node) -> String {
    format!("0a:58:0a:f4:00:{:02x}", node.plan.0)
}

fn lead_into_tunnel(node: &Node, other: &Node, address: IpAddr) -> Result<(), LabError> {
    let (link, mac) = (of_family(TUNNELS, address), mac(other));
    let tunnel = of_family(other.plan.tunnels(), address);
    node.ip(&format!(
        "neighbor replace {tunnel} lladdr {mac} dev {link} nud permanent"
    ))?;
    node.command(
        "bridge",
        &format!("fdb append {mac} dev {link} dst {address}"),
    )?;
    let pods = pods(other, address);
    node.ip(&format!("route add {pods} via {tunnel} dev {link} onlink"))
        .map(drop)
}

impl Node {
    /// The addresses of its tunnel links, with which it speaks to other nodes' pods in
    /// [`Fabric::Vxlan`].
    pub fn tunnel_addresses(&self) -> Vec<IpAddr> {
        self.families.keep(self.plan.tunnels())
    }
}
