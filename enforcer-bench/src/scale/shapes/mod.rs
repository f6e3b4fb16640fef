//! The kinds of clusters that are measured.

mod labels;
mod peers;
mod plain;
mod rules;

use serde_json::{Value, json};

use super::world::{Labelled, Shape, Size};

/// All of them, the usual one first.
pub(super) fn all() -> Vec<Shape> {
    [plain::all(), labels::all(), peers::all(), rules::all()]
        .into_iter()
        .flatten()
        .collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "numbers and texts alike are handed over"
)]
fn pair(key: &str, value: impl ToString) -> (String, String) {
    (key.to_owned(), value.to_string())
}

/// Labels of namespaces that nothing asks but one team in forty.
fn team(_: &Size, number: usize) -> Vec<(String, String)> {
    vec![pair("team", number % 40)]
}

/// Ten apps in each namespace.
fn app_of_ten(size: &Size, number: usize) -> Labelled {
    Labelled {
        namespace: number % size.namespaces,
        labels: vec![pair("app", (number / size.namespaces) % 10)],
    }
}

fn labelled(labels: &[(&str, String)]) -> Value {
    let labels: serde_json::Map<String, Value> = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())))
        .collect();
    json!({ "matchLabels": labels })
}

/// An ingress policy for these pods with one rule.
fn ingress(subject: &Value, from: &Value, ports: &Value) -> Value {
    json!({"podSelector": subject, "policyTypes": ["Ingress"],
        "ingress": [{"from": from, "ports": ports}]})
}

fn port(number: usize) -> Value {
    json!([{"protocol": "TCP", "port": number}])
}
