//! What happens to a cluster.

use std::collections::BTreeMap;
use std::fmt;

use enforcer_policy::oracle::Objects;
use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::{Container, Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::*;
use proptest::sample::select;

use super::cluster::{Layout, is_linked, linked_pod, workload};
use super::services::{SERVICES, service, slices};
use crate::generate::cluster::namespace;
use crate::generate::policies::policy;
use crate::generate::pools::{MAX_POLICIES, NAMESPACES, POD_LABELS};
use crate::generate::selectors::labels;

/// Pods that edits speak of; more than there are at first.
const PODS: usize = 12;

/// One change. Objects are meant by name alone, as in [`crate::generate::Edit`].
#[derive(Clone, Debug)]
pub enum WireEdit {
    /// A namespace appears or gets other labels.
    PutNamespace(Box<Namespace>),
    /// The object of a namespace goes; what is in it stays.
    DeleteNamespace(String),
    /// A policy appears, changes or moves to another namespace.
    PutPolicy(Box<NetworkPolicy>),
    /// A policy goes.
    DeletePolicy(String),
    /// A service appears, changes or moves to another namespace.
    PutService(Box<Service>),
    /// A service goes.
    DeleteService(String),
    /// A pod gets other labels.
    Relabel(String, BTreeMap<String, String>),
    /// A pod gets other containers, and so other named ports.
    RenamePorts(String, (Vec<Container>, Vec<Container>)),
    /// A pod goes, and another one gets its addresses.
    Replace(String, Box<Pod>),
    /// A pod appears with addresses of its own.
    Add(Box<Pod>),
    /// A pod goes.
    Delete(String),
    /// All containers of a pod end.
    End(String),
}

/// A random change.
pub(super) fn edit(layout: Layout) -> impl Strategy<Value = WireEdit> {
    let pod = || (0..PODS).prop_map(|number| format!("p{number}"));
    let policies = || 0..MAX_POLICIES;
    // Their names and addresses are nobody else's.
    let successor = (20..40usize).prop_flat_map(move |number| linked_pod(number, layout));
    let newcomer = (12..20usize).prop_flat_map(move |number| linked_pod(number, layout));
    prop_oneof![
        2 => select(NAMESPACES).prop_flat_map(namespace)
            .prop_map(|object| WireEdit::PutNamespace(Box::new(object))),
        1 => select(NAMESPACES).prop_map(|name| WireEdit::DeleteNamespace(name.to_owned())),
        5 => policies().prop_flat_map(policy)
            .prop_map(|object| WireEdit::PutPolicy(Box::new(object))),
        3 => policies().prop_map(|number| WireEdit::DeletePolicy(format!("np{number}"))),
        2 => (0..SERVICES).prop_flat_map(move |number| service(number, layout))
            .prop_map(|object| WireEdit::PutService(Box::new(object))),
        1 => (0..SERVICES).prop_map(|number| WireEdit::DeleteService(format!("s{number}"))),
        4 => (pod(), labels(POD_LABELS)).prop_map(|(name, labels)| WireEdit::Relabel(name, labels)),
        2 => (pod(), workload()).prop_map(|(name, all)| WireEdit::RenamePorts(name, all)),
        3 => (pod(), successor).prop_map(|(old, new)| WireEdit::Replace(old, Box::new(new))),
        1 => newcomer.prop_map(|pod| WireEdit::Add(Box::new(pod))),
        1 => pod().prop_map(WireEdit::Delete),
        1 => pod().prop_map(WireEdit::End),
    ]
}

impl WireEdit {
    /// Makes the change, and what the cluster would make of it; one that speaks of objects that
    /// are not there changes nothing.
    pub fn apply(&self, objects: &mut Objects) {
        self.change(objects);
        objects.slices = slices(objects);
    }

    fn change(&self, objects: &mut Objects) {
        match self {
            Self::PutNamespace(object) => put(&mut objects.namespaces, object.as_ref()),
            Self::DeleteNamespace(name) => remove(&mut objects.namespaces, name),
            Self::PutPolicy(object) => put(&mut objects.policies, object.as_ref()),
            Self::DeletePolicy(name) => remove(&mut objects.policies, name),
            Self::PutService(object) => put(&mut objects.services, object.as_ref()),
            Self::DeleteService(name) => remove(&mut objects.services, name),
            Self::Relabel(name, labels) => {
                if let Some(pod) = find(&mut objects.pods, name) {
                    pod.metadata.labels = Some(labels.clone());
                }
            }
            Self::RenamePorts(name, (containers, init_containers)) => {
                if let Some(pod) = find(&mut objects.pods, name) {
                    let spec = pod.spec.get_or_insert_default();
                    spec.containers.clone_from(containers);
                    spec.init_containers = Some(init_containers.clone());
                }
            }
            Self::Replace(old, new) => replace(objects, old, new),
            Self::Add(pod) => {
                if find(&mut objects.pods, name_of(pod.as_ref())).is_none() {
                    objects.pods.push(pod.as_ref().clone());
                }
            }
            Self::Delete(name) => remove(&mut objects.pods, name),
            Self::End(name) => {
                if let Some(pod) = find(&mut objects.pods, name) {
                    pod.status.get_or_insert_default().phase = Some("Succeeded".to_owned());
                }
            }
        }
    }

    /// What kind of change it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PutNamespace(_) => "relabel a namespace",
            Self::DeleteNamespace(_) => "delete a namespace's object",
            Self::PutPolicy(_) => "put a policy",
            Self::DeletePolicy(_) => "delete a policy",
            Self::PutService(_) => "put a service",
            Self::DeleteService(_) => "delete a service",
            Self::Relabel(..) => "relabel a pod",
            Self::RenamePorts(..) => "rename ports",
            Self::Replace(..) => "reuse an address",
            Self::Add(_) => "add a pod",
            Self::Delete(_) => "delete a pod",
            Self::End(_) => "end a pod",
        }
    }
}

