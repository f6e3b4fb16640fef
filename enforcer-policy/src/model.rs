//! What is: the objects of the cluster that matter to policies, validated and trimmed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

pub use service::{Service, ServiceKey, ServiceKind, ServicePort, TargetPort, TrafficPolicy};

pub use slice::{EndpointSlice, SERVICE_NAME_LABEL, SliceEndpoint, SliceKey, SlicePort};
pub use uid::Uid;
pub use workload::Workload;

use crate::intern::Name;
use crate::rule::{Policy, PolicyKey, Protocol};
use crate::selector::Labels;

mod service;
mod slice;
mod uid;
mod workload;

/// The label that every namespace carries (Kubernetes: `NamespaceDefaultLabelName`).
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKey {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its addresses, sorted and without repetition.
    pub addresses: Vec<IpAddr>,
    /// Those of them by which other nodes reach it, in the order of its status.
    pub internal: Vec<IpAddr>,
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its labels, [`NAMESPACE_NAME_LABEL`] always among them.
    pub labels: Labels,
}

impl Namespace {
    /// A namespace that nobody described: it has the label that the API server gives to all.
    pub fn implied(name: &str) -> Self {
        Self {
            labels: Labels::from([(NAMESPACE_NAME_LABEL, name)]),
        }
    }
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// What tells it from another pod of the same name, where somebody said.
    pub uid: Option<Uid>,
    /// Its labels.
    pub labels: Labels,
    /// Its addresses, at most one of each family; empty until it has any.
    pub addresses: Vec<IpAddr>,
    /// The name of the node it is bound to.
    pub node: Option<Name>,
    /// It shares the node's network: neither isolated nor selected, it is its node.
    pub host_network: bool,
    /// It has ended (phase Succeeded or Failed): no peer, and its address may be another's.
    pub terminated: bool,
    /// Its container ports that have a name, sorted.
    pub ports: Vec<NamedPort>,
    /// What services make of it.
    pub readiness: Readiness,
    /// It may send from addresses that are not its own (annotation
    /// [`crate::api::ALLOW_SPOOFING_ANNOTATION`]).
    pub may_spoof: bool,
    /// What it belongs to; `None` for a pod of its own.
    pub workload: Option<Workload>,
}

impl Pod {
    /// Whether policies apply to it and selectors can mean it.
    pub fn is_selectable(&self) -> bool {
        !self.host_network && !self.terminated
    }

    /// Whether the two differ at most in what only services and flow records ask.
    pub fn is_alike_to_policies(&self, other: &Self) -> bool {
        // Named one by one, so that nobody adds a field without thinking of this.
        let Self {
            uid,
            labels,
            addresses,
            node,
            host_network,
            terminated,
            ports,
            readiness: _,
            may_spoof,
            workload: _,
        } = self;
        (uid, labels, addresses, node, ports)
            == (
                &other.uid,
                &other.labels,
                &other.addresses,
                &other.node,
                &other.ports,
            )
            && (host_network, terminated, may_spoof)
                == (&other.host_network, &other.terminated, &other.may_spoof)
    }
}

/// Whether services send connections to a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Readiness {
    /// Its status says that it takes none; without any condition it does.
    pub unready: bool,
    /// It is being deleted.
    pub terminating: bool,
}

/// A container port with a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedPort {
    /// Its name.
    pub name: Name,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

/// One object that appeared, changed (`Some`) or went away (`None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node.
    Node(String, Option<Node>),
    /// A namespace.
    Namespace(String, Option<Namespace>),
    /// A pod.
    Pod(PodKey, Option<Pod>),
    /// A policy.
    Policy(PolicyKey, Option<Arc<Policy>>),
    /// A service.
    Service(ServiceKey, Option<Service>),
    /// An endpoint slice.
    EndpointSlice(SliceKey, Option<EndpointSlice>),
}

impl Change {
    /// Whether it says that its object went away.
    pub const fn is_gone(&self) -> bool {
        match self {
            Self::Node(_, value) => value.is_none(),
            Self::Namespace(_, value) => value.is_none(),
            Self::Pod(_, value) => value.is_none(),
            Self::Policy(_, value) => value.is_none(),
            Self::Service(_, value) => value.is_none(),
            Self::EndpointSlice(_, value) => value.is_none(),
        }
    }
}

