//! The links that programs are attached to, found by index and by pod.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use enforcer_policy::model::PodKey;

use super::Link;

/// Links by index.
#[derive(Debug, Default)]
pub(super) struct Held {
    links: BTreeMap<u32, Link>,
    of_pod: BTreeMap<PodKey, BTreeSet<u32>>,
}

impl Held {
    /// A link, in the place of what was known of it.
    pub(super) fn insert(&mut self, ifindex: u32, link: Link) {
        self.remove(ifindex);
        if let Some(pod) = link.owner.pod() {
            let links = self.of_pod.entry(pod.clone()).or_default();
            links.insert(ifindex);
        }
        self.links.insert(ifindex, link);
    }

    /// The link is not held any more.
    pub(super) fn remove(&mut self, ifindex: u32) {
        let link = self.links.remove(&ifindex);
        let Some(pod) = link.as_ref().and_then(|link| link.owner.pod()) else {
            return;
        };
        if let Some(links) = self.of_pod.get_mut(pod) {
            links.remove(&ifindex);
            if links.is_empty() {
                self.of_pod.remove(pod);
            }
        }
    }

    /// The links of a pod, by index.
    pub(super) fn of(&self, pod: &PodKey) -> impl Iterator<Item = (u32, &Link)> {
        let links = self.of_pod.get(pod).into_iter().flatten();
        links.filter_map(|ifindex| Some((*ifindex, self.links.get(ifindex)?)))
    }

    pub(super) fn get(&self, ifindex: u32) -> Option<&Link> {
        self.links.get(&ifindex)
    }

    pub(super) fn contains(&self, ifindex: u32) -> bool {
        self.links.contains_key(&ifindex)
    }

    /// All of them by index.
    pub(super) fn by_index(&self) -> &BTreeMap<u32, Link> {
        &self.links
    }

    pub(super) fn iter(&self) -> btree_map::Iter<'_, u32, Link> {
        self.links.iter()
    }

    pub(super) fn keys(&self) -> btree_map::Keys<'_, u32, Link> {
        self.links.keys()
    }

    pub(super) fn values(&self) -> btree_map::Values<'_, u32, Link> {
        self.links.values()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Owner, Place};
    use super::*;

    fn pod(name: &str) -> PodKey {
        PodKey {
            namespace: "default".into(),
            name: name.into(),
        }
    }

    fn link(owner: Owner) -> Link {
        Link {
            owner,
            name: "eth0".to_owned(),
            place: Place::Tcx,
        }
    }

    #[test]
    fn a_pod_has_the_links_that_it_owns_now() {
        let mut held = Held::default();
        let of = |held: &Held, name| -> Vec<u32> {
            held.of(&pod(name)).map(|(ifindex, _)| ifindex).collect()
        };
        held.insert(9, link(Owner::Pod(pod("a"))));
        held.insert(7, link(Owner::Pod(pod("a"))));
        held.insert(8, link(Owner::Pending));
        assert_eq!(of(&held, "a"), [7, 9]);
        held.insert(7, link(Owner::Pod(pod("b"))));
        assert_eq!((of(&held, "a"), of(&held, "b")), (vec![9], vec![7]));
        held.remove(9);
        held.remove(7);
        assert_eq!(held.keys().copied().collect::<Vec<_>>(), [8]);
        assert!(held.of_pod.is_empty());
    }
}
