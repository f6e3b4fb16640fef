//! What the rules for one service port in one family are about.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Backend, Family, Proxy, Service, ServicePort, TrafficPolicy, hash};
use crate::Protocol;

/// One port of one service in one family.
pub(super) struct Route<'a> {
    service: &'a Service,
    pub(super) port: &'a ServicePort,
    family: Family,
    pub(super) cluster_ip: IpAddr,
    /// Ready backends of the whole cluster.
    pub(super) cluster: Vec<SocketAddr>,
    /// Those of this node.
    pub(super) local: Vec<SocketAddr>,
}

/// Why a connection cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nobody in the cluster is ready: refused.
    Nobody,
    /// Nobody of this node is ready, and nobody else may answer: dropped.
    NobodyHere,
}

/// All routes of a proxy in one family.
pub(super) fn routes(proxy: &Proxy, family: Family) -> Vec<Route<'_>> {
    let routes = proxy.services.iter().filter_map(|service| {
        let of_family = |address: &&IpAddr| family.has(**address);
        let cluster_ip = *service.cluster_ips.iter().find(of_family)?;
        let route = move |port| Route::new(service, port, family, cluster_ip);
        Some(service.ports.iter().map(route))
    });
    routes.flatten().collect()
}

impl<'a> Route<'a> {
    fn new(
        service: &'a Service,
        port: &'a ServicePort,
        family: Family,
        cluster_ip: IpAddr,
    ) -> Self {
        let ready = |only_local: bool| -> Vec<SocketAddr> {
            let wanted = |backend: &&Backend| {
                backend.ready && family.has(backend.to.ip()) && (backend.local || !only_local)
            };
            port.backends
                .iter()
                .filter(wanted)
                .map(|backend| backend.to)
                .collect()
        };
        Self {
            service,
            port,
            family,
            cluster_ip,
            cluster: ready(false),
            local: ready(true),
        }
    }

    /// `namespace/name:port`, as it stands in comments.
    pub(super) fn name(&self) -> String {
        let Self { service, port, .. } = self;
        if port.name.is_empty() {
            service.name.clone()
        } else {
            format!("{}:{}", service.name, port.name)
        }
    }

    /// `namespace/name/protocol/port`: no other route of the family has it.
    pub(super) fn key(&self) -> String {
        format!(
            "{}/{}/{}",
            self.service.name,
            self.protocol(),
            self.port.name
        )
    }

    /// [`Route::key`] in 16 characters.
    pub(super) fn hash(&self) -> String {
        hash(&self.key())
    }

    /// [`Route::key`] and a backend in 16 characters.
    pub(super) fn backend_hash(&self, backend: SocketAddr) -> String {
        hash(&format!("{}{backend}", self.key()))
    }

    pub(super) fn protocol(&self) -> &'static str {
        match self.port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    pub(super) fn affinity(&self) -> Option<Duration> {
        self.service.affinity
    }

    pub(super) fn external_ips(&self) -> Vec<IpAddr> {
        self.of_family(&self.service.external_ips)
    }

    pub(super) fn load_balancer_ips(&self) -> Vec<IpAddr> {
        self.of_family(&self.service.load_balancer_ips)
    }

    fn of_family(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let all = addresses.iter().copied();
        all.filter(|address| self.family.has(*address)).collect()
    }

    /// Whether it can be reached by more than the cluster address.
    pub(super) fn is_external(&self) -> bool {
        self.port.node_port.is_some()
            || !self.external_ips().is_empty()
            || !self.load_balancer_ips().is_empty()
    }

    pub(super) fn is_internal_local(&self) -> bool {
        self.service.internal == TrafficPolicy::Local
    }

    pub(super) fn is_external_local(&self) -> bool {
        self.service.external == TrafficPolicy::Local
    }

    /// Whether there is a chain to all backends.
    pub(super) fn uses_cluster(&self) -> bool {
        !self.cluster.is_empty() && (!self.is_internal_local() || self.is_external())
    }

    /// Whether there is a chain to this node's backends.
    pub(super) fn uses_local(&self) -> bool {
        let wanted = self.is_internal_local() || (self.is_external_local() && self.is_external());
        wanted && !self.local.is_empty()
    }

    /// Backends that some chain leads to.
    pub(super) fn reachable(&self) -> &[SocketAddr] {
        if self.uses_cluster() {
            &self.cluster
        } else {
            &self.local
        }
    }

    /// Why the cluster address leads nowhere, if it does.
    pub(super) fn internal_gap(&self) -> Option<Gap> {
        self.gap(self.is_internal_local())
    }

    /// Why everything else leads nowhere for clients outside the cluster, if it does.
    pub(super) fn external_gap(&self) -> Option<Gap> {
        self.gap(self.is_external_local())
    }

    fn gap(&self, only_local: bool) -> Option<Gap> {
        if self.cluster.is_empty() {
            Some(Gap::Nobody)
        } else {
            (only_local && self.local.is_empty()).then_some(Gap::NobodyHere)
        }
    }
}
