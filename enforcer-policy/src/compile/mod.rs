//! The incremental compiler: changes of the model in, ordered map writes out.
//!
//! ```text
//! subjects ─ which rules apply ─→ set ─┐
//! criteria ─ what is asked of peers    ├→ outcome ─→ verdicts, port_lists
//! groups, blocks, claims ─→ identity ──┘
//! ```
//!
//! - A *criterion* is a selector, or a port name in an egress rule (`criteria`). Those that a
//!   policy set asks are in use.
//! - An *identity* is a class of addresses to which all criteria in use have the same answer
//!   (`identity`): pods by their labels (`groups`), every address by the blocks that cover it
//!   (`blocks`).
//! - A *policy set* is what applies to an endpoint in one direction, in normal form (`set`,
//!   `normal`). The verdict of a set for an identity is a pure function of both (`outcome`),
//!   and neither number ever changes its meaning. So verdicts are written before anything refers
//!   to them and removed when nothing does; what packets see changes only when an address changes
//!   its identity or an endpoint its sets.
//! - `transition` says in which order that happens.

mod around;
mod blocks;
mod capacity;
mod claims;
mod criteria;
mod fitness;
mod former;
mod groups;
mod identity;
pub(crate) mod index;
mod moves;
mod namespaces;
mod nodes;
mod normal;
mod numbers;
mod outcome;
mod places;
mod plan;
mod port_lists;
mod postings;
mod resolved;
mod set;
mod sorted;
mod spans;
mod subjects;
mod transition;
mod verdicts;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use enforcer_common::abi::Direction;

pub use capacity::{Capacity, Scope, Stats};

use self::claims::Claimant;
use crate::explain::PeerIdentity;
use crate::model::{Change, Cluster, PodKey, ServiceKey};
use crate::rule::PolicyKey;
use crate::tables::{Op, Tables};

/// Keeps tables in step with a cluster.
#[derive(Debug)]
pub struct Compiler {
    scope: Scope,
    cluster: Cluster,
    tables: Tables,
    /// The writes since the last time that they were handed out.
    ops: Vec<Op>,
    criteria: criteria::Criteria,
    subjects: subjects::Subjects,
    groups: groups::Groups,
    port_users: world::PortUsers,
    blocks: blocks::Blocks,
    claims: claims::Claims,
    nodes: nodes::NodeNumbers,
    identities: identity::Identities,
    sets: set::Sets,
    resolved: resolved::Resolved,
    port_lists: port_lists::PortLists,
    endpoint_ids: numbers::Numbers,
    /// The last revision that was given out.
    revision: u32,
    fitness: fitness::Fitness,
    /// How often something was taken over.
    age: u64,
}

impl Compiler {
    /// A compiler that knows of nothing yet; its tables are empty.
    pub fn new(scope: Scope, capacity: Capacity) -> Self {
        Self {
            scope,
            cluster: Cluster::default(),
            tables: Tables::default(),
            ops: Vec::new(),
            criteria: criteria::Criteria::new(),
            subjects: subjects::Subjects::new(),
            groups: groups::Groups::new(),
            port_users: world::PortUsers::default(),
            blocks: blocks::Blocks::default(),
            claims: claims::Claims::default(),
            nodes: nodes::NodeNumbers::new(),
            identities: identity::Identities::new(),
            sets: set::Sets::new(),
            resolved: resolved::Resolved::default(),
            port_lists: port_lists::PortLists::new(capacity.ports),
            endpoint_ids: numbers::Numbers::from(1),
            revision: 1,
            fitness: fitness::Fitness::new(capacity),
            age: 0,
        }
    }

    /// Says which addresses the host itself has, and returns the writes that follow from it.
    /// They are [`LOCAL_NODE`](enforcer_common::abi::address::LOCAL_NODE), whatever Node object
    /// also names them.
    pub fn set_local_addresses(&mut self, addresses: BTreeSet<IpAddr>) -> Vec<Op> {
        self.change_local_addresses(addresses);
        self.finish()
    }

    /// Takes changes over and returns the writes that follow from them, in the order in which they
    /// must be done.
    ///
    /// After each write a packet has the verdict from before or from after; of several changes,
    /// policies come first, then namespaces, then nodes, pods and services, and each of these three
    /// may also be seen alone.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Vec<Op> {
        self.change_all(changes);
        self.finish()
    }

    /// Grows with everything that is taken over: what was asked of this compiler, or of its cluster,
    /// is so as long as this stays.
    pub const fn age(&self) -> u64 {
        self.age
    }

    fn finish(&mut self) -> Vec<Op> {
        self.age += 1;
        self.fit_again();
        std::mem::take(&mut self.ops)
    }

    /// All objects as they are now.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What doing all writes that were returned so far leads to.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The policies, sorted, that isolate a pod in a direction. Answers for every selectable pod,
    /// in scope or not; other pods are never isolated.
    pub fn isolating(&self, pod: &PodKey, direction: Direction) -> Vec<PolicyKey> {
        self.applying(pod)
            .map(|applying| applying.policies(direction))
            .unwrap_or_default()
    }

    /// Numbers of what applies to a pod, sorted. Where these are the same, at whatever time and for
    /// whatever pod, so are the rules; pods to which nothing ever applies have none.
    pub(crate) fn applying_numbers(&self, pod: &PodKey) -> Vec<u32> {
        self.subjects_of(pod).unwrap_or_default()
    }

    /// Whoever has this address: the first by name of the selectable pods that claim it, else of the
    /// nodes, else nobody of the cluster. Needs no walk over the cluster.
    pub fn owner(&self, address: IpAddr) -> PeerIdentity {
        let claimants = self.claims.of(address);
        let owner = claimants.into_iter().find_map(|claimant| match claimant {
            Claimant::Pod(pod) => Some(PeerIdentity::Pod(pod.clone())),
            Claimant::Node(node) => Some(PeerIdentity::Node(node.to_string())),
            Claimant::Host | Claimant::Service(_) => None,
        });
        owner.unwrap_or(PeerIdentity::Outside)
    }

    /// The services, sorted, that have this address, and that it may be translated for.
    pub fn services(&self, address: IpAddr) -> impl Iterator<Item = &ServiceKey> {
        self.claims
            .of(address)
            .filter_map(|claimant| match claimant {
                Claimant::Service(service) => Some(service),
                _ => None,
            })
    }

    /// The endpoints that deny everything because something that they need does not fit into the
    /// maps, and what.
    pub fn unfit(&self) -> &BTreeMap<PodKey, String> {
        self.fitness.unfit()
    }

    /// How much there is of what.
    pub fn stats(&self) -> Stats {
        Stats {
            identities: self.identities.len(),
            policy_sets: self.sets.len(),
            port_lists: self.port_lists.len(),
            selectors: self.criteria.in_use(),
            addresses: self.tables.addresses.len(),
            cidrs: self.tables.cidrs.len(),
            verdicts: self.tables.verdicts.len(),
            endpoints: self.tables.endpoints.len(),
        }
    }

    /// Does a write to the tables and notes it for the kernel.
    fn emit(&mut self, op: Op) {
        self.tables.apply(&op);
        self.ops.push(op);
    }
}
