//! From what the daemon tells to what the objects are to say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use enforcer_policy::model::PodKey;
use enforcer_policy::rule::ObjectVersion;

use super::name::shortened;
use super::object::{LONGEST_REASON, MOST_PODS, State, UnenforcedPod};
use super::observed::{Observation, Observed, PolicyName};

/// How long a pod must have been unenforced before it is told: when a pod starts or ends, its link
/// and its object do not come and go at the same moment.
pub(super) const SETTLE: Duration = Duration::from_secs(10);

/// What an object is to say, but since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Which policy.
    pub version: ObjectVersion,
    /// The state.
    pub state: State,
    /// How many pods.
    pub pods: u32,
    /// The first pods for which it does not hold.
    pub not_enforced: Vec<UnenforcedPod>,
    /// How many there are.
    pub not_enforced_count: u32,
    /// The version of the daemon.
    pub daemon: String,
}

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It says this.
    Say(Content),
    /// It stays as it is, if there is one: nobody knows yet.
    Keep,
}

/// What all objects of a node are to say. Others are to go.
pub(super) type Wanted = BTreeMap<PolicyName, Wish>;

/// Since when pods have been unenforced.
#[derive(Clone, Debug, Default)]
pub(super) struct Settling {
    since: BTreeMap<PodKey, Instant>,
}

impl Settling {
    /// Takes note of the pods that are unenforced now.
    pub(super) fn observe(&mut self, observed: &Observed, now: Instant) {
        let pods: BTreeSet<&PodKey> = observed
            .policies
            .values()
            .flat_map(|policy| policy.not_enforced.keys())
            .collect();
        self.since.retain(|pod, _| pods.contains(pod));
        for pod in pods {
            if !self.since.contains_key(pod) {
                self.since.insert(pod.clone(), now);
            }
        }
    }

    /// Whether a pod has been unenforced for long enough.
    pub(super) fn settled(&self, pod: &PodKey, now: Instant) -> bool {
        let since = self.since.get(pod);
        since.is_some_and(|since| now.saturating_duration_since(*since) >= SETTLE)
    }

    /// When the next pod will have been.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let times = self.since.values().map(|since| *since + SETTLE);
        times.filter(|time| *time > now).min()
    }
}

/// What the objects are to say.
pub(super) fn wanted(
    observed: &Observed,
    settling: &Settling,
    now: Instant,
    daemon: &str,
) -> Wanted {
    let policies = observed.policies.iter();
    policies
        .filter_map(|(name, policy)| {
            let version = policy.version.clone()?;
            let content = content(policy, version, observed.audit, daemon, |pod| {
                settling.settled(pod, now)
            });
            Some((name.clone(), content.map_or(Wish::Keep, Wish::Say)))
        })
        .collect()
}

/// Pods that are not settled count neither way; with no others there is nothing to say.
fn content(
    policy: &Observation,
    version: ObjectVersion,
    audit: bool,
    daemon: &str,
    settled: impl Fn(&PodKey) -> bool,
) -> Option<Content> {
    let unsettled = policy.not_enforced.keys().filter(|pod| !settled(pod));
    let pods = policy.pods.len() - unsettled.count();
    if pods == 0 {
        return None;
    }
    let bad = policy.not_enforced.iter().filter(|(pod, _)| settled(pod));
    let count = bad.clone().count();
    let wholly = bad.clone().filter(|(_, why)| why.wholly).count();
    let state = match (count, wholly) {
        _ if audit => State::Audit,
        (0, _) => State::Enforced,
        (_, wholly) if wholly == pods => State::NotEnforced,
        _ => State::Partly,
    };
    let named = bad.take(MOST_PODS).map(|(pod, why)| UnenforcedPod {
        pod: pod.name.to_string(),
        reason: shortened(&why.why, LONGEST_REASON),
    });
    Some(Content {
        version,
        state,
        pods: number(pods),
        not_enforced: named.collect(),
        not_enforced_count: number(count),
        daemon: daemon.to_owned(),
    })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
