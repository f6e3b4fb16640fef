//! The two sides of a flow.
//!
//! Numbers of identities are not those of our records, which mean something on one node only: relay puts
//! the flows of all nodes together, and Hubble UI draws one box for each number. So pods with the same
//! namespace and labels have one number everywhere, made out of these.

use std::borrow::Cow;

use enforcer_flows::{Party, Record};
use enforcer_policy::intern::Name;

use crate::hash::hash;
use crate::node::Node;
use crate::proto::flow;

/// What is no pod, with the numbers that Cilium's clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// Nothing is known, or the address of a service that is not translated yet.
    Unknown = 0,
    /// The node that reports.
    Host = 1,
    /// Outside the cluster.
    World = 2,
    /// Another node.
    RemoteNode = 6,
}

impl Reserved {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Host => "host",
            Self::World => "world",
            Self::RemoteNode => "remote-node",
        }
    }
}

/// Numbers below are Cilium's own.
const FIRST: u64 = 256;

/// Behind the numbers for pods.
const LIMIT: u64 = 1 << 24;

/// Labels that differ between the pods of one workload, or between its versions.
const PASSING: [&str; 8] = [
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "controller-revision-hash",
    "controller-uid",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// Labels that Cilium adds to those of pods.
pub(crate) const NAMESPACE_LABEL: &str = "io.kubernetes.pod.namespace";
pub(crate) const CLUSTER_LABEL: &str = "io.cilium.k8s.policy.cluster";

pub(crate) fn endpoint(party: &Party, record: &Record, node: &Node) -> flow::Endpoint {
    let (pod, workload) = (party.pod(), party.workload());
    let workload = workload.map(|one| flow::Workload {
        name: one.name().to_owned(),
        kind: one.kind().to_owned(),
    });
    flow::Endpoint {
        id: 0,
        identity: identity(party, record, node),
        cluster_name: cluster(party, node).to_owned(),
        namespace: pod.map(|key| key.namespace.to_string()).unwrap_or_default(),
        labels: labels(party, record, node),
        pod_name: pod.map(|key| key.name.to_string()).unwrap_or_default(),
        workloads: workload.into_iter().collect(),
    }
}

/// The service whose address it is.
pub(crate) fn service(party: &Party) -> Option<flow::Service> {
    party.service().map(|key| flow::Service {
        name: key.name.to_string(),
        namespace: key.namespace.to_string(),
    })
}

/// The cluster that it is in; of the world, none.
pub(crate) fn cluster<'a>(party: &Party, node: &'a Node) -> &'a str {
    let within = party.pod().is_some() || party.node().is_some();
    if within { &node.cluster } else { "" }
}

/// What it is, if it is no pod.
pub(crate) fn reserved(party: &Party, record: &Record, node: &Node) -> Option<Reserved> {
    if party.pod().is_some() {
        return None;
    }
    let here = record.context.node.as_deref().unwrap_or(&node.name);
    Some(match party.node() {
        Some(name) if name == here => Reserved::Host,
        Some(_) => Reserved::RemoteNode,
        None if party.address.is_none() || party.service().is_some() => Reserved::Unknown,
        None => Reserved::World,
    })
}

/// The number of its identity.
pub(crate) fn identity(party: &Party, record: &Record, node: &Node) -> u32 {
    if let Some(reserved) = reserved(party, record, node) {
        return reserved as u32;
    }
    let namespace = party.namespace().map(Name::as_str);
    let labels = party.who.iter().flat_map(|who| who.labels.iter());
    let lasting = labels.filter(|(key, _)| !PASSING.contains(&key.as_str()));
    let labels = lasting.flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    let all = [node.cluster.as_str()].into_iter().chain(namespace);
    let number = FIRST + hash(all.chain(labels)) % (LIMIT - FIRST);
    u32::try_from(number).unwrap_or_default()
}

/// Its labels as Hubble shows them, sorted.
fn labels(party: &Party, record: &Record, node: &Node) -> Vec<String> {
    if let Some(reserved) = reserved(party, record, node) {
        return vec![format!("reserved:{}", reserved.name())];
    }
    let own = party.who.iter().flat_map(|who| who.labels.iter());
    let own = own.map(|(key, value)| format!("k8s:{key}={value}"));
    let added = [NAMESPACE_LABEL, CLUSTER_LABEL].into_iter();
    let added =
        added.filter_map(|key| Some(format!("k8s:{key}={}", added_label(party, node, key)?)));
    let mut labels: Vec<String> = own.chain(added).collect();
    labels.sort_unstable();
    labels
}

/// The value of a label of a pod, or of one that Cilium adds.
pub(crate) fn label<'a>(party: &'a Party, node: &'a Node, key: &str) -> Option<Cow<'a, str>> {
    let own = party.pod().and(party.who.as_deref())?.labels.get(key);
    let own = own.map(|value| Cow::Borrowed(value.as_str()));
    own.or_else(|| added_label(party, node, key).map(Cow::Borrowed))
}

fn added_label<'a>(party: &'a Party, node: &'a Node, key: &str) -> Option<&'a str> {
    let pod = party.pod()?;
    match key {
        NAMESPACE_LABEL => Some(&pod.namespace),
        CLUSTER_LABEL => Some(&node.cluster),
        _ => None,
    }
}
