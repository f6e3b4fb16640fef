//! Finds the links of pods: for every network namespace below a directory its links and their
//! addresses, and for each link the node's side of it.
//!
//! The two ends of a veth (or netkit) pair name each other: each end's `IFLA_LINK` is the other's
//! index and its `IFLA_LINK_NETNSID` the number of the other's namespace. So the node's side of
//! link 2 of namespace number 7 is the node's link that says "2 in 7". No name or address is
//! guessed from.

mod attributes;
mod links;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkLayerType, LinkMessage};

pub(crate) use self::attributes::name;
use self::attributes::{FarEnd, address, far_end, is_pair, kind, why};
pub use self::links::{LinkKind, Links, Namespace, NodeLink, PodLink, Unenforceable, Why};
use super::netlink::{Netlink, NetlinkError};
use super::netns::{Netns, NetnsError};

/// kube-proxy in IPVS mode gives every service address to this link. Those are no addresses of the
/// node: behind them are pods.
const IPVS_LINK: &str = "kube-ipvs0";

/// How often pairs without a side on the node are looked for again, at most. More than once only
/// where pairs are made all the time.
const LOOKS: usize = 4;

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

/// Looks into every namespace file of a directory, and into others.
///
/// Runs for some milliseconds and blocks: call it on a thread for that. A namespace that is being
/// removed is a problem of its own and does not hide the others.
pub fn scan(directory: &Path, others: &BTreeSet<PathBuf>) -> Result<Links, DiscoverError> {
    let host = Netlink::open()?;
    let mut found = Links::default();
    let mut opened = Vec::new();
    for (path, netns) in open_all(directory, others, &mut found.problems)? {
        // The number must be there before the node's links are read: they refer to it.
        match host.namespace_number(&netns) {
            Ok(number) => opened.push(Opened {
                path,
                netns,
                number,
            }),
            Err(error) => found.problems.push((path, error.into())),
        }
    }
    let mut host_links = host.links()?;
    let sides = host_sides(&host_links);
    let mut spaces = Vec::new();
    for space in opened {
        match space.look_into(&sides) {
            Ok(namespace) => spaces.push((space, namespace)),
            Err(error) => found.problems.push((space.path, error)),
        }
    }
    confirm(&host, &mut host_links, &mut spaces)?;
    found.node = host_links.iter().filter_map(node_link).collect();
    found.namespaces = spaces.into_iter().map(|(_, found)| found).collect();
    Ok(found)
}

/// Looks again where a pair has no side on the node, first at the node and then into the namespace,
/// until that shows no other such pair: one that was made, or whose end was moved, between the two
/// looks before has its side now.
fn confirm(
    host: &Netlink,
    host_links: &mut Vec<LinkMessage>,
    spaces: &mut [(Opened, Namespace)],
) -> Result<(), DiscoverError> {
    let mut doubted: Vec<_> = spaces
        .iter_mut()
        .filter(|(_, found)| found.pairs_without_side().next().is_some())
        .collect();
    for _ in 0..LOOKS {
        if doubted.is_empty() {
            break;
        }
        *host_links = host.links()?;
        let sides = host_sides(host_links);
        doubted.retain_mut(|(space, found)| {
            // A namespace that is being removed stays as it was seen.
            let Ok(now) = space.look_into(&sides) else {
                return false;
            };
            let before = std::mem::replace(found, now);
            let known: BTreeSet<_> = before.pairs_without_side().collect();
            found.pairs_without_side().any(|name| !known.contains(name))
        });
    }
    Ok(())
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

/// Opens every namespace but the daemon's own, each once, those of the directory first.
fn open_all(
    directory: &Path,
    others: &BTreeSet<PathBuf>,
    problems: &mut Vec<(PathBuf, DiscoverError)>,
) -> Result<Vec<(PathBuf, Netns)>, DiscoverError> {
    let mut seen = BTreeSet::from([Netns::current()?.id()]);
    let mut opened = Vec::new();
    for path in files(directory)?.into_iter().chain(others.iter().cloned()) {
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

/// `None` for loopback, whose packets stay in the node.
fn node_link(link: &LinkMessage) -> Option<NodeLink> {
    let kind = link.header.link_layer_type;
    (kind != LinkLayerType::Loopback).then(|| NodeLink {
        ifindex: link.header.index,
        name: name(link).to_owned(),
        bare: kind != LinkLayerType::Ether,
    })
}

/// The node's links that have their other side in another namespace, by that other side.
fn host_sides(links: &[LinkMessage]) -> BTreeMap<FarEnd, &LinkMessage> {
    links
        .iter()
        .filter(|link| is_pair(&kind(link)))
        .filter_map(|link| Some((far_end(link)?, link)))
        .collect()
}

/// A namespace to look into.
struct Opened {
    path: PathBuf,
    netns: Netns,
    /// Its number among the node's.
    number: i32,
}

impl Opened {
    fn look_into(
        &self,
        sides: &BTreeMap<FarEnd, &LinkMessage>,
    ) -> Result<Namespace, DiscoverError> {
        let inside = self.netns.run(Netlink::open)??;
        let mut addresses = addresses_by_link(&inside.addresses()?);
        let mut namespace = Namespace {
            path: self.path.clone(),
            id: self.netns.id(),
            links: Vec::new(),
            unenforceable: Vec::new(),
        };
        for link in inside.links()? {
            let addresses = addresses.remove(&link.header.index).unwrap_or_default();
            if let Some(host) = sides.get(&(self.number, link.header.index)) {
                namespace.links.push(Arc::new(PodLink {
                    host_ifindex: host.header.index,
                    host_name: name(host).to_owned(),
                    kind: kind(&link),
                    namespace: self.path.clone(),
                    pod_ifindex: link.header.index,
                    pod_ifname: name(&link).to_owned(),
                    addresses,
                }));
                continue;
            }
            let link = unenforceable(&link, addresses);
            if link.why.leads_out() || !link.addresses.is_empty() {
                namespace.unenforceable.push(link);
            }
        }
        Ok(namespace)
    }
}

fn unenforceable(link: &LinkMessage, addresses: Vec<IpAddr>) -> Unenforceable {
    let kind = kind(link);
    Unenforceable {
        pod_ifname: name(link).to_owned(),
        why: why(link, &kind),
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
