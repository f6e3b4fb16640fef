//! `LabelSelector`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as k8s;

use crate::api::{meta, syntax};
use crate::few::Few;
use crate::intern::Name;
use crate::invalid::{Invalid, Problem};
use crate::selector::{LabelSelector, Requirement, Test};

const OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];

/// The selector at `path`. What is wrong with it goes to `invalid`.
pub(super) fn label_selector(
    selector: &k8s::LabelSelector,
    path: &str,
    invalid: &mut Vec<Invalid>,
) -> LabelSelector {
    let labels = selector.match_labels.as_ref();
    let labels = meta::labels(labels, &format!("{path}.matchLabels"), invalid);
    let mut requirements: Vec<_> = labels
        .iter()
        .map(|(key, value)| Requirement {
            key: key.clone(),
            test: Test::In(Few::from([value.clone()])),
        })
        .collect();
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        requirements.extend(requirement(expression, &path, invalid));
    }
    LabelSelector {
        requirements: requirements.into_iter().collect(),
    }
}

fn requirement(
    expression: &k8s::LabelSelectorRequirement,
    path: &str,
    invalid: &mut Vec<Invalid>,
) -> Option<Requirement> {
    let key = expression.key.clone();
    if key.is_empty() {
        invalid.push(Invalid::new(format!("{path}.key"), Problem::Missing));
    } else if !syntax::is_label_key(&key) {
        let problem = Problem::BadLabel(key.clone());
        invalid.push(Invalid::new(format!("{path}.key"), problem));
    }
    let given = expression.values.as_deref().unwrap_or_default();
    for (index, value) in given.iter().enumerate() {
        if !syntax::is_label_value(value) {
            let problem = Problem::BadLabel(value.clone());
            invalid.push(Invalid::new(format!("{path}.values[{index}]"), problem));
        }
    }
    let values = given.iter().map(Name::from).collect();
    let (test, needs) = match expression.operator.as_str() {
        "In" => (Test::In(values), true),
        "NotIn" => (Test::NotIn(values), true),
        "Exists" => (Test::Exists, false),
        "DoesNotExist" => (Test::DoesNotExist, false),
        other => {
            let problem = unknown_operator(other);
            invalid.push(Invalid::new(format!("{path}.operator"), problem));
            return None;
        }
    };
    if needs == given.is_empty() {
        let operator = expression.operator.clone();
        let problem = Problem::SelectorValues { operator, needs };
        invalid.push(Invalid::new(format!("{path}.values"), problem));
    }
    Some(Requirement {
        key: key.into(),
        test,
    })
}

fn unknown_operator(found: &str) -> Problem {
    if found.is_empty() {
        return Problem::Missing;
    }
    Problem::NotOneOf {
        found: found.to_owned(),
        known: OPERATORS,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> (LabelSelector, Vec<Invalid>) {
        let mut invalid = Vec::new();
        let selector = serde_json::from_value(value).unwrap();
        let selector = label_selector(&selector, "s", &mut invalid);
        (selector, invalid)
    }

    fn matches(selector: Value, labels: &[(&str, &str)]) -> bool {
        let (selector, invalid) = read(selector);
        assert_eq!(invalid, []);
        selector.matches(&labels.iter().copied().collect())
    }

    #[test]
    fn an_empty_selector_matches_everything() {
        for empty in [
            json!({}),
            json!({"matchLabels": {}, "matchExpressions": []}),
        ] {
            assert!(read(empty).0.is_everything());
        }
    }

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let selector = json!({
            "matchLabels": {"app": "db"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "old", "operator": "DoesNotExist"}
            ]
        });
        assert!(matches(selector.clone(), &[("app", "db"), ("tier", "b")]));
        assert!(!matches(selector.clone(), &[("app", "db"), ("tier", "c")]));
        assert!(!matches(selector.clone(), &[("app", "db")]));
        assert!(!matches(
            selector,
            &[("app", "db"), ("tier", "a"), ("old", "")]
        ));
    }

    #[test]
    fn not_in_holds_for_a_missing_label_and_exists_for_any_value() {
        let not_in = json!({"matchExpressions": [
            {"key": "a", "operator": "NotIn", "values": ["x"]}
        ]});
        assert!(matches(not_in.clone(), &[]));
        assert!(matches(not_in.clone(), &[("a", "y")]));
        assert!(!matches(not_in, &[("a", "x")]));
        let exists = json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]});
        assert!(matches(exists.clone(), &[("a", "")]));
        assert!(!matches(exists, &[]));
    }

    #[test]
    fn the_same_key_twice_is_a_conjunction() {
        let selector = json!({
            "matchLabels": {"a": "x"},
            "matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]
        });
        assert!(!matches(selector, &[("a", "x")]));
    }

    #[test]
    fn values_must_fit_the_operator() {
        let (_, invalid) = read(json!({"matchExpressions": [
            {"key": "a", "operator": "In", "values": []},
            {"key": "a", "operator": "NotIn"},
            {"key": "a", "operator": "Exists", "values": ["x"]},
            {"key": "a", "operator": "DoesNotExist", "values": ["x"]}
        ]}));
        let fields: Vec<_> = invalid.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "s.matchExpressions[0].values",
                "s.matchExpressions[1].values",
                "s.matchExpressions[2].values",
                "s.matchExpressions[3].values",
            ]
        );
        let codes: Few<_> = invalid.iter().map(|one| one.problem.code()).collect();
        assert_eq!(codes, Few::from(["selector-values"]));
    }

    #[test]
    fn keys_values_and_operators_are_checked_with_their_paths() {
        let (_, invalid) = read(json!({
            "matchLabels": {"a b": "x", "c": "x y"},
            "matchExpressions": [
                {"key": "-", "operator": "Exists"},
                {"key": "", "operator": "exists"},
                {"key": "a", "operator": "In", "values": ["ok", "not ok"]}
            ]
        }));
        let found: Vec<_> = invalid
            .iter()
            .map(|one| (one.field.as_str(), one.problem.code()))
            .collect();
        assert_eq!(
            found,
            [
                ("s.matchLabels[a b]", "bad-label"),
                ("s.matchLabels[c]", "bad-label"),
                ("s.matchExpressions[0].key", "bad-label"),
                ("s.matchExpressions[1].key", "missing-field"),
                ("s.matchExpressions[1].operator", "unknown-value"),
                ("s.matchExpressions[2].values[1]", "bad-label"),
            ]
        );
    }
}
