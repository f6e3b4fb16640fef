//! Which link belongs to which pod: the one that holds the pod's address.

mod kept;
mod matcher;
mod missing;
mod unenforced;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use enforcer_policy::model::{Cluster, Pod, PodKey};

pub use self::matcher::{Matcher, Update};
pub use self::missing::Missing;
use super::discover::{Links, Namespace, PodLink, Unenforceable};

/// The outcome for all pods and all links. Every link of [`Links`] is in exactly one of `links`,
/// `secondary`, `ambiguous` and `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// The links that hold an address of the pod, or [held](Matching::keep) it, sorted; never empty. More than one when a pod has
    /// its IPv4 address on one link and its IPv6 address on another.
    pub links: BTreeMap<PodKey, Vec<Arc<PodLink>>>,
    /// Other links of the namespace of a pod: second networks. Policies hold there too, but the
    /// addresses are not the pod's to others.
    pub secondary: BTreeMap<PodKey, Vec<Arc<PodLink>>>,
    /// Other links of the namespace of a pod that lead out of it and cannot be enforced.
    pub loopholes: BTreeMap<PodKey, Vec<Unenforceable>>,
    /// Pods of which not every address can be enforced, and why. A pod may also be in `links`, with
    /// another address.
    pub missing: BTreeMap<PodKey, Missing>,
    /// Links of which nobody can say whose they are, by host index, with the address at fault.
    pub ambiguous: Vec<(Arc<PodLink>, IpAddr)>,
    /// Links of no pod that is known (yet), by host index.
    pub unknown: Vec<Arc<PodLink>>,
}

/// Whether a pod should be on the node, and has a network of its own. Every pod may be on a node
/// without a name.
pub fn is_here(pod: &Pod, node: Option<&str>) -> bool {
    let here = match (node, &pod.node) {
        (Some(name), Some(node)) => name == node,
        _ => true,
    };
    here && pod.is_selectable()
}

/// The pods that should be here and have a network of their own, with their addresses: those of a
/// node, or all where the node has no name.
pub fn pods_here(cluster: &Cluster, node: Option<&str>) -> BTreeMap<PodKey, Vec<IpAddr>> {
    let pods = cluster.pods.iter();
    pods.filter(|(_, pod)| is_here(pod, node))
        .map(|(key, pod)| (key.clone(), pod.addresses.clone()))
        .collect()
}

/// Finds the links of pods by their addresses. Give only [`pods_here`].
pub fn match_pods(links: &Links, pods: &BTreeMap<PodKey, Vec<IpAddr>>) -> Matching {
    let holders = holders(links);
    let claims = claims(pods);
    let mut matching = Matching::default();
    let mut owners = Owners::default();
    let mut doubtful = BTreeMap::new();
    for (pod, addresses) in pods {
        if addresses.is_empty() {
            matching.missing.insert(pod.clone(), Missing::NoAddress);
        }
        let outcomes: Vec<_> = addresses
            .iter()
            .map(|address| locate(*address, &holders, &claims))
            .collect();
        for outcome in &outcomes {
            match outcome {
                Located::In(namespace, found) => {
                    owners.entry(namespace.as_os_str()).or_insert(pod);
                    let links = matching.links.entry(pod.clone()).or_default();
                    links.extend(found.iter().map(|link| Arc::clone(link)));
                }
                Located::Doubtful(address, found, _) => {
                    doubtful.extend(found.iter().map(|link| (link.host_ifindex, *address)));
                }
                Located::Unenforceable(_, namespace, _) => {
                    owners.entry(namespace.as_os_str()).or_insert(pod);
                }
                Located::Nowhere(_) => {}
            }
        }
        if let Some(missing) = summary(outcomes) {
            matching.missing.insert(pod.clone(), missing);
        }
    }
    for links in matching.links.values_mut() {
        links.sort();
        links.dedup();
    }
    sort_out_the_rest(links, &owners, &doubtful, &mut matching);
    find_loopholes(links, &owners, &mut matching);
    matching
}

/// The pods by the path of their namespace, which nobody spells in two ways. Paths as such would be
/// compared part by part.
type Owners<'a> = HashMap<&'a OsStr, &'a PodKey>;

/// What holds an address.
#[derive(Default)]
struct Holder<'a> {
    links: Vec<&'a Arc<PodLink>>,
    unenforceable: Vec<(&'a Namespace, &'a Unenforceable)>,
}

impl<'a> Holder<'a> {
    fn namespaces(&self) -> impl Iterator<Item = &'a Path> {
        let links = self.links.iter().map(|link| link.namespace.as_path());
        let others = self.unenforceable.iter();
        links.chain(others.map(|(namespace, _)| namespace.path.as_path()))
    }

    fn is_in_several_namespaces(&self) -> bool {
        let mut paths = self.namespaces().map(Path::as_os_str);
        let first = paths.next();
        paths.any(|path| Some(path) != first)
    }

    /// Where the address's packets come out of its only namespace.
    fn outlet(&self, address: IpAddr) -> Located<'a> {
        if let Some(link) = self.links.first() {
            return Located::In(&link.namespace, self.links.clone());
        }
        let mut others = self.unenforceable.iter();
        match others.find(|(_, link)| link.why.leads_out()) {
            Some((namespace, link)) => Located::Unenforceable(address, &namespace.path, link),
            None => match self.unenforceable.first() {
                Some((namespace, link)) if namespace.links.is_empty() => {
                    Located::Unenforceable(address, &namespace.path, link)
                }
                // On loopback or the like: by any of the links.
                Some((namespace, _)) => {
                    Located::In(&namespace.path, namespace.links.iter().collect())
                }
                None => Located::Nowhere(address),
            },
        }
    }
}

