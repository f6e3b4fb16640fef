//! Services, and the slices that a cluster would keep of their backends.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_policy::oracle::Objects;
use k8s_openapi::api::core::v1::{Container, Pod, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::cluster::Layout;
use crate::generate::pools::{HOMES, POD_LABELS, PORT_NAMES, PORT_NUMBERS};
use crate::generate::selectors::label;

/// Services, at most.
pub(super) const SERVICES: usize = 4;

/// The service with this number.
pub(super) fn service(number: usize, layout: Layout) -> impl Strategy<Value = Service> {
    let policy = || weighted(0.5, select(&["Cluster", "Local"][..]));
    (
        select(HOMES),
        weighted(0.5, label(POD_LABELS[0].0, POD_LABELS[0].1)),
        vec(port(number), 1..=2),
        any::<bool>(),
        (policy(), policy()),
    )
        .prop_map(
            move |(home, selector, mut ports, node_ports, (internal, external))| {
                for (index, port) in ports.iter_mut().enumerate() {
                    // Ports of a service are different ones, with different names.
                    port.name = Some(format!("port-{index}"));
                    port.port += i32::try_from(index).unwrap_or_default();
                    let node_port = 30_000 + 10 * number + index;
                    port.node_port = i32::try_from(node_port).ok().filter(|_| node_ports);
                }
                let addresses: Vec<String> = cluster_ips(number, layout);
                let mut service = Service::default();
                service.metadata.namespace = (home != "default").then(|| home.to_owned());
                service.metadata.name = Some(format!("s{number}"));
                service.spec = Some(ServiceSpec {
                    type_: Some(if node_ports { "NodePort" } else { "ClusterIP" }.to_owned()),
                    cluster_ip: addresses.first().cloned(),
                    cluster_ips: Some(addresses),
                    // Without one, somebody else writes the slices: here, with all pods of the namespace.
                    selector: selector.map(|label| BTreeMap::from([label])),
                    ports: Some(ports),
                    internal_traffic_policy: internal.map(str::to_owned),
                    external_traffic_policy: external.filter(|_| node_ports).map(str::to_owned),
                    ..ServiceSpec::default()
                });
                service
            },
        )
}

fn port(number: usize) -> impl Strategy<Value = ServicePort> {
    let target = prop_oneof![
        3 => select(PORT_NUMBERS).prop_map(IntOrString::Int),
        2 => select(PORT_NAMES).prop_map(|name| IntOrString::String(name.to_owned())),
    ];
    let front = i32::try_from(5000 + 10 * number).unwrap_or_default();
    (target, select(&["TCP", "TCP", "UDP"][..])).prop_map(move |(target, protocol)| ServicePort {
        port: front,
        target_port: Some(target),
        protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    })
}

fn cluster_ips(number: usize, layout: Layout) -> Vec<String> {
    let v4 = layout
        .families
        .0
        .then(|| format!("10.96.0.{}", number + 10));
    let v6 = layout
        .families
        .1
        .then(|| format!("fd00:10:96::{:x}", number + 10));
    v4.into_iter().chain(v6).collect()
}

/// What a cluster would write about the backends of all services, as the pods are now. One pod
/// in four is not ready.
pub fn slices(objects: &Objects) -> Vec<EndpointSlice> {
    let services = objects.services.iter();
    services
        .flat_map(|service| slices_of(objects, service))
        .collect()
}

/// One slice for each family and set of target ports.
fn slices_of(objects: &Objects, service: &Service) -> Vec<EndpointSlice> {
    let Some(spec) = &service.spec else {
        return Vec::new();
    };
    let ports = spec.ports.as_deref().unwrap_or_default();
    let mut groups: BTreeMap<(bool, Vec<Option<i32>>), Vec<Endpoint>> = BTreeMap::new();
    for pod in objects
        .pods
        .iter()
        .filter(|pod| is_behind(service, spec, pod))
    {
        let targets: Vec<_> = ports.iter().map(|port| target(port, pod)).collect();
        for address in addresses(pod) {
            let group = groups.entry((address.is_ipv6(), targets.clone()));
            group.or_default().push(endpoint(pod, address));
        }
    }
    let slice = |(index, ((six, targets), endpoints)): (usize, (_, Vec<Endpoint>))| {
        let targets: Vec<Option<i32>> = targets;
        let known = ports.iter().zip(targets);
        let known = known.filter_map(|(port, number)| {
            Some(EndpointPort {
                name: port.name.clone(),
                protocol: port.protocol.clone(),
                port: Some(number?),
                ..EndpointPort::default()
            })
        });
        let name = service.metadata.name.clone().unwrap_or_default();
        let mut slice = EndpointSlice::default();
        slice
            .metadata
            .namespace
            .clone_from(&service.metadata.namespace);
        slice.metadata.name = Some(format!("{name}-{index}"));
        let label = ("kubernetes.io/service-name".to_owned(), name);
        slice.metadata.labels = Some(BTreeMap::from([label]));
        let family = if six { "IPv6" } else { "IPv4" };
        family.clone_into(&mut slice.address_type);
        slice.ports = Some(known.collect());
        slice.endpoints = endpoints;
        slice
    };
    groups.into_iter().enumerate().map(slice).collect()
}

fn is_behind(service: &Service, spec: &ServiceSpec, pod: &Pod) -> bool {
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    let host = pod.spec.as_ref().and_then(|spec| spec.host_network);
    phase == Some("Running")
        && host != Some(true)
        && service.metadata.namespace == pod.metadata.namespace
        && spec
            .selector
            .iter()
            .flatten()
            .all(|(key, value)| labels.get(key) == Some(value))
}

fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let status = pod.status.iter();
    let entries = status.flat_map(|status| status.pod_ips.iter().flatten());
    entries.filter_map(|entry| entry.ip.parse().ok()).collect()
}

/// The number of a target port at a pod, if that has it.
fn target(port: &ServicePort, pod: &Pod) -> Option<i32> {
    match port.target_port.as_ref()? {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let ports = containers.flat_map(|one: &Container| one.ports.iter().flatten());
            let mut same = ports.filter(|one| {
                let protocol = one.protocol.as_deref().unwrap_or("TCP");
                one.name.as_ref() == Some(name) && port.protocol.as_deref() == Some(protocol)
            });
            same.next().map(|one| one.container_port)
        }
    }
}

fn endpoint(pod: &Pod, address: IpAddr) -> Endpoint {
    let idle = match address {
        IpAddr::V4(v4) => v4.octets()[3] % 4 == 1,
        IpAddr::V6(v6) => v6.octets()[15] % 4 == 1,
    };
    Endpoint {
        addresses: vec![address.to_string()],
        node_name: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        conditions: Some(EndpointConditions {
            ready: Some(!idle),
            serving: Some(!idle),
            terminating: Some(false),
        }),
        ..Endpoint::default()
    }
}
