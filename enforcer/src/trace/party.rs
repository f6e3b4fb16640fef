//! Who the two ends are, and which addresses they use.

use std::collections::HashMap;
use std::net::IpAddr;

use enforcer_policy::explain::PeerIdentity;
use enforcer_policy::model::{Change, Cluster, Node, Pod, PodKey};

use super::query::Side;

/// An end and the addresses that it may use, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) who: PeerIdentity,
    addresses: Vec<IpAddr>,
}

/// Why an end cannot be asked about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartyError {
    /// No pod has this name.
    #[error("there is no pod {0} in the manifests")]
    NoSuchPod(PodKey),
    /// It has ended.
    #[error("the pod {0} has ended (phase Succeeded or Failed): it makes and takes no connections")]
    Ended(PodKey),
    /// It has no address yet.
    #[error("the pod {0} has no address; give it one in status.podIPs")]
    NoAddress(PodKey),
    /// One end has only IPv4 addresses and the other only IPv6 addresses.
    #[error("the two ends have no address family in common")]
    NoCommonFamily,
}

/// Addresses by owner, so that no question walks over the cluster.
#[derive(Debug, Default)]
pub(super) struct Parties {
    owners: HashMap<IpAddr, PeerIdentity>,
}

impl Parties {
    /// An address that several claim belongs to the first by name, and to a pod before a node.
    pub(super) fn new(cluster: &Cluster) -> Self {
        let mut owners = HashMap::new();
        for (key, pod) in cluster.pods.iter().filter(|(_, pod)| pod.is_selectable()) {
            for address in &pod.addresses {
                let who = || PeerIdentity::Pod(key.clone());
                owners.entry(*address).or_insert_with(who);
            }
        }
        for (name, node) in &cluster.nodes {
            for address in &node.addresses {
                let who = || PeerIdentity::Node(name.clone());
                owners.entry(*address).or_insert_with(who);
            }
        }
        Self { owners }
    }

    fn owner(&self, address: IpAddr) -> PeerIdentity {
        self.owners
            .get(&address)
            .cloned()
            .unwrap_or(PeerIdentity::Outside)
    }

    /// Who is meant.
    pub(super) fn find(&self, cluster: &Cluster, side: Side) -> Result<Party, PartyError> {
        let key = match side {
            Side::Address(address) => {
                return Ok(Party {
                    who: self.owner(address),
                    addresses: vec![address],
                });
            }
            Side::Pod(key) => key,
        };
        match cluster.pods.get(&key) {
            None => Err(PartyError::NoSuchPod(key)),
            Some(pod) if pod.terminated => Err(PartyError::Ended(key)),
            Some(pod) if pod.host_network => self.host_network(cluster, key, pod),
            Some(pod) if pod.addresses.is_empty() => Err(PartyError::NoAddress(key)),
            Some(pod) => Ok(Party {
                who: PeerIdentity::Pod(key),
                addresses: pod.addresses.clone(),
            }),
        }
    }

    fn host_network(&self, cluster: &Cluster, key: PodKey, pod: &Pod) -> Result<Party, PartyError> {
        let node = pod.node.as_ref();
        let mut addresses = pod.addresses.clone();
        if addresses.is_empty() {
            let node = node.and_then(|name| cluster.nodes.get(name));
            addresses.extend(node.into_iter().flat_map(|node| &node.addresses));
        }
        let Some(first) = addresses.first() else {
            return Err(PartyError::NoAddress(key));
        };
        let who = match node {
            Some(name) => PeerIdentity::Node(name.clone()),
            None => self.owner(*first),
        };
        Ok(Party { who, addresses })
    }
}

/// The addresses (source, destination) that a connection uses: the destination's first whose
/// family the source has too.
pub(super) fn common_family(from: &Party, to: &Party) -> Result<(IpAddr, IpAddr), PartyError> {
    let pair = to.addresses.iter().find_map(|to| {
        let same = |from: &&IpAddr| from.is_ipv4() == to.is_ipv4();
        Some((*from.addresses.iter().find(same)?, *to))
    });
    pair.ok_or(PartyError::NoCommonFamily)
}

/// What is missing in the manifests although it follows from them: the address of a pod that
/// shares its node's network is its node's, described or not.
pub(super) fn implied_nodes(cluster: &Cluster) -> Vec<Change> {
    let mut nodes: HashMap<&String, Node> = HashMap::new();
    let sharing = cluster.pods.values();
    let sharing = sharing.filter(|pod| pod.host_network && !pod.terminated);
    for (pod, name) in sharing.filter_map(|pod| Some((pod, pod.node.as_ref()?))) {
        let known = || cluster.nodes.get(name).cloned().unwrap_or_default();
        let node = nodes.entry(name).or_insert_with(known);
        node.addresses.extend(&pod.addresses);
    }
    let changes = nodes.into_iter().map(|(name, mut node)| {
        node.addresses.sort_unstable();
        node.addresses.dedup();
        Change::Node(name.clone(), Some(node))
    });
    changes.collect()
}
