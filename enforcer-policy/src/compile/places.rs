//! Addresses and prefixes, and the identities that they should have.

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::abi::Peer;
use ipnet::IpNet;

use super::Compiler;
use super::around::Around;
use super::criteria::{Criterion, CriterionId};
use super::groups::GroupId;
use crate::model::PodKey;
use crate::rule::IpBlock;
use crate::tables::Op;

/// A key of one of the maps that say who an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// `CIDRS`.
    Net(IpNet),
    /// `ADDRESSES`.
    Address(IpAddr),
}

/// A place that gets another content, or none. It holds the identity that it is to have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) place: Place,
    pub(super) want: Option<Peer>,
}

/// Places that may have to change.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) nets: BTreeSet<IpNet>,
    /// The criteria that came into use or go out of it, which is why these places may have to change.
    pub(super) criteria: BTreeSet<CriterionId>,
}

impl Compiler {
    /// Takes criteria into use that a new set asks; returns the places whose identities they
    /// refine.
    pub(super) fn refine(&mut self) -> Places {
        let mut places = Places::default();
        let mut selectors = Vec::new();
        for (id, criterion) in self.criteria.take_started() {
            places.criteria.insert(id);
            match criterion.as_ref() {
                Criterion::Pods(selector) => {
                    selectors.push((id, selector.clone()));
                }
                Criterion::Blocks(blocks) => {
                    self.blocks.start(id, blocks);
                    self.covered_by(blocks, &mut places);
                }
                Criterion::PortName(name, protocol) => {
                    let users = self.port_users.get(&(name.clone(), *protocol));
                    let users = users.into_iter().flat_map(|users| users.iter());
                    places.addresses.extend(self.addresses_of_pods(users));
                }
            }
        }
        let groups = self.groups.start(&selectors);
        places.addresses.extend(self.addresses_of(&groups));
        places
    }

    /// Takes criteria out of use that no set asks any more; returns the places whose identities
    /// get coarser.
    pub(super) fn coarsen(&mut self) -> Places {
        let mut places = Places::default();
        for (id, criterion) in self.criteria.take_stopped() {
            places.criteria.insert(id);
            self.stop(id, &criterion, &mut places);
            self.criteria.release(id);
        }
        places
    }

    fn stop(&mut self, id: CriterionId, criterion: &Criterion, places: &mut Places) {
        match criterion {
            Criterion::Pods(selector) => {
                let groups = self.groups.stop(id, selector);
                places.addresses.extend(self.addresses_of(&groups));
            }
            Criterion::Blocks(blocks) => {
                self.covered_by(blocks, places);
                self.blocks.stop(id, blocks);
            }
            Criterion::PortName(name, protocol) => {
                let users = self.port_users.get(&(name.clone(), *protocol));
                let users = users.into_iter().flat_map(|users| users.iter());
                places.addresses.extend(self.addresses_of_pods(users));
            }
        }
    }

    fn covered_by(&self, blocks: &[IpBlock], places: &mut Places) {
        let (whole, holed): (Vec<_>, Vec<_>) = blocks
            .iter()
            .partition(|block: &&IpBlock| block.except.is_empty());
        for cidr in IpNet::aggregate(&whole.iter().map(|block| block.cidr).collect()) {
            places.nets.extend(self.blocks.within(cidr));
            places.addresses.extend(self.claims.within(cidr));
        }
        for block in holed {
            let around = Around::of(block);
            places.nets.extend(around.nets(&self.blocks));
            places.addresses.extend(around.addresses(&self.claims));
        }
    }

    /// The addresses of the pods of these groups.
    pub(super) fn addresses_of(&self, groups: &BTreeSet<GroupId>) -> BTreeSet<IpAddr> {
        groups
            .iter()
            .filter_map(|id| self.groups.get(*id))
            .flat_map(|group| self.addresses_of_pods(group.pods.iter()))
            .collect()
    }

    fn addresses_of_pods<'a>(&self, pods: impl Iterator<Item = &'a PodKey>) -> BTreeSet<IpAddr> {
        pods.filter_map(|key| self.cluster.pods.get(key))
            .flat_map(|pod| pod.addresses.iter().copied())
            .collect()
    }

    /// What a place has now, whether there was room for it in the maps or not.
    pub(super) fn held(&self, place: Place) -> Option<Peer> {
        let missing = self.fitness.missing(place);
        missing.or_else(|| match place {
            Place::Net(net) => self.tables.cidrs.get(&net).copied(),
            Place::Address(address) => self.tables.addresses.get(&address).copied(),
        })
    }

    /// Carries a move out.
    pub(super) fn do_move(&mut self, step: Move) {
        if let Some(old) = self.held(step.place) {
            self.identities.unhold(old.identity);
        }
        match step.want {
            Some(peer) => self.put_place(step.place, peer),
            None => self.delete_place(step.place),
        }
    }

    fn put_place(&mut self, place: Place, peer: Peer) {
        if self.admit(place, peer) {
            self.emit(match place {
                Place::Net(net) => Op::PutCidr(net, peer),
                Place::Address(address) => Op::PutAddress(address, peer),
            });
        }
    }

    fn delete_place(&mut self, place: Place) {
        if self.dismiss(place) {
            self.emit(match place {
                Place::Net(net) => Op::DeleteCidr(net),
                Place::Address(address) => Op::DeleteAddress(address),
            });
        }
    }
}
