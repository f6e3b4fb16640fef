//! Policies by the pods that they apply to, and their rules made ready for sets.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use enforcer_common::abi::Direction;

use super::criteria::{Criteria, Criterion, CriterionId};
use super::index::PodIndex;
use super::numbers::Numbers;
use super::set::{PeerPort, Ports, SetRule, Who};
use super::spans::{self, Span, span};
use crate::intern::Name;
use crate::model::NamedPort;
use crate::rule::{PeerSelector, Peers, PodSelector, Policy, PolicyKey, PortSpec, Protocol, Rule};
use crate::selector::Labels;

/// The number of a [`Subject`]; another one never gets it.
pub(super) type SubjectId = u32;

/// A rule whose peers and peer ports have their numbers, but whose own pod's ports are names.
#[derive(Debug)]
struct Prepared {
    direction: Direction,
    rule: SetRule,
    /// Names that are looked up at the rule's own pod: those of ingress rules.
    own_ports: Vec<(Name, Protocol)>,
}

/// The rules of one policy that have the same subject.
#[derive(Debug)]
pub(super) struct Subject {
    policy: PolicyKey,
    selector: PodSelector,
    rules: Vec<Prepared>,
}

/// All rules of all policies.
#[derive(Debug)]
pub(super) struct Subjects {
    entries: HashMap<SubjectId, Subject>,
    by_policy: HashMap<PolicyKey, Vec<SubjectId>>,
    index: PodIndex<SubjectId>,
    /// The labels of pods that subjects ask, with how many requirements do.
    asked: HashMap<Name, usize>,
    numbers: Numbers,
}

impl Subjects {
    pub(super) fn new() -> Self {
        Self {
            entries: HashMap::new(),
            by_policy: HashMap::new(),
            index: PodIndex::new(),
            asked: HashMap::new(),
            numbers: Numbers::from(1),
        }
    }

    /// Takes a policy's rules in.
    pub(super) fn add(&mut self, key: &PolicyKey, policy: &Policy, criteria: &mut Criteria) {
        let mut subjects: BTreeMap<&PodSelector, Vec<Prepared>> = BTreeMap::new();
        for rule in &policy.rules {
            let rules = subjects.entry(&rule.subject).or_default();
            rules.push(prepare(rule, criteria));
        }
        for (selector, rules) in subjects {
            let id = self.numbers.next(|id| self.entries.contains_key(&id));
            let selector = selector.clone();
            self.index.insert(id, &selector);
            for requirement in &selector.pods.requirements {
                *self.asked.entry(requirement.key.clone()).or_default() += 1;
            }
            let ids = self.by_policy.entry(key.clone()).or_default();
            ids.push(id);
            let subject = Subject {
                policy: key.clone(),
                selector,
                rules,
            };
            self.entries.insert(id, subject);
        }
    }

    /// Forgets a policy's rules; what they refer to stays until [`Subjects::release`].
    pub(super) fn take(&mut self, policy: &PolicyKey) -> Vec<Subject> {
        let ids = self.by_policy.remove(policy).unwrap_or_default();
        let subjects: Vec<_> = ids
            .into_iter()
            .filter_map(|id| Some((id, self.entries.remove(&id)?)))
            .collect();
        for (id, subject) in &subjects {
            self.index.remove(*id, &subject.selector);
            for requirement in &subject.selector.pods.requirements {
                forget_asked(&mut self.asked, &requirement.key);
            }
        }
        subjects.into_iter().map(|(_, subject)| subject).collect()
    }

    /// Gives back what forgotten rules refer to.
    pub(super) fn release(subjects: &[Subject], criteria: &mut Criteria) {
        for subject in subjects {
            for prepared in &subject.rules {
                references(&prepared.rule).for_each(|id| criteria.release(id));
            }
        }
    }

    /// Replaces numbers of criteria in all rules.
    pub(super) fn replace(
        &mut self,
        renewed: &BTreeMap<CriterionId, CriterionId>,
        criteria: &mut Criteria,
    ) {
        let subjects = self.entries.values_mut();
        for prepared in subjects.flat_map(|subject| &mut subject.rules) {
            let Who::Of(ids) = &mut prepared.rule.peers else {
                continue;
            };
            for id in ids {
                if let Some(&new) = renewed.get(id) {
                    criteria.refer(new);
                    criteria.release(*id);
                    *id = new;
                }
            }
        }
    }

    /// Whether any policy is about a namespace with the one labels and not with the other.
    pub(super) fn tells_apart(&self, one: &Labels, other: &Labels) -> bool {
        self.index.tells_apart(one, other)
    }

    /// Whether other rules would apply to a pod with `labels` if its namespace had other labels.
    pub(super) fn depend(&self, namespace: &str, old: &Labels, new: &Labels, pod: &Labels) -> bool {
        self.index.matching(namespace, old, pod) != self.index.matching(namespace, new, pod)
    }

    /// The subjects of a policy.
    pub(super) fn selectors(&self, policy: &PolicyKey) -> Vec<PodSelector> {
        let ids = self.by_policy.get(policy).into_iter().flatten();
        ids.filter_map(|id| self.entries.get(id))
            .map(|subject| subject.selector.clone())
            .collect()
    }

