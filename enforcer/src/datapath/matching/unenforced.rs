//! What to tell about pods that policies do not hold for, wholly or in part.

use std::collections::BTreeMap;

use enforcer_policy::model::PodKey;

use super::{Matching, Missing};

impl Matching {
    /// Why policies do not hold for a pod, or not for all of its links.
    pub fn not_enforced(&self, pod: &PodKey) -> Option<String> {
        let missing = self.missing.get(pod).map(ToString::to_string);
        let loopholes = self.loopholes.get(pod).into_iter().flatten();
        let reasons: Vec<String> = missing
            .into_iter()
            .chain(loopholes.map(ToString::to_string))
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Pods that are here and not enforced, and why. Those that have no address or no namespace
    /// (yet) are not among them: they are starting, or on another node.
    pub fn unenforced(&self) -> BTreeMap<&PodKey, String> {
        let missing = self
            .missing
            .iter()
            .filter(|(_, why)| !matches!(why, Missing::NoAddress | Missing::NotFound(_)));
        missing
            .map(|(pod, _)| pod)
            .chain(self.loopholes.keys())
            .filter_map(|pod| Some((pod, self.not_enforced(pod)?)))
            .collect()
    }
}
