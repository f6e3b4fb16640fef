//! Addresses outside the cluster, joined as far as that is wanted.

use std::net::IpAddr;

use enforcer_policy::model::{Cluster, Family};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How long the prefixes are into which addresses outside the cluster are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Widths {
    /// Of IPv4; every address by itself without.
    pub v4: Option<u8>,
    /// Of IPv6.
    pub v6: Option<u8>,
}

impl Widths {
    /// The block of an address.
    pub(super) fn block(self, address: IpAddr) -> IpNet {
        let width = match Family::of(address) {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        };
        let one = IpNet::from(address);
        let wide = width.and_then(|width| IpNet::new(address, width).ok());
        wide.map_or(one, |net| net.trunc())
    }
}

/// Somebody of the cluster whose address a block covers, although it was widened for others.
pub(super) fn covered(block: &IpNet, cluster: &Cluster) -> Option<String> {
    let has = |addresses: &[IpAddr]| addresses.iter().any(|address| block.contains(address));
    let mut pods = cluster.pods.iter();
    if let Some((key, _)) = pods.find(|(_, pod)| has(&pod.addresses)) {
        return Some(key.to_string());
    }
    let mut nodes = cluster.nodes.iter();
    let (name, _) = nodes.find(|(_, node)| has(&node.addresses))?;
    Some(format!("node {name}"))
}
