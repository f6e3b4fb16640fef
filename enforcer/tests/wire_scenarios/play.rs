//! One node of a scenario, in a lab.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::thread;

use enforcer_lab::proxy::Mode;
use enforcer_lab::{Families, Namespace, Pod, Server, Shape};
use enforcer_policy::oracle::{Objects, Side};
use enforcer_testing::scenario::{Check, Scenario, Stage, Verdict};
use k8s_openapi::api::core::v1 as api;

use crate::common::{LONG, Node};
use crate::{probe, services};

/// Whether a check is listed as one that cannot be placed.
pub(crate) type Skipped<'a> = &'a dyn Fn(&Check) -> bool;

/// One node of a scenario, in a lab.
pub(crate) struct Play<'a> {
    scenario: &'a Scenario,
    name: Option<&'a str>,
    servers: BTreeMap<(Vec<u8>, u8, u16), Server>,
    /// The lab's pods by their addresses.
    pods: BTreeMap<Vec<IpAddr>, Pod>,
    outside: BTreeSet<IpAddr>,
    pub(crate) own: BTreeSet<IpAddr>,
    pub(crate) node: Node,
}

/// Where a side of a check is: the namespace and its address.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) at: &'a Namespace,
    pub(crate) address: IpAddr,
    /// Nothing of the played node.
    pub(crate) outside: bool,
}

impl<'a> Play<'a> {
    pub(crate) fn new(scenario: &'a Scenario, shape: Shape, name: Option<&'a str>) -> Self {
        let mut stages = scenario.stages.iter();
        Self {
            scenario,
            name,
            servers: BTreeMap::new(),
            pods: BTreeMap::new(),
            outside: BTreeSet::new(),
            own: BTreeSet::new(),
            node: Node::new(
                services::shape(shape, stages.any(|stage| !stage.services.is_empty())),
                Families::Dual,
            ),
        }
    }

    /// Makes the lab and the manifests those of a stage, and waits until they are in force.
    pub(crate) fn stage(&mut self, stage: &Stage, skipped: Skipped<'_>) {
        self.place_pods(&stage.objects);
        self.place_addresses(stage, skipped);
        for deleted in &stage.deleted {
            let (kind, name) = deleted.split_once(' ').unwrap();
            let name = name.replace('/', "-");
            let name = if kind == "Node" || kind == "Namespace" {
                format!("default-{name}")
            } else {
                name
            };
            let file = self
                .node
                .lab
                .manifests()
                .join(format!("{kind}-{name}.json"));
            std::fs::remove_file(file).unwrap();
        }
        for object in &stage.applied {
            self.node.put(object);
        }
        self.serve(stage, skipped);
        if self.node.daemon.is_none() {
            let node = self.name.map(|name| format!("--node {name}"));
            self.node
                .start(&format!("--cleanup {}", node.unwrap_or_default()));
        }
        self.node.settle();
    }

    /// Probes every check that concerns this node; gives by the check's index whether it arrived.
    pub(crate) fn probe(&self, stage: &Stage, skipped: Skipped<'_>) -> Vec<(usize, bool)> {
        let checks: Vec<(usize, &Check)> = stage
            .checks
            .iter()
            .enumerate()
            .filter(|(_, check)| !skipped(check))
            .collect();
        let tried = checks
            .iter()
            .map(|(_, check)| self.ends(&stage.objects, check));
        Self::try_all(checks.iter().copied().zip(tried), None)
    }

    /// Ends the daemon, which cleans up: what was denied in the last stage must connect then.
    pub(crate) fn finish(mut self, mode: Mode, skipped: Skipped<'_>) -> Vec<String> {
        let daemon = self.node.daemon.take().unwrap();
        let ended = daemon.stop(LONG).unwrap();
        assert!(ended.is_some_and(|status| status.success()));
        let stage = self.scenario.stages.last().unwrap();
        let denied: Vec<(usize, &Check)> = stage
            .checks
            .iter()
            .enumerate()
            .filter(|(_, check)| check.verdict == Verdict::Deny && !skipped(check))
            .collect();
        let ends = denied
            .iter()
            .map(|(_, check)| self.ends(&stage.objects, check));
        let failed = Self::try_all(denied.iter().copied().zip(ends), Some(Verdict::Allow));
        let failed = failed.into_iter().filter(|(_, arrived)| !arrived);
        let checks = failed.map(|(index, _)| stage.checks[index].to_string());
        checks
            .chain(self.services(stage, mode, false))
            .map(|check| format!("{}: {check}: without a daemon too", self.scenario.name))
            .collect()
    }

