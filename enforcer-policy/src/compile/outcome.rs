//! What a policy set says about a peer: rules in, disjoint port intervals out.

use enforcer_common::abi::PortRange;

use super::identity::Feature;
use super::set::{Ports, SetRule};
use super::spans::{self, EVERYTHING, Span};
use crate::rule::RuleAction;

/// A verdict in normal form: equal meaning is an equal value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The verdict for what no exception covers, protocols without ports included.
    pub(super) default_allow: bool,
    /// The ports that have the other verdict.
    pub(super) exceptions: Vec<Span>,
}

impl Outcome {
    fn new(default_allow: bool, allowed: Vec<Span>) -> Self {
        let exceptions = if default_allow {
            spans::complement(&allowed)
        } else {
            allowed
        };
        Self {
            default_allow,
            exceptions,
        }
    }

    fn allowed(&self) -> Vec<Span> {
        if self.default_allow {
            spans::complement(&self.exceptions)
        } else {
            self.exceptions.clone()
        }
    }

    /// What both allow.
    pub(super) fn and(&self, other: &Self) -> Self {
        Self::new(
            self.default_allow && other.default_allow,
            spans::intersection(&self.allowed(), &other.allowed()),
        )
    }

    /// Whether everything that `other` allows is allowed here too.
    pub(super) fn includes(&self, other: &Self) -> bool {
        (self.default_allow || !other.default_allow)
            && spans::includes(&self.allowed(), &other.allowed())
    }

    /// Whether it allows anything at all.
    pub(super) fn allows_anything(&self) -> bool {
        self.default_allow || !self.exceptions.is_empty()
    }

    /// The port list.
    pub(super) fn ranges(&self) -> Vec<PortRange> {
        spans::to_ranges(&self.exceptions, !self.default_allow)
    }
}

/// What is still undecided while the rules are asked in turn.
struct Evaluation {
    /// Undecided ports.
    open: Vec<Span>,
    /// Ports of the tier that a rule has passed on to the next.
    passed: Vec<Span>,
    allowed: Vec<Span>,
    /// The decision about protocols without ports.
    default_allow: Option<bool>,
    /// Protocols without ports have been passed on to the next tier.
    default_passed: bool,
}

/// The verdict of `rules`, sorted by (tier, priority, action), for a peer with these features.
pub(super) fn evaluate(rules: &[&SetRule], features: &[Feature]) -> Outcome {
    let mut evaluation = Evaluation {
        open: vec![EVERYTHING],
        passed: Vec::new(),
        allowed: Vec::new(),
        default_allow: None,
        default_passed: false,
    };
    for tier in rules.chunk_by(|a, b| a.tier == b.tier) {
        let classes = tier.chunk_by(|a, b| (a.priority, a.action) == (b.priority, b.action));
        for class in classes {
            evaluation.ask(class, features);
        }
        evaluation.end_tier();
    }
    evaluation.finish()
}

impl Evaluation {
    /// Asks rules of one tier, priority and action; among themselves their order has no meaning.
    fn ask(&mut self, class: &[&SetRule], features: &[Feature]) {
        let Some(first) = class.first() else { return };
        let mut hits = Vec::new();
        let mut whole = false;
        for rule in class.iter().filter(|rule| rule.peers.matches(features)) {
            match &rule.ports {
                Ports::Any => whole = true,
                Ports::Of { spans, names } => {
                    hits.extend_from_slice(spans);
                    hits.extend(names.iter().flat_map(|name| name.spans(features)));
                }
            }
        }
        if whole {
            self.decide_default(first.action);
            hits = vec![EVERYTHING];
        }
        self.decide(first.action, &spans::merged(hits));
    }

    fn decide(&mut self, action: RuleAction, hits: &[Span]) {
        if hits.is_empty() {
            return;
        }
        let decided = spans::intersection(&self.open, hits);
        self.open = spans::difference(&self.open, hits);
        match action {
            RuleAction::Allow => self.allowed = spans::union(&self.allowed, &decided),
            RuleAction::Pass => self.passed = spans::union(&self.passed, &decided),
            RuleAction::Deny => {}
        }
    }

    fn decide_default(&mut self, action: RuleAction) {
        if self.default_allow.is_some() || self.default_passed {
            return;
        }
        match action {
            RuleAction::Allow => self.default_allow = Some(true),
            RuleAction::Deny => self.default_allow = Some(false),
            RuleAction::Pass => self.default_passed = true,
        }
    }

    fn end_tier(&mut self) {
        self.open = spans::union(&self.open, &self.passed);
        self.passed.clear();
        self.default_passed = false;
    }

