//! Selectors that mean the pods of one workload.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_policy::intern::Name;
use enforcer_policy::selector::Labels;

/// Labels that pods of one workload differ in, or that change with its next revision.
const FLEETING: [&str; 8] = [
    "apps.kubernetes.io/pod-index",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// All labels that jobs give to their pods.
const FLEETING_PREFIX: &str = "batch.kubernetes.io/";

/// Whether a label lasts as long as the workload does.
fn lasts(key: &str) -> bool {
    !FLEETING.contains(&key) && !key.starts_with(FLEETING_PREFIX)
}

/// Which pods of a namespace are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// They have these labels.
    pub labels: BTreeMap<Name, Name>,
    /// They have no labels with these keys.
    pub without: BTreeSet<Name>,
}

impl Selector {
    /// The selector of what pods have in common; `None` where that is nothing.
    pub fn common<'a>(mut pods: impl Iterator<Item = &'a Labels>) -> Option<Self> {
        let first = pods.next()?;
        let lasting = first.iter().filter(|(key, _)| lasts(key));
        let mut labels: BTreeMap<Name, Name> = lasting.cloned().collect();
        for pod in pods {
            labels.retain(|key, value| pod.get(key) == Some(value));
        }
        let without = BTreeSet::new();
        (!labels.is_empty()).then_some(Self { labels, without })
    }

    /// Whether it means a pod.
    pub fn matches(&self, pod: &Labels) -> bool {
        let mut labels = self.labels.iter();
        labels.all(|(key, value)| pod.get(key) == Some(value))
            && self.without.iter().all(|key| pod.get(key).is_none())
    }

    /// Tells `pods`, which it means, from another: by a label that the other has and none of them.
    /// `false` where there is no such label.
    pub fn exclude(&mut self, other: &Labels, pods: &[&Labels]) -> bool {
        if !self.matches(other) {
            return true;
        }
        let lasting = other.iter().map(|(key, _)| key).filter(|key| lasts(key));
        let mut telling = lasting.filter(|key| pods.iter().all(|pod| pod.get(key).is_none()));
        let found = telling.next().cloned();
        let told = found.is_some();
        self.without.extend(found);
        told
    }
}
