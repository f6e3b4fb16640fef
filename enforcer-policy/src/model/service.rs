//! Services, as far as they say where a connection goes.

use std::fmt;
use std::net::IpAddr;

use super::{Family, Pod};
use crate::intern::Name;
use crate::rule::Protocol;
use crate::selector::Labels;

/// The name of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its type.
    pub kind: ServiceKind,
    /// `clusterIPs`; empty when it is headless.
    pub cluster_ips: Vec<IpAddr>,
    /// `externalIPs`.
    pub external_ips: Vec<IpAddr>,
    /// The addresses of its load balancer that proxies translate on every node (`ipMode` VIP).
    pub balancer_ips: Vec<IpAddr>,
    /// It has no cluster address on purpose: its name means the backends themselves.
    pub headless: bool,
    /// Families in which it is served.
    pub families: Vec<Family>,
    /// Labels of its pods; empty when somebody else writes its endpoint slices.
    pub selector: Labels,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Pods are backends whether they are ready or not.
    pub publish_not_ready: bool,
    /// To which backends clients of the cluster address are sent.
    pub internal: TrafficPolicy,
    /// To which backends clients from outside are sent; with [`TrafficPolicy::Local`] they keep their
    /// source address.
    pub external: TrafficPolicy,
    /// For how many seconds a client is sent to the same backend again, if it is.
    pub affinity: Option<u32>,
}

/// The types of services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKind {
    /// Addresses inside the cluster, or none.
    #[default]
    ClusterIp,
    /// Also a port on every node.
    NodePort,
    /// Also a load balancer.
    LoadBalancer,
    /// Another name for something in DNS: no addresses, no proxy.
    ExternalName,
}

/// To which backends a node sends clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrafficPolicy {
    /// All.
    #[default]
    Cluster,
    /// Its own.
    Local,
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty when it is the only one.
    pub name: Name,
    /// Its protocol.
    pub protocol: Protocol,
    /// Where clients connect.
    pub port: u16,
    /// Where backends listen.
    pub target: TargetPort,
    /// Its port on every node.
    pub node_port: Option<u16>,
}

/// `targetPort`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetPort {
    /// The same number for all pods.
    Number(u16),
    /// Each pod's port of this name.
    Name(Name),
}

impl Service {
    /// The addresses that proxies translate on every node, with repetition where the object repeats
    /// itself.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let lists = [&self.cluster_ips, &self.external_ips, &self.balancer_ips];
        lists.into_iter().flatten().copied()
    }

    /// Whether its selector means a pod of its namespace. Without a selector it means none.
    pub fn selects(&self, pod: &Pod) -> bool {
        let mut wanted = self.selector.iter();
        !self.selector.is_empty() && wanted.all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}
