//! What does not fit into the maps, and who suffers for it.
//!
//! Nothing is left out silently. A set whose verdicts do not fit is *crowded*: it has none in the
//! maps. A set to which the lack of an address or a prefix makes a difference is *misled*. Their
//! endpoints deny everything until there is room; all others are untouched.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::abi::{Direction, Endpoint, Peer};

use super::Compiler;
use super::capacity::Capacity;
use super::identity::criteria_of;
use super::places::Place;
use super::set::Set;
use super::verdicts::NoRoom;
use crate::model::PodKey;
use crate::tables::Op;

/// The state of affairs.
#[derive(Debug)]
pub(super) struct Fitness {
    capacity: Capacity,
    crowded: BTreeMap<u32, NoRoom>,
    /// Crowded sets that still have verdicts in the maps.
    overfull: BTreeSet<u32>,
    missing: BTreeMap<Place, Peer>,
    misled: BTreeMap<u32, Place>,
    unfit: BTreeMap<PodKey, String>,
    /// How many entries of the address and prefix maps there are, by [`family`].
    used: [usize; 4],
    freed: bool,
}

impl Fitness {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            crowded: BTreeMap::new(),
            overfull: BTreeSet::new(),
            missing: BTreeMap::new(),
            misled: BTreeMap::new(),
            unfit: BTreeMap::new(),
            used: [0; 4],
            freed: false,
        }
    }

    pub(super) fn capacity(&self) -> Capacity {
        self.capacity
    }

    pub(super) fn unfit(&self) -> &BTreeMap<PodKey, String> {
        &self.unfit
    }

    pub(super) fn is_crowded(&self, set: u32) -> bool {
        self.crowded.contains_key(&set)
    }

    /// What a place should have and for which there is no room.
    pub(super) fn missing(&self, place: Place) -> Option<Peer> {
        self.missing.get(&place).copied()
    }

    /// Room was made.
    pub(super) fn note_freed(&mut self) {
        self.freed = true;
    }

    fn has_room(&self, place: Place) -> bool {
        let limit = match place {
            Place::Net(_) => self.capacity.cidrs,
            Place::Address(_) => self.capacity.addresses,
        };
        self.used[family(place)] < limit
    }

    /// Why an endpoint with these sets must deny everything.
    fn complaint(&self, sets: [u32; 2]) -> Option<String> {
        let crowded = sets.iter().find_map(|set| self.crowded.get(set));
        let misled = sets.iter().find_map(|set| self.misled.get(set));
        match (crowded, misled) {
            (Some(no_room), _) => Some(no_room.to_string()),
            (_, Some(Place::Net(net))) => Some(format!("the map of prefixes is full: no {net}")),
            (_, Some(Place::Address(address))) => {
                Some(format!("the map of addresses is full: no {address}"))
            }
            (None, None) => None,
        }
    }
}

fn family(place: Place) -> usize {
    match place {
        Place::Net(net) => usize::from(net.addr().is_ipv6()),
        Place::Address(address) => 2 + usize::from(address.is_ipv6()),
    }
}

impl Compiler {
    /// Whether a place may be written; where not, it is missing from now on.
    pub(super) fn admit(&mut self, place: Place, peer: Peer) -> bool {
        let known = match place {
            Place::Net(net) => self.tables.cidrs.contains_key(&net),
            Place::Address(address) => self.tables.addresses.contains_key(&address),
        };
        if known {
            return true;
        }
        if !self.fitness.has_room(place) {
            self.fitness.missing.insert(place, peer);
            return false;
        }
        self.fitness.used[family(place)] += 1;
        self.fitness.missing.remove(&place);
        true
    }

    /// Whether a place that is no longer wanted must be removed from the maps.
    pub(super) fn dismiss(&mut self, place: Place) -> bool {
        if self.fitness.missing.remove(&place).is_some() {
            return false;
        }
        self.fitness.used[family(place)] -= 1;
        self.fitness.freed = true;
        true
    }

    /// There is no room for the verdicts of a set.
    pub(super) fn crowd(&mut self, set: u32, no_room: NoRoom) {
        self.fitness.crowded.insert(set, no_room);
        self.fitness.overfull.insert(set);
        self.dress_users(set);
    }

    /// Removes the verdicts of sets that have become crowded.
    pub(super) fn erase_crowded(&mut self) {
        for set in std::mem::take(&mut self.fitness.overfull) {
            self.erase_set(set);
        }
    }

    /// A set is gone.
    pub(super) fn forget_set(&mut self, set: u32) {
        self.fitness.crowded.remove(&set);
        self.fitness.overfull.remove(&set);
        self.fitness.misled.remove(&set);
    }

