//! A suggested policy.

use enforcer_policy::model::Cluster;
use enforcer_policy::rule::{Namespaces, PolicyKey, PolicyKind};

use super::rules::Rule;
use super::selector::Selector;
use super::workloads::{Workload, WorkloadKey};

/// The policy of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whose it is.
    pub workload: WorkloadKey,
    /// Its name.
    pub name: String,
    /// The pods that it isolates.
    pub selector: Selector,
    /// What may reach them; `None` where it does not speak about that.
    pub ingress: Option<Vec<Rule>>,
    /// What they may reach.
    pub egress: Option<Vec<Rule>>,
    /// What its reader should know.
    pub remarks: Vec<Remark>,
}

/// What the reader of a policy should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// The policy isolates these pods too.
    #[error("it also selects the pods of {0}")]
    Selects(WorkloadKey),
    /// Another policy selects the same pods.
    #[error(
        "{0} selects pods of this workload too: what it allows stays allowed, as policies add up"
    )]
    Besides(PolicyKey),
}

/// The longest name of an object.
const NAME_LIMIT: usize = 253;

/// The name of the suggested policy: that of the workload, unless another object has it.
pub(super) fn name_for(key: &WorkloadKey, cluster: &Cluster) -> String {
    let name = format!("{}-{}", key.kind.to_lowercase(), key.name);
    let taken = PolicyKey {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(key.namespace.clone()),
        name: name.as_str().into(),
    };
    let end = if cluster.policies.contains_key(&taken) {
        "-suggested"
    } else {
        ""
    };
    let room = NAME_LIMIT - end.len();
    let kept: String = name.chars().take(room).collect();
    format!("{}{end}", kept.trim_end_matches(['-', '.']))
}

/// What should be known of the policy of a workload.
pub(super) fn remarks(workload: &Workload, cluster: &Cluster) -> Vec<Remark> {
    let sharing = workload.sharing.iter().cloned().map(Remark::Selects);
    let namespace = &workload.key.namespace;
    let besides = cluster.policies.values().filter(|policy| {
        policy.rules.iter().any(|rule| {
            let pods = &rule.subject.pods;
            rule.subject.namespaces == Namespaces::Named(namespace.clone())
                && workload.pods.values().any(|pod| pods.matches(&pod.labels))
        })
    });
    let besides = besides.map(|policy| Remark::Besides(policy.key.clone()));
    sharing.chain(besides).collect()
}
