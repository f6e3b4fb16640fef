//! Amounts of resources, which the API takes as numbers too.

use serde_json::Value;

/// Fields that map resources to amounts.
const MAPS: &[&str] = &[
    "limits",
    "requests",
    "capacity",
    "allocatable",
    "allocatedResources",
    "overhead",
];

/// Fields that are amounts themselves.
const AMOUNTS: &[&str] = &["sizeLimit", "divisor"];

/// `value` with numbers as strings where the API means quantities: k8s-openapi takes strings only.
pub(super) fn as_strings(mut value: Value) -> Value {
    convert(&mut value);
    value
}

// The depth of the value is bounded by the YAML reader.
fn convert(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::Object(amounts) if MAPS.contains(&key.as_str()) => {
                        amounts.values_mut().for_each(quote);
                    }
                    amount if AMOUNTS.contains(&key.as_str()) => quote(amount),
                    other => convert(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(convert),
        _ => {}
    }
}

fn quote(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = Value::String(number.to_string());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_may_be_numbers_and_nothing_else_changes() {
        let pod = json!({"spec": {"containers": [
            {"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}, "ports": [{"containerPort": 80}]}
        ]}});
        let expected = json!({"spec": {"containers": [
            {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "ports": [{"containerPort": 80}]}
        ]}});
        assert_eq!(as_strings(pod), expected);
    }
}