    /// What no rule has decided is allowed.
    fn finish(self) -> Outcome {
        let allowed = spans::union(&self.allowed, &self.open);
        Outcome::new(self.default_allow.unwrap_or(true), allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::set::{PeerPort, Who};
    use super::super::spans::span;
    use super::*;
    use crate::rule::{Protocol, Tier};

    fn rule(tier: Tier, priority: u32, action: RuleAction, peers: &[u32], ports: Ports) -> SetRule {
        let peers = match peers {
            [] => Who::Any,
            ids => Who::Of(ids.to_vec()),
        };
        SetRule {
            tier,
            priority,
            action,
            peers,
            ports,
        }
    }

    fn tcp(low: u16, high: u16) -> Ports {
        Ports::Of {
            spans: vec![span(Protocol::Tcp, low, high)],
            names: Vec::new(),
        }
    }

    fn outcome(rules: &[SetRule], features: &[u32]) -> Outcome {
        let features: Vec<_> = features.iter().copied().map(Feature::selected).collect();
        let mut rules = rules.to_vec();
        rules.sort_unstable();
        evaluate(&rules.iter().collect::<Vec<_>>(), &features)
    }

    fn verdict(default_allow: bool, exceptions: &[Span]) -> Outcome {
        Outcome {
            default_allow,
            exceptions: exceptions.to_vec(),
        }
    }

    const NP: Tier = Tier::NetworkPolicy;

    fn isolation() -> SetRule {
        rule(NP, u32::MAX, RuleAction::Deny, &[], Ports::Any)
    }

    #[test]
    fn what_no_rule_decides_is_allowed() {
        assert_eq!(outcome(&[], &[1]), verdict(true, &[]));
    }

    #[test]
    fn allowed_ports_are_exceptions_of_the_isolation() {
        let rules = [
            isolation(),
            rule(NP, 0, RuleAction::Allow, &[1], tcp(0, 80)),
            rule(NP, 0, RuleAction::Allow, &[2], tcp(81, 90)),
        ];
        assert_eq!(outcome(&rules, &[]), verdict(false, &[]));
        assert_eq!(outcome(&rules, &[1]), verdict(false, &[(0, 80)]));
        assert_eq!(outcome(&rules, &[1, 2]), verdict(false, &[(0, 90)]));
    }

    #[test]
    fn all_ports_of_all_protocols_are_not_everything() {
        let every = Ports::Of {
            spans: vec![EVERYTHING],
            names: Vec::new(),
        };
        let rules = [isolation(), rule(NP, 0, RuleAction::Allow, &[1], every)];
        let ranges = outcome(&rules, &[1]).ranges();
        let protocols: Vec<_> = ranges
            .iter()
            .map(|it| (it.protocol, it.low, it.high))
            .collect();
        assert_eq!(protocols, [(6, 0, 65535), (17, 0, 65535), (132, 0, 65535)]);
        assert!(!outcome(&rules, &[1]).default_allow);
    }

    #[test]
    fn the_first_priority_decides_and_denial_goes_before_allowance() {
        let rules = [
            rule(Tier::Admin, 1, RuleAction::Allow, &[1], tcp(80, 90)),
            rule(Tier::Admin, 1, RuleAction::Deny, &[1], tcp(85, 95)),
            rule(Tier::Admin, 0, RuleAction::Allow, &[1], tcp(95, 95)),
        ];
        assert_eq!(outcome(&rules, &[1]), verdict(true, &[(85, 94)]));
    }

    #[test]
    fn what_is_passed_skips_its_tier_only() {
        let rules = [
            rule(Tier::Admin, 0, RuleAction::Pass, &[1], tcp(80, 80)),
            rule(Tier::Admin, 1, RuleAction::Allow, &[], Ports::Any),
            isolation(),
        ];
        assert_eq!(outcome(&rules, &[1]), verdict(true, &[(80, 80)]));
        assert_eq!(outcome(&rules, &[]), verdict(true, &[]));
    }

    #[test]
    fn passing_everything_leaves_protocols_without_ports_to_the_next_tier() {
        let rules = [
            rule(Tier::Admin, 0, RuleAction::Pass, &[1], Ports::Any),
            rule(Tier::Admin, 1, RuleAction::Allow, &[], Ports::Any),
            isolation(),
        ];
        assert_eq!(outcome(&rules, &[1]), verdict(false, &[]));
        assert_eq!(outcome(&rules, &[]), verdict(true, &[]));
    }

    #[test]
    fn a_port_name_means_the_number_that_the_peer_has() {
        let name = PeerPort {
            criterion: 7,
            protocol: Protocol::Udp,
        };
        let ports = Ports::Of {
            spans: Vec::new(),
            names: vec![name],
        };
        let rules = [rule(NP, 0, RuleAction::Allow, &[], ports), isolation()];
        let feature = Feature {
            criterion: 7,
            number: 53,
        };
        let dns = span(Protocol::Udp, 53, 53);
        let rules: Vec<_> = rules.iter().collect();
        assert_eq!(evaluate(&rules, &[feature]), verdict(false, &[dns]));
        assert_eq!(evaluate(&rules, &[]), verdict(false, &[]));
    }

    #[test]
    fn of_two_outcomes_both_must_allow() {
        let most = verdict(true, &[(10, 19)]);
        let few = verdict(false, &[(0, 12), (30, 30)]);
        assert_eq!(most.and(&few), verdict(false, &[(0, 9), (30, 30)]));
        assert!(most.includes(&most.and(&few)));
        assert!(!few.includes(&most));
    }
}
