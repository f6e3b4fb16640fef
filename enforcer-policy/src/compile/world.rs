//! Takes changes of the model in, and finds out what they touch.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Compiler;
use super::claims::Claimant;
use super::sorted::Sorted;
use super::subjects::Subjects;
use super::transition::Dirty;
use crate::intern::Name;
use crate::model::{
    Change, EndpointSlice, Namespace, Node, Pod, PodKey, Service, ServiceKey, SliceKey,
};
use crate::rule::{Policy, PolicyKey, Protocol};

/// The selectable pods that have a port of this name and protocol.
pub(super) type PortUsers = BTreeMap<(Name, Protocol), Sorted<PodKey>>;

/// A batch of changes by kind; of several changes of one object the last counts.
#[derive(Default)]
struct Batch {
    policies: BTreeMap<PolicyKey, Option<Arc<Policy>>>,
    namespaces: BTreeMap<String, Option<Namespace>>,
    nodes: BTreeMap<String, Option<Node>>,
    pods: BTreeMap<PodKey, Option<Pod>>,
    services: BTreeMap<ServiceKey, Option<Service>>,
    slices: BTreeMap<SliceKey, Option<EndpointSlice>>,
    /// Pods that went within the batch: what has the name afterwards is another pod.
    gone: BTreeSet<PodKey>,
}

impl Batch {
    fn new(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut batch = Self::default();
        for change in changes {
            match change {
                Change::Policy(key, value) => drop(batch.policies.insert(key, value)),
                Change::Namespace(key, value) => drop(batch.namespaces.insert(key, value)),
                Change::Node(key, value) => drop(batch.nodes.insert(key, value)),
                Change::Service(key, value) => drop(batch.services.insert(key, value)),
                Change::EndpointSlice(key, value) => drop(batch.slices.insert(key, value)),
                Change::Pod(key, value) => {
                    if value.is_none() {
                        batch.gone.insert(key.clone());
                    }
                    batch.pods.insert(key, value);
                }
            }
        }
        batch
    }
}

impl Compiler {
    /// Policies come first, so that a pod never appears before the policies that came with it.
    pub(super) fn change_all(&mut self, changes: impl IntoIterator<Item = Change>) {
        let batch = Batch::new(changes);
        self.change_policies(batch.policies);
        self.change_namespaces(batch.namespaces);
        let mut dirty = Dirty::default();
        for (name, node) in batch.nodes {
            self.change_node(&name, node, &mut dirty);
        }
        for (key, pod) in batch.pods {
            if batch.gone.contains(&key) {
                dirty.reborn.insert(key.clone());
            }
            self.change_pod(&key, pod, &mut dirty);
        }
        for (key, service) in batch.services {
            self.change_service(&key, service, &mut dirty);
        }
        for (key, slice) in batch.slices {
            // Who is behind a service makes no difference to the tables: only packets whose real
            // destination is known are judged.
            self.cluster.apply(Change::EndpointSlice(key, slice));
        }
        self.transition(&dirty);
    }

    fn change_policies(&mut self, policies: BTreeMap<PolicyKey, Option<Arc<Policy>>>) {
        let mut dirty = Dirty::default();
        for (key, policy) in policies {
            let change = Change::Policy(key.clone(), policy.clone());
            if !self.cluster.apply(change) {
                continue;
            }
            self.touch_subjects(&key, &mut dirty);
            // The new rules first: what both have keeps its number.
            let old = self.subjects.take(&key);
            if let Some(policy) = policy {
                self.subjects.add(&key, &policy, &mut self.criteria);
            }
            Subjects::release(&old, &mut self.criteria);
            self.touch_subjects(&key, &mut dirty);
        }
        self.transition(&dirty);
    }

    fn touch_subjects(&self, policy: &PolicyKey, dirty: &mut Dirty) {
        for selector in self.subjects.selectors(policy) {
            for group in self.groups.select(&selector) {
                dirty.endpoints.extend(group.here.iter().cloned());
            }
        }
    }

    fn change_node(&mut self, name: &str, node: Option<Node>, dirty: &mut Dirty) {
        let old = self.cluster.nodes.get(name).cloned();
        if !self
            .cluster
            .apply(Change::Node(name.to_owned(), node.clone()))
        {
            return;
        }
        if node.is_some() {
            self.nodes.refer(name);
        }
        if old.is_some() {
            self.nodes.release(name);
        }
        for address in old.into_iter().flat_map(|node| node.addresses) {
            self.claims.remove(address, Claimant::Node(name.into()));
            dirty.addresses.insert(address);
        }
        for address in node.into_iter().flat_map(|node| node.addresses) {
            self.claims.add(address, Claimant::Node(name.into()));
            dirty.addresses.insert(address);
        }
    }

