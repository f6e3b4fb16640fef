//! Every scenario's expectations hold by the oracle.

use std::collections::BTreeSet;

use enforcer_policy::oracle::Objects;
use enforcer_testing::scenario::{self, Scenario};

fn failures(scenario: &Scenario) -> Vec<String> {
    let mut failures = Vec::new();
    for (number, stage) in scenario.stages.iter().enumerate() {
        for check in &stage.checks {
            let name = &scenario.name;
            match stage.objects.ask(&check.question) {
                Ok(answer) if check.holds_for(&answer) => {}
                other => failures.push(format!("{name}, stage {number}: {check}, but {other:?}")),
            }
        }
        for check in &stage.services {
            let name = &scenario.name;
            match stage.objects.ask_service(&check.question) {
                Ok(answer) if check.holds_for(&answer) => {}
                other => failures.push(format!("{name}, stage {number}: {check}, but {other:?}")),
            }
        }
    }
    failures
}

#[test]
fn the_oracle_agrees_with_every_scenario() {
    let scenarios = scenario::load_all(&scenario::directory()).unwrap();
    assert!(scenarios.len() > 40, "found {} scenarios", scenarios.len());
    let failures: Vec<String> = scenarios.iter().flat_map(failures).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Addresses of pods that are there, in networks of their own.
fn addresses(objects: &Objects) -> Vec<&str> {
    let mut addresses = Vec::new();
    for pod in &objects.pods {
        let host = pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true);
        let status = pod.status.as_ref().filter(|_| !host);
        let ended = |phase: &str| phase == "Succeeded" || phase == "Failed";
        let status = status.filter(|status| !status.phase.as_deref().is_some_and(ended));
        let listed = status.into_iter().flat_map(|status| status.pod_ips.iter());
        addresses.extend(listed.flatten().map(|entry| entry.ip.as_str()));
    }
    addresses
}

#[test]
fn no_scenario_gives_two_pods_the_same_address() {
    for scenario in scenario::load_all(&scenario::directory()).unwrap() {
        for stage in &scenario.stages {
            let all = addresses(&stage.objects);
            let distinct: BTreeSet<_> = all.iter().collect();
            assert_eq!(all.len(), distinct.len(), "{}", scenario.name);
        }
    }
}
