//! Connections to services: who is behind them, and what becomes of each.
//!
//! The packet leaves the sender's link on its way to the service; there the node translates it. What the
//! sender's egress policies say is decided behind that, so each backend is asked about as the
//! program `leaving` is, and then as the backend's `to_pod` is.

use std::net::IpAddr;

use enforcer_common::abi::Direction;
use enforcer_policy::explain::PeerIdentity;
use enforcer_policy::model::{Family, Service as Object, ServiceKey, ServiceKind};
use enforcer_policy::rule::Protocol;
use enforcer_policy::service::{self, Backend, Frontend, NoBackend, Route};

use super::answer::{BackendAnswer, Ends, HEADLESS, ServiceName, Verdict};
use super::party::{self, Party, PartyError};
use super::query::{Service, Side};
use super::{Connection, Found, TraceError, Tracer};

/// The way to a service.
pub(super) struct Way {
    name: ServiceName,
    family: Family,
    route: Route,
    /// The sender's node translates: the service is not headless.
    translated: bool,
    notes: Vec<String>,
}

const REFUSES: &str = "kube-proxy refuses the connection: the service has no ready endpoint";
const DROPS: &str = "kube-proxy drops the connection: the service has no ready endpoint on the \
                     sender's node, and its internalTrafficPolicy is Local";
const NO_NAME: &str =
    "the name means no address: the service is headless and has no ready endpoint";

impl Tracer {
    /// The way to the service that is meant, if one is.
    pub(super) fn way(
        &self,
        from: &Party,
        to: &Side,
        service: Service,
    ) -> Result<Option<Way>, TraceError> {
        match to {
            Side::Pod(_) => Ok(None),
            Side::Address(address) => Ok(self.way_by_address(from, *address, service)),
            Side::Service(key) => self.way_by_name(from, key, service).map(Some),
        }
    }

    fn way_by_address(&self, from: &Party, address: IpAddr, service: Service) -> Option<Way> {
        let (protocol, port) = service_port(service)?;
        let cluster = self.compiler.cluster();
        let node = self.node_of(from);
        // Nobody knows on which node something from outside is translated.
        if from.who == PeerIdentity::Outside {
            return None;
        }
        let family = Family::of(address);
        from.address(family)?;
        let found = service::frontend(cluster, address, protocol, port, node)?;
        Some(self.translated(from, &found, Some(address), family))
    }

    fn way_by_name(
        &self,
        from: &Party,
        key: &ServiceKey,
        service: Service,
    ) -> Result<Way, TraceError> {
        let object = self.object(key)?;
        let Some((protocol, port)) = service_port(service) else {
            return Err(PartyError::ServiceWithoutPorts(key.clone()).into());
        };
        let has = |family| from.address(family).is_some();
        if object.headless {
            return self.headless(from, key, object, port);
        }
        if let Some((address, found)) = service::by_name(key, object, protocol, port, has) {
            return Ok(self.translated(from, &found, Some(address), Family::of(address)));
        }
        let mut ports = object.ports.iter();
        let Some(found) = ports.find(|one| (one.protocol, one.port) == (protocol, port)) else {
            return Err(unknown_port(key, object, protocol, port).into());
        };
        // It waits for its address: the families in which it will have one are what counts.
        let mut families = object
            .families
            .iter()
            .copied()
            .filter(|family| has(*family));
        let waits = object.cluster_ips.is_empty();
        let family = families.next().filter(|_| waits);
        let family = family.ok_or(PartyError::NoCommonFamily)?;
        let found = Frontend {
            key,
            service: object,
            port: found,
            via: service::Via::ClusterIp,
        };
        let mut way = self.translated(from, &found, None, family);
        way.notes.push(format!("{key} has no cluster address yet"));
        Ok(way)
    }

    fn object(&self, key: &ServiceKey) -> Result<&Object, PartyError> {
        let services = &self.compiler.cluster().services;
        match services.get(key) {
            None => Err(PartyError::NoSuchService(key.clone())),
            Some(service) if service.kind == ServiceKind::ExternalName => {
                Err(PartyError::ExternalName(key.clone()))
            }
            Some(service) => Ok(service),
        }
    }

