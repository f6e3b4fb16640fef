//! By what peers are told apart: selectors and port names, interned and counted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::numbers::Numbers;
use crate::intern::Name;
use crate::rule::{IpBlock, PodSelector, Protocol};

/// The number of a [`Criterion`] while anything refers to it.
pub(super) type CriterionId = u32;

/// One question about a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Criterion {
    /// Does the selector mean it?
    Pods(PodSelector),
    /// Does one of these blocks (sorted, all those of one rule) cover it? A long list of them makes
    /// many prefixes, but only one difference between peers.
    Blocks(Vec<IpBlock>),
    /// Which ports of this name and protocol does it have? (Egress rules only: ingress rules ask
    /// their own pod, once, when its set is made.)
    PortName(Name, Protocol),
}

#[derive(Debug)]
struct Entry {
    criterion: Arc<Criterion>,
    /// Policies and policy sets that refer to it.
    references: usize,
    /// Policy sets among them: the criterion is in use while there are any.
    uses: usize,
}

/// All criteria of all policies; those in use tell identities apart.
#[derive(Debug)]
pub(super) struct Criteria {
    ids: HashMap<Arc<Criterion>, CriterionId>,
    entries: HashMap<CriterionId, Entry>,
    numbers: Numbers,
    started: BTreeSet<CriterionId>,
    stopped: BTreeSet<CriterionId>,
    in_use: usize,
}

impl Criteria {
    pub(super) fn new() -> Self {
        Self {
            ids: HashMap::new(),
            entries: HashMap::new(),
            numbers: Numbers::from(1),
            started: BTreeSet::new(),
            stopped: BTreeSet::new(),
            in_use: 0,
        }
    }

    /// The number of a criterion, with one more reference to it.
    pub(super) fn intern(&mut self, criterion: Criterion) -> CriterionId {
        if let Some(&id) = self.ids.get(&criterion) {
            self.refer(id);
            return id;
        }
        let id = self.numbers.next(|id| self.entries.contains_key(&id));
        let criterion = Arc::new(criterion);
        self.ids.insert(Arc::clone(&criterion), id);
        let entry = Entry {
            criterion,
            references: 1,
            uses: 0,
        };
        self.entries.insert(id, entry);
        id
    }

    /// Gives a criterion another number, to which nothing refers yet. The old number keeps what
    /// refers to it.
    pub(super) fn renew(&mut self, id: CriterionId) -> Option<(CriterionId, Arc<Criterion>)> {
        let criterion = Arc::clone(&self.entries.get(&id)?.criterion);
        let new = self.numbers.next(|id| self.entries.contains_key(&id));
        self.ids.insert(Arc::clone(&criterion), new);
        let entry = Entry {
            criterion: Arc::clone(&criterion),
            references: 0,
            uses: 0,
        };
        self.entries.insert(new, entry);
        Some((new, criterion))
    }

    /// One reference more.
    pub(super) fn refer(&mut self, id: CriterionId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.references += 1;
        }
    }

    /// One reference less.
    pub(super) fn release(&mut self, id: CriterionId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.references -= 1;
        if entry.references == 0 {
            // A renewed criterion has left its content to another number.
            if self.ids.get(&entry.criterion) == Some(&id) {
                self.ids.remove(&entry.criterion);
            }
            self.entries.remove(&id);
        }
    }

    /// A policy set more that uses it, which is a reference too.
    pub(super) fn start_use(&mut self, id: CriterionId) {
        self.refer(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.uses += 1;
        if entry.uses == 1 {
            self.in_use += 1;
            self.started.insert(id);
        }
    }

    /// A policy set less that uses it. The reference stays until [`Criteria::take_stopped`] or,
    /// where others still use it, goes at once.
    pub(super) fn stop_use(&mut self, id: CriterionId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.uses -= 1;
        if entry.uses == 0 {
            self.in_use -= 1;
            self.stopped.insert(id);
        } else {
            self.release(id);
        }
    }

    /// What came into use since the last call.
    pub(super) fn take_started(&mut self) -> Vec<(CriterionId, Arc<Criterion>)> {
        let started = std::mem::take(&mut self.started);
        self.with_content(started)
    }

    /// What went out of use since the last call; the caller owns a reference to each.
    pub(super) fn take_stopped(&mut self) -> Vec<(CriterionId, Arc<Criterion>)> {
        let stopped = std::mem::take(&mut self.stopped);
        self.with_content(stopped)
    }

    fn with_content(&self, ids: BTreeSet<CriterionId>) -> Vec<(CriterionId, Arc<Criterion>)> {
        ids.into_iter()
            .filter_map(|id| Some((id, Arc::clone(&self.entries.get(&id)?.criterion))))
            .collect()
    }

    /// What a number asks.
    pub(super) fn get(&self, id: CriterionId) -> Option<&Criterion> {
        self.entries.get(&id).map(|entry| &*entry.criterion)
    }

    /// The number of a port name that is in use.
    pub(super) fn port_name(&self, name: &Name, protocol: Protocol) -> Option<CriterionId> {
        let id = *self.ids.get(&Criterion::PortName(name.clone(), protocol))?;
        self.entries.get(&id).filter(|entry| entry.uses > 0)?;
        Some(id)
    }

    /// How many are in use.
    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }
}
