//! What an endpoint should be.

use std::collections::HashMap;
use std::net::IpAddr;

use enforcer_common::abi::address::{self, NO_NODE};
use enforcer_common::abi::endpoint::NOT_ISOLATED;
use enforcer_common::abi::{Direction, Endpoint};

use super::Compiler;
use super::normal::normalise;
use super::resolved::Content;
use super::subjects::{Applying, SubjectId};
use super::transition::Dirty;
use crate::intern::Name;
use crate::model::{NamedPort, Pod, PodKey};

/// A pod as policies see it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Who {
    namespace: Name,
    asked: Vec<(Name, Name)>,
    ports: Vec<NamedPort>,
}

/// The policy sets of pods, as long as no policy, selector or label changes.
type Alike = HashMap<Who, [u32; 2]>;

/// One endpoint that changes.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) pod: PodKey,
    pub(super) old: Option<Endpoint>,
    /// With the old revision.
    pub(super) new: Option<Endpoint>,
}

impl Plan {
    /// The old and the new policy set of a direction.
    pub(super) fn sets(&self, direction: Direction) -> (u32, u32) {
        let set = |endpoint: Option<Endpoint>| {
            endpoint.map_or(NOT_ISOLATED, |endpoint| endpoint.sets[direction.index()])
        };
        (set(self.old), set(self.new))
    }
}

impl Compiler {
    /// What applies to a selectable pod.
    pub(super) fn applying(&self, pod: &PodKey) -> Option<Applying<'_>> {
        Some(self.subjects.with_ids(&self.subjects_of(pod)?))
    }

    /// The endpoints among the dirty ones that change. Each has joined its new sets.
    pub(super) fn plan_endpoints(&mut self, dirty: &Dirty) -> Vec<Plan> {
        let mut plans = Vec::new();
        let mut alike = Alike::new();
        for pod in &dirty.endpoints {
            let old = self.tables.endpoints.get(pod).copied();
            let kept = old.filter(|_| !dirty.reborn.contains(pod));
            let new = self.wanted_endpoint(pod, kept, &mut alike);
            if let Some(new) = new {
                self.join_sets(pod, new);
            }
            let same = |(old, new): (Endpoint, Endpoint)| undressed(old) == new;
            if !old.zip(new).is_some_and(same) && (old.is_some() || new.is_some()) {
                let pod = pod.clone();
                plans.push(Plan { pod, old, new });
            }
        }
        plans
    }

    fn join_sets(&mut self, pod: &PodKey, endpoint: Endpoint) {
        for direction in Direction::ALL {
            let set = endpoint.sets[direction.index()];
            self.sets.join(set, (pod.clone(), direction));
        }
    }

    fn wanted_endpoint(
        &mut self,
        key: &PodKey,
        old: Option<Endpoint>,
        alike: &mut Alike,
    ) -> Option<Endpoint> {
        let pod = self.cluster.pods.get(key)?;
        if !pod.is_selectable() || !self.scope.covers(pod) || pod.addresses.is_empty() {
            return None;
        }
        let (v4, v6) = addresses(pod);
        let node = pod.node.as_ref().and_then(|name| self.nodes.number(name));
        let spoofs = pod.may_spoof;
        let sets = self.sets_of_alike(key, alike);
        let same = old.filter(|old| goes_on(old, v4, v6));
        let mut flags = 0;
        if sets != [NOT_ISOLATED; 2] {
            flags |= Endpoint::ISOLATED;
        }
        if !spoofs {
            flags |= Endpoint::CHECK_SOURCE;
        }
        Some(Endpoint {
            id: match same {
                Some(old) => old.id,
                None => self.endpoint_ids.next(|_| false),
            },
            flags,
            revisions: old.map_or([self.revision; 2], |old| old.revisions),
            sets,
            node: node.unwrap_or(NO_NODE),
            v4,
            v6,
            ..Endpoint::default()
        })
    }

    /// The policy sets of a pod, from another one that is the same to all policies where there is one.
    fn sets_of_alike(&mut self, key: &PodKey, alike: &mut Alike) -> [u32; 2] {
        let Some((_, group)) = self.groups.of(key) else {
            return [NOT_ISOLATED; 2];
        };
        let pod = self.cluster.pods.get(key);
        let who = Who {
            namespace: group.namespace.clone(),
            asked: self.subjects.asked_of(&group.labels),
            ports: pod.map(|pod| pod.ports.clone()).unwrap_or_default(),
        };
        if let Some(sets) = alike.get(&who) {
            return *sets;
        }
        let sets = self.sets_of(key);
        alike.insert(who, sets);
        sets
    }

    fn sets_of(&mut self, key: &PodKey) -> [u32; 2] {
        let mut sets = [NOT_ISOLATED; 2];
        let Some(subjects) = self.subjects_of(key) else {
            return sets;
        };
        let pod = self.cluster.pods.get(key);
        let ports = pod.map(|pod| pod.ports.clone()).unwrap_or_default();
        let content = Content { subjects, ports };
        if let Some(sets) = self.resolved.get(&content) {
            return sets;
        }
        let applying = self.subjects.with_ids(&content.subjects);
        let rules = Direction::ALL.map(|direction| applying.rules(direction, &content.ports));
        for (set, rules) in sets.iter_mut().zip(rules) {
            if let Some(rules) = rules {
                *set = self.sets.intern(normalise(&rules), &mut self.criteria);
            }
        }
        self.resolved.put(content, sets);
        sets
    }

    pub(super) fn subjects_of(&self, pod: &PodKey) -> Option<Vec<SubjectId>> {
        let (_, group) = self.groups.of(pod)?;
        let labels = self.groups.namespace_labels(&group.namespace)?;
        let subjects = &self.subjects;
        Some(subjects.ids(&group.namespace, labels, &group.labels))
    }
}

/// The endpoint without what is added when it is written.
fn undressed(mut endpoint: Endpoint) -> Endpoint {
    endpoint.flags &= !Endpoint::DENY_ALL;
    endpoint
}

/// Whether a pod that has these addresses now goes on with its flows: it has one of those that it
/// had, and none has been exchanged for another of its family.
fn goes_on(old: &Endpoint, v4: [u32; 1], v6: [u32; 4]) -> bool {
    let exchanged = |old: &[u32], new: &[u32]| old != new && is_set(old) && is_set(new);
    let stays = |old: &[u32], new: &[u32]| old == new && is_set(old);
    (stays(&old.v4, &v4) || stays(&old.v6, &v6))
        && !exchanged(&old.v4, &v4)
        && !exchanged(&old.v6, &v6)
}

fn is_set(address: &[u32]) -> bool {
    address.iter().any(|word| *word != 0)
}

fn addresses(pod: &Pod) -> ([u32; 1], [u32; 4]) {
    let (mut v4, mut v6) = ([0; 1], [0; 4]);
    for address in &pod.addresses {
        match address {
            IpAddr::V4(address) => v4 = address::v4(*address),
            IpAddr::V6(address) => v6 = address::v6(*address),
        }
    }
    (v4, v6)
}
