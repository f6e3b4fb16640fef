//! Links that go on being a pod's although its address is gone from them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use enforcer_policy::model::PodKey;

use super::{Matching, Missing, PodLink};

impl Matching {
    /// Gives links of which nobody knows whose they are back to the pods that had them before, as
    /// long as the addresses of these pods are nowhere else. A pod that may change its own
    /// addresses could otherwise leave its policies behind. `pods` are those of
    /// [`super::match_pods`], now and before.
    pub fn keep(&mut self, before: &Self, pods: [&BTreeMap<PodKey, Vec<IpAddr>>; 2]) {
        let lost: BTreeSet<PodKey> = self
            .missing
            .iter()
            .filter(|(pod, why)| {
                matches!(why, Missing::NotFound(_)) && pods[0].get(pod) == pods[1].get(pod)
            })
            .map(|(pod, _)| pod.clone())
            .collect();
        for pod in lost {
            let first = self.take_back(before.links.get(&pod));
            let second = self.take_back(before.secondary.get(&pod));
            if first.is_empty() {
                continue;
            }
            self.missing.remove(&pod);
            self.links.insert(pod.clone(), first);
            if !second.is_empty() {
                self.secondary.insert(pod, second);
            }
        }
    }

    /// Takes those of these links that are still there from the unknown ones.
    fn take_back(&mut self, earlier: Option<&Vec<PodLink>>) -> Vec<PodLink> {
        let is_one = |link: &PodLink| {
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
