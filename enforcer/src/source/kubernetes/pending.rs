//! Changes that are not in force yet, the last of each object.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_policy::model::{Change, Cluster};

use crate::source::manifests::{Kind, ObjectKey};

/// The last change of each object.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<ObjectKey, Last>);

/// The last change of an object.
#[derive(Debug)]
struct Last {
    change: Change,
    /// The object went away meanwhile: what has its name now is another.
    reborn: bool,
}

impl Pending {
    /// Whether a change would make a difference to what is in force and pending.
    pub(super) fn differs(&self, key: &ObjectKey, change: &Change, in_force: &Cluster) -> bool {
        match self.0.get(key) {
            Some(last) => last.change != *change,
            None => in_force.differs(change),
        }
    }

    /// Notes a change.
    pub(super) fn put(&mut self, key: ObjectKey, change: Change, reborn: bool) {
        let went = self.0.get(&key);
        let went = went.is_some_and(|last| last.reborn || last.change.is_gone());
        let reborn = reborn || went;
        self.0.insert(key, Last { change, reborn });
    }

    /// The objects of a kind that are, or will be.
    pub(super) fn keys(&self, kind: Kind, in_force: &Cluster) -> BTreeSet<ObjectKey> {
        let mut keys = ObjectKey::all_of(kind, in_force);
        for (key, last) in self.0.iter().filter(|(key, _)| key.kind == kind) {
            if last.change.is_gone() {
                keys.remove(key);
            } else {
                keys.insert(key.clone());
            }
        }
        keys
    }

    /// All of them, each object's end before its successor.
    pub(super) fn take(&mut self) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.0.len());
        for (key, last) in std::mem::take(&mut self.0) {
            if last.reborn && !last.change.is_gone() {
                changes.push(key.gone());
            }
            changes.push(last.change);
        }
        changes
    }
}
