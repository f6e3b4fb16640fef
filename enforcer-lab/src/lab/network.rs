//! Second networks: more links in a pod, as Multus makes them.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

use super::shape::subnet;
use super::{Node, Pod};
use crate::LabError;

/// A second network of a node: a bridge with a subnet of its own, in which the node has the first
/// address.
#[derive(Debug)]
pub struct Network {
    /// The bridge's name.
    pub bridge: String,
    number: u8,
    links: Cell<u8>,
}

/// A link of a pod that is not its first.
#[derive(Clone, Debug)]
pub struct SecondLink {
    /// Its name inside the pod.
    pub name: String,
    /// The name of the node's side.
    pub host_link: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Node {
    /// Adds a second network.
    pub fn add_network(&self) -> Result<Network, LabError> {
        let number = self.networks.fetch_add(1, Ordering::Relaxed) + 1;
        let bridge = format!("second{number}");
        self.ip(&format!("link add {bridge} type bridge"))?;
        self.ip(&format!("link set {bridge} up"))?;
        for address in self.families.keep(self.plan.second(number, 1)) {
            let address = subnet(address, [24, 64]);
            self.ip(&format!("address add {address} dev {bridge}"))?;
        }
        Ok(Network {
            bridge,
            number,
            links: Cell::new(0),
        })
    }

    /// Gives a pod a link `name` in a second network.
    pub fn plug(&self, pod: &Pod, network: &Network, name: &str) -> Result<SecondLink, LabError> {
        let number = network.links.get() + 1;
        network.links.set(number);
        let host_link = format!("{}-{number}", network.bridge);
        self.add_veth(pod, &host_link, name)?;
        self.ip(&format!("link set {host_link} master {}", network.bridge))?;
        let addresses = self
            .families
            .keep(self.plan.second(network.number, number + 1));
        for address in &addresses {
            let address = subnet(*address, [24, 64]);
            pod.ip(&format!("address add {address} dev {name}"))?;
        }
        Ok(SecondLink {
            name: name.to_owned(),
            host_link,
            addresses,
        })
    }
}
