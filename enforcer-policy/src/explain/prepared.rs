//! The rules that apply to a pod, ready to be asked about many connections.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use enforcer_common::abi::Direction;

use super::index::ByPeer;
use super::lacks::{self, Lack};
use super::{Asked, Explanation, Nearest, RuleRef, distance, reference};
use crate::rule::{Policy, PolicyKey, Rule, RuleAction, Tier};

/// What applies to a pod in one direction. What is said by it is what [`super::explain_by`] says,
/// without a walk over all rules.
#[derive(Debug)]
pub(super) struct Prepared {
    isolating: Arc<[PolicyKey]>,
    /// In the order in which they are asked; without those that an earlier one makes superfluous.
    rules: Vec<Applying>,
    /// The first rule of each class: rules of one place in the order, with the same action and the
    /// same ports. Of those that mean a peer, the first speaks for all.
    classes: Vec<u32>,
    by_peer: ByPeer,
}

#[derive(Debug)]
struct Applying {
    policy: Arc<Policy>,
    /// Its place in the policy.
    index: usize,
    class: u32,
}

/// A rule by its number, and what the peer lacks to be meant by it.
type Lacking = (u32, u32);

/// What is known of a peer.
#[derive(Debug)]
pub(super) struct Peer {
    /// The first rule of each class that means it.
    meaning: Vec<u32>,
    /// For each class the first rule of which it lacks least; made when it is needed.
    nearest: Option<Vec<Lacking>>,
}

