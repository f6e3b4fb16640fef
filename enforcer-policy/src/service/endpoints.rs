//! Who is behind a port of a service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Backend;
use crate::intern::Name;
use crate::model::{
    Cluster, EndpointSlice, Family, Pod, PodKey, Service, ServiceKey, ServicePort, SliceKey,
    TargetPort,
};

/// At which port the endpoints of a service are asked for.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// At the one that a port of the service is translated to.
    Target(&'a ServicePort),
    /// At this one, whatever they say about ports.
    Number(u16),
}

/// What the name of a headless service means to a client that connects to `port`: its ready endpoints,
/// without any translation.
pub fn headless(
    cluster: &Cluster,
    key: &ServiceKey,
    service: &Service,
    port: u16,
    family: Family,
) -> Vec<Backend> {
    let mut found = all(cluster, key, service, Wanted::Number(port), family);
    found.retain(|backend| backend.ready);
    found
}

/// All endpoints of a service's port in a family, ready or not, by address and port.
///
/// They are those of the slices that name the service. Where no slice does and the service has a
/// selector, they are what the endpoint slice controller would write: the pods of its namespace that
/// have its labels and an address of the family and have not ended.
pub fn endpoints(
    cluster: &Cluster,
    key: &ServiceKey,
    service: &Service,
    port: &ServicePort,
    family: Family,
) -> Vec<Backend> {
    all(cluster, key, service, Wanted::Target(port), family)
}

fn all(
    cluster: &Cluster,
    key: &ServiceKey,
    service: &Service,
    wanted: Wanted<'_>,
    family: Family,
) -> Vec<Backend> {
    let mut slices = slices_of(cluster, key).peekable();
    let found: Vec<Backend> = if slices.peek().is_some() {
        slices
            .filter(|slice| slice.family == Some(family))
            .flat_map(|slice| of_slice(slice, wanted))
            .collect()
    } else {
        of_selector(cluster, key, service, wanted, family)
    };
    // An endpoint may be in two slices for a moment while it moves between them.
    let mut unique: BTreeMap<(IpAddr, u16), Backend> = BTreeMap::new();
    for backend in found {
        let place = unique.entry((backend.address, backend.port));
        let known = place.or_insert_with(|| backend.clone());
        if backend.ready && !known.ready {
            *known = backend;
        }
    }
    unique.into_values().collect()
}

/// The slices of a service, which stand in its namespace.
fn slices_of<'a>(
    cluster: &'a Cluster,
    key: &'a ServiceKey,
) -> impl Iterator<Item = &'a EndpointSlice> {
    let first = SliceKey {
        namespace: key.namespace.clone(),
        name: Name::default(),
    };
    let after = cluster.slices.range(first..);
    after
        .take_while(|(slice, _)| slice.namespace == key.namespace)
        .map(|(_, slice)| slice)
        .filter(|slice| slice.service.as_ref() == Some(key))
}

fn of_slice<'a>(
    slice: &'a EndpointSlice,
    wanted: Wanted<'a>,
) -> impl Iterator<Item = Backend> + 'a {
    let number = match wanted {
        Wanted::Number(number) => Some(number),
        Wanted::Target(port) => {
            let mut ports = slice.ports.iter();
            ports
                .find(|one| one.name == port.name && one.protocol == port.protocol)
                .and_then(|one| one.port)
        }
    };
    slice.endpoints.iter().filter_map(move |endpoint| {
        Some(Backend {
            address: *endpoint.addresses.first()?,
            port: number?,
            pod: endpoint.pod.clone(),
            node: endpoint.node.clone(),
            ready: endpoint.ready,
            serving: endpoint.serving,
            terminating: endpoint.terminating,
        })
    })
}

fn of_selector(
    cluster: &Cluster,
    key: &ServiceKey,
    service: &Service,
    wanted: Wanted<'_>,
    family: Family,
) -> Vec<Backend> {
    let first = PodKey {
        namespace: key.namespace.clone(),
        name: Name::default(),
    };
    let pods = cluster.pods.range(first..);
    pods.take_while(|(pod, _)| pod.namespace == key.namespace)
        .filter(|(_, pod)| !pod.terminated && service.selects(pod))
        .filter_map(|(name, pod)| {
            let mut addresses = pod.addresses.iter();
            let readiness = pod.readiness;
            let open = !readiness.unready && !readiness.terminating;
            Some(Backend {
                address: *addresses.find(|address| Family::of(**address) == family)?,
                port: target(wanted, pod)?,
                pod: Some(name.clone()),
                node: pod.node.clone(),
                ready: service.publish_not_ready || open,
                serving: !readiness.unready,
                terminating: readiness.terminating,
            })
        })
        .collect()
}

/// A pod without a port of the name is no endpoint of the service's port.
fn target(wanted: Wanted<'_>, pod: &Pod) -> Option<u16> {
    let port = match wanted {
        Wanted::Number(number) => return Some(number),
        Wanted::Target(port) => port,
    };
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let mut ports = pod.ports.iter();
            ports
                .find(|one| one.name == *name && one.protocol == port.protocol)
                .map(|one| one.port)
        }
    }
}
