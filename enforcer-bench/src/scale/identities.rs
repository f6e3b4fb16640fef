//! How many identities a cluster has: one for each label set, as Cilium counts, or one for each class
//! that policies tell apart.

use std::collections::BTreeSet;

use super::world::{Shape, Size};

/// Label keys that Cilium leaves out unless told otherwise (its manual: "Limiting Identity-Relevant
/// Labels"), of those that the shapes use.
const LEFT_OUT: [&str; 6] = [
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "controller-revision-hash",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
    "controller-uid",
];

/// The label sets of a cluster's pods, namespaces told apart.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct LabelSets {
    /// Of all labels.
    pub(super) all: usize,
    /// Of those that Cilium makes identities of.
    pub(super) cilium: usize,
}

/// Counts them.
pub(super) fn label_sets(shape: &Shape, size: &Size) -> LabelSets {
    let (mut all, mut cilium) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..size.pods {
        let pod = (shape.pod)(size, number);
        let mut labels = pod.labels;
        labels.sort();
        let mut relevant = labels.clone();
        relevant.retain(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
        all.insert((pod.namespace, labels));
        cilium.insert((pod.namespace, relevant));
    }
    LabelSets {
        all: all.len(),
        cilium: cilium.len(),
    }
}
