//! The workloads of the cluster and of the records.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use enforcer_flows::{Party, Who};
use enforcer_policy::intern::Name;
use enforcer_policy::model::{self, Cluster, Pod, PodKey};
use enforcer_policy::rule::Protocol;

use super::ports::{Port, PortName, name_of};
use super::selector::Selector;
use crate::recorded::Log;

/// The name of a workload. A pod of its own is one too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkloadKey {
    /// Its namespace.
    pub namespace: Name,
    /// Its kind, such as `Deployment`.
    pub kind: Name,
    /// Its name.
    pub name: Name,
}

impl WorkloadKey {
    fn of(key: &PodKey, workload: Option<&model::Workload>) -> Self {
        Self {
            namespace: key.namespace.clone(),
            kind: workload.map_or_else(|| "Pod".into(), |one| one.kind().into()),
            name: workload.map_or_else(|| key.name.clone(), |one| one.name().into()),
        }
    }
}

impl fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// What the pods of a workload recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Records were made at their links.
    Something,
    /// None was, although some of them are on nodes that made records.
    Nothing,
    /// None of them is on a node that made records.
    Elsewhere,
}

/// A workload and what policies need to know of it.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub key: WorkloadKey,
    /// What means its pods; `None` where they have nothing in common.
    pub selector: Option<Selector>,
    /// Others whose pods the selector means too.
    pub sharing: BTreeSet<WorkloadKey>,
    /// Its pods, with those of the records where the manifests have none.
    pub pods: BTreeMap<PodKey, Pod>,
    /// No manifest has any of its pods.
    pub gone: bool,
    /// A policy is wanted for it.
    pub chosen: bool,
    /// What its own pods recorded.
    pub heard: Heard,
    /// Nodes that it has pods on and that made no record.
    pub unheard: BTreeSet<Name>,
}

impl Workload {
    /// Whether anything was recorded at its own pods.
    pub fn is_heard(&self) -> bool {
        self.heard == Heard::Something
    }

    /// One of its pods, as filters see it.
    pub(super) fn party(&self, key: &PodKey, pod: &Pod) -> Party {
        let workload = model::Workload::new(&self.key.kind, &self.key.name);
        let who = Who {
            pod: Some(key.clone()),
            workload: Some(workload),
            labels: pod.labels.clone(),
            node: pod.node.clone(),
            service: None,
        };
        Party {
            who: Some(Arc::new(who)),
            ..Party::default()
        }
    }

    /// A port of its pods, by name where they all call it so.
    pub fn port(&self, protocol: Protocol, number: u16) -> Port {
        let pods: Vec<&Pod> = self.pods.values().collect();
        let name = name_of(&pods, protocol, number);
        Port {
            protocol,
            port: name.map_or(PortName::Number(number), PortName::Name),
        }
    }
}

/// All of them, and whose pods are whose.
#[derive(Clone, Debug, Default)]
pub struct Workloads {
    by_key: BTreeMap<WorkloadKey, Workload>,
    of: BTreeMap<PodKey, WorkloadKey>,
}

impl Workloads {
    /// The workloads of the cluster, and of pods that only records know.
    pub fn new(cluster: &Cluster, log: &Log) -> Self {
        let mut all = Self::default();
        for (key, pod) in &cluster.pods {
            if !pod.host_network {
                all.add(key, pod, false);
            }
        }
        for (key, who) in &log.pods {
            let workload = WorkloadKey::of(key, who.workload.as_ref());
            let gone = all.by_key.get(&workload).is_none_or(|known| known.gone);
            if all.of.contains_key(key) {
                continue;
            }
            if gone {
                let pod = Pod {
                    labels: who.labels.clone(),
                    node: who.node.clone(),
                    workload: who.workload.clone(),
                    ..Pod::default()
                };
                all.add(key, &pod, true);
            } else {
                all.of.insert(key.clone(), workload);
            }
        }
        all.prefer_living();
        all.hear(log);
        all.tell_apart();
        all
    }

    /// Says for which of them policies are wanted.
    pub fn choose(&mut self, wanted: impl Fn(&Workload) -> bool) {
        for workload in self.by_key.values_mut() {
            workload.chosen = wanted(workload);
        }
    }

    /// The workloads in order.
    pub fn iter(&self) -> impl Iterator<Item = &Workload> {
        self.by_key.values()
    }

    /// The workload of a pod.
    pub fn of(&self, pod: &PodKey) -> Option<&Workload> {
        self.by_key.get(self.of.get(pod)?)
    }

    fn add(&mut self, key: &PodKey, pod: &Pod, gone: bool) {
        let name = WorkloadKey::of(key, pod.workload.as_ref());
        self.of.insert(key.clone(), name.clone());
        let workload = self.by_key.entry(name.clone()).or_insert_with(|| Workload {
            key: name,
            selector: None,
            sharing: BTreeSet::new(),
            pods: BTreeMap::new(),
            gone,
            chosen: true,
            heard: Heard::Nothing,
            unheard: BTreeSet::new(),
        });
        workload.pods.insert(key.clone(), pod.clone());
    }

    /// Pods that have ended count only where no other is left: of jobs there may never be another.
    fn prefer_living(&mut self) {
        for workload in self.by_key.values_mut() {
            if workload.pods.values().any(|pod| !pod.terminated) {
                workload.pods.retain(|_, pod| !pod.terminated);
            }
        }
    }

    fn hear(&mut self, log: &Log) {
        for key in log.endpoints.iter().filter_map(|pod| self.of.get(pod)) {
            if let Some(workload) = self.by_key.get_mut(key) {
                workload.heard = Heard::Something;
            }
        }
        if log.nodes.is_empty() {
            return;
        }
        for workload in self.by_key.values_mut() {
            let nodes = workload.pods.values().filter_map(|pod| pod.node.as_ref());
            let (heard, unheard): (Vec<_>, Vec<_>) =
                nodes.partition(|node| log.nodes.contains(*node));
            if workload.heard == Heard::Nothing && heard.is_empty() && !unheard.is_empty() {
                workload.heard = Heard::Elsewhere;
            }
            workload.unheard = unheard.into_iter().cloned().collect();
        }
    }

    /// Gives every workload the selector that means as few pods of others as labels allow.
    fn tell_apart(&mut self) {
        let mut found = BTreeMap::new();
        for (key, workload) in &self.by_key {
            let own = workload.pods.values().map(|pod| &pod.labels);
            let Some(mut selector) = Selector::common(own.clone()) else {
                continue;
            };
            let own: Vec<_> = own.collect();
            let others = self.by_key.values();
            let others = others.filter(|other| other.key.namespace == key.namespace);
            let mut sharing = BTreeSet::new();
            for other in others.filter(|other| other.key != *key) {
                for pod in other.pods.values().filter(|pod| !pod.terminated) {
                    if !selector.exclude(&pod.labels, &own) {
                        sharing.insert(other.key.clone());
                    }
                }
            }
            found.insert(key.clone(), (selector, sharing));
        }
        for (key, (selector, sharing)) in found {
            if let Some(workload) = self.by_key.get_mut(&key) {
                workload.selector = Some(selector);
                workload.sharing = sharing;
            }
        }
    }
}
