//! What discovery finds.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use enforcer_common::abi::{Endpoint, address};

use super::DiscoverError;
use super::attributes::is_pair;
use crate::datapath::netns::NetnsId;

/// What is there.
#[derive(Debug, Default)]
pub struct Links {
    /// The namespaces, by path. One that several files name is there once, by its first path; the
    /// daemon's own is not.
    pub namespaces: Vec<Namespace>,
    /// The links of the node itself but loopback, those of `namespaces` among them.
    pub node: Vec<NodeLink>,
    /// Files that could not be looked into, and why. A file that is not a namespace yet is among
    /// them; the mount that makes it one wakes the watcher.
    pub problems: Vec<(PathBuf, DiscoverError)>,
}

/// A link of the node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeLink {
    /// Its index.
    pub ifindex: u32,
    /// Its name, for people: it may change.
    pub name: String,
    /// Its packets have no Ethernet header: it is a tunnel of IP in something.
    pub bare: bool,
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its file.
    pub path: PathBuf,
    /// Which namespace it is.
    pub id: NetnsId,
    /// Its links that have a side on the node, whether they have addresses yet or not. Whoever keeps
    /// one shares it: a node has hundreds, and each change of a pod goes through them.
    pub links: Vec<Arc<PodLink>>,
    /// Its links that cannot be enforced from the node: all that lead out of the namespace, and
    /// those inside it that have addresses.
    pub unenforceable: Vec<Unenforceable>,
}

impl Namespace {
    /// Whether it has a link of this name.
    pub fn has(&self, ifname: &str) -> bool {
        let mut links = self.links.iter().map(|link| &link.pod_ifname);
        let mut others = self.unenforceable.iter().map(|link| &link.pod_ifname);
        links.any(|name| name == ifname) || others.any(|name| name == ifname)
    }

    /// The addresses of all its links; one may be there twice.
    pub fn addresses(&self) -> impl Iterator<Item = &IpAddr> {
        let links = self.links.iter().flat_map(|link| &link.addresses);
        let others = self.unenforceable.iter().flat_map(|link| &link.addresses);
        links.chain(others)
    }

    /// The names of links that are one end of a pair whose other end is not the node's.
    pub(super) fn pairs_without_side(&self) -> impl Iterator<Item = &str> {
        let pairs = self.unenforceable.iter();
        pairs
            .filter(|link| is_pair(&link.kind))
            .map(|link| link.pod_ifname.as_str())
    }
}

/// A link between a namespace and the node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodLink {
    /// The index of the node's side, where programs are attached.
    pub host_ifindex: u32,
    /// The name of the node's side, for people: it may change.
    pub host_name: String,
    /// What it is.
    pub kind: LinkKind,
    /// The file of the namespace.
    pub namespace: PathBuf,
    /// The index inside the namespace.
    pub pod_ifindex: u32,
    /// The name inside the namespace.
    pub pod_ifname: String,
    /// The addresses inside the namespace, sorted, without loopback and link-local IPv6 ones.
    pub addresses: Vec<IpAddr>,
}

impl PodLink {
    /// The endpoint of a pod on a link in another network, where the pod speaks for the link's own
    /// addresses. An endpoint has room for one of each family, the first; what comes from others is
    /// dropped as spoofed.
    pub fn second(&self, of_pod: Endpoint) -> Endpoint {
        let mut endpoint = of_pod;
        (endpoint.v4, endpoint.v6) = ([0; 1], [0; 4]);
        for one in self.addresses.iter().rev() {
            match one {
                IpAddr::V4(v4) => endpoint.v4 = address::v4(*v4),
                IpAddr::V6(v6) => endpoint.v6 = address::v6(*v6),
            }
        }
        endpoint
    }
}

/// A link that cannot be enforced from the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unenforceable {
    /// The name inside the namespace.
    pub pod_ifname: String,
    /// What it is.
    pub kind: LinkKind,
    /// Its addresses as in [`PodLink::addresses`].
    pub addresses: Vec<IpAddr>,
    /// Why.
    pub why: Why,
}

impl fmt::Display for Unenforceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.pod_ifname, self.kind)?;
        for address in &self.addresses {
            write!(f, " {address}")?;
        }
        write!(f, ": {}", self.why)
    }
}

/// Why a link cannot be enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its packets leave by the parent link without passing any link of the node's.
    SharesParent,
    /// It is no pair, or its other side is not the node's.
    NoHostSide,
    /// It leads nowhere by itself: a bridge, a tunnel or a pair inside the namespace.
    Inside,
}

impl Why {
    /// Whether packets get out of the namespace by this link itself.
    pub fn leads_out(self) -> bool {
        self != Self::Inside
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharesParent => {
                "its packets go by the parent link and pass no link of the node's own; give the pod \
                 a veth or netkit link (plugins ptp or bridge) to have policies enforced"
            }
            Self::NoHostSide => {
                "it is a device of the pod's own, without a side on the node; give the pod a veth or \
                 netkit link (plugins ptp or bridge) to have policies enforced"
            }
            Self::Inside => {
                "it ends inside the pod's namespace, so it is not where the pod's packets come out"
            }
        })
    }
}

/// The kind of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// A virtual Ethernet pair.
    Veth,
    /// A netkit pair.
    Netkit,
    /// A slave of one of the node's links by address.
    Ipvlan,
    /// A slave of one of the node's links by MAC address.
    Macvlan,
    /// A slave of one of the node's links by VLAN.
    Vlan,
    /// Anything else, by the kernel's name; a physical link has none and is called `physical`.
    Other(String),
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Veth => "veth",
            Self::Netkit => "netkit",
            Self::Ipvlan => "ipvlan",
            Self::Macvlan => "macvlan",
            Self::Vlan => "vlan",
            Self::Other(name) => name,
        })
    }
}
