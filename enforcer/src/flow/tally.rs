//! What the records came to since the daemon is, for the metrics.

use std::collections::{BTreeMap, HashMap};

use enforcer_common::abi::Direction;
use enforcer_flows::{Kind, Record, Verdict};
use enforcer_policy::rule::PolicyKey;

/// So many policies are counted each for itself, unless the operator says otherwise.
pub const DEFAULT_POLICIES: usize = 100;

/// What was counted under a policy: packets that it denied, packets that it would have denied in audit mode, and
/// new connections that a rule of it allowed.
pub type Counts = BTreeMap<(Direction, Verdict), u64>;

/// Counts by policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByPolicy {
    /// Policies that are counted each for itself.
    pub each: BTreeMap<PolicyKey, Counts>,
    /// All others together.
    pub others: Counts,
}

/// Counts records.
#[derive(Debug)]
pub struct Tally {
    records: BTreeMap<(Kind, Direction), u64>,
    each: HashMap<PolicyKey, Counts>,
    others: Counts,
    /// How many policies may be in `each`.
    limit: usize,
}

impl Tally {
    /// Nothing is counted yet. At most so many policies are counted each for itself: those of which a record tells
    /// first.
    pub fn new(limit: usize) -> Self {
        Self {
            records: BTreeMap::new(),
            each: HashMap::new(),
            others: Counts::new(),
            limit,
        }
    }

    /// Counts a record. What is denied counts at every policy that isolates the pod, because each could have allowed
    /// it; what is allowed at the one whose rule did.
    pub fn count(&mut self, record: &Record) {
        let slot = (record.kind, record.direction);
        *self.records.entry(slot).or_default() += 1;
        let verdict = record.verdict();
        let slot = (record.direction, verdict);
        match (verdict, record.kind) {
            (Verdict::Denied | Verdict::Audit, _) => {
                for policy in record.context.policies.iter() {
                    self.raise(policy, slot, record.count);
                }
            }
            (Verdict::Allowed, Kind::Opened) => {
                if let Some(rule) = &record.context.allowed_by {
                    self.raise(&rule.policy, slot, 1);
                }
            }
            // It was counted when it was opened.
            (Verdict::Allowed, _) => {}
        }
    }

    fn raise(&mut self, policy: &PolicyKey, slot: (Direction, Verdict), by: u64) {
        let room = self.each.len() < self.limit;
        let counts = match self.each.get_mut(policy) {
            Some(counts) => counts,
            None if room => self.each.entry(policy.clone()).or_default(),
            None => &mut self.others,
        };
        *counts.entry(slot).or_default() += by;
    }

    /// A policy is gone: another may have its place.
    pub fn forget(&mut self, policy: &PolicyKey) {
        self.each.remove(policy);
    }

    /// How many records there were.
    pub const fn records(&self) -> &BTreeMap<(Kind, Direction), u64> {
        &self.records
    }

    /// What they say of policies.
    pub fn by_policy(&self) -> ByPolicy {
        let each = self.each.iter();
        ByPolicy {
            each: each
                .map(|(key, counts)| (key.clone(), counts.clone()))
                .collect(),
            others: self.others.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(kind: &str, policies: &[&str], allowed_by: Option<&str>, count: u64) -> Record {
        let allowed_by = allowed_by.map(|policy| json!({"policy": policy, "rule": "ingress[0]"}));
        let value = json!({"sequence": 0, "time": "2026-11-21T08:00:00Z", "kind": kind,
            "reason": "policy-denied", "direction": "ingress", "hook": "ingress",
            "protocol": "TCP", "source": {}, "destination": {}, "policies": policies,
            "allowed_by": allowed_by, "count": count, "length": 74});
        serde_json::from_value(value).unwrap()
    }

    fn policy(name: &str) -> PolicyKey {
        record("denied", &[name], None, 1).context.policies[0].clone()
    }

    const DENIED: (Direction, Verdict) = (Direction::Ingress, Verdict::Denied);
    const ALLOWED: (Direction, Verdict) = (Direction::Ingress, Verdict::Allowed);

    #[test]
    fn a_denial_counts_with_all_its_packets_at_every_policy_that_isolates_the_pod() {
        let mut tally = Tally::new(9);
        tally.count(&record("denied", &["a/x", "a/y"], None, 5));
        tally.count(&record("denied", &["a/y"], None, 1));
        tally.count(&record("audited", &["a/y"], None, 2));
        let told = tally.by_policy();
        assert_eq!(told.each[&policy("a/x")][&DENIED], 5);
        assert_eq!(told.each[&policy("a/y")][&DENIED], 6);
        let audit = (Direction::Ingress, Verdict::Audit);
        assert_eq!(told.each[&policy("a/y")][&audit], 2);
        let denials = (Kind::Denied, Direction::Ingress);
        assert_eq!(tally.records()[&denials], 2);
    }

    #[test]
    fn a_connection_counts_once_and_only_at_the_policy_that_allowed_it() {
        let mut tally = Tally::new(9);
        tally.count(&record("opened", &["a/x", "a/y"], Some("a/y"), 1));
        tally.count(&record("closed", &["a/x", "a/y"], Some("a/y"), 1));
        let told = tally.by_policy();
        assert_eq!(told.each.len(), 1);
        assert_eq!(told.each[&policy("a/y")], Counts::from([(ALLOWED, 1)]));
    }

    #[test]
    fn policies_beyond_the_limit_are_counted_together_and_one_that_goes_makes_room() {
        let mut tally = Tally::new(2);
        for name in ["a/x", "a/y", "a/z", "b/z"] {
            tally.count(&record("denied", &[name], None, 1));
        }
        assert_eq!(tally.by_policy().others, Counts::from([(DENIED, 2)]));
        tally.forget(&policy("a/x"));
        tally.count(&record("denied", &["b/z"], None, 1));
        let told = tally.by_policy();
        let names: Vec<_> = told.each.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["a/y", "b/z"]);
        assert_eq!(told.others[&DENIED], 2);
        let mut none = Tally::new(0);
        none.count(&record("denied", &["a/x"], None, 3));
        assert_eq!(none.by_policy().others[&DENIED], 3);
    }
}
