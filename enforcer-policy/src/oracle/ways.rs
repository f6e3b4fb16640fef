//! The ways that lead to a service.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};

use super::backends::endpoints;
use super::objects::{namespace_of, node_addresses};
use super::{Objects, ServiceQuestion, Unanswerable};

/// A port of a service, and how it is reached.
pub(super) struct Way<'a> {
    pub(super) service: &'a Service,
    pub(super) spec: &'a ServiceSpec,
    /// None: the headless service's name, which is not translated.
    pub(super) port: Option<&'a ServicePort>,
    /// By its cluster address.
    pub(super) inside: bool,
    pub(super) six: bool,
}

pub(super) fn way_by_name<'a>(
    objects: &'a Objects,
    namespace: &str,
    name: &str,
    question: &ServiceQuestion,
    has: impl Fn(bool) -> bool,
) -> Result<Option<Way<'a>>, Unanswerable> {
    let unknown = || Unanswerable::NoSuchService(namespace.to_owned(), name.to_owned());
    let service = objects
        .services
        .iter()
        .find(|service| {
            namespace_of(&service.metadata) == namespace
                && service.metadata.name.as_deref() == Some(name)
        })
        .ok_or_else(unknown)?;
    let spec = service.spec.as_ref().ok_or_else(unknown)?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return Err(unknown());
    }
    if is_headless(spec) {
        let served = |six: &bool| {
            let all = endpoints(objects, service, None, question.port, *six);
            all.iter().any(|one| one.ready)
        };
        let own: Vec<bool> = [false, true].into_iter().filter(|six| has(*six)).collect();
        // Where no family has endpoints, any has none.
        let Some(&six) = own.iter().find(|six| served(six)).or(own.first()) else {
            return Ok(None);
        };
        return Ok(Some(Way {
            service,
            spec,
            port: None,
            inside: true,
            six,
        }));
    }
    let number = question.port;
    let port = port_of(spec, question.protocol, |port| {
        port.port == i32::from(number)
    });
    let port = port.ok_or_else(unknown)?;
    let address = cluster_ips(spec).into_iter().find(|ip| has(ip.is_ipv6()));
    Ok(address.map(|address| Way {
        service,
        spec,
        port: Some(port),
        inside: true,
        six: address.is_ipv6(),
    }))
}

pub(super) fn way_by_address<'a>(
    objects: &'a Objects,
    node: Option<&str>,
    address: IpAddr,
    protocol: u8,
    port: u16,
) -> Option<Way<'a>> {
    let number = i32::from(port);
    let own_node = objects
        .nodes
        .iter()
        .any(|one| one.metadata.name.as_deref() == node && node_addresses(one).contains(&address));
    let mut services: Vec<&Service> = objects.services.iter().collect();
    services.sort_by_key(|one| (namespace_of(&one.metadata), one.metadata.name.as_deref()));
    services.into_iter().find_map(|service| {
        let spec = service.spec.as_ref()?;
        if is_headless(spec) || spec.type_.as_deref() == Some("ExternalName") {
            return None;
        }
        let inside = cluster_ips(spec).contains(&address);
        let found = if inside || outer_ips(service, spec).contains(&address) {
            port_of(spec, protocol, |one| one.port == number)
        } else {
            None
        };
        let on_node = || {
            let typed = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"));
            let served = own_node && typed && serves(spec, address.is_ipv6());
            port_of(spec, protocol, |one| {
                served && one.node_port == Some(number)
            })
        };
        Some(Way {
            service,
            spec,
            port: Some(found.or_else(on_node)?),
            inside,
            six: address.is_ipv6(),
        })
    })
}

fn port_of(
    spec: &ServiceSpec,
    protocol: u8,
    is_it: impl Fn(&ServicePort) -> bool,
) -> Option<&ServicePort> {
    let name = match protocol {
        6 => "TCP",
        17 => "UDP",
        132 => "SCTP",
        _ => return None,
    };
    let mut ports = spec.ports.iter().flatten();
    ports.find(|port| port.protocol.as_deref().unwrap_or("TCP") == name && is_it(port))
}

fn is_headless(spec: &ServiceSpec) -> bool {
    let mut all = spec
        .cluster_ip
        .iter()
        .chain(spec.cluster_ips.iter().flatten());
    all.any(|text| text == "None")
}

fn cluster_ips(spec: &ServiceSpec) -> Vec<IpAddr> {
    let listed = spec.cluster_ips.iter().flatten();
    let all = listed.chain(&spec.cluster_ip);
    all.filter_map(|text| text.parse().ok()).collect()
}

/// External addresses, and those of the load balancer that nodes translate.
fn outer_ips(service: &Service, spec: &ServiceSpec) -> Vec<IpAddr> {
    let balancer = service
        .status
        .as_ref()
        .and_then(|it| it.load_balancer.as_ref());
    let ingress = balancer
        .and_then(|it| it.ingress.as_deref())
        .unwrap_or_default();
    let given = ingress
        .iter()
        .filter(|entry| entry.ip_mode.as_deref() != Some("Proxy"))
        .filter_map(|entry| entry.ip.as_ref());
    let external = spec.external_ips.iter().flatten();
    external
        .chain(given)
        .filter_map(|text| text.parse().ok())
        .collect()
}

/// Whether a node port is open in a family.
fn serves(spec: &ServiceSpec, six: bool) -> bool {
    let name = if six { "IPv6" } else { "IPv4" };
    let ips = cluster_ips(spec);
    match spec.ip_families.as_deref() {
        Some(families) if !families.is_empty() => families.iter().any(|one| one == name),
        _ => ips.is_empty() || ips.iter().any(|ip| ip.is_ipv6() == six),
    }
}
