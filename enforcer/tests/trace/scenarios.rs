//! Every scenario of the repository, asked of the host's code and of the loaded programs.

use enforcer_testing::scenario::{self, Check, ServiceCheck, Stage, Verdict};
use serde_json::{Value, json};

use crate::command::Folder;
use crate::kernel::Kernel;
use crate::written::{line, manifests, service_line};

#[test]
fn every_scenario_holds_on_the_host() {
    assert_all(|folder, questions| folder.batch(questions, "").lines());
}

/// Needs root: the programs are loaded.
#[test]
fn every_scenario_holds_in_the_kernel() {
    let kernel = Kernel::load();
    assert_all(|folder, questions| kernel.batch(folder, questions));
}

fn assert_all(ask: impl Fn(&Folder, &str) -> Vec<Value>) {
    let scenarios = scenario::load_all(&scenario::directory()).unwrap();
    assert!(scenarios.len() > 40, "only {} scenarios", scenarios.len());
    let mut failures = Vec::new();
    let mut asked = 0;
    for scenario in &scenarios {
        for (number, stage) in scenario.stages.iter().enumerate() {
            let name = format!("{} stage {number}", scenario.name);
            asked += assert_stage(&name, stage, &ask, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(asked > 500, "only {asked} questions");
}

/// Asks all questions of a stage; returns how many there were.
fn assert_stage(
    name: &str,
    stage: &Stage,
    ask: impl Fn(&Folder, &str) -> Vec<Value>,
    failures: &mut Vec<String>,
) -> usize {
    let folder = Folder::with(&manifests(&stage.objects));
    let lines: Vec<String> = stage
        .checks
        .iter()
        .map(|check| line(&check.question))
        .collect();
    let services = stage.services.iter();
    let lines: Vec<String> = services
        .map(|check| service_line(&check.question))
        .chain(lines)
        .collect();
    let answers = ask(&folder, &lines.join("\n"));
    assert_eq!(answers.len(), lines.len(), "{name}");
    let (by_service, direct) = answers.split_at(stage.services.len());
    for (check, answer) in stage.checks.iter().zip(direct) {
        if !holds(check, answer) {
            failures.push(format!("{name}: {check}: {answer}"));
        }
    }
    for (check, answer) in stage.services.iter().zip(by_service) {
        if !service_holds(stage, check, answer) {
            failures.push(format!("{name}: {check}: {answer}"));
        }
    }
    answers.len()
}

/// Whether each backend has the verdict that it should have, and the whole follows from them. Which
/// backends there are is the oracle's to say: it holds for the check too.
fn service_holds(stage: &Stage, check: &ServiceCheck, answer: &Value) -> bool {
    let told = stage.objects.ask_service(&check.question).unwrap();
    let expected: Vec<Value> = told
        .backends
        .iter()
        .map(|one| {
            let verdict = check.verdict_of(one).map(word);
            json!([one.address, one.port, verdict])
        })
        .collect();
    let Some(found) = answer["backends"].as_array() else {
        return false;
    };
    let places: Vec<Value> = found
        .iter()
        .map(|one| json!([one["address"], one["port"], one["verdict"]]))
        .collect();
    let allowed = found.iter().filter(|one| one["verdict"] == "allow");
    let summary = match allowed.count() {
        0 => "deny",
        all if all == found.len() => "allow",
        _ => "differs",
    };
    let decides = |why: &String| found.iter().all(|one| names(one, why));
    places == expected
        && answer["verdict"] == summary
        && answer["without_backend"].is_string() == found.is_empty()
        && check.why.as_ref().is_none_or(decides)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    }
}

fn holds(check: &Check, answer: &Value) -> bool {
    answer["verdict"] == word(check.verdict)
        && check.why.as_ref().is_none_or(|why| names(answer, why))
}

/// Whether a policy is among those that isolate an end with the verdict of the whole.
fn names(answer: &Value, policy: &str) -> bool {
    ["egress", "ingress"].into_iter().any(|side| {
        let part = &answer[side];
        let policies = part["policies"].as_array().unwrap();
        part["verdict"] == answer["verdict"] && policies.contains(&json!(policy))
    })
}
