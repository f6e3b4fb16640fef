//! Random changes of a cluster.

use enforcer_policy::oracle::Objects;
use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::cluster::{namespace, node, pod};
use super::policies::policy;
use super::pools::{MAX_PODS, MAX_POLICIES, NAMESPACES, NODES};
use super::selectors::labels;

/// One change. Objects are meant by name alone: generated pods and policies are in one namespace
/// at a time, and putting one moves it there.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A node appears or changes.
    PutNode(Box<Node>),
    /// A namespace appears or changes.
    PutNamespace(Box<Namespace>),
    /// A pod appears, changes or moves to another namespace.
    PutPod(Box<Pod>),
    /// A policy appears, changes or moves to another namespace.
    PutPolicy(Box<NetworkPolicy>),
    /// A pod gets other labels.
    Relabel(String, std::collections::BTreeMap<String, String>),
    /// The second pod gets the addresses of the first, which loses them.
    MoveAddresses(String, String),
    /// The second pod claims the addresses of the first, which goes on claiming them.
    ShareAddresses(String, String),
    /// Every object of this name goes.
    Delete(String),
}

impl Edit {
    /// Makes the change; one that speaks of objects that are not there changes nothing.
    pub fn apply(&self, objects: &mut Objects) {
        match self {
            Self::PutNode(node) => put(&mut objects.nodes, node.as_ref()),
            Self::PutNamespace(namespace) => put(&mut objects.namespaces, namespace.as_ref()),
            Self::PutPod(pod) => put(&mut objects.pods, pod.as_ref()),
            Self::PutPolicy(policy) => put(&mut objects.policies, policy.as_ref()),
            Self::Relabel(name, labels) => {
                if let Some(pod) = find(&mut objects.pods, name) {
                    pod.metadata.labels = Some(labels.clone());
                }
            }
            Self::MoveAddresses(from, to) => give_addresses(objects, from, to, true),
            Self::ShareAddresses(from, to) => give_addresses(objects, from, to, false),
            Self::Delete(name) => {
                remove(&mut objects.nodes, name);
                remove(&mut objects.namespaces, name);
                remove(&mut objects.pods, name);
                remove(&mut objects.policies, name);
            }
        }
    }
}

/// Up to `most` changes, at least one.
pub fn edits(most: usize) -> impl Strategy<Value = Vec<Edit>> {
    vec(edit(), 1..=most)
}

fn edit() -> impl Strategy<Value = Edit> {
    let name = || (0..MAX_PODS).prop_map(|number| format!("p{number}"));
    let policies = || (0..MAX_POLICIES).prop_map(|number| format!("np{number}"));
    let any_name = prop_oneof![
        name(),
        policies(),
        select(NAMESPACES).prop_map(str::to_owned),
        select(NODES).prop_map(str::to_owned),
    ];
    let pods = super::pools::POD_LABELS;
    prop_oneof![
        1 => (0..NODES.len()).prop_flat_map(node).prop_map(|node| Edit::PutNode(Box::new(node))),
        2 => select(NAMESPACES).prop_flat_map(namespace).prop_map(|namespace| Edit::PutNamespace(Box::new(namespace))),
        4 => (0..MAX_PODS).prop_flat_map(pod).prop_map(|pod| Edit::PutPod(Box::new(pod))),
        4 => (0..MAX_POLICIES)
            .prop_flat_map(policy)
            .prop_map(|policy| Edit::PutPolicy(Box::new(policy))),
        3 => (name(), labels(pods)).prop_map(|(name, labels)| Edit::Relabel(name, labels)),
        2 => (name(), name()).prop_map(|(from, to)| Edit::MoveAddresses(from, to)),
        1 => (name(), name()).prop_map(|(from, to)| Edit::ShareAddresses(from, to)),
        3 => any_name.prop_map(Edit::Delete),
    ]
}

fn is_named<T: Metadata<Ty = ObjectMeta>>(object: &T, name: &str) -> bool {
    object.metadata().name.as_deref() == Some(name)
}

fn find<'a, T: Metadata<Ty = ObjectMeta>>(list: &'a mut [T], name: &str) -> Option<&'a mut T> {
    list.iter_mut().find(|object| is_named(*object, name))
}

fn remove<T: Metadata<Ty = ObjectMeta>>(list: &mut Vec<T>, name: &str) {
    list.retain(|object| !is_named(object, name));
}

fn put<T: Metadata<Ty = ObjectMeta> + Clone>(list: &mut Vec<T>, object: &T) {
    let name = object.metadata().name.clone().unwrap_or_default();
    remove(list, &name);
    list.push(object.clone());
}

fn give_addresses(objects: &mut Objects, from: &str, to: &str, lose: bool) {
    let is_host = |pod: &Pod| {
        pod.spec
            .as_ref()
            .is_some_and(|s| s.host_network == Some(true))
    };
    let giver = objects.pods.iter_mut().find(|pod| is_named(*pod, from));
    let Some(giver) = giver.filter(|pod| from != to && !is_host(pod)) else {
        return;
    };
    let status = giver.status.get_or_insert_default();
    let given = status.pod_ips.clone();
    let taker = find(&mut objects.pods, to).filter(|pod| !is_host(pod));
    let Some(taker) = taker else {
        return;
    };
    taker.status.get_or_insert_default().pod_ips = given;
    if lose && let Some(giver) = find(&mut objects.pods, from) {
        giver.status.get_or_insert_default().pod_ips = None;
    }
}
