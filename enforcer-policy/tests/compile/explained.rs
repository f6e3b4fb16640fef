//! What is said from what was kept is what the rules say when they are walked through.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::abi::Direction;
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::explain::{Explainer, Explanation, PeerIdentity, PeerSide, explain};
use enforcer_policy::model::{Change, PodKey};
use enforcer_policy::rule::{PortSpec, Ports, Protocol};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::generate::{OUTSIDE, OWNED, PORTS, change};

/// Everybody who can be asked about, with all addresses that anybody has.
fn peers(compiler: &Compiler) -> Vec<PeerSide> {
    let cluster = compiler.cluster();
    let gone = PodKey {
        namespace: "blue".into(),
        name: "gone".into(),
    };
    let pods = cluster.pods.keys().chain([&gone]);
    let pods = pods.map(|key| PeerIdentity::Pod(key.clone()));
    let others = [PeerIdentity::Node("north".into()), PeerIdentity::Outside];
    let addresses = OWNED.into_iter().chain(OUTSIDE).step_by(2);
    let addresses: Vec<Option<IpAddr>> = addresses
        .map(|text| Some(text.parse().unwrap()))
        .chain([None])
        .collect();
    let with_addresses = |identity: PeerIdentity| {
        let side = move |address: &Option<IpAddr>| PeerSide {
            identity: identity.clone(),
            address: *address,
        };
        addresses.iter().map(side).collect::<Vec<_>>()
    };
    pods.chain(others).flat_map(with_addresses).collect()
}

/// What was met.
#[derive(Debug, Default)]
struct Met {
    allowed: usize,
    denied: usize,
    /// By what the nearest rule lacked.
    nearest: [usize; 3],
    passed: usize,
}

impl Met {
    fn note(&mut self, explanation: &Explanation) {
        self.allowed += usize::from(explanation.allowed_by.is_some());
        self.denied += usize::from(explanation.denied_by.is_some());
        let decided = explanation.allowed_by.is_some() || explanation.denied_by.is_some();
        self.passed += usize::from(!decided && !explanation.isolating.is_empty());
        if let Some(nearest) = &explanation.nearest {
            let lacks = nearest.lacks.len().min(self.nearest.len());
            self.nearest[lacks - 1] += 1;
        }
    }
}

fn compare(
    compiler: &Compiler,
    explainer: &mut Explainer,
    met: &mut Met,
) -> Result<(), TestCaseError> {
    let cluster = compiler.cluster();
    let peers = peers(compiler);
    for pod in cluster.pods.keys() {
        for (direction, peer) in Direction::ALL
            .into_iter()
            .flat_map(|direction| peers.iter().map(move |peer| (direction, peer)))
        {
            for (protocol, port) in [6, 17, 1].into_iter().flat_map(|p| PORTS.map(|n| (p, n))) {
                let kept = explainer.explain(compiler, pod, direction, peer, protocol, port);
                let plain = explain(cluster, pod, direction, peer, protocol, port);
                prop_assert_eq!(
                    &kept,
                    &plain,
                    "{:?} {:?} {} {}",
                    direction,
                    peer,
                    protocol,
                    port
                );
                met.note(&kept);
            }
        }
    }
    Ok(())
}

/// Most of the rules about TCP are about one port, so that there are several to choose among.
fn alike(change: Change) -> Change {
    let Change::Policy(key, Some(policy)) = change else {
        return change;
    };
    let mut policy = Arc::unwrap_or_clone(policy);
    for rule in &mut policy.rules {
        if let Ports::Of(ports) = &mut rule.ports
            && let Some(first) = ports.first_mut()
            && first.protocol == Protocol::Tcp
            && matches!(first.port, PortSpec::Range(..))
        {
            first.port = PortSpec::Range(80, 80);
            ports.truncate(1);
        }
    }
    Change::Policy(key, Some(Arc::new(policy)))
}

#[test]
fn what_is_kept_says_what_the_rules_say() {
    let met = RefCell::new(Met::default());
    let mut runner = TestRunner::new(Config::with_cases(64));
    let histories = vec(vec(change().prop_map(alike), 1..24), 1..4);
    let result = runner.run(&histories, |history| {
        let mut compiler = Compiler::new(Scope::All, Capacity::default());
        let mut explainer = Explainer::default();
        for changes in history {
            compiler.apply(changes);
            compare(&compiler, &mut explainer, &mut met.borrow_mut())?;
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let met = met.into_inner();
    let enough = [met.allowed, met.denied, met.passed]
        .into_iter()
        .chain(met.nearest);
    assert!(enough.min().unwrap() > 100, "{met:?}");
}
