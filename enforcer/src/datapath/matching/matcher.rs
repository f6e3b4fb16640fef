//! Pods and links kept matched while they come and go.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;

use enforcer_policy::model::PodKey;

use super::{Matching, match_pods};
use crate::datapath::discover::{Links, Namespace};

/// The links of a node, the pods that should be there, and whose links they are.
///
/// A change of a pod touches whatever shares an address with it and no more: only that is matched
/// again, by the same [`match_pods`] as all of it after a look for links.
#[derive(Debug, Default)]
pub struct Matcher {
    links: Links,
    pods: BTreeMap<PodKey, Vec<IpAddr>>,
    matching: Matching,
    /// The pods that are others than in `matching`, with the addresses they had there.
    changed: BTreeMap<PodKey, Option<Vec<IpAddr>>>,
    /// The links may be others than in `matching`.
    stale: bool,
    /// The pods that have an address.
    claims: HashMap<IpAddr, BTreeSet<PodKey>>,
    /// Which of the namespaces hold an address.
    holders: HashMap<IpAddr, Vec<usize>>,
    /// The namespaces by path.
    paths: HashMap<PathBuf, usize>,
    /// Whose each link is in `matching`, by host index.
    owners: HashMap<u32, PodKey>,
}

/// What [`Matcher::update`] matched again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// How it was before.
    pub before: Matching,
    /// How it is now; `None` where that is all of it.
    pub part: Option<Matching>,
}

/// Pods and namespaces that no address connects with any other.
#[derive(Default)]
struct Component {
    pods: BTreeSet<PodKey>,
    spaces: BTreeSet<usize>,
}

impl Matcher {
    /// What the last look found.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The pods that should be here, with their addresses.
    pub fn pods(&self) -> &BTreeMap<PodKey, Vec<IpAddr>> {
        &self.pods
    }

    /// Whose links they were at the last update.
    pub fn matching(&self) -> &Matching {
        &self.matching
    }

    /// Nothing has changed since the last update.
    pub fn is_current(&self) -> bool {
        !self.stale && self.changed.is_empty()
    }

    /// Another look has found these.
    pub fn set_links(&mut self, links: Links) {
        self.links = links;
        self.stale = true;
    }

    /// The next update is of everything.
    pub fn distrust(&mut self) {
        self.stale = true;
    }

    /// A pod has these addresses now; `None` if it should not be here. Give only what
    /// [`super::pods_here`] would.
    pub fn note(&mut self, pod: PodKey, addresses: Option<&[IpAddr]>) {
        let before = match addresses {
            Some(addresses) => self.pods.insert(pod.clone(), addresses.to_owned()),
            None => self.pods.remove(&pod),
        };
        if before.as_deref() == addresses {
            return;
        }
        for address in before.iter().flatten() {
            if let Some(pods) = self.claims.get_mut(address) {
                pods.remove(&pod);
                if pods.is_empty() {
                    self.claims.remove(address);
                }
            }
        }
        for address in addresses.into_iter().flatten() {
            self.claims.entry(*address).or_default().insert(pod.clone());
        }
        match self.changed.entry(pod) {
            Entry::Vacant(entry) => drop(entry.insert(before)),
            Entry::Occupied(entry) if entry.get().as_deref() == addresses => drop(entry.remove()),
            Entry::Occupied(_) => {}
        }
    }

    /// Matches what may have changed since the last time.
    pub fn update(&mut self) -> Update {
        let update = if self.stale {
            self.update_all()
        } else {
            self.update_part()
        };
        self.changed.clear();
        update
    }

    fn update_all(&mut self) -> Update {
        self.index_links();
        let mut matching = match_pods(&self.links, &self.pods);
        matching.keep(&self.matching, |pod| !self.changed.contains_key(pod));
        self.owners = owners(&matching).collect();
        self.stale = false;
        Update {
            before: std::mem::replace(&mut self.matching, matching),
            part: None,
        }
    }

    fn update_part(&mut self) -> Update {
        let Component { pods, spaces } = self.component();
        let spaces: Vec<Namespace> = spaces
            .iter()
            .filter_map(|space| self.links.namespaces.get(*space).cloned())
            .collect();
        let before = self.take_out(&pods, &spaces);
        let known = pods.iter().filter_map(|pod| self.pods.get_key_value(pod));
        let known = known.map(|(pod, addresses)| (pod.clone(), addresses.clone()));
        let links = Links {
            namespaces: spaces,
            ..Links::default()
        };
        let mut part = match_pods(&links, &known.collect());
        part.keep(&before, |pod| !self.changed.contains_key(pod));
        self.put_in(part.clone());
        Update {
            before,
            part: Some(part),
        }
    }

