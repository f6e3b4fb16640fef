//! The normal form of a policy set, so that equal meaning is (where that is cheap) equal content.

use std::borrow::Cow;
use std::collections::HashMap;

use super::set::{Ports, SetRule, Who};
use super::spans;
use crate::rule::{RuleAction, Tier};

type Class = (Tier, u32, RuleAction);

/// Sorts the rules, drops those that can never matter and merges those that differ only in their
/// peers or only in their ports.
pub(super) fn normalise(rules: &[Cow<'_, SetRule>]) -> Vec<SetRule> {
    let rules = rules.iter().map(AsRef::as_ref);
    let rules = merge_peers(merge_ports(rules.filter(|rule| speaks(rule)).collect()));
    reachable(&rules)
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

/// One rule for all ports of equal peers, in any order.
fn merge_ports(rules: Vec<&SetRule>) -> Vec<SetRule> {
    // Of thousands of rules many have equal peers, and to sort them costs more than to find these.
    let mut groups: HashMap<(Class, &Who), Vec<&SetRule>> = HashMap::new();
    for rule in rules {
        let group = groups.entry((class(rule), &rule.peers));
        group.or_default().push(rule);
    }
    groups
        .into_values()
        .filter_map(|group| {
            let first = *group.first()?;
            if group.len() == 1 {
                return Some(first.clone());
            }
            let mut ports = nothing();
            for rule in &group {
                add_ports(&mut ports, &rule.ports);
            }
            Some(rule(class(first), first.peers.clone(), ports))
        })
        .map(|mut rule| {
            rule.ports = sorted(rule.ports);
            rule
        })
        .collect()
}

fn nothing() -> Ports {
    Ports::Of {
        spans: Vec::new(),
        names: Vec::new(),
    }
}

fn add_ports(sum: &mut Ports, more: &Ports) {
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
fn merge_peers(mut rules: Vec<SetRule>) -> Vec<SetRule> {
    rules.sort_unstable_by(|a, b| (class(a), &a.ports).cmp(&(class(b), &b.ports)));
    let mut merged: Vec<SetRule> = Vec::with_capacity(rules.len());
    for rule in rules {
        match merged.last_mut() {
            Some(last) if (class(last), &last.ports) == (class(&rule), &rule.ports) => {
                match (&mut last.peers, rule.peers) {
                    (Who::Any, _) => {}
                    (peers, Who::Any) => *peers = Who::Any,
                    (Who::Of(ids), Who::Of(more)) => ids.extend(more),
                }
            }
            _ => merged.push(rule),
        }
    }
    for rule in &mut merged {
        if let Who::Of(ids) = &mut rule.peers {
            ids.sort_unstable();
            ids.dedup();
        }
    }
    merged.sort_unstable();
    merged
}

/// Drops what stands behind a rule that decides everything. What the tier has passed on before
/// still goes to the tiers below, so only the rest of the rule's own tier is closed.
fn reachable(rules: &[SetRule]) -> Vec<SetRule> {
    let mut kept: Vec<SetRule> = Vec::with_capacity(rules.len());
    for tier in rules.chunk_by(|a, b| a.tier == b.tier) {
        for class_rules in tier.chunk_by(|a, b| class(a) == class(b)) {
            if let Some(rule) = class_rules.iter().find(|rule| decides_everything(rule)) {
                kept.push(rule.clone());
                break;
            }
            kept.extend_from_slice(class_rules);
        }
    }
    kept
}

fn decides_everything(rule: &SetRule) -> bool {
    rule.peers == Who::Any && rule.ports == Ports::Any
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

/// Whether `new` surely allows everything that `old` allows: it has the same denials and passes,
/// and at least the same allowances.
pub(super) fn only_adds(old: &[SetRule], new: &[SetRule]) -> bool {
    let others = |rule: &&SetRule| rule.action != RuleAction::Allow;
    old.iter().filter(others).eq(new.iter().filter(others))
        && old
            .iter()
            .filter(|rule| rule.action == RuleAction::Allow)
            .all(|rule| new.binary_search(rule).is_ok() || is_covered(rule, new))
}

/// Whether rules of the same class mean all peers of `rule` with all its ports.
fn is_covered(rule: &SetRule, by: &[SetRule]) -> bool {
    let by: Vec<&SetRule> = by
        .iter()
        .filter(|more| class(more) == class(rule))
        .collect();
    match &rule.peers {
        Who::Any => covers_ports(by.iter().filter(|more| more.peers == Who::Any), &rule.ports),
        Who::Of(ids) => ids.iter().all(|id| {
            let meant = by.iter().filter(|more| match &more.peers {
                Who::Any => true,
                Who::Of(ids) => ids.binary_search(id).is_ok(),
            });
            covers_ports(meant, &rule.ports)
        }),
    }
}

fn covers_ports<'a>(by: impl Iterator<Item = &'a &'a SetRule>, ports: &Ports) -> bool {
    let all = by.fold(nothing(), |mut all, rule| {
        add_ports(&mut all, &rule.ports);
        all
    });
    match (sorted(all), ports) {
        (Ports::Any, _) => true,
        (Ports::Of { .. }, Ports::Any) => false,
        (
            Ports::Of { spans, names },
            Ports::Of {
                spans: old_spans,
                names: old_names,
            },
        ) => {
            spans::includes(&spans, old_spans)
                && old_names
                    .iter()
                    .all(|name| names.binary_search(name).is_ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the compiler gives them: lent.
    fn normalise(rules: &[SetRule]) -> Vec<SetRule> {
        let rules: Vec<_> = rules.iter().map(Cow::Borrowed).collect();
        super::normalise(&rules)
    }

    fn allow(peers: Who, ports: Ports) -> SetRule {
        rule((Tier::NetworkPolicy, 0, RuleAction::Allow), peers, ports)
    }

    fn isolation() -> SetRule {
        let class = (Tier::NetworkPolicy, u32::MAX, RuleAction::Deny);
        rule(class, Who::Any, Ports::Any)
    }

    fn to(low: u32, high: u32) -> Ports {
        Ports::Of {
            spans: vec![(low, high)],
            names: Vec::new(),
        }
    }

    fn of(ids: &[u32]) -> Who {
        Who::Of(ids.to_vec())
    }

    #[test]
    fn order_and_division_of_rules_mean_nothing() {
        let one = normalise(&[
            isolation(),
            allow(of(&[2]), to(80, 80)),
            allow(of(&[1]), to(81, 90)),
            allow(of(&[1]), to(80, 80)),
            allow(of(&[2]), to(81, 90)),
        ]);
        let other = normalise(&[allow(of(&[2, 1, 1]), to(80, 90)), isolation()]);
        assert_eq!(one, other);
    }

    #[test]
    fn rules_that_mean_nobody_or_nothing_are_no_rules() {
        let rules = vec![allow(of(&[]), Ports::Any), allow(of(&[1]), nothing())];
        assert_eq!(normalise(&rules), []);
    }

    #[test]
    fn what_stands_behind_a_decision_of_everything_is_dropped() {
        let mut rules = vec![allow(Who::Any, Ports::Any), isolation()];
        rules.push(allow(of(&[1]), to(80, 80)));
        assert_eq!(normalise(&rules), [allow(Who::Any, Ports::Any)]);
    }

    #[test]
    fn lower_tiers_are_kept_behind_a_decision_because_some_may_have_passed() {
        let mut below = isolation();
        below.tier = Tier::Baseline;
        let rules = vec![isolation(), below];
        assert_eq!(normalise(&rules), rules);
    }

    #[test]
    fn more_allowances_only_add() {
        let old = normalise(&[allow(of(&[1, 2]), to(80, 80)), isolation()]);
        let new = normalise(&[
            allow(of(&[1]), Ports::Any),
            allow(of(&[2]), to(70, 80)),
            isolation(),
        ]);
        assert!(only_adds(&old, &new));
        assert!(!only_adds(&new, &old));
        assert!(
            !only_adds(&old, &[]),
            "the lack of a denial is not looked into"
        );
    }
}
