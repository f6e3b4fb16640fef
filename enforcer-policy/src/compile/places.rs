//! Addresses and prefixes, and the identities that they should have.

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::abi::Peer;
use enforcer_common::abi::address::{LOCAL_NODE, NO_NODE};
use ipnet::IpNet;

use super::Compiler;
use super::claims::Claim;
use super::criteria::{Criterion, CriterionId};
use super::groups::GroupId;
use super::identity::{Faces, Feature};
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
}

impl Compiler {
    /// Takes criteria into use that a new set asks; returns the places whose identities they
    /// refine.
    pub(super) fn refine(&mut self) -> Places {
        let mut places = Places::default();
        let mut selectors = Vec::new();
        for (id, criterion) in self.criteria.take_started() {
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
        let cidrs = blocks.iter().map(|block| block.cidr);
        for cidr in IpNet::aggregate(&cidrs.collect()) {
            places.nets.extend(self.blocks.within(cidr));
            places.addresses.extend(self.claims.within(cidr));
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

    /// The places among these that change. Each holds its new identity.
    pub(super) fn plan_moves(&mut self, places: &Places) -> Vec<Move> {
        let nets = places.nets.iter().copied().map(Place::Net);
        let addresses = places.addresses.iter().copied().map(Place::Address);
        nets.chain(addresses)
            .filter_map(|place| self.plan_move(place))
            .collect()
    }

    fn plan_move(&mut self, place: Place) -> Option<Move> {
        let want = match place {
            Place::Net(net) => self.want_net(net),
            Place::Address(address) => self.want_address(address),
        };
        if want == self.held(place) {
            if let Some(peer) = want {
                self.identities.unhold(peer.identity);
            }
            return None;
        }
        Some(Move { place, want })
    }

    fn want_net(&mut self, net: IpNet) -> Option<Peer> {
        if !self.blocks.contains(net) {
            return None;
        }
        let blocks = self.blocks.covering_net(net);
        let features = blocks.into_iter().map(Feature::selected).collect();
        Some(Peer {
            identity: self.identities.hold(Faces::from([features])),
            node: NO_NODE,
            flags: 0,
        })
    }

    /// No entry means the same as one without identity, node and flags: an address without any
    /// feature is in no block in use.
    fn want_address(&mut self, address: IpAddr) -> Option<Peer> {
        let claim = self.claims.get(address)?;
        let peer = Peer {
            node: self.node_of(&claim),
            identity: self.identities.hold(self.faces(address, &claim)),
            flags: if claim.service { Peer::SERVICE } else { 0 },
        };
        (peer != Peer::default()).then_some(peer)
    }

    /// An address that several nodes claim is no node's.
    fn node_of(&self, claim: &Claim<'_>) -> u32 {
        if claim.host {
            return LOCAL_NODE;
        }
        let mut nodes = claim.nodes.iter();
        match (nodes.next(), nodes.next()) {
            (Some(name), None) => self.nodes.number(name).unwrap_or(NO_NODE),
            _ => NO_NODE,
        }
    }

    fn faces(&self, address: IpAddr, claim: &Claim<'_>) -> Faces {
        let blocks = self.blocks.covering(address);
        let blocks: Vec<_> = blocks.into_iter().map(Feature::selected).collect();
        let mut faces = Faces::new();
        // A service that an address belongs to besides is no second owner of it.
        if claim.host || !claim.nodes.is_empty() || claim.pods.is_empty() {
            faces.insert(blocks.clone());
        }
        for pod in &claim.pods {
            let mut features = self.features_of(pod);
            features.extend_from_slice(&blocks);
            features.sort_unstable();
            features.dedup();
            faces.insert(features);
        }
        faces
    }

    /// The features that a pod has wherever it is: by labels and port names.
    fn features_of(&self, key: &PodKey) -> Vec<Feature> {
        let group = self.groups.of(key).map(|(_, group)| group);
        let ports = self.cluster.pods.get(key).map(|pod| pod.ports.as_slice());
        let labels = group
            .into_iter()
            .flat_map(|group| &group.criteria)
            .map(|&criterion| Feature::selected(criterion));
        let named = ports.into_iter().flatten().filter_map(|port| {
            Some(Feature {
                criterion: self.criteria.port_name(&port.name, port.protocol)?,
                number: port.port,
            })
        });
        labels.chain(named).collect()
    }

    /// What a place has now, whether there was room for it in the maps or not.
    fn held(&self, place: Place) -> Option<Peer> {
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
