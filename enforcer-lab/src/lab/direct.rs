//! Pods on the segment itself, whose links have no side on the node.

use std::net::IpAddr;

use super::shape::{OUTSIDE, SEGMENT, of_family, single, subnet};
use super::{Lab, Node, Pod};
use crate::LabError;

/// How a pod is on the nodes' segment itself, by the uplink of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {
    /// With a MAC address of its own.
    Macvlan,
    /// With the uplink's MAC address.
    Ipvlan,
}

impl Node {
    /// Adds a pod that is on the segment itself: the world outside and other nodes reach it
    /// without passing any link of its node's that is the pod's own.
    pub fn add_direct_pod(&self, name: &str, direct: Direct) -> Result<Pod, LabError> {
        let addresses = self.direct_addresses();
        let pod = self.new_pod(name, &addresses, String::new())?;
        let (kind, mode) = match direct {
            Direct::Macvlan => ("macvlan", "bridge"),
            Direct::Ipvlan => ("ipvlan", "l2"),
        };
        let file = pod.path().display();
        let words = format!("link uplink0 name eth0 netns {file} type {kind} mode {mode}");
        self.add_link(&words, kind)?;
        pod.ip("link set eth0 up")?;
        for address in &addresses {
            let via = of_family(OUTSIDE, *address);
            let address = subnet(*address, SEGMENT);
            pod.ip(&format!("address add {address} dev eth0"))?;
            pod.ip(&format!("route add default via {via}"))?;
        }
        pod.wait_for_addresses()?;
        Ok(pod)
    }

    fn direct_addresses(&self) -> Vec<IpAddr> {
        let [_, number] = self.next_pod().to_be_bytes();
        self.families.keep(self.plan.direct(number))
    }
}

impl Lab {
    /// Adds a pod with a network device of its own, as the host-device plugin does: a link to the
    /// world outside that never was the node's.
    pub fn add_host_device_pod(&self, name: &str) -> Result<Pod, LabError> {
        let addresses = self.direct_addresses();
        let pod = self.new_pod(name, &addresses, String::new())?;
        let (outside, file) = (&self.outside, pod.path().display());
        let far = format!("to-{name}");
        outside.ip(&format!(
            "link add {far} type veth peer name eth0 netns {file}"
        ))?;
        outside.ip(&format!("link set {far} up"))?;
        pod.ip("link set eth0 up")?;
        for address in &addresses {
            let (own, via) = (single(*address), of_family(OUTSIDE, *address));
            outside.ip(&format!("address add {} dev {far}", single(via)))?;
            outside.ip(&format!("route add {own} dev {far}"))?;
            pod.ip(&format!("address add {own} dev eth0"))?;
            pod.ip(&format!("route add {} dev eth0", single(via)))?;
            pod.ip(&format!("route add default via {via} dev eth0"))?;
        }
        pod.wait_for_addresses()?;
        Ok(pod)
    }
}
