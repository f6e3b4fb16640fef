//! Which service an address and a port mean.

use std::fmt;
use std::net::IpAddr;

use crate::model::{Cluster, Family, Service, ServiceKey, ServicePort};
use crate::rule::Protocol;

/// A port of a service, reached in one of several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontend<'a> {
    /// The service's name.
    pub key: &'a ServiceKey,
    /// The service.
    pub service: &'a Service,
    /// Its port.
    pub port: &'a ServicePort,
    /// How it is reached.
    pub via: Via,
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// By its cluster address.
    ClusterIp,
    /// By one of its external addresses.
    ExternalIp,
    /// By an address of its load balancer.
    Balancer,
    /// By its port on a node.
    NodePort,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterIp => "cluster address",
            Self::ExternalIp => "external address",
            Self::Balancer => "load balancer's address",
            Self::NodePort => "node port",
        })
    }
}

/// The service port that the proxy of `node` translates an address and a port for: that of a service
/// that has the address, else that of a node port; the first service by name, for nothing else is
/// defined when several claim the same.
///
/// A node port is translated by the node whose address it is; what other nodes do about it is
/// behind the policies of the sender.
pub fn frontend<'a>(
    cluster: &'a Cluster,
    address: IpAddr,
    protocol: Protocol,
    port: u16,
    node: Option<&str>,
) -> Option<Frontend<'a>> {
    let own = node.and_then(|name| cluster.nodes.get(name));
    let own = own.is_some_and(|node| node.addresses.contains(&address));
    let by = |own_node: bool| {
        let mut services = cluster.services.iter();
        services
            .find_map(|(key, service)| frontend_of(key, service, address, protocol, port, own_node))
    };
    by(false).or_else(|| by(true).filter(|_| own))
}

/// The service port that a service's name means, and the address behind it: its first cluster address
/// of a family that the client `has`.
pub fn by_name<'a>(
    key: &'a ServiceKey,
    service: &'a Service,
    protocol: Protocol,
    port: u16,
    has: impl Fn(Family) -> bool,
) -> Option<(IpAddr, Frontend<'a>)> {
    let mut addresses = service.cluster_ips.iter();
    let address = *addresses.find(|address| has(Family::of(**address)))?;
    let found = frontend_of(key, service, address, protocol, port, false)?;
    Some((address, found))
}

/// What an address and a port mean for one service; `own_node` says that the address is one of the node that translates.
pub fn frontend_of<'a>(
    key: &'a ServiceKey,
    service: &'a Service,
    address: IpAddr,
    protocol: Protocol,
    port: u16,
    own_node: bool,
) -> Option<Frontend<'a>> {
    let by_address = [
        (Via::ClusterIp, &service.cluster_ips),
        (Via::ExternalIp, &service.external_ips),
        (Via::Balancer, &service.balancer_ips),
    ];
    let by_address = by_address
        .into_iter()
        .find(|(_, addresses)| addresses.contains(&address))
        .and_then(|(via, _)| {
            let mut ports = service.ports.iter();
            let found = ports.find(|one| (one.protocol, one.port) == (protocol, port))?;
            Some((via, found))
        });
    let by_node = || {
        let served = service.families.contains(&Family::of(address)) && !service.headless;
        let mut ports = service.ports.iter().filter(|_| own_node && served);
        let found = ports.find(|one| one.protocol == protocol && one.node_port == Some(port))?;
        Some((Via::NodePort, found))
    };
    let (via, port) = by_address.or_else(by_node)?;
    Some(Frontend {
        key,
        service,
        port,
        via,
    })
}
