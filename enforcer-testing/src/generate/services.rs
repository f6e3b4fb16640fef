//! Random services, and questions about them.

use std::net::IpAddr;

use enforcer_policy::oracle::{Objects, ServiceQuestion, Side, Target};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::cluster::objects;
use super::pools::{
    HOMES, MAX_PODS, NODES, POD_LABELS, PORT_NAMES, PORT_NUMBERS, PROTOCOLS, node_v4, node_v6,
    pod_v4, pod_v6,
};

/// Services have these names by number.
const MAX_SERVICES: usize = 3;

/// A cluster of [`objects`] with up to 3 services, some of which somebody else writes the slices of.
pub fn objects_with_services() -> impl Strategy<Value = Objects> {
    let services: Vec<_> = (0..MAX_SERVICES).map(service).collect();
    let slices: Vec<_> = (0..MAX_SERVICES)
        .map(|number| vec(slice(number), 0..=2))
        .collect();
    let written = vec(prop::bool::weighted(0.3), MAX_SERVICES);
    (objects(), services, slices, written).prop_map(|(mut objects, services, slices, written)| {
        for ((service, slices), written) in services.into_iter().zip(slices).zip(written) {
            if written {
                objects.slices.extend(slices_of(&service, slices));
            }
            objects.services.push(service);
        }
        objects
    })
}

/// Every pod with every service, by its name and by every address, at every port and one that is none.
pub fn about_services(objects: &Objects) -> Vec<ServiceQuestion> {
    let mut questions = Vec::new();
    for pod in &objects.pods {
        let metadata = &pod.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        let name = metadata.name.clone().unwrap_or_default();
        let from = Side::Pod(namespace.to_owned(), name);
        for (to, ports) in objects.services.iter().flat_map(targets) {
            for (protocol, port) in ports {
                questions.push(ServiceQuestion {
                    from: from.clone(),
                    to: to.clone(),
                    protocol,
                    port,
                });
            }
        }
    }
    questions
}

type Ports = Vec<(u8, u16)>;

fn targets(service: &Service) -> Vec<(Target, Ports)> {
    let Some(spec) = &service.spec else {
        return Vec::new();
    };
    let entries = || spec.ports.iter().flatten();
    let number = |port: i32| u16::try_from(port).unwrap_or_default();
    let ports: Ports = entries()
        .map(|entry| (protocol_of(entry), number(entry.port)))
        .chain([(6, 4444)])
        .collect();
    let node_ports: Ports = entries()
        .filter_map(|entry| Some((protocol_of(entry), number(entry.node_port?))))
        .collect();
    let metadata = &service.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    let name = metadata.name.clone().unwrap_or_default();
    let by_name = (Target::Name(namespace.to_owned(), name), ports.clone());
    let cluster = spec.cluster_ips.iter().flatten();
    let external = spec.external_ips.iter().flatten();
    let addresses = cluster.chain(external).filter_map(|text| text.parse().ok());
    let nodes = (0..NODES.len()).flat_map(|number| [node_v4(number), node_v6(number)]);
    let nodes = nodes.filter_map(|text| text.parse::<IpAddr>().ok());
    std::iter::once(by_name)
        .chain(addresses.map(|address| (Target::Address(address), ports.clone())))
        .chain(nodes.map(|address| (Target::Address(address), node_ports.clone())))
        .collect()
}

fn protocol_of(port: &ServicePort) -> u8 {
    match port.protocol.as_deref() {
        Some("UDP") => 17,
        Some("SCTP") => 132,
        _ => 6,
    }
}

