//! Who needs what.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::abi::Direction;
use enforcer_flows::Protocol as Recorded;
use enforcer_policy::model::Cluster;
use enforcer_policy::rule::Protocol;

use super::Options;
use super::blocks::covered;
use super::caveat::Caveat;
use super::policy::{Policy, name_for, remarks};
use super::ports::{Port, PortName};
use super::rules::{Needs, Peer, Weight};
use super::text::some;
use super::workloads::{Workload, WorkloadKey, Workloads};
use crate::recorded::{Connection, End, Seen};

/// What all workloads need, and what could not be told.
pub(super) struct Demand<'a> {
    workloads: &'a Workloads,
    cluster: &'a Cluster,
    /// The cluster was described, so that what is not in it is not there.
    described: bool,
    options: &'a Options,
    needs: BTreeMap<(WorkloadKey, usize), Needs>,
    pub(super) caveats: BTreeSet<Caveat>,
}

impl<'a> Demand<'a> {
    pub(super) fn new(
        workloads: &'a Workloads,
        (cluster, described): (&'a Cluster, bool),
        options: &'a Options,
    ) -> Self {
        Self {
            workloads,
            cluster,
            described,
            options,
            needs: BTreeMap::new(),
            caveats: BTreeSet::new(),
        }
    }

    /// Takes a connection in: both of its ends need it.
    pub(super) fn add(&mut self, connection: &Connection, seen: &Seen) {
        let (client, server) = (&connection.client, &connection.server);
        for (direction, own, peer) in [
            (Direction::Egress, client, server),
            (Direction::Ingress, server, client),
        ] {
            if let Some(workload) = self.subject(own, direction) {
                self.need(workload, direction, peer, connection, seen);
            }
        }
    }

    /// The workload of an end, where a policy is wanted for it.
    fn subject(&self, end: &End, direction: Direction) -> Option<&'a Workload> {
        let workload = self.workload(end)?;
        let wanted = workload.chosen
            && (self.options.all || workload.is_heard())
            && self.options.directions().any(|one| one == direction);
        wanted.then_some(workload)
    }

    fn workload(&self, end: &End) -> Option<&'a Workload> {
        self.workloads.of(end.pod.as_ref()?)
    }

    fn need(
        &mut self,
        workload: &Workload,
        direction: Direction,
        peer: &End,
        connection: &Connection,
        seen: &Seen,
    ) {
        let Some(port) = self.port(connection) else {
            let caveat = Caveat::Protocol(connection.to_string());
            self.caveats.insert(caveat);
            return;
        };
        let Some(peer) = self.peer(workload, peer) else {
            return;
        };
        let weight = Weight {
            connections: seen.connections(direction),
            denied: seen.packets_denied(),
            last: seen.last(),
        };
        let key = (workload.key.clone(), direction.index());
        self.needs.entry(key).or_default().add(peer, port, weight);
    }

    /// The server's port.
    fn port(&self, connection: &Connection) -> Option<Port> {
        let mut known = Protocol::ALL.into_iter();
        let number = |one: &Protocol| Recorded::Ip(one.number());
        let protocol = known.find(|one| number(one) == connection.protocol)?;
        let port = connection.port?;
        Some(match self.workload(&connection.server) {
            Some(workload) => workload.port(protocol, port),
            None => Port {
                protocol,
                port: PortName::Number(port),
            },
        })
    }

    /// How a policy of `subject` names an end; `None` where it cannot.
    fn peer(&mut self, subject: &Workload, end: &End) -> Option<Peer> {
        let Some(workload) = self.workload(end) else {
            return Some(self.block(end));
        };
        self.look_at(workload);
        let namespace = &workload.key.namespace;
        Some(Peer::Pods {
            namespace: (*namespace != subject.key.namespace).then(|| namespace.clone()),
            selector: workload.selector.clone()?,
        })
    }

    fn block(&mut self, end: &End) -> Peer {
        if let Some(service) = &end.service {
            let caveat = Caveat::ServiceAddress(service.to_string());
            self.caveats.insert(caveat);
        }
        if end.node.is_some() || end.service.is_some() {
            return Peer::Block {
                cidr: end.address.into(),
                owner: Some(end.to_string()),
            };
        }
        let cidr = self.options.widths.block(end.address);
        if cidr.prefix_len() < cidr.max_prefix_len()
            && let Some(example) = covered(&cidr, self.cluster)
        {
            let block = cidr.to_string();
            self.caveats.insert(Caveat::Wide { block, example });
        }
        Peer::Block { cidr, owner: None }
    }

    /// Says what is not known of a workload that rules name or select.
    fn look_at(&mut self, workload: &Workload) {
        let name = workload.key.to_string();
        if workload.selector.is_none() {
            self.caveats.insert(Caveat::NoLabels(name.clone()));
        }
        for other in &workload.sharing {
            self.caveats.insert(Caveat::Shared {
                workload: name.clone(),
                other: other.to_string(),
            });
        }
        if workload.gone && self.described {
            let gone = workload.pods.keys();
            let gone = gone.map(|pod| Caveat::Gone(pod.to_string()));
            self.caveats.extend(gone);
        }
    }

    /// The policy of a workload; `None` where nothing selects its pods.
    pub(super) fn policy(&mut self, workload: &Workload) -> Option<Policy> {
        self.look_at(workload);
        let selector = workload.selector.clone()?;
        let name = workload.key.to_string();
        if !workload.is_heard() {
            self.caveats.insert(Caveat::Silent(name.clone()));
        }
        if !workload.unheard.is_empty() {
            self.caveats.insert(Caveat::Unheard {
                workload: name,
                nodes: some(&workload.unheard),
            });
        }
        let rules = |direction: Direction| {
            let wanted = self.options.directions().any(|one| one == direction);
            let needs = self.needs.get(&(workload.key.clone(), direction.index()));
            wanted.then(|| needs.map(Needs::rules).unwrap_or_default())
        };
        Some(Policy {
            name: name_for(&workload.key, self.cluster),
            selector,
            ingress: rules(Direction::Ingress),
            egress: rules(Direction::Egress),
            remarks: remarks(workload, self.cluster),
            workload: workload.key.clone(),
        })
    }
}
