//! Pods and policies of a cluster, for people: who is isolated by what, and what each rule lets through.

mod words;

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::abi::Direction;
use enforcer_policy::explain::RuleRef;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{Cluster, Pod, PodKey, ServiceKey};
use enforcer_policy::rule::{Origin, Policy, PolicyKey, Rule};
use serde::{Deserialize, Serialize};

/// Pods and policies of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Another number than that of any earlier or later state of the cluster.
    pub revision: u64,
    /// Pods that have not ended, sorted.
    pub pods: Vec<PodRow>,
    /// Policies, sorted.
    pub policies: Vec<PolicyRow>,
    /// Services, `NAMESPACE/NAME`, sorted.
    pub services: Vec<String>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRow {
    /// `NAMESPACE/NAME`.
    pub pod: String,
    /// `KIND/NAME` of what it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The node that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// It shares its node's network: no policy applies to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host_network: bool,
    /// The policies that isolate it towards the pod: places in [`Overview::policies`].
    pub ingress: Vec<usize>,
    /// The same from the pod.
    pub egress: Vec<usize>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// `NAMESPACE/NAME`.
    pub policy: String,
    /// Whom it selects, in words.
    pub subject: String,
    /// How many pods these are.
    pub selected: usize,
    /// It isolates them towards the pod.
    pub ingress: bool,
    /// It isolates them from the pod.
    pub egress: bool,
    /// What it allows.
    pub rules: Vec<RuleRow>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRow {
    /// Where in the policy it stands, as flow records name it: `ingress[0]`.
    pub rule: String,
    /// What it allows, in words.
    pub allows: String,
}

impl Overview {
    /// Of this cluster.
    pub fn of(cluster: &Cluster, revision: u64) -> Self {
        let mut rows: BTreeMap<&PodKey, PodRow> = BTreeMap::new();
        for (key, pod) in cluster.pods.iter().filter(|(_, pod)| !pod.terminated) {
            rows.insert(key, pod_row(key, pod));
        }
        let mut policies = Vec::new();
        for (place, policy) in cluster.policies.values().enumerate() {
            let mut row = policy_row(policy);
            for (key, directions) in isolated(cluster, policy) {
                row.selected += 1;
                if let Some(pod) = rows.get_mut(key) {
                    for direction in directions {
                        pod.policies(direction).push(place);
                    }
                }
            }
            policies.push(row);
        }
        Self {
            revision,
            pods: rows.into_values().collect(),
            policies,
            services: cluster.services.keys().map(ServiceKey::to_string).collect(),
        }
    }
}

impl PodRow {
    fn policies(&mut self, direction: Direction) -> &mut Vec<usize> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}

fn pod_row(key: &PodKey, pod: &Pod) -> PodRow {
    PodRow {
        pod: key.to_string(),
        workload: pod.workload.as_ref().map(ToString::to_string),
        node: pod.node.as_ref().map(ToString::to_string),
        addresses: pod.addresses.clone(),
        host_network: pod.host_network,
        ingress: Vec::new(),
        egress: Vec::new(),
    }
}

fn policy_row(policy: &Policy) -> PolicyRow {
    let about = |direction| policy.rules.iter().any(|rule| rule.direction == direction);
    let allows = |rule: &&Rule| rule.origin != Origin::Isolation;
    PolicyRow {
        policy: policy.key.to_string(),
        subject: words::subject(policy),
        selected: 0,
        ingress: about(Direction::Ingress),
        egress: about(Direction::Egress),
        rules: policy
            .rules
            .iter()
            .filter(allows)
            .map(|rule| rule_row(&policy.key, rule))
            .collect(),
    }
}

fn rule_row(policy: &PolicyKey, rule: &Rule) -> RuleRow {
    let place = RuleRef {
        policy: policy.clone(),
        direction: rule.direction,
        origin: rule.origin,
    };
    RuleRow {
        rule: place.place(),
        allows: words::rule(rule),
    }
}

/// The pods that a policy isolates, and in which directions.
fn isolated<'a>(
    cluster: &'a Cluster,
    policy: &'a Policy,
) -> impl Iterator<Item = (&'a PodKey, Vec<Direction>)> {
    // What has a namespace selects there alone, and pods stand by theirs.
    let only = policy.key.namespace.as_ref();
    let first = PodKey {
        namespace: only.cloned().unwrap_or_default(),
        name: Name::default(),
    };
    let pods = cluster.pods.range(first..);
    let pods = pods.take_while(move |(key, _)| only.is_none_or(|name| *name == key.namespace));
    pods.filter(|(_, pod)| pod.is_selectable())
        .filter_map(move |(key, pod)| {
            let is_isolated = |direction: &Direction| {
                let mut rules = policy
                    .rules
                    .iter()
                    .filter(|rule| rule.direction == *direction);
                rules.any(|rule| rule.subject.selects(cluster, key, pod))
            };
            let directions: Vec<Direction> =
                Direction::ALL.into_iter().filter(is_isolated).collect();
            (!directions.is_empty()).then_some((key, directions))
        })
}

#[cfg(test)]
mod tests;
