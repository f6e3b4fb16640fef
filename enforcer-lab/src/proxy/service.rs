//! What a proxy knows of services.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::Protocol;

/// A service with its backends. One without a cluster address (headless) is nothing to a proxy.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// `namespace/name`.
    pub name: String,
    /// At most one of each family.
    pub cluster_ips: Vec<IpAddr>,
    /// `externalIPs`.
    pub external_ips: Vec<IpAddr>,
    /// The addresses of `status.loadBalancer.ingress`.
    pub load_balancer_ips: Vec<IpAddr>,
    /// The time limit of `sessionAffinity: ClientIP`.
    pub affinity: Option<Duration>,
    /// `internalTrafficPolicy`: for cluster addresses.
    pub internal: TrafficPolicy,
    /// `externalTrafficPolicy`: for all other addresses, and node ports.
    pub external: TrafficPolicy,
    /// The ports.
    pub ports: Vec<ServicePort>,
}

/// Which backends traffic may go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// All.
    #[default]
    Cluster,
    /// Those of this node.
    Local,
}

/// A port of a service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// Its name; may be empty.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port at the service's addresses.
    pub port: u16,
    /// The port at the node's addresses.
    pub node_port: Option<u16>,
    /// Where to.
    pub backends: Vec<Backend>,
}

/// A backend of a service's port.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// The pod's address and the target port.
    pub to: SocketAddr,
    /// Others get no new connections.
    pub ready: bool,
    /// It is on the proxy's node.
    pub local: bool,
}