/// All objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// Described namespaces by name; pods may be in others, see [`Cluster::namespace_labels`].
    pub namespaces: BTreeMap<String, Namespace>,
    /// Pods by name.
    pub pods: BTreeMap<PodKey, Pod>,
    /// Policies by name.
    pub policies: BTreeMap<PolicyKey, Arc<Policy>>,
    /// Services by name.
    pub services: BTreeMap<ServiceKey, Service>,
    /// Endpoint slices by name.
    pub slices: BTreeMap<SliceKey, EndpointSlice>,
}

impl Cluster {
    /// Takes a change over and says whether it changed anything.
    pub fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Node(key, value) => put(&mut self.nodes, key, value),
            Change::Namespace(key, value) => put(&mut self.namespaces, key, value),
            Change::Pod(key, value) => put(&mut self.pods, key, value),
            Change::Policy(key, value) => put(&mut self.policies, key, value),
            Change::Service(key, value) => put(&mut self.services, key, value),
            Change::EndpointSlice(key, value) => put(&mut self.slices, key, value),
        }
    }

    /// Whether taking a change over would change anything.
    pub fn differs(&self, change: &Change) -> bool {
        match change {
            Change::Node(key, value) => self.nodes.get(key) != value.as_ref(),
            Change::Namespace(key, value) => self.namespaces.get(key) != value.as_ref(),
            Change::Pod(key, value) => self.pods.get(key) != value.as_ref(),
            Change::Policy(key, value) => self.policies.get(key) != value.as_ref(),
            Change::Service(key, value) => self.services.get(key) != value.as_ref(),
            Change::EndpointSlice(key, value) => self.slices.get(key) != value.as_ref(),
        }
    }

    /// Whether the compiler's tables may be others after a change.
    pub fn matters(&self, change: &Change) -> bool {
        match change {
            Change::EndpointSlice(..) => false,
            Change::Pod(key, Some(new)) => {
                let old = self.pods.get(key);
                old.is_none_or(|old| !old.is_alike_to_policies(new))
            }
            Change::Service(key, new) => {
                let addresses = |service: Option<&Service>| -> BTreeSet<IpAddr> {
                    service.into_iter().flat_map(Service::addresses).collect()
                };
                addresses(self.services.get(key)) != addresses(new.as_ref())
            }
            other => self.differs(other),
        }
    }

    /// The labels of a namespace, described or not.
    pub fn namespace_labels(&self, name: &str) -> Labels {
        self.namespaces.get(name).map_or_else(
            || Namespace::implied(name).labels,
            |namespace| namespace.labels.clone(),
        )
    }

    /// The selectable pod that has this address; the first by name when several claim it.
    pub fn pod_by_address(&self, address: IpAddr) -> Option<(&PodKey, &Pod)> {
        self.pods
            .iter()
            .find(|(_, pod)| pod.is_selectable() && pod.addresses.contains(&address))
    }

    /// The node that has this address.
    pub fn node_by_address(&self, address: IpAddr) -> Option<(&str, &Node)> {
        self.nodes
            .iter()
            .find(|(_, node)| node.addresses.contains(&address))
            .map(|(name, node)| (name.as_str(), node))
    }

    /// The changes that turn `self` into `target`, policies first.
    pub fn changes_to(&self, target: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        difference(&self.policies, &target.policies, |key, value| {
            changes.push(Change::Policy(key, value));
        });
        difference(&self.nodes, &target.nodes, |key, value| {
            changes.push(Change::Node(key, value));
        });
        difference(&self.namespaces, &target.namespaces, |key, value| {
            changes.push(Change::Namespace(key, value));
        });
        difference(&self.pods, &target.pods, |key, value| {
            changes.push(Change::Pod(key, value));
        });
        difference(&self.services, &target.services, |key, value| {
            changes.push(Change::Service(key, value));
        });
        difference(&self.slices, &target.slices, |key, value| {
            changes.push(Change::EndpointSlice(key, value));
        });
        changes
    }
}

fn put<K: Ord, V: PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> bool {
    match value {
        None => map.remove(&key).is_some(),
        Some(value) if map.get(&key) == Some(&value) => false,
        Some(value) => {
            map.insert(key, value);
            true
        }
    }
}

fn difference<K: Ord + Clone, V: PartialEq + Clone>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    mut emit: impl FnMut(K, Option<V>),
) {
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        emit(key.clone(), None);
    }
    for (key, value) in new
        .iter()
        .filter(|(key, value)| old.get(key) != Some(value))
    {
        emit(key.clone(), Some(value.clone()));
    }
}
