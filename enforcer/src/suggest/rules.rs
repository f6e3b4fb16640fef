//! Rules, and how they are joined.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_policy::intern::Name;
use ipnet::IpNet;
use jiff::Timestamp;

use super::ports::Port;
use super::selector::Selector;

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Pods.
    Pods {
        /// Of this namespace; `None` for the policy's own.
        namespace: Option<Name>,
        /// Which of them.
        selector: Selector,
    },
    /// Addresses.
    Block {
        /// Which ones.
        cidr: IpNet,
        /// Who has them, for the reader.
        owner: Option<String>,
    },
}

/// A rule: every peer may use every port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom.
    pub peers: BTreeSet<Peer>,
    /// What.
    pub ports: BTreeSet<Port>,
    /// What it rests on.
    pub weight: Weight,
}

/// How many connections something rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// How many were allowed.
    pub connections: u64,
    /// Packets that were denied, and are to be allowed.
    pub denied: u64,
    /// When there was one last.
    pub last: Option<Timestamp>,
}

impl Weight {
    fn add(&mut self, other: Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.denied = self.denied.saturating_add(other.denied);
        self.last = self.last.max(other.last);
    }
}

/// What the pods of a workload need in one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs(BTreeMap<Peer, (BTreeSet<Port>, Weight)>);

impl Needs {
    pub(super) fn add(&mut self, peer: Peer, port: Port, weight: Weight) {
        let (ports, sum) = self.0.entry(peer).or_default();
        ports.insert(port);
        sum.add(weight);
    }

    /// The rules: peers with the same ports are joined.
    pub(super) fn rules(&self) -> Vec<Rule> {
        let mut by_ports = BTreeMap::<&BTreeSet<Port>, (BTreeSet<Peer>, Weight)>::new();
        for (peer, (ports, weight)) in &self.0 {
            let (peers, sum) = by_ports.entry(ports).or_default();
            peers.insert(peer.clone());
            sum.add(*weight);
        }
        let rules = by_ports.into_iter().map(|(ports, (peers, weight))| Rule {
            peers,
            ports: ports.clone(),
            weight,
        });
        rules.collect()
    }
}