    /// Notes which namespace holds which addresses.
    fn index_links(&mut self) {
        self.holders.clear();
        self.paths.clear();
        for (number, space) in self.links.namespaces.iter().enumerate() {
            self.paths.insert(space.path.clone(), number);
            for address in space.addresses() {
                self.holders.entry(*address).or_default().push(number);
            }
        }
    }

    /// The changed pods and whatever addresses connect with them, now or before.
    fn component(&self) -> Component {
        let mut found = Component::default();
        let mut next: Vec<&PodKey> = self.changed.keys().collect();
        while let Some(pod) = next.pop() {
            if !found.pods.insert(pod.clone()) {
                continue;
            }
            let before = self.changed.get(pod).into_iter().flatten().flatten();
            let now = self.pods.get(pod).into_iter().flatten();
            let mut spaces = self.spaces_of(pod);
            for address in before.chain(now) {
                next.extend(self.claims.get(address).into_iter().flatten());
                spaces.extend(self.holders.get(address).into_iter().flatten());
            }
            for number in spaces {
                if let Some(space) = self.links.namespaces.get(number)
                    && found.spaces.insert(number)
                {
                    next.extend(self.pods_in(space));
                }
            }
        }
        found
    }

    /// The namespaces of the links that a pod has.
    fn spaces_of(&self, pod: &PodKey) -> Vec<usize> {
        let links = [&self.matching.links, &self.matching.secondary];
        let links = links.into_iter().filter_map(|links| links.get(pod));
        let numbers = links
            .flatten()
            .filter_map(|link| self.paths.get(&link.namespace));
        numbers.copied().collect()
    }

    /// The pods that have links in a namespace, or could.
    fn pods_in<'a>(&'a self, space: &'a Namespace) -> impl Iterator<Item = &'a PodKey> {
        let links = space.links.iter();
        let owners = links.filter_map(|link| self.owners.get(&link.host_ifindex));
        let claims = space
            .addresses()
            .filter_map(|address| self.claims.get(address));
        owners.chain(claims.flatten())
    }

    /// Takes out of the matching what it says of these pods and namespaces.
    fn take_out(&mut self, pods: &BTreeSet<PodKey>, spaces: &[Namespace]) -> Matching {
        let links = spaces.iter().flat_map(|space| &space.links);
        let links: HashSet<u32> = links.map(|link| link.host_ifindex).collect();
        let mut out = Matching::default();
        let all = &mut self.matching;
        for pod in pods {
            let move_out = |from: &mut BTreeMap<_, _>, to: &mut BTreeMap<_, _>| {
                to.extend(from.remove_entry(pod));
            };
            move_out(&mut all.links, &mut out.links);
            move_out(&mut all.secondary, &mut out.secondary);
            out.loopholes.extend(all.loopholes.remove_entry(pod));
            out.missing.extend(all.missing.remove_entry(pod));
        }
        let ambiguous = std::mem::take(&mut all.ambiguous).into_iter();
        (out.ambiguous, all.ambiguous) =
            ambiguous.partition(|(link, _)| links.contains(&link.host_ifindex));
        let unknown = std::mem::take(&mut all.unknown).into_iter();
        (out.unknown, all.unknown) = unknown.partition(|link| links.contains(&link.host_ifindex));
        for link in links {
            self.owners.remove(&link);
        }
        out
    }

    fn put_in(&mut self, part: Matching) {
        self.owners.extend(owners(&part));
        let all = &mut self.matching;
        all.links.extend(part.links);
        all.secondary.extend(part.secondary);
        all.loopholes.extend(part.loopholes);
        all.missing.extend(part.missing);
        all.ambiguous.extend(part.ambiguous);
        all.ambiguous.sort();
        all.unknown.extend(part.unknown);
        all.unknown.sort();
    }
}

fn owners(matching: &Matching) -> impl Iterator<Item = (u32, PodKey)> {
    let links = matching.links.iter().chain(&matching.secondary);
    links.flat_map(|(pod, links)| links.iter().map(|link| (link.host_ifindex, pod.clone())))
}

#[cfg(test)]
mod tests;
