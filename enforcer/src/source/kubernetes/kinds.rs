//! The six kinds: where they are, and which door they come in by.

use std::sync::Arc;

use enforcer_policy::invalid::Invalid;
use enforcer_policy::model::Change;
use enforcer_policy::{api, lower};
use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use serde::de::DeserializeOwned;

use crate::source::manifests::Kind;

/// How the API server calls a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// The group; empty for the core.
    pub group: &'static str,
    /// The name in paths and roles.
    pub plural: &'static str,
}

impl Resource {
    /// That of a kind.
    pub(super) const fn of(kind: Kind) -> Self {
        let (group, plural) = match kind {
            Kind::Node => ("", "nodes"),
            Kind::Namespace => ("", "namespaces"),
            Kind::Pod => ("", "pods"),
            Kind::NetworkPolicy => ("networking.k8s.io", "networkpolicies"),
            Kind::Service => ("", "services"),
            Kind::EndpointSlice => ("discovery.k8s.io", "endpointslices"),
        };
        Self { group, plural }
    }

    /// The path of all objects of all namespaces.
    pub(super) fn path(self) -> String {
        let Self { group, plural } = self;
        if group.is_empty() {
            format!("/api/v1/{plural}")
        } else {
            format!("/apis/{group}/v1/{plural}")
        }
    }
}

/// A kind that is watched.
pub(super) trait Watched: Send + Sync + 'static {
    /// The kind.
    const KIND: Kind;
    /// The object as it comes.
    type Object: DeserializeOwned;
    /// The object as it is kept.
    fn change(object: &Self::Object) -> Result<Change, Vec<Invalid>>;
}

/// Nodes.
pub(super) struct Nodes;
/// Namespaces.
pub(super) struct Namespaces;
/// Pods.
pub(super) struct Pods;
/// Network policies.
pub(super) struct NetworkPolicies;
/// Services.
pub(super) struct Services;
/// Endpoint slices.
pub(super) struct EndpointSlices;

impl Watched for Nodes {
    const KIND: Kind = Kind::Node;
    type Object = v1::Node;
    fn change(object: &Self::Object) -> Result<Change, Vec<Invalid>> {
        api::node(object).map(|(key, node)| Change::Node(key, Some(node)))
    }
}

impl Watched for Namespaces {
    const KIND: Kind = Kind::Namespace;
    type Object = v1::Namespace;
    fn change(object: &Self::Object) -> Result<Change, Vec<Invalid>> {
        api::namespace(object).map(|(key, namespace)| Change::Namespace(key, Some(namespace)))
    }
}

impl Watched for Pods {
    const KIND: Kind = Kind::Pod;
    type Object = v1::Pod;
    fn change(object: &Self::Object) -> Result<Change, Vec<Invalid>> {
        api::pod(object).map(|(key, pod)| Change::Pod(key, Some(pod)))
    }
}

impl Watched for NetworkPolicies {
    const KIND: Kind = Kind::NetworkPolicy;
    type Object = networking::NetworkPolicy;
    fn change(object: &Self::Object) -> Result<Change, Vec<Invalid>> {
        let policy = lower::network_policy(object)?;
        Ok(Change::Policy(policy.key.clone(), Some(Arc::new(policy))))
    }
}

impl Watched for Services {
    const KIND: Kind = Kind::Service;
    type Object = v1::Service;
    fn change(object: &Self::Object) -> Result<Change, Vec<Invalid>> {
        api::service(object).map(|(key, service)| Change::Service(key, Some(service)))
    }
}

impl Watched for EndpointSlices {
    const KIND: Kind = Kind::EndpointSlice;
    type Object = discovery::EndpointSlice;
    fn change(object: &Self::Object) -> Result<Change, Vec<Invalid>> {
        api::endpoint_slice(object).map(|(key, slice)| Change::EndpointSlice(key, Some(slice)))
    }
}
