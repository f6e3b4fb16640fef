//! Who says that an address is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{PodKey, ServiceKey};

/// The claimants of one address.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// Selectable pods.
    pub(super) pods: BTreeSet<PodKey>,
    /// Nodes by name.
    pub(super) nodes: BTreeSet<String>,
    /// Services by name.
    pub(super) services: BTreeSet<ServiceKey>,
    /// It is an address of the host on which the programs run.
    pub(super) local: bool,
}

impl Claim {
    fn is_empty(&self) -> bool {
        self.pods.is_empty() && self.nodes.is_empty() && self.services.is_empty() && !self.local
    }
}

/// All claimed addresses.
#[derive(Debug, Default)]
pub(super) struct Claims {
    entries: BTreeMap<IpAddr, Claim>,
}

impl Claims {
    /// Changes what is claimed about an address.
    pub(super) fn edit(&mut self, address: IpAddr, change: impl FnOnce(&mut Claim)) {
        let claim = self.entries.entry(address).or_default();
        change(claim);
        if claim.is_empty() {
            self.entries.remove(&address);
        }
    }

    pub(super) fn get(&self, address: IpAddr) -> Option<&Claim> {
        self.entries.get(&address)
    }

    /// The claimed addresses of a prefix.
    pub(super) fn within(&self, net: IpNet) -> impl Iterator<Item = IpAddr> + '_ {
        self.entries
            .range(net.network()..=net.broadcast())
            .map(|(address, _)| *address)
    }

    /// The addresses of the host on which the programs run.
    pub(super) fn local(&self) -> Vec<IpAddr> {
        let local = self.entries.iter().filter(|(_, claim)| claim.local);
        local.map(|(address, _)| *address).collect()
    }
}
