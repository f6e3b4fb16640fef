//! The alert rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::page::{asked_for, exported};
use crate::promtool::passes;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn rules() -> PathBuf {
    deploy().join("chart/enforcer/files/alerts.yaml")
}

fn cases() -> PathBuf {
    deploy().join("monitoring/alerts-test.yaml")
}

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The alerts, each with its expression and severity.
fn alerts() -> BTreeMap<String, (String, String)> {
    let rules = yaml(&rules());
    let groups = each(&rules["groups"]);
    let rules = groups.flat_map(|group| each(&group["rules"]));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules
        .map(|rule| {
            let severity = text(&rule["labels"]["severity"]);
            (text(&rule["alert"]), (text(&rule["expr"]), severity))
        })
        .collect()
}

#[test]
fn prometheus_takes_the_rules() {
    let path = rules().display().to_string();
    let said = passes(&["check", "rules", "--lint-fatal", &path], "");
    let count = alerts().len();
    assert!(said.contains(&format!("{count} rules found")), "{said}");
}

#[test]
fn alerts_fire_when_they_should_and_not_when_they_should_not() {
    passes(&["test", "rules", &cases().display().to_string()], "");
}

#[test]
fn every_alert_has_a_case_that_fires_and_one_that_does_not() {
    let cases = yaml(&cases());
    let tests = each(&cases["tests"]).flat_map(|test| each(&test["alert_rule_test"]));
    let mut tried: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for test in tests {
        let fires = each(&test["exp_alerts"]).count() > 0;
        let name = test["alertname"].as_str().unwrap().to_owned();
        tried.entry(name).or_default()[usize::from(fires)] = true;
    }
    let both: BTreeSet<_> = tried
        .into_iter()
        .filter_map(|(name, tried)| (tried == [true; 2]).then_some(name))
        .collect();
    let all: BTreeSet<_> = alerts().into_keys().collect();
    assert!(all.len() > 15, "{all:?}");
    assert_eq!(both, all);
}

#[test]
fn alerts_ask_for_metrics_that_the_daemon_exports() {
    let exported = exported();
    for (name, (expression, _)) in alerts() {
        let asked = asked_for(&expression);
        let unknown: Vec<_> = asked.difference(&exported).collect();
        assert!(
            !asked.is_empty() && unknown.is_empty(),
            "{name}: {unknown:?}"
        );
    }
}

#[test]
fn the_document_names_every_alert_and_its_severity() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let document = fs::read_to_string(path).unwrap();
    for (name, (_, severity)) in alerts() {
        let row = format!("| `{name}` | {severity} | ");
        assert!(document.contains(&row), "no {row}…");
    }
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `Enforcer"));
    assert_eq!(rows.count(), alerts().len());
}
