//! Who the two ends are, and which addresses they use.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enforcer_policy::compile::Compiler;
use enforcer_policy::explain::PeerIdentity;
use enforcer_policy::model::{Change, Cluster, Family, Node, Pod, PodKey, ServiceKey};

use super::query::Side;

/// An end and the addresses that it may use, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) who: PeerIdentity,
    /// What one should know about it.
    pub(super) note: Option<String>,
    /// Its addresses are supposed: no ipBlock means them.
    pub(super) waits: bool,
    addresses: Vec<IpAddr>,
}

/// Why an end cannot be asked about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartyError {
    /// No pod has this name.
    #[error("there is no pod {0} in the manifests")]
    NoSuchPod(PodKey),
    /// It has no address, and none is left to suppose.
    #[error("the pod {0} has no address; give it one in status.podIPs")]
    NoAddress(PodKey),
    /// One end has only IPv4 addresses and the other only IPv6 addresses.
    #[error("the two ends have no address family in common")]
    NoCommonFamily,
    /// No service has this name.
    #[error("there is no service {0} in the manifests")]
    NoSuchService(ServiceKey),
    /// Nobody translates what is sent to it.
    #[error(
        "{0} is of the type ExternalName: another name in DNS, where nobody translates anything"
    )]
    ExternalName(ServiceKey),
    /// The service has other ports.
    #[error("the service {key} has no {protocol} port {port}; its ports are {known}")]
    NoSuchPort {
        /// The service.
        key: ServiceKey,
        /// What was asked for.
        protocol: String,
        /// What was asked for.
        port: u16,
        /// What there is.
        known: String,
    },
    /// Services have ports.
    #[error("{0} is a service, which has ports of TCP, UDP and SCTP only")]
    ServiceWithoutPorts(ServiceKey),
}

impl Party {
    /// Somebody at an address that is supposed where none is known.
    pub(super) fn at_address(who: PeerIdentity, address: Option<IpAddr>, family: Family) -> Self {
        let supposed = match family {
            Family::V4 => IpAddr::from(SUPPOSED_V4),
            Family::V6 => IpAddr::from(SUPPOSED_V6),
        };
        Self {
            who,
            note: None,
            waits: address.is_none(),
            addresses: vec![address.unwrap_or(supposed)],
        }
    }

    /// Its address of a family.
    pub(super) fn address(&self, family: Family) -> Option<IpAddr> {
        let mut addresses = self.addresses.iter();
        addresses.find(|one| Family::of(**one) == family).copied()
    }
}

/// Knows which pods wait for their addresses.
#[derive(Debug, Default)]
pub(super) struct Parties {
    /// Pods whose addresses are supposed.
    waiting: HashSet<PodKey>,
}

impl Parties {
    /// The addresses of the pods in `supposed` are.
    pub(super) fn new(supposed: &[Change]) -> Self {
        let waiting = supposed.iter().filter_map(|change| match change {
            Change::Pod(key, _) => Some(key.clone()),
            _ => None,
        });
        Self {
            waiting: waiting.collect(),
        }
    }

    /// Whether the addresses of a pod are supposed.
    pub(super) fn is_waiting(&self, pod: &PodKey) -> bool {
        self.waiting.contains(pod)
    }

    /// Who is meant. Services are nobody: see [`super::service`].
    pub(super) fn find(&self, compiler: &Compiler, side: Side) -> Result<Party, PartyError> {
        let key = match side {
            Side::Address(address) => {
                return Ok(Party {
                    who: compiler.owner(address),
                    note: None,
                    waits: false,
                    addresses: vec![address],
                });
            }
            Side::Pod(key) => key,
            Side::Service(key) => return Err(PartyError::NoSuchService(key)),
        };
        let Some(pod) = compiler.cluster().pods.get(&key) else {
            return Err(PartyError::NoSuchPod(key));
        };
        let waits = self.waiting.contains(&key);
        let told = waits.then(|| {
            format!("{key} has no address: its labels are judged, and no ipBlock matches it")
        });
        let mut party = if pod.terminated {
            // Nobody's peer or subject: all that is left of it is its address.
            Party {
                who: PeerIdentity::Outside,
                note: Some(format!(
                    "{key} has ended (phase Succeeded or Failed): only its address counts"
                )),
                waits: false,
                addresses: pod.addresses.clone(),
            }
        } else if pod.host_network {
            host_network(compiler, key, pod)?
        } else if pod.addresses.is_empty() {
            return Err(PartyError::NoAddress(key));
        } else {
            Party {
                who: PeerIdentity::Pod(key),
                note: None,
                waits: false,
                addresses: pod.addresses.clone(),
            }
        };
        party.waits = waits;
        party.note = party.note.or(told);
        Ok(party)
    }
}