/// The service with this number.
fn service(number: usize) -> impl Strategy<Value = Service> {
    let kind = select(&["ClusterIP", "ClusterIP", "NodePort", "None"][..]);
    let homes = select(&HOMES[..5]);
    let families = select(&[(true, true), (true, false), (false, true)][..]);
    let local = || weighted(0.2, Just("Local".to_owned()));
    (
        (homes, kind, families),
        weighted(0.95, select(POD_LABELS[0].1)),
        vec(port(), 1..=2),
        (any::<bool>(), local(), local(), weighted(0.2, Just(true))),
    )
        .prop_map(
            move |((namespace, kind, (v4, v6)), selector, ports, policies)| {
                let (external, internal_traffic_policy, external_traffic_policy, publish) =
                    policies;
                let headless = kind == "None";
                let key = POD_LABELS[0].0.to_owned();
                let selector = selector.map(|value| [(key, value.to_owned())].into());
                let own = [
                    v4.then(|| format!("10.96.0.{}", number + 10)),
                    v6.then(|| format!("fd00:96::{:x}", number + 10)),
                ];
                let own = own.into_iter().flatten().collect();
                let mut service = Service::default();
                service.metadata.namespace = (namespace != "default").then(|| namespace.to_owned());
                service.metadata.name = Some(format!("s{number}"));
                service.spec = Some(ServiceSpec {
                    type_: Some(if headless { "ClusterIP" } else { kind }.to_owned()),
                    cluster_ips: Some(if headless {
                        vec!["None".to_owned()]
                    } else {
                        own
                    }),
                    external_ips: external.then(|| vec![format!("198.51.100.{}", number + 10)]),
                    selector,
                    ports: Some(distinct(ports, number, kind == "NodePort")),
                    internal_traffic_policy,
                    external_traffic_policy,
                    publish_not_ready_addresses: publish,
                    ..ServiceSpec::default()
                });
                service
            },
        )
}

/// Ports of one service have names and numbers of their own.
fn distinct(mut ports: Vec<ServicePort>, service: usize, on_nodes: bool) -> Vec<ServicePort> {
    let alone = ports.len() == 1;
    for (index, port) in (0..).zip(&mut ports) {
        port.name = (!alone).then(|| format!("port-{index}"));
        port.port += index * 1000;
        let first = 30000 + i32::try_from(service).unwrap_or_default() * 10;
        port.node_port = on_nodes.then_some(first + index);
    }
    ports
}

fn port() -> impl Strategy<Value = ServicePort> {
    let target = prop_oneof![
        1 => Just(None),
        2 => select(PORT_NUMBERS).prop_map(|number| Some(IntOrString::Int(number))),
        2 => select(PORT_NAMES).prop_map(|name| Some(IntOrString::String(name.to_owned()))),
    ];
    let number = select(&[80, 443, 5432][..]);
    (number, target, weighted(0.3, select(PROTOCOLS))).prop_map(|(port, target_port, protocol)| {
        ServicePort {
            port,
            target_port,
            protocol: protocol.map(str::to_owned),
            ..ServicePort::default()
        }
    })
}

/// Endpoints that somebody has written for the service with this number: pods, or what is nobody's.
fn slice(number: usize) -> impl Strategy<Value = EndpointSlice> {
    let maybe = || weighted(0.5, any::<bool>());
    let endpoint = (0..=MAX_PODS, (maybe(), maybe(), maybe()), 0..NODES.len());
    (any::<bool>(), vec(endpoint, 0..=3)).prop_map(move |(six, endpoints)| {
        let family = if six { "IPv6" } else { "IPv4" };
        let mut slice = EndpointSlice {
            address_type: family.to_owned(),
            ..EndpointSlice::default()
        };
        slice.metadata.name = Some(format!("s{number}-{}", family.to_lowercase()));
        slice.endpoints = endpoints
            .into_iter()
            .map(|(pod, (ready, serving, terminating), node)| Endpoint {
                addresses: vec![if six { pod_v6(pod) } else { pod_v4(pod) }],
                conditions: Some(EndpointConditions {
                    ready,
                    serving,
                    terminating,
                }),
                node_name: Some(NODES[node].to_owned()),
                ..Endpoint::default()
            })
            .collect();
        slice
    })
}

/// The slices under the names, ports and label that those of the service have; one of each family.
fn slices_of(service: &Service, slices: Vec<EndpointSlice>) -> Vec<EndpointSlice> {
    let spec = service.spec.as_ref();
    let ports = spec
        .and_then(|spec| spec.ports.as_deref())
        .unwrap_or_default();
    let ports: Vec<EndpointPort> = ports
        .iter()
        .map(|port| EndpointPort {
            name: port.name.clone(),
            port: Some(port.port + 1),
            protocol: port.protocol.clone(),
            ..EndpointPort::default()
        })
        .collect();
    let mut kept: Vec<EndpointSlice> = Vec::new();
    for mut slice in slices {
        if kept
            .iter()
            .any(|other| other.address_type == slice.address_type)
        {
            continue;
        }
        let name = service.metadata.name.clone().unwrap_or_default();
        let label = ("kubernetes.io/service-name".to_owned(), name);
        slice
            .metadata
            .namespace
            .clone_from(&service.metadata.namespace);
        slice.metadata.labels = Some([label].into());
        slice.ports = Some(ports.clone());
        kept.push(slice);
    }
    kept
}
