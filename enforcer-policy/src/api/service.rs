//! Services.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::choice::choice;
use super::{meta, syntax};
use crate::intern::Name;
use crate::invalid::{Invalid, Problem};
use crate::lower::protocol;
use crate::model::{
    Family, Service, ServiceKey, ServiceKind, ServicePort, TargetPort, TrafficPolicy,
};

/// What `clusterIP` is when the service is to have none.
const HEADLESS: &str = "None";

/// How long the API server lets a client stay with its backend when nobody says how long.
const AFFINITY_SECONDS: u32 = 10_800;

/// A service by name.
///
/// Services of the type `ExternalName` and headless ones have no addresses, whatever else they name:
/// no proxy looks at them. Neither does one look at load balancers' addresses of the `ipMode` Proxy.
///
/// # Errors
/// All that is wrong with its name, type, selector, addresses, ports and the policies of its traffic.
pub fn service(object: &v1::Service) -> Result<(ServiceKey, Service), Vec<Invalid>> {
    let mut invalid = Vec::new();
    let key = ServiceKey {
        namespace: meta::namespace(&object.metadata, &mut invalid),
        name: meta::label_name(&object.metadata, &mut invalid),
    };
    let service = if let Some(spec) = &object.spec {
        from_spec(spec, object.status.as_ref(), &mut invalid)
    } else {
        invalid.push(Invalid::new("spec", Problem::Missing));
        Service::default()
    };
    meta::finish((key, service), invalid)
}

fn from_spec(
    spec: &v1::ServiceSpec,
    status: Option<&v1::ServiceStatus>,
    invalid: &mut Vec<Invalid>,
) -> Service {
    let kind = kind(spec, invalid);
    let headless = is_headless(spec);
    let cluster_ips = cluster_ips(spec, invalid);
    let mut service = Service {
        kind,
        families: families(spec, &cluster_ips, invalid),
        cluster_ips,
        external_ips: external_ips(spec, invalid),
        balancer_ips: balancer_ips(status, invalid),
        headless,
        selector: meta::labels(spec.selector.as_ref(), "spec.selector", invalid),
        ports: ports(spec, kind, invalid),
        publish_not_ready: spec.publish_not_ready_addresses.unwrap_or(false),
        internal: traffic_policy(
            spec.internal_traffic_policy.as_deref(),
            "spec.internalTrafficPolicy",
            invalid,
        ),
        external: traffic_policy(
            spec.external_traffic_policy.as_deref(),
            "spec.externalTrafficPolicy",
            invalid,
        ),
        affinity: affinity(spec, invalid),
    };
    if headless || kind == ServiceKind::ExternalName {
        service.cluster_ips.clear();
        service.external_ips.clear();
        service.balancer_ips.clear();
    }
    if spec.ports.iter().flatten().next().is_none()
        && !headless
        && kind != ServiceKind::ExternalName
    {
        invalid.push(Invalid::new("spec.ports", Problem::Missing));
    }
    service
}

fn kind(spec: &v1::ServiceSpec, invalid: &mut Vec<Invalid>) -> ServiceKind {
    let known = [
        ("ClusterIP", ServiceKind::ClusterIp),
        ("NodePort", ServiceKind::NodePort),
        ("LoadBalancer", ServiceKind::LoadBalancer),
        ("ExternalName", ServiceKind::ExternalName),
    ];
    let names = &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"];
    choice(spec.type_.as_deref(), &known, names, "spec.type", invalid).unwrap_or_default()
}

fn is_headless(spec: &v1::ServiceSpec) -> bool {
    let listed = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    listed.into_iter().any(|text| text == HEADLESS)
}

/// `clusterIPs` and `clusterIP` are one list, with at most one address of a family.
fn cluster_ips(spec: &v1::ServiceSpec, invalid: &mut Vec<Invalid>) -> Vec<IpAddr> {
    let listed = spec.cluster_ips.iter().flatten().enumerate();
    let listed = listed.map(|(index, text)| (format!("spec.clusterIPs[{index}]"), text));
    let single = spec.cluster_ip.iter();
    let single = single.map(|text| ("spec.clusterIP".to_owned(), text));
    let mut found: Vec<IpAddr> = Vec::new();
    for (field, text) in listed.chain(single) {
        // Not given yet, or not to be given.
        if text.is_empty() || text == HEADLESS {
            continue;
        }
        let Some(address) = address(text, &field, invalid) else {
            continue;
        };
        if found.contains(&address) {
            continue;
        }
        if found
            .iter()
            .any(|other| Family::of(*other) == Family::of(address))
        {
            let (what, most) = ("address of a family", 1);
            invalid.push(Invalid::new(field, Problem::TooMany { what, most }));
            continue;
        }
        found.push(address);
    }
    found
}

fn external_ips(spec: &v1::ServiceSpec, invalid: &mut Vec<Invalid>) -> Vec<IpAddr> {
    let listed = spec.external_ips.iter().flatten().enumerate();
    listed
        .filter_map(|(index, text)| address(text, &format!("spec.externalIPs[{index}]"), invalid))
        .collect()
}

fn balancer_ips(status: Option<&v1::ServiceStatus>, invalid: &mut Vec<Invalid>) -> Vec<IpAddr> {
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let listed = balancer.into_iter().flat_map(|one| &one.ingress).flatten();
    let mut found = Vec::new();
    for (index, entry) in listed.enumerate() {
        let field = format!("status.loadBalancer.ingress[{index}].ip");
        let text = entry.ip.as_ref().filter(|text| !text.is_empty());
        let translated = entry.ip_mode.as_deref() != Some("Proxy");
        found.extend(
            text.and_then(|text| address(text, &field, invalid))
                .filter(|_| translated),
        );
    }
    found
}

