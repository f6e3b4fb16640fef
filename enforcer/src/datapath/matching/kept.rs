//! Links that go on being a pod's although its address is gone from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use enforcer_policy::model::PodKey;

use super::{Matching, Missing, PodLink};

impl Matching {
    /// Gives links of which nobody knows whose they are back to the pods that had them before, as
    /// long as the addresses of these pods are nowhere else. A pod that may change its own
    /// addresses could otherwise leave its policies behind. Only pods that have the same addresses
    /// as before, for those who tell them, keep anything.
    pub fn keep(&mut self, before: &Self, is_same: impl Fn(&PodKey) -> bool) {
        let lost: BTreeSet<PodKey> = self
            .missing
            .iter()
            .filter(|(pod, why)| matches!(why, Missing::NotFound(_)) && is_same(pod))
            .map(|(pod, _)| pod.clone())
            .collect();
        for pod in lost {
            let first = self.take_back(before.links.get(&pod));
            let second = self.take_back(before.secondary.get(&pod));
            if !first.is_empty() {
                self.missing.remove(&pod);
                self.links.insert(pod.clone(), first);
            }
            // Also alone: what has the address may not be enforceable.
            if !second.is_empty() {
                self.secondary.insert(pod, second);
            }
        }
    }

    /// Takes those of these links that are still there from the unknown ones.
    fn take_back(&mut self, earlier: Option<&Vec<Arc<PodLink>>>) -> Vec<Arc<PodLink>> {
        let is_one = |link: &Arc<PodLink>| {
            let mut earlier = earlier.into_iter().flatten();
            earlier.any(|one| {
                one.host_ifindex == link.host_ifindex
                    && one.pod_ifindex == link.pod_ifindex
                    && one.namespace == link.namespace
            })
        };
        let unknown = std::mem::take(&mut self.unknown);
        let (back, unknown) = unknown.into_iter().partition(is_one);
        self.unknown = unknown;
        back
    }
}
