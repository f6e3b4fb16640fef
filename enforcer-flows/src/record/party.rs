//! One side of a flow.

use std::net::IpAddr;
use std::sync::Arc;

use enforcer_policy::intern::Name;
use enforcer_policy::model::{PodKey, ServiceKey, Workload};
use enforcer_policy::selector::Labels;

/// One side of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Its address; `None` for frames without one.
    pub address: Option<IpAddr>,
    /// Its port; `None` for protocols without ports.
    pub port: Option<u16>,
    /// The number of the class of addresses that policies do not tell apart. It means something
    /// on the node that reports, as long as its daemon runs; 0 is everybody whom no policy names.
    pub identity: Option<u32>,
    /// Who has the address, where anybody is known; shared by the records of one pod.
    pub who: Option<Arc<Who>>,
}

/// Who has an address: a pod, a node, a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The pod.
    pub pod: Option<PodKey>,
    /// What the pod belongs to.
    pub workload: Option<Workload>,
    /// The pod's labels.
    pub labels: Labels,
    /// The node that the pod is on; without a pod, the node that has the address.
    pub node: Option<Name>,
    /// The service with the address: the packet has not been translated yet.
    pub service: Option<ServiceKey>,
}

impl Party {
    /// The pod, if it is one.
    pub fn pod(&self) -> Option<&PodKey> {
        self.who.as_deref()?.pod.as_ref()
    }

    /// The service, if it is one.
    pub fn service(&self) -> Option<&ServiceKey> {
        self.who.as_deref()?.service.as_ref()
    }

    /// The pod's workload.
    pub fn workload(&self) -> Option<&Workload> {
        self.who.as_deref()?.workload.as_ref()
    }

    /// The node that it is or is on.
    pub fn node(&self) -> Option<&Name> {
        self.who.as_deref()?.node.as_ref()
    }

    /// The namespace of the pod or service.
    pub fn namespace(&self) -> Option<&Name> {
        let pod = self.pod().map(|key| &key.namespace);
        pod.or_else(|| self.service().map(|key| &key.namespace))
    }

    /// Whether it is the pod `namespace/name`.
    pub fn is_pod(&self, name: &str) -> bool {
        self.pod()
            .is_some_and(|key| is_named(&key.namespace, &key.name, name))
    }

    /// Whether it is the service `namespace/name`.
    pub fn is_service(&self, name: &str) -> bool {
        self.service()
            .is_some_and(|key| is_named(&key.namespace, &key.name, name))
    }
}

impl Who {
    /// Whether nothing is known.
    pub fn is_nobody(&self) -> bool {
        self.pod.is_none() && self.node.is_none() && self.service.is_none()
    }
}

pub(super) fn is_named(namespace: &str, name: &str, full: &str) -> bool {
    full.split_once('/') == Some((namespace, name))
}