fn holders(links: &Links) -> HashMap<IpAddr, Holder<'_>> {
    let mut holders = HashMap::<IpAddr, Holder<'_>>::new();
    for namespace in &links.namespaces {
        for link in &namespace.links {
            for address in &link.addresses {
                holders.entry(*address).or_default().links.push(link);
            }
        }
        for link in &namespace.unenforceable {
            for address in &link.addresses {
                let holder = holders.entry(*address).or_default();
                holder.unenforceable.push((namespace, link));
            }
        }
    }
    holders
}

/// The pods that have an address, in order.
fn claims(pods: &BTreeMap<PodKey, Vec<IpAddr>>) -> HashMap<IpAddr, Vec<&PodKey>> {
    let mut claims = HashMap::<IpAddr, Vec<&PodKey>>::new();
    for (pod, addresses) in pods {
        for address in addresses {
            let pods = claims.entry(*address).or_default();
            if pods.last() != Some(&pod) {
                pods.push(pod);
            }
        }
    }
    claims
}

/// Where one address of one pod is.
enum Located<'a> {
    In(&'a Path, Vec<&'a Arc<PodLink>>),
    Nowhere(IpAddr),
    Unenforceable(IpAddr, &'a Path, &'a Unenforceable),
    Doubtful(IpAddr, Vec<&'a Arc<PodLink>>, Missing),
}

fn locate<'a>(
    address: IpAddr,
    holders: &HashMap<IpAddr, Holder<'a>>,
    claims: &HashMap<IpAddr, Vec<&PodKey>>,
) -> Located<'a> {
    let Some(holder) = holders.get(&address) else {
        return Located::Nowhere(address);
    };
    if holder.is_in_several_namespaces() {
        let paths: BTreeSet<_> = holder.namespaces().collect();
        let paths = paths.into_iter().map(Path::to_owned).collect();
        let why = Missing::SeveralNamespaces(address, paths);
        return Located::Doubtful(address, holder.links.clone(), why);
    }
    if let Some(pods) = claims.get(&address)
        && pods.len() > 1
    {
        let pods = pods.iter().map(|pod| (*pod).clone()).collect();
        let why = Missing::SeveralPods(address, pods);
        return Located::Doubtful(address, holder.links.clone(), why);
    }
    holder.outlet(address)
}

/// What to say about a pod: the first address that is somewhere but cannot be enforced; or, when
/// none is anywhere, all of them. A second address that is (not yet) anywhere is nothing to report:
/// no packet of it can be here either.
fn summary(outcomes: Vec<Located<'_>>) -> Option<Missing> {
    let mut nowhere = Vec::new();
    let count = outcomes.len();
    for outcome in outcomes {
        match outcome {
            Located::In(..) => {}
            Located::Nowhere(address) => nowhere.push(address),
            Located::Unenforceable(address, path, link) => {
                let (path, link) = (path.to_owned(), link.clone());
                return Some(Missing::Unenforceable(address, path, link));
            }
            Located::Doubtful(_, _, why) => return Some(why),
        }
    }
    (count > 0 && nowhere.len() == count).then_some(Missing::NotFound(nowhere))
}

fn sort_out_the_rest(
    links: &Links,
    owners: &Owners<'_>,
    doubtful: &BTreeMap<u32, IpAddr>,
    matching: &mut Matching,
) {
    let taken: HashSet<u32> = matching
        .links
        .values()
        .flatten()
        .map(|link| link.host_ifindex)
        .collect();
    for link in links
        .namespaces
        .iter()
        .flat_map(|namespace| &namespace.links)
    {
        if taken.contains(&link.host_ifindex) {
            continue;
        }
        if let Some(address) = doubtful.get(&link.host_ifindex) {
            matching.ambiguous.push((link.clone(), *address));
        } else if let Some(pod) = owners.get(link.namespace.as_os_str()) {
            let secondary = matching.secondary.entry((*pod).clone()).or_default();
            secondary.push(link.clone());
        } else {
            matching.unknown.push(link.clone());
        }
    }
    matching.ambiguous.sort();
    matching.unknown.sort();
}

fn find_loopholes(links: &Links, owners: &Owners<'_>, matching: &mut Matching) {
    for namespace in &links.namespaces {
        let Some(pod) = owners.get(namespace.path.as_os_str()) else {
            continue;
        };
        let told = match matching.missing.get(pod) {
            Some(Missing::Unenforceable(_, _, link)) => Some(link),
            _ => None,
        };
        let others = namespace.unenforceable.iter();
        let loopholes: Vec<_> = others
            .filter(|link| link.why.leads_out() && Some(*link) != told)
            .cloned()
            .collect();
        if !loopholes.is_empty() {
            matching.loopholes.insert((*pod).clone(), loopholes);
        }
    }
}

#[cfg(test)]
mod tests;