    /// Tries all at a time. `expected` overrides what decides how long to wait.
    fn try_all<'b>(
        checks: impl Iterator<Item = ((usize, &'b Check), Option<[Place<'b>; 2]>)>,
        expected: Option<Verdict>,
    ) -> Vec<(usize, bool)> {
        thread::scope(|scope| {
            let threads: Vec<_> = checks
                .filter_map(|((index, check), ends)| {
                    let [from, to] = ends?;
                    let question = &check.question;
                    let verdict = expected.unwrap_or(check.verdict);
                    let probe = move || probe::arrives(from, to, question, verdict);
                    Some((index, scope.spawn(probe)))
                })
                .collect();
            threads
                .into_iter()
                .map(|(index, thread)| (index, thread.join().unwrap()))
                .collect()
        })
    }

    /// The two ends of a check. `None` when it does not concern this node, or cannot be placed.
    fn ends(&self, objects: &Objects, check: &Check) -> Option<[Place<'_>; 2]> {
        let [from, to] = [&check.question.from, &check.question.to].map(|s| addresses(objects, s));
        let (from, to) = to.iter().find_map(|to| {
            let from = from.iter().find(|from| from.is_ipv4() == to.is_ipv4())?;
            Some((*from, *to))
        })?;
        let ends = [self.place(from), self.place(to)];
        ends.iter().any(|end| !end.outside).then_some(ends)
    }

    pub(crate) fn place(&self, address: IpAddr) -> Place<'_> {
        let pod = self
            .pods
            .values()
            .find(|pod| pod.addresses.contains(&address));
        let at = match pod {
            Some(pod) => pod,
            None if self.own.contains(&address) => &*self.node.lab.node,
            None => &self.node.lab.outside,
        };
        Place {
            at,
            address,
            outside: pod.is_none() && !self.own.contains(&address),
        }
    }

    /// Makes the lab's pods those of the objects that are on this node. A pod that has ended stays
    /// where it is until its address is another's.
    fn place_pods(&mut self, objects: &Objects) {
        let here = |pod: &&api::Pod| node_of(pod).is_none_or(|node| Some(&*node) == self.name);
        let wanted: BTreeMap<Vec<IpAddr>, String> = objects
            .pods
            .iter()
            .filter(|pod| !is_host_network(pod))
            .filter(here)
            .map(|pod| (pod_addresses(pod), pod.metadata.name.clone().unwrap()))
            .filter(|(addresses, _)| !addresses.is_empty())
            .collect();
        let gone = self.pods.keys().filter(|key| !wanted.contains_key(*key));
        for key in gone.cloned().collect::<Vec<_>>() {
            self.servers.clear();
            let pod = self.pods.remove(&key).unwrap();
            self.node.lab.remove_pod(pod).unwrap();
        }
        for (addresses, name) in wanted {
            if self.pods.contains_key(&addresses) {
                continue;
            }
            for address in &addresses {
                if self.outside.remove(address) {
                    self.servers.clear();
                    self.node.lab.remove_outside(*address).unwrap();
                }
            }
            let name = format!("{name}-{}", self.pods.len());
            let pod = self.node.lab.add_pod_with(&name, &addresses).unwrap();
            self.pods.insert(addresses, pod);
        }
        for pod in self.pods.values() {
            pod.ip("neighbor flush all").unwrap();
        }
    }

    /// Gives the node its addresses, and the world outside all others that are asked about.
    fn place_addresses(&mut self, stage: &Stage, skipped: Skipped<'_>) {
        for node in &stage.objects.nodes {
            if node.metadata.name.as_deref() != self.name {
                continue;
            }
            for address in node_addresses(node) {
                if self.own.insert(address) {
                    self.node.lab.add_node_address(address).unwrap();
                }
            }
        }
        let asked = stage.checks.iter().filter(|check| !skipped(check));
        let asked: BTreeSet<IpAddr> = asked
            .flat_map(|check| [&check.question.from, &check.question.to])
            .flat_map(|side| addresses(&stage.objects, side))
            .chain(
                services::backends(stage)
                    .iter()
                    .flat_map(|(_, backends)| backends.iter().map(|backend| backend.address)),
            )
            .collect();
        for address in asked {
            if self.place(address).outside && self.outside.insert(address) {
                self.node.lab.add_outside(address).unwrap();
                self.servers.clear();
            }
        }
    }

    /// Serves every port that is asked about.
    fn serve(&mut self, stage: &Stage, skipped: Skipped<'_>) {
        let mut wanted = BTreeMap::new();
        for check in stage.checks.iter().filter(|check| !skipped(check)) {
            let (number, port) = (check.question.protocol, check.question.port);
            if let (Some(protocol), Some([_, to])) = (
                probe::served(&check.question),
                self.ends(&stage.objects, check),
            ) {
                let place = to.at.path().as_os_str().as_encoded_bytes().to_vec();
                wanted.insert((place, number, port), (to.at, protocol));
            }
        }
        for (check, backends) in services::backends(stage) {
            for backend in backends {
                let at = self.place(backend.address).at;
                let place = at.path().as_os_str().as_encoded_bytes().to_vec();
                let protocol = services::protocol(check);
                let key = (place, check.question.protocol, backend.port);
                wanted.insert(key, (at, protocol));
            }
        }
        let missing = wanted
            .into_iter()
            .filter(|(key, _)| !self.servers.contains_key(key));
        let started: Vec<_> = missing
            .map(|(key, (at, protocol))| {
                let port = key.2;
                (key, Server::start(at, protocol, port).unwrap())
            })
            .collect();
        self.servers.extend(started);
    }
}

