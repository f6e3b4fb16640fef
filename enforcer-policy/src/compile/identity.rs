//! Identities: classes of addresses that no criterion in use tells apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use enforcer_common::abi::address::ANY_PEER;

use super::criteria::CriterionId;
use super::numbers::Numbers;

/// One answer to a criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Feature {
    /// The selector that means the peer, or the port name that the peer has.
    pub(super) criterion: CriterionId,
    /// The port's number; 0 for selectors.
    pub(super) number: u16,
}

/// In one piece: who is meant by many selectors has many features.
impl Hash for Feature {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.criterion) << 16 | u64::from(self.number));
    }
}

impl Feature {
    /// The feature of a peer that a selector means.
    pub(super) fn selected(criterion: CriterionId) -> Self {
        Self {
            criterion,
            number: 0,
        }
    }
}

/// What an identity is: the features (sorted) of everyone who claims the address, nearly always
/// one. Of an address that several claim, only what is allowed for each of them is allowed.
pub(super) type Faces = BTreeSet<Vec<Feature>>;

/// The criteria that faces speak about, sorted.
pub(super) fn criteria_of(faces: &Faces) -> Vec<CriterionId> {
    let features = faces.iter().flatten();
    let mut criteria: Vec<_> = features.map(|feature| feature.criterion).collect();
    // Those of one face are sorted already.
    if faces.len() > 1 {
        criteria.sort_unstable();
    }
    criteria.dedup();
    criteria
}

/// The members of the one sorted list that are not in the other.
fn without<'a>(
    one: &'a [CriterionId],
    other: &[CriterionId],
) -> impl Iterator<Item = &'a CriterionId> {
    let mut rest = other.iter().copied().peekable();
    one.iter().filter(move |criterion| {
        while rest.next_if(|next| next < *criterion).is_some() {}
        rest.peek() != Some(*criterion)
    })
}

#[derive(Debug)]
struct Identity {
    faces: Arc<Faces>,
    /// Addresses and prefixes that have it.
    holders: usize,
}

/// All identities but [`ANY_PEER`], which has no features and always exists.
#[derive(Debug)]
pub(super) struct Identities {
    ids: HashMap<Arc<Faces>, u32>,
    entries: BTreeMap<u32, Identity>,
    by_criterion: HashMap<CriterionId, BTreeSet<u32>>,
    numbers: Numbers,
    fresh: Vec<u32>,
    idle: BTreeSet<u32>,
    nobody: Arc<Faces>,
}

impl Identities {
    pub(super) fn new() -> Self {
        Self {
            ids: HashMap::new(),
            entries: BTreeMap::new(),
            by_criterion: HashMap::new(),
            numbers: Numbers::from(ANY_PEER + 1),
            fresh: Vec::new(),
            idle: BTreeSet::new(),
            nobody: Arc::new(Faces::from([Vec::new()])),
        }
    }

    /// The number of an identity, which somebody is to hold where it is a new one.
    pub(super) fn number(&mut self, faces: Faces) -> u32 {
        match self.known(&faces) {
            Some(id) => id,
            None => self.add(Arc::new(faces)),
        }
    }

    /// One holder more.
    pub(super) fn hold(&mut self, id: u32) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.holders += 1;
            self.idle.remove(&id);
        }
    }

    /// The number of an identity that there is.
    pub(super) fn known(&self, faces: &Faces) -> Option<u32> {
        if *faces == *self.nobody || faces.is_empty() {
            return Some(ANY_PEER);
        }
        self.ids.get(faces).copied()
    }

    /// How many addresses and prefixes have an identity; of [`ANY_PEER`] nobody counts them.
    pub(super) fn holders(&self, id: u32) -> Option<usize> {
        self.entries.get(&id).map(|entry| entry.holders)
    }

    /// Makes an identity another one, which there is not yet, for all who hold it. To every set that
    /// has a verdict for it the two must be the same.
    pub(super) fn rename(&mut self, id: u32, faces: Faces) {
        let faces = Arc::new(faces);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let old = std::mem::replace(&mut entry.faces, Arc::clone(&faces));
        self.ids.remove(&old);
        let (was, is) = (criteria_of(&old), criteria_of(&faces));
        for criterion in without(&was, &is) {
            self.forget(*criterion, id);
        }
        for criterion in without(&is, &was) {
            self.by_criterion.entry(*criterion).or_default().insert(id);
        }
        self.ids.insert(faces, id);
    }

    fn forget(&mut self, criterion: CriterionId, id: u32) {
        if let Some(ids) = self.by_criterion.get_mut(&criterion) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_criterion.remove(&criterion);
            }
        }
    }

    fn add(&mut self, faces: Arc<Faces>) -> u32 {
        let id = self.numbers.next(|id| self.entries.contains_key(&id));
        for criterion in criteria_of(&faces) {
            self.by_criterion.entry(criterion).or_default().insert(id);
        }
        self.ids.insert(Arc::clone(&faces), id);
        self.entries.insert(id, Identity { faces, holders: 0 });
        self.fresh.push(id);
        id
    }

    /// One holder less. The identity stays until [`Identities::take_idle`].
    pub(super) fn unhold(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.holders -= 1;
        if entry.holders == 0 {
            self.idle.insert(id);
        }
    }

    /// The identities made since the last call.
    pub(super) fn take_fresh(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.fresh)
    }

    /// Forgets the identities that nobody holds, and returns them.
    pub(super) fn take_idle(&mut self) -> Vec<(u32, Arc<Faces>)> {
        let idle = std::mem::take(&mut self.idle);
        idle.into_iter()
            .filter_map(|id| Some((id, self.remove(id)?)))
            .collect()
    }

    fn remove(&mut self, id: u32) -> Option<Arc<Faces>> {
        let Identity { faces, .. } = self.entries.remove(&id)?;
        self.ids.remove(&faces);
        for criterion in criteria_of(&faces) {
            self.forget(criterion, id);
        }
        Some(faces)
    }

    /// What an identity is; [`ANY_PEER`] for a number that none has.
    pub(super) fn faces(&self, id: u32) -> Arc<Faces> {
        let known = self.entries.get(&id).map(|entry| &entry.faces);
        Arc::clone(known.unwrap_or(&self.nobody))
    }

    /// The identities that have a feature of this criterion.
    pub(super) fn with(&self, criterion: CriterionId) -> impl Iterator<Item = u32> + '_ {
        self.by_criterion
            .get(&criterion)
            .into_iter()
            .flatten()
            .copied()
    }

    /// How many there are, [`ANY_PEER`] among them.
    pub(super) fn len(&self) -> usize {
        self.entries.len() + 1
    }
}
