//! The order of the writes: from one state to the next, with nothing else in between.
//!
//! Two things can change what a packet sees: the identity of an address, and the sets of an
//! endpoint. A transition does them in this order:
//!
//! 1. **Refine.** Criteria that new sets ask come into use beside those of the old sets. Verdicts
//!    of all sets, old and new, for the refined identities are written; then addresses and
//!    prefixes move to them, in any order: to the old sets, which do not ask the new criteria, a
//!    refined identity is the same as the one before it. An address whose pod or node changed
//!    moves at the same time, by one write, to what it is now; but one that a pod gets stays what it
//!    was until the switch, and is refined as that (`former`).
//! 2. **Switch.** Each endpoint gets its new sets, addresses and node by one write. A pod's former
//!    addresses leave before that and its new ones come after, because a pod always reaches
//!    itself.
//! 3. **Revisions** grow where a verdict may have turned from allow to deny, and where an address
//!    has become one that is translated behind the pod (a service's, or the own node's). The programs read the
//!    revision before the set, so a flow that was allowed by the old set has the old revision.
//! 4. **Coarsen.** Criteria that no set asks any more go out of use; addresses and prefixes move
//!    to coarser identities, the same ones to all sets left.
//! 5. **Garbage** goes last: verdicts, and with them port lists, that nothing refers to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use enforcer_common::abi::address::{LOCAL_NODE, NO_NODE};
use enforcer_common::abi::endpoint::NOT_ISOLATED;
use enforcer_common::abi::{Direction, Endpoint, Peer};

use super::Compiler;
use super::criteria::CriterionId;
use super::identity::{Faces, Feature, criteria_of};
use super::normal::only_adds;
use super::places::{Move, Place};
use super::plan::Plan;
use crate::model::{Pod, PodKey};
use crate::tables::Op;

/// A pod as it was.
pub(super) type Former = (PodKey, Pod);

/// What changes of the model have touched.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// Addresses whose claimants, or their labels or ports, changed.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Addresses that a pod has got.
    pub(super) arrivals: BTreeSet<IpAddr>,
    /// The pods that had an address and have it no more.
    pub(super) former: BTreeMap<IpAddr, Vec<Former>>,
    /// Pods that changed, or to which other rules may apply.
    pub(super) endpoints: BTreeSet<PodKey>,
    /// Pods that are not the ones that had the name before.
    pub(super) reborn: BTreeSet<PodKey>,
}

/// Whose packets to some address are judged behind the translation from now on.
#[derive(Debug, Default)]
struct Deferred {
    /// Everybody's: the address is a service's.
    service: bool,
    /// Those of the endpoints of these nodes.
    nodes: BTreeSet<u32>,
}

impl Deferred {
    fn between(old: Peer, new: Peer) -> Option<Self> {
        let node = (new.node != old.node && new.node != NO_NODE).then_some(new.node);
        let deferred = Self {
            service: new.flags & !old.flags & Peer::SERVICE != 0,
            nodes: node.into_iter().collect(),
        };
        (deferred.service || node.is_some()).then_some(deferred)
    }

    fn add(&mut self, more: Self) {
        self.service |= more.service;
        self.nodes.extend(more.nodes);
    }

    fn concerns(&self, endpoint: Option<&Endpoint>) -> bool {
        let here = |endpoint: &Endpoint| {
            self.nodes.contains(&LOCAL_NODE) || self.nodes.contains(&endpoint.node)
        };
        self.service || endpoint.is_some_and(here)
    }
}

/// Endpoints that need new revisions.
type Bumps = BTreeSet<(PodKey, Direction)>;

