//! What discovery finds.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::DiscoverError;
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
    /// Its links that have a side on the node, whether they have addresses yet or not.
    pub links: Vec<PodLink>,
    /// Its links with addresses that cannot be enforced from the node.
    pub unenforceable: Vec<Unenforceable>,
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

/// A link that cannot be enforced from the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unenforceable {
    /// The name inside the namespace.
    pub pod_ifname: String,
    /// What it is.
    pub kind: LinkKind,
    /// Its addresses as in [`PodLink::addresses`]; never empty.
    pub addresses: Vec<IpAddr>,
    /// Why.
    pub why: Why,
}

/// Why a link cannot be enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its packets leave by the parent link without passing any link of the node's.
    SharesParent,
    /// No link of the node is its other side.
    NoHostSide,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharesParent => "its packets pass no link of the node's own",
            Self::NoHostSide => "it has no side on the node",
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
            Self::Other(name) => name,
        })
    }
}
