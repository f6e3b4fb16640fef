//! Services, and policies that speak of their addresses and ports.

use std::net::IpAddr;
use std::rc::Rc;

use enforcer_common::abi::Direction;
use enforcer_policy::model::{Family, Service, ServiceKey};
use enforcer_policy::rule::{PeerSelector, PortMatch, PortSpec, Ports, Rule};
use enforcer_policy::service::{Backend, endpoints};

use super::index::Fronts;
use super::peers::peers;
use super::{Finding, Scene, Subject, Written};
use crate::source::manifests::{Object, closest};

/// A service whose selector no pod of its namespace matches, and that has no endpoint slices.
pub(super) fn without_pods(scene: &Scene<'_>, written: &Written<'_>) -> Vec<Finding> {
    let Object::Service(service) = written.object else {
        return Vec::new();
    };
    let key = written.key.service_key();
    let labels = service.selector.iter().map(|(key, value)| (key, value));
    let mut pods = scene.with_labels(&key.namespace, labels);
    if service.selector.is_empty()
        || scene.cluster.pods.is_empty()
        || pods.any(|(_, pod)| service.selects(pod))
        || scene.index.sliced.contains(&key)
    {
        return Vec::new();
    }
    vec![Finding::warning(
        "selects-nothing",
        "spec.selector",
        format!(
            "no pod of namespace {} in these manifests matches: connections to the service are \
             refused",
            key.namespace
        ),
        "check the labels and the namespace",
    )]
}

/// An endpoint slice that belongs to no service.
pub(super) fn orphans(scene: &Scene<'_>, written: &Written<'_>) -> Vec<Finding> {
    let Object::EndpointSlice(slice) = written.object else {
        return Vec::new();
    };
    let Some(service) = &slice.service else {
        return vec![Finding::warning(
            "no-service",
            "metadata.labels",
            "without the label kubernetes.io/service-name the slice belongs to no service",
            "add the label with the name of the service",
        )];
    };
    let services = &scene.cluster.services;
    if services.is_empty() || services.contains_key(service) {
        return Vec::new();
    }
    let names = services
        .keys()
        .filter(|key| key.namespace == service.namespace);
    let help = match closest(&service.name, names.map(|key| key.name.as_str())) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "check the label kubernetes.io/service-name and the namespace".to_owned(),
    };
    vec![Finding::warning(
        "unknown-service",
        "metadata.labels",
        format!("these manifests have no Service {service}"),
        help,
    )]
}

/// Blocks that cover cluster addresses of services and nobody who could be behind one. Policies never
/// see such an address: on its way out it has been exchanged for the pod's, and nothing comes from it.
pub(super) fn cluster_addresses(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, peer) in peers(subject) {
        let PeerSelector::Block(block) = peer else {
            continue;
        };
        let covers = |address: &IpAddr| {
            block.cidr.contains(address) && !block.except.iter().any(|hole| hole.contains(address))
        };
        let services = scene.cluster.services.iter();
        let covered: Vec<_> = services
            .filter(|(_, service)| service.cluster_ips.iter().any(covers))
            .map(|(key, _)| key.to_string())
            .collect();
        if covered.is_empty() || scene.addresses().any(|address| covers(&address)) {
            continue;
        }
        findings.push(Finding::warning(
            "service-address",
            format!("{path}.ipBlock.cidr"),
            format!(
                "{} covers the cluster address of {}, which policies never see: they are asked \
                 about the pods behind a service",
                block.cidr,
                listed(&covered)
            ),
            "select the pods behind the service with a podSelector (and namespaceSelector), and \
             their own ports",
        ));
    }
    findings
}

/// Egress entries that allow the port of a service to its pods, but not the port on which they listen.
pub(super) fn service_ports(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, rule) in subject.entries() {
        let Ports::Of(ports) = &rule.ports else {
            continue;
        };
        if rule.direction != Direction::Egress {
            continue;
        }
        for (index, port) in ports.iter().enumerate() {
            let field = format!("{path}.ports[{index}].port");
            findings.extend(translated(scene, rule, ports, port, &field));
        }
    }
    findings
}

fn translated(
    scene: &Scene<'_>,
    rule: &Rule,
    ports: &[PortMatch],
    port: &PortMatch,
    field: &str,
) -> Option<Finding> {
    let PortSpec::Range(number, last) = port.port else {
        return None;
    };
    if number != last {
        return None;
    }
    let fronts = fronts(scene, port, number);
    let mut services = fronts.iter();
    let (key, target) = services.find_map(|(key, backends)| {
        let behind = |one: &&Backend| one.pod.as_ref().is_some_and(|pod| scene.means(rule, pod));
        let other = backends.iter().find(behind)?;
        Some((key, other.port))
    })?;
    let allowed = ports.iter().any(|one| {
        one.protocol == port.protocol
            && match one.port {
                PortSpec::All | PortSpec::Named(_) => true,
                PortSpec::Range(low, high) => (low..=high).contains(&target),
            }
    });
    (!allowed && !scene.listens(rule, number)).then(|| {
        Finding::warning(
            "service-port",
            field,
            format!(
                "{number} is the port of the service {key}; its pods listen on {target}, and that \
                 is what policies see"
            ),
            format!("allow port {target}, or its name"),
        )
    })
}

/// The services that have a port of this number, with its endpoints, in their order; without those
/// that have an endpoint with the number itself: then it may be that pod's.
fn fronts(scene: &Scene<'_>, port: &PortMatch, number: u16) -> Fronts {
    let asked = (port.protocol, number);
    if let Some(known) = scene.index.fronts.borrow().get(&asked) {
        return Rc::clone(known);
    }
    let services = scene.cluster.services.iter();
    let with_backends = services.filter_map(|(key, service)| {
        let backends = backends(scene, key, service, port, number);
        let plain = backends.iter().any(|one| one.port == number);
        (!plain && !backends.is_empty()).then(|| (key.clone(), backends))
    });
    let found: Fronts = with_backends.collect();
    let mut fronts = scene.index.fronts.borrow_mut();
    fronts.insert(asked, Rc::clone(&found));
    found
}

/// The endpoints of the service's port of this number.
fn backends(
    scene: &Scene<'_>,
    key: &ServiceKey,
    service: &Service,
    port: &PortMatch,
    number: u16,
) -> Vec<Backend> {
    let mut ports = service.ports.iter();
    let Some(port) = ports.find(|one| (one.protocol, one.port) == (port.protocol, number)) else {
        return Vec::new();
    };
    let families = Family::ALL.into_iter();
    families
        .flat_map(|family| endpoints(&scene.cluster, key, service, port, family))
        .collect()
}

fn listed(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, rest @ ..] => format!("{one} and {} other services", rest.len()),
        [] => String::new(),
    }
}

impl Scene<'_> {
    /// Every address that can be the real end of a connection.
    fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let pods = self.cluster.pods.values().flat_map(|pod| &pod.addresses);
        let nodes = self.cluster.nodes.values().flat_map(|node| &node.addresses);
        let slices = self.cluster.slices.values();
        let behind = slices
            .flat_map(|slice| &slice.endpoints)
            .flat_map(|one| &one.addresses);
        pods.chain(nodes).chain(behind).copied()
    }
}
