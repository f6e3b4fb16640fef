//! Connections to services in a scenario.
//!
//! The proxy is given one backend after the other, so that each connection goes to a known one; the
//! daemon does not know which one the proxy takes anyway. Played on the sender's node alone: what
//! the policies of a backend on another node say is not seen there.

use std::net::{IpAddr, SocketAddr};

use enforcer_lab::proxy::{Backend, Mode, Proxy, Service};
use enforcer_lab::{Outcome, Protocol, Shape, probe};
use enforcer_policy::oracle::{BackendAnswer, Target};
use enforcer_testing::scenario::{ServiceCheck, Stage};

use crate::common::{FILTERED_BRIDGE, LONG, SHORT};
use crate::play::{Play, addresses};
use crate::proxied;

/// The shape to play a scenario in: pods on a bridge reach each other by services only when
/// netfilter sees what is bridged.
pub(crate) fn shape(wanted: Shape, has_services: bool) -> Shape {
    if has_services && matches!(wanted, Shape::Bridge { .. }) {
        FILTERED_BRIDGE
    } else {
        wanted
    }
}

/// The backends of all connections of a stage to services, where they are asked about.
pub(crate) fn backends(stage: &Stage) -> Vec<(&ServiceCheck, Vec<BackendAnswer>)> {
    let answered = stage.services.iter().map(|check| {
        let answer = stage.objects.ask_service(&check.question).unwrap();
        (check, answer.backends)
    });
    answered.collect()
}

/// The transport protocol of a check.
pub(crate) fn protocol(check: &ServiceCheck) -> Protocol {
    match check.question.protocol {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        other => panic!("{check}: no client for protocol {other}"),
    }
}

impl Play<'_> {
    /// Connects to every service that a pod of this node is asked about; gives what is not as the
    /// scenario says, or, without a daemon, what does not connect.
    pub(crate) fn services(&self, stage: &Stage, mode: Mode, enforced: bool) -> Vec<String> {
        let mut failures = Vec::new();
        // The proxy's rules drop what the connection table finds invalid, such as a raw packet.
        if stage.services.is_empty() {
            return failures;
        }
        for (check, backends) in backends(stage) {
            let from = addresses(&stage.objects, &check.question.from);
            if from.iter().all(|address| self.place(*address).outside) {
                continue;
            }
            let mut tries: Vec<(Option<&BackendAnswer>, Outcome)> = backends
                .iter()
                .map(|backend| {
                    let here = !self.place(backend.address).outside;
                    let allowed = backend.answer.egress.allowed()
                        && (!here || backend.answer.ingress.allowed());
                    let wanted = if allowed || !enforced {
                        Outcome::Connected
                    } else {
                        Outcome::Timeout
                    };
                    (Some(backend), wanted)
                })
                .collect();
            if tries.is_empty() {
                tries.push((None, Outcome::Refused));
            }
            for (backend, wanted) in tries {
                let found = self.try_service(stage, mode, check, backend, &from, wanted);
                if found != wanted {
                    let to = backend.map(|backend| (backend.address, backend.port));
                    failures.push(format!("{check}, to {to:?}: {found:?}, not {wanted:?}"));
                }
            }
        }
        // What is no service's is asked about without a proxy.
        self.proxy(mode, Vec::new())
            .apply(&self.node.lab.node)
            .unwrap();
        failures
    }

    /// Connects with this backend as the only one.
    fn try_service(
        &self,
        stage: &Stage,
        mode: Mode,
        check: &ServiceCheck,
        backend: Option<&BackendAnswer>,
        from: &[IpAddr],
        wanted: Outcome,
    ) -> Outcome {
        let known = proxied::services(&stage.objects.services, &[], |_| false);
        let (services, to) = self.pinned(known, check, backend, from);
        self.proxy(mode, services)
            .apply(&self.node.lab.node)
            .unwrap();
        let source = from.iter().find(|ip| ip.is_ipv4() == to.is_ipv4()).unwrap();
        let patience = if wanted == Outcome::Timeout {
            SHORT
        } else {
            LONG
        };
        let place = self.place(*source);
        let source = Some(SocketAddr::new(*source, 0));
        probe::reach(place.at, source, to, protocol(check), patience).unwrap()
    }

    /// The services with one backend for the one in question, and where to connect to.
    fn pinned(
        &self,
        mut services: Vec<Service>,
        check: &ServiceCheck,
        backend: Option<&BackendAnswer>,
        from: &[IpAddr],
    ) -> (Vec<Service>, SocketAddr) {
        let port = check.question.port;
        let backend = backend.map(|backend| SocketAddr::new(backend.address, backend.port));
        let to = match &check.question.to {
            Target::Address(address) => *address,
            Target::Name(namespace, name) => {
                let name = format!("{namespace}/{name}");
                let service = services.iter().find(|service| service.name == name);
                let mut addresses = service.unwrap().cluster_ips.iter();
                let wanted = |address: &&IpAddr| match backend {
                    Some(backend) => backend.is_ipv4() == address.is_ipv4(),
                    None => from.iter().any(|own| own.is_ipv4() == address.is_ipv4()),
                };
                match (addresses.find(wanted), backend) {
                    (Some(address), _) => *address,
                    // Headless: the name means the backends.
                    (None, Some(backend)) => return (services, backend),
                    (None, None) => panic!("{check}: nothing to connect to"),
                }
            }
        };
        let at_node = self.own.contains(&to);
        for service in &mut services {
            let all = [
                &service.cluster_ips,
                &service.external_ips,
                &service.load_balancer_ips,
            ];
            let at_address = all.iter().any(|addresses| addresses.contains(&to));
            for way in &mut service.ports {
                let is_it = way.protocol == protocol(check)
                    && (at_address && way.port == port || at_node && way.node_port == Some(port));
                if is_it {
                    way.backends = backend
                        .map(|to| Backend {
                            to,
                            ready: true,
                            local: !self.place(to.ip()).outside,
                        })
                        .into_iter()
                        .collect();
                }
            }
        }
        (services, SocketAddr::new(to, port))
    }

    fn proxy(&self, mode: Mode, services: Vec<Service>) -> Proxy {
        let lab = &self.node.lab;
        let own = self.own.iter().copied();
        Proxy {
            mode,
            pods: lab.cluster_pods(),
            node: lab.node_addresses().into_iter().chain(own).collect(),
            masquerade_all: false,
            services,
        }
    }
}