impl Peer {
    /// How many numbers are kept.
    pub(super) fn weight(&self) -> usize {
        let nearest = self.nearest.as_ref().map_or(0, |nearest| 2 * nearest.len());
        self.meaning.len() + nearest
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Prepared {
    /// Of these policies, the rules that select the pod in this direction.
    pub(super) fn new(asked: &Asked<'_>, policies: &[PolicyKey], direction: Direction) -> Self {
        let cluster = asked.cluster;
        let policies = policies.iter().filter_map(|key| cluster.policies.get(key));
        let (isolating, mut all) = super::applying(cluster, policies, asked.pod, direction);
        super::sort(&mut all);
        let mut prepared = Self {
            isolating,
            rules: Vec::new(),
            classes: Vec::new(),
            by_peer: ByPeer::new(),
        };
        let mut classes = HashMap::new();
        let mut known = HashSet::new();
        for (policy, rule) in all {
            let class = (rule.tier, rule.priority, rule.action, &rule.ports);
            let next = number(classes.len());
            let class = *classes.entry(class).or_insert(next);
            if !known.insert((class, &rule.peers)) {
                continue;
            }
            let place = number(prepared.rules.len());
            if class as usize == prepared.classes.len() {
                prepared.classes.push(place);
            }
            prepared.by_peer.insert(place, &rule.peers);
            let mut places = policy.rules.iter();
            prepared.rules.push(Applying {
                policy: Arc::clone(policy),
                index: places
                    .position(|one| std::ptr::eq(one, rule))
                    .unwrap_or_default(),
                class,
            });
        }
        prepared
    }

    /// How many rules are kept.
    pub(super) fn weight(&self) -> usize {
        self.rules.len() + self.isolating.len()
    }

    fn rule(&self, place: u32) -> Option<(&Applying, &Rule)> {
        let applying = self.rules.get(place as usize)?;
        Some((applying, applying.policy.rules.get(applying.index)?))
    }

    fn reference(&self, place: u32) -> Option<RuleRef> {
        let (applying, rule) = self.rule(place)?;
        Some(reference(&applying.policy, rule))
    }

    /// What can be said of a peer before it is known what it asks for.
    pub(super) fn peer(&self, asked: &Asked<'_>) -> Peer {
        let mut known = HashSet::new();
        let mut meaning = self.by_peer.meaning(asked);
        meaning.retain(|place| {
            let applying = self.rules.get(*place as usize);
            applying.is_some_and(|applying| known.insert(applying.class))
        });
        meaning.shrink_to_fit();
        Peer {
            meaning,
            nearest: None,
        }
    }

    /// Why this connection with the peer may be or not.
    pub(super) fn explain(&self, asked: &Asked<'_>, peer: &mut Peer) -> Explanation {
        let mut explanation = Explanation {
            isolating: Arc::clone(&self.isolating),
            ..Explanation::default()
        };
        let mut passed: Vec<(Tier, u32)> = Vec::new();
        for place in &peer.meaning {
            let Some((_, rule)) = self.rule(*place) else {
                continue;
            };
            if passed.last().is_some_and(|(tier, _)| *tier == rule.tier)
                || lacks::of_ports(asked, &rule.ports).is_some()
            {
                continue;
            }
            match rule.action {
                RuleAction::Pass => passed.push((rule.tier, rule.priority)),
                RuleAction::Allow => {
                    explanation.allowed_by = self.reference(*place);
                    break;
                }
                RuleAction::Deny => {
                    explanation.denied_by = self.reference(*place);
                    let end = (rule.tier, rule.priority);
                    let before = |rule: &Rule| {
                        let place = (rule.tier, rule.priority);
                        let skipped = |(tier, from): &(Tier, u32)| {
                            *tier == rule.tier && *from <= rule.priority
                        };
                        rule.action == RuleAction::Allow
                            && place < end
                            && !passed.iter().any(skipped)
                    };
                    explanation.nearest = self.nearest(asked, peer, before);
                    break;
                }
            }
        }
        explanation
    }

    /// Of the rules that `counts` takes, all or none of a class, the one that lacks least.
    fn nearest(
        &self,
        asked: &Asked<'_>,
        peer: &mut Peer,
        counts: impl Fn(&Rule) -> bool,
    ) -> Option<Nearest> {
        let candidate = |(place, of_peers): Lacking| {
            let (_, rule) = self.rule(place)?;
            if !counts(rule) {
                return None;
            }
            let of_ports = lacks::of_ports(asked, &rule.ports);
            Some((distance_of(of_peers as usize, of_ports.as_ref()), place))
        };
        let meaning = peer.meaning.iter().map(|place| (*place, 0));
        let mut best = meaning.filter_map(candidate).min();
        // Nothing comes nearer than a rule that only wants another port.
        if !matches!(best, Some(((_, 0), _))) {
            let all = &*match &mut peer.nearest {
                Some(known) => known,
                unknown => unknown.insert(self.lacking(asked, &peer.meaning)),
            };
            let others = all.iter().copied().filter_map(candidate).min();
            best = best.into_iter().chain(others).min();
        }
        let (_, place) = best?;
        let (_, rule) = self.rule(place)?;
        Some(Nearest {
            rule: self.reference(place)?,
            lacks: lacks::of_rule(asked, rule),
        })
    }

    /// For each class the first rule of which the peer lacks least.
    fn lacking(&self, asked: &Asked<'_>, meaning: &[u32]) -> Vec<Lacking> {
        // Of a rule that does not mean it, what is no pod lacks one thing.
        let mut classes: Vec<Lacking> = self.classes.iter().map(|first| (*first, 1)).collect();
        for place in meaning {
            if let Some(applying) = self.rules.get(*place as usize)
                && let Some(class) = classes.get_mut(applying.class as usize)
            {
                *class = (*place, 0);
            }
        }
        if asked.peer_pod.is_some() {
            self.lacking_of_pod(asked, &mut classes);
        }
        classes
    }

    /// The same of a pod, which may lack more: until none of a class can lack less.
    fn lacking_of_pod(&self, asked: &Asked<'_>, classes: &mut [Lacking]) {
        let mut known = vec![false; classes.len()];
        let mut open = 0;
        for (known, (place, lacking)) in known.iter_mut().zip(classes.iter()) {
            let rule = self.rule(*place).map(|(_, rule)| rule);
            *known = *lacking == 0 || rule.is_none_or(|rule| rule.action != RuleAction::Allow);
            open += usize::from(!*known);
        }
        let mut best: Vec<Option<Lacking>> = vec![None; classes.len()];
        for place in 0..number(self.rules.len()) {
            if open == 0 {
                break;
            }
            let Some((applying, rule)) = self.rule(place) else {
                continue;
            };
            let class = applying.class as usize;
            let (Some(known), Some(best)) = (known.get_mut(class), best.get_mut(class)) else {
                continue;
            };
            if *known {
                continue;
            }
            let lacking = number(lacks::of_peers(asked, &rule.peers));
            if best.is_none_or(|(_, least)| lacking < least) {
                *best = Some((place, lacking));
            }
            // What lacks nothing is in no such class.
            if lacking <= 1 {
                *known = true;
                open -= 1;
            }
        }
        for (class, best) in classes.iter_mut().zip(best) {
            *class = best.unwrap_or(*class);
        }
    }
}

/// [`distance`] of what the peer and the port lack.
fn distance_of(of_peers: usize, of_ports: Option<&Lack>) -> (usize, usize) {
    let (all, not_ports) = distance(of_ports.map_or(&[], std::slice::from_ref));
    (of_peers + all, of_peers + not_ports)
}
