//! Policy sets: everything that applies to an endpoint in one direction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use enforcer_common::abi::Direction;
use enforcer_common::abi::endpoint::NOT_ISOLATED;

use super::criteria::{Criteria, CriterionId};
use super::identity::{Faces, Feature};
use super::numbers::Numbers;
use super::outcome::{Outcome, evaluate};
use super::spans::{Span, span};
use crate::model::PodKey;
use crate::rule::{Protocol, RuleAction, Tier};

/// The peers of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    /// Everybody.
    Any,
    /// Whom one of these selectors means, sorted.
    Of(Vec<CriterionId>),
}

impl Who {
    /// Whether a peer with these features is meant.
    pub(super) fn matches(&self, features: &[Feature]) -> bool {
        match self {
            Self::Any => true,
            Self::Of(ids) => features
                .iter()
                .any(|feature| ids.binary_search(&feature.criterion).is_ok()),
        }
    }
}

/// A port name that is looked up at the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PeerPort {
    pub(super) criterion: CriterionId,
    pub(super) protocol: Protocol,
}

impl PeerPort {
    /// The ports that a peer with these features has by this name.
    pub(super) fn spans(self, features: &[Feature]) -> impl Iterator<Item = Span> {
        features
            .iter()
            .filter(move |feature| feature.criterion == self.criterion)
            .map(move |feature| span(self.protocol, feature.number, feature.number))
    }
}

/// The ports of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Ports {
    /// Everything, protocols without ports included.
    Any,
    /// These (merged), and those that the peer has by these names (sorted).
    Of {
        spans: Vec<Span>,
        names: Vec<PeerPort>,
    },
}

/// A rule whose words are numbers. Sorted, rules stand in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SetRule {
    pub(super) tier: Tier,
    pub(super) priority: u32,
    pub(super) action: RuleAction,
    pub(super) peers: Who,
    pub(super) ports: Ports,
}

/// A policy set in use.
#[derive(Debug)]
pub(super) struct Set {
    /// Normal form: see [`super::normal`].
    pub(super) rules: Arc<Vec<SetRule>>,
    /// The criteria of the rules, sorted.
    pub(super) criteria: Vec<CriterionId>,
    /// The rules by the criteria of their peers, sorted; those for everybody are not among them.
    by_peer: Vec<(CriterionId, u32)>,
    /// The rules for everybody.
    for_all: Vec<u32>,
    /// The verdict for a peer without features.
    pub(super) base: Outcome,
    /// Who uses it.
    pub(super) users: BTreeSet<(PodKey, Direction)>,
}

impl Set {
    /// The verdict for a peer with these faces.
    pub(super) fn outcome(&self, faces: &Faces) -> Outcome {
        let mut outcomes = faces.iter().map(|features| self.face_outcome(features));
        let first = outcomes.next().unwrap_or_else(|| self.base.clone());
        outcomes.fold(first, |all, one| all.and(&one))
    }

    fn face_outcome(&self, features: &[Feature]) -> Outcome {
        let known = self.known(features);
        if known.is_empty() {
            return self.base.clone();
        }
        evaluate(&self.concerning(&known), &known)
    }

    /// The features about which the rules ask, found from whichever side there is less of.
    fn known(&self, features: &[Feature]) -> Vec<Feature> {
        if features.len() <= self.criteria.len() {
            let asked =
                |feature: &&Feature| self.criteria.binary_search(&feature.criterion).is_ok();
            return features.iter().filter(asked).copied().collect();
        }
        let mut known = Vec::new();
        for &criterion in &self.criteria {
            let first = features.partition_point(|feature| feature.criterion < criterion);
            let same = features[first..].iter();
            known.extend(same.take_while(|feature| feature.criterion == criterion));
        }
        known
    }

    /// The rules that mean a peer with these features, in their order.
    fn concerning(&self, features: &[Feature]) -> Vec<&SetRule> {
        let mut indexes = self.for_all.clone();
        for feature in features {
            let criterion = feature.criterion;
            let first = self.by_peer.partition_point(|(one, _)| *one < criterion);
            let same = self.by_peer[first..].iter();
            let same = same.take_while(|(one, _)| *one == criterion);
            indexes.extend(same.map(|(_, index)| *index));
        }
        indexes.sort_unstable();
        indexes.dedup();
        let rules = indexes.into_iter();
        rules
            .filter_map(|index| self.rules.get(index as usize))
            .collect()
    }
}