    fn translated(
        &self,
        from: &Party,
        found: &Frontend<'_>,
        address: Option<IpAddr>,
        family: Family,
    ) -> Way {
        let node = self.node_of(from);
        let mut route = service::route(self.compiler.cluster(), found, family, node);
        route.backends.retain(|backend| !self.is_supposed(backend));
        // What a process of the node sends has the node's address anyway.
        route.masqueraded &= matches!(from.who, PeerIdentity::Pod(_));
        let port = Some(found.port.name.clone()).filter(|name| !name.is_empty());
        Way {
            name: ServiceName {
                name: found.key.to_string(),
                port,
                reached_by: found.via.to_string(),
                address,
                affinity_seconds: found.service.affinity,
                masqueraded: route.masqueraded,
            },
            family,
            route,
            translated: true,
            notes: Vec::new(),
        }
    }

    fn headless(
        &self,
        from: &Party,
        key: &ServiceKey,
        object: &Object,
        port: u16,
    ) -> Result<Way, TraceError> {
        let cluster = self.compiler.cluster();
        let families = Family::ALL.into_iter();
        let families = families.filter(|family| from.address(*family).is_some());
        let mut found: Vec<(Family, Vec<Backend>)> = families
            .map(|family| {
                let mut backends = service::headless(cluster, key, object, port, family);
                backends.retain(|backend| !self.is_supposed(backend));
                (family, backends)
            })
            .collect();
        found.sort_by_key(|(_, backends)| backends.is_empty());
        let found = found.into_iter().next();
        let (family, backends) = found.ok_or(PartyError::NoCommonFamily)?;
        Ok(Way {
            name: ServiceName {
                name: key.to_string(),
                port: None,
                reached_by: HEADLESS.to_owned(),
                address: None,
                affinity_seconds: None,
                masqueraded: false,
            },
            family,
            route: Route {
                backends,
                masqueraded: false,
                without: NoBackend::Rejects,
            },
            translated: false,
            notes: Vec::new(),
        })
    }

    /// A pod that waits for its address is no backend yet.
    fn is_supposed(&self, backend: &Backend) -> bool {
        let pod = backend.pod.as_ref();
        pod.is_some_and(|pod| {
            let found = self.compiler.cluster().pods.get(pod);
            self.parties.is_waiting(pod)
                && found.is_some_and(|pod| pod.addresses.contains(&backend.address))
        })
    }

    /// The node on which an end is.
    fn node_of<'a>(&'a self, party: &'a Party) -> Option<&'a str> {
        match &party.who {
            PeerIdentity::Pod(key) => self.compiler.cluster().pods.get(key)?.node.as_deref(),
            PeerIdentity::Node(name) => Some(name),
            PeerIdentity::Outside => None,
        }
    }

    /// Asks about every backend.
    pub(super) fn by_service(
        &mut self,
        from: &Party,
        way: Way,
        service: Service,
    ) -> Result<Found, TraceError> {
        let source = from.address(way.family);
        let source = source.ok_or(PartyError::NoCommonFamily)?;
        let from = party::at(&self.compiler, from.clone(), source);
        let at_sender = self.at_sender(&from, source, &way, service)?;
        let passes = at_sender.is_none_or(|(_, verdict)| verdict == Verdict::Allow);
        let mut backends = Vec::new();
        for backend in &way.route.backends {
            let mut answer = self.at_backend(&from, source, &way, backend, service)?;
            if !passes {
                answer.verdict = Verdict::Deny;
            }
            backends.push(answer);
        }
        let without = match way.route.without {
            _ if !way.translated => NO_NAME,
            NoBackend::Rejects => REFUSES,
            NoBackend::Drops => DROPS,
        };
        let notes = way.notes.into_iter().chain(from.note).collect();
        let verdict = summary(&backends);
        let ends = Ends::Service {
            service: way.name,
            at_sender: at_sender.map(|(reason, _)| reason),
            without_backend: backends.is_empty().then_some(without),
            backends,
        };
        Ok((verdict, ends, notes))
    }

