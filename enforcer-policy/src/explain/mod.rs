//! Why a connection is allowed or denied, in the words of the policies.
//!
//! Evaluates the rules themselves, not the tables. The exceptions that hold whatever policies say
//! (a pod and itself, a pod and its own node) are the caller's.

mod display;
mod index;
mod lacks;
mod prepared;
mod recall;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::abi::Direction;

pub use lacks::Lack;
pub use recall::Explainer;

use crate::model::{Cluster, Pod, PodKey};
use crate::rule::{Origin, Policy, PolicyKey, Rule, RuleAction};

/// Who the other side is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerIdentity {
    /// A selectable pod.
    Pod(PodKey),
    /// A node by name.
    Node(String),
    /// Neither.
    Outside,
}

/// The other side of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerSide {
    /// Who it is.
    pub identity: PeerIdentity,
    /// The address that it uses; `None` for a pod that has none yet.
    pub address: Option<IpAddr>,
}

/// A rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleRef {
    /// The policy.
    pub policy: PolicyKey,
    /// The direction it speaks about.
    pub direction: Direction,
    /// Where in the policy it stands.
    pub origin: Origin,
}

/// The allow rule that came nearest to a connection that is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The rule.
    pub rule: RuleRef,
    /// What it lacked, never empty.
    pub lacks: Vec<Lack>,
}

/// What the policies of one end say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The policies that isolate the pod in this direction, by name; without any, everything is
    /// allowed.
    pub isolating: Arc<[PolicyKey]>,
    /// The rule that allows the connection: the first that decides.
    pub allowed_by: Option<RuleRef>,
    /// The rule that denies it: the first that decides. For a NetworkPolicy it is the isolation of
    /// one of the policies.
    pub denied_by: Option<RuleRef>,
    /// When it is denied: the allow rule that lacks least; among several one that means the peer,
    /// and then the first.
    pub nearest: Option<Nearest>,
}

impl Explanation {
    /// Whether this end lets the connection happen.
    pub fn allowed(&self) -> bool {
        self.denied_by.is_none()
    }
}

/// A connection as its rules see it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    cluster: &'a Cluster,
    /// Whose policies are asked.
    pod: (&'a PodKey, &'a Pod),
    peer: &'a PeerSide,
    /// The peer, where it is a pod that selectors can mean.
    peer_pod: Option<(&'a PodKey, &'a Pod)>,
    /// The pod that is connected to, where it is one.
    destination: Option<(&'a PodKey, &'a Pod)>,
    protocol: u8,
    port: u16,
}

impl<'a> Asked<'a> {
    /// `None` when no policy applies to the pod, whatever it says.
    fn new(
        cluster: &'a Cluster,
        pod: &'a PodKey,
        direction: Direction,
        peer: &'a PeerSide,
        protocol: u8,
        port: u16,
    ) -> Option<Self> {
        let subject = cluster.pods.get(pod).filter(|pod| pod.is_selectable())?;
        let peer_pod = match &peer.identity {
            PeerIdentity::Pod(key) => cluster.pods.get_key_value(key),
            PeerIdentity::Node(_) | PeerIdentity::Outside => None,
        };
        let destination = match direction {
            Direction::Ingress => Some((pod, subject)),
            Direction::Egress => peer_pod,
        };
        Some(Self {
            cluster,
            pod: (pod, subject),
            peer,
            peer_pod: peer_pod.filter(|(_, pod)| pod.is_selectable()),
            destination,
            protocol,
            port,
        })
    }
}

/// Why `pod` may or may not have this connection with `peer`. `direction` is seen from `pod`;
/// `protocol` is the IANA number; `port` says nothing for protocols without ports. Looks at every
/// policy to find those that select the pod; see [`explain_by`] where that is known.
pub fn explain(
    cluster: &Cluster,
    pod: &PodKey,
    direction: Direction,
    peer: &PeerSide,
    protocol: u8,
    port: u16,
) -> Explanation {
    let all = cluster.policies.keys().cloned();
    explain_by(cluster, all, pod, direction, peer, protocol, port)
}

