//! What must hold of suggested policies, told without looking at how they are made.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use enforcer_policy::oracle::{Objects, Part, Question, Side};
use k8s_openapi::api::core::v1::Pod;

/// Who has an address: all pods of a workload are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Workload(String),
    Address(IpAddr),
}

/// The owners of addresses that have one.
pub(crate) struct Owners {
    pods: BTreeMap<IpAddr, Pod>,
    /// Who has these depends on whom one asks.
    doubtful: BTreeSet<IpAddr>,
}

impl Owners {
    pub(crate) fn of(objects: &Objects) -> Self {
        let nodes: BTreeSet<IpAddr> = objects
            .nodes
            .iter()
            .flat_map(|node| {
                node.status
                    .iter()
                    .flat_map(|status| status.addresses.iter().flatten())
            })
            .filter_map(|entry| entry.address.parse().ok())
            .collect();
        let mut owners = Self {
            pods: BTreeMap::new(),
            doubtful: BTreeSet::new(),
        };
        for pod in &objects.pods {
            for address in addresses(pod) {
                let shares_node =
                    pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true);
                if shares_node {
                    if !nodes.contains(&address) {
                        owners.doubtful.insert(address);
                    }
                } else if has_ended(pod) || owners.pods.insert(address, pod.clone()).is_some() {
                    owners.doubtful.insert(address);
                }
            }
        }
        owners
    }

    pub(crate) fn is_sure(&self, question: &Question) -> bool {
        let sides = [&question.from, &question.to];
        sides
            .into_iter()
            .all(|side| !self.doubtful.contains(&address(side)))
    }

    pub(crate) fn pod(&self, side: &Side) -> Option<&Pod> {
        self.pods.get(&address(side))
    }

    fn owner(&self, side: &Side) -> Owner {
        match self.pod(side) {
            Some(pod) => Owner::Workload(workload(pod)),
            None => Owner::Address(address(side)),
        }
    }
}

/// `NAMESPACE KIND/NAME`.
fn workload(pod: &Pod) -> String {
    let metadata = &pod.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    let owner = metadata.owner_references.iter().flatten().next();
    let name = metadata.name.as_deref().unwrap_or_default();
    match owner {
        Some(owner) => format!("{namespace} {}/{}", owner.kind, owner.name),
        None => format!("{namespace} Pod/{name}"),
    }
}

pub(crate) fn address(side: &Side) -> IpAddr {
    match side {
        Side::Address(address) => *address,
        Side::Pod(..) => panic!("only addresses are asked about"),
    }
}

fn addresses(pod: &Pod) -> impl Iterator<Item = IpAddr> {
    let addresses = pod
        .status
        .iter()
        .flat_map(|status| status.pod_ips.iter().flatten());
    addresses.filter_map(|entry| entry.ip.parse().ok())
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What was recorded: connections by the workloads of their ends.
#[derive(Default)]
pub(crate) struct Wanted(BTreeSet<(Owner, Owner, u8, u16)>);

impl Wanted {
    pub(crate) fn add(&mut self, owners: &Owners, question: &Question) {
        self.0.insert(key(owners, question));
    }

    /// Whether an end that policies are asked at must allow a connection.
    pub(crate) fn is_allowed(&self, owners: &Owners, question: &Question, part: &Part) -> bool {
        match part {
            Part::NotApplicable | Part::OwnPod | Part::OwnNode => true,
            _ => self.0.contains(&key(owners, question)),
        }
    }
}

fn key(owners: &Owners, question: &Question) -> (Owner, Owner, u8, u16) {
    let (from, to) = (owners.owner(&question.from), owners.owner(&question.to));
    (from, to, question.protocol, question.port)
}
