//! Grafana's dashboard.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::page::{asked_for, exported};
use crate::promtool::passes;

fn dashboard() -> Value {
    let path = "../deploy/chart/enforcer/files/dashboard.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap();
    let with_queries = panels.iter().filter(|panel| panel["type"] != "row");
    with_queries.collect()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = panels(dashboard).into_iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_expression_is_promql() {
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    let expressions = expressions(&dashboard());
    assert!(expressions.len() > 20, "{expressions:?}");
    for (number, expression) in expressions.iter().enumerate() {
        // What Grafana puts in its place.
        let expression = expression.replace("$__rate_interval", "5m");
        let expression = Value::String(expression);
        writeln!(rules, "  - record: panel:{number}\n    expr: {expression}").unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("rules.yaml");
    fs::write(&file, rules).unwrap();
    let said = passes(&["check", "rules", &file.display().to_string()], "");
    let found = format!("{} rules found", expressions.len());
    assert!(said.contains(&found), "{said}");
}

#[test]
fn it_asks_for_metrics_that_the_daemon_exports_of_the_nodes_that_were_chosen() {
    let exported = exported();
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].to_string();
    for expression in expressions(&dashboard).iter().chain([&variables]) {
        let asked = asked_for(expression);
        let unknown: Vec<_> = asked.difference(&exported).collect();
        assert!(
            !asked.is_empty() && unknown.is_empty(),
            "{expression}: {unknown:?}"
        );
    }
    for expression in expressions(&dashboard) {
        let chosen = expression.matches("node=~\"$node\"").count();
        assert_eq!(
            chosen,
            expression.matches("enforcer_").count(),
            "{expression}"
        );
    }
}

#[test]
fn panels_have_numbers_and_places_of_their_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let numbers: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(numbers.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        assert!(x + w <= 24, "{}", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} covers another", panel["title"]);
        }
    }
}
