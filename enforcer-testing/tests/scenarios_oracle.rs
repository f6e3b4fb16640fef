//! Every scenario's expectations hold by the oracle.

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
