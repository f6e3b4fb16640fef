//! The tables that the compiler keeps, and the operations that bring the kernel there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::abi::address::ANY_PEER;
use enforcer_common::abi::endpoint::NOT_ISOLATED;
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

    /// Who has this address, found as the programs find it: the exact address, else the longest
    /// prefix, else anybody.
    pub fn peer(&self, address: IpAddr) -> Peer {
        match self.addresses.get(&address) {
            Some(peer) => *peer,
            None => self.longest(IpNet::from(address)),
        }
    }

    /// Whom a packet from `net` would meet if `net` itself were no prefix, nor any within it.
    pub fn prefix_above(&self, net: IpNet) -> Peer {
        net.supernet()
            .map_or(Peer::default(), |outer| self.longest(outer))
    }

    /// The longest prefix that covers `net`. The greatest prefix that is not behind `net` either
    /// covers it, or what covers it also covers all that the two have in common.
    fn longest(&self, net: IpNet) -> Peer {
        let mut reach = net;
        while let Some((prefix, peer)) = self.cidrs.range(..=reach).next_back() {
            if prefix.contains(&net) {
                return *peer;
            }
            match common(*prefix, net) {
                Some(shared) => reach = shared,
                None => break,
            }
        }
        Peer::default()
    }

    /// Whether a policy set lets a connection with a peer of this identity to this port through.
    /// `port` is without meaning for protocols without ports.
    pub fn allows(&self, set: u32, identity: u32, protocol: u8, port: u16) -> bool {
        if set == NOT_ISOLATED {
            return true;
        }
        let verdict = |identity| self.verdicts.get(&VerdictKey { set, identity });
        let Some(&verdict) = verdict(identity).or_else(|| verdict(ANY_PEER)) else {
            return false;
        };
        let ranges = self.port_list(verdict);
        let behind =
            ranges.partition_point(|range| (range.protocol, range.low) <= (protocol, port));
        match behind.checked_sub(1).and_then(|index| ranges.get(index)) {
            Some(range) if range.protocol == protocol && port <= range.high => range.allow == 1,
            _ => verdict.default_allow == 1,
        }
    }

    /// The port list of a verdict.
    pub fn port_list(&self, verdict: Verdict) -> &[PortRange] {
        let start = verdict.offset as usize;
        self.ports
            .get(start..start + verdict.length as usize)
            .unwrap_or_default()
    }

    fn put_ports(&mut self, offset: usize, ranges: &[PortRange]) {
        let end = offset + ranges.len();
        if self.ports.len() < end {
            self.ports.resize(end, PortRange::default());
        }
        self.ports[offset..end].copy_from_slice(ranges);
    }
}

/// The longest prefix that contains both, which are of one family.
fn common(a: IpNet, b: IpNet) -> Option<IpNet> {
    let same = match (a.addr(), b.addr()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return None,
    };
    let length = u8::try_from(same)
        .ok()?
        .min(a.prefix_len())
        .min(b.prefix_len());
    Some(IpNet::new(b.addr(), length).ok()?.trunc())
}
