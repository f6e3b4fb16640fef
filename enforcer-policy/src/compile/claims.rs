//! Who says that an address is theirs.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::intern::Name;
use crate::model::{PodKey, ServiceKey};

/// Somebody to whom an address may belong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claimant {
    /// The host on which the programs run. (The first in the order: see [`Claims::of`].)
    Host,
    /// A selectable pod.
    Pod(PodKey),
    /// A node by name.
    Node(Name),
    /// A service.
    Service(ServiceKey),
}

/// The claimants of one address.
#[derive(Debug, Default)]
pub(super) struct Claim<'a> {
    /// Selectable pods, sorted.
    pub(super) pods: Vec<&'a PodKey>,
    /// Nodes, sorted.
    pub(super) nodes: Vec<&'a Name>,
    /// Whether a service is among them.
    pub(super) service: bool,
    /// Whether it is an address of the host on which the programs run.
    pub(super) host: bool,
}

/// All claimed addresses, in one flat list: nearly all of them have one claimant.
#[derive(Debug, Default)]
pub(super) struct Claims {
    entries: BTreeSet<(IpAddr, Claimant)>,
}

impl Claims {
    pub(super) fn add(&mut self, address: IpAddr, claimant: Claimant) {
        self.entries.insert((address, claimant));
    }

    pub(super) fn remove(&mut self, address: IpAddr, claimant: Claimant) {
        self.entries.remove(&(address, claimant));
    }

    /// The claimants of an address, by kind and name.
    pub(super) fn of(&self, address: IpAddr) -> impl Iterator<Item = &Claimant> + '_ {
        self.entries
            .range((address, Claimant::Host)..)
            .take_while(move |(other, _)| *other == address)
            .map(|(_, claimant)| claimant)
    }

    /// The claimants of an address; `None` when there are none.
    pub(super) fn get(&self, address: IpAddr) -> Option<Claim<'_>> {
        let mut claim = None;
        for claimant in self.of(address) {
            let claim = claim.get_or_insert_with(Claim::default);
            match claimant {
                Claimant::Host => claim.host = true,
                Claimant::Pod(pod) => claim.pods.push(pod),
                Claimant::Node(node) => claim.nodes.push(node),
                Claimant::Service(_) => claim.service = true,
            }
        }
        claim
    }

    /// The claimed addresses of a prefix, each as often as it has claimants.
    pub(super) fn within(&self, net: IpNet) -> impl Iterator<Item = IpAddr> + '_ {
        self.between(net.network(), net.broadcast())
    }

    /// The claimed addresses from the first to the last, each as often as it has claimants.
    pub(super) fn between(&self, first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> + '_ {
        self.entries
            .range((first, Claimant::Host)..)
            .map(|(address, _)| *address)
            .take_while(move |address| *address <= last)
    }

    /// The addresses of the host on which the programs run.
    pub(super) fn host(&self) -> Vec<IpAddr> {
        let host = self.entries.iter();
        host.filter(|(_, claimant)| *claimant == Claimant::Host)
            .map(|(address, _)| *address)
            .collect()
    }
}
