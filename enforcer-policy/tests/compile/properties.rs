//! What must hold for every cluster and every history.

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::abi::Direction;
use enforcer_policy::compile::{Capacity, Compiler, Scope, Stats};
use enforcer_policy::model::Cluster;
use enforcer_policy::rule::{Namespaces, PortSpec, Ports, Rule, RuleAction};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::generate::change;
use crate::lookup::{allowed, peers, probes, verdict};
use crate::meaning;

fn compiler() -> Compiler {
    Compiler::new(Scope::All, Capacity::default())
}

fn from_scratch(cluster: &Cluster) -> Compiler {
    let mut compiler = compiler();
    compiler.apply(Cluster::default().changes_to(cluster));
    compiler
}

/// Asserts that the tables say what the rules of the cluster mean.
fn assert_means(compiler: &Compiler) -> Result<(), TestCaseError> {
    let (cluster, tables) = (compiler.cluster(), compiler.tables());
    let expected: BTreeSet<_> = cluster
        .pods
        .iter()
        .filter(|(_, pod)| pod.is_selectable() && !pod.addresses.is_empty())
        .map(|(key, _)| key)
        .collect();
    prop_assert_eq!(expected, tables.endpoints.keys().collect());
    for (pod, endpoint) in &tables.endpoints {
        for probe in probes(pod) {
            let found = verdict(tables, endpoint, probe);
            let meant = meaning::allowed(cluster, probe);
            prop_assert_eq!(found.allowed, meant, "{:?}", probe);
            let isolated = Direction::ALL.map(|direction| endpoint.isolated(direction));
            let deferred = isolated.contains(&true) && meaning::is_deferred(cluster, probe);
            prop_assert_eq!(found.deferred, deferred, "{:?}", probe);
        }
        for direction in Direction::ALL {
            let isolated = !compiler.isolating(pod, direction).is_empty();
            prop_assert_eq!(endpoint.isolated(direction), isolated);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn tables_say_what_the_rules_mean(changes in vec(change(), 1..40)) {
        let mut compiler = compiler();
        compiler.apply(changes);
        assert_means(&compiler)?;
    }

    #[test]
    fn a_history_leads_where_its_end_leads(batches in vec(vec(change(), 1..6), 1..12)) {
        let mut compiler = compiler();
        for batch in batches {
            compiler.apply(batch);
            assert_means(&compiler)?;
        }
        let fresh = from_scratch(compiler.cluster());
        prop_assert_eq!(compiler.stats(), fresh.stats());
        prop_assert_eq!(compiler.unfit().len(), 0);
    }

    #[test]
    fn what_goes_leaves_nothing_behind(batches in vec(vec(change(), 1..6), 1..8)) {
        let mut compiler = compiler();
        for batch in batches {
            compiler.apply(batch);
        }
        compiler.apply(compiler.cluster().changes_to(&Cluster::default()));
        prop_assert_eq!(compiler.stats(), Stats { identities: 1, ..Stats::default() });
    }
}

/// What random clusters have been seen to do.
#[derive(Debug, Default)]
struct Coverage {
    allowed: [usize; 2],
    denied: [usize; 2],
    by_port: usize,
    by_prefix: usize,
    by_name: usize,
    shared_address: usize,
    passed: usize,
    relabelled_rules: usize,
    deferred: usize,
}

impl Coverage {
    fn look_at(&mut self, compiler: &Compiler) {
        let (cluster, tables) = (compiler.cluster(), compiler.tables());
        for (pod, endpoint) in &tables.endpoints {
            for probe in probes(pod).filter(|probe| endpoint.isolated(probe.direction)) {
                let index = probe.direction.index();
                self.deferred += usize::from(verdict(tables, endpoint, probe).deferred);
                if allowed(tables, endpoint, probe) {
                    self.allowed[index] += 1;
                } else {
                    self.denied[index] += 1;
                }
            }
        }
        let rules = || cluster.policies.values().flat_map(|policy| &policy.rules);
        self.by_port += tables.ports.len();
        self.by_prefix += tables
            .cidrs
            .values()
            .filter(|peer| peer.identity != 0)
            .count();
        self.by_name += rules().filter(|rule| names_port(rule)).count();
        self.passed += rules()
            .filter(|rule| rule.action == RuleAction::Pass)
            .count();
        self.shared_address += peers().filter(|peer| claimants(cluster, *peer) > 1).count();
        self.relabelled_rules += rules()
            .filter(|rule| matches!(rule.subject.namespaces, Namespaces::Matching(_)))
            .count();
    }

    fn is_complete(&self) -> bool {
        let counts = [self.by_port, self.by_prefix, self.by_name];
        let more = [
            self.shared_address,
            self.passed,
            self.relabelled_rules,
            self.deferred,
        ];
        [counts.as_slice(), &more, &self.allowed, &self.denied]
            .concat()
            .into_iter()
            .all(|count| count >= 20)
    }
}

fn names_port(rule: &Rule) -> bool {
    match &rule.ports {
        Ports::Any => false,
        Ports::Of(ports) => ports.iter().any(|it| matches!(it.port, PortSpec::Named(_))),
    }
}

fn claimants(cluster: &Cluster, address: IpAddr) -> usize {
    let pods = cluster.pods.values().filter(|pod| pod.is_selectable());
    pods.filter(|pod| pod.addresses.contains(&address)).count()
}

#[test]
fn random_clusters_reach_everything() {
    let mut runner = TestRunner::deterministic();
    let mut coverage = Coverage::default();
    for _ in 0..200 {
        let changes = vec(change(), 1..40)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut compiler = compiler();
        compiler.apply(changes);
        coverage.look_at(&compiler);
    }
    assert!(coverage.is_complete(), "{coverage:?}");
}
