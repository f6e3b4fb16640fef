//! Pods with the same namespace and labels are one group: selectors see no difference.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::criteria::CriterionId;
use super::index::{PodIndex, selects};
use super::numbers::Numbers;
use super::postings::{Candidates, Postings};
use super::sorted::Sorted;
use crate::intern::Name;
use crate::model::PodKey;
use crate::rule::{Namespaces, PodSelector};
use crate::selector::{LabelSelector, Labels};

/// The number of a group while it has pods.
pub(super) type GroupId = u32;

/// Pods that no selector tells apart.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) namespace: Name,
    pub(super) labels: Labels,
    pub(super) pods: Sorted<PodKey>,
    /// Those among them that are in scope.
    pub(super) here: Sorted<PodKey>,
    /// The selectors in use that mean its pods, sorted.
    pub(super) criteria: Vec<CriterionId>,
}

#[derive(Debug)]
struct Namespace {
    labels: Labels,
    groups: Sorted<GroupId>,
}

/// The groups of all selectable pods, and the pod selectors in use.
#[derive(Debug)]
pub(super) struct Groups {
    ids: HashMap<(Name, Labels), GroupId>,
    entries: BTreeMap<GroupId, Group>,
    of: HashMap<PodKey, GroupId>,
    /// The groups by the labels of their pods.
    labelled: Postings<GroupId>,
    /// The namespaces that have groups.
    namespaces: BTreeMap<Name, Namespace>,
    /// The same by their labels.
    labelled_namespaces: Postings<Name>,
    selectors: PodIndex<CriterionId>,
    /// Selectors in use that are not among these any more: what they mean does not change.
    frozen: BTreeSet<CriterionId>,
    meant: HashMap<CriterionId, BTreeSet<GroupId>>,
    numbers: Numbers,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            ids: HashMap::new(),
            entries: BTreeMap::new(),
            of: HashMap::new(),
            labelled: Postings::new(),
            namespaces: BTreeMap::new(),
            labelled_namespaces: Postings::new(),
            selectors: PodIndex::new(),
            frozen: BTreeSet::new(),
            meant: HashMap::new(),
            numbers: Numbers::from(1),
        }
    }

    /// Puts a pod, in scope (`here`) or not, into the group of its labels, and takes it out of
    /// another.
    pub(super) fn join(
        &mut self,
        pod: &PodKey,
        labels: &Labels,
        here: bool,
        namespace_labels: impl FnOnce() -> Labels,
    ) {
        let key = (pod.namespace.clone(), labels.clone());
        let mut id = self.ids.get(&key).copied();
        if id.is_none() || self.of.get(pod) != id.as_ref() {
            self.leave(pod);
            // The old group may have gone with the pod, never the new one.
            let new = id.unwrap_or_else(|| self.add(key, namespace_labels));
            self.of.insert(pod.clone(), new);
            id = Some(new);
        }
        let Some(group) = id.and_then(|id| self.entries.get_mut(&id)) else {
            return;
        };
        group.pods.insert(pod.clone());
        if here {
            group.here.insert(pod.clone());
        } else {
            group.here.remove(pod);
        }
    }

    fn add(
        &mut self,
        (name, labels): (Name, Labels),
        namespace_labels: impl FnOnce() -> Labels,
    ) -> GroupId {
        let id = self.numbers.next(|id| self.entries.contains_key(&id));
        let known = &mut self.labelled_namespaces;
        let namespace = self.namespaces.entry(name.clone()).or_insert_with(|| {
            let labels = namespace_labels();
            known.add(&labels, &name);
            Namespace {
                labels,
                groups: Sorted::default(),
            }
        });
        namespace.groups.insert(id);
        self.labelled.add(&labels, &id);
        let criteria = self.selectors.matching(&name, &namespace.labels, &labels);
        for &criterion in &criteria {
            self.meant.entry(criterion).or_default().insert(id);
        }
        self.ids.insert((name.clone(), labels.clone()), id);
        let group = Group {
            namespace: name,
            labels,
            pods: Sorted::default(),
            here: Sorted::default(),
            criteria,
        };
        self.entries.insert(id, group);
        id
    }

    /// Takes a pod out of its group.
    pub(super) fn leave(&mut self, pod: &PodKey) {
        let Some(id) = self.of.remove(pod) else {
            return;
        };
        let Some(group) = self.entries.get_mut(&id) else {
            return;
        };
        group.pods.remove(pod);
        group.here.remove(pod);
        if group.pods.is_empty() {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: GroupId) {
        let Some(group) = self.entries.remove(&id) else {
            return;
        };
        for criterion in &group.criteria {
            self.forget_meant(*criterion, id);
        }
        if let Some(namespace) = self.namespaces.get_mut(&group.namespace) {
            namespace.groups.remove(&id);
            if namespace.groups.is_empty() {
                let name = &group.namespace;
                self.labelled_namespaces.remove(&namespace.labels, name);
                self.namespaces.remove(name);
            }
        }
        self.labelled.remove(&group.labels, &id);
        self.ids.remove(&(group.namespace, group.labels));
    }

    fn forget_meant(&mut self, criterion: CriterionId, id: GroupId) {
        if let Some(groups) = self.meant.get_mut(&criterion) {
            groups.remove(&id);
            if groups.is_empty() {
                self.meant.remove(&criterion);
            }
        }
    }

    /// Takes selectors into use; returns the groups that they mean.
    pub(super) fn start(&mut self, fresh: &[(CriterionId, PodSelector)]) -> BTreeSet<GroupId> {
        let mut touched = BTreeSet::new();
        for (criterion, selector) in fresh {
            self.selectors.insert(*criterion, selector);
            let meant: BTreeSet<GroupId> = self.meant_by(selector).collect();
            for id in &meant {
                if let Some(group) = self.entries.get_mut(id) {
                    group.criteria.push(*criterion);
                }
            }
            touched.extend(&meant);
            if !meant.is_empty() {
                self.meant.insert(*criterion, meant);
            }
        }
        for id in &touched {
            if let Some(group) = self.entries.get_mut(id) {
                group.criteria.sort_unstable();
            }
        }
        touched
    }

    fn meant_by<'a>(&'a self, selector: &'a PodSelector) -> impl Iterator<Item = GroupId> + 'a {
        self.reach(selector).filter(|id| {
            let group = self.entries.get(id);
            group.is_some_and(|group| {
                let namespace = self.namespaces.get(&group.namespace);
                let labels = namespace.map(|namespace| &namespace.labels);
                labels.is_some_and(|ns| selects(selector, &group.namespace, ns, &group.labels))
            })
        })
    }

    /// Groups among which all are that a selector means: by the labels that it asks of pods, where
    /// these are fewer than those of its namespaces.
    fn reach<'a>(&'a self, selector: &'a PodSelector) -> Box<dyn Iterator<Item = GroupId> + 'a> {
        let labelled = self.labelled.candidates(&selector.pods);
        match (&selector.namespaces, labelled) {
            (Namespaces::Named(name), labelled) => {
                let Some(namespace) = self.namespaces.get(name) else {
                    return Box::new(std::iter::empty());
                };
                let all = namespace.groups.iter();
                match labelled.filter(|few| few.len() < namespace.groups.len()) {
                    Some(few) => Box::new(few.into_iter().copied()),
                    None => Box::new(all.copied()),
                }
            }
            (Namespaces::Matching(namespaces), None) => self.in_namespaces(namespaces),
            (Namespaces::Matching(namespaces), Some(few)) => {
                let named = self.labelled_namespaces.candidates(namespaces);
                let fewer = named.filter(|named| named.len() < few.len());
                match fewer {
                    Some(named) if self.groups_of(&named) < few.len() => {
                        self.in_namespaces(namespaces)
                    }
                    _ => Box::new(few.into_iter().copied()),
                }
            }
        }
    }

    fn groups_of(&self, namespaces: &Candidates<'_, Name>) -> usize {
        let namespaces = namespaces.iter();
        namespaces
            .filter_map(|name| self.namespaces.get(name))
            .map(|namespace| namespace.groups.len())
            .sum()
    }

    /// The groups of all namespaces that a selector matches.
    fn in_namespaces<'a>(
        &'a self,
        selector: &'a LabelSelector,
    ) -> Box<dyn Iterator<Item = GroupId> + 'a> {
        let matching = |namespace: &&'a Namespace| selector.matches(&namespace.labels);
        let groups = |namespace: &'a Namespace| namespace.groups.iter().copied();
        match self.labelled_namespaces.candidates(selector) {
            Some(names) => Box::new(
                names
                    .into_iter()
                    .filter_map(|name| self.namespaces.get(name))
                    .filter(matching)
                    .flat_map(groups),
            ),
            None => Box::new(self.namespaces.values().filter(matching).flat_map(groups)),
        }
    }

    /// Takes a selector out of use; returns the groups that it meant.
    pub(super) fn stop(
        &mut self,
        criterion: CriterionId,
        selector: &PodSelector,
    ) -> BTreeSet<GroupId> {
        if !self.frozen.remove(&criterion) {
            self.selectors.remove(criterion, selector);
        }
        let touched = self.meant.remove(&criterion).unwrap_or_default();
        for id in &touched {
            if let Some(group) = self.entries.get_mut(id) {
                group.criteria.retain(|id| *id != criterion);
            }
        }
        touched
    }

    /// Gives a namespace other labels; returns its groups that other selectors mean now.
    pub(super) fn relabel(&mut self, name: &str, labels: Labels) -> BTreeSet<GroupId> {
        let Some(namespace) = self.namespaces.get_mut(name) else {
            return BTreeSet::new();
        };
        let old = std::mem::replace(&mut namespace.labels, labels);
        self.labelled_namespaces.remove(&old, &name.into());
        self.labelled_namespaces
            .add(&namespace.labels, &name.into());
        if !self.selectors.tells_apart(&old, &namespace.labels) {
            return BTreeSet::new();
        }
        let mut touched: BTreeSet<GroupId> = namespace.groups.iter().copied().collect();
        touched.retain(|id| self.match_again(*id));
        touched
    }

    /// The selectors in use that would mean other pods if a namespace had these labels.
    pub(super) fn affected(&self, name: &str, labels: &Labels) -> BTreeSet<CriterionId> {
        let old = self.namespace_labels(name);
        if old.is_none_or(|old| !self.selectors.tells_apart(old, labels)) {
            return BTreeSet::new();
        }
        self.in_namespace(name)
            .flat_map(|group| {
                let new = self.selectors.matching(name, labels, &group.labels);
                let new: BTreeSet<_> = new.into_iter().collect();
                let old = group.criteria.iter().copied().collect();
                new.symmetric_difference(&old).copied().collect::<Vec<_>>()
            })
            .collect()
    }

    /// From now on the selector means the groups that it means now, whatever their labels.
    pub(super) fn freeze(&mut self, criterion: CriterionId, selector: &PodSelector) {
        if self.frozen.insert(criterion) {
            self.selectors.remove(criterion, selector);
        }
    }

    /// Gives a namespace other labels, to which no selector in use pays attention.
    pub(super) fn relabel_unseen(&mut self, name: &str, labels: Labels) {
        if let Some(namespace) = self.namespaces.get_mut(name) {
            let old = std::mem::replace(&mut namespace.labels, labels);
            self.labelled_namespaces.remove(&old, &name.into());
            self.labelled_namespaces
                .add(&namespace.labels, &name.into());
        }
    }

    fn match_again(&mut self, id: GroupId) -> bool {
        let Some(group) = self.entries.get_mut(&id) else {
            return false;
        };
        let Some(namespace) = self.namespaces.get(&group.namespace) else {
            return false;
        };
        let criteria = self
            .selectors
            .matching(&group.namespace, &namespace.labels, &group.labels);
        if criteria == group.criteria {
            return false;
        }
        let old = std::mem::replace(&mut group.criteria, criteria.clone());
        for criterion in old {
            self.forget_meant(criterion, id);
        }
        for criterion in criteria {
            self.meant.entry(criterion).or_default().insert(id);
        }
        true
    }

    /// The groups that a selector, in use or not, means.
    pub(super) fn select<'a>(
        &'a self,
        selector: &'a PodSelector,
    ) -> impl Iterator<Item = &'a Group> + 'a {
        self.meant_by(selector)
            .filter_map(|id| self.entries.get(&id))
    }

    pub(super) fn get(&self, id: GroupId) -> Option<&Group> {
        self.entries.get(&id)
    }

    /// The groups of a namespace.
    pub(super) fn in_namespace(&self, name: &str) -> impl Iterator<Item = &Group> + '_ {
        let ids = self.namespaces.get(name).into_iter();
        ids.flat_map(|ns| ns.groups.iter())
            .filter_map(|id| self.entries.get(id))
    }

    /// The group of a selectable pod.
    pub(super) fn of(&self, pod: &PodKey) -> Option<(GroupId, &Group)> {
        let id = *self.of.get(pod)?;
        Some((id, self.entries.get(&id)?))
    }

    /// The labels of a namespace that has groups.
    pub(super) fn namespace_labels(&self, name: &str) -> Option<&Labels> {
        self.namespaces.get(name).map(|namespace| &namespace.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::{Requirement, Test};

    #[test]
    fn a_selector_that_is_frozen_and_then_stopped_takes_no_other_with_it() {
        let wanted = Requirement {
            key: "b".into(),
            test: Test::In(["x".into()].into()),
        };
        let selector = PodSelector {
            namespaces: Namespaces::Matching(LabelSelector {
                requirements: [wanted].into_iter().collect(),
            }),
            pods: LabelSelector::default(),
        };
        let pod = PodKey {
            namespace: "red".into(),
            name: "one".into(),
        };
        let mut groups = Groups::new();
        groups.join(&pod, &Labels::default(), true, Labels::default);
        groups.start(&[(1, selector.clone())]);
        groups.freeze(1, &selector);
        groups.start(&[(2, selector.clone())]);
        groups.stop(1, &selector);
        let labels = Labels::from([("b", "x")]);
        assert_eq!(groups.relabel("red", labels).len(), 1);
        assert_eq!(
            groups.of(&pod).map(|(_, group)| &group.criteria),
            Some(&vec![2])
        );
    }
}