impl Compiler {
    /// Brings the tables to where the model is.
    pub(super) fn transition(&mut self, dirty: &Dirty) {
        // Who comes now has no flow that another verdict could end.
        let is_first = self.tables.endpoints.is_empty();
        let before: BTreeMap<IpAddr, Peer> = dirty
            .addresses
            .iter()
            .filter(|_| !is_first)
            .map(|&address| (address, self.tables.peer(address)))
            .collect();

        let plans = self.plan_endpoints(dirty);
        let mut places = self.refine();
        places.addresses.extend(&dirty.addresses);
        let moves = self.plan_moves(&places);
        let (arriving, mut moving): (Vec<Move>, Vec<Move>) =
            moves.into_iter().partition(|step| match step.place {
                Place::Net(_) => false,
                Place::Address(address) => dirty.arrivals.contains(&address),
            });
        moving.extend(self.plan_former(&arriving, dirty, &places.criteria));
        self.write_verdicts();
        self.do_moves(moving);
        for plan in &plans {
            self.switch(plan);
        }
        self.do_moves(arriving);

        let mut bumps = self.shrunk_peers(&before);
        bumps.extend(self.shrunk_sets(&plans));
        self.bump(&bumps);

        let dead = self.leave_sets(&plans);
        let places = self.coarsen();
        let moves = self.plan_moves(&places);
        self.write_verdicts();
        self.do_moves(moves);
        self.collect(dead);
    }

    fn do_moves(&mut self, moves: Vec<Move>) {
        for step in moves {
            self.do_move(step);
        }
        self.judge_missing();
    }

    fn switch(&mut self, plan: &Plan) {
        match plan.new {
            Some(endpoint) => self.put_endpoint(&plan.pod, endpoint),
            None => self.delete_endpoint(&plan.pod),
        }
    }

    /// The directions in which a switch may have denied what was allowed: by other sets; or because
    /// the former node is an address like any other now, or the new one's ports may be translated.
    fn shrunk_sets(&self, plans: &[Plan]) -> Bumps {
        let mut bumps = Bumps::new();
        let mut known = HashMap::new();
        for plan in plans.iter().filter(|plan| plan.new.is_some()) {
            let other_node = plan
                .old
                .zip(plan.new)
                .is_some_and(|(old, new)| old.node != new.node);
            for direction in Direction::ALL {
                let (old, new) = plan.sets(direction);
                let mut shrinks = || {
                    let known = known.entry((old, new));
                    *known.or_insert_with(|| self.shrinks(old, new))
                };
                if plan.old.is_some() && (other_node || shrinks()) {
                    bumps.insert((plan.pod.clone(), direction));
                }
            }
        }
        bumps
    }

    fn shrinks(&self, old: u32, new: u32) -> bool {
        if old == new || new == NOT_ISOLATED {
            return false;
        }
        match (self.sets.get(old), self.sets.get(new)) {
            (Some(old), Some(new)) => !only_adds(&old.rules, &new.rules),
            _ => true,
        }
    }

    /// The directions in which an address may have lost what it was allowed before.
    fn shrunk_peers(&self, before: &BTreeMap<IpAddr, Peer>) -> Bumps {
        let mut bumps = Bumps::new();
        let mut seen = BTreeSet::new();
        let mut lost = BTreeSet::new();
        let mut deferred: BTreeMap<u32, Deferred> = BTreeMap::new();
        for (&address, &old) in before {
            let new = self.tables.peer(address);
            if old == new || !seen.insert((old, new)) {
                continue;
            }
            self.shrunk_identity(old.identity, new.identity, &mut bumps);
            if old.node != new.node && old.node != NO_NODE {
                lost.insert(old.node);
            }
            if let Some(more) = Deferred::between(old, new) {
                deferred.entry(old.identity).or_default().add(more);
            }
        }
        self.lost_nodes(&lost, &mut bumps);
        for (identity, deferred) in deferred {
            self.newly_deferred(identity, &deferred, &mut bumps);
        }
        bumps
    }

