//! Maps that are too small.

use enforcer_common::abi::Endpoint;
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generate::change;
use crate::lookup::{probes, verdict};
use crate::meaning;

pub(crate) fn small() -> impl Strategy<Value = Capacity> {
    let some = |limit: usize| prop_oneof![0..limit, Just(1 << 20)];
    (some(7), some(5), some(20), some(10)).prop_map(|(addresses, cidrs, verdicts, ports)| {
        Capacity {
            addresses,
            cidrs,
            verdicts,
            ports,
        }
    })
}

fn assert_within(compiler: &Compiler, capacity: Capacity) -> Result<(), TestCaseError> {
    let tables = compiler.tables();
    for six in [false, true] {
        let addresses = tables.addresses.keys().filter(|it| it.is_ipv6() == six);
        prop_assert!(addresses.count() <= capacity.addresses);
        let cidrs = tables.cidrs.keys().filter(|it| it.addr().is_ipv6() == six);
        prop_assert!(cidrs.count() <= capacity.cidrs);
    }
    prop_assert!(tables.verdicts.len() <= capacity.verdicts);
    prop_assert!(tables.ports.len() <= capacity.ports);
    Ok(())
}

/// Asserts that endpoints mean what the rules mean, or deny everything and say so.
fn assert_right_or_unfit(compiler: &Compiler) -> Result<(), TestCaseError> {
    let tables = compiler.tables();
    for (pod, endpoint) in &tables.endpoints {
        let denies = endpoint.flags & Endpoint::DENY_ALL != 0;
        prop_assert_eq!(denies, compiler.unfit().contains_key(pod));
        let judged = probes(pod).filter(|_| !denies);
        for probe in judged.filter(|probe| endpoint.isolated(probe.direction)) {
            let verdict = verdict(tables, endpoint, probe);
            let deferred = meaning::is_deferred(compiler.cluster(), probe);
            prop_assert_eq!(verdict.deferred, deferred, "{:?}", probe);
            let found = verdict.allowed;
            let meant = meaning::allowed(compiler.cluster(), probe);
            // A node's address for which there is no room is not known as a node's.
            let unknown = !tables.addresses.contains_key(&probe.peer);
            prop_assert!(found == meant || unknown && !found, "{:?}", probe);
        }
    }
    for pod in compiler.unfit().keys() {
        prop_assert!(tables.endpoints.contains_key(pod));
    }
    Ok(())
}

/// Whether everything would fit, holes in the port array aside.
fn would_fit(compiler: &Compiler, capacity: Capacity) -> bool {
    let tables = compiler.tables();
    let six = |six: bool| {
        tables
            .addresses
            .keys()
            .filter(move |it| it.is_ipv6() == six)
    };
    let cidrs = |six: bool| {
        tables
            .cidrs
            .keys()
            .filter(move |it| it.addr().is_ipv6() == six)
    };
    [false, true].into_iter().all(|family| {
        six(family).count() <= capacity.addresses && cidrs(family).count() <= capacity.cidrs
    }) && tables.verdicts.len() <= capacity.verdicts
        && capacity.ports >= 1 << 20
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_does_not_fit_is_denied_and_said(
        capacity in small(),
        batches in vec(vec(change(), 1..6), 1..12),
    ) {
        let mut compiler = Compiler::new(Scope::All, capacity);
        let mut roomy = Compiler::new(Scope::All, Capacity::default());
        for batch in batches {
            roomy.apply(batch.clone());
            let mut tables = compiler.tables().clone();
            for op in compiler.apply(batch) {
                tables.apply(&op);
            }
            prop_assert_eq!(&tables, compiler.tables());
            assert_within(&compiler, capacity)?;
            assert_right_or_unfit(&compiler)?;
            if would_fit(&roomy, capacity) {
                prop_assert_eq!(compiler.unfit().len(), 0, "{:?}", compiler.unfit());
            }
        }
    }
}
