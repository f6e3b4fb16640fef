//! What a manifest can describe.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use enforcer_policy::api::DEFAULT_NAMESPACE;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{
    Change, Cluster, EndpointSlice, Namespace, Node, Pod, PodKey, Service, ServiceKey, SliceKey,
};
use enforcer_policy::rule::{Policy, PolicyKey, PolicyKind};

/// The kinds of objects that matter to policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1` Node.
    Node,
    /// `v1` Namespace.
    Namespace,
    /// `v1` Pod.
    Pod,
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Node,
        Self::Namespace,
        Self::Pod,
        Self::NetworkPolicy,
        Self::Service,
        Self::EndpointSlice,
    ];

    /// Its `kind`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Namespace => "Namespace",
            Self::Pod => "Pod",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
        }
    }

    /// Its `apiVersion`.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Node | Self::Namespace | Self::Pod | Self::Service => "v1",
            Self::NetworkPolicy => "networking.k8s.io/v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
        }
    }

    /// Whether its objects live in namespaces.
    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Node | Self::Namespace)
    }
}

/// The name of an object among all kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, when the kind has one.
    pub namespace: Option<Name>,
    /// Its name.
    pub name: Name,
}

/// Why words name no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Policies know nothing of such objects.
    #[error("{0:?} is no kind that matters to policies; use {kinds}", kinds = kinds())]
    Kind(String),
    /// A namespace too many, or a part that is empty.
    #[error("{name:?} names no {}; write {}", kind.name(), if kind.is_namespaced() { "NAMESPACE/NAME" } else { "NAME" })]
    Name {
        /// The kind.
        kind: Kind,
        /// What was given.
        name: String,
    },
}

fn kinds() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

