//! What is compared.

use super::guard::{Events, Guard};

/// A filter with so many policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) guard: Guard,
    pub(super) policies: usize,
    /// It has been there before: what two measurements of the same thing differ by.
    pub(super) again: bool,
}

impl Condition {
    const fn new(guard: Guard, policies: usize) -> Self {
        Self {
            guard,
            policies,
            again: false,
        }
    }

    /// Names the row.
    pub(super) fn name(&self) -> String {
        let policies = match self.policies {
            1_000 => "1,000".to_owned(),
            10_000 => "10,000".to_owned(),
            few => few.to_string(),
        };
        match self.guard {
            Guard::Nothing if self.again => "no filter, again".to_owned(),
            Guard::Nothing => "no filter".to_owned(),
            Guard::Empty => "empty TCX programs on all four hooks".to_owned(),
            Guard::Enforcer(Events::Default) => format!("**enforcer**, {policies} policies"),
            Guard::Enforcer(Events::All) => {
                format!("**enforcer**, {policies} policies, every connection reported")
            }
            Guard::Nftables => format!("nftables, {policies} policies"),
            Guard::Iptables => format!("iptables + ipset, {policies} policies"),
            Guard::Nfqueue => format!("NFQUEUE for new connections, {policies} policies"),
        }
    }
}

/// The baseline, with which all are compared, comes first.
pub(super) fn all() -> Vec<Condition> {
    let mut all = start();
    for policies in [10, 10_000] {
        all.push(Condition::new(Guard::Enforcer(Events::Default), policies));
    }
    all.push(Condition::new(Guard::Enforcer(Events::All), 10));
    for guard in [Guard::Nftables, Guard::Iptables] {
        for policies in [10, 100, 1_000, 10_000] {
            all.push(Condition::new(guard, policies));
        }
    }
    all.push(Condition::new(Guard::Nfqueue, 10));
    all
}

/// One of each kind.
pub(super) fn few() -> Vec<Condition> {
    let mut few = start();
    let guards = [
        Guard::Enforcer(Events::Default),
        Guard::Nftables,
        Guard::Iptables,
        Guard::Nfqueue,
    ];
    few.extend(guards.map(|guard| Condition::new(guard, 10)));
    few
}

fn start() -> Vec<Condition> {
    let nothing = Condition::new(Guard::Nothing, 1);
    let again = Condition {
        again: true,
        ..nothing
    };
    vec![nothing, again, Condition::new(Guard::Empty, 1)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_baseline_comes_first_and_no_two_rows_have_one_name() {
        for conditions in [all(), few()] {
            assert_eq!(
                conditions.first().map(Condition::name).as_deref(),
                Some("no filter")
            );
            let names: BTreeSet<_> = conditions.iter().map(Condition::name).collect();
            assert_eq!(names.len(), conditions.len());
        }
    }

    #[test]
    fn a_quick_run_has_every_kind_of_filter() {
        let kinds = |conditions: &[Condition]| -> BTreeSet<_> {
            let guard = |one: &Condition| match one.guard {
                Guard::Enforcer(_) => Guard::Enforcer(Events::Default),
                other => other,
            };
            conditions
                .iter()
                .map(|one| format!("{:?}", guard(one)))
                .collect()
        };
        assert_eq!(kinds(&few()), kinds(&all()));
    }
}
