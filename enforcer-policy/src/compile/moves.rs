//! The identities that places should have, and which of them must move for that.
//!
//! Where all who hold an identity are to have another one that there is not yet, and no set in force
//! sees a difference, the identity itself becomes the other one: nothing is written for its holders,
//! nor for the sets that have verdicts for it. So a selector that comes into use costs what it tells
//! apart, not what it means.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use enforcer_common::abi::Peer;
use enforcer_common::abi::address::{LOCAL_NODE, NO_NODE};
use ipnet::IpNet;

use super::Compiler;
use super::claims::Claim;
use super::criteria::CriterionId;
use super::identity::{Faces, Feature};
use super::places::{Move, Place, Places};
use crate::model::PodKey;

/// What a place should be.
struct Want {
    node: u32,
    flags: u32,
    identity: Wanted,
}

/// The identity that a place should have.
enum Wanted {
    Known(u32),
    /// One of those that there are not yet.
    New(usize),
}

/// What is wanted of identities.
#[derive(Default)]
struct Wishes {
    /// The identities that there are not yet, numbered.
    newcomers: HashMap<Faces, usize>,
    /// For each of them, how many places come to it from which identity.
    from: Vec<BTreeMap<u32, usize>>,
    /// The identities that somebody wants as they are.
    kept: BTreeSet<u32>,
}

impl Wishes {
    /// A place that has the one identity, if any, and is to have the other.
    fn note(&mut self, held: Option<u32>, faces: Faces) -> usize {
        let next = self.from.len();
        let index = *self.newcomers.entry(faces).or_insert(next);
        if index == next {
            self.from.push(BTreeMap::new());
        }
        if let (Some(held), Some(from)) = (held, self.from.get_mut(index)) {
            *from.entry(held).or_default() += 1;
        }
        index
    }
}

impl Compiler {
    /// The places among these that change. Each holds its new identity.
    pub(super) fn plan_moves(&mut self, places: &Places) -> Vec<Move> {
        let nets = places.nets.iter().copied().map(Place::Net);
        let addresses = places.addresses.iter().copied().map(Place::Address);
        let mut wishes = Wishes::default();
        let wants: Vec<(Place, Option<Want>)> = nets
            .chain(addresses)
            .map(|place| (place, self.want(place, &mut wishes)))
            .collect();
        let numbers = self.number(wishes, &places.criteria);
        wants
            .into_iter()
            .filter_map(|(place, want)| self.plan_move(place, want, &numbers))
            .collect()
    }

    fn plan_move(&mut self, place: Place, want: Option<Want>, numbers: &[u32]) -> Option<Move> {
        let peer = want.map(|want| Peer {
            node: want.node,
            identity: match want.identity {
                Wanted::Known(id) => id,
                Wanted::New(index) => numbers[index],
            },
            flags: want.flags,
        });
        // No entry means the same as one without identity, node and flags: an address without any
        // feature is in no block in use.
        let is_entry = |peer: &Peer| matches!(place, Place::Net(_)) || *peer != Peer::default();
        let want = peer.filter(is_entry);
        if want == self.held(place) {
            return None;
        }
        if let Some(peer) = want {
            self.identities.hold(peer.identity);
        }
        Some(Move { place, want })
    }

    fn want(&self, place: Place, wishes: &mut Wishes) -> Option<Want> {
        let (node, flags, faces) = match place {
            Place::Net(net) => (NO_NODE, 0, self.faces_of_net(net)?),
            Place::Address(address) => {
                let claim = self.claims.get(address)?;
                let flags = if claim.service { Peer::SERVICE } else { 0 };
                (self.node_of(&claim), flags, self.faces(address, &claim))
            }
        };
        let identity = if let Some(id) = self.identities.known(&faces) {
            wishes.kept.insert(id);
            Wanted::Known(id)
        } else {
            let held = self.held(place).map(|peer| peer.identity);
            Wanted::New(wishes.note(held, faces))
        };
        Some(Want {
            node,
            flags,
            identity,
        })
    }

    /// Gives the newcomers their numbers: that of an identity that becomes it, where there is one.
    fn number(&mut self, wishes: Wishes, criteria: &BTreeSet<CriterionId>) -> Vec<u32> {
        let mut newcomers: Vec<(Faces, usize)> = wishes.newcomers.into_iter().collect();
        newcomers.sort_unstable_by_key(|(_, index)| *index);
        let mut numbers = Vec::with_capacity(newcomers.len());
        for ((faces, _), from) in newcomers.into_iter().zip(&wishes.from) {
            let becomes = from.iter().filter(|(id, count)| {
                self.identities.holders(**id) == Some(**count)
                    && !wishes.kept.contains(id)
                    && self.is_alike(**id, &faces, criteria)
            });
            let becomes = becomes.max_by_key(|(_, count)| **count);
            numbers.push(match becomes {
                Some((&id, _)) => {
                    self.identities.rename(id, faces);
                    id
                }
                None => self.identities.number(faces),
            });
        }
        numbers
    }

    /// Whether an identity is, but for these criteria, what these faces are.
    fn is_alike(&self, id: u32, faces: &Faces, but: &BTreeSet<CriterionId>) -> bool {
        let rest = |face: &Vec<Feature>| -> Vec<Feature> {
            let features = face.iter();
            let features = features.filter(|feature| !but.contains(&feature.criterion));
            features.copied().collect()
        };
        let rests = |faces: &Faces| -> BTreeSet<Vec<Feature>> { faces.iter().map(rest).collect() };
        rests(&self.identities.faces(id)) == rests(faces)
    }

    fn faces_of_net(&self, net: IpNet) -> Option<Faces> {
        if !self.blocks.contains(net) {
            return None;
        }
        let blocks = self.blocks.covering_net(net).into_iter();
        let features = blocks.map(Feature::selected).collect();
        Some(Faces::from([features]))
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
}