    fn shrunk_identity(&self, old: u32, new: u32, bumps: &mut Bumps) {
        if old == new {
            return;
        }
        let (old, new) = (self.identities.faces(old), self.identities.faces(new));
        for id in self.sets.asking(&distinguishing(&old, &new)) {
            if let Some(set) = self.sets.get(id)
                && !set.outcome(&new).includes(&set.outcome(&old))
            {
                bumps.extend(set.users.iter().cloned());
            }
        }
    }

    /// The endpoints of these nodes have lost an address that was their own node's.
    fn lost_nodes(&self, nodes: &BTreeSet<u32>, bumps: &mut Bumps) {
        if nodes.is_empty() {
            return;
        }
        for (pod, endpoint) in &self.tables.endpoints {
            if nodes.contains(&LOCAL_NODE) || nodes.contains(&endpoint.node) {
                bumps.extend(Direction::ALL.map(|direction| (pod.clone(), direction)));
            }
        }
    }

    /// What was this identity has become a service's, or the own node's of some endpoints: what they
    /// send there may be translated from now on. A flow that was allowed to the address itself must
    /// not go on as that.
    fn newly_deferred(&self, identity: u32, deferred: &Deferred, bumps: &mut Bumps) {
        let faces = self.identities.faces(identity);
        for (_, set) in self.sets.all() {
            let senders = || {
                let users = set.users.iter();
                users.filter(|(pod, direction)| {
                    let endpoint = self.tables.endpoints.get(pod);
                    *direction == Direction::Egress && deferred.concerns(endpoint)
                })
            };
            if senders().next().is_some() && set.outcome(&faces).allows_anything() {
                bumps.extend(senders().cloned());
            }
        }
    }

    fn bump(&mut self, bumps: &Bumps) {
        let mut pods: BTreeMap<&PodKey, Vec<Direction>> = BTreeMap::new();
        for (pod, direction) in bumps {
            pods.entry(pod).or_default().push(*direction);
        }
        if pods.is_empty() {
            return;
        }
        self.revision = self.revision.wrapping_add(1);
        for (pod, directions) in pods {
            let Some(mut endpoint) = self.tables.endpoints.get(pod).copied() else {
                continue;
            };
            for direction in directions {
                if endpoint.isolated(direction) {
                    endpoint.revisions[direction.index()] = self.revision;
                }
            }
            if self.tables.endpoints.get(pod) != Some(&endpoint) {
                self.emit(Op::PutEndpoint(pod.clone(), endpoint));
            }
        }
    }

    /// Lets the endpoints leave the sets that they no longer have; returns the sets that nobody
    /// has any more.
    fn leave_sets(&mut self, plans: &[Plan]) -> Vec<u32> {
        let mut dead = Vec::new();
        for plan in plans {
            for direction in Direction::ALL {
                let (old, new) = plan.sets(direction);
                let user = (plan.pod.clone(), direction);
                if old != new && self.sets.leave(old, &user, &mut self.criteria) {
                    self.resolved.forget(old);
                    dead.push(old);
                }
            }
        }
        dead
    }

    fn collect(&mut self, dead: Vec<u32>) {
        for set in dead {
            self.erase_set(set);
            self.forget_set(set);
        }
        self.erase_crowded();
        for (identity, faces) in self.identities.take_idle() {
            self.erase_identity(identity, &faces);
        }
    }
}

/// The criteria to which two identities have different answers.
fn distinguishing(a: &Faces, b: &Faces) -> Vec<CriterionId> {
    if let (Some(one), Some(other)) = (only(a), only(b)) {
        let missing = |features: &[Feature], feature| features.binary_search(feature).is_err();
        let lost = one.iter().filter(|feature| missing(other, feature));
        let won = other.iter().filter(|feature| missing(one, feature));
        return lost.chain(won).map(|feature| feature.criterion).collect();
    }
    [criteria_of(a), criteria_of(b)].concat()
}

/// The one who has the address, unless several claim it.
fn only(faces: &Faces) -> Option<&Vec<Feature>> {
    faces.first().filter(|_| faces.len() == 1)
}