/// [`explain`] by these policies alone: linear in their rules. Those that do not select the pod in
/// this direction say nothing.
pub fn explain_by(
    cluster: &Cluster,
    policies: impl IntoIterator<Item = PolicyKey>,
    pod: &PodKey,
    direction: Direction,
    peer: &PeerSide,
    protocol: u8,
    port: u16,
) -> Explanation {
    let Some(asked) = Asked::new(cluster, pod, direction, peer, protocol, port) else {
        return Explanation::default();
    };
    let policies = policies.into_iter();
    let policies = policies.filter_map(|key| cluster.policies.get(&key));
    let (isolating, mut rules) = applying(cluster, policies, asked.pod, direction);
    let mut explanation = Explanation {
        isolating,
        ..Explanation::default()
    };
    decide(&mut rules, &asked, &mut explanation);
    explanation
}

/// A rule with its policy.
type Applying<'a> = (&'a Arc<Policy>, &'a Rule);

/// The policies, sorted, that isolate a pod in a direction, and the rules that do.
fn applying<'a>(
    cluster: &Cluster,
    policies: impl Iterator<Item = &'a Arc<Policy>>,
    (key, pod): (&PodKey, &Pod),
    direction: Direction,
) -> (Arc<[PolicyKey]>, Vec<Applying<'a>>) {
    let mut rules = Vec::new();
    let mut isolating = Vec::new();
    for policy in policies {
        let before = rules.len();
        let selects = |rule: &&Rule| {
            rule.direction == direction
                && lacks::of_selector(cluster, &rule.subject, key, pod).is_empty()
        };
        let selecting = policy.rules.iter().filter(selects);
        rules.extend(selecting.map(|rule| (policy, rule)));
        if rules.len() > before {
            isolating.push(policy.key.clone());
        }
    }
    isolating.sort();
    (isolating.into(), rules)
}

/// In the order in which they are asked.
fn sort(rules: &mut [Applying<'_>]) {
    rules.sort_by_key(|(policy, rule)| {
        let order = (rule.tier, rule.priority, rule.action);
        (order, &policy.key, rule.origin)
    });
}

fn reference(policy: &Policy, rule: &Rule) -> RuleRef {
    RuleRef {
        policy: policy.key.clone(),
        direction: rule.direction,
        origin: rule.origin,
    }
}

/// The first rule that matches decides; pass goes on with the next tier.
fn decide(rules: &mut [Applying<'_>], asked: &Asked<'_>, explanation: &mut Explanation) {
    sort(rules);
    let mut passed = None;
    let mut nearest: Option<Nearest> = None;
    for (policy, rule) in rules {
        if passed == Some(rule.tier) {
            continue;
        }
        let reference = || reference(policy, rule);
        let lacks = lacks::of_rule(asked, rule);
        if lacks.is_empty() {
            match rule.action {
                RuleAction::Pass => passed = Some(rule.tier),
                RuleAction::Allow => {
                    explanation.allowed_by = Some(reference());
                    return;
                }
                RuleAction::Deny => {
                    explanation.denied_by = Some(reference());
                    explanation.nearest = nearest;
                    return;
                }
            }
        } else if rule.action == RuleAction::Allow
            && nearest
                .as_ref()
                .is_none_or(|n| distance(&lacks) < distance(&n.lacks))
        {
            let rule = reference();
            nearest = Some(Nearest { rule, lacks });
        }
    }
}

/// How far a rule is from a connection: what it lacks, and then what it lacks about the peer, for
/// a wrong port is mended more often than a wrong peer.
fn distance(lacks: &[Lack]) -> (usize, usize) {
    let about_ports = |lack: &&Lack| {
        matches!(
            lack,
            Lack::Protocol { .. } | Lack::Port { .. } | Lack::NoSuchPort { .. }
        )
    };
    let ports = lacks.iter().filter(about_ports).count();
    (lacks.len(), lacks.len() - ports)
}
