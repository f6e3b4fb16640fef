//! Every scenario of the repository, asked of the host's code and of the loaded programs.

use enforcer_policy::oracle::{Objects, Question, Side};
use enforcer_testing::scenario::{self, Check, Stage, Verdict};
use serde_json::{Value, json};

use crate::command::Folder;

#[test]
fn every_scenario_holds_on_the_host() {
    assert_all("");
}

/// Needs root: the programs are loaded.
#[test]
fn every_scenario_holds_in_the_kernel() {
    assert_all("--kernel");
}

fn assert_all(arguments: &str) {
    let scenarios = scenario::load_all(&scenario::directory()).unwrap();
    assert!(scenarios.len() > 40, "only {} scenarios", scenarios.len());
    let mut failures = Vec::new();
    let mut asked = 0;
    for scenario in &scenarios {
        for (number, stage) in scenario.stages.iter().enumerate() {
            let name = format!("{} stage {number}", scenario.name);
            asked += assert_stage(&name, stage, arguments, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(asked > 500, "only {asked} questions");
}

/// Asks all questions of a stage; returns how many there were.
fn assert_stage(name: &str, stage: &Stage, arguments: &str, failures: &mut Vec<String>) -> usize {
    let folder = Folder::with(&manifests(&stage.objects));
    let lines: Vec<String> = stage.checks.iter().map(line).collect();
    let run = folder.batch(&lines.join("\n"), arguments);
    let answers = run.lines();
    assert_eq!(answers.len(), lines.len(), "{name}: {}", run.err);
    for (check, answer) in stage.checks.iter().zip(&answers) {
        if !holds(check, answer) {
            failures.push(format!("{name}: {check}: {answer}"));
        }
    }
    answers.len()
}

fn holds(check: &Check, answer: &Value) -> bool {
    let expected = match check.verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    };
    answer["verdict"] == expected && check.why.as_ref().is_none_or(|why| names(answer, why))
}

/// Whether a policy is among those that isolate an end with the verdict of the whole.
fn names(answer: &Value, policy: &str) -> bool {
    ["egress", "ingress"].into_iter().any(|side| {
        let part = &answer[side];
        let policies = part["policies"].as_array().unwrap();
        part["verdict"] == answer["verdict"] && policies.contains(&json!(policy))
    })
}

fn manifests(objects: &Objects) -> String {
    let lists = [
        json!(objects.nodes),
        json!(objects.namespaces),
        json!(objects.pods),
        json!(objects.policies),
    ];
    let items = lists.iter().flat_map(|list| list.as_array().unwrap());
    let items: Vec<&Value> = items.collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn line(check: &Check) -> String {
    let Question {
        from,
        to,
        protocol,
        port,
    } = &check.question;
    let (protocol, port) = match protocol {
        1 | 58 => ("ICMP".to_owned(), None),
        6 | 17 | 132 => (protocol.to_string(), Some(port)),
        other => (other.to_string(), None),
    };
    json!({"from": side(from), "to": side(to), "protocol": protocol, "port": port}).to_string()
}

fn side(side: &Side) -> String {
    match side {
        Side::Pod(namespace, name) => format!("{namespace}/{name}"),
        Side::Address(address) => address.to_string(),
    }
}
