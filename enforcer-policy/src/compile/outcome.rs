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
pub(super) fn evaluate(rules: &[SetRule], features: &[Feature]) -> Outcome {
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
    fn ask(&mut self, class: &[SetRule], features: &[Feature]) {
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