impl ObjectKey {
    /// The object of a kind, in any case, and a name: `NAMESPACE/NAME`, or `NAME` in the namespace
    /// default, or `NAME` of a kind without namespaces.
    ///
    /// # Errors
    /// When there is no such kind, or it has no such names.
    pub fn from_words(kind: &str, name: &str) -> Result<Self, NameError> {
        let known = Kind::ALL
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(kind));
        let kind = known.ok_or_else(|| NameError::Kind(kind.to_owned()))?;
        let (namespace, own) = match name.split_once('/') {
            Some((namespace, own)) => (Some(namespace), own),
            None if kind.is_namespaced() => (Some(DEFAULT_NAMESPACE), name),
            None => (None, name),
        };
        let empty = own.is_empty() || namespace.is_some_and(str::is_empty);
        if empty || own.contains('/') || namespace.is_some() != kind.is_namespaced() {
            let name = name.to_owned();
            return Err(NameError::Name { kind, name });
        }
        Ok(Self {
            kind,
            namespace: namespace.map(Name::from),
            name: own.into(),
        })
    }

    /// The object that a change is about.
    pub(crate) fn of(change: &Change) -> Self {
        let own = |kind, name: &String| Self {
            kind,
            namespace: None,
            name: name.into(),
        };
        let (kind, namespace, name) = match change {
            Change::Node(name, _) => return own(Kind::Node, name),
            Change::Namespace(name, _) => return own(Kind::Namespace, name),
            Change::Pod(key, _) => (Kind::Pod, Some(&key.namespace), &key.name),
            Change::Policy(key, _) => (Kind::NetworkPolicy, key.namespace.as_ref(), &key.name),
            Change::Service(key, _) => (Kind::Service, Some(&key.namespace), &key.name),
            Change::EndpointSlice(key, _) => (Kind::EndpointSlice, Some(&key.namespace), &key.name),
        };
        Self {
            kind,
            namespace: namespace.cloned(),
            name: name.clone(),
        }
    }

    /// The change that says that the object went away.
    pub(crate) fn gone(&self) -> Change {
        match self.kind {
            Kind::Node => Change::Node(self.name.to_string(), None),
            Kind::Namespace => Change::Namespace(self.name.to_string(), None),
            Kind::Pod => Change::Pod(self.pod_key(), None),
            Kind::NetworkPolicy => Change::Policy(self.policy_key(), None),
            Kind::Service => Change::Service(self.service_key(), None),
            Kind::EndpointSlice => Change::EndpointSlice(self.slice_key(), None),
        }
    }

    /// The names of all objects of a kind.
    pub(crate) fn all_of(kind: Kind, cluster: &Cluster) -> BTreeSet<Self> {
        let named = |namespace: Option<&Name>, name: &Name| Self {
            kind,
            namespace: namespace.cloned(),
            name: name.clone(),
        };
        let own = |name| named(None, &Name::from(name));
        match kind {
            Kind::Node => cluster.nodes.keys().map(String::as_str).map(own).collect(),
            Kind::Namespace => cluster
                .namespaces
                .keys()
                .map(String::as_str)
                .map(own)
                .collect(),
            Kind::Pod => {
                let keys = cluster.pods.keys();
                keys.map(|key| named(Some(&key.namespace), &key.name))
                    .collect()
            }
            Kind::NetworkPolicy => {
                let keys = cluster.policies.keys();
                keys.map(|key| named(key.namespace.as_ref(), &key.name))
                    .collect()
            }
            Kind::Service => {
                let keys = cluster.services.keys();
                keys.map(|key| named(Some(&key.namespace), &key.name))
                    .collect()
            }
            Kind::EndpointSlice => {
                let keys = cluster.slices.keys();
                keys.map(|key| named(Some(&key.namespace), &key.name))
                    .collect()
            }
        }
    }

    /// Takes the object of this name out of `cluster`, and says whether there was one.
    pub(crate) fn remove_from(&self, cluster: &mut Cluster) -> bool {
        match self.kind {
            Kind::Node => cluster.nodes.remove(self.name.as_str()).is_some(),
            Kind::Namespace => cluster.namespaces.remove(self.name.as_str()).is_some(),
            Kind::Pod => cluster.pods.remove(&self.pod_key()).is_some(),
            Kind::NetworkPolicy => cluster.policies.remove(&self.policy_key()).is_some(),
            Kind::Service => cluster.services.remove(&self.service_key()).is_some(),
            Kind::EndpointSlice => cluster.slices.remove(&self.slice_key()).is_some(),
        }
    }

    pub(crate) fn pod_key(&self) -> PodKey {
        PodKey {
            namespace: self.namespace.clone().unwrap_or_default(),
            name: self.name.clone(),
        }
    }

    pub(crate) fn service_key(&self) -> ServiceKey {
        ServiceKey {
            namespace: self.namespace.clone().unwrap_or_default(),
            name: self.name.clone(),
        }
    }

    fn slice_key(&self) -> SliceKey {
        SliceKey {
            namespace: self.namespace.clone().unwrap_or_default(),
            name: self.name.clone(),
        }
    }

    pub(crate) fn policy_key(&self) -> PolicyKey {
        PolicyKey {
            kind: PolicyKind::NetworkPolicy,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// `NetworkPolicy default/db-policy`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.name())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// An object, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A node.
    Node(Node),
    /// A namespace.
    Namespace(Namespace),
    /// A pod.
    Pod(Pod),
    /// A policy.
    Policy(Arc<Policy>),
    /// A service.
    Service(Service),
    /// An endpoint slice.
    EndpointSlice(EndpointSlice),
}

impl Object {
    /// The change that says that this is the object of that name.
    pub(crate) fn change(&self, key: &ObjectKey) -> Change {
        match self {
            Self::Node(node) => Change::Node(key.name.to_string(), Some(node.clone())),
            Self::Namespace(namespace) => {
                Change::Namespace(key.name.to_string(), Some(namespace.clone()))
            }
            Self::Pod(pod) => Change::Pod(key.pod_key(), Some(pod.clone())),
            Self::Policy(policy) => Change::Policy(key.policy_key(), Some(Arc::clone(policy))),
            Self::Service(service) => Change::Service(key.service_key(), Some(service.clone())),
            Self::EndpointSlice(slice) => {
                Change::EndpointSlice(key.slice_key(), Some(slice.clone()))
            }
        }
    }

    /// Puts it into `cluster` under its name.
    pub(crate) fn insert_into(&self, key: &ObjectKey, cluster: &mut Cluster) {
        match self {
            Self::Node(node) => drop(cluster.nodes.insert(key.name.to_string(), node.clone())),
            Self::Namespace(namespace) => {
                let namespaces = &mut cluster.namespaces;
                drop(namespaces.insert(key.name.to_string(), namespace.clone()));
            }
            Self::Service(service) => {
                drop(cluster.services.insert(key.service_key(), service.clone()));
            }
            Self::EndpointSlice(slice) => {
                drop(cluster.slices.insert(key.slice_key(), slice.clone()));
            }
            Self::Pod(pod) => drop(cluster.pods.insert(key.pod_key(), pod.clone())),
            Self::Policy(policy) => {
                drop(
                    cluster
                        .policies
                        .insert(key.policy_key(), Arc::clone(policy)),
                );
            }
        }
    }
}