impl Drop for Play<'_> {
    /// Each server takes a moment to end, so all do it at a time.
    fn drop(&mut self) {
        let servers = std::mem::take(&mut self.servers);
        thread::scope(|scope| {
            for server in servers.into_values() {
                scope.spawn(move || drop(server));
            }
        });
    }
}

/// The addresses of a side; for a pod in its node's network, those of its status.
pub(crate) fn addresses(objects: &Objects, side: &Side) -> Vec<IpAddr> {
    match side {
        Side::Address(address) => vec![*address],
        Side::Pod(namespace, name) => {
            let is_it = |pod: &&api::Pod| {
                let there = pod.metadata.namespace.as_deref().unwrap_or("default");
                pod.metadata.name.as_ref() == Some(name) && there == namespace
            };
            objects
                .pods
                .iter()
                .find(is_it)
                .map(pod_addresses)
                .unwrap_or_default()
        }
    }
}

fn pod_addresses(pod: &api::Pod) -> Vec<IpAddr> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let all: Vec<IpAddr> = status
        .pod_ips
        .iter()
        .flatten()
        .map(|ip| ip.ip.parse().unwrap())
        .collect();
    if all.is_empty() {
        return status.pod_ip.iter().map(|ip| ip.parse().unwrap()).collect();
    }
    all
}

fn node_addresses(node: &api::Node) -> Vec<IpAddr> {
    let status = node.status.iter();
    status
        .flat_map(|status| status.addresses.iter().flatten())
        .filter_map(|address| address.address.parse().ok())
        .collect()
}

fn is_host_network(pod: &api::Pod) -> bool {
    pod.spec
        .as_ref()
        .is_some_and(|spec| spec.host_network == Some(true))
}

/// The node that a pod is bound to.
pub(crate) fn node_of(pod: &api::Pod) -> Option<String> {
    pod.spec.as_ref()?.node_name.clone()
}
