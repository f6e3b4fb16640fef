//! Verdicts: written before anything refers to them, removed when nothing does.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use enforcer_common::abi::address::ANY_PEER;
use enforcer_common::abi::{PortRange, Verdict, VerdictKey};

use super::Compiler;
use super::identity::{Faces, criteria_of};
use super::outcome::Outcome;
use crate::tables::Op;

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRoom {
    #[error("the map of verdicts is full")]
    Verdicts,
    #[error("the array of ports is full")]
    Ports,
}

impl Compiler {
    /// Writes the verdicts of new sets for all identities and of all sets for new identities.
    pub(super) fn write_verdicts(&mut self) {
        let sets = self.sets.take_fresh();
        let identities = self.identities.take_fresh();
        for &set in &sets {
            self.write_set(set);
        }
        let sets: BTreeSet<u32> = sets.into_iter().collect();
        for identity in identities {
            let criteria = criteria_of(&self.identities.faces(identity));
            for set in self.sets.asking(&criteria).difference(&sets) {
                self.write_or_crowd(*set, identity);
            }
        }
    }

    fn write_set(&mut self, set: u32) {
        for identity in self.identities_for(set) {
            self.write_or_crowd(set, identity);
        }
    }

    /// The identities for which a set may have another verdict than for anybody, and
    /// [`ANY_PEER`], which comes first.
    pub(super) fn identities_for(&self, set: u32) -> BTreeSet<u32> {
        let criteria = self.sets.get(set).into_iter().flat_map(|set| &set.criteria);
        criteria
            .flat_map(|&criterion| self.identities.with(criterion))
            .chain([ANY_PEER])
            .collect()
    }

    fn write_or_crowd(&mut self, set: u32, identity: u32) {
        if self.fitness.is_crowded(set) {
            return;
        }
        if let Err(no_room) = self.write(set, identity) {
            self.crowd(set, no_room);
        }
    }

    /// The verdict of a set, where it must be written.
    pub(super) fn outcome(&self, set: u32, identity: u32) -> Option<Outcome> {
        let set = self.sets.get(set)?;
        let outcome = set.outcome(&self.identities.faces(identity));
        (identity == ANY_PEER || outcome != set.base).then_some(outcome)
    }

    /// Writes the verdict of a set for an identity, and its port list where that is new.
    pub(super) fn write(&mut self, set: u32, identity: u32) -> Result<(), NoRoom> {
        let Some(outcome) = self.outcome(set, identity) else {
            return Ok(());
        };
        if self.tables.verdicts.len() >= self.fitness.capacity().verdicts {
            return Err(NoRoom::Verdicts);
        }
        let ranges = outcome.ranges();
        let verdict = Verdict {
            offset: self.place_ports(&ranges)?,
            length: u32::try_from(ranges.len()).map_err(|_| NoRoom::Ports)?,
            default_allow: u32::from(outcome.default_allow),
        };
        self.emit(Op::PutVerdict(VerdictKey { set, identity }, verdict));
        Ok(())
    }

    fn place_ports(&mut self, ranges: &[PortRange]) -> Result<u32, NoRoom> {
        if ranges.is_empty() {
            return Ok(0);
        }
        let place = self.port_lists.hold(ranges).ok_or(NoRoom::Ports)?;
        if place.fresh {
            self.emit(Op::PutPorts(place.offset, ranges.to_vec()));
        }
        Ok(place.offset)
    }

    /// Removes all verdicts of a set.
    pub(super) fn erase_set(&mut self, set: u32) {
        let keys = self.tables.verdicts.range(keys_of(set));
        let keys: Vec<_> = keys.map(|(key, _)| *key).collect();
        for key in keys {
            self.erase(key);
        }
    }

    /// Removes all verdicts for an identity.
    pub(super) fn erase_identity(&mut self, identity: u32, faces: &Faces) {
        for set in self.sets.asking(&criteria_of(faces)) {
            self.erase(VerdictKey { set, identity });
        }
    }

    fn erase(&mut self, key: VerdictKey) {
        let Some(&verdict) = self.tables.verdicts.get(&key) else {
            return;
        };
        self.emit(Op::DeleteVerdict(key));
        self.fitness.note_freed();
        let ranges = self.tables.port_list(verdict).to_vec();
        self.port_lists.unhold(&ranges);
    }
}

fn keys_of(set: u32) -> RangeInclusive<VerdictKey> {
    let key = |identity| VerdictKey { set, identity };
    key(0)..=key(u32::MAX)
}
