//! What the daemon tells about its policies.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_policy::model::PodKey;
use enforcer_policy::rule::ObjectVersion;

/// What a node makes of its policies, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Everything that matters was read completely at least once; before, nobody knows anything.
    pub synced: bool,
    /// What policies deny passes, and is reported.
    pub audit: bool,
    /// Policies that select pods of this node.
    pub policies: BTreeMap<PolicyName, Observation>,
    /// Policies whose newest version is refused, and why: those that this node is to tell of.
    pub refused: BTreeMap<PolicyName, String>,
}

/// The name of a namespaced policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What a node makes of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Which version of the policy is in force; `None` where nobody said, and then there is no
    /// object to report on.
    pub version: Option<ObjectVersion>,
    /// The pods of this node that it selects.
    pub pods: BTreeSet<PodKey>,
    /// Those for which it does not hold.
    pub not_enforced: BTreeMap<PodKey, Unenforced>,
}

/// Why a policy does not hold for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unenforced {
    /// Why.
    pub why: String,
    /// Nothing of it holds: the pod has no link where it does.
    pub wholly: bool,
}
