//! Where a connection to a service goes: what the docs of Service, of `EndpointSlice` and of
//! kube-proxy say.

use std::net::IpAddr;

use enforcer_common::abi::Direction;
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort, ServiceSpec};

use super::backends::{Backend, endpoints, reachable, taking};
use super::objects::{is_host_network, name_of, namespace_of, node_addresses, node_of};
use super::party::{self, Party};
use super::{Answer, Objects, Part, Question, Side, Unanswerable};

/// May a new connection to a service be made?
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceQuestion {
    /// Who connects: a pod, or an address of one. What comes from outside is translated by a node
    /// that the question does not name.
    pub from: Side,
    /// To which service.
    pub to: Target,
    /// IANA protocol number: 6 TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// The port that is connected to.
    pub port: u16,
}

/// How a service is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// By namespace and name: its cluster address of the first family that the sender has too; when
    /// it is headless, its backends themselves, for that is what its name means in DNS.
    Name(String, String),
    /// By one of its addresses, or by a node's with a node port.
    Address(IpAddr),
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAnswer {
    /// One for each backend that the connection may be sent to, by address and port. Without any,
    /// nobody can connect.
    pub backends: Vec<BackendAnswer>,
}

/// What becomes of the connection when it is sent to this backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendAnswer {
    /// Where the connection really goes.
    pub address: IpAddr,
    /// And to which port.
    pub port: u16,
    /// `NAMESPACE/NAME` of the pod there, when it is one.
    pub pod: Option<String>,
    /// What both ends say.
    pub answer: Answer,
}

/// A port of a service, and how it is reached.
struct Way<'a> {
    service: &'a Service,
    spec: &'a ServiceSpec,
    /// None: the headless service's name, which is not translated.
    port: Option<&'a ServicePort>,
    /// By its cluster address.
    inside: bool,
    six: bool,
}

impl Objects {
    /// Whether an address and a port are a service's for a sender: what [`Objects::ask_service`] can
    /// be asked about, and [`Objects::ask`] should not.
    pub fn is_service(&self, from: &Side, to: IpAddr, protocol: u8, port: u16) -> bool {
        let node = sender(self, from).ok().and_then(node_of);
        way_by_address(self, node, to, protocol, port).is_some()
    }

    /// Answers a question about a service.
    pub fn ask_service(&self, question: &ServiceQuestion) -> Result<ServiceAnswer, Unanswerable> {
        let pod = sender(self, &question.from)?;
        let node = node_of(pod);
        let way = self.way(question, pod)?;
        let all = endpoints(self, way.service, way.port, question.port, way.six);
        let spec = way.spec;
        let headless = way.port.is_none();
        let local =
            way.inside && !headless && spec.internal_traffic_policy.as_deref() == Some("Local");
        let all = all
            .into_iter()
            .filter(|one| !local || one.node.is_some() && one.node.as_deref() == node);
        // DNS knows the ready ones only.
        let taking = if headless {
            all.filter(|one| one.ready).collect()
        } else {
            taking(all.collect())
        };
        let is_process = is_host_network(pod);
        let external = spec.external_traffic_policy.as_deref();
        // What a node's own process sends has the node's address anyway.
        let masqueraded = !headless && !way.inside && !is_process && external != Some("Local");
        let mut backends = taking
            .into_iter()
            .map(|one| self.backend_answer(question, pod, &one, masqueraded))
            .collect::<Result<Vec<_>, _>>()?;
        backends.sort_by_key(|one| (one.address, one.port));
        backends.dedup_by_key(|one| (one.address, one.port));
        Ok(ServiceAnswer { backends })
    }

    fn way(&self, question: &ServiceQuestion, pod: &Pod) -> Result<Way<'_>, Unanswerable> {
        let has = |six: bool| reachable(self, pod).iter().any(|own| own.is_ipv6() == six);
        match &question.to {
            Target::Name(namespace, name) => {
                let way = way_by_name(self, namespace, name, question, has)?;
                way.ok_or(Unanswerable::NoCommonFamily)
            }
            Target::Address(address) if !has(address.is_ipv6()) => {
                Err(Unanswerable::NoCommonFamily)
            }
            Target::Address(address) => {
                let (protocol, port) = (question.protocol, question.port);
                way_by_address(self, node_of(pod), *address, protocol, port)
                    .ok_or(Unanswerable::NoService(*address, port))
            }
        }
    }

    fn backend_answer(
        &self,
        question: &ServiceQuestion,
        pod: &Pod,
        backend: &Backend,
        masqueraded: bool,
    ) -> Result<BackendAnswer, Unanswerable> {
        let (namespace, name) = name_of(pod);
        let from = Side::Pod(namespace.to_owned(), name.to_owned());
        let real = Question {
            from,
            to: Side::Address(backend.address),
            protocol: question.protocol,
            port: backend.port,
        };
        let mut answer = self.ask(&real)?;
        let (source, destination) = party::ends(self, &real.from, &real.to)?;
        let itself = source.pod().is_some_and(|pod| destination.is_pod(pod));
        if masqueraded && !itself {
            answer.ingress = self.masqueraded(pod, &destination, &real);
        }
        Ok(BackendAnswer {
            address: backend.address,
            port: backend.port,
            pod: destination.pod().map(|pod| {
                let (namespace, name) = name_of(pod);
                format!("{namespace}/{name}")
            }),
            answer,
        })
    }

    /// Ingress at the backend, which sees an address of the sender's node. The node has only forwarded
    /// the connection, so it is not let in as the backend's own node.
    fn masqueraded(&self, sender: &Pod, destination: &Party<'_>, real: &Question) -> Part {
        let six = destination.address.is_some_and(|address| address.is_ipv6());
        let mut nodes = self.nodes.iter();
        let node = nodes.find(|node| node.metadata.name.as_deref() == node_of(sender));
        let addresses = node.map(node_addresses).unwrap_or_default();
        let address = addresses.into_iter().find(|one| one.is_ipv6() == six);
        let source = Party::unknown(address);
        self.part(Direction::Ingress, destination, &source, real)
    }
}

/// The pod that connects.
fn sender<'a>(objects: &'a Objects, side: &Side) -> Result<&'a Pod, Unanswerable> {
    match side {
        Side::Pod(namespace, name) => party::find_pod(objects, namespace, name),
        Side::Address(address) => {
            let owner = party::pod_of(objects, *address);
            owner.ok_or(Unanswerable::NotAPod(*address))
        }
    }
}

fn way_by_name<'a>(
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

fn way_by_address<'a>(
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