fn address(text: &str, field: &str, invalid: &mut Vec<Invalid>) -> Option<IpAddr> {
    let address = syntax::address(text);
    if address.is_none() {
        let problem = Problem::NotAnAddress(text.to_owned());
        invalid.push(Invalid::new(field, problem));
    }
    address
}

/// `ipFamilies`; else those of the addresses; else nobody knows, and it may be both.
fn families(
    spec: &v1::ServiceSpec,
    cluster_ips: &[IpAddr],
    invalid: &mut Vec<Invalid>,
) -> Vec<Family> {
    let known = [("IPv4", Family::V4), ("IPv6", Family::V6)];
    let mut families: Vec<Family> = Vec::new();
    for (index, name) in spec.ip_families.iter().flatten().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        families.extend(choice(
            Some(name),
            &known,
            &["IPv4", "IPv6"],
            &field,
            invalid,
        ));
    }
    if families.is_empty() {
        families.extend(cluster_ips.iter().map(|address| Family::of(*address)));
    }
    if families.is_empty() {
        families.extend(Family::ALL);
    }
    families
}

fn traffic_policy(name: Option<&str>, field: &str, invalid: &mut Vec<Invalid>) -> TrafficPolicy {
    let known = [
        ("Cluster", TrafficPolicy::Cluster),
        ("Local", TrafficPolicy::Local),
    ];
    choice(name, &known, &["Cluster", "Local"], field, invalid).unwrap_or_default()
}

fn affinity(spec: &v1::ServiceSpec, invalid: &mut Vec<Invalid>) -> Option<u32> {
    let known = [("None", false), ("ClientIP", true)];
    let name = spec.session_affinity.as_deref();
    let field = "spec.sessionAffinity";
    if !choice(name, &known, &["None", "ClientIP"], field, invalid)? {
        return None;
    }
    let config = spec.session_affinity_config.as_ref();
    let seconds = config
        .and_then(|config| config.client_ip.as_ref())
        .and_then(|client| client.timeout_seconds)
        .and_then(|seconds| u32::try_from(seconds).ok());
    Some(seconds.unwrap_or(AFFINITY_SECONDS))
}

fn ports(
    spec: &v1::ServiceSpec,
    kind: ServiceKind,
    invalid: &mut Vec<Invalid>,
) -> Vec<ServicePort> {
    let entries = spec.ports.as_deref().unwrap_or_default();
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    let mut ports = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let name = entry.name.clone().unwrap_or_default();
        if name.is_empty() && entries.len() > 1 {
            invalid.push(Invalid::new(format!("{path}.name"), Problem::Missing));
        } else if !name.is_empty() && !syntax::is_dns_label(&name) {
            let problem = Problem::BadName(name.clone());
            invalid.push(Invalid::new(format!("{path}.name"), problem));
        } else if !names.insert(name.clone()) {
            let problem = Problem::Duplicate(name.clone());
            invalid.push(Invalid::new(format!("{path}.name"), problem));
        }
        let Some(port) = port(entry, &path, kind, invalid) else {
            continue;
        };
        if !numbers.insert((port.protocol, port.port)) {
            let problem = Problem::Duplicate(format!("{} {}", port.protocol, port.port));
            invalid.push(Invalid::new(format!("{path}.port"), problem));
        }
        ports.push(ServicePort {
            name: name.into(),
            ..port
        });
    }
    ports
}

/// A port, without its name.
fn port(
    entry: &v1::ServicePort,
    path: &str,
    kind: ServiceKind,
    invalid: &mut Vec<Invalid>,
) -> Option<ServicePort> {
    let protocol = protocol(entry.protocol.as_deref(), path, invalid);
    let port = number(entry.port, &format!("{path}.port"), invalid);
    let target = target(entry, &format!("{path}.targetPort"), invalid);
    let on_nodes = matches!(kind, ServiceKind::NodePort | ServiceKind::LoadBalancer);
    let node_port = entry.node_port.filter(|port| *port != 0 && on_nodes);
    let node_port = node_port.map(|port| number(port, &format!("{path}.nodePort"), invalid));
    Some(ServicePort {
        name: Name::default(),
        protocol: protocol?,
        port: port?,
        target: target?,
        node_port: node_port.flatten(),
    })
}

/// Where nothing, 0 or "" is given it is the port itself.
fn target(entry: &v1::ServicePort, field: &str, invalid: &mut Vec<Invalid>) -> Option<TargetPort> {
    match &entry.target_port {
        Some(IntOrString::String(name)) if !name.is_empty() => {
            if syntax::is_port_name(name) {
                return Some(TargetPort::Name(name.into()));
            }
            let problem = Problem::NotAPortName(name.clone());
            invalid.push(Invalid::new(field, problem));
            None
        }
        Some(IntOrString::Int(port)) if *port != 0 => {
            number(*port, field, invalid).map(TargetPort::Number)
        }
        _ => syntax::port_number(entry.port).map(TargetPort::Number),
    }
}

fn number(number: i32, field: &str, invalid: &mut Vec<Invalid>) -> Option<u16> {
    let port = syntax::port_number(number);
    if port.is_none() {
        let problem = Problem::PortOutOfRange(number.into());
        invalid.push(Invalid::new(field, problem));
    }
    port
}

#[cfg(test)]
mod tests;
