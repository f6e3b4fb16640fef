//! The tables that the compiler keeps, and the operations that bring the kernel there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::abi::{Endpoint, Peer, PortRange, Verdict, VerdictKey};
use ipnet::IpNet;

use crate::model::PodKey;

/// A snapshot of everything that the programs read, but by pod instead of by ifindex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Exact addresses.
    pub addresses: BTreeMap<IpAddr, Peer>,
    /// Prefixes, asked by longest match when no exact address matches.
    pub cidrs: BTreeMap<IpNet, Peer>,
    /// Verdicts.
    pub verdicts: BTreeMap<VerdictKey, Verdict>,
    /// The port array; its length is the highest slot ever used. Free slots keep old content.
    pub ports: Vec<PortRange>,
    /// Endpoints by pod: every pod of the compiler's scope that policies can apply to and that has
    /// an address, isolated or not.
    pub endpoints: BTreeMap<PodKey, Endpoint>,
}

/// One write. A list of them is in the order in which they must be done: after every single one,
/// each packet gets either the verdict from before the list or the one from after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Fill slots of the port array from this offset.
    PutPorts(u32, Vec<PortRange>),
    /// Set a verdict.
    PutVerdict(VerdictKey, Verdict),
    /// Remove a verdict.
    DeleteVerdict(VerdictKey),
    /// Set who an address is.
    PutAddress(IpAddr, Peer),
    /// Remove an address.
    DeleteAddress(IpAddr),
    /// Set who a prefix is.
    PutCidr(IpNet, Peer),
    /// Remove a prefix.
    DeleteCidr(IpNet),
    /// Set an endpoint.
    PutEndpoint(PodKey, Endpoint),
    /// Remove an endpoint.
    DeleteEndpoint(PodKey),
}

impl Tables {
    /// Does one write.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::PutPorts(offset, ranges) => self.put_ports(*offset as usize, ranges),
            Op::PutVerdict(key, verdict) => drop(self.verdicts.insert(*key, *verdict)),
            Op::DeleteVerdict(key) => drop(self.verdicts.remove(key)),
            Op::PutAddress(address, peer) => drop(self.addresses.insert(*address, *peer)),
            Op::DeleteAddress(address) => drop(self.addresses.remove(address)),
            Op::PutCidr(net, peer) => drop(self.cidrs.insert(*net, *peer)),
            Op::DeleteCidr(net) => drop(self.cidrs.remove(net)),
            Op::PutEndpoint(pod, endpoint) => drop(self.endpoints.insert(pod.clone(), *endpoint)),
            Op::DeleteEndpoint(pod) => drop(self.endpoints.remove(pod)),
        }
    }

    fn put_ports(&mut self, offset: usize, ranges: &[PortRange]) {
        let end = offset + ranges.len();
        if self.ports.len() < end {
            self.ports.resize(end, PortRange::default());
        }
        self.ports[offset..end].copy_from_slice(ranges);
    }
}
