//! Where a connection to a service goes: what the docs of Service, of `EndpointSlice` and of
//! kube-proxy say.

use std::net::IpAddr;

use enforcer_common::abi::Direction;
use k8s_openapi::api::core::v1::Pod;

use super::backends::{Backend, endpoints, reachable, taking};
use super::objects::{is_host_network, name_of, node_addresses, node_of};
use super::party::{self, Party};
use super::ways::{Way, way_by_address, way_by_name};
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
