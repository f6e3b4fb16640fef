//! Addresses on their way from one owner to another.
//!
//! A pod's new address becomes the pod's only behind the switch of endpoints. Until then it is its former
//! owner's, to the new sets as well: what these ask has come into use with them, so that the identity that
//! the address holds says nothing about it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::abi::Peer;

use super::Compiler;
use super::criteria::{Criterion, CriterionId};
use super::identity::{Faces, Feature};
use super::places::{Move, Place};
use super::transition::{Dirty, Former};
use crate::model::NamedPort;

impl Compiler {
    /// Of addresses that are to move behind the switch, those that must be told apart by these criteria
    /// before it, as what they were.
    pub(super) fn plan_former(
        &mut self,
        arriving: &[Move],
        dirty: &Dirty,
        criteria: &BTreeSet<CriterionId>,
    ) -> Vec<Move> {
        if criteria.is_empty() {
            return Vec::new();
        }
        let mut moves = Vec::new();
        for step in arriving {
            let Place::Address(address) = step.place else {
                continue;
            };
            let former = dirty.former.get(&address).map_or(&[][..], Vec::as_slice);
            if let Some(was) = self.refined(address, former, criteria) {
                self.identities.hold(was.identity);
                let want = Some(was);
                moves.push(Move { want, ..*step });
            }
        }
        moves
    }

    /// What an address was, told apart by criteria that were not in use then; `None` where that is no
    /// difference.
    fn refined(
        &mut self,
        address: IpAddr,
        former: &[Former],
        criteria: &BTreeSet<CriterionId>,
    ) -> Option<Peer> {
        let held = self.held(Place::Address(address));
        let was = held.unwrap_or_default();
        let faces = self.identities.faces(was.identity);
        // Which of several owners has which of several faces, nobody knows any more.
        let mut more: Vec<Feature> = match (former, faces.len()) {
            ([pod], 1) => {
                let asked = criteria.iter();
                asked
                    .flat_map(|id| self.former_features(*id, pod))
                    .collect()
            }
            _ => Vec::new(),
        };
        // Without an entry it is what prefixes say, which are told apart without this.
        if held.is_none() && more.is_empty() {
            return None;
        }
        let blocks = self.blocks.covering(address).into_iter();
        let blocks = blocks.filter(|id| held.is_none() || criteria.contains(id));
        more.extend(blocks.map(Feature::selected));
        let refined = faces.iter().map(|face| {
            let mut features = [face.as_slice(), more.as_slice()].concat();
            features.sort_unstable();
            features.dedup();
            features
        });
        let refined: Faces = refined.collect();
        let identity = self.identities.number(refined);
        (identity != was.identity).then_some(Peer { identity, ..was })
    }

    /// What a pod that had the address answers to a criterion.
    fn former_features(&self, id: CriterionId, (key, pod): &Former) -> Vec<Feature> {
        match self.criteria.get(id) {
            Some(Criterion::Pods(selector)) if selector.selects(&self.cluster, key, pod) => {
                vec![Feature::selected(id)]
            }
            Some(Criterion::PortName(name, protocol)) => {
                let named = pod.ports.iter();
                let named = named.filter(|port| port.name == *name && port.protocol == *protocol);
                let feature = |port: &NamedPort| Feature {
                    criterion: id,
                    number: port.port,
                };
                named.map(feature).collect()
            }
            _ => Vec::new(),
        }
    }
}