/// An end that uses this address. Somebody who is outside by name may have an address that is a
/// pod's by now.
pub(super) fn at(compiler: &Compiler, party: Party, address: IpAddr) -> Party {
    match party.who {
        PeerIdentity::Outside => Party {
            who: compiler.owner(address),
            ..party
        },
        _ => party,
    }
}

fn host_network(compiler: &Compiler, key: PodKey, pod: &Pod) -> Result<Party, PartyError> {
    let node = pod.node.as_ref();
    let mut addresses = pod.addresses.clone();
    if addresses.is_empty() {
        let node = node.and_then(|name| compiler.cluster().nodes.get(name.as_str()));
        addresses.extend(node.into_iter().flat_map(|node| &node.addresses));
    }
    let Some(first) = addresses.first() else {
        return Err(PartyError::NoAddress(key));
    };
    let who = match node {
        Some(name) => PeerIdentity::Node(name.to_string()),
        None => compiler.owner(*first),
    };
    Ok(Party {
        who,
        note: None,
        waits: false,
        addresses,
    })
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

/// Addresses for the pods that have none, so that one can ask what policies say about them before
/// they run: from blocks that nobody can have (RFC 1112 §4, RFC 6666).
pub(super) fn supposed_addresses(cluster: &Cluster) -> Vec<Change> {
    let waiting = cluster.pods.iter().filter(|(_, pod)| {
        let node = pod.node.as_deref();
        let node = node.and_then(|name| cluster.nodes.get(name));
        pod.addresses.is_empty()
            && !(pod.host_network
                && !pod.terminated
                && node.is_some_and(|node| !node.addresses.is_empty()))
    });
    let changes = (1..=SUPPOSED).zip(waiting).map(|(number, (key, pod))| {
        let four = Ipv4Addr::from_bits(SUPPOSED_V4.to_bits() | number);
        let six = Ipv6Addr::from_bits(SUPPOSED_V6.to_bits() | u128::from(number));
        let pod = Pod {
            addresses: vec![four.into(), six.into()],
            ..pod.clone()
        };
        Change::Pod(key.clone(), Some(pod))
    });
    changes.collect()
}

/// How many pods can have supposed addresses.
const SUPPOSED: u32 = 0x0fff_fffe;
const SUPPOSED_V4: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 0);
const SUPPOSED_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0);

/// What is missing in the manifests although it follows from them: the address of a pod that
/// shares its node's network is its node's, described or not.
pub(super) fn implied_nodes(cluster: &Cluster) -> Vec<Change> {
    let mut nodes: HashMap<&str, Node> = HashMap::new();
    let sharing = cluster.pods.values();
    let sharing = sharing.filter(|pod| pod.host_network && !pod.terminated);
    for (pod, name) in sharing.filter_map(|pod| Some((pod, pod.node.as_deref()?))) {
        let known = || cluster.nodes.get(name).cloned().unwrap_or_default();
        let node = nodes.entry(name).or_insert_with(known);
        // Behind those that are described: the preferred ones come first.
        for address in &pod.addresses {
            if !node.addresses.contains(address) {
                node.addresses.push(*address);
            }
        }
    }
    let changes = nodes
        .into_iter()
        .map(|(name, node)| Change::Node(name.to_owned(), Some(node)));
    changes.collect()
}