    /// Of a pod's labels, those that any policy asks: pods of one namespace that have the same ones
    /// are the same to all policies.
    pub(super) fn asked_of(&self, labels: &Labels) -> Vec<(Name, Name)> {
        let asked = labels
            .iter()
            .filter(|(key, _)| self.asked.contains_key(key));
        asked.cloned().collect()
    }

    /// Who applies to a pod with `labels` in this namespace, sorted.
    pub(super) fn ids(
        &self,
        namespace: &str,
        namespace_labels: &Labels,
        labels: &Labels,
    ) -> Vec<SubjectId> {
        self.index.matching(namespace, namespace_labels, labels)
    }

    /// The same with what they say.
    pub(super) fn with_ids(&self, ids: &[SubjectId]) -> Applying<'_> {
        Applying(ids.iter().filter_map(|id| self.entries.get(id)).collect())
    }
}

fn forget_asked(asked: &mut HashMap<Name, usize>, key: &Name) {
    if let Some(count) = asked.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            asked.remove(key);
        }
    }
}

/// What applies to a pod.
#[derive(Debug)]
pub(super) struct Applying<'a>(Vec<&'a Subject>);

impl Applying<'_> {
    /// The policies with a rule of this direction, sorted.
    pub(super) fn policies(&self, direction: Direction) -> Vec<PolicyKey> {
        let mut policies: Vec<_> = self
            .0
            .iter()
            .filter(|subject| subject.rules.iter().any(|rule| rule.direction == direction))
            .map(|subject| subject.policy.clone())
            .collect();
        policies.sort_unstable();
        policies.dedup();
        policies
    }

    /// The rules of this direction for a pod that has these ports; `None` when there are none,
    /// which means that the pod is not isolated.
    pub(super) fn rules(
        &self,
        direction: Direction,
        ports: &[NamedPort],
    ) -> Option<Vec<Cow<'_, SetRule>>> {
        let rules: Vec<_> = self
            .0
            .iter()
            .flat_map(|subject| &subject.rules)
            .filter(|prepared| prepared.direction == direction)
            .map(|prepared| prepared.resolve(ports))
            .collect();
        (!rules.is_empty()).then_some(rules)
    }
}

impl Prepared {
    fn resolve(&self, own: &[NamedPort]) -> Cow<'_, SetRule> {
        let mut rule = Cow::Borrowed(&self.rule);
        if !self.own_ports.is_empty()
            && let Ports::Of { spans, .. } = &mut rule.to_mut().ports
        {
            for (name, protocol) in &self.own_ports {
                let named = own
                    .iter()
                    .filter(|port| port.name == *name && port.protocol == *protocol);
                spans.extend(named.map(|port| span(*protocol, port.port, port.port)));
            }
        }
        rule
    }
}

fn prepare(rule: &Rule, criteria: &mut Criteria) -> Prepared {
    let mut own_ports = Vec::new();
    let ports = match &rule.ports {
        crate::rule::Ports::Any => Ports::Any,
        crate::rule::Ports::Of(matches) => {
            let mut spans: Vec<Span> = Vec::new();
            let mut names = Vec::new();
            for port in matches {
                let protocol = port.protocol;
                match (&port.port, rule.direction) {
                    (PortSpec::All, _) => spans.push(span(protocol, 0, u16::MAX)),
                    (PortSpec::Range(low, high), _) => spans.push(span(protocol, *low, *high)),
                    (PortSpec::Named(name), Direction::Ingress) => {
                        own_ports.push((name.clone(), protocol));
                    }
                    (PortSpec::Named(name), Direction::Egress) => names.push(PeerPort {
                        criterion: criteria.intern(Criterion::PortName(name.clone(), protocol)),
                        protocol,
                    }),
                }
            }
            Ports::Of {
                spans: spans::merged(spans),
                names,
            }
        }
    };
    let rule_of_set = SetRule {
        tier: rule.tier,
        priority: rule.priority,
        action: rule.action,
        peers: peers(&rule.peers, criteria),
        ports,
    };
    Prepared {
        direction: rule.direction,
        rule: rule_of_set,
        own_ports,
    }
}

fn peers(peers: &Peers, criteria: &mut Criteria) -> Who {
    let Peers::Of(selectors) = peers else {
        return Who::Any;
    };
    let mut blocks = Vec::new();
    let mut ids = Vec::new();
    for selector in selectors {
        match selector {
            PeerSelector::Pods(pods) => ids.push(criteria.intern(Criterion::Pods(pods.clone()))),
            PeerSelector::Block(block) => blocks.push(block.clone()),
        }
    }
    if !blocks.is_empty() {
        blocks.sort_unstable();
        blocks.dedup();
        ids.push(criteria.intern(Criterion::Blocks(blocks)));
    }
    Who::Of(ids)
}

/// The criteria that a prepared rule refers to, each as often as it does.
fn references(rule: &SetRule) -> impl Iterator<Item = CriterionId> + '_ {
    let peers = match &rule.peers {
        Who::Any => [].as_slice(),
        Who::Of(ids) => ids,
    };
    let names = match &rule.ports {
        Ports::Any => [].as_slice(),
        Ports::Of { names, .. } => names,
    };
    peers
        .iter()
        .copied()
        .chain(names.iter().map(|name| name.criterion))
}
