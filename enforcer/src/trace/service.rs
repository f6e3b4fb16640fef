//! Connections to services: who is behind them, and (`backends`) what becomes of each.
//!
//! The packet leaves the sender's link on its way to the service; there the node translates it. What the
//! sender's egress policies say is decided behind that, so each backend is asked about as the
//! program `leaving` is, and then as the backend's `to_pod` is.

mod backends;

use std::net::IpAddr;

use enforcer_policy::explain::PeerIdentity;
use enforcer_policy::model::{Family, Service as Object, ServiceKey, ServiceKind};
use enforcer_policy::rule::Protocol;
use enforcer_policy::service::{self, Backend, Frontend, NoBackend, Route};

use super::answer::{HEADLESS, ServiceName};
use super::party::{Party, PartyError};
use super::query::{Service, Side};
use super::{TraceError, Tracer};

/// The way to a service.
pub(super) struct Way {
    name: ServiceName,
    family: Family,
    route: Route,
    /// The sender's node translates: the service is not headless.
    translated: bool,
    notes: Vec<String>,
}

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
        // Nobody knows on which node something from outside is translated.
        if from.who == PeerIdentity::Outside {
            return None;
        }
        let family = Family::of(address);
        from.address(family)?;
        let found = self.frontend(from, address, protocol, port)?;
        Some(self.translated(from, &found, Some(address), family))
    }

    /// What the node of an end translates an address and a port for. Only node ports need a walk over
    /// the services.
    fn frontend(
        &self,
        from: &Party,
        address: IpAddr,
        protocol: Protocol,
        port: u16,
    ) -> Option<Frontend<'_>> {
        let cluster = self.compiler.cluster();
        let mut claimed = self.compiler.services(address);
        let by_address = claimed.find_map(|key| {
            let (key, service) = cluster.services.get_key_value(key)?;
            service::frontend_of(key, service, address, protocol, port, false)
        });
        let name = self.node_of(from);
        let node = name.and_then(|name| cluster.nodes.get(name));
        let own = node.is_some_and(|node| node.addresses.contains(&address));
        by_address.or_else(|| {
            let by_node = own.then(|| service::frontend(cluster, address, protocol, port, name));
            by_node.flatten()
        })
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
        let port = Some(found.port.name.to_string()).filter(|name| !name.is_empty());
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
