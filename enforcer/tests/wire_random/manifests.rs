//! Objects as manifests, and what objects say of pods.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_policy::oracle::Objects;
use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::common::file_name;

/// The manifests of objects, one for each, by their files.
pub(crate) fn manifests(objects: &Objects) -> BTreeMap<String, String> {
    let nodes = objects.nodes.iter().map(serde_json::to_value);
    let namespaces = objects.namespaces.iter().map(serde_json::to_value);
    let pods = objects.pods.iter().map(serde_json::to_value);
    let policies = objects.policies.iter().map(serde_json::to_value);
    let services = objects.services.iter().map(serde_json::to_value);
    let slices = objects.slices.iter().map(serde_json::to_value);
    let all = nodes.chain(namespaces).chain(pods).chain(policies);
    let all = all.chain(services).chain(slices);
    all.map(|object| {
        let object: Value = object.unwrap();
        (file_name(&object), object.to_string())
    })
    .collect()
}

/// `namespace/name`.
pub(crate) fn key_of<T: Metadata<Ty = ObjectMeta>>(object: &T) -> String {
    let metadata = object.metadata();
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    let name = metadata.name.as_deref().unwrap_or_default();
    format!("{namespace}/{name}")
}

/// The addresses of a pod.
pub(crate) fn addresses_of(pod: &Pod) -> Vec<IpAddr> {
    let status = pod.status.iter();
    let ips = status.flat_map(|status| status.pod_ips.iter().flatten());
    ips.map(|ip| ip.ip.parse().unwrap()).collect()
}

/// The number of a pod's node: `n1` has 0.
pub(crate) fn node_of(pod: &Pod) -> usize {
    let name = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let number = name.and_then(|name| name.strip_prefix('n')?.parse::<usize>().ok());
    number.unwrap() - 1
}
