//! The `PolicyEnforcement` object, as the API server has it.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::NamespaceResourceScope;
use serde::{Deserialize, Serialize};

use super::name::{label_value, object_name};

/// The API group and version.
pub const API_VERSION: &str = "enforcer.dev/v1alpha1";

/// The kind.
pub const KIND: &str = "PolicyEnforcement";

/// The label with the policy's name.
pub const POLICY_LABEL: &str = "enforcer.dev/policy";

/// The label with the node's name.
pub const NODE_LABEL: &str = "enforcer.dev/node";

/// Most pods that an object names.
pub const MOST_PODS: usize = 20;

/// Longest reason, in bytes.
pub const LONGEST_REASON: usize = 1024;

/// What one node makes of one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEnforcement {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`KIND`].
    pub kind: String,
    /// Its name, owner and labels.
    pub metadata: ObjectMeta,
    /// Which policy on which node.
    pub spec: Spec,
    /// What the node makes of it.
    pub status: Status,
}

/// Which policy on which node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The policy, in the same namespace.
    pub policy: PolicyReference,
    /// The node's name.
    pub node: String,
}

/// A NetworkPolicy of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyReference {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// What the node makes of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// In one word.
    pub state: State,
    /// Since when it has this state (RFC 3339).
    pub since: String,
    /// How many pods of the node the policy selects.
    pub pods: u32,
    /// The first [`MOST_PODS`] pods for which it does not hold.
    #[serde(default)]
    pub not_enforced: Vec<UnenforcedPod>,
    /// How many pods it does not hold for.
    pub not_enforced_count: u32,
    /// The generation of the policy that this is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// The version of the daemon.
    #[serde(default)]
    pub daemon_version: String,
}

/// What a node makes of a policy, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It holds for every pod that it selects here.
    Enforced,
    /// Not for all of them, or not at all of their links.
    Partly,
    /// For none of them.
    NotEnforced,
    /// What it denies is reported and passes.
    Audit,
}

/// A pod for which a policy does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnenforcedPod {
    /// Its name.
    pub pod: String,
    /// Why.
    pub reason: String,
}

impl PolicyEnforcement {
    /// The object of a policy in a namespace on a node.
    pub fn new(namespace: &str, policy: PolicyReference, node: &str, status: Status) -> Self {
        let owner = OwnerReference {
            api_version: "networking.k8s.io/v1".to_owned(),
            kind: "NetworkPolicy".to_owned(),
            name: policy.name.clone(),
            uid: policy.uid.clone(),
            ..OwnerReference::default()
        };
        let labels = [(POLICY_LABEL, policy.name.as_str()), (NODE_LABEL, node)];
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: ObjectMeta {
                name: Some(object_name(&policy.name, node)),
                namespace: Some(namespace.to_owned()),
                labels: Some(
                    labels
                        .map(|(label, name)| (label.to_owned(), label_value(name)))
                        .into(),
                ),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Spec {
                policy,
                node: node.to_owned(),
            },
            status,
        }
    }
}

impl kube::Resource for PolicyEnforcement {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "enforcer.dev".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1alpha1".into()
    }

    fn api_version((): &()) -> Cow<'_, str> {
        API_VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "policyenforcements".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