    fn change_service(&mut self, key: &ServiceKey, service: Option<Service>, dirty: &mut Dirty) {
        let addresses = |service: Option<&Service>| -> BTreeSet<IpAddr> {
            service.into_iter().flat_map(Service::addresses).collect()
        };
        let old = addresses(self.cluster.services.get(key));
        let new = addresses(service.as_ref());
        self.cluster.apply(Change::Service(key.clone(), service));
        for &address in old.difference(&new) {
            self.claims.remove(address, Claimant::Service(key.clone()));
            dirty.addresses.insert(address);
        }
        for &address in new.difference(&old) {
            self.claims.add(address, Claimant::Service(key.clone()));
            dirty.addresses.insert(address);
        }
    }

    fn change_pod(&mut self, key: &PodKey, pod: Option<Pod>, dirty: &mut Dirty) {
        let change = Change::Pod(key.clone(), pod.clone());
        if !self.cluster.matters(&change) && !dirty.reborn.contains(key) {
            // Its readiness may have changed.
            self.cluster.apply(change);
            return;
        }
        let old = self.cluster.pods.get(key).cloned();
        self.cluster.apply(change);
        let old = old.filter(Pod::is_selectable);
        let new = pod.filter(Pod::is_selectable);
        dirty.endpoints.insert(key.clone());
        if let Some(new) = &new {
            self.add_pod(key, new, old.as_ref(), dirty);
        } else {
            self.groups.leave(key);
        }
        if let Some(old) = &old {
            self.remove_pod(key, old, new.as_ref(), dirty);
        }
    }

    /// Notes what a pod has, and may have had before.
    fn add_pod(&mut self, key: &PodKey, new: &Pod, old: Option<&Pod>, dirty: &mut Dirty) {
        let cluster = &self.cluster;
        let here = self.scope.covers(new);
        self.groups.join(key, &new.labels, here, || {
            cluster.namespace_labels(&key.namespace)
        });
        for port in &new.ports {
            let users = self.port_users.entry((port.name.clone(), port.protocol));
            users.or_default().insert(key.clone());
        }
        for &address in &new.addresses {
            self.claims.add(address, Claimant::Pod(key.clone()));
            dirty.addresses.insert(address);
            if !old.is_some_and(|old| old.addresses.contains(&address)) {
                dirty.arrivals.insert(address);
            }
        }
        if let Some(node) = &new.node {
            self.nodes.refer(node);
        }
    }

    /// Forgets what a pod had and has no more.
    fn remove_pod(&mut self, key: &PodKey, old: &Pod, new: Option<&Pod>, dirty: &mut Dirty) {
        for port in &old.ports {
            let same = |other: &crate::model::NamedPort| {
                (&other.name, other.protocol) == (&port.name, port.protocol)
            };
            if !new.is_some_and(|new| new.ports.iter().any(same)) {
                self.forget_port_user(key, &port.name, port.protocol);
            }
        }
        for &address in &old.addresses {
            if !new.is_some_and(|new| new.addresses.contains(&address)) {
                self.claims.remove(address, Claimant::Pod(key.clone()));
                dirty.addresses.insert(address);
                let former = dirty.former.entry(address).or_default();
                former.push((key.clone(), old.clone()));
            }
        }
        if let Some(node) = &old.node {
            self.nodes.release(node);
        }
    }

    fn forget_port_user(&mut self, key: &PodKey, name: &Name, protocol: Protocol) {
        let port = (name.clone(), protocol);
        if let Some(users) = self.port_users.get_mut(&port) {
            users.remove(key);
            if users.is_empty() {
                self.port_users.remove(&port);
            }
        }
    }

    pub(super) fn change_local_addresses(&mut self, addresses: BTreeSet<IpAddr>) {
        let mut dirty = Dirty::default();
        for address in self.claims.host() {
            if !addresses.contains(&address) {
                self.claims.remove(address, Claimant::Host);
                dirty.addresses.insert(address);
            }
        }
        for address in addresses {
            self.claims.add(address, Claimant::Host);
            dirty.addresses.insert(address);
        }
        self.transition(&dirty);
    }
}