    /// What the sender's own link says to a packet to the service.
    fn at_sender(
        &mut self,
        from: &Party,
        source: IpAddr,
        way: &Way,
        service: Service,
    ) -> Result<Option<(&'static str, Verdict)>, TraceError> {
        let (Some(address), PeerIdentity::Pod(pod)) = (way.name.address, &from.who) else {
            return Ok(None);
        };
        let connection = Connection::new(service, source, address)?;
        let reason = self.at_link(pod, &connection)?;
        Ok(Some((reason.name(), reason.action().into())))
    }

    fn at_backend(
        &mut self,
        from: &Party,
        source: IpAddr,
        way: &Way,
        backend: &Backend,
        service: Service,
    ) -> Result<BackendAnswer, TraceError> {
        let there = Side::Address(backend.address);
        let to = self.parties.find(&self.compiler, there)?;
        let to = party::at(&self.compiler, to, backend.address);
        let service = service.at(backend.port);
        let mut connection = Connection::new(service, source, backend.address)?;
        connection.translated = way.translated;
        let egress = self.part(Direction::Egress, from, &to, &connection)?;
        let ingress = if way.route.masqueraded && to.who != from.who {
            let node = self.masquerading(from, way.family);
            let seen = node.address(way.family).unwrap_or(source);
            let connection = Connection {
                masqueraded: true,
                ..Connection::new(service, seen, backend.address)?
            };
            self.part(Direction::Ingress, &to, &node, &connection)?
        } else {
            self.part(Direction::Ingress, &to, from, &connection)?
        };
        Ok(BackendAnswer {
            address: backend.address,
            port: backend.port,
            verdict: egress.verdict.max(ingress.verdict),
            egress,
            ingress,
        })
    }

    /// Who a masqueraded packet seems to be from. Which of its addresses a node takes depends on its
    /// routes; the first one described stands for all.
    fn masquerading(&self, from: &Party, family: Family) -> Party {
        let name = self.node_of(from);
        let node = name.and_then(|name| self.compiler.cluster().nodes.get(name));
        let addresses = node.map(|node| node.addresses.as_slice());
        let mut addresses = addresses.unwrap_or_default().iter();
        let address = addresses.find(|one| Family::of(**one) == family).copied();
        let who = match name {
            Some(name) => PeerIdentity::Node(name.to_owned()),
            None => PeerIdentity::Outside,
        };
        Party::at_address(who, address, family)
    }

    /// What one should know about the address of a service with a port that is none of its ports.
    pub(super) fn strange_port(&self, to: &Side, service: Service) -> Option<String> {
        let Side::Address(address) = to else {
            return None;
        };
        let key = self.compiler.services(*address).next()?;
        Some(match service.port() {
            Some(port) => format!(
                "{address} belongs to the service {key}, but nobody translates {} port {port} of \
                 it for this sender: policies are asked about the address itself",
                service.name()
            ),
            None => format!(
                "{address} belongs to the service {key}, which has ports only: policies are asked \
                 about the address itself"
            ),
        })
    }
}

/// A protocol and port that a service can have.
fn service_port(service: Service) -> Option<(Protocol, u16)> {
    let protocol = match service {
        Service::Tcp(_) => Protocol::Tcp,
        Service::Udp(_) => Protocol::Udp,
        Service::Sctp(_) => Protocol::Sctp,
        Service::Echo | Service::Other(_) => return None,
    };
    Some((protocol, service.port()?))
}

fn unknown_port(key: &ServiceKey, object: &Object, protocol: Protocol, port: u16) -> PartyError {
    let known = object.ports.iter();
    let known: Vec<_> = known
        .map(|one| format!("{} {}", one.protocol, one.port))
        .collect();
    PartyError::NoSuchPort {
        key: key.clone(),
        protocol: protocol.to_string(),
        port,
        known: known.join(", "),
    }
}

/// Allow when every backend is reached, deny when none is.
fn summary(backends: &[BackendAnswer]) -> Verdict {
    let reached = backends.iter().filter(|one| one.verdict == Verdict::Allow);
    match reached.count() {
        0 => Verdict::Deny,
        all if all == backends.len() => Verdict::Allow,
        _ => Verdict::Differs,
    }
}