impl fmt::Display for WireEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::PutNamespace(object) => write!(f, "{kind}: {}", name_of(object.as_ref())),
            Self::PutPolicy(object) => write!(f, "{kind}: {}", name_of(object.as_ref())),
            Self::PutService(object) => write!(f, "{kind}: {}", name_of(object.as_ref())),
            Self::Add(object) => write!(f, "{kind}: {}", name_of(object.as_ref())),
            Self::Replace(old, new) => write!(f, "{kind}: {old} by {}", name_of(new.as_ref())),
            Self::DeleteNamespace(name)
            | Self::DeletePolicy(name)
            | Self::DeleteService(name)
            | Self::Relabel(name, _)
            | Self::RenamePorts(name, _)
            | Self::Delete(name)
            | Self::End(name) => write!(f, "{kind}: {name}"),
        }
    }
}

/// The new pod takes node and addresses of the old one, if that has a link and the new one's name
/// is free.
fn replace(objects: &mut Objects, old: &str, new: &Pod) {
    let taken = objects.pods.iter().any(|pod| name_of(pod) == name_of(new));
    let index = objects.pods.iter().position(|pod| name_of(pod) == old);
    let Some(index) = index.filter(|index| !taken && is_linked(&objects.pods[*index], usize::MAX))
    else {
        return;
    };
    let slot = &mut objects.pods[index];
    let mut successor = new.clone();
    let node = slot.spec.as_ref().and_then(|spec| spec.node_name.clone());
    successor.spec.get_or_insert_default().node_name = node;
    successor.status.clone_from(&slot.status);
    *slot = successor;
}

fn name_of<T: Metadata<Ty = ObjectMeta>>(object: &T) -> &str {
    object.metadata().name.as_deref().unwrap_or_default()
}

fn find<'a, T: Metadata<Ty = ObjectMeta>>(list: &'a mut [T], name: &str) -> Option<&'a mut T> {
    list.iter_mut().find(|object| name_of(*object) == name)
}

fn remove<T: Metadata<Ty = ObjectMeta>>(list: &mut Vec<T>, name: &str) {
    list.retain(|object| name_of(object) != name);
}

fn put<T: Metadata<Ty = ObjectMeta> + Clone>(list: &mut Vec<T>, object: &T) {
    remove(list, name_of(object));
    list.push(object.clone());
}
