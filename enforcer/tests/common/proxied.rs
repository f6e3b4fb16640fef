//! What kube-proxy makes of Service and EndpointSlice objects.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use enforcer_lab::Protocol;
use enforcer_lab::proxy::{Backend, Service, ServicePort, TrafficPolicy};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;

/// Names the service that a slice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The services for a proxy. `is_local` says which backends are on its node.
pub(crate) fn services(
    services: &[core::Service],
    slices: &[EndpointSlice],
    is_local: impl Fn(IpAddr) -> bool,
) -> Vec<Service> {
    let convert = |service: &core::Service| {
        let name = service.metadata.name.clone().unwrap();
        let namespace = namespace(service.metadata.namespace.as_ref());
        let of_service = |slice: &&EndpointSlice| {
            let labels = slice.metadata.labels.iter().flatten();
            labels
                .filter(|(key, _)| *key == SERVICE_NAME)
                .any(|(_, value)| *value == name)
                && self::namespace(slice.metadata.namespace.as_ref()) == namespace
        };
        let slices: Vec<&EndpointSlice> = slices.iter().filter(of_service).collect();
        one(service, format!("{namespace}/{name}"), &slices, &is_local)
    };
    services.iter().map(convert).collect()
}

fn namespace(given: Option<&String>) -> String {
    given.map_or("default", String::as_str).to_owned()
}

fn one(
    object: &core::Service,
    name: String,
    slices: &[&EndpointSlice],
    is_local: &impl Fn(IpAddr) -> bool,
) -> Service {
    let spec = object.spec.as_ref().unwrap();
    let cluster = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    let mut cluster_ips: Vec<IpAddr> = cluster.filter_map(|ip| ip.parse().ok()).collect();
    cluster_ips.dedup();
    let balancer = object
        .status
        .iter()
        .filter_map(|status| status.load_balancer.as_ref());
    let ingress = balancer.flat_map(|balancer| balancer.ingress.iter().flatten());
    let policy = |given: &Option<String>| match given.as_deref() {
        Some("Local") => TrafficPolicy::Local,
        _ => TrafficPolicy::Cluster,
    };
    let ports = spec.ports.iter().flatten().map(|port| {
        let port_name = port.name.clone().unwrap_or_default();
        ServicePort {
            protocol: protocol(port.protocol.as_deref()),
            port: number(port.port),
            node_port: port.node_port.map(number),
            backends: backends(&port_name, slices, is_local),
            name: port_name,
        }
    });
    Service {
        name,
        cluster_ips,
        external_ips: addresses(spec.external_ips.iter().flatten()),
        load_balancer_ips: addresses(
            ingress
                .filter(|ingress| ingress.ip_mode.as_deref() != Some("Proxy"))
                .filter_map(|ingress| ingress.ip.as_ref()),
        ),
        affinity: (spec.session_affinity.as_deref() == Some("ClientIP"))
            .then_some(Duration::from_secs(10_800)),
        internal: policy(&spec.internal_traffic_policy),
        external: policy(&spec.external_traffic_policy),
        ports: ports.collect(),
    }
}

fn addresses<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<IpAddr> {
    texts.map(|text| text.parse().unwrap()).collect()
}

fn number(port: i32) -> u16 {
    port.try_into().unwrap()
}

fn protocol(given: Option<&str>) -> Protocol {
    match given {
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        _ => Protocol::Tcp,
    }
}

/// The backends of the service port with this name; each one once.
fn backends(
    port: &str,
    slices: &[&EndpointSlice],
    is_local: &impl Fn(IpAddr) -> bool,
) -> Vec<Backend> {
    let mut found = BTreeMap::new();
    for slice in slices {
        let ports = slice.ports.iter().flatten();
        let of_name = ports.filter(|other| other.name.as_deref().unwrap_or_default() == port);
        for target in of_name.filter_map(|port| port.port) {
            for endpoint in &slice.endpoints {
                let conditions = endpoint.conditions.as_ref();
                let ready = conditions.and_then(|it| it.ready).unwrap_or(true);
                for address in &endpoint.addresses {
                    let address: IpAddr = address.parse().unwrap();
                    let backend = Backend {
                        to: SocketAddr::new(address, number(target)),
                        ready,
                        local: is_local(address),
                    };
                    found.insert(backend.to, backend);
                }
            }
        }
    }
    found.into_values().collect()
}
