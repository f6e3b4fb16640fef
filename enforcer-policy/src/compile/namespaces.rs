//! Other labels of a namespace.
//!
//! They may change which pods a selector means, and which rules apply to a pod. Where they do only
//! one of the two, every packet sees one switch: that of its peer's address or that of its
//! endpoint. Where they do both, addresses and endpoints would switch one after the other, and a
//! packet between two pods could see a mixture. So the selectors concerned are *renewed*: they get
//! new numbers for what they mean now, while the old numbers keep what they meant before, and all
//! sets that ask them are made anew. Then this is a change of policies, which [`super::transition`]
//! does without a mixture.

use std::collections::BTreeMap;

use super::Compiler;
use super::criteria::{Criterion, CriterionId};
use super::transition::Dirty;
use crate::model::{Change, Namespace};
use crate::selector::Labels;

impl Compiler {
    pub(super) fn change_namespaces(&mut self, namespaces: BTreeMap<String, Option<Namespace>>) {
        let mut dirty = Dirty::default();
        for (name, namespace) in namespaces {
            if !self
                .cluster
                .apply(Change::Namespace(name.clone(), namespace))
            {
                continue;
            }
            let labels = self.cluster.namespace_labels(&name);
            if self.rules_depend(&name, &labels) {
                self.transition(&std::mem::take(&mut dirty));
                self.renew_for(&name, labels, &mut dirty);
                self.touch_namespace(&name, &mut dirty);
                self.transition(&std::mem::take(&mut dirty));
            } else {
                let groups = self.groups.relabel(&name, labels);
                dirty.addresses.extend(self.addresses_of(&groups));
            }
        }
        self.transition(&dirty);
    }

    /// Whether other rules apply to any pod of a namespace when it has these labels.
    fn rules_depend(&self, name: &str, labels: &Labels) -> bool {
        let Some(old) = self.groups.namespace_labels(name) else {
            return false;
        };
        let sensitive = self.subjects.tells_apart(old, labels);
        let mut groups = self.groups.in_namespace(name);
        sensitive && groups.any(|group| self.subjects.depend(name, old, labels, &group.labels))
    }

    fn touch_namespace(&self, name: &str, dirty: &mut Dirty) {
        for group in self.groups.in_namespace(name) {
            dirty.endpoints.extend(group.here.iter().cloned());
        }
    }

    /// Renews the selectors to which the labels of a namespace make a difference.
    fn renew_for(&mut self, name: &str, labels: Labels, dirty: &mut Dirty) {
        let affected = self.groups.affected(name, &labels);
        for set in self.sets.asking(&affected) {
            if let Some(set) = self.sets.get(set) {
                let users = set.users.iter().map(|(pod, _)| pod.clone());
                dirty.endpoints.extend(users);
            }
        }
        let renewed: BTreeMap<CriterionId, CriterionId> = affected
            .into_iter()
            .filter_map(|id| Some((id, self.renew(id)?)))
            .collect();
        self.subjects.replace(&renewed, &mut self.criteria);
        self.resolved.clear();
        self.groups.relabel_unseen(name, labels);
    }

    fn renew(&mut self, id: CriterionId) -> Option<CriterionId> {
        let (new, criterion) = self.criteria.renew(id)?;
        if let Criterion::Pods(selector) = criterion.as_ref() {
            self.groups.freeze(id, selector);
        }
        Some(new)
    }
}
