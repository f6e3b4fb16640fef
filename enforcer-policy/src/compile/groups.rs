//! Pods with the same namespace and labels are one group: selectors see no difference.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::criteria::CriterionId;
use super::index::{PodIndex, selects};
use super::numbers::Numbers;
use super::sorted::Sorted;
use crate::intern::Name;
use crate::model::PodKey;
use crate::rule::{Namespaces, PodSelector};
use crate::selector::Labels;

/// The number of a group while it has pods.
pub(super) type GroupId = u32;

/// Pods that no selector tells apart.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) namespace: Name,
    pub(super) labels: Labels,
    pub(super) pods: Sorted<PodKey>,
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
    /// The namespaces that have groups.
    namespaces: BTreeMap<Name, Namespace>,
    selectors: PodIndex<CriterionId>,
    meant: HashMap<CriterionId, BTreeSet<GroupId>>,
    numbers: Numbers,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            ids: HashMap::new(),
            entries: BTreeMap::new(),
            of: HashMap::new(),
            namespaces: BTreeMap::new(),
            selectors: PodIndex::new(),
            meant: HashMap::new(),
            numbers: Numbers::from(1),
        }
    }

    /// Puts a pod into the group of its labels, and takes it out of another.
    pub(super) fn join(
        &mut self,
        pod: &PodKey,
        labels: &Labels,
        namespace_labels: impl FnOnce() -> Labels,
    ) {
        let key = (pod.namespace.clone(), labels.clone());
        let id = self.ids.get(&key).copied();
        if id.is_some() && self.of.get(pod) == id.as_ref() {
            return;
        }
        self.leave(pod);
        // The old group may have gone with the pod, never the new one.
        let id = id.unwrap_or_else(|| self.add(key, namespace_labels));
        self.of.insert(pod.clone(), id);
        if let Some(group) = self.entries.get_mut(&id) {
            group.pods.insert(pod.clone());
        }
    }

    fn add(
        &mut self,
        (name, labels): (Name, Labels),
        namespace_labels: impl FnOnce() -> Labels,
    ) -> GroupId {
        let id = self.numbers.next(|id| self.entries.contains_key(&id));
        let namespace = self
            .namespaces
            .entry(name.clone())
            .or_insert_with(|| Namespace {
                labels: namespace_labels(),
                groups: Sorted::default(),
            });
        namespace.groups.insert(id);
        let criteria = self.selectors.matching(&name, &namespace.labels, &labels);
        for &criterion in &criteria {
            self.meant.entry(criterion).or_default().insert(id);
        }
        self.ids.insert((name.clone(), labels.clone()), id);
        let group = Group {
            namespace: name,
            labels,
            pods: Sorted::default(),
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
                self.namespaces.remove(&group.namespace);
            }
        }
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
        let mut added = PodIndex::new();
        let mut touched = BTreeSet::new();
        for (id, selector) in fresh {
            self.selectors.insert(*id, selector);
            added.insert(*id, selector);
            touched.extend(self.reach(selector));
        }
        touched.retain(|id| self.extend(*id, &added));
        touched
    }

    /// The groups that a selector could mean, by namespace alone.
    fn reach<'a>(&'a self, selector: &'a PodSelector) -> Box<dyn Iterator<Item = GroupId> + 'a> {
        match &selector.namespaces {
            Namespaces::Named(name) => Box::new(
                self.namespaces
                    .get(name)
                    .into_iter()
                    .flat_map(|ns| ns.groups.iter().copied()),
            ),
            Namespaces::Matching(labels) => Box::new(
                self.namespaces
                    .values()
                    .filter(|ns| labels.matches(&ns.labels))
                    .flat_map(|ns| ns.groups.iter().copied()),
            ),
        }
    }

    fn extend(&mut self, id: GroupId, added: &PodIndex<CriterionId>) -> bool {
        let Some(group) = self.entries.get_mut(&id) else {
            return false;
        };
        let Some(namespace) = self.namespaces.get(&group.namespace) else {
            return false;
        };
        let more = added.matching(&group.namespace, &namespace.labels, &group.labels);
        for &criterion in &more {
            self.meant.entry(criterion).or_default().insert(id);
        }
        group.criteria.extend(&more);
        group.criteria.sort_unstable();
        !more.is_empty()
    }

    /// Takes a selector out of use; returns the groups that it meant.
    pub(super) fn stop(
        &mut self,
        criterion: CriterionId,
        selector: &PodSelector,
    ) -> BTreeSet<GroupId> {
        self.selectors.remove(criterion, selector);
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
        namespace.labels = labels;
        let mut touched: BTreeSet<GroupId> = namespace.groups.iter().copied().collect();
        touched.retain(|id| self.match_again(*id));
        touched
    }

    /// The selectors in use that would mean other pods if a namespace had these labels.
    pub(super) fn affected(&self, name: &str, labels: &Labels) -> BTreeSet<CriterionId> {
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
        self.selectors.remove(criterion, selector);
    }

    /// Gives a namespace other labels, to which no selector in use pays attention.
    pub(super) fn relabel_unseen(&mut self, name: &str, labels: Labels) {
        if let Some(namespace) = self.namespaces.get_mut(name) {
            namespace.labels = labels;
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
        self.reach(selector)
            .filter_map(|id| self.entries.get(&id))
            .filter(|group| {
                let labels = self.namespaces.get(&group.namespace).map(|ns| &ns.labels);
                labels.is_some_and(|ns| selects(selector, &group.namespace, ns, &group.labels))
            })
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
