//! The normal form of a policy set, so that equal meaning is (where that is cheap) equal content.

use std::collections::BTreeMap;

use super::set::{Ports, SetRule, Who};
use super::spans;
use crate::rule::{RuleAction, Tier};

type Class = (Tier, u32, RuleAction);

/// Sorts the rules, drops those that can never matter and merges those that differ only in their
/// peers or only in their ports.
pub(super) fn normalise(rules: Vec<SetRule>) -> Vec<SetRule> {
    let rules = merge_peers(merge_ports(rules.into_iter().filter(speaks).collect()));
    reachable(rules)
}

/// Whether there is anyone, and any port, that the rule could mean.
fn speaks(rule: &SetRule) -> bool {
    let nobody = matches!(&rule.peers, Who::Of(ids) if ids.is_empty());
    let nothing = matches!(&rule.ports,
        Ports::Of { spans, names } if spans.is_empty() && names.is_empty());
    !nobody && !nothing
}

fn class(rule: &SetRule) -> Class {
    (rule.tier, rule.priority, rule.action)
}

/// One rule for all ports of equal peers.
fn merge_ports(rules: Vec<SetRule>) -> Vec<SetRule> {
    let mut merged: BTreeMap<(Class, Who), Ports> = BTreeMap::new();
    for rule in rules {
        let class = class(&rule);
        let ports = merged.entry((class, rule.peers)).or_insert(Ports::Of {
            spans: Vec::new(),
            names: Vec::new(),
        });
        add_ports(ports, rule.ports);
    }
    merged
        .into_iter()
        .map(|((class, peers), ports)| rule(class, peers, sorted(ports)))
        .collect()
}

fn add_ports(sum: &mut Ports, more: Ports) {
    match (&mut *sum, more) {
        (Ports::Any, _) | (_, Ports::Any) => *sum = Ports::Any,
        (
            Ports::Of { spans, names },
            Ports::Of {
                spans: more_spans,
                names: more_names,
            },
        ) => {
            spans.extend(more_spans);
            names.extend(more_names);
        }
    }
}

fn sorted(ports: Ports) -> Ports {
    match ports {
        Ports::Any => Ports::Any,
        Ports::Of { spans, mut names } => {
            names.sort_unstable();
            names.dedup();
            Ports::Of {
                spans: spans::merged(spans),
                names,
            }
        }
    }
}

/// One rule for all peers of equal ports.
fn merge_peers(rules: Vec<SetRule>) -> Vec<SetRule> {
    let mut merged: BTreeMap<(Class, Ports), Who> = BTreeMap::new();
    for rule in rules {
        let class = class(&rule);
        let peers = merged
            .entry((class, rule.ports))
            .or_insert(Who::Of(Vec::new()));
        match (&mut *peers, rule.peers) {
            (Who::Any, _) | (_, Who::Any) => *peers = Who::Any,
            (Who::Of(ids), Who::Of(more)) => ids.extend(more),
        }
    }
    let mut rules: Vec<_> = merged
        .into_iter()
        .map(|((class, ports), mut peers)| {
            if let Who::Of(ids) = &mut peers {
                ids.sort_unstable();
                ids.dedup();
            }
            rule(class, peers, ports)
        })
        .collect();
    rules.sort_unstable();
    rules
}

/// Drops what stands behind a rule that decides everything.
fn reachable(rules: Vec<SetRule>) -> Vec<SetRule> {
    let mut kept: Vec<SetRule> = Vec::with_capacity(rules.len());
    for class_rules in rules.chunk_by(|a, b| class(a) == class(b)) {
        let Some(first) = class_rules.first() else {
            continue;
        };
        if kept.iter().any(|rule| closes(rule, first.tier)) {
            continue;
        }
        match class_rules.iter().find(|rule| decides_everything(rule)) {
            Some(rule) => kept.push(rule.clone()),
            None => kept.extend_from_slice(class_rules),
        }
    }
    kept
}

fn decides_everything(rule: &SetRule) -> bool {
    rule.peers == Who::Any && rule.ports == Ports::Any
}

/// Whether nothing of `tier` behind this rule can still be asked. What an earlier rule of the tier
/// has passed on goes on to the tiers below, so only the rest of the rule's own tier is closed.
fn closes(rule: &SetRule, tier: Tier) -> bool {
    decides_everything(rule) && rule.tier == tier
}

fn rule((tier, priority, action): Class, peers: Who, ports: Ports) -> SetRule {
    SetRule {
        tier,
        priority,
        action,
        peers,
        ports,
    }
}

/// Whether `new` surely allows everything that `old` allows: the same denials and passes, and at
/// least the same allowances.
pub(super) fn only_adds(old: &[SetRule], new: &[SetRule]) -> bool {
    let allows = |rule: &&SetRule| rule.action == RuleAction::Allow;
    let others = |rules: &[SetRule]| -> Vec<SetRule> {
        rules.iter().filter(|rule| !allows(rule)).cloned().collect()
    };
    others(old) == others(new)
        && old.iter().filter(allows).all(|rule| {
            new.binary_search(rule).is_ok() || new.iter().any(|more| widens(more, rule))
        })
}

/// Whether `new`, of the same class, means all that `old` means.
fn widens(new: &SetRule, old: &SetRule) -> bool {
    let peers = match (&new.peers, &old.peers) {
        (Who::Any, _) => true,
        (Who::Of(_), Who::Any) => false,
        (Who::Of(new), Who::Of(old)) => old.iter().all(|id| new.binary_search(id).is_ok()),
    };
    let ports = match (&new.ports, &old.ports) {
        (Ports::Any, _) => true,
        (Ports::Of { .. }, Ports::Any) => false,
        (
            Ports::Of { spans, names },
            Ports::Of {
                spans: old_spans,
                names: old_names,
            },
        ) => {
            spans::includes(spans, old_spans)
                && old_names
                    .iter()
                    .all(|name| names.binary_search(name).is_ok())
        }
    };
    class(new) == class(old) && peers && ports
}