/// All policy sets in use, equal content once.
#[derive(Debug)]
pub(super) struct Sets {
    ids: HashMap<Arc<Vec<SetRule>>, u32>,
    entries: BTreeMap<u32, Set>,
    by_criterion: HashMap<CriterionId, BTreeSet<u32>>,
    numbers: Numbers,
    fresh: Vec<u32>,
}

impl Sets {
    pub(super) fn new() -> Self {
        Self {
            ids: HashMap::new(),
            entries: BTreeMap::new(),
            by_criterion: HashMap::new(),
            numbers: Numbers::from(NOT_ISOLATED + 1),
            fresh: Vec::new(),
        }
    }

    /// The number of the set with these rules, which are in normal form. Somebody must
    /// [`Sets::join`] it.
    pub(super) fn intern(&mut self, rules: Vec<SetRule>, criteria: &mut Criteria) -> u32 {
        match self.ids.get(&rules) {
            Some(&id) => id,
            None => self.add(rules, criteria),
        }
    }

    /// One user more.
    pub(super) fn join(&mut self, id: u32, user: (PodKey, Direction)) {
        if let Some(set) = self.entries.get_mut(&id) {
            set.users.insert(user);
        }
    }

    fn add(&mut self, rules: Vec<SetRule>, all: &mut Criteria) -> u32 {
        let id = self.numbers.next(|id| self.entries.contains_key(&id));
        let criteria: Vec<_> = criteria_of(&rules).into_iter().collect();
        for &criterion in &criteria {
            all.start_use(criterion);
            self.by_criterion.entry(criterion).or_default().insert(id);
        }
        let (by_peer, for_all) = by_peer(&rules);
        let base = evaluate(&rules.iter().collect::<Vec<_>>(), &[]);
        let rules = Arc::new(rules);
        self.ids.insert(Arc::clone(&rules), id);
        let set = Set {
            rules,
            criteria,
            by_peer,
            for_all,
            base,
            users: BTreeSet::new(),
        };
        self.entries.insert(id, set);
        self.fresh.push(id);
        id
    }

    /// One user less. True when it was the last: the set is forgotten.
    pub(super) fn leave(
        &mut self,
        id: u32,
        user: &(PodKey, Direction),
        criteria: &mut Criteria,
    ) -> bool {
        let Some(set) = self.entries.get_mut(&id) else {
            return false;
        };
        set.users.remove(user);
        if !set.users.is_empty() {
            return false;
        }
        self.remove(id, criteria);
        true
    }

    fn remove(&mut self, id: u32, all: &mut Criteria) {
        let Some(set) = self.entries.remove(&id) else {
            return;
        };
        self.ids.remove(&set.rules);
        for criterion in set.criteria {
            all.stop_use(criterion);
            if let Some(ids) = self.by_criterion.get_mut(&criterion) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_criterion.remove(&criterion);
                }
            }
        }
    }

    /// The sets made since the last call.
    pub(super) fn take_fresh(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.fresh)
    }

    pub(super) fn get(&self, id: u32) -> Option<&Set> {
        self.entries.get(&id)
    }

    /// All sets by number.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Set)> {
        self.entries.iter().map(|(id, set)| (*id, set))
    }

    /// The sets that ask one of these criteria.
    pub(super) fn asking<'a>(
        &self,
        criteria: impl IntoIterator<Item = &'a CriterionId>,
    ) -> BTreeSet<u32> {
        criteria
            .into_iter()
            .filter_map(|criterion| self.by_criterion.get(criterion))
            .flatten()
            .copied()
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The indexes of rules by the criteria of their peers, and of those for everybody.
fn by_peer(rules: &[SetRule]) -> (Vec<(CriterionId, u32)>, Vec<u32>) {
    let (mut by_peer, mut for_all) = (Vec::new(), Vec::new());
    for (index, rule) in (0..).zip(rules) {
        match &rule.peers {
            Who::Any => for_all.push(index),
            Who::Of(ids) => by_peer.extend(ids.iter().map(|id| (*id, index))),
        }
    }
    by_peer.sort_unstable();
    (by_peer, for_all)
}

fn criteria_of(rules: &[SetRule]) -> BTreeSet<CriterionId> {
    let mut criteria = BTreeSet::new();
    for rule in rules {
        if let Who::Of(ids) = &rule.peers {
            criteria.extend(ids);
        }
        if let Ports::Of { names, .. } = &rule.ports {
            criteria.extend(names.iter().map(|name| name.criterion));
        }
    }
    criteria
}
