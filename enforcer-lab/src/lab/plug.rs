//! Joins pods to their node.

use std::net::IpAddr;

use super::shape::{CALICO, NOBODYS, of_family, single, subnet};
use super::{Node, Pod, Shape};
use crate::LabError;

impl Node {
    /// Adds a pod with these addresses, of which there may be none, and any.
    pub fn add_pod_with(&self, name: &str, addresses: &[IpAddr]) -> Result<Pod, LabError> {
        let number = self.next_pod();
        let prefix = match self.shape {
            Shape::Calico => "cali",
            Shape::Netkit => "nk",
            Shape::Ptp | Shape::Bridge { .. } => "veth",
        };
        let pod = self.new_pod(name, addresses, format!("{prefix}{number}"))?;
        if self.shape == Shape::Netkit {
            self.add_netkit(&pod)?;
        } else {
            self.add_veth(&pod, &pod.host_link, "eth0")?;
        }
        match self.shape {
            Shape::Ptp | Shape::Netkit => self.plug_ptp(&pod)?,
            Shape::Calico => self.plug_calico(&pod)?,
            Shape::Bridge { .. } => self.plug_bridge(&pod)?,
        }
        pod.wait_for_addresses()?;
        Ok(pod)
    }

    /// A veth pair between the node and a pod, both sides up.
    pub(super) fn add_veth(&self, pod: &Pod, link: &str, inside: &str) -> Result<(), LabError> {
        let (file, mtu) = (pod.path().display(), self.mtu);
        self.ip(&format!(
            "link add {link} mtu {mtu} type veth peer name {inside} mtu {mtu} netns {file}"
        ))?;
        self.ip(&format!("link set {link} up"))?;
        pod.ip(&format!("link set {inside} up")).map(drop)
    }

    /// A netkit pair between the node and a pod, both sides up. Without options, which only new
    /// versions of `ip` know, the kernel chooses the other side's name.
    fn add_netkit(&self, pod: &Pod) -> Result<(), LabError> {
        let link = &pod.host_link;
        self.add_link(&format!("{link} type netkit"), "netkit")?;
        let shown = self.ip(&format!("-o link show dev {link}"))?;
        let other = shown
            .split_once('@')
            .and_then(|(_, rest)| rest.split(':').next())
            .ok_or(LabError::Unsupported("netkit pair that `ip` can show"))?;
        let file = pod.path().display();
        self.ip(&format!("link set {other} netns {file} name eth0"))?;
        self.ip(&format!("link set {link} up"))?;
        pod.ip("link set eth0 up").map(drop)
    }

    /// `ip link add` for a kind of link that not every kernel has.
    pub(super) fn add_link(&self, words: &str, kind: &'static str) -> Result<(), LabError> {
        match self.ip(&format!("link add {words}")) {
            Err(LabError::Command { output, .. }) if output.contains("Unknown device type") => {
                Err(LabError::Unsupported(kind))
            }
            outcome => outcome.map(drop),
        }
    }

    fn plug_ptp(&self, pod: &Pod) -> Result<(), LabError> {
        let link = &pod.host_link;
        for gateway in self.gateways() {
            self.ip(&format!("address add {} dev {link}", single(gateway)))?;
        }
        for address in &pod.addresses {
            route_alone(pod, *address, &self.plan.gateway(*address).to_string())?;
            self.ip(&format!("route add {} dev {link}", single(*address)))?;
        }
        Ok(())
    }

    fn plug_calico(&self, pod: &Pod) -> Result<(), LabError> {
        let link = &pod.host_link;
        let (mac, link_local) = CALICO;
        // Down and up again, so that the link-local address follows from the MAC address.
        self.ip(&format!("link set {link} down"))?;
        self.ip(&format!("link set {link} address {mac} up"))?;
        self.sysctl(&format!("net/ipv4/conf/{link}/proxy_arp"), "1")?;
        self.sysctl(&format!("net/ipv4/neigh/{link}/proxy_delay"), "0")?;
        for address in &pod.addresses {
            let gateways = [NOBODYS.to_string(), link_local.to_owned()];
            let gateway = of_family([&*gateways[0], &*gateways[1]], *address);
            route_alone(pod, *address, gateway)?;
            self.ip(&format!("route add {} dev {link}", single(*address)))?;
        }
        Ok(())
    }

    fn plug_bridge(&self, pod: &Pod) -> Result<(), LabError> {
        let link = &pod.host_link;
        self.ip(&format!("link set {link} master cni0"))?;
        // As Flannel does, so that a pod reaches itself by a service.
        self.ip(&format!("link set {link} type bridge_slave hairpin on"))?;
        for address in &pod.addresses {
            let gateway = self.plan.gateway(*address).to_string();
            if self.plan.is_on_bridge(*address) {
                let address = subnet(*address, [24, 64]);
                pod.ip(&format!("address add {address} dev eth0"))?;
                pod.ip(&format!("route add default via {gateway}"))?;
            } else {
                route_alone(pod, *address, &gateway)?;
                self.ip(&format!("route add {} dev cni0", single(*address)))?;
            }
        }
        Ok(())
    }
}

/// Gives a pod an address without a subnet, and a default route by a gateway that is on none.
fn route_alone(pod: &Pod, address: IpAddr, gateway: &str) -> Result<(), LabError> {
    pod.ip(&format!("address add {} dev eth0", single(address)))?;
    let length = of_family([32, 128], address);
    pod.ip(&format!("route add {gateway}/{length} dev eth0"))?;
    pod.ip(&format!("route add default via {gateway} dev eth0"))
        .map(drop)
}
