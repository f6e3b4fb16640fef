//! Finds the links of pods: for every network namespace below a directory its links and their
//! addresses, and for each link the node's side of it.
//!
//! The two ends of a veth (or netkit) pair name each other: each end's `IFLA_LINK` is the other's
//! index and its `IFLA_LINK_NETNSID` the number of the other's namespace. So the node's side of
//! link 2 of namespace number 7 is the node's link that says "2 in 7". No name or address is
//! guessed from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};

use super::netlink::{Netlink, NetlinkError};
use super::netns::{Netns, NetnsError, NetnsId};

/// kube-proxy in IPVS mode gives every service address to this link. Those are no addresses of the
/// node: behind them are pods.
const IPVS_LINK: &str = "kube-ipvs0";

/// What can go wrong with one namespace or with the whole search.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The directory cannot be read. (One that does not exist is an empty one.)
    #[error("cannot read the directory of network namespaces {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A namespace cannot be opened or entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The kernel cannot be asked.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// What is there.
#[derive(Debug, Default)]
pub struct Links {
    /// The namespaces, by path. One that several files name is there once, by its first path; the
    /// daemon's own is not.
    pub namespaces: Vec<Namespace>,
    /// Files that could not be looked into, and why. A file that is not a namespace yet is among
    /// them; the mount that makes it one wakes the watcher.
    pub problems: Vec<(PathBuf, DiscoverError)>,
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

/// Looks into every namespace file of a directory.
///
/// Runs for some milliseconds and blocks: call it on a thread for that. A namespace that is being
/// removed is a problem of its own and does not hide the others.
pub fn scan(directory: &Path) -> Result<Links, DiscoverError> {
    let host = Netlink::open()?;
    let mut found = Links::default();
    let mut opened = Vec::new();
    for (path, netns) in open_all(directory, &mut found.problems)? {
        // The number must be there before the node's links are read: they refer to it.
        match host.namespace_number(&netns) {
            Ok(number) => opened.push((path, netns, number)),
            Err(error) => found.problems.push((path, error.into())),
        }
    }
    let host_links = host.links()?;
    let sides = host_sides(&host_links);
    for (path, netns, number) in opened {
        match look_into(&path, &netns, number, &sides) {
            Ok(namespace) => found.namespaces.push(namespace),
            Err(error) => found.problems.push((path, error)),
        }
    }
    Ok(found)
}

/// The node's own addresses: all of the daemon's namespace but loopback and link-local IPv6 ones
/// (every link has one, so they would change with each pod, and they name nothing beyond a link)
/// and those that IPVS holds for services.
pub fn local_addresses() -> Result<BTreeSet<IpAddr>, DiscoverError> {
    let netlink = Netlink::open()?;
    let links = netlink.links()?;
    let ipvs = links.iter().find(|link| name(link) == IPVS_LINK);
    let addresses = netlink.addresses()?;
    Ok(addresses
        .iter()
        .filter(|message| Some(message.header.index) != ipvs.map(|link| link.header.index))
        .filter_map(address)
        .collect())
}

/// Opens every namespace but the daemon's own, each once, in the order of their paths.
fn open_all(
    directory: &Path,
    problems: &mut Vec<(PathBuf, DiscoverError)>,
) -> Result<Vec<(PathBuf, Netns)>, DiscoverError> {
    let mut seen = BTreeSet::from([Netns::current()?.id()]);
    let mut opened = Vec::new();
    for path in files(directory)? {
        match Netns::open(&path) {
            Ok(netns) if seen.insert(netns.id()) => opened.push((path, netns)),
            Ok(_) => {}
            Err(error) => problems.push((path, error.into())),
        }
    }
    Ok(opened)
}

fn files(directory: &Path) -> Result<BTreeSet<PathBuf>, DiscoverError> {
    let failed = |source| DiscoverError::Directory {
        path: directory.to_owned(),
        source,
    };
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(failed(error)),
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
            .collect(),
    }
}

/// The other side of a link: its namespace's number and its index there.
type FarEnd = (i32, u32);