    /// Finds the sets to which missing places make a difference.
    pub(super) fn judge_missing(&mut self) {
        if self.fitness.missing.is_empty() && self.fitness.misled.is_empty() {
            return;
        }
        let mut misled = BTreeMap::new();
        for (&place, &wanted) in &self.fitness.missing {
            let found = match place {
                Place::Net(net) => self.tables.prefix_above(net),
                Place::Address(address) => self.tables.peer(address),
            };
            let mut sets = self.sets_telling_apart(wanted.identity, found.identity);
            if (wanted.flags, wanted.node) != (found.flags, found.node) {
                sets.extend(self.sets_of_senders());
            }
            for set in sets {
                misled.entry(set).or_insert(place);
            }
        }
        let old = std::mem::replace(&mut self.fitness.misled, misled);
        let sets: BTreeSet<u32> = old
            .into_keys()
            .chain(self.fitness.misled.keys().copied())
            .collect();
        for set in sets {
            self.dress_users(set);
        }
    }

    fn sets_telling_apart(&self, a: u32, b: u32) -> Vec<u32> {
        let (a, b) = (self.identities.faces(a), self.identities.faces(b));
        let criteria = [criteria_of(&a), criteria_of(&b)].concat();
        let mut sets = Vec::new();
        for id in self.sets.asking(&criteria) {
            let differs = self
                .sets
                .get(id)
                .is_some_and(|set| set.outcome(&a) != set.outcome(&b));
            if differs {
                sets.push(id);
            }
        }
        sets
    }

    /// The sets that judge what pods send. Without knowing that an address is a service's or the own
    /// node's, they would judge it before it is translated.
    fn sets_of_senders(&self) -> impl Iterator<Item = u32> + '_ {
        let sends = |set: &Set| set.users.iter().any(|(_, to)| *to == Direction::Egress);
        let sets = self.sets.all().filter(move |(_, set)| sends(set));
        sets.map(|(id, _)| id)
    }

    /// Tries again what did not fit, when room was made.
    pub(super) fn fit_again(&mut self) {
        self.port_lists.settle();
        if !std::mem::take(&mut self.fitness.freed) {
            return;
        }
        let missing = std::mem::take(&mut self.fitness.missing);
        for (place, peer) in missing {
            if self.admit(place, peer) {
                self.emit(match place {
                    Place::Net(net) => Op::PutCidr(net, peer),
                    Place::Address(address) => Op::PutAddress(address, peer),
                });
            }
        }
        self.judge_missing();
        let crowded: Vec<u32> = self.fitness.crowded.keys().copied().collect();
        for set in crowded {
            self.fit_set(set);
        }
        self.fitness.freed = false;
    }

    /// Writes all verdicts of a crowded set, or none.
    fn fit_set(&mut self, set: u32) {
        let mut written = Ok(());
        for identity in self.identities_for(set) {
            written = self.write(set, identity);
            if written.is_err() {
                break;
            }
        }
        match written {
            Ok(()) => {
                self.fitness.crowded.remove(&set);
                self.dress_users(set);
            }
            Err(no_room) => {
                self.fitness.crowded.insert(set, no_room);
                self.erase_set(set);
                self.port_lists.settle();
            }
        }
    }

    /// Writes an endpoint, denying everything where something that it needs does not fit.
    pub(super) fn put_endpoint(&mut self, pod: &PodKey, endpoint: Endpoint) {
        let dressed = self.dress(pod, endpoint);
        self.emit(Op::PutEndpoint(pod.clone(), dressed));
    }

    /// Removes an endpoint.
    pub(super) fn delete_endpoint(&mut self, pod: &PodKey) {
        self.fitness.unfit.remove(pod);
        self.emit(Op::DeleteEndpoint(pod.clone()));
    }

    fn dress(&mut self, pod: &PodKey, mut endpoint: Endpoint) -> Endpoint {
        if let Some(complaint) = self.fitness.complaint(endpoint.sets) {
            endpoint.flags |= Endpoint::DENY_ALL;
            self.fitness.unfit.insert(pod.clone(), complaint);
        } else {
            endpoint.flags &= !Endpoint::DENY_ALL;
            self.fitness.unfit.remove(pod);
        }
        endpoint
    }

    /// Writes the endpoints that have a set, where its fitness changes them. What was allowed and
    /// is denied now gets a new revision by the same write.
    fn dress_users(&mut self, set: u32) {
        let users = self.sets.get(set).into_iter().flat_map(|set| &set.users);
        let pods: BTreeSet<PodKey> = users.map(|(pod, _)| pod.clone()).collect();
        for pod in pods {
            let Some(old) = self.tables.endpoints.get(&pod).copied() else {
                continue;
            };
            let mut new = self.dress(&pod, old);
            if new == old {
                continue;
            }
            if new.flags & Endpoint::DENY_ALL != 0 {
                self.revision = self.revision.wrapping_add(1);
                new.revisions = [self.revision; 2];
            }
            self.emit(Op::PutEndpoint(pod, new));
        }
    }
}
