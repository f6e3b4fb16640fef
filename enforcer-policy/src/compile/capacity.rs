//! What the compiler is asked for, how much room it has, and how much it used.

use enforcer_common::abi::limits;

use crate::model::Pod;

/// Which pods are endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every selectable pod.
    All,
    /// Selectable pods that are bound to this node, or to none.
    Node(String),
}

impl Scope {
    /// Whether a pod of this scope.
    pub(super) fn covers(&self, pod: &Pod) -> bool {
        match (self, &pod.node) {
            (Self::All, _) | (_, None) => true,
            (Self::Node(name), Some(node)) => name == node,
        }
    }
}

/// Entries that fit into the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Exact addresses of each family.
    pub addresses: usize,
    /// Prefixes of each family.
    pub cidrs: usize,
    /// Verdicts.
    pub verdicts: usize,
    /// Slots of the port array.
    pub ports: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            addresses: limits::ADDRESSES as usize,
            cidrs: limits::CIDRS as usize,
            verdicts: limits::VERDICTS as usize,
            ports: limits::PORTS as usize,
        }
    }
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Identities, the one of everybody else among them.
    pub identities: usize,
    /// Policy sets in use.
    pub policy_sets: usize,
    /// Port lists, each stored once.
    pub port_lists: usize,
    /// Selectors and egress port names in use.
    pub selectors: usize,
    /// Exact addresses in the tables.
    pub addresses: usize,
    /// Prefixes in the tables.
    pub cidrs: usize,
    /// Verdicts in the tables.
    pub verdicts: usize,
    /// Endpoints, isolated or not.
    pub endpoints: usize,
}