/// The node's links that have their other side in another namespace, by that other side.
fn host_sides(links: &[LinkMessage]) -> BTreeMap<FarEnd, &LinkMessage> {
    links
        .iter()
        .filter(|link| is_pair(&kind(link)))
        .filter_map(|link| Some((far_end(link)?, link)))
        .collect()
}

fn look_into(
    path: &Path,
    netns: &Netns,
    number: i32,
    sides: &BTreeMap<FarEnd, &LinkMessage>,
) -> Result<Namespace, DiscoverError> {
    let inside = netns.run(Netlink::open)??;
    let mut addresses = addresses_by_link(&inside.addresses()?);
    let mut namespace = Namespace {
        path: path.to_owned(),
        id: netns.id(),
        links: Vec::new(),
        unenforceable: Vec::new(),
    };
    for link in inside.links()? {
        let addresses = addresses.remove(&link.header.index).unwrap_or_default();
        match sides.get(&(number, link.header.index)) {
            Some(host) => namespace.links.push(PodLink {
                host_ifindex: host.header.index,
                host_name: name(host).to_owned(),
                kind: kind(&link),
                namespace: path.to_owned(),
                pod_ifindex: link.header.index,
                pod_ifname: name(&link).to_owned(),
                addresses,
            }),
            None if addresses.is_empty() => {}
            None => namespace
                .unenforceable
                .push(unenforceable(&link, addresses)),
        }
    }
    Ok(namespace)
}

fn unenforceable(link: &LinkMessage, addresses: Vec<IpAddr>) -> Unenforceable {
    let kind = kind(link);
    Unenforceable {
        pod_ifname: name(link).to_owned(),
        why: match kind {
            LinkKind::Ipvlan | LinkKind::Macvlan => Why::SharesParent,
            _ => Why::NoHostSide,
        },
        kind,
        addresses,
    }
}

fn addresses_by_link(messages: &[AddressMessage]) -> BTreeMap<u32, Vec<IpAddr>> {
    let mut by_link = BTreeMap::<u32, BTreeSet<IpAddr>>::new();
    for message in messages {
        if let Some(address) = address(message) {
            by_link
                .entry(message.header.index)
                .or_default()
                .insert(address);
        }
    }
    by_link
        .into_iter()
        .map(|(index, addresses)| (index, addresses.into_iter().collect()))
        .collect()
}

/// The address of a message if it is one that identifies its holder. On a point-to-point link
/// `IFA_ADDRESS` is the peer's and `IFA_LOCAL` the own.
fn address(message: &AddressMessage) -> Option<IpAddr> {
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| {
        message.attributes.iter().find_map(wanted)
    };
    find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    })
    .or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
    .filter(|address| identifies(*address))
}

fn identifies(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unspecified() && !v6.is_unicast_link_local(),
    }
}

fn name(link: &LinkMessage) -> &str {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.as_str()),
            _ => None,
        })
        .unwrap_or_default()
}

fn kind(link: &LinkMessage) -> LinkKind {
    let kind = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
                LinkInfo::Kind(kind) => Some(kind),
                _ => None,
            }),
            _ => None,
        });
    match kind {
        None => LinkKind::Other("physical".to_owned()),
        Some(InfoKind::Veth) => LinkKind::Veth,
        Some(InfoKind::Netkit) => LinkKind::Netkit,
        Some(InfoKind::IpVlan | InfoKind::IpVtap) => LinkKind::Ipvlan,
        Some(InfoKind::MacVlan | InfoKind::MacVtap) => LinkKind::Macvlan,
        Some(other) => LinkKind::Other(other.to_string()),
    }
}

/// Other kinds have an `IFLA_LINK` too, which is a parent and no other side.
fn is_pair(kind: &LinkKind) -> bool {
    matches!(kind, LinkKind::Veth | LinkKind::Netkit)
}

fn far_end(link: &LinkMessage) -> Option<FarEnd> {
    let attributes = &link.attributes;
    let index = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) => Some(*index),
        _ => None,
    })?;
    let number = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkNetNsId(number) => Some(*number),
        _ => None,
    })?;
    Some((number, index))
}
