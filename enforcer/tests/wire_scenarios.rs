//! The scenarios of `scenarios/` as real packets. Needs root and a built BPF object.
//!
//! A scenario is played once for each node that it names (once if it names none): with the daemon
//! of that node, its pods as pods of the lab, and everything else outside. Where a connection goes
//! from node to node, the programs of both decide, so it is allowed when it is allowed in both
//! plays. TCP and UDP connect to real servers; every other protocol, and port 0, is sent by a raw
//! socket and looked for by another. At the end the daemon cleans up, and everything that was
//! denied must connect: so it was not the lab that was in the way. Connections to services are
//! translated by the rules of kube-proxy.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![expect(clippy::panic, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
#[path = "wire_scenarios/play.rs"]
mod play;
#[path = "wire_scenarios/probe.rs"]
mod probe;
#[path = "common/proxied.rs"]
mod proxied;
#[path = "wire_scenarios/services.rs"]
mod services;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use common::BRIDGE;
use enforcer_lab::Shape;
use enforcer_lab::proxy::Mode;
use enforcer_testing::scenario::{self, Check, Scenario};
use play::Play;

/// Scenarios that are played at a time.
const PLAYERS: usize = 4;

/// A check that cannot be placed on a wire: scenario, part of its text, shape (or all), why.
type Exception = (&'static str, &'static str, Option<Shape>, &'static str);
const NOT_ON_A_WIRE: &[Exception] = &[
    (
        "ipblock-except-is-of-its-block",
        "10.244.0.255 →",
        Some(BRIDGE),
        "the broadcast address of the bridge's subnet is nobody's source",
    ),
    ("policy-types-given", "192.0.2.2 → 192.0.2.1", None, NOBODY),
    (
        "seed-aks-allow-specific-pod",
        "192.0.2.1 → 192.0.2.1",
        None,
        NOBODY,
    ),
    (
        "seed-aks-backend-policy",
        "192.0.2.1 → 192.0.2.1",
        None,
        NOBODY,
    ),
    (
        "seed-aks-demo-policy",
        "10.244.0.108 → 10.244.0.107",
        None,
        NOBODY,
    ),
    ("seed-deny-all", "192.0.2.1 → 192.0.2.1", None, NOBODY),
    (
        "seed-egress-to-backup-server",
        "192.168.5.10 → 192.168.5.1",
        None,
        NOBODY,
    ),
    ("seed-multi-policy", "192.0.2.7 → 192.0.2.1", None, NOBODY),
];
const NOBODY: &str = "both ends are outside, where no program sees the packets";

#[test]
fn scenarios_hold_on_the_wire_with_ptp_links() {
    all(Shape::Ptp);
}

#[test]
fn scenarios_hold_on_the_wire_with_a_bridge() {
    all(BRIDGE);
}

fn all(shape: Shape) {
    let scenarios = scenario::load_all(&scenario::directory()).unwrap();
    assert!(!scenarios.is_empty());
    let queue = Mutex::new(scenarios);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop();
                    let Some(scenario) = next else { break };
                    let found = catch_unwind(AssertUnwindSafe(|| judge(&scenario, shape)))
                        .unwrap_or_else(|panic| {
                            vec![format!("{}: {}", scenario.name, said(&*panic))]
                        });
                    failures.lock().unwrap().extend(found);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{shape:?}:\n{}", failures.join("\n"));
}

fn means(
    (name, part, only, _): &Exception,
    shape: Shape,
    scenario: &Scenario,
    check: &Check,
) -> bool {
    *name == scenario.name
        && check.to_string().contains(part)
        && only.is_none_or(|only| only == shape)
}

#[test]
fn every_exception_is_about_a_check_that_is_there() {
    let scenarios = scenario::load_all(&scenario::directory()).unwrap();
    for exception in NOT_ON_A_WIRE {
        let shape = exception.2.unwrap_or(Shape::Ptp);
        let mut checks = scenarios.iter().flat_map(|scenario| {
            let stages = scenario.stages.iter();
            stages.flat_map(move |stage| stage.checks.iter().map(move |check| (scenario, check)))
        });
        let found = checks.any(|(scenario, check)| means(exception, shape, scenario, check));
        assert!(found, "{exception:?}");
    }
}

/// The message of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}

/// Plays a scenario and gives what does not hold.
fn judge(scenario: &Scenario, shape: Shape) -> Vec<String> {
    let skipped = |check: &Check| {
        let mut entries = NOT_ON_A_WIRE.iter();
        entries.any(|entry| means(entry, shape, scenario, check))
    };
    // Both of kube-proxy's modes get their turn.
    let mode = match shape {
        Shape::Ptp => Mode::Nftables,
        _ => Mode::Iptables,
    };
    let mut failures = Vec::new();
    // For each stage and check: whether each play that it concerns let it happen.
    let mut seen: BTreeMap<(usize, usize), Vec<bool>> = BTreeMap::new();
    for node in nodes(scenario) {
        let mut play = Play::new(scenario, shape, node.as_deref());
        for (number, stage) in scenario.stages.iter().enumerate() {
            play.stage(stage, &skipped);
            for (index, arrived) in play.probe(stage, &skipped) {
                seen.entry((number, index)).or_default().push(arrived);
            }
            let wrong = play.services(stage, mode, true).into_iter();
            failures
                .extend(wrong.map(|wrong| format!("{}, stage {number}: {wrong}", scenario.name)));
        }
        failures.extend(play.finish(mode, &skipped));
    }
    for (number, stage) in scenario.stages.iter().enumerate() {
        for (index, check) in stage.checks.iter().enumerate() {
            let plays = seen.get(&(number, index));
            let problem = match (plays, skipped(check)) {
                (None, false) => "cannot be placed, and is not listed",
                (Some(plays), false)
                    if plays.iter().all(|arrived| *arrived)
                        != (check.verdict == scenario::Verdict::Allow) =>
                {
                    "is not so on the wire"
                }
                _ => continue,
            };
            failures.push(format!(
                "{}, stage {number}: {check}: {problem}",
                scenario.name
            ));
        }
    }
    failures
}

/// The nodes of a scenario; one without a name if it names none.
fn nodes(scenario: &Scenario) -> Vec<Option<String>> {
    let stages = scenario.stages.iter();
    let names: BTreeSet<String> = stages
        .flat_map(|stage| {
            let nodes = stage
                .objects
                .nodes
                .iter()
                .filter_map(|node| node.metadata.name.clone());
            let bound = stage.objects.pods.iter().filter_map(play::node_of);
            nodes.chain(bound).collect::<Vec<_>>()
        })
        .collect();
    if names.is_empty() {
        return vec![None];
    }
    names.into_iter().map(Some).collect()
}
